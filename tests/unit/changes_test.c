/* What changed since a page was asked for (cacher/changes.h), and what was done within a second (cacher/once.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "changes.h"
#include "once.h"

static struct changes changes;
static uint64_t at;
static bool hard;

static int set_up(void **state)
{
    (void)state;
    changes = (struct changes){0};
    return 0;
}

static bool changed(uint32_t slots, uint64_t dispatched)
{
    return epochs_changed(&changes.epochs, slots, dispatched, &at, &hard);
}

static void a_broad_tag_makes_its_pages_stale(void **state)
{
    (void)state;
    uint32_t movies = epochs_slot(&changes.epochs, 11), people = epochs_slot(&changes.epochs, 12);
    assert_int_not_equal(movies, people);
    assert_int_equal(movies, epochs_slot(&changes.epochs, 11));
    assert_false(changed(1u << movies, 0));
    assert_int_equal(changes_broad(&changes, 5000, 11, false), 1);
    assert_true(changed(1u << movies, 0) && at == 5000 && !hard);
    assert_false(changed(1u << movies, 1));
    assert_false(changed(1u << people, 0));
    assert_int_equal(changes_broad(&changes, 9000, 12, true), 2);
    assert_true(changed(1u << people | 1u << movies, 1) && at == 9000 && hard);
    assert_true(changed(1u << people | 1u << movies, 0) && at == 5000 && hard);
    assert_true(changed(1u << movies, 0) && !hard);
}

static void everything_is_everybodys(void **state)
{
    (void)state;
    assert_int_equal(changes_everything(&changes, 7, true), 1);
    assert_true(changed(0, 0) && at == 7 && hard);
    assert_false(changed(0, 1));
    changes_everything(&changes, 8, false);
    assert_true(changed(0, 1) && !hard);
}

static void tags_without_a_slot_share_the_last(void **state)
{
    (void)state;
    for (uint64_t tag = 1; tag <= 100; tag++)
        epochs_slot(&changes.epochs, tag);
    assert_int_equal(epochs_slot(&changes.epochs, 100), EPOCH_REST);
    changes_broad(&changes, 1, 200, false);
    assert_true(changed(1u << epochs_slot(&changes.epochs, 100), 0));
    assert_false(changed(1u << epochs_slot(&changes.epochs, 1), 0));
    assert_int_not_equal(epochs_slot(&changes.epochs, 0), EPOCH_EVERYTHING);
}

/* Under any stream of changes: the first one after the dispatch is told never too late, within a quarter of a second
 * for the last second, and at least as a second ago before that. */
static void the_first_change_is_known_for_a_second(void **state)
{
    (void)state;
    static uint64_t when[20001];
    uint64_t now = 100000, random = 1;
    uint32_t slot = epochs_slot(&changes.epochs, 5);
    for (uint64_t n = 1; n <= 20000; n++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        now += (random >> 33) % (n % 1000 < 500 ? 40 : 900);
        when[n] = now;
        assert_int_equal(changes_broad(&changes, now, 5, false), n);
        uint64_t look = now + (random >> 50) % 300;
        for (uint64_t back = 1; back <= 60 && back <= n; back++) {
            assert_true(changed(1u << slot, n - back));
            uint64_t first = when[n - back + 1];
            assert_true(at <= first || (look - first >= 1000 && look - at >= 1000));
            assert_true(first - at < EPOCH_APART || at > first || look - first >= 1000);
        }
    }
}

static void the_record_is_read_as_written(void **state)
{
    (void)state;
    struct buffer record = {.limit = 65536};
    struct epochs read;
    changes_broad(&changes, 5000, 11, true);
    changes_everything(&changes, 6000, false);
    epochs_write(&changes.epochs, &record);
    assert_int_equal(record.n, EPOCHS_BYTES);
    assert_int_equal(epochs_peek(record.p, record.n), 2);
    assert_true(epochs_read(&read, record.p, record.n));
    assert_memory_equal(&read, &changes.epochs, sizeof(read));
    assert_false(epochs_read(&read, record.p, record.n - 1));
    assert_int_equal(epochs_peek(record.p, record.n - 1), 0);
    record.p[0]++;
    assert_false(epochs_read(&read, record.p, record.n));
    assert_int_equal(epochs_peek(record.p, record.n), 0);
    buffer_release(&record);
}

static void a_reply_on_its_way_learns_of_changes(void **state)
{
    (void)state;
    struct hash key = {1, 77}, another = {2, 78};
    uint64_t tags[] = {5, 6};
    changes_row(&changes, 6, false);
    assert_int_equal(changes_since(&changes, key, tags, 2, 0, 0).soft, 1);
    assert_int_equal(changes_since(&changes, key, tags, 2, 0, 0).hard, 0);
    assert_int_equal(changes_since(&changes, key, tags, 1, 0, 0).soft, 0);
    assert_int_equal(changes_since(&changes, key, tags, 2, 0, 1).soft, 0);
    changes_row(&changes, 5, true);
    assert_int_equal(changes_since(&changes, key, tags, 2, 0, 1).hard, 2);
    changes_key(&changes, key, true);
    assert_int_equal(changes_since(&changes, key, NULL, 0, 0, 2).hard, 3);
    assert_int_equal(changes_since(&changes, another, NULL, 0, 0, 2).soft, 0);
    changes_broad(&changes, 1, 9, false);
    uint32_t slot = 1u << epochs_slot(&changes.epochs, 9);
    assert_int_equal(changes_since(&changes, another, NULL, 0, slot, 3).soft, 4);
    changes_prefix(&changes, false);
    assert_int_equal(changes_since(&changes, another, NULL, 0, 0, 4).soft, 5);
    changes_prefix(&changes, true);
    assert_int_equal(changes_since(&changes, another, NULL, 0, 0, 4).hard, 6);
    changes_everything(&changes, 1, true);
    assert_int_equal(changes_since(&changes, another, NULL, 0, 0, 6).hard, 7);
    assert_int_equal(changes_since(&changes, another, tags, 2, slot, 7).soft, 0);
}

static void broad_tags_have_no_colon(void **state)
{
    (void)state;
    assert_true(tag_is_broad(STR("movies")));
    assert_false(tag_is_broad(STR("movie:7")));
    assert_true(tag_is_broad(STR("")));
}

static void once_a_second(void **state)
{
    (void)state;
    static struct once once;
    struct hash key = {1, 2}, meets = {1 + ONCE_PLACES, 3};
    assert_true(once_may(&once, key, 10000));
    assert_false(once_may(&once, key, 10999));
    assert_true(once_may(&once, key, 11000));
    assert_true(once_may(&once, key, 5000)); /* the clock went back: rather twice than never */
    assert_true(once_may(&once, meets, 5000));
    assert_true(once_may(&once, key, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_broad_tag_makes_its_pages_stale, set_up),
        cmocka_unit_test_setup(everything_is_everybodys, set_up),
        cmocka_unit_test_setup(tags_without_a_slot_share_the_last, set_up),
        cmocka_unit_test_setup(the_first_change_is_known_for_a_second, set_up),
        cmocka_unit_test_setup(the_record_is_read_as_written, set_up),
        cmocka_unit_test_setup(a_reply_on_its_way_learns_of_changes, set_up),
        cmocka_unit_test(broad_tags_have_no_colon),
        cmocka_unit_test(once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
