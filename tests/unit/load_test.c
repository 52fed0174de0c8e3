/* One line of a load file: what is taken, how it is cleaned, and why the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_rows.h"

static void takes(const char *line, const char *expected)
{
    char reason[JSON_ROW_REASON] = "";
    char *movie = json_row_read(line, strlen(line), reason);
    if (!movie)
        fail_msg("refused %s: %s", line, reason);
    assert_string_equal(movie, expected);
    free(movie);
}

static void refuses_bytes(const char *line, size_t length, const char *why)
{
    char reason[JSON_ROW_REASON] = "";
    char *movie = json_row_read(line, length, reason);
    if (movie)
        fail_msg("took %s", movie);
    if (!strstr(reason, why))
        fail_msg("refused for \"%s\" instead of \"%s\"", reason, why);
    for (const char *p = reason; *p; p++)
        assert_in_range((unsigned char)*p, ' ', '~');
}

static void refuses(const char *line, const char *why)
{
    refuses_bytes(line, strlen(line), why);
}

static void own_shape_keeps_what_is_right(void **state)
{
    (void)state;
    takes("{\"title\":\"Casablanca\",\"year\":1942,\"score\":8.5,\"votes\":1,\"actors\":[\"Ingrid Bergman\"],"
          "\"links\":{\"wikipedia\":\"https://en.wikipedia.org/wiki/Casablanca\"},\"published\":false,"
          "\"poster\":\"posters/casablanca.jpg\",\"categories\":[\"Drama\"],\"slug\":\"casablanca\"}",
          "{\"title\":\"Casablanca\",\"year\":1942,\"score\":8.5,\"votes\":1,\"actors\":[\"Ingrid Bergman\"],"
          "\"links\":{\"wikipedia\":\"https://en.wikipedia.org/wiki/Casablanca\"},\"published\":false,"
          "\"poster\":\"posters/casablanca.jpg\",\"categories\":[\"Drama\"],\"slug\":\"casablanca\"}");
    takes(" {\"title\": \"300\", \"director\": null}\r", "{\"title\":\"300\"}");
    takes("{\"title\":\"Up\",\"release_date\":\"2008-02-29\"}",
          "{\"title\":\"Up\",\"release_date\":\"2008-02-29\",\"year\":2008}");
}

static void wikipedia_shape_becomes_our_own(void **state)
{
    (void)state;
    takes("{\"title\":\"Wings\",\"year\":1927,\"cast\":[\"Clara Bow\"],\"genres\":[\"War\"],"
          "\"href\":\"Wings_(1927 \xc3\xa9)\",\"extract\":\"Wings is a film.\","
          "\"thumbnail\":\"https://upload.wikimedia.org/a.jpg\",\"thumbnail_width\":1,\"thumbnail_height\":2}",
          "{\"title\":\"Wings\",\"year\":1927,\"actors\":[\"Clara Bow\"],\"categories\":[\"War\"],"
          "\"links\":{\"wikipedia\":\"https://en.wikipedia.org/wiki/Wings_(1927%20%C3%A9)\"},"
          "\"synopsis\":\"Wings is a film.\",\"poster\":\"https://upload.wikimedia.org/a.jpg\"}");
    takes("{\"title\":\"X\",\"year\":1900,\"cast\":[],\"genres\":[],\"href\":null}",
          "{\"title\":\"X\",\"year\":1900,\"actors\":[],\"categories\":[]}");
}

static void odd_spaces_and_control_characters_are_cleaned(void **state)
{
    (void)state;
    takes("{\"title\":\"\\t The\\u00a0\\u2003 Third\\n\\u0007Man\\u200b\\u202e\\ufeff \"}",
          "{\"title\":\"The Third Man\"}");
    takes("{\"title\":\"M\",\"director\":\" \\u00a0\",\"actors\":[\"\",\" Peter  Lorre\"]}",
          "{\"title\":\"M\",\"actors\":[\"Peter Lorre\"]}");
    takes("{\"title\":\"\xe4\xb8\x83\xe4\xba\xba\xe3\x80\x80\xf0\x9f\x8e\xac\"}",
          "{\"title\":\"\xe4\xb8\x83\xe4\xba\xba \xf0\x9f\x8e\xac\"}");
}

static void what_is_no_movie_is_refused(void **state)
{
    (void)state;
    refuses("", "it is not JSON");
    refuses("{\"title\":\"A\"", "it is not JSON");
    refuses("[\"title\"]", "it is not a JSON object");
    refuses("{\"title\":\"A\"} {\"title\":\"B\"}", "it is not JSON");
    refuses("{\"title\":\"A\",\"title\":\"B\"}", "it is not JSON");
    refuses("{\"title\":\"\\u0000\"}", "it is not JSON");
    refuses("{\"title\":\"\xff\xfe\"}", "it is not JSON");
    refuses("{\"title\":\"\\ud800\"}", "it is not JSON");
    refuses("{\"year\":99999999999999999999}", "it is not JSON");
    refuses_bytes("{\"title\":\"A\"}\0x", 15, "it is not JSON");
    refuses("{}", "it has no title");
    refuses("{\"title\":\" \\u0001\"}", "it has no title");
    refuses("{\"title\":\"A\",\"titel\":\"B\"}", "unknown key \"titel\"");
    refuses("{\"title\":\"A\",\"\xc3\xa9\\n\":\"B\"}", "unknown key \"?\"");
}

static void values_beyond_their_limits_are_refused(void **state)
{
    static const struct {
        const char *field, *why;
    } bad[] = {
        {"\"title\":1", "\"title\" is not a text"},
        {"\"year\":1869", "from 1870 to 2100"},
        {"\"year\":2101", "from 1870 to 2100"},
        {"\"year\":\"1999\"", "whole number"},
        {"\"year\":1999.5", "whole number"},
        {"\"runtime\":0", "from 1 to 1000"},
        {"\"runtime\":1001", "from 1 to 1000"},
        {"\"score\":10.1", "a number from 0 to 10"},
        {"\"score\":-1", "a number from 0 to 10"},
        {"\"votes\":2147483648", "whole number"},
        {"\"votes\":-1", "whole number"},
        {"\"critics\":101", "from 0 to 100"},
        {"\"budget\":-1", "whole number"},
        {"\"release_date\":\"2001-02-29\"", "a date"},
        {"\"release_date\":\"1869-12-31\"", "a date"},
        {"\"release_date\":\"1999-1-01\"", "a date"},
        {"\"release_date\":\"1999-01-0\"", "a date"},
        {"\"release_date\":\"19-9-01-01\"", "a date"},
        {"\"release_date\":\"-999-01-01\"", "a date"},
        {"\"release_date\":\"1999-01-01\",\"year\":1998", "not the year"},
        {"\"slug\":\"A\"", "joined by hyphens"},
        {"\"slug\":\"a--b\"", "joined by hyphens"},
        {"\"slug\":\"-a\"", "joined by hyphens"},
        {"\"slug\":\"a-\"", "joined by hyphens"},
        {"\"slug\":\"\"", "joined by hyphens"},
        {"\"poster\":\"javascript:alert(1)\"", "address or a media key"},
        {"\"poster\":\"../x\"", "address or a media key"},
        {"\"poster\":\"https://a b\"", "address or a media key"},
        {"\"poster\":\"https://a\\\"b\"", "address or a media key"},
        {"\"links\":[]", "not an object"},
        {"\"links\":{\"a\":1}", "not an http or https address"},
        {"\"links\":{\"a\":\"ftp://x\"}", "not an http or https address"},
        {"\"links\":{\"A b\":\"https://x\"}", "a key that is not"},
        {"\"actors\":\"x\"", "not a list"},
        {"\"actors\":[1]", "not a text"},
        {"\"published\":1", "true or false"},
        {"\"certificate\":\"123456789012345678901\"", "at most 20"},
    };
    char line[300];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "{\"title\":\"A\",%s}", bad[i].field);
        if (strncmp(bad[i].field, "\"title\"", 7) == 0)
            snprintf(line, sizeof line, "{%s}", bad[i].field);
        refuses(line, bad[i].why);
    }
}

static void lengths_are_counted_in_characters(void **state)
{
    char line[1000] = "{\"title\":\"";
    size_t n = strlen(line);
    char reason[JSON_ROW_REASON];
    (void)state;
    for (int i = 0; i < 300; i++, n += 2)
        memcpy(line + n, "\xc3\xa9", 2);
    strcpy(line + n, "\"}");
    char *movie = json_row_read(line, strlen(line), reason);
    assert_non_null(movie);
    free(movie);
    strcpy(line + n, "e\"}");
    refuses(line, "\"title\" has 301 characters; at most 300 are allowed");
}

static void random_bytes_never_break_it(void **state)
{
    static const char alphabet[] = "{}[]\":,\\ntitleyr0129-.eE\xc3\xa9\xf0\x9f\x01 u";
    char line[64], reason[JSON_ROW_REASON];
    uint64_t seed = 20240229;
    (void)state;
    for (int round = 0; round < 50000; round++) {
        size_t n = 0;
        memcpy(line, "{\"title\":\"", 10);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t length = seed >> 59;
        for (n = seed >> 33 & 1 ? 10 : 0; n < 10 + length; n++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            line[n] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
        }
        free(json_row_read(line, n, reason));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_shape_keeps_what_is_right),
        cmocka_unit_test(wikipedia_shape_becomes_our_own),
        cmocka_unit_test(odd_spaces_and_control_characters_are_cleaned),
        cmocka_unit_test(what_is_no_movie_is_refused),
        cmocka_unit_test(values_beyond_their_limits_are_refused),
        cmocka_unit_test(lengths_are_counted_in_characters),
        cmocka_unit_test(random_bytes_never_break_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
