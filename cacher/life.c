#include "life_state.h"

#define AGAIN_WORTH 100  /* ms that a reader must have left for its page to be asked for anew */
#define FETCH_GRACE 1000 /* ms after its deadline in which a fetch without a reply is given up */
#define TURNS       3    /* renderings in a row that changes made stale, when nobody waits for one */

/* The answer when there is nothing better: the stored page where the rules of failure allow it. */
static struct life_action *give_at_worst(struct life *life, uint64_t now, struct hash key, const struct waiter *w,
                                         bool answered, enum life_action_type worst, enum verdict_reason why)
{
    struct meta meta;
    if (w->rescue && life->store.find(life->store.user, key, &meta) &&
        verdict_may_rescue(&meta, now, &life->changes->epochs, answered))
        return life_give(life, LIFE_GIVE_STORED, key, w->user, WORD_STALE, why);
    return life_give(life, worst, key, w->user, w->word, w->why);
}

/* Sends it, for its first reader if it has one; the change sequence of now is what its reply will be held against. */
static void dispatch(struct life *life, uint64_t now, struct fetch *fetch, bool conditions)
{
    struct meta meta;
    struct waiter *asker = fetch->n ? &life->waiters[fetch->first] : NULL;
    struct life_action *action = life_act(life, fetch->canonical ? LIFE_ASK : LIFE_ASK_OWN, fetch->key);
    fetch->id = ++life->lives << 16 | (uint64_t)(fetch - life->fetches);
    fetch->seq = life->changes->epochs.seq;
    fetch->asked = now;
    fetch->deadline = now + life->limits.refresh_ms;
    if (asker) {
        fetch->deadline = asker->deadline;
        asker->asker = true;
    }
    fetch->validate = false;
    if (fetch->canonical && conditions && life->store.find(life->store.user, fetch->key, &meta)) {
        enum state state = standing_of(&meta, now, &life->changes->epochs).state;
        fetch->validate = state != STATE_ABSENT && state != STATE_GONE;
        fetch->validated = meta.arrived;
    }
    if (fetch->deadline + FETCH_GRACE < life->due)
        life->due = fetch->deadline + FETCH_GRACE;
    action->fetch = fetch->id;
    action->user = asker ? asker->user : NULL;
    action->deadline = fetch->deadline;
    action->dispatched = fetch->seq;
    action->validate = fetch->validate;
}

/* A reader's own request. It takes the waiter over. */
static void ask_own(struct life *life, uint64_t now, struct hash key, uint32_t at)
{
    struct fetch *fetch = fetch_new(life, key, false);
    if (!fetch) {
        give_at_worst(life, now, key, &life->waiters[at], false, LIFE_GIVE_BUSY, WHY_FULL);
        waiter_free(life, at);
        return;
    }
    fetch_join(life, fetch, at);
    dispatch(life, now, fetch, false);
}

/* Puts the reader to the lease of the key, which is taken if there is none. */
static void wait_for(struct life *life, uint64_t now, struct hash key, const struct waiter *reader)
{
    struct fetch *fetch = fetch_lease(life, key);
    uint32_t at = NOBODY;
    bool join_it = fetch != NULL;
    if (!fetch || fetch->n < life->limits.crowd)
        at = waiter_new(life, reader);
    if (at != NOBODY && !fetch)
        fetch = fetch_new(life, key, true);
    if (at == NOBODY || !fetch) {
        give_at_worst(life, now, key, reader, false, LIFE_GIVE_BUSY, WHY_FULL);
        if (at != NOBODY)
            waiter_free(life, at);
        return;
    }
    fetch_join(life, fetch, at);
    if (!join_it)
        dispatch(life, now, fetch, true);
    else if (fetch->refresh)
        fetch_set_refresh(life, fetch, false, false); /* somebody waits for it now */
}

/* A refresh that nobody waits for. */
static void refresh(struct life *life, uint64_t now, struct hash key, bool ahead)
{
    bool answered;
    if (life->refreshing >= life->limits.refreshes || fetch_lease(life, key) ||
        memory_is_held(life, now, key, &answered) || memory_is_singly(life, now, key))
        return;
    struct fetch *fetch = fetch_new(life, key, true);
    if (!fetch)
        return;
    fetch_set_refresh(life, fetch, true, ahead);
    dispatch(life, now, fetch, true);
}

static bool is_stale(struct life *life, uint64_t now, struct hash key)
{
    struct meta meta;
    if (!life->store.find(life->store.user, key, &meta))
        return false;
    enum state state = standing_of(&meta, now, &life->changes->epochs).state;
    return state == STATE_STALE_BY_AGE || state == STATE_STALE_BY_CHANGE;
}

/* Renders ahead, as long as it is quiet. */
static void pump(struct life *life, uint64_t now)
{
    struct hash key;
    while (life->ahead < life->limits.ahead && life->waiting <= life->limits.quiet &&
           life->refreshing < life->limits.refreshes && memory_take_wish(life, &key))
        if (is_stale(life, now, key))
            refresh(life, now, key, true);
}

/* ---- events ---- */

void life_request(struct life *life, uint64_t now, const struct life_request *request)
{
    struct meta meta;
    struct notes notes;
    struct hash key = request->key;
    bool there = life->store.find(life->store.user, key, &meta), answered;
    enum verdict verdict = cache_verdict(request->facts, there ? &meta : NULL, now, &life->changes->epochs, &notes);
    struct waiter reader = {
        .user = request->user,
        .deadline = request->deadline,
        .seq = life->changes->epochs.seq,
        .next = NOBODY,
        .rescue = facts_may_share(request->facts),
        .word = notes.word,
        .why = notes.why,
    };
    uint32_t at;
    switch (verdict) {
    case VERDICT_SERVE:
        life_give(life, LIFE_GIVE_STORED, key, request->user, notes.word, notes.why);
        return;
    case VERDICT_SERVE_AND_REFRESH:
        life_give(life, LIFE_GIVE_STORED, key, request->user, notes.word, notes.why);
        refresh(life, now, key, false);
        return;
    case VERDICT_GATEWAY_TIMEOUT:
        life_give(life, LIFE_GIVE_TIMEOUT, key, request->user, notes.word, notes.why);
        return;
    case VERDICT_REVALIDATE:
        if (memory_is_held(life, now, key, &answered) &&
            verdict_may_rescue(&meta, now, &life->changes->epochs, answered)) {
            life_give(life, LIFE_GIVE_STORED, key, request->user, WORD_STALE, WHY_HELD);
            return;
        }
        break;
    case VERDICT_ASK:
    case VERDICT_PASS:
        break;
    }
    if (verdict != VERDICT_PASS && !request->singly && !memory_is_singly(life, now, key)) {
        wait_for(life, now, key, &reader);
        return;
    }
    if (verdict != VERDICT_PASS) {
        reader.word = WORD_BYPASS;
        reader.why = WHY_UNCACHEABLE;
    }
    at = waiter_new(life, &reader);
    if (at == NOBODY)
        give_at_worst(life, now, key, &reader, false, LIFE_GIVE_BUSY, WHY_FULL);
    else
        ask_own(life, now, key, at);
}

void life_refresh(struct life *life, uint64_t now, struct hash key)
{
    if (is_stale(life, now, key))
        refresh(life, now, key, false);
}

void life_wish(struct life *life, struct hash key, uint64_t heat)
{
    memory_wish(life, key, heat);
}

void life_ahead(struct life *life, uint64_t now)
{
    pump(life, now);
}

/* How a fetch failed. */
struct failure {
    bool answered;                       /* with an error */
    bool anew;                           /* those who have more time than the asker had are asked for anew, together */
    enum life_action_type asker, others; /* what they get */
};

static const struct failure nothing_came = {false, false, LIFE_GIVE_FAILURE, LIFE_GIVE_FAILURE};
static const struct failure too_late = {false, true, LIFE_GIVE_FAILURE, LIFE_GIVE_FAILURE};
static const struct failure error_came = {true, false, LIFE_GIVE_REPLY, LIFE_GIVE_REPLY};
static const struct failure error_for_one = {true, false, LIFE_GIVE_REPLY, LIFE_GIVE_ERROR};

/* Nothing that could be stored came of it. */
static void fail(struct life *life, uint64_t now, struct fetch *fetch, const struct failure *how)
{
    struct hash key = fetch->key;
    uint32_t at = fetch_take_waiters(fetch), next;
    fetch_end(life, fetch);
    for (; at != NOBODY; at = next) {
        struct waiter reader = life->waiters[at];
        struct meta meta;
        next = reader.next;
        bool rescued = reader.rescue && life->store.find(life->store.user, key, &meta) &&
                       verdict_may_rescue(&meta, now, &life->changes->epochs, how->answered);
        waiter_free(life, at);
        if (how->anew && !rescued && !reader.asker && reader.deadline > now + AGAIN_WORTH)
            wait_for(life, now, key, &reader);
        else
            give_at_worst(life, now, key, &reader, how->answered, reader.asker ? how->asker : how->others, WHY_FAILED)
                ->asker = reader.asker;
    }
}

/* The reply is for the asker only; each other one is asked for by itself. singly: those who come later, too. */
static void give_to_one(struct life *life, uint64_t now, struct fetch *fetch, enum life_action_type type, bool singly)
{
    struct hash key = fetch->key;
    uint32_t at = fetch_take_waiters(fetch), next;
    fetch_end(life, fetch);
    if (singly)
        memory_singly(life, now, key);
    for (; at != NOBODY; at = next) {
        struct waiter *reader = &life->waiters[at];
        next = reader->next;
        if (reader->asker) {
            life_give(life, type, key, reader->user, reader->word, reader->why)->asker = true;
            waiter_free(life, at);
        } else {
            reader->word = WORD_BYPASS;
            reader->why = WHY_UNCACHEABLE;
            ask_own(life, now, key, at);
        }
    }
}

/* Gives the reply to those who came before change `seq`; the others stay. */
static void give_to_all_before(struct life *life, struct fetch *fetch, uint64_t seq, enum life_action_type type)
{
    bool collapsed = fetch->n > 1;
    uint32_t at = fetch_take_waiters(fetch), next;
    for (; at != NOBODY; at = next) {
        struct waiter *reader = &life->waiters[at];
        next = reader->next;
        if (reader->seq >= seq) {
            fetch_join(life, fetch, at);
            continue;
        }
        struct life_action *action = life_act(life, type, fetch->key);
        action->user = reader->user;
        action->word = reader->word;
        action->why = reader->why;
        action->collapsed = collapsed;
        action->asker = reader->asker;
        waiter_free(life, at);
    }
}

/* The same once more, for those who still wait; without any only a few times in a row. */
static void again(struct life *life, uint64_t now, struct fetch *fetch)
{
    if (fetch->n == 0 && (++fetch->turns >= TURNS || (!fetch->refresh && life->refreshing >= life->limits.refreshes))) {
        fetch_end(life, fetch);
        return;
    }
    fetch_set_refresh(life, fetch, fetch->n == 0, fetch->n == 0 && fetch->ahead);
    dispatch(life, now, fetch, false);
}

/* A good reply to a canonical request. */
static void take_page(struct life *life, uint64_t now, struct fetch *fetch, const struct life_reply *reply)
{
    struct since since =
        changes_since(life->changes, fetch->key, reply->row_tags, reply->row_tags_n, reply->broad, fetch->seq);
    enum life_action_type type = reply->not_modified ? LIFE_GIVE_STORED : LIFE_GIVE_REPLY;
    if (since.hard) { /* what it shows may have been taken from view: nobody gets it */
        again(life, now, fetch);
        return;
    }
    struct life_action *action = life_act(life, LIFE_STORE, fetch->key);
    action->dispatched = fetch->seq;
    action->not_modified = reply->not_modified;
    action->stale_seq = since.soft;
    action->stale_at = since.soft ? fetch->asked : 0;
    if (reply->kind == REPLY_KEEP) {
        /* One after the other, each is validated; of those who come together nobody should wait for another. */
        give_to_one(life, now, fetch, type, fetch->n > 1);
        return;
    }
    memory_shared(life, fetch->key);
    /* Which of several changes came first is not known: who came after any change since the dispatch waits. */
    give_to_all_before(life, fetch, since.soft ? fetch->seq + 1 : UINT64_MAX, type);
    if (since.soft)
        again(life, now, fetch);
    else
        fetch_end(life, fetch);
}

/* The reply to a canonical request that may be used, or to one that was validated. */
static void take_reply(struct life *life, uint64_t now, struct fetch *fetch, const struct life_reply *reply)
{
    struct meta meta;
    bool there = life->store.find(life->store.user, fetch->key, &meta);
    if (reply->not_modified || reply->not_about) {
        enum state state = standing_of(there ? &meta : NULL, now, &life->changes->epochs).state;
        bool usable = reply->not_modified && fetch->validate && state != STATE_ABSENT && state != STATE_GONE &&
                      meta.arrived == fetch->validated && reply->kind != REPLY_ONE;
        if (!usable && !fetch->validate) { /* 304 to no condition: the origin is broken */
            fail(life, now, fetch, &nothing_came);
            return;
        }
        if (!usable) {
            again(life, now, fetch);
            return;
        }
    }
    if (reply->kind == REPLY_ONE) {
        if (there)
            life_act(life, LIFE_FORGET, fetch->key);
        give_to_one(life, now, fetch, LIFE_GIVE_REPLY, true);
        return;
    }
    take_page(life, now, fetch, reply);
}

/* Whether it says something of the page: not when it is a request of somebody's own. */
static bool is_of_the_page(const struct life *life, const struct fetch *fetch)
{
    return fetch->canonical || (fetch->n && life->waiters[fetch->first].rescue);
}

/* A reply to a reader's own request. */
static void take_own(struct life *life, uint64_t now, struct fetch *fetch, const struct life_reply *reply)
{
    if (is_of_the_page(life, fetch) && reply->kind == REPLY_SHARE)
        memory_shared(life, fetch->key);
    else if (is_of_the_page(life, fetch) && reply->kind == REPLY_ONE && memory_is_singly(life, now, fetch->key))
        memory_singly(life, now, fetch->key);
    give_to_all_before(life, fetch, UINT64_MAX, LIFE_GIVE_REPLY);
    fetch_end(life, fetch);
}

bool life_reply(struct life *life, uint64_t now, uint64_t id, const struct life_reply *reply)
{
    uint64_t at = id & 65535;
    struct fetch *fetch = at < life->limits.fetches ? &life->fetches[at] : NULL;
    if (!fetch || !fetch->open || fetch->id != id)
        return false;
    bool of_page = is_of_the_page(life, fetch);
    switch (reply->kind) {
    case REPLY_FAILED:
    case REPLY_NOBODY:
    case REPLY_TOO_LATE:
        if (of_page)
            memory_failed(life, now, fetch->key, reply->kind != REPLY_FAILED, false);
        /* What was wrong with the time of the asker may be right for the others. */
        fail(life, now, fetch,
             reply->kind != REPLY_FAILED && fetch->deadline <= now + AGAIN_WORTH ? &too_late : &nothing_came);
        break;
    case REPLY_ERROR:
        if (of_page)
            memory_failed(life, now, fetch->key, reply->upstream, true);
        fail(life, now, fetch, reply->for_one ? &error_for_one : &error_came);
        break;
    case REPLY_SHARE:
    case REPLY_KEEP:
    case REPLY_ONE:
        memory_upstream_succeeded(life);
        if (of_page)
            memory_succeeded(life, fetch->key);
        if (fetch->canonical)
            take_reply(life, now, fetch, reply);
        else
            take_own(life, now, fetch, reply);
        break;
    }
    pump(life, now);
    return true;
}

/* Lets go of the readers whose time is over. */
static void leave(struct life *life, uint64_t now, struct fetch *fetch)
{
    uint32_t at = fetch_take_waiters(fetch), next;
    for (; at != NOBODY; at = next) {
        struct waiter *reader = &life->waiters[at];
        next = reader->next;
        if (reader->deadline > now) {
            fetch_join(life, fetch, at);
        } else {
            give_at_worst(life, now, fetch->key, reader, false, LIFE_GIVE_FAILURE, WHY_FAILED);
            waiter_free(life, at);
        }
    }
}

void life_tick(struct life *life, uint64_t now)
{
    if (now >= life->due) {
        life->due = UINT64_MAX;
        for (uint32_t i = 0; i < life->limits.fetches; i++) {
            struct fetch *fetch = &life->fetches[i];
            if (!fetch->open)
                continue;
            leave(life, now, fetch);
            if (now >= fetch->deadline + FETCH_GRACE) {
                if (is_of_the_page(life, fetch))
                    memory_failed(life, now, fetch->key, true, false);
                fail(life, now, fetch, &too_late);
            } else if (fetch->deadline + FETCH_GRACE < life->due) {
                life->due = fetch->deadline + FETCH_GRACE;
            }
        }
    }
    pump(life, now);
}

uint32_t life_fetching(const struct life *life)
{
    return life->fetching;
}

uint32_t life_waiting(const struct life *life)
{
    return life->waiting;
}

uint32_t life_wishing(const struct life *life)
{
    return life->wishes_n;
}
