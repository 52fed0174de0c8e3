/* Pages are compressed well by a thread of its own, and come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <brotli/decode.h>
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "squeeze.h"

static char page[60000];
static uint32_t page_n;

static int set_up(void **state)
{
    (void)state;
    page_n = 0;
    for (int i = 0; page_n < sizeof(page) - 100; i++)
        page_n += (uint32_t)snprintf(page + page_n, 100, "<li class=\"card\"><a href=\"/movie/%d\">Movie %d</a></li>\n",
                                     i * 7919 % 1000, i);
    return 0;
}

static struct squeezed wait_for(struct squeeze *squeeze)
{
    struct squeezed squeezed;
    for (int i = 0; i < 2000; i++) {
        if (squeeze_take(squeeze, &squeezed))
            return squeezed;
        usleep(10000);
    }
    fail_msg("nothing came back");
    return (struct squeezed){0};
}

static void assert_is_page(struct str gzip, struct str brotli)
{
    static unsigned char plain[sizeof(page)];
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)gzip.p,
                       .avail_in = gzip.n,
                       .next_out = plain,
                       .avail_out = sizeof(plain)};
    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_out, page_n);
    inflateEnd(&stream);
    assert_memory_equal(plain, page, page_n);
    size_t n = sizeof(plain);
    assert_int_equal(BrotliDecoderDecompress(brotli.n, (const uint8_t *)brotli.p, &n, plain),
                     BROTLI_DECODER_RESULT_SUCCESS);
    assert_int_equal(n, page_n);
    assert_memory_equal(plain, page, page_n);
}

static void plain_and_gzip_bodies_come_back_better(void **state)
{
    (void)state;
    struct squeeze *squeeze = squeeze_new();
    assert_true(squeeze_give(squeeze, (struct hash){1, 1}, 7, (struct str){page, page_n}, false));
    struct squeezed squeezed = wait_for(squeeze);
    assert_int_equal(squeezed.stamp, 7);
    assert_is_page(squeezed.gzip, squeezed.brotli);
    assert_true(squeezed.brotli.n <= squeezed.gzip.n * 9 / 10);

    static unsigned char fast[sizeof(page)];
    z_stream stream = {
        .next_in = (unsigned char *)page, .avail_in = page_n, .next_out = fast, .avail_out = sizeof(fast)};
    deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    uint32_t fast_n = (uint32_t)stream.total_out;
    deflateEnd(&stream);
    assert_true(squeeze_give(squeeze, (struct hash){2, 2}, 8, (struct str){(char *)fast, fast_n}, true));
    squeezed = wait_for(squeeze);
    assert_true(hash_eq(squeezed.key, ((struct hash){2, 2})));
    assert_is_page(squeezed.gzip, squeezed.brotli);
    assert_true(squeezed.gzip.n < fast_n);
    squeeze_free(&squeeze);
}

static void while_somebody_waits_it_goes_on_slowly(void **state)
{
    (void)state;
    struct squeeze *squeeze = squeeze_new();
    squeeze_rest(squeeze, true);
    assert_true(squeeze_give(squeeze, (struct hash){4, 4}, 1, (struct str){page, 6000}, false));
    struct squeezed squeezed = wait_for(squeeze);
    assert_non_null(squeezed.brotli.p);
    squeeze_free(&squeeze);
}

static void what_is_no_gzip_comes_back_empty(void **state)
{
    (void)state;
    struct squeeze *squeeze = squeeze_new();
    assert_true(squeeze_give(squeeze, (struct hash){3, 3}, 1, STR("this is no gzip at all"), true));
    struct squeezed squeezed = wait_for(squeeze);
    assert_null(squeezed.gzip.p);
    assert_null(squeezed.brotli.p);
    squeeze_free(&squeeze);
}

static void its_queue_is_bounded_and_holds_each_once(void **state)
{
    (void)state;
    struct squeeze *squeeze = squeeze_new();
    unsigned taken = 0;
    for (uint64_t i = 1; i <= 2 * SQUEEZE_QUEUE; i++) {
        bool given = squeeze_give(squeeze, (struct hash){i, i}, 1, (struct str){page, page_n}, false);
        taken += given;
        if (given)
            assert_false(squeeze_give(squeeze, (struct hash){i, i}, 1, (struct str){page, page_n}, false));
    }
    assert_in_range(taken, 1, SQUEEZE_QUEUE); /* less when the thread had the mutex at that moment */
    assert_false(squeeze_give(squeeze, (struct hash){9, 9}, 1, STR(""), false));
    squeeze_free(&squeeze); /* with most of them not begun */
    assert_null(squeeze);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(plain_and_gzip_bodies_come_back_better, set_up),
        cmocka_unit_test_setup(while_somebody_waits_it_goes_on_slowly, set_up),
        cmocka_unit_test_setup(what_is_no_gzip_comes_back_empty, set_up),
        cmocka_unit_test_setup(its_queue_is_bounded_and_holds_each_once, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
