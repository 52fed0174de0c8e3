/* The hop's core, rule by rule; tests/sim/hop_sim.c searches for what these do not think of. */
#include "hop_play.h"

static void a_reply_finds_its_user_once(void **state)
{
    (void)state;
    int mine;
    void *user = NULL;
    ready(3, 4);
    uint64_t id = hop_submit(hop, now, now + SECOND, 1, true, &mine);
    assert_int_equal(id, 100);
    assert_int_equal(sent(id), 3);
    assert_int_equal(hop_in_flight(hop, 3), 1);
    assert_true(hop_reply(hop, now, 3, id, false, &user));
    assert_ptr_equal(user, &mine);
    assert_false(hop_reply(hop, now, 3, id, false, &user));
    assert_int_equal(hop_pending(hop), 0);
    assert_int_equal(hop_held(hop), 0);
    nothing();
}

static void ids_leave_out_zero(void **state)
{
    (void)state;
    hop_free(&hop);
    hop = hop_new(&limits, UINT64_MAX);
    ready(0, 1);
    uint64_t a = ask(1, SECOND, true), b = ask(2, SECOND, true);
    assert_int_equal(a, UINT64_MAX);
    assert_int_equal(b, 1);
    sent(a);
    ready(1, 1);
    died(0);
    sent(a); /* the older one first, though its number is greater */
    ready(2, 1);
    sent(b);
}

static void the_fewest_in_flight_is_chosen_within_credit(void **state)
{
    (void)state;
    ready(0, 1);
    ready(1, 3);
    unsigned n[2] = {0, 0};
    for (int i = 0; i < 4; i++)
        n[sent(ask((uint64_t)i, SECOND, true))]++;
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 3);
    uint64_t waiting = ask(9, SECOND, true);
    nothing();
    assert_int_equal(hop_waiting(hop), 1);
    hop_peer_heard(hop, now, 0, 2);
    assert_int_equal(sent(waiting), 0);
}

/* Asks, expects the request to be sent, and answers it; returns the peer that had it. */
static unsigned ask_and_answer(uint64_t key)
{
    uint64_t id = ask(key, SECOND, true);
    unsigned peer = sent(id);
    assert_true(reply(peer, id));
    return peer;
}

static void little_work_keeps_together(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    unsigned favourite = ask_and_answer(1);
    for (uint64_t i = 0; i < 4; i++) /* until it is half full */
        assert_int_equal(sent(ask(i, SECOND, true)), favourite);
    assert_int_equal(sent(ask(5, SECOND, true)), 1 - favourite);
}

static void each_is_the_favourite_in_its_turn(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    ready(2, 8);
    unsigned seen = 0;
    for (uint64_t i = 0; i < 3; i++) {
        seen |= 1u << ask_and_answer(i);
        later(100 * MS);
    }
    assert_int_equal(seen, 7);
}

static void a_favourite_that_does_not_answer_gets_no_more(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    unsigned favourite = sent(ask(1, SECOND, true));
    later(20 * MS);
    assert_int_equal(sent(ask(2, SECOND, true)), 1 - favourite);
}

static void what_could_not_be_sent_is_no_sign_of_life(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 0);
    awake = 0;
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t id = ask(i, SECOND, true);
        assert_int_equal(sent(id), 0);
        if (i % 2)
            assert_null(hop_forget(hop, id));
        hop_not_sent(hop, now, 0, id);
        assert_int_equal(hop_in_flight(hop, 0), 0);
        later(100 * MS);
    }
    assert_false(hop_hung(hop, 0));
    later(20 * MS);
    assert_true(hop_hung(hop, 0));
}

static void what_could_not_be_sent_goes_to_another(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    uint64_t id = ask(1, SECOND, false);
    unsigned first = sent(id);
    hop_not_sent(hop, now, first, id);
    assert_int_equal(sent(id), 1 - first);
    hop_not_sent(hop, now, 1 - first, id);
    answered(id, HOP_BUSY);
    assert_int_equal(hop_held(hop), 0);
    later(100 * MS);
    id = ask(2, SECOND, false);
    first = sent(id);
    hop_forget(hop, id);
    hop_not_sent(hop, now, first, id);
    assert_int_equal(hop_held(hop), 0);
    /* What was forgotten says nothing of the peer: it gets the next. */
    id = ask(3, SECOND, false);
    assert_int_equal(sent(id), first);
}

static void requests_wait_in_order_for_a_peer(void **state)
{
    (void)state;
    uint64_t a = ask(1, SECOND, true), b = ask(2, SECOND, false);
    nothing();
    ready(0, 1);
    sent(a);
    nothing();
    assert_true(reply(0, a));
    sent(b);
}

static void a_full_queue_is_busy(void **state)
{
    (void)state;
    struct hop_limits l = HOP_LIMITS;
    l.queue = 2;
    limits_are(l);
    ready(0, 1);
    uint64_t id[4];
    for (int i = 0; i < 4; i++)
        id[i] = ask((uint64_t)i, SECOND, true); /* at once: the first has credit, two wait */
    answered(id[3], HOP_BUSY);
    sent(id[0]);
    nothing();
    assert_int_equal(hop_waiting(hop), 2);
}

static void a_request_is_answered_at_its_deadline_wherever_it_is(void **state)
{
    (void)state;
    uint64_t late = hop_submit(hop, now, now, 1, true, NULL);
    answered(late, HOP_DEADLINE);
    ready(0, 1);
    uint64_t out = ask(2, 100 * MS, true), waiting = ask(3, 100 * MS, true);
    sent(out);
    later(80 * MS);
    nothing();
    later(20 * MS);
    struct hop_action action;
    for (int i = 0; i < 2; i++) {
        assert_true(next(&action));
        assert_int_equal(action.outcome, HOP_DEADLINE);
        assert_true(action.id == out || action.id == waiting);
    }
    nothing();
    assert_int_equal(hop_in_flight(hop, 0), 0); /* its holder drops it too */
    assert_false(reply(0, out));
}

static void a_death_sends_again_what_may_be(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t read = ask(1, SECOND, true), write = ask(2, SECOND, false), other = ask(3, SECOND, true);
    sent(read);
    sent(write);
    sent(other);
    uint64_t fresh = ask(4, SECOND, true);
    ready(1, 1);
    hop_peer_heard(hop, now, 0, 3);
    sent(fresh); /* to 1, which is full then */
    died(0);
    answered(write, HOP_UNKNOWN);
    nothing();
    uint64_t last = ask(5, SECOND, true);
    hop_peer_heard(hop, now, 1, 9);
    assert_int_equal(sent(read), 1);
    sent(other);
    sent(last);
}

static void without_any_peer_requests_are_held(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t id = ask(1, SECOND, true);
    sent(id);
    died(0);
    nothing();
    later(500 * MS);
    nothing();
    ready(0, 8);
    assert_int_equal(sent(id), 0);
}

static void the_budget_limits_what_is_sent_again(void **state)
{
    (void)state;
    struct hop_limits l = HOP_LIMITS;
    l.again_burst = 2;
    l.again_percent = 10;
    limits_are(l);
    ready(0, 8);
    uint64_t id[3];
    for (int i = 0; i < 3; i++)
        sent(id[i] = ask((uint64_t)i, SECOND, true));
    died(0);
    answered(id[0], HOP_UNAVAILABLE); /* from the newest on */
    ready(0, 64);
    sent(id[1]);
    sent(id[2]);
    for (int i = 0; i < 10; i++) /* earn one */
        sent(ask(100 + (uint64_t)i, SECOND, true));
    died(0);
    unsigned unavailable = 0;
    struct hop_action action;
    while (next(&action))
        unavailable += action.outcome == HOP_UNAVAILABLE;
    assert_int_equal(unavailable, 11);
    assert_int_equal(hop_waiting(hop), 1);
}

static void a_silent_peer_is_hung_and_the_first_reply_wins(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t read = ask(1, 9 * SECOND, true), write = ask(2, 9 * SECOND, false);
    sent(read);
    sent(write);
    ready(1, 8);
    awake = 2;
    later(780 * MS);
    nothing();
    assert_int_equal(hop_ready(hop), 2);
    later(60 * MS);
    assert_int_equal(sent(read), 1);
    nothing(); /* what may not be sent again stays there */
    assert_int_equal(hop_ready(hop), 1);
    assert_true(reply(0, read)); /* late, and still the first */
    assert_int_equal(hop_ready(hop), 2);
    assert_false(reply(1, read));
    assert_true(reply(0, write));
    assert_int_equal(hop_held(hop), 0);
}

static void our_own_freeze_is_nobodys_silence(void **state)
{
    (void)state;
    ready(0, 8);
    sent(ask(1, 9 * SECOND, true));
    ready(1, 8);
    awake = 0;
    now += 5 * SECOND;
    hop_tick(hop, now);
    nothing();
    assert_int_equal(hop_ready(hop), 2);
    later(500 * MS);
    assert_int_equal(hop_ready(hop), 2);
    later(400 * MS);
    assert_int_equal(hop_ready(hop), 0);
}

static void who_wakes_keeps_what_was_not_sent_elsewhere_yet(void **state)
{
    (void)state;
    struct hop_limits l = HOP_LIMITS;
    l.again_burst = 1;
    limits_are(l);
    ready(0, 8);
    uint64_t id = ask(1, 9 * SECOND, true);
    sent(id);
    awake = 0;
    later(900 * MS);
    nothing();
    assert_int_equal(hop_waiting(hop), 1);
    hop_peer_heard(hop, now, 0, 8);
    assert_int_equal(hop_waiting(hop), 0);
    ready(1, 8);
    nothing();
    died(0);
    assert_int_equal(sent(id), 1); /* what was paid for the first time came back */
}

static void a_death_after_the_hang_is_not_counted_twice(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t id = ask(1, 9 * SECOND, true);
    sent(id);
    ready(1, 8);
    awake = 2;
    later(900 * MS);
    assert_int_equal(sent(id), 1);
    died(0);
    nothing();
    ready(2, 8);
    uint64_t innocent = ask(2, 9 * SECOND, true);
    assert_int_equal(sent(innocent), 2);
    died(1);
    nothing(); /* two deaths: it waits to be alone, and is not refused */
    assert_true(reply(2, innocent));
    assert_int_equal(sent(id), 2);
}

static void leaving_peers_get_nothing_and_may_finish(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t a = ask(1, SECOND, true), b = ask(2, SECOND, false);
    sent(a);
    sent(b);
    hop_peer_leaving(hop, now, 0);
    uint64_t c = ask(3, SECOND, true);
    nothing();
    assert_true(reply(0, a));
    died(0);
    answered(b, HOP_UNKNOWN);
    ready(1, 8);
    sent(c);
}

static void a_hung_peer_that_was_leaving_gets_nothing_when_it_wakes(void **state)
{
    (void)state;
    ready(0, 8);
    sent(ask(1, 9 * SECOND, false));
    awake = 0;
    hop_peer_leaving(hop, now, 0);
    later(900 * MS);
    hop_peer_leaving(hop, now, 0);
    hop_peer_heard(hop, now, 0, 8);
    ask(2, SECOND, true);
    nothing();
    assert_int_equal(hop_ready(hop), 0);
}

static void busy_goes_to_another_and_then_back_to_who_asked(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 8);
    uint64_t id = ask(1, SECOND, false); /* nothing was done: also what may not be sent again */
    unsigned first = sent(id);
    busy(first, id);
    assert_int_equal(sent(id), 1 - first);
    busy(1 - first, id);
    answered(id, HOP_BUSY);
    uint64_t next_one = ask(2, SECOND, true);
    nothing(); /* both are left alone for a moment */
    later(40 * MS);
    nothing();
    later(20 * MS);
    sent(next_one);
}

static void a_reply_ends_the_pause_after_busy(void **state)
{
    (void)state;
    ready(0, 8);
    uint64_t a = ask(1, SECOND, true), b = ask(2, SECOND, true);
    sent(a);
    sent(b);
    busy(0, b);
    answered(b, HOP_BUSY);
    uint64_t c = ask(3, SECOND, true);
    nothing();
    assert_true(reply(0, a));
    sent(c);
}

static void a_new_life_has_refused_nothing(void **state)
{
    (void)state;
    ready(0, 8);
    ready(1, 1);
    uint64_t filler = ask(1, SECOND, true), id = ask(2, SECOND, true);
    unsigned full = sent(filler);
    unsigned other = sent(id);
    assert_int_not_equal(full, other);
    hop_peer_heard(hop, now, full, 1);
    busy(other, id);
    nothing(); /* waits for room at the other one */
    died(other);
    ready(other, 8);
    assert_int_equal(sent(id), other);
}

static void the_forgotten_takes_credit_until_its_reply(void **state)
{
    (void)state;
    int mine;
    ready(0, 1);
    uint64_t a = hop_submit(hop, now, now + SECOND, 1, true, &mine), b = ask(2, SECOND, true);
    sent(a);
    assert_ptr_equal(hop_forget(hop, a), &mine);
    assert_null(hop_forget(hop, a));
    assert_null(hop_forget(hop, 12345));
    assert_int_equal(hop_pending(hop), 1);
    assert_int_equal(hop_held(hop), 2);
    nothing();
    assert_false(reply(0, a));
    sent(b);
    died(0);
    hop_forget(hop, b);
    nothing();
    assert_int_equal(hop_held(hop), 0);
}

static void what_was_refused_and_forgotten_is_not_answered(void **state)
{
    (void)state;
    uint64_t id = hop_submit(hop, now, now, 1, true, NULL);
    hop_forget(hop, id);
    nothing();
    assert_int_equal(hop_held(hop), 0);
}

static void peers_are_pinged(void **state)
{
    (void)state;
    struct hop_action action;
    ready(0, 1);
    unsigned pings = 0;
    for (int i = 0; i < 50; i++) {
        now += 20 * MS;
        hop_tick(hop, now);
        while (hop_next(hop, &action))
            pings += action.type == HOP_PING && action.peer == 0;
        hop_peer_heard(hop, now, 0, 1);
    }
    assert_int_equal(pings, 5);
    now += SECOND;
    hop_tick(hop, now);
    died(0);
    assert_false(hop_next(hop, &action));
}

static void events_of_absent_peers_are_nothing(void **state)
{
    (void)state;
    hop_peer_heard(hop, now, 5, 8);
    hop_peer_leaving(hop, now, 5);
    hop_peer_died(hop, now, 5);
    assert_false(reply(5, 100));
    assert_int_equal(hop_ready(hop), 0);
    nothing();
}

static void a_credit_is_believed_only_so_far(void **state)
{
    (void)state;
    ready(0, 1000000);
    for (unsigned i = 0; i < 5000; i++)
        ask(i, SECOND, true);
    struct hop_action action;
    unsigned sends = 0;
    while (next(&action))
        sends += action.type == HOP_SEND;
    assert_int_equal(sends, 4096);
    assert_int_equal(hop_waiting(hop), 904);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reply_finds_its_user_once),
        TEST(ids_leave_out_zero),
        TEST(the_fewest_in_flight_is_chosen_within_credit),
        TEST(little_work_keeps_together),
        TEST(each_is_the_favourite_in_its_turn),
        TEST(a_favourite_that_does_not_answer_gets_no_more),
        TEST(what_could_not_be_sent_is_no_sign_of_life),
        TEST(what_could_not_be_sent_goes_to_another),
        TEST(requests_wait_in_order_for_a_peer),
        TEST(a_full_queue_is_busy),
        TEST(a_request_is_answered_at_its_deadline_wherever_it_is),
        TEST(a_death_sends_again_what_may_be),
        TEST(without_any_peer_requests_are_held),
        TEST(the_budget_limits_what_is_sent_again),
        TEST(a_silent_peer_is_hung_and_the_first_reply_wins),
        TEST(our_own_freeze_is_nobodys_silence),
        TEST(who_wakes_keeps_what_was_not_sent_elsewhere_yet),
        TEST(a_death_after_the_hang_is_not_counted_twice),
        TEST(leaving_peers_get_nothing_and_may_finish),
        TEST(a_hung_peer_that_was_leaving_gets_nothing_when_it_wakes),
        TEST(busy_goes_to_another_and_then_back_to_who_asked),
        TEST(a_reply_ends_the_pause_after_busy),
        TEST(a_new_life_has_refused_nothing),
        TEST(the_forgotten_takes_credit_until_its_reply),
        TEST(what_was_refused_and_forgotten_is_not_answered),
        TEST(peers_are_pinged),
        TEST(events_of_absent_peers_are_nothing),
        TEST(a_credit_is_believed_only_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
