/* Who takes gzip, and the bounded way back from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "encoding.h"

static void test_who_accepts_gzip(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool accepts;
    } rows[] = {
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"br, gzip", true},
        {"gzip;q=0.001", true},
        {"gzip ; q=1", true},
        {"gzip;Q=0.5", true},
        {"*", true},
        {"br;q=1, *;q=0.1", true},
        {"*;q=0, gzip", true},
        {"gzip;q=1.000", true},
        {"gzip;q=0", false},
        {"gzip; q=0.000", false},
        {"gzip;q=0.", false},
        {"*;q=0", false},
        {"*, gzip;q=0", false},
        {"gzip;q=0, *", false},
        {"br, deflate", false},
        {"identity", false},
        {"", false},
        {"gzipped", false},
        {"gz", false},
        {",,;q=1,", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (encoding_accepts_gzip(str_of(rows[i].value)) != rows[i].accepts) {
            fail_msg("\"%s\": expected %s", rows[i].value, rows[i].accepts ? "yes" : "no");
        }
    }
    assert_false(encoding_accepts_gzip(STR_NONE));
}

/* The caller frees. */
static unsigned char *make_gzip(const void *bytes, size_t n, size_t *gzip_n)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, n);
    unsigned char *out = malloc(room);
    assert_non_null(out);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *gzip_n = z.total_out;
    deflateEnd(&z);
    return out;
}

static void test_back_and_forth(void **state)
{
    (void)state;
    struct gunzip *gunzip = gunzip_new();
    static unsigned char bytes[300000];
    for (size_t n = 0; n <= sizeof(bytes); n = n * 3 + 1) {
        for (size_t i = 0; i < n; i++) {
            bytes[i] = (unsigned char)(i % 3 ? i : (size_t)rand());
        }
        size_t gzip_n, back_n = 99;
        unsigned char *gzip = make_gzip(bytes, n, &gzip_n);
        unsigned char *back = gunzip_run(gunzip, gzip, gzip_n, n, &back_n); /* a limit that just fits */
        assert_non_null(back);
        assert_int_equal(back_n, n);
        assert_memory_equal(back, bytes, n);
        free(back);
        if (n > 0) {
            assert_null(gunzip_run(gunzip, gzip, gzip_n, n - 1, &back_n));
        }
        free(gzip);
    }
    gunzip_free(&gunzip);
    assert_null(gunzip);
}

static void test_what_is_broken(void **state)
{
    (void)state;
    struct gunzip *gunzip = gunzip_new();
    size_t n, back_n;
    unsigned char *gzip = make_gzip("a page, a page, a page", 22, &n);
    unsigned char *longer = malloc(n + 1);
    assert_non_null(longer);
    memcpy(longer, gzip, n);
    longer[n] = 0;
    assert_null(gunzip_run(gunzip, longer, n + 1, 1000, &back_n)); /* bytes after the end */
    for (size_t cut = 0; cut < n; cut++) {
        unsigned char *part = malloc(cut + 1); /* of just that size, for AddressSanitizer to watch */
        assert_non_null(part);
        memcpy(part, gzip, cut);
        assert_null(gunzip_run(gunzip, part, cut, 1000, &back_n));
        free(part);
    }
    for (size_t at = n - 8; at < n; at++) { /* a wrong checksum or length; the length is also what is first allocated */
        memcpy(longer, gzip, n);
        longer[at] ^= 0xff;
        assert_null(gunzip_run(gunzip, longer, n, 1000, &back_n));
    }
    unsigned char *good = gunzip_run(gunzip, gzip, n, 1000, &back_n); /* what was broken leaves nothing behind */
    assert_non_null(good);
    assert_int_equal(back_n, 22);
    free(good);
    free(longer);
    free(gzip);
    gunzip_free(&gunzip);
}

static void test_a_bomb_costs_no_more_than_the_limit(void **state)
{
    (void)state;
    struct gunzip *gunzip = gunzip_new();
    size_t n, back_n, zeros_n = 8u << 20;
    unsigned char *zeros = calloc(1, zeros_n);
    assert_non_null(zeros);
    unsigned char *gzip = make_gzip(zeros, zeros_n, &n);
    assert_null(gunzip_run(gunzip, gzip, n, zeros_n / 2, &back_n));
    memset(gzip + n - 4, 0, 4); /* it says of itself that it is empty */
    assert_null(gunzip_run(gunzip, gzip, n, zeros_n / 2, &back_n));
    free(zeros);
    free(gzip);
    gunzip_free(&gunzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_accepts_gzip),
        cmocka_unit_test(test_back_and_forth),
        cmocka_unit_test(test_what_is_broken),
        cmocka_unit_test(test_a_bomb_costs_no_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
