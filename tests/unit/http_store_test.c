/* What may be stored, for how long, under which variant, and what a 304 or an unsafe request makes of it, rule by rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "http_invalidate.h"
#include "http_list.h"
#include "http_validate.h"
#include "http_vary.h"

#define CAME 1000000ull
#define WALL 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

static struct message request, response;
static struct request_facts facts;
static struct meta meta;
static struct judgement judgement;
static struct store_policy policy;
static const struct hash seed = {1, 2};
static struct buffer packed = {.limit = 65536};

static void fill(struct headers *headers, const char *const *lines)
{
    headers->n = 0;
    for (; *lines; lines += 2)
        assert_true(headers_add(headers, str_of(lines[0]), str_of(lines[1])));
}

#define LINES(headers, ...) fill(headers, (const char *const[]){__VA_ARGS__, NULL})

static int set_up(void **state)
{
    (void)state;
    request = (struct message){
        .type = MESSAGE_REQUEST, .method = STR("GET"), .scheme = STR("https"), .target = STR("/a/b?c=1")};
    LINES(&request.headers, "host", "h.example");
    response = (struct message){.type = MESSAGE_RESPONSE, .status = 200};
    policy.heuristics = false;
    buffer_reset(&packed);
    return 0;
}

static enum store_kind judge(const char *const *lines)
{
    fill(&response.headers, lines);
    facts_read(&facts, &request, 0);
    judgement = store_judge(&facts, &response, &(struct arrival){CAME - 40, CAME, WALL}, &policy, &meta);
    return judgement.kind;
}

#define JUDGE(...) judge((const char *const[]){__VA_ARGS__, NULL})

static void lifetime_is(uint32_t seconds)
{
    assert_int_equal(judgement.kind, STORE_SHARE);
    assert_int_equal(meta.lifetime, seconds);
}

static void the_lifetime_comes_from_the_first_that_speaks(void **state) /* RFC 9111 section 4.2.1, RFC 9213 */
{
    (void)state;
    JUDGE("cache-control", "max-age=60");
    lifetime_is(60);
    assert_true(meta.born == CAME - 40 && meta.arrived == CAME && meta.flags == 0);
    JUDGE("cache-control", "max-age=60, s-maxage=600", "expires", "Sun, 06 Nov 1994 08:49:38 GMT");
    lifetime_is(600);
    assert_true(meta.flags & META_MUST_REVALIDATE);
    JUDGE("cache-control", "no-store, max-age=0", "cdn-cache-control",
          "max-age=1800, stale-if-error=5, stale-while-revalidate=6");
    lifetime_is(1800);
    assert_true(meta.sie == 5 && meta.swr == 6);
    JUDGE("cache-control", "max-age=7", "cdn-cache-control", "max-age=1800,");
    lifetime_is(7);
    JUDGE("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
    lifetime_is(60);
    JUDGE("expires", "Sun, 06 Nov 1994 08:50:37 GMT", "date", "Sun, 06 Nov 1994 08:49:07 GMT");
    lifetime_is(90);
    JUDGE("cache-control", "max-age=5", "expires", "0");
    lifetime_is(5);
}

static void what_has_no_lifetime_is_for_one(void **state)
{
    (void)state;
    assert_int_equal(JUDGE("content-type", "text/html"), STORE_NOT);
    assert_int_equal(judgement.reason, STORE_NO_LIFETIME);
    assert_int_equal(JUDGE("expires", "0"), STORE_NOT);
    assert_int_equal(JUDGE("expires", "Sun, 06 Nov 1994 08:49:37 GMT"), STORE_NOT);
    assert_int_equal(JUDGE("expires", "Sun, 06 Nov 1994 08:50:37 GMT", "expires", "Sun, 06 Nov 1995 08:50:37 GMT"),
                     STORE_NOT);
    assert_int_equal(JUDGE("cdn-cache-control", "stale-while-revalidate=9", "expires", "Sun, 06 Nov 1999 08:50:37 GMT"),
                     STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "max-age=x"), STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "max-age=60, max-age=61"), STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "max-age=0"), STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "max-age=0", "etag", "\"a\""), STORE_KEEP);
    assert_int_equal(JUDGE("cache-control", "max-age=0, stale-if-error=9"), STORE_KEEP);
    assert_int_equal(JUDGE("cache-control", "max-age=0, stale-while-revalidate=9"), STORE_SHARE);
    assert_int_equal(JUDGE("cache-control", "s-maxage=0, stale-while-revalidate=9"), STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "max-age=9", "age", "9"), STORE_NOT);
    assert_int_equal(JUDGE("cache-control", "no-cache, max-age=9", "etag", "\"a\""), STORE_KEEP);
    assert_int_equal(judgement.reason, STORE_NO_CACHE);
    assert_true(meta.flags & META_NO_CACHE);
    assert_int_equal(JUDGE("cache-control", "no-cache", "last-modified", "x"), STORE_KEEP);
    assert_int_equal(JUDGE("cache-control", "no-cache"), STORE_NOT);
}

static void lifetimes_are_guessed_only_where_it_is_permitted(void **state) /* section 4.2.2 */
{
    (void)state;
    static const char *const lines[] = {"last-modified", "Sun, 06 Nov 1994 08:32:57 GMT", NULL};
    assert_int_equal(judge(lines), STORE_NOT);
    policy.heuristics = true;
    judge(lines);
    lifetime_is(100);
    response.status = 404;
    judge(lines);
    lifetime_is(100);
    response.status = 302;
    assert_int_equal(judge(lines), STORE_NOT);
    response.status = 200;
    JUDGE("last-modified", "Sun, 06 Nov 1984 08:32:57 GMT");
    lifetime_is(86400);
    assert_int_equal(JUDGE("last-modified", "Sun, 06 Nov 1999 08:32:57 GMT"), STORE_KEEP);
    assert_int_equal(JUDGE("etag", "\"a\""), STORE_KEEP);
    JUDGE("last-modified", "Sun, 06 Nov 1994 08:32:57 GMT", "cache-control", "max-age=5");
    lifetime_is(5);
}

static uint64_t age(const char *name, const char *value)
{
    JUDGE("cache-control", "max-age=1000000", name, value);
    assert_int_equal(judgement.kind, STORE_SHARE);
    return (uint64_t)((int64_t)CAME - meta.born);
}

static void the_age_counts_from_the_origin(void **state) /* sections 4.2.3, 5.1 */
{
    (void)state;
    assert_int_equal(age("age", "100"), 100040);
    assert_int_equal(age("age", "100, 7"), 100040);
    assert_int_equal(age("age", "-1"), 40);
    assert_int_equal(age("age", "1.5"), 40);
    assert_int_equal(age("age", "\"100\""), 40);
    assert_int_equal(age("age", ""), 40);
    assert_int_equal(age("date", "Sun, 06 Nov 1994 08:49:27 GMT"), 10000);
    assert_int_equal(age("date", "Sun, 06 Nov 1994 09:49:27 GMT"), 40); /* a clock of theirs that is ahead */
    assert_int_equal(age("date", "yesterday"), 40);
}

static void what_is_personal_is_never_stored(void **state) /* sections 3, 3.5, 5.2.2 */
{
    (void)state;
    static const char *const bad[][2] = {
        {"set-cookie", "a=b"}, {"Set-Cookie", ""},    {"cache-control", "private"}, {"cache-control", "NO-STORE"},
        {"vary", "Cookie"},    {"vary", "accept, *"}, {"vary", "x, Authorization"}, {"cache-control", "private=\"\""},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(JUDGE("cache-control", "max-age=60, public", "etag", "\"a\"", bad[i][0], bad[i][1]),
                         STORE_NOT);
    LINES(&request.headers, "host", "h", "authorization", "x");
    assert_int_equal(JUDGE("cache-control", "max-age=60, public"), STORE_NOT);
    assert_int_equal(judgement.reason, STORE_PERSONAL);
    LINES(&request.headers, "host", "h", "cache-control", "no-store");
    assert_int_equal(JUDGE("cache-control", "max-age=60"), STORE_NOT);
    LINES(&request.headers, "host", "h");
    request.method = STR("POST");
    assert_int_equal(JUDGE("cache-control", "max-age=60"), STORE_NOT);
    response.status = 503;
    request.method = STR("GET");
    assert_int_equal(JUDGE("cache-control", "max-age=60"), STORE_ERROR);
    assert_false(judgement.for_one);
    /* It says nothing of the page, but may show something of a visitor. */
    static const char *const own[][2] = {
        {"set-cookie", "a"}, {"cache-control", "private"}, {"cdn-cache-control", "private"}, {"vary", "*"}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(JUDGE(own[i][0], own[i][1]), STORE_ERROR);
        assert_true(judgement.for_one);
    }
}

static void what_must_not_be_transformed_gets_no_other_coding(void **state) /* section 5.2.2.6 */
{
    (void)state;
    JUDGE("cache-control", "max-age=60, no-transform");
    assert_true(meta.flags == META_SQUEEZED && judgement.kind == STORE_SHARE);
}

static void only_statuses_that_are_understood(void **state)
{
    (void)state;
    for (unsigned status = 200; status < 600; status++) {
        response.status = status;
        enum store_kind kind = JUDGE("cache-control", "max-age=60");
        bool error = status == 500 || status == 502 || status == 503 || status == 504;
        assert_true((kind == STORE_ERROR) == error);
        if (status == 206 || status == 304 || status == 299 || status == 201 || status == 416 || status == 429)
            assert_int_equal(kind, STORE_NOT);
        if (status == 200 || status == 404 || status == 301 || status == 302 || status == 410 || status == 308)
            assert_int_equal(kind, STORE_SHARE);
    }
    response.status = 200; /* section 5.2.2.3 */
    assert_int_equal(JUDGE("cache-control", "max-age=60, no-store, must-understand"), STORE_SHARE);
    response.status = 299;
    assert_int_equal(JUDGE("cache-control", "max-age=60, no-store, must-understand"), STORE_NOT);
}

static void header_lines_of_a_connection_or_named_are_left_out(void **state) /* section 3.1 */
{
    (void)state;
    JUDGE("cache-control", "max-age=60, private=\"X-Mine\", no-cache=\"x-also\"", "connection", "close, X-Named",
          "x-named", "1", "x-mine", "1", "X-ALSO", "2", "keep-alive", "1", "transfer-encoding", "chunked",
          "content-length", "1", "age", "3", "cdn-cache-control", "broken,", "te", "x", "trailer", "x", "upgrade", "x",
          "proxy-authenticate", "x", "x-stays", "1", "x-stays", "2", "etag", "\"a\"");
    assert_int_equal(judgement.kind, STORE_SHARE);
    store_headers(&judgement, &response.headers, &packed);
    struct str rest = buffer_str(&packed);
    struct header pair;
    unsigned n = 0;
    static const char *const stay[] = {"cdn-cache-control", "x-stays", "x-stays", "etag"};
    while (pairs_next(&rest, &pair))
        if (!str_eq(pair.name, STR("cache-control")))
            assert_true(n < 4 && str_eq(pair.name, str_of(stay[n++])));
    assert_int_equal(n, 4);
}

static void tags_become_hashes_and_slots(void **state)
{
    (void)state;
    static struct tags tags;
    static struct epochs epochs;
    static char names[200][24];
    uint64_t rows[STORE_ROW_TAGS];
    uint32_t n, broad;
    tags = (struct tags){4, {{"movies", 6}, {"movie:7", 7}, {"categories", 10}, {"movie-slug:x", 12}}};
    assert_true(store_tags(&tags, &seed, &epochs, rows, &n, &broad));
    assert_int_equal(n, 2);
    assert_true(rows[0] == hash_tag(&seed, STR("movie:7")) && rows[1] != rows[0]);
    assert_int_equal(broad, 1u << epochs_slot(&epochs, hash_tag(&seed, STR("movies"))) |
                                1u << epochs_slot(&epochs, hash_tag(&seed, STR("categories"))));
    tags.n = STORE_ROW_TAGS + 1;
    for (uint32_t i = 0; i < tags.n; i++) {
        snprintf(names[i], sizeof(names[i]), "movie:%u", i % 1000);
        tags.item[i] = str_of(names[i]);
    }
    assert_false(store_tags(&tags, &seed, &epochs, rows, &n, &broad));
    tags.item[tags.n++] = STR("movies");
    assert_true(store_tags(&tags, &seed, &epochs, rows, &n, &broad));
    assert_true(n == 0 && broad != 0);
}

static void variants_are_told_by_what_they_vary_on(void **state) /* section 4.1 */
{
    (void)state;
    static struct headers german, english, none;
    struct vary vary;
    struct hash key = {5, 6};
    LINES(&response.headers, "vary", "Accept-Encoding");
    assert_int_equal(vary_read(&response.headers, &vary), VARY_NOT);
    LINES(&response.headers, "vary", "X-B, accept-encoding", "Vary", "Accept-Language, x-b");
    assert_int_equal(vary_read(&response.headers, &vary), VARY_LISTED);
    assert_true(vary.n == 2 && str_eq(vary.name[0], STR("Accept-Language")));
    LINES(&german, "accept-language", "de , en", "x-b", "1");
    LINES(&english, "accept-language", "en,de", "x-b", "1");
    LINES(&none, "x-b", "1");
    vary_pack(&vary, &german, &packed);
    assert_true(vary_matches(buffer_str(&packed), &german));
    assert_false(vary_matches(buffer_str(&packed), &english));
    assert_false(vary_matches(buffer_str(&packed), &none));
    LINES(&english, "x-b", "1", "Accept-Language", "de", "accept-language", "en");
    assert_true(vary_matches(buffer_str(&packed), &english));
    assert_true(hash_eq(vary_key(&seed, key, buffer_str(&packed), &german),
                        vary_key(&seed, key, buffer_str(&packed), &english)));
    assert_false(
        hash_eq(vary_key(&seed, key, buffer_str(&packed), &german), vary_key(&seed, key, buffer_str(&packed), &none)));
    struct buffer marker = {.limit = 4096};
    vary_pack(&vary, NULL, &marker);
    assert_true(hash_eq(vary_key(&seed, key, buffer_str(&marker), &german),
                        vary_key(&seed, key, buffer_str(&packed), &german)));
    buffer_reset(&packed); /* empty is not absent */
    vary_pack(&vary, &none, &packed);
    LINES(&english, "x-b", "1", "accept-language", "");
    assert_true(vary_matches(buffer_str(&packed), &none));
    assert_false(vary_matches(buffer_str(&packed), &english));
    assert_false(
        hash_eq(vary_key(&seed, key, buffer_str(&marker), &english), vary_key(&seed, key, buffer_str(&marker), &none)));
    buffer_release(&marker);
    LINES(&response.headers, "vary", "a,b,c,d,e,f,g,h,i");
    assert_int_equal(vary_read(&response.headers, &vary), VARY_NEVER);
}

static void our_own_validation(void **state) /* sections 4.3.1, 4.3.4, 3.2 */
{
    (void)state;
    static struct headers asked, said, merged;
    pairs_add(&packed, STR("etag"), STR("W/\"a\""));
    pairs_add(&packed, STR("last-modified"), STR("then"));
    pairs_add(&packed, STR("content-type"), STR("text/html"));
    pairs_add(&packed, STR("x"), STR("old"));
    pairs_add(&packed, STR("x"), STR("old too"));
    meta = (struct meta){.status = 200, .headers = buffer_str(&packed)};
    asked.n = 0;
    assert_true(validate_ask(&meta, &asked));
    assert_true(str_eq(headers_get(&asked, STR("if-none-match")), STR("W/\"a\"")));
    assert_true(str_eq(headers_get(&asked, STR("if-modified-since")), STR("then")));
    LINES(&said, "etag", "W/\"a\"", "X", "new", "cache-control", "max-age=7", "content-type", "no", "content-length",
          "0", "connection", "y", "y", "1");
    assert_true(validate_update(&meta, &said, &merged));
    assert_true(str_eq(headers_get(&merged, STR("x")), STR("new")));
    assert_false(headers_line(&merged, STR("x"), 1).p);
    assert_true(str_eq(headers_get(&merged, STR("content-type")), STR("text/html")));
    assert_true(str_eq(headers_get(&merged, STR("cache-control")), STR("max-age=7")));
    /* The 304 says none: what is stored was first seen then. */
    assert_true(str_eq(headers_get(&merged, STR("last-modified")), STR("then")));
    assert_false(headers_get(&merged, STR("content-length")).p || headers_get(&merged, STR("y")).p);
    LINES(&said, "etag", "\"b\"");
    assert_false(validate_update(&meta, &said, &merged));
    LINES(&said, "x", "1");
    assert_true(validate_update(&meta, &said, &merged));
    meta.headers = STR("");
    asked.n = 0;
    assert_false(validate_ask(&meta, &asked));
    LINES(&said, "last-modified", "now");
    assert_false(validate_update(&meta, &said, &merged));
}

static void the_canonical_request_is_nobodys(void **state)
{
    (void)state;
    static struct message canonical;
    request.method = STR("HEAD");
    LINES(&request.headers, "host", "h", "Cookie", "a=b", "Range", "bytes=0-1", "If-None-Match", "*",
          "if-modified-since", "x", "if-range", "x", "accept-encoding", "br", "cache-control", "no-cache", "pragma",
          "no-cache", "accept", "x", "connection", "x-hop", "x-hop", "1", "if-match", "x", "if-unmodified-since", "x");
    canonical_ask(&request, STR("/normal"), &canonical);
    assert_true(str_eq(canonical.method, STR("GET")) && str_eq(canonical.target, STR("/normal")));
    assert_int_equal(canonical.headers.n, 3);
    assert_true(str_eq(headers_get(&canonical.headers, STR("accept-encoding")), STR("gzip")));
    assert_true(str_eq(headers_get(&canonical.headers, STR("host")), STR("h")));
    assert_true(str_eq(headers_get(&canonical.headers, STR("accept")), STR("x")));
}

static struct key keys[INVALIDATED_MOST];

static uint32_t invalidated(const char *method, unsigned status, const char *name, const char *value)
{
    request.method = str_of(method);
    response.status = status;
    LINES(&response.headers, "x", "y", name, value);
    return invalidate_keys(&request, &response, keys);
}

static void unsafe_methods_invalidate(void **state) /* section 4.4 */
{
    (void)state;
    static const char *const references[][2] = {
        {"/x?b=1&a=2", "https://h.example/x?a=2&b=1"},
        {"c", "https://h.example/a/c"},
        {"../c#f", "https://h.example/c"},
        {"?z", "https://h.example/a/b?z"},
        {"", "https://h.example/a/b?c=1"},
        {"//H.example:443/y", "https://h.example/y"},
        {"HTTPS://h.example?q", "https://h.example/?q"},
        {"x:y/z", NULL},
        {"http://h.example/x", NULL},
        {"https://other/x", NULL},
        {"//h.example.evil/x", NULL},
        {"/%zz", NULL},
    };
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        uint32_t n = invalidated("POST", 303, i % 2 ? "Location" : "content-location", references[i][0]);
        assert_true(str_eq(key_text(&keys[0]), STR("https://h.example/a/b?c=1")));
        assert_int_equal(n, references[i][1] ? 2 : 1);
        if (n == 2)
            assert_true(str_eq(key_text(&keys[1]), str_of(references[i][1])));
    }
    assert_int_equal(invalidated("GET", 200, "location", "/x"), 0);
    assert_int_equal(invalidated("OPTIONS", 200, "location", "/x"), 0);
    assert_int_equal(invalidated("POST", 404, "location", "/x"), 0);
    assert_int_equal(invalidated("DELETE", 500, "location", "/x"), 0);
    assert_int_equal(invalidated("BREW", 200, "location", "/x"), 2);
    buffer_release(&packed);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_lifetime_comes_from_the_first_that_speaks),
        TEST(what_has_no_lifetime_is_for_one),
        TEST(lifetimes_are_guessed_only_where_it_is_permitted),
        TEST(the_age_counts_from_the_origin),
        TEST(what_is_personal_is_never_stored),
        TEST(what_must_not_be_transformed_gets_no_other_coding),
        TEST(only_statuses_that_are_understood),
        TEST(header_lines_of_a_connection_or_named_are_left_out),
        TEST(tags_become_hashes_and_slots),
        TEST(variants_are_told_by_what_they_vary_on),
        TEST(our_own_validation),
        TEST(the_canonical_request_is_nobodys),
        TEST(unsafe_methods_invalidate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
