/*
 * hop_sim [steps] [seed]: the hop's core against a world of peers that crash, freeze, wake, leave, refuse, lose and
 * repeat messages and die of poisonous requests, on a virtual clock. Beside it runs a naive model that knows every
 * request and every attempt and checks each action. A failure names the rule and the step; the same steps and seed fail
 * again in the same way.
 */
#include "hop_model.h"

/* ---- the world ---- */

static void push(uint64_t at, enum event_type type, unsigned slot, uint64_t id)
{
    struct event e = {at, seq++, type, slot, slots[slot].life, id};
    unsigned i = heap_n++;
    check(heap_n < EVENTS, "the world has too many events", NULL);
    for (; i > 0; i = (i - 1) / 2) {
        struct event *up = &heap[(i - 1) / 2];
        if (up->at < e.at || (up->at == e.at && up->seq < e.seq))
            break;
        heap[i] = *up;
    }
    heap[i] = e;
}

static bool earlier(unsigned a, unsigned b)
{
    return heap[a].at < heap[b].at || (heap[a].at == heap[b].at && heap[a].seq < heap[b].seq);
}

static struct event pop(void)
{
    struct event top = heap[0];
    heap[0] = heap[--heap_n];
    for (unsigned i = 0, c; (c = 2 * i + 1) < heap_n; i = c) {
        if (c + 1 < heap_n && earlier(c + 1, c))
            c++;
        if (earlier(i, c))
            break;
        struct event e = heap[i];
        heap[i] = heap[c];
        heap[c] = e;
    }
    return top;
}

static void start(unsigned slot)
{
    struct slot *s = &slots[slot];
    if (s->alive || s->told)
        return;
    *s = (struct slot){.alive = true, .life = s->life + 1, .credit = (uint32_t)(1 + below(16))};
    push(now + below(MILLISECOND), HELLO, slot, 0);
}

static void crash(unsigned slot)
{
    struct slot *s = &slots[slot];
    if (!s->alive)
        return;
    s->alive = false;
    push(now + MILLISECOND, DEATH, slot, 0);
}

static void killed_by(uint64_t key)
{
    struct key *k = &keys[key];
    stats.kills++;
    /* A life that was given up on may wake and die of it as late as the request's deadline. */
    check(k->kill[0] == 0 || now - k->kill[0] >= limits.held_down - PATIENCE, "one key killed four lives in its time",
          NULL);
    memmove(k->kill, k->kill + 1, 2 * sizeof k->kill[0]);
    k->kill[2] = now;
}

/* A life works on a request that reached it. */
static void arrive(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r = record_of(e->id);
    if (now < s->frozen_until) {
        push(s->frozen_until, ARRIVE, e->slot, e->id);
        return;
    }
    if (!r || now > r->deadline - DEADLINE_MARGIN)
        return;
    if (one_in(60)) {
        push(now + MILLISECOND / 5, BUSY, e->slot, e->id);
        if (one_in(10))
            push(now + MILLISECOND, BUSY, e->slot, e->id);
    } else if (r->key < POISONS && r->key % 2) {
        killed_by(r->key);
        crash(e->slot);
    } else if (r->key < POISONS) {
        s->frozen_until = now + SECOND + below(8 * SECOND);
        push(s->frozen_until, THAW, e->slot, 1);
    } else {
        push(now + MILLISECOND / 2 + below(slowness * 10 * MILLISECOND), WORK_DONE, e->slot, e->id);
    }
}

static void world(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r;
    if (s->life != e->life || !s->alive)
        return;
    switch ((int)e->type) {
    case ARRIVE:
        arrive(e);
        break;
    case WORK_DONE:
        if (now < s->frozen_until) {
            push(s->frozen_until + below(MILLISECOND), WORK_DONE, e->slot, e->id);
            break;
        }
        r = record_of(e->id);
        if (!r || now > r->deadline - DEADLINE_MARGIN || one_in(200))
            break; /* dropped by its holder, or lost */
        push(now + MILLISECOND / 5, REPLY, e->slot, e->id);
        if (one_in(100))
            push(now + below(20 * MILLISECOND), REPLY, e->slot, e->id);
        break;
    case THAW:
        if (e->id)
            crash(e->slot);
        break;
    }
}

/* What the hop is told. */
static void deliver(const struct event *e)
{
    struct slot *s = &slots[e->slot];
    struct record *r = record_of(e->id);
    void *user = NULL;
    if (s->life != e->life || (e->type != HELLO && !s->told))
        return;
    known = now;
    if (e->type != LEAVE && e->type != DEATH) {
        s->heard = now;
        s->hung = false;
    }
    switch ((int)e->type) {
    case HELLO:
        s->told = true;
        s->told_credit = s->credit;
        for (unsigned i = 0; i < open_n; i++)
            open_list[i]->busy &= ~(UINT64_C(1) << e->slot);
        hop_peer_ready(hop, now, e->slot, s->credit);
        break;
    case PONG:
        s->told_credit = s->credit;
        hop_peer_heard(hop, now, e->slot, s->credit);
        break;
    case LEAVE:
        s->told_leaving = true;
        hop_peer_leaving(hop, now, e->slot);
        break;
    case DEATH:
        stats.deaths += s->holds > 0;
        count_deaths(s);
        while (s->holds > 0)
            close_attempt(s->held[0], e->slot);
        s->told = s->told_leaving = s->hung = false;
        hop_peer_died(hop, now, e->slot);
        break;
    case REPLY:
    case BUSY: {
        bool held = r && attempt_at(r, e->slot);
        bool expected = held && r->open && e->type == REPLY;
        bool over = hop_reply(hop, now, e->slot, e->id, e->type == BUSY, &user);
        check(over == expected, expected ? "a good reply is dropped" : "a stray reply is taken", r);
        check(!over || user == r, "a reply is given to another", r);
        if (!held)
            break;
        close_attempt(r, e->slot);
        if (e->type == BUSY) {
            s->busy_until = now + BUSY_PAUSE;
            r->busies++;
            r->busy |= UINT64_C(1) << e->slot;
            break;
        }
        s->busy_until = 0;
        s->answered = now;
        if (keys[r->key].deaths < 3)
            keys[r->key].deaths = 0;
        if (over) {
            stats.replies++;
            close_record(r);
        }
        break;
    }
    }
}

static void tick(void)
{
    bool late = now - ticked > limits.tick_late;
    ticked = now;
    for (unsigned i = 0; i < n_slots; i++)
        for (unsigned j = slots[i].holds; j-- > 0;)
            if (slots[i].held[j]->deadline <= now)
                close_attempt(slots[i].held[j], i);
    for (unsigned i = 0; i < n_slots; i++) {
        struct slot *s = &slots[i];
        if (!s->told)
            continue;
        if (late)
            s->heard = now;
        if (!s->hung && now - s->heard > limits.hung_after) {
            s->hung = true;
            stats.hangs++;
            count_deaths(s);
        }
    }
    known = now;
    hop_tick(hop, now);
    for (unsigned i = 0; i < KEYS; i++)
        if (keys[i].deaths && now - keys[i].at >= limits.held_down)
            keys[i].deaths = 0;
}

static void submit(uint64_t key, uint64_t patience, bool again)
{
    struct record *r = &ring[submitted % RING];
    check(!r->open && r->attempts_open == 0, "the model is full, or a request is kept for ever", r);
    submitted++;
    *r = (struct record){.deadline = now + patience, .key = key, .again = again, .open = true};
    r->waiting_at_submit = hop_waiting(hop);
    r->refused = keys[key].deaths >= 3;
    unsigned pending = hop_pending(hop);
    known = now;
    r->id = hop_submit(hop, now, r->deadline, key, again, r);
    if (hop_pending(hop) > pending) {
        int64_t most = 100 * (int64_t)limits.again_burst;
        earned += limits.again_percent;
        bucket += limits.again_percent;
        bucket = bucket < most ? bucket : most;
    }
    check(r->id != 0 && record_of(r->id) == r, "ids do not follow each other", r);
    open_list[open_n++] = r;
    open_records++;
    kept_records++;
}

static bool is_key_in_use(uint64_t key)
{
    for (unsigned i = 0; i < open_n; i++)
        if (open_list[i]->key == key)
            return true;
    for (unsigned i = 0; i < n_slots; i++)
        for (unsigned j = 0; j < slots[i].holds; j++)
            if (slots[i].held[j]->key == key)
                return true;
    return false;
}

/* The actions, and what must hold when there is none left. */
static void drain(bool ticked_now)
{
    struct hop_action action;
    unsigned ready = 0, fresh = 0, actions = 0;
    while (hop_next(hop, &action)) {
        struct slot *s = &slots[action.peer];
        check(++actions < 10 * RING, "the actions do not end", NULL);
        if (action.type == HOP_PING) {
            check(s->told, "a peer that is not there is pinged", NULL);
            if (s->alive)
                push((now < s->frozen_until ? s->frozen_until : now) + MILLISECOND / 2, PONG, action.peer, 0);
        } else if (action.type == HOP_SEND) {
            on_send(&action);
            if (!one_in(300))
                push(now + MILLISECOND / 10, ARRIVE, action.peer, action.id);
        } else {
            on_answer(&action);
        }
    }

    bool suspects = false, room = false;
    for (unsigned i = 0; i < n_slots; i++) {
        ready += is_ready(&slots[i]);
        room |= has_room(&slots[i]);
        check(hop_in_flight(hop, i) == slots[i].holds, "a peer's requests in flight are miscounted", NULL);
    }
    for (unsigned i = 0; i < open_n; i++)
        suspects |= suspicion(open_list[i]) >= 2;
    for (unsigned i = 0; i < open_n; i++) {
        struct record *r = open_list[i];
        fresh += r->sends == 0;
        check(!ticked_now || r->deadline > now, "it is not answered at its deadline", r);
        if (r->attempts_open)
            continue;
        check(suspicion(r) < 3, "a refused one waits", r);
        check(r->again || r->sends == r->busies, "its peer died and it waits", r);
        check(suspects || !room || r->busy, "it waits though there is room", r);
    }
    check(fresh <= limits.queue + n_slots * CREDIT_MOST, "more wait than the queue may hold", NULL);
    check(hop_ready(hop) == ready, "the ready peers are miscounted", NULL);
    check(hop_pending(hop) == open_records, "the open requests are miscounted", NULL);
    check(hop_held(hop) == kept_records, "the remembered requests are miscounted", NULL);
    if (kept_records > stats.most_held)
        stats.most_held = kept_records;
}

/* ---- the story ---- */

static void mishap(void)
{
    unsigned slot = (unsigned)below(n_slots);
    struct slot *s = &slots[slot];
    if (one_in(40))
        start(slot);
    if (one_in(3000))
        crash(slot);
    if (one_in(3000) && s->alive) {
        s->frozen_until = now + 10 * MILLISECOND + below(3 * SECOND);
        push(s->frozen_until, THAW, slot, one_in(4));
    }
    if (one_in(5000) && s->alive && s->told && !s->leaving) {
        s->leaving = true;
        push(now, LEAVE, slot, 0);
    }
    if (s->leaving && s->alive && s->holds == 0 && one_in(20))
        crash(slot); /* its end, holding nothing */
    if (one_in(1000))
        s->credit = (uint32_t)below(CREDIT_MOST);
    if (one_in(100) && s->alive && now >= s->frozen_until && submitted)
        push(now, REPLY, slot, first_id + below(submitted)); /* somebody else's, or long over */
}

static void visitors(unsigned load)
{
    for (uint64_t n = one_in(load) ? (one_in(60) ? 40 : 1) : 0; n > 0; n--) {
        uint64_t key = POISONS + below(KEYS - POISONS);
        uint64_t patience = below(one_in(3) ? 8 * SECOND : 300 * MILLISECOND);
        submit(key, patience, !one_in(5));
    }
    if (one_in(300)) {
        uint64_t key = below(POISONS);
        uint64_t patience = PATIENCE - below(4 * SECOND);
        if (!is_key_in_use(key))
            submit(key, patience, !one_in(6));
    }
    if (one_in(100) && open_n) {
        struct record *r = open_list[below(open_n)];
        check(hop_forget(hop, r->id) == r, "it cannot be forgotten", r);
        stats.forgotten++;
        close_record(r);
    }
}

static void pass(uint64_t to)
{
    while (heap_n && heap[0].at <= to) {
        struct event e = pop();
        now = e.at > now ? e.at : now;
        if (e.type >= ARRIVE)
            world(&e);
        else if (inbox_n < EVENTS)
            inbox[inbox_n++] = e;
    }
    now = to;
}

static void turn(void)
{
    bool due = now - ticked >= TICK - 2 * MILLISECOND;
    batched = one_in(3);
    for (unsigned i = 0; i < inbox_n; i++) {
        deliver(&inbox[i]);
        if (!batched)
            drain(false);
    }
    inbox_n = 0;
    if (due)
        tick();
    drain(due);
}

int main(int argc, char **argv)
{
    uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    chance_state = seed * 7919;
    now = SECOND;
    n_slots = (unsigned)(1 + (seed + 4) % SLOTS);
    limits = HOP_LIMITS;
    limits.queue = (uint32_t)(8 + below(100));
    limits.again_percent = (uint32_t)below(50);
    limits.again_burst = (uint32_t)(1 + below(60));
    limits.held_down = (10 + below(51)) * SECOND;
    bucket = earned = 100 * (int64_t)limits.again_burst;
    first_id = one_in(2) ? chance() : UINT64_MAX - below(1000);
    hop = hop_new(&limits, first_id);
    unsigned load = 3;

    for (step = 0; step < steps; step++) {
        if (step % 5000 == 0) {
            slowness = (unsigned)(1 + below(6));
            load = (unsigned)(1 + below(12));
        }
        pass(now + below(one_in(20000) ? 3 * SECOND : 2 * MILLISECOND)); /* now and then we freeze ourselves */
        mishap();
        visitors(load);
        turn();
    }

    /* Rest: nobody asks any more, and everything is forgotten by its deadline. */
    for (unsigned i = 0; i < 10000; i++, step++) {
        pass(now + MILLISECOND);
        turn();
    }
    check(hop_pending(hop) == 0 && hop_held(hop) == 0 && hop_waiting(hop) == 0, "at rest something is left", NULL);
    /* And it still works: with good peers each request gets its reply, but for what the world loses. */
    for (unsigned i = 0; i < n_slots; i++)
        crash(i);
    slowness = 1;
    for (unsigned i = 0; i < 200000; i++, step++) {
        pass(now + MILLISECOND);
        if (i > 65 * 1000 && i % 20 == 0)
            submit(POISONS + below(KEYS - POISONS), SECOND, true);
        for (unsigned j = 0; j < n_slots; j++)
            if (!slots[j].alive)
                start(j);
            else
                slots[j].credit = 16;
        if (i == 65 * 1000)
            stats.replies = 0;
        turn();
    }
    check(stats.replies > 6000, "after the storm requests are not answered", NULL);
    hop_free(&hop);
    check(hop == NULL, "hop_free leaves its caller's pointer", NULL);
    printf("hop_sim: seed %" PRIu64 ": %" PRIu64 " steps, %.0f s of virtual time, %u peers: %" PRIu64
           " requests, %" PRIu64 " sends (%" PRIu64 " again, %" PRIu64 " alone), %" PRIu64 " deaths, %" PRIu64
           " hangs, %" PRIu64 " lives killed by poison; busy %" PRIu64 ", deadline %" PRIu64 ", unavailable %" PRIu64
           ", unknown %" PRIu64 ", poison %" PRIu64 ", forgotten %" PRIu64 "; at most %" PRIu64 " remembered\n",
           seed, steps, (double)now / 1e9, n_slots, submitted, stats.sends, again_sent, stats.suspects, stats.deaths,
           stats.hangs, stats.kills, stats.answers[HOP_BUSY], stats.answers[HOP_DEADLINE],
           stats.answers[HOP_UNAVAILABLE], stats.answers[HOP_UNKNOWN], stats.answers[HOP_POISON], stats.forgotten,
           stats.most_held);
    return 0;
}
