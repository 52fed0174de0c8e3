/* The life of a key as stories (cacher/life.h); orders of events that nobody thinks of are life_sim's. */
#include "life_play.h"

static void a_thousand_readers_of_an_absent_page_cost_one_render(void **state)
{
    (void)state;
    visit(0);
    assert_true(asked == 1 && last_ask.user == &reader[0] && !last_ask.validate && last_ask.deadline == now + 5000);
    for (unsigned i = 1; i < 1000; i++) {
        visit(i);
        assert_int_equal(asked + own, 0);
    }
    assert_int_equal(life_waiting(life), 1000);
    visit(1000); /* one too many */
    assert_true(got_busy == 1 && life_waiting(life) == 1000);
    answer(REPLY_SHARE);
    assert_true(stored == 1 && got_reply == 1000 && last_got.collapsed && last_got.word == WORD_MISS);
    assert_true(life_waiting(life) == 0 && life_fetching(life) == 0);
}

static void an_uncacheable_page_never_queues_its_readers(void **state)
{
    (void)state;
    visit(0);
    visit(1);
    visit(2);
    answer(REPLY_ONE);
    assert_true(got_reply == 1 && own == 2 && stored == 0 && last_got.user == &reader[0]);
    visit(3);
    assert_true(own == 1 && asked == 0);
    answer(REPLY_SHARE); /* it is for all again */
    assert_true(got_reply == 1 && last_got.word == WORD_BYPASS && stored == 0);
    visit(4);
    assert_true(asked == 1 && own == 0);
    answer(REPLY_ONE);
    now += limits.singly_ms - 1;
    visit(5);
    assert_int_equal(own, 1);
    now += 1;
    visit(6);
    assert_int_equal(asked, 1);
}

static void an_uncacheable_reply_takes_the_stored_page_away(void **state)
{
    (void)state;
    there = true;
    now += 150000;
    visit(0);
    assert_true(asked == 1 && got_stored == 1);
    answer(REPLY_ONE);
    assert_true(forgotten == 1 && got_reply == 0);
}

static void what_is_kept_is_not_given_to_others(void **state)
{
    (void)state;
    visit(0);
    visit(1);
    answer(REPLY_KEEP);
    assert_true(stored == 1 && got_reply == 1 && own == 1 && last_got.user == &reader[0]);
}

static void a_stale_page_is_served_and_refreshed_once(void **state)
{
    (void)state;
    there = true;
    visit(0);
    assert_true(got_stored == 1 && asked == 0 && last_got.word == WORD_HIT);
    now += 150000;
    visit(0);
    assert_true(got_stored == 1 && asked == 1 && last_ask.user == NULL && last_ask.validate);
    assert_int_equal(last_got.word, WORD_UPDATING);
    visit(1);
    assert_true(got_stored == 1 && asked == 0);
    life_refresh(life, now, page);
    drain();
    assert_int_equal(asked, 0);
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_modified = true}));
    drain();
    assert_true(stored == 1 && last_store.not_modified && life_fetching(life) == 0);
}

static void refreshes_that_nobody_waits_for_have_a_limit(void **state)
{
    (void)state;
    limits.refreshes = 0;
    life_free(&life);
    life = life_new(&limits, &(struct life_store){find, NULL}, &changes);
    there = true;
    now += 150000;
    visit(0);
    assert_true(got_stored == 1 && asked == 0);
}

static void readers_of_an_expired_page_wait_for_one_validation(void **state)
{
    (void)state;
    there = true;
    record.swr = 0;
    now += 150000;
    visit(0);
    visit(1);
    assert_true(life_waiting(life) == 2 && last_ask.validate);
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_modified = true}));
    drain();
    assert_true(stored == 1 && got_stored == 2 && last_got.word == WORD_EXPIRED);
}

static void a_304_about_a_page_that_is_gone_is_asked_again(void **state)
{
    (void)state;
    there = true;
    record.swr = 0;
    now += 150000;
    visit(0);
    record.arrived++; /* another one is stored by now */
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_modified = true}));
    drain();
    assert_true(asked == 1 && !last_ask.validate && stored == 0 && got_stored + got_reply == 0);
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_modified = true}));
    drain();
    assert_true(got_failure + got_stored == 1 && asked == 0); /* 304 to no condition */
    now += 2000;
    visit(1);
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_about = true}));
    drain();
    assert_true(asked == 1 && !last_ask.validate);
    answer(REPLY_SHARE);
    visit(2);
    record.flags = META_GONE; /* taken from view meanwhile */
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_SHARE, .not_modified = true}));
    drain();
    assert_true(asked == 1 && !last_ask.validate && got_stored == 0);
}

static void a_change_on_the_way_is_stored_stale_and_rendered_again(void **state)
{
    (void)state;
    const uint64_t tag = 7;
    struct life_reply reply = {.kind = REPLY_SHARE, .row_tags = &tag, .row_tags_n = 1};
    visit(0);
    uint64_t dispatched = now;
    now += 10;
    changes_row(&changes, tag, false);
    visit(1);
    changes_row(&changes, tag, false);
    visit(2);
    assert_true(life_reply(life, now, last_ask.fetch, &reply));
    drain();
    assert_true(stored == 1 && last_store.stale_seq == 2 && last_store.stale_at == dispatched &&
                last_store.dispatched == 0);
    assert_true(got_reply == 1 && last_got.user == &reader[0]);
    assert_true(asked == 1 && last_ask.user == &reader[1] && last_ask.dispatched == 2);
    assert_true(life_reply(life, now, last_ask.fetch, &reply));
    drain();
    assert_true(stored == 1 && last_store.stale_seq == 0 && got_reply == 2 && asked == 0);
}

static void changes_without_end_make_no_storm(void **state)
{
    (void)state;
    const uint64_t tag = 7;
    struct life_reply reply = {.kind = REPLY_SHARE, .row_tags = &tag, .row_tags_n = 1};
    visit(0);
    unsigned renders = 0;
    do {
        renders++;
        changes_row(&changes, tag, false);
        assert_true(life_reply(life, now, last_ask.fetch, &reply));
        drain();
    } while (asked);
    assert_true(renders == 3 && life_fetching(life) == 0);
}

static void what_was_taken_from_view_reaches_nobody(void **state)
{
    (void)state;
    const uint64_t tag = 7;
    struct life_reply reply = {.kind = REPLY_SHARE, .row_tags = &tag, .row_tags_n = 1};
    visit(0);
    changes_row(&changes, tag, true);
    assert_true(life_reply(life, now, last_ask.fetch, &reply));
    drain();
    assert_true(stored == 0 && got_reply == 0 && asked == 1 && last_ask.user == &reader[0]);
    changes_key(&changes, page, true);
    assert_true(life_reply(life, now, last_ask.fetch, &reply));
    drain();
    assert_true(stored == 0 && got_reply == 0 && asked == 1);
    assert_true(life_reply(life, now, last_ask.fetch, &reply));
    drain();
    assert_true(stored == 1 && got_reply == 1);
}

static void a_failed_refresh_is_put_off_for_longer_each_time(void **state)
{
    (void)state;
    there = true;
    record.lifetime = 0;
    record.swr = 1000000;
    for (uint64_t pause = 1000, n = 0; n < 9; n++, pause = pause < 32000 ? pause * 2 : 60000) {
        visit(0);
        assert_true(asked == 1 && got_stored == 1);
        answer(REPLY_FAILED);
        now += pause - 1;
        visit(0);
        assert_true(asked == 0 && got_stored == 1);
        now += 1;
    }
    visit(0);
    answer(REPLY_SHARE); /* one success, and it begins anew */
    visit(0);
    answer(REPLY_FAILED);
    now += 1000;
    visit(0);
    assert_int_equal(asked, 1);
}

static void a_success_anywhere_lifts_what_the_upstream_caused(void **state)
{
    (void)state;
    there = true;
    record.lifetime = 0;
    record.swr = 1000000;
    for (int i = 0; i < 4; i++) {
        visit(0);
        assert_int_equal(asked, 1);
        answer(REPLY_NOBODY);
        now += (uint64_t)1000 << i;
    }
    now -= 7000; /* a second after the last failure, seven before the pause is over */
    visit(0);
    assert_int_equal(asked, 0);
    visit_as(&plain, another, 1, 5000);
    answer(REPLY_SHARE);
    visit(0);
    assert_int_equal(asked, 1);
    answer(REPLY_FAILED); /* its own fault, twice: a success elsewhere helps nothing */
    now += 1000;
    visit(0);
    answer(REPLY_FAILED);
    visit_as(&plain, another, 1, 5000);
    answer(REPLY_NOBODY);
    visit_as(&plain, another, 1, 5000);
    answer(REPLY_SHARE);
    now += 1500;
    visit(0);
    assert_int_equal(asked, 0);
    now += 500;
    visit(0);
    assert_int_equal(asked, 1);
}

static void errors_and_failures_are_told_apart(void **state)
{
    (void)state;
    there = true;
    record.lifetime = 0;
    record.swr = 0;
    now += 5000;
    visit(0);
    answer(REPLY_ERROR);
    assert_true(got_reply == 1 && stored == 0); /* no stale-if-error: the origin's word */
    now += 100000;
    visit(0);
    answer(REPLY_FAILED);
    assert_true(got_stored == 1 && last_got.word == WORD_STALE && last_got.why == WHY_FAILED);
    visit(0);
    assert_true(asked == 0 && got_stored == 1 && last_got.why == WHY_HELD);
    record.sie = 1000;
    now += 100000;
    visit(0);
    answer(REPLY_ERROR);
    assert_true(got_stored == 1);
    record.flags = META_MUST_REVALIDATE;
    now += 100000;
    visit(0);
    answer(REPLY_FAILED);
    assert_int_equal(got_failure, 1);
}

static void an_error_for_one_is_given_to_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        visit(i);
    uint64_t fetch = last_ask.fetch;
    assert_true(life_reply(life, now, fetch, &(struct life_reply){.kind = REPLY_ERROR, .for_one = true}));
    drain();
    assert_true(got_reply == 1 && got_error == 2 && asked == 0);
    assert_true(life_waiting(life) == 0 && life_fetching(life) == 0);
}

static void each_waits_for_as_long_as_it_may(void **state)
{
    (void)state;
    visit_as(&plain, page, 0, 1000);
    visit_as(&plain, page, 1, 5000);
    visit_as(&plain, page, 2, 5000);
    now += 950;
    answer(REPLY_TOO_LATE);
    assert_true(got_failure == 1 && last_got.user == &reader[0]);
    assert_true(asked == 1 && last_ask.user == &reader[1] && life_waiting(life) == 2);
    answer(REPLY_NOBODY); /* within the time: everybody's */
    assert_true(got_failure == 2 && asked == 0);
}

static void a_readers_time_is_its_own_and_a_lost_request_is_given_up(void **state)
{
    (void)state;
    visit_as(&plain, page, 0, 1000);
    uint64_t lost = last_ask.fetch;
    visit_as(&plain, page, 1, 5000);
    tick(999);
    assert_int_equal(got_failure, 0);
    tick(1);
    assert_true(got_failure == 1 && last_got.user == &reader[0] && life_waiting(life) == 1);
    tick(999);
    assert_int_equal(asked, 0);
    tick(1);
    assert_true(asked == 1 && last_ask.user == &reader[1]);
    assert_false(life_reply(life, now, lost, &(struct life_reply){.kind = REPLY_SHARE}));
    assert_true(life_reply(life, now, last_ask.fetch, &(struct life_reply){.kind = REPLY_ONE}));
    drain();
    assert_int_equal(got_reply, 1);
}

static void the_answer_for_one_who_left_is_nobodys(void **state)
{
    (void)state;
    visit_as(&plain, page, 0, 1000);
    visit_as(&plain, page, 1, 5000);
    tick(1000);
    answer(REPLY_ONE);
    assert_true(got_reply == 0 && own == 1 && last_ask.user == &reader[1]);
}

static void personal_requests_go_by_themselves(void **state)
{
    (void)state;
    there = true;
    visit_as(&personal, page, 0, 5000);
    assert_true(own == 1 && got_stored == 0);
    answer(REPLY_FAILED);
    assert_true(got_failure == 1 && got_stored == 0);
    now += 150000;
    visit(1);
    assert_true(asked == 1); /* its failure said nothing of the page */
}

static void wishes_of_readers(void **state)
{
    (void)state;
    visit_as(&only_if_cached, page, 0, 5000);
    assert_true(got_timeout == 1 && life_waiting(life) == 0);
    there = true;
    now += 5000;
    visit_as(&no_cache, page, 0, 5000);
    assert_true(asked == 1 && last_ask.validate);
    visit_as(&no_cache, page, 1, 5000);
    assert_int_equal(asked, 0);
    answer(REPLY_FAILED);
    assert_true(got_stored == 2 && last_got.why == WHY_FAILED);
    visit_as(&no_cache, page, 0, 5000);
    assert_true(asked == 0 && got_stored == 1 && last_got.why == WHY_HELD);
}

static void pages_are_rendered_ahead_hottest_first_when_it_is_quiet(void **state)
{
    (void)state;
    there = true;
    now += 150000;
    limits.ahead = 1;
    life_free(&life);
    life = life_new(&limits, &(struct life_store){find, NULL}, &changes);
    life_wish(life, another, 5); /* not there: forgotten */
    life_ahead(life, now);
    drain();
    assert_true(asked == 0 && life_wishing(life) == 0);
    life_wish(life, page, 5);
    life_ahead(life, now);
    drain();
    assert_true(asked == 1 && last_ask.user == NULL);
    life_wish(life, another, 1);
    life_ahead(life, now);
    assert_int_equal(life_wishing(life), 1);
    answer(REPLY_SHARE);
    assert_int_equal(life_wishing(life), 0);
}

static void without_room_stale_is_better_than_busy(void **state)
{
    (void)state;
    for (unsigned i = 0; i < limits.fetches; i++)
        visit_as(&plain, (struct hash){100 + i, i}, i, 5000);
    visit_as(&plain, another, 20, 5000);
    assert_int_equal(got_busy, 1);
    there = true;
    record.swr = 0;
    now += 150000;
    visit_as(&plain, page, 21, 5000);
    assert_true(got_stored == 1 && last_got.why == WHY_FULL);
    assert_int_equal(life_waiting(life), limits.fetches);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_readers_of_an_absent_page_cost_one_render),
        TEST(an_uncacheable_page_never_queues_its_readers),
        TEST(an_uncacheable_reply_takes_the_stored_page_away),
        TEST(what_is_kept_is_not_given_to_others),
        TEST(a_stale_page_is_served_and_refreshed_once),
        TEST(refreshes_that_nobody_waits_for_have_a_limit),
        TEST(readers_of_an_expired_page_wait_for_one_validation),
        TEST(a_304_about_a_page_that_is_gone_is_asked_again),
        TEST(a_change_on_the_way_is_stored_stale_and_rendered_again),
        TEST(changes_without_end_make_no_storm),
        TEST(what_was_taken_from_view_reaches_nobody),
        TEST(a_failed_refresh_is_put_off_for_longer_each_time),
        TEST(a_success_anywhere_lifts_what_the_upstream_caused),
        TEST(errors_and_failures_are_told_apart),
        TEST(an_error_for_one_is_given_to_one),
        TEST(each_waits_for_as_long_as_it_may),
        TEST(a_readers_time_is_its_own_and_a_lost_request_is_given_up),
        TEST(the_answer_for_one_who_left_is_nobodys),
        TEST(personal_requests_go_by_themselves),
        TEST(wishes_of_readers),
        TEST(pages_are_rendered_ahead_hottest_first_when_it_is_quiet),
        TEST(without_room_stale_is_better_than_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
