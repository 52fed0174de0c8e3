/* The hit rate of the last minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "meters.h"
#include "verdict.h"

static uint64_t now = 1000 * SECOND;

/* A second in which so many pages are asked for, and found. */
static void pass(unsigned hits, unsigned misses)
{
    count(meters.cache[WORD_HIT], hits);
    for (unsigned i = 0; i < misses; i++) {
        histogram(meters.wait, 5 * MILLISECOND);
    }
    meters_look(now);
    now += SECOND;
}

static void pass_seconds(unsigned seconds, unsigned hits, unsigned misses)
{
    for (unsigned i = 0; i < seconds; i++) {
        pass(hits, misses);
    }
}

static uint64_t share(int span) /* in hundredths */
{
    return meters.hits[span]->value * 100 / meters.asked[span]->value;
}

static void a_young_process_counts_from_its_start(void **state)
{
    (void)state;
    meters_open();
    pass_seconds(5, 3, 1);
    for (int span = 0; span < 3; span++) {
        assert_int_equal(meters.hits[span]->value, 15);
        assert_int_equal(meters.asked[span]->value, 20);
    }
}

static void each_span_forgets_what_is_older(void **state)
{
    (void)state;
    pass_seconds(3600, 9, 1);
    assert_int_equal(share(0), 90);
    assert_int_equal(share(2), 90);
    pass_seconds(61, 0, 10);
    assert_int_equal(share(0), 0);
    assert_in_range(share(1), 70, 75); /* a minute of five */
    assert_in_range(share(2), 88, 89);
    pass_seconds(240, 0, 10);
    assert_int_equal(share(1), 0);
    assert_in_range(meters.asked[0]->value, 500, 600);
    assert_in_range(meters.asked[1]->value, 2900, 3000);
    assert_in_range(meters.asked[2]->value, 35900, 36000);
}

static void nothing_asked_is_nothing_found(void **state)
{
    (void)state;
    pass_seconds(3700, 0, 0);
    for (int span = 0; span < 3; span++) {
        assert_int_equal(meters.hits[span]->value, 0);
        assert_int_equal(meters.asked[span]->value, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_young_process_counts_from_its_start),
        cmocka_unit_test(each_span_forgets_what_is_older),
        cmocka_unit_test(nothing_asked_is_nothing_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
