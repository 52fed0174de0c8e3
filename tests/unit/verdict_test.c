/* What to do with a request, given the page's record: each cell of docs/life-of-a-key.md that a gateway decides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "http_cache_status.h"
#include "verdict.h"

#define NOW 10000000ull

static struct changes changes;
static struct meta meta;
static struct request_facts facts;
static struct notes notes;

/* 100 s old, fresh for 200 s. */
static int set_up(void **state)
{
    (void)state;
    changes = (struct changes){0};
    changes.epochs.seq = 50;
    meta =
        (struct meta){.status = 200, .born = NOW - 100000, .arrived = NOW - 100000, .lifetime = 200, .dispatched = 50};
    return 0;
}

static enum verdict with(const char *name, const char *value, uint32_t flags)
{
    facts_begin(&facts, STR("GET"));
    if (name)
        facts_add(&facts, str_of(name), str_of(value));
    facts_end(&facts);
    facts.flags |= flags;
    return cache_verdict(&facts, &meta, NOW, &changes.epochs, &notes);
}

static enum verdict plain(void)
{
    return with(NULL, NULL, 0);
}

static enum verdict control(const char *value)
{
    return with("cache-control", value, 0);
}

static enum verdict alone(void)
{
    return with(NULL, NULL, FACT_DISCONNECTED);
}

static void a_fresh_page_is_served(void **state)
{
    (void)state;
    assert_int_equal(plain(), VERDICT_SERVE);
    assert_true(notes.word == WORD_HIT && notes.standing.age == 100000 && cache_ttl(&meta, &notes.standing) == 100);
    assert_int_equal(control("only-if-cached"), VERDICT_SERVE);
    assert_int_equal(control("no-store"), VERDICT_SERVE);
    meta.lifetime = 101;
    assert_int_equal(plain(), VERDICT_SERVE);
    meta.lifetime = 100;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.lifetime = 200;
    meta.flags = META_NO_CACHE;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.flags = META_MUST_REVALIDATE;
    assert_int_equal(plain(), VERDICT_SERVE);
}

static void an_absent_page_is_asked_for(void **state)
{
    (void)state;
    facts_begin(&facts, STR("HEAD"));
    assert_int_equal(cache_verdict(&facts, NULL, NOW, &changes.epochs, NULL), VERDICT_ASK);
    meta.flags = META_MARKER;
    assert_int_equal(plain(), VERDICT_ASK);
    assert_int_equal(control("only-if-cached"), VERDICT_GATEWAY_TIMEOUT);
    assert_int_equal(control("no-store"), VERDICT_PASS);
    assert_int_equal(alone(), VERDICT_ASK);
}

static void what_is_somebodys_own_passes(void **state)
{
    (void)state;
    assert_int_equal(with("authorization", "x", 0), VERDICT_PASS);
    assert_int_equal(notes.why, WHY_PERSONAL);
    assert_int_equal(with(NULL, NULL, FACT_CONTENT), VERDICT_PASS);
    facts_begin(&facts, STR("POST"));
    assert_int_equal(cache_verdict(&facts, &meta, NOW, &changes.epochs, &notes), VERDICT_PASS);
    assert_int_equal(notes.word, WORD_BYPASS);
}

static void a_visitor_may_wish_for_another(void **state) /* RFC 9111 section 5.2.1 */
{
    (void)state;
    assert_int_equal(control("no-cache"), VERDICT_REVALIDATE);
    assert_int_equal(with("pragma", "no-cache", 0), VERDICT_REVALIDATE);
    assert_int_equal(control("no-cache, only-if-cached"), VERDICT_GATEWAY_TIMEOUT);
    assert_int_equal(control("no-cache, no-store"), VERDICT_PASS);
    assert_int_equal(control("max-age=99"), VERDICT_REVALIDATE);
    assert_int_equal(control("max-age=100"), VERDICT_SERVE);
    assert_int_equal(control("min-fresh=100"), VERDICT_SERVE);
    assert_int_equal(control("min-fresh=101"), VERDICT_REVALIDATE);
    meta.arrived = NOW - 999; /* validated just now */
    assert_int_equal(control("no-cache"), VERDICT_SERVE);
    assert_int_equal(control("max-age=0"), VERDICT_SERVE);
    meta.arrived = NOW - 1000;
    assert_int_equal(control("no-cache"), VERDICT_REVALIDATE);
}

static void stale_by_age_only_as_far_as_somebody_allows(void **state) /* RFC 5861 section 3, RFC 9111 section 5.2.1.2 */
{
    (void)state;
    meta.lifetime = 90;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    assert_int_equal(notes.word, WORD_EXPIRED);
    meta.swr = 10;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.swr = 11;
    assert_int_equal(plain(), VERDICT_SERVE_AND_REFRESH);
    assert_int_equal(notes.word, WORD_UPDATING);
    assert_int_equal(control("only-if-cached"), VERDICT_SERVE_AND_REFRESH);
    assert_int_equal(control("no-cache"), VERDICT_REVALIDATE);
    assert_int_equal(control("max-age=99"), VERDICT_REVALIDATE);
    assert_int_equal(control("max-age=100"), VERDICT_SERVE_AND_REFRESH);
    assert_int_equal(control("min-fresh=0"), VERDICT_REVALIDATE);
    meta.flags = META_MUST_REVALIDATE;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    assert_int_equal(control("max-stale"), VERDICT_REVALIDATE);
    assert_int_equal(control("only-if-cached"), VERDICT_GATEWAY_TIMEOUT);
    meta.flags = 0;
    meta.swr = 0;
    assert_int_equal(control("max-stale"), VERDICT_SERVE_AND_REFRESH);
    assert_int_equal(notes.word, WORD_STALE);
    assert_int_equal(control("max-stale=10"), VERDICT_SERVE_AND_REFRESH);
    assert_int_equal(control("max-stale=9"), VERDICT_REVALIDATE);
    assert_int_equal(control("max-stale=10, max-age=1"), VERDICT_SERVE_AND_REFRESH);
}

static void stale_by_change_for_a_second(void **state)
{
    (void)state;
    meta.stale_seq = 51;
    meta.stale_at = NOW - 999;
    assert_int_equal(plain(), VERDICT_SERVE_AND_REFRESH);
    assert_true(notes.word == WORD_UPDATING && notes.why == WHY_CHANGED);
    assert_int_equal(control("no-cache"), VERDICT_REVALIDATE);
    meta.stale_at = NOW - 1000;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    assert_int_equal(control("max-stale"), VERDICT_REVALIDATE);
    meta.stale_at = NOW + 1; /* it cannot be: long ago */
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.stale_at = NOW - 1;
    meta.lifetime = 90; /* by age too: what age allows */
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.swr = 100;
    assert_int_equal(plain(), VERDICT_SERVE_AND_REFRESH);
}

static void broad_tags_and_everything_make_stale(void **state)
{
    (void)state;
    meta.broad = 1u << epochs_slot(&changes.epochs, 9);
    changes_broad(&changes, NOW - 500, 8, true);
    assert_int_equal(plain(), VERDICT_SERVE);
    changes_broad(&changes, NOW - 500, 9, false);
    assert_int_equal(plain(), VERDICT_SERVE_AND_REFRESH);
    meta.stale_seq = 51;
    meta.stale_at = NOW - 2000; /* the earlier of the two counts */
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.stale_seq = 0;
    meta.dispatched = changes.epochs.seq;
    assert_int_equal(plain(), VERDICT_SERVE);
    changes_everything(&changes, NOW - 1000, false);
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    changes_everything(&changes, NOW, true);
    assert_int_equal(plain(), VERDICT_ASK);
    assert_int_equal(notes.why, WHY_GONE);
}

static void what_is_gone_is_never_given(void **state)
{
    (void)state;
    meta.flags = META_GONE;
    meta.swr = meta.sie = 1000000;
    assert_int_equal(plain(), VERDICT_ASK);
    assert_int_equal(alone(), VERDICT_ASK);
    assert_int_equal(control("only-if-cached"), VERDICT_GATEWAY_TIMEOUT);
    assert_false(verdict_may_rescue(&meta, NOW, &changes.epochs, false));
    assert_false(verdict_may_rescue(NULL, NOW, &changes.epochs, false));
}

static bool rescue(bool answered)
{
    return verdict_may_rescue(&meta, NOW, &changes.epochs, answered);
}

static void rules_of_failure(void **state) /* RFC 9111 section 4.2.4, RFC 5861 section 4 */
{
    (void)state;
    assert_true(rescue(true) && rescue(false));
    meta.lifetime = 90;
    assert_true(rescue(false) && !rescue(true));
    meta.sie = 10;
    assert_false(rescue(true));
    meta.sie = 11;
    assert_true(rescue(true));
    meta.flags = META_MUST_REVALIDATE;
    assert_false(rescue(true) || rescue(false));
    assert_int_equal(alone(), VERDICT_REVALIDATE);
    meta.lifetime = 200;
    assert_true(rescue(true) && rescue(false));
    meta.flags = META_NO_CACHE;
    assert_false(rescue(true) || rescue(false));
    meta.flags = 0;
    meta.stale_seq = 51; /* only changed */
    assert_true(rescue(true) && rescue(false));
    assert_int_equal(alone(), VERDICT_SERVE);
    assert_true(notes.word == WORD_STALE && notes.why == WHY_DISCONNECTED);
    assert_int_equal(with("cache-control", "no-cache", FACT_DISCONNECTED), VERDICT_SERVE);
}

static void a_page_from_the_future_is_stale(void **state)
{
    (void)state;
    meta.arrived = NOW + 1;
    meta.born = NOW - 10;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.arrived = NOW - 10;
    meta.born = NOW + 1;
    assert_int_equal(plain(), VERDICT_REVALIDATE);
    meta.born = -5000; /* older than the clock's zero */
    meta.lifetime = (NOW + 5000) / 1000 + 1;
    assert_int_equal(plain(), VERDICT_SERVE);
}

static void the_form_comes_with_it(void **state)
{
    (void)state;
    struct buffer packed = {.limit = 100};
    pairs_add(&packed, STR("etag"), STR("\"a\""));
    meta.headers = buffer_str(&packed);
    assert_int_equal(with("if-none-match", "\"a\"", 0), VERDICT_SERVE);
    assert_int_equal(notes.form, FORM_NOT_MODIFIED);
    buffer_release(&packed);
}

/* Not a test of time: the figure is printed for who looks. */
static void it_costs_little(void **state)
{
    (void)state;
    struct timespec start, end;
    uint64_t served = 0;
    meta.broad = 7;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < 100000; i++) {
        meta.dispatched = (uint64_t)(50 + i % 2);
        served += plain() == VERDICT_SERVE;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(served, 100000);
    printf("verdict: %.0f ns\n",
           ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) / 100000);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_page_is_served),
        TEST(an_absent_page_is_asked_for),
        TEST(what_is_somebodys_own_passes),
        TEST(a_visitor_may_wish_for_another),
        TEST(stale_by_age_only_as_far_as_somebody_allows),
        TEST(stale_by_change_for_a_second),
        TEST(broad_tags_and_everything_make_stale),
        TEST(what_is_gone_is_never_given),
        TEST(rules_of_failure),
        TEST(a_page_from_the_future_is_stale),
        TEST(the_form_comes_with_it),
        TEST(it_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
