/* The query of death: who is suspected, how a suspect is tried, what is refused, and what is forgotten again. */
#include "hop_keys.h"
#include "hop_play.h"

/* Both peers die of it; then it is tried alone. */
static uint64_t suspect(uint64_t key)
{
    uint64_t id = ask(key, 30 * SECOND, true);
    died(sent(id));
    died(sent(id));
    return id;
}

static void a_suspect_is_tried_alone_and_the_third_death_is_poison(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    uint64_t id = suspect(666);
    ready(0, 8);
    ready(1, 8);
    unsigned peer = sent(id);
    uint64_t other = ask(1, SECOND, true), another = ask(2, SECOND, true);
    assert_int_equal(sent(other), 1 - peer);
    assert_int_equal(sent(another), 1 - peer);
    died(peer);
    assert_int_equal(answered(id, HOP_POISON), 3);
    uint64_t like = ask(666, SECOND, true);
    assert_int_equal(answered(like, HOP_POISON), 0);
    later(59 * SECOND);
    while (hop_next(hop, &(struct hop_action){0}))
        ;
    like = ask(666, SECOND, true);
    answered(like, HOP_POISON);
    later(SECOND);
    sent(ask(666, SECOND, true));
}

static void a_suspect_that_succeeds_was_innocent(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    uint64_t id = suspect(7);
    ready(0, 8);
    assert_int_equal(sent(id), 0);
    uint64_t like = ask(7, SECOND, true), other = ask(8, SECOND, true);
    nothing();
    assert_true(reply(0, id));
    sent(like); /* and so is its like */
    sent(other);
}

static void suspects_are_tried_one_at_a_time_with_rounds_between(void **state)
{
    (void)state;
    ready(0, 2);
    uint64_t a = ask(1, 9 * SECOND, true), b = ask(2, 9 * SECOND, true);
    sent(a);
    sent(b);
    died(0);
    ready(0, 2);
    sent(a);
    sent(b);
    died(0);
    uint64_t c = ask(3, 9 * SECOND, true), d = ask(4, 9 * SECOND, true);
    ready(0, 2);
    sent(a);
    nothing();
    assert_true(reply(0, a));
    sent(c); /* with a single peer, those who wait get their round before the next suspect */
    sent(d);
    uint64_t e = ask(5, 9 * SECOND, true);
    nothing();
    assert_true(reply(0, c));
    nothing(); /* reserved: it has to be empty */
    assert_true(reply(0, d));
    sent(b);
    nothing();
    assert_true(reply(0, b));
    sent(e);
}

static void a_suspect_gets_a_peer_though_all_are_loaded(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    uint64_t id = suspect(7);
    uint64_t load[4];
    for (int i = 0; i < 4; i++)
        load[i] = ask(10 + (uint64_t)i, 9 * SECOND, true);
    ready(0, 2);
    assert_int_equal(sent(id), 0); /* empty: at once */
    ready(1, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(sent(load[i]), 1);
    assert_true(reply(0, id));
    for (int i = 2; i < 4; i++)
        assert_int_equal(sent(load[i]), 0);
    /* Now both are full, and a new suspect comes by its key. */
    for (int i = 0; i < 4; i++)
        reply((unsigned)(i < 2), load[i]);
    id = suspect(8);
    ready(0, 2);
    ready(1, 2);
    unsigned trial = sent(id);
    hop_forget(hop, id);
    uint64_t like = ask(8, 9 * SECOND, true);
    nothing(); /* the forgotten one is still there, alone */
    for (int i = 0; i < 2; i++)
        assert_int_equal(sent(load[i] = ask(20 + (uint64_t)i, 9 * SECOND, true)), 1 - trial);
    reply(trial, id);
    sent(like);
}

static void one_key_dies_once_with_a_peer_however_many_carry_it(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t a = ask(5, 9 * SECOND, true), b = ask(5, 9 * SECOND, true), c = ask(5, 9 * SECOND, true);
    sent(a);
    sent(b);
    sent(c);
    died(0);
    ready(0, 8);
    sent(a);
    sent(b);
    sent(c);
    died(0);
    ready(0, 8);
    sent(a);
    nothing();
    died(0);
    answered(b, HOP_POISON); /* they need not die one by one */
    answered(c, HOP_POISON);
    answered(a, HOP_POISON);
}

static void a_hang_counts_like_a_death(void **state)
{
    (void)state;
    uint64_t id = ask(6, 30 * SECOND, true);
    for (unsigned i = 0; i < 3; i++) {
        ready(i, 8);
        assert_int_equal(sent(id), i);
        awake = 0;
        later(900 * MS);
    }
    assert_int_equal(answered(id, HOP_POISON), 3);
    assert_int_equal(hop_held(hop), 1);
    assert_false(reply(1, id));
    later(30 * SECOND);
    assert_int_equal(hop_held(hop), 0);
}

static void unrelated_deaths_do_not_condemn_a_popular_key(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        ready(0, 8);
        uint64_t id = ask(1, SECOND, true);
        assert_int_equal(sent(id), 0);
        died(0);
        ready(0, 8);
        assert_int_equal(sent(id), 0);
        assert_true(reply(0, id));
        died(0);
    }
}

static void a_busy_answer_does_not_bring_poison_back(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    ready(2, 8);
    uint64_t a = ask(9, 30 * SECOND, true), b = ask(9, 30 * SECOND, true);
    unsigned first = sent(a), with_b = sent(b);
    died(first);
    unsigned second = sent(a);
    died(second);
    assert_int_not_equal(with_b, second);
    ready(first, 8);
    unsigned third = sent(a);
    died(third);
    answered(a, HOP_POISON);
    busy(with_b, b);
    answered(b, HOP_POISON);
}

static void keys_keep_the_worst(void **state)
{
    (void)state;
    static struct hop_keys keys;
    keys = (struct hop_keys){0};
    uint64_t key;
    for (uint64_t event = 1; event <= 3; event++) {
        hop_keys_count(&keys, event, 1, event);
        hop_keys_count(&keys, event, 1, event);
    }
    assert_int_equal(hop_keys_deaths(&keys, 1), 3);
    hop_keys_count(&keys, 4, 2, 4);
    hop_keys_count(&keys, 5, 2, 5);
    for (uint64_t i = 10; i < 1000; i++)
        hop_keys_count(&keys, i, i, i);
    assert_int_equal(keys.n, HOP_KEYS);
    assert_int_equal(hop_keys_deaths(&keys, 1), 3);
    assert_int_equal(hop_keys_deaths(&keys, 2), 2);
    assert_int_equal(hop_keys_deaths(&keys, 999), 1);
    assert_int_equal(hop_keys_deaths(&keys, 10), 0);
    assert_false(hop_keys_clear(&keys, 1));
    assert_int_equal(hop_keys_deaths(&keys, 1), 3);
    assert_true(hop_keys_clear(&keys, 2));
    assert_false(hop_keys_clear(&keys, 999));
    unsigned n = keys.n;
    while (hop_keys_expire(&keys, 2000, 100, &key))
        n--;
    assert_int_equal(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_suspect_is_tried_alone_and_the_third_death_is_poison),
        TEST(a_suspect_that_succeeds_was_innocent),
        TEST(suspects_are_tried_one_at_a_time_with_rounds_between),
        TEST(a_suspect_gets_a_peer_though_all_are_loaded),
        TEST(one_key_dies_once_with_a_peer_however_many_carry_it),
        TEST(a_hang_counts_like_a_death),
        TEST(unrelated_deaths_do_not_condemn_a_popular_key),
        TEST(a_busy_answer_does_not_bring_poison_back),
        TEST(keys_keep_the_worst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
