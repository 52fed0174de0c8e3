/* What the site tells machines: JSON-LD, the sitemap, the feed, and the writers under them with what hostile people
 * type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "feed.h"
#include "json.h"
#include "json_ld.h"
#include "rfc3339.h"
#include "sitemap.h"
#include "xml.h"

static struct arena *arena;
static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1 << 22);
    out = (struct buffer){.limit = 1 << 20};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    buffer_release(&out);
    return 0;
}

static struct value root_of(const char *json)
{
    struct value root;
    char error[200];
    if (!value_from_json(arena, json, strlen(json), &root, error, sizeof error))
        fail_msg("%s", error);
    return root;
}

static void assert_str(struct str s, const char *expected)
{
    struct str copy = arena_copy(arena, s);
    assert_string_equal(arena_printf(arena, STR_FMT, STR_ARG(copy)).p, expected);
}

static void assert_xml(struct str text, const char *expected)
{
    buffer_reset(&out);
    xml_write_text(&out, text);
    assert_false(out.failed);
    assert_str(buffer_str(&out), expected);
}

static void a_text_in_xml_is_text(void **state)
{
    (void)state;
    assert_xml(STR("Amélie 東京 😀"), "Amélie 東京 😀");
    assert_xml(STR("<b>&amp;\"'</b>]]>"), "&lt;b&gt;&amp;amp;&quot;&#39;&lt;/b&gt;]]&gt;");
    assert_xml(STR("a\tb\nc\rd"), "a\tb\nc&#13;d");
    assert_xml(STR(""), "");
    assert_xml(STR_NONE, "");
}

static void what_xml_has_no_place_for_is_left_out(void **state)
{
    (void)state;
    assert_xml(STR("a\0b\1c\x0b\x1f"
                   "d\x7f"),
               "abcd\x7f");
    assert_xml(STR("a\xef\xbf\xbe"
                   "b\xef\xbf\xbf"
                   "c\xef\xbf\xbd"),
               "abc\xef\xbf\xbd");
    /* Not UTF-8: alone, cut off, a surrogate. */
    assert_xml(STR("a\xff"
                   "b\xe6\x9d"),
               "a\xef\xbf\xbd"
               "b\xef\xbf\xbd\xef\xbf\xbd");
    assert_xml(STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void json_can_stand_in_a_script_element(void **state)
{
    (void)state;
    buffer_reset(&out);
    json_write_str(&out, STR("</script><!-- & \xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7 -->"));
    assert_str(buffer_str(&out), "\"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028\\u2029\xe2\x80\xa7 --\\u003e\"");
}

static void a_movie_is_told_in_the_words_of_schema_org(void **state)
{
    (void)state;
    struct value root = root_of(
        "{\"site\":\"https://x.example\",\"description\":\"A ship "
        "lands.\",\"movie\":{\"slug\":\"alien\",\"title\":\"Alien\","
        "\"original_title\":null,\"release_date\":\"1979-05-25\",\"runtime\":117,\"certificate\":\"R\",\"director\":"
        "\"Ridley Scott\",\"director_slug\":\"ridley-scott\",\"score\":8.5,\"votes\":10,\"actors\":[{\"slug\":"
        "\"tom-skerritt\",\"name\":\"Tom Skerritt\"},{\"slug\":null,\"name\":\"Bolaji\"}],\"categories\":[{\"slug\":"
        "\"horror\",\"name\":\"Horror\"}]}}");
    struct str text;
    assert_true(json_ld_movie(arena, &root, &text));
    assert_str(text, "{\"@context\":\"https://schema.org\",\"@type\":\"Movie\",\"name\":\"Alien\","
                     "\"url\":\"https://x.example/movie/alien\",\"image\":\"https://x.example/poster/alien.svg\","
                     "\"description\":\"A ship lands.\",\"datePublished\":\"1979-05-25\","
                     "\"director\":{\"@type\":\"Person\",\"name\":\"Ridley Scott\","
                     "\"url\":\"https://x.example/person/ridley-scott\"},"
                     "\"actor\":[{\"@type\":\"Person\",\"name\":\"Tom Skerritt\","
                     "\"url\":\"https://x.example/person/tom-skerritt\"},{\"@type\":\"Person\",\"name\":\"Bolaji\"}],"
                     "\"genre\":[\"Horror\"],\"duration\":\"PT117M\",\"contentRating\":\"R\","
                     "\"aggregateRating\":{\"@type\":\"AggregateRating\",\"bestRating\":10,\"worstRating\":0,"
                     "\"ratingValue\":8.5,\"ratingCount\":10}}");
}

static void what_is_not_known_of_a_movie_is_not_told(void **state)
{
    (void)state;
    struct value root = root_of(
        "{\"site\":\"https://x.example\",\"movie\":{\"slug\":\"m\",\"title\":\"</script>\",\"release_date\":null,"
        "\"runtime\":null,\"score\":7,\"votes\":0,\"director\":null,\"actors\":[],\"categories\":null}}");
    struct str text;
    assert_true(json_ld_movie(arena, &root, &text));
    assert_str(text, "{\"@context\":\"https://schema.org\",\"@type\":\"Movie\",\"name\":\"\\u003c/script\\u003e\","
                     "\"url\":\"https://x.example/movie/m\",\"image\":\"https://x.example/poster/m.svg\"}");
    root = root_of("{\"site\":\"https://x.example\"}");
    assert_false(json_ld_movie(arena, &root, &text));
    assert_null(text.p);
    assert_false(json_ld_person(arena, &root, &text));
    assert_null(text.p);
}

static void people_the_site_and_the_way_to_a_list_are_told(void **state)
{
    (void)state;
    struct value root = root_of(
        "{\"site\":\"https://x.example\",\"person\":{\"slug\":\"amy-adams\",\"name\":\"Amy \\\"A\\\" Adams\"}}");
    struct str text;
    assert_true(json_ld_person(arena, &root, &text));
    assert_str(text, "{\"@context\":\"https://schema.org\",\"@type\":\"Person\",\"name\":\"Amy \\\"A\\\" Adams\","
                     "\"url\":\"https://x.example/person/amy-adams\"}");
    assert_true(json_ld_home(arena, &root, &text));
    assert_non_null(strstr(text.p, "\"urlTemplate\":\"https://x.example/search?q={search_term_string}\""));
    assert_true(json_ld_trail(arena, &root, &text));
    assert_non_null(strstr(text.p, "{\"@type\":\"ListItem\",\"position\":2,\"name\":\"Movies\",\"item\":"
                                   "\"https://x.example/movies\"}]"));
    root = root_of("{\"site\":\"https://x.example\",\"category\":{\"slug\":\"horror\",\"name\":\"Horror\"}}");
    assert_true(json_ld_trail(arena, &root, &text));
    assert_non_null(
        strstr(text.p, "\"position\":3,\"name\":\"Horror\",\"item\":\"https://x.example/category/horror\"}]"));
}

static void a_page_without_memory_goes_without(void **state)
{
    (void)state;
    struct value root = root_of("{\"site\":\"https://x.example\",\"movie\":{\"slug\":\"m\",\"title\":\"M\"}}");
    for (size_t limit = 0; limit < 8000; limit += 100) {
        struct arena *small = arena_new(limit);
        struct str text;
        if (!json_ld_movie(small, &root, &text))
            assert_null(text.p);
        json_ld_home(small, &root, &text);
        json_ld_trail(small, &root, &text);
        arena_free(&small);
    }
}

static void times_are_as_rfc_3339_has_them(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"2025-11-22 13:10:05.123456+00", "2025-11-22T13:10:05Z"},
        {"2025-11-22 13:10:05+00", "2025-11-22T13:10:05Z"},
        {"2025-11-22 13:10:05+05:30", "2025-11-22T13:10:05+05:30"},
        {"2025-11-22 13:10:05.1-08", "2025-11-22T13:10:05-08:00"},
        {"2025-11-22T13:10:05Z", "2025-11-22T13:10:05Z"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_str(rfc3339_time(arena, str_of(good[i][0])), good[i][1]);
    static const char *const bad[] = {"",
                                      "infinity",
                                      "2025-11-22",
                                      "0044-03-15 12:00:00+00 BC",
                                      "12025-11-22 13:10:05+00",
                                      "2025-11-22 13:10:05",
                                      "2025-11-22 13:10:05+0",
                                      "2025-11-22 13:10:05+05:30:15"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(rfc3339_time(arena, str_of(bad[i])).p);
    assert_null(rfc3339_time(arena, STR_NONE).p);
}

static const struct route_match nothing;

static void the_feed_is_atom(void **state)
{
    (void)state;
    struct value root = root_of(
        "{\"site\":\"https://x.example:8443\",\"movies\":["
        "{\"id\":7,\"slug\":\"a-b\",\"title\":\"A < B & "
        "\\\"C\\\"\\u0001\",\"year\":1979,\"director\":\"D\",\"synopsis\":null,"
        "\"published_at\":\"2025-11-20 10:00:00+00\",\"updated_at\":\"2025-11-21 10:00:00.5+00\",\"categories\":[\"R & "
        "B\"]},"
        "{\"id\":6,\"slug\":\"c\",\"title\":\"C\",\"year\":null,\"director\":null,\"synopsis\":\"It is.\","
        "\"published_at\":\"2025-11-19 10:00:00+00\",\"updated_at\":\"2025-11-22 09:00:00+00\",\"categories\":[]}]}");
    assert_true(write_feed(arena, &nothing, &root, &out));
    assert_str(buffer_str(&out),
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n"
               "<id>https://x.example:8443/</id>\n"
               "<title>FilmyFly: new movies</title>\n"
               "<link rel=\"alternate\" type=\"text/html\" href=\"https://x.example:8443/\"/>\n"
               "<link rel=\"self\" type=\"application/atom+xml\" href=\"https://x.example:8443/feed.xml\"/>\n"
               "<updated>2025-11-22T09:00:00Z</updated>\n"
               "<author><name>FilmyFly</name></author>\n"
               "<entry>\n"
               "<id>tag:x.example,2025-11-20:movie/7</id>\n"
               "<title>A &lt; B &amp; &quot;C&quot; (1979)</title>\n"
               "<link rel=\"alternate\" type=\"text/html\" href=\"https://x.example:8443/movie/a-b\"/>\n"
               "<published>2025-11-20T10:00:00Z</published>\n"
               "<updated>2025-11-21T10:00:00Z</updated>\n"
               "<category term=\"R &amp; B\"/>\n"
               "<summary>A movie directed by D.</summary>\n"
               "</entry>\n"
               "<entry>\n"
               "<id>tag:x.example,2025-11-19:movie/6</id>\n"
               "<title>C</title>\n"
               "<link rel=\"alternate\" type=\"text/html\" href=\"https://x.example:8443/movie/c\"/>\n"
               "<published>2025-11-19T10:00:00Z</published>\n"
               "<updated>2025-11-22T09:00:00Z</updated>\n"
               "<summary>It is.</summary>\n"
               "</entry>\n"
               "</feed>\n");
}

static void a_site_without_a_name_still_names_its_entries(void **state)
{
    static const char *const sites[][2] = {
        {"https://[::1]:8443", "<id>tag:0--1,2025-"},
        {"https://[2001:db8::]", "<id>tag:2001-db8--0,2025-"},
        {"http://127.0.0.1:8080", "<id>tag:127.0.0.1,2025-"},
        {"https://x.example", "<id>tag:x.example,2025-"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        struct value root =
            root_of(arena_printf(arena,
                                 "{\"site\":\"%s\",\"movies\":[{\"id\":1,\"slug\":\"a\",\"title\":\"A\","
                                 "\"published_at\":\"2025-11-22 09:00:00+00\","
                                 "\"updated_at\":\"2025-11-22 09:00:00+00\"}]}",
                                 sites[i][0])
                        .p);
        buffer_reset(&out);
        assert_true(write_feed(arena, &nothing, &root, &out));
        assert_non_null(memmem(out.p, out.n, sites[i][1], strlen(sites[i][1])));
    }
}

static void a_feed_of_nothing_is_a_feed_and_half_an_entry_is_left_out(void **state)
{
    (void)state;
    struct value root = root_of("{\"site\":\"https://x.example\",\"movies\":[]}");
    assert_true(write_feed(arena, &nothing, &root, &out));
    root = root_of("{\"site\":\"https://x.example\",\"movies\":["
                   "{\"id\":1,\"slug\":\"a\",\"title\":\"A\",\"published_at\":\"infinity\",\"updated_at\":\"2025-11-22 "
                   "09:00:00+00\"},"
                   "{\"id\":2,\"slug\":\"b\",\"title\":\"B\",\"published_at\":\"2025-11-20 "
                   "09:00:00+00\",\"updated_at\":\"294276-12-31 "
                   "00:00:00+00\"},"
                   "{\"id\":3,\"slug\":\"c\",\"title\":\"C\",\"published_at\":\"2025-11-20 "
                   "09:00:00+00\",\"updated_at\":\"2025-11-21 "
                   "09:00:00+00\"}]}");
    buffer_reset(&out);
    assert_true(write_feed(arena, &nothing, &root, &out));
    assert_null(memmem(out.p, out.n, "<title>A</title>", 16));
    assert_null(memmem(out.p, out.n, "<title>B</title>", 16));
    assert_non_null(memmem(out.p, out.n, "<title>C</title>", 16));
    assert_null(memmem(out.p, out.n, "<updated></updated>", 19));
    size_t n = out.n;
    buffer_release(&out);
    out.limit = n - 1;
    assert_false(write_feed(arena, &nothing, &root, &out));
}

static void the_sitemap_lists_files_and_files_list_pages(void **state)
{
    (void)state;
    struct value root = root_of("{\"site\":\"https://x.example\",\"files\":[{\"kind\":\"movies\",\"file\":1},"
                                "{\"kind\":\"people\",\"file\":2}]}");
    assert_true(write_sitemap_index(arena, &nothing, &root, &out));
    assert_str(buffer_str(&out), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                 "<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
                                 "<sitemap><loc>https://x.example/sitemap/pages.xml</loc></sitemap>\n"
                                 "<sitemap><loc>https://x.example/sitemap/movies-1.xml</loc></sitemap>\n"
                                 "<sitemap><loc>https://x.example/sitemap/people-2.xml</loc></sitemap>\n"
                                 "</sitemapindex>\n");
    root = root_of("{\"site\":\"https://x.example\",\"movies\":[{\"slug\":\"alien\",\"updated\":\"2025-11-22\"},"
                   "{\"slug\":\"m\",\"updated\":null}],\"people\":[]}");
    buffer_reset(&out);
    assert_true(write_sitemap_movies(arena, &nothing, &root, &out));
    assert_str(buffer_str(&out), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                                 "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
                                 "<url><loc>https://x.example/movie/alien</loc><lastmod>2025-11-22</lastmod></url>\n"
                                 "<url><loc>https://x.example/movie/m</loc></url>\n"
                                 "</urlset>\n");
    assert_true(complete_sitemap_movies(arena, &nothing, &root));
    assert_false(complete_sitemap_people(arena, &nothing, &root));
    root = root_of(
        "{\"site\":\"https://x.example\",\"categories\":[{\"slug\":\"horror\"}],\"decades\":[{\"decade\":1990}]}");
    buffer_reset(&out);
    assert_true(write_sitemap_pages(arena, &nothing, &root, &out));
    assert_non_null(memmem(out.p, out.n, "<loc>https://x.example/category/horror</loc>", 44));
    assert_non_null(memmem(out.p, out.n, "<loc>https://x.example/movies?decade=1990</loc>", 47));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_in_xml_is_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_xml_has_no_place_for_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_can_stand_in_a_script_element, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_movie_is_told_in_the_words_of_schema_org, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_of_a_movie_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(people_the_site_and_the_way_to_a_list_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_without_memory_goes_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_are_as_rfc_3339_has_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_feed_is_atom, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_site_without_a_name_still_names_its_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_feed_of_nothing_is_a_feed_and_half_an_entry_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_sitemap_lists_files_and_files_list_pages, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
