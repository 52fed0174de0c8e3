/*
 * life_sim [steps] [seed]: the life of keys against an origin whose rows change, which fails, hangs, forgets its
 * validators and makes pages for one reader only; a change feed that lags; a store that loses records and refuses some;
 * purges of all kinds; cachers that die and come back with an empty memory; a wall clock that jumps by hours. A failure
 * names the rule and the step; the same steps and seed fail again in the same way.
 */
#include "life_model.h"

static struct once asked_for;

/* ---- readers ---- */

static void close_reader(struct reader *reader)
{
    check(reader->open, "a reader is answered twice", reader->key);
    check(now <= reader->deadline + 40 + last_step, "a reader is answered after its time", reader->key);
    reader->open = false;
    open_readers--;
}

static void store(const struct life_action *action, const struct flight *flight, const struct meta *meta)
{
    struct record *r = &records[flight->key];
    check(action->dispatched == flight->sequence, "it is stored under another dispatch", flight->key);
    stats.stored++;
    stats.renewed += action->not_modified;
    if (one_in(100))
        return; /* no room on the disk: what was there stays */
    r->meta = *meta;
    r->meta.dispatched = action->dispatched;
    r->meta.stale_seq = action->stale_seq;
    r->meta.stale_at = action->stale_at;
    r->page = flight->page;
    r->there = true;
    r->gone = false;
}

static void send(const struct life_action *action)
{
    struct reader *asker = action->user;
    unsigned key = asker ? asker->key : key_of(action->key), i = 0;
    bool canonical = action->type == LIFE_ASK;
    for (unsigned f = 0; f < IN_FLIGHT && canonical; f++)
        check(!flights[f].open || flights[f].lost || !flights[f].canonical || flights[f].key != key ||
                  flights[f].life != lives || now >= flights[f].deadline + 1000,
              "a key is asked for twice at once", key);
    if (canonical && !asker) {
        check(!keys[key].failures || now >= keys[key].failed + limits.hold_ms, "a failing page is hammered", key);
        check(!keys[key].streak || now >= keys[key].failed + hold_of(keys[key].streak),
              "the pause after failures does not grow", key);
    }
    while (i < IN_FLIGHT && flights[i].open)
        i++;
    check(i < IN_FLIGHT, "more is asked than may be", key);
    stats.asked += canonical;
    stats.own += !canonical;
    struct flight *f = &flights[i];
    *f =
        (struct flight){.open = true, .canonical = canonical, .validate = action->validate, .key = key, .asker = asker};
    f->id = action->fetch;
    f->serial = asker ? asker->serial : 0;
    f->life = lives;
    f->asked = now;
    f->deadline = action->deadline;
    f->sequence = action->dispatched;
    check(action->dispatched == changes.epochs.seq || !canonical, "it is dispatched under an old sequence", key);
    uint64_t takes = one_in(40) ? below(8000) : below(200);
    f->renders = now + below(takes + 1);
    f->replies = now + takes;
    f->lost = one_in(500);
}

static void drain(const struct flight *flight, const struct meta *meta, bool error, bool failing)
{
    struct life_action action;
    bool stored = false; /* what is given in place of it was decided before */
    while (life_next(life, &action)) {
        struct reader *reader = action.user;
        switch (action.type) {
        case LIFE_ASK:
        case LIFE_ASK_OWN:
            send(&action);
            continue;
        case LIFE_STORE:
            check(flight && flight->canonical && !error, "what is no reply is stored", KEYS);
            store(&action, flight, meta);
            stored = true;
            continue;
        case LIFE_FORGET:
            records[key_of(action.key)].there = false;
            continue;
        case LIFE_GIVE_STORED:
            if (action.word == WORD_EXPIRED || action.word == WORD_MISS || action.word == WORD_BYPASS)
                check_reply(reader, flight, false); /* the 304 says that it is as new */
            else
                check_stored(reader, action.word, action.why, failing, error);
            break;
        case LIFE_GIVE_REPLY:
            check(flight && !(failing && !error), "a reply is given that did not come", reader->key);
            check_reply(reader, flight, error);
            check(action.asker == (flight->asker == reader && flight->serial == reader->serial),
                  "who asked is not known", reader->key);
            check(!error || !error_for_one || (flight->asker == reader && flight->serial == reader->serial),
                  "an error that is for one is given to another", reader->key);
            check(!error || reader->personal || !must_rescue(reader->key, true),
                  "a reader gets an error though a page may be given", reader->key);
            stats.replies++;
            break;
        case LIFE_GIVE_FAILURE:
            check(failing || now >= reader->deadline || keys[reader->key].given_up == step,
                  "a reader is refused for nothing", reader->key);
            check(!error, "an error is not told", reader->key);
            check(reader->personal || !must_rescue(reader->key, false),
                  "a reader gets a failure though a page may be given", reader->key);
            stats.failures++;
            break;
        case LIFE_GIVE_ERROR:
            check(error && error_for_one && !must_rescue(reader->key, true), "503 for nothing", reader->key);
            stats.failures++;
            break;
        case LIFE_GIVE_BUSY:
            check(stored || reader->personal || !must_rescue(reader->key, false), "busy though a page may be given",
                  reader->key);
            check(life_fetching(life) >= limits.fetches - 1 || life_waiting(life) >= limits.crowd,
                  "busy though there is room", reader->key);
            stats.busy++;
            break;
        case LIFE_GIVE_TIMEOUT:
            check(reader->only_if_cached, "504 for a reader who would have waited", reader->key);
            break;
        }
        given = action.word;
        close_reader(reader);
    }
    check(life_fetching(life) <= limits.fetches && life_waiting(life) <= limits.waiters &&
              life_wishing(life) <= limits.wishes,
          "it grows", KEYS);
}

/* A fresh page that surely is, is given at once. */
static bool is_surely_fresh(const struct reader *reader)
{
    const struct record *r = &records[reader->key];
    return r->there && !r->gone && !r->page.policy->one && !r->page.clock_moved &&
           oldest_age(&r->page) < r->page.policy->lifetime && !reader->personal && !reader->no_cache &&
           changed_at(reader->key, r->page.commit, false) == UINT64_MAX && r->meta.stale_seq == 0 &&
           changes_since(&changes, keys[reader->key].hash, &(uint64_t){row_tag(reader->key)}, 1, r->meta.broad,
                         r->meta.dispatched)
                   .soft == 0;
}

/* A refresh runs, or there is a reason why not. */
static bool is_refreshed(unsigned key)
{
    unsigned refreshes = 0;
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        const struct flight *f = &flights[i];
        if (!f->open || f->given_up || f->life != lives)
            continue;
        if (f->canonical && f->key == key)
            return true;
        refreshes += !f->asker;
    }
    return refreshes >= limits.refreshes || life_fetching(life) == limits.fetches ||
           (keys[key].failures && now < keys[key].failed + hold_of(keys[key].failures)) ||
           (keys[key].singly && now < keys[key].singly + limits.singly_ms);
}

/* What a gateway does with a reader. */
static void visit(unsigned key, bool plain)
{
    struct request_facts facts;
    struct notes notes;
    unsigned i = 0;
    while (i < READERS && readers[i].open)
        i++;
    if (i == READERS)
        return;
    struct reader *reader = &readers[i];
    *reader = (struct reader){.open = true, .key = key, .came = now, .serial = ++stats.reads};
    open_readers++;
    reader->deadline = now + 50 + below(one_in(3) ? 5000 : 1500);
    facts_begin(&facts, one_in(5) ? STR("HEAD") : STR("GET"));
    if (!plain) {
        reader->personal = one_in(20);
        reader->no_cache = one_in(20);
        reader->only_if_cached = one_in(40);
    }
    if (reader->personal)
        facts_add(&facts, STR("authorization"), STR("Basic x"));
    if (reader->no_cache)
        facts_add(&facts, STR("cache-control"), STR("no-cache"));
    if (reader->only_if_cached)
        facts_add(&facts, STR("cache-control"), STR("only-if-cached"));
    facts_end(&facts);
    facts.flags |= life ? 0 : FACT_DISCONNECTED;
    bool fresh = is_surely_fresh(reader), by_gateway = !life || one_in(2);
    if (by_gateway) {
        enum verdict verdict =
            cache_verdict(&facts, records[key].there ? &records[key].meta : NULL, now, &changes.epochs, &notes);
        if (verdict == VERDICT_SERVE || verdict == VERDICT_SERVE_AND_REFRESH) {
            check_stored(reader, notes.word, notes.why, false, false);
            close_reader(reader);
            if (life && verdict == VERDICT_SERVE_AND_REFRESH && once_may(&asked_for, keys[key].hash, now)) {
                life_refresh(life, now, keys[key].hash);
                drain(NULL, NULL, false, false);
            }
            return;
        }
        check(!fresh, "a fresh page is not given by a gateway", key);
        if (!life) {
            check(reader->personal || !must_rescue(key, false), "without a cacher a page is not given", key);
            close_reader(reader);
            return;
        }
        check(!reader->only_if_cached || verdict == VERDICT_GATEWAY_TIMEOUT || reader->personal, "only-if-cached asks",
              key);
    }
    life_request(
        life, now,
        &(struct life_request){.key = keys[key].hash, .facts = &facts, .deadline = reader->deadline, .user = reader});
    drain(NULL, NULL, false, false);
    check(!fresh || !reader->open, "a reader waits for a fresh page", key);
    check(reader->open || given != WORD_UPDATING || is_refreshed(key), "a page is given as updating and is not", key);
    check(!reader->only_if_cached || !reader->open || reader->personal, "only-if-cached waits", key);
}

/* ---- the origin ---- */

static bool fill_reply(struct flight *f, struct life_reply *reply, struct meta *meta, bool *error)
{
    static struct message response;
    static uint64_t tag;
    struct request_facts facts;
    struct record *r = &records[f->key];
    char date[64];
    time_t really = 1700000000 + (time_t)(f->page.rendered / 1000);
    struct tm tm;
    *error = false;
    *reply = (struct life_reply){.kind = REPLY_SHARE};
    if (upstream_dead && !one_in(20)) {
        reply->kind = one_in(3) ? REPLY_TOO_LATE : one_in(2) ? REPLY_FAILED : REPLY_NOBODY;
        return false;
    }
    if (keys[f->key].faulty && !one_in(10)) {
        reply->kind = REPLY_ERROR;
        reply->upstream = one_in(2);
        reply->for_one = error_for_one = one_in(3);
        *error = true;
        return false;
    }
    response.status = 200;
    response.headers.n = 0;
    gmtime_r(&really, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (one_in(2))
        headers_add(&response.headers, STR("date"), str_of(date));
    headers_add(&response.headers, STR("etag"), STR("\"x\""));
    if (f->page.policy->cache_control)
        headers_add(&response.headers, STR("cache-control"), str_of(f->page.policy->cache_control));
    if (f->page.policy->cdn)
        headers_add(&response.headers, STR("cdn-cache-control"), str_of(f->page.policy->cdn));
    facts_begin(&facts, STR("GET"));
    struct arrival arrival = {f->asked, now, 1700000000 + (int64_t)(now / 1000) + (int64_t)wall_offset};
    struct judgement judgement =
        store_judge(&facts, &response, &arrival, &(struct store_policy){.heuristics = false}, meta);
    reply->kind = judgement.kind == STORE_SHARE ? REPLY_SHARE : judgement.kind == STORE_KEEP ? REPLY_KEEP : REPLY_ONE;
    /* 304 when nothing of it changed since the stored one was rendered; now and then a wrong one. */
    if (f->canonical && f->validate) {
        bool same = r->there && f->page.policy == r->page.policy;
        for (unsigned t = 0; t < TAGS && same; t++)
            same = changed_at(f->key, r->page.commit, false) == UINT64_MAX;
        for (unsigned i = 0; i < feed_n && same; i++)
            same = false; /* something is under way: it may be of this page */
        reply->not_modified = same && !one_in(20);
        reply->not_about = !reply->not_modified && one_in(10);
    }
    f->page.clock_moved = wall_offset != 0;
    tag = row_tag(f->key);
    reply->row_tags = &tag;
    reply->row_tags_n = 1;
    for (unsigned i = 0; i < BROAD; i++)
        if (keys[f->key].broad >> i & 1)
            reply->broad |= 1u << epochs_slot(&changes.epochs, broad_tag(i));
    meta->broad = reply->broad;
    return true;
}

static void note_outcome(const struct flight *f, bool good)
{
    bool waits = f->asker && f->asker->open && f->asker->serial == f->serial;
    for (unsigned k = 0; k < KEYS && good; k++)
        keys[k].streak = 0;
    if (!f->canonical && !(waits && !f->asker->personal))
        return; /* it says nothing of the page */
    keys[f->key].failures = good ? 0 : keys[f->key].failures + 1;
    keys[f->key].streak = good ? 0 : keys[f->key].streak + 1;
    keys[f->key].failed = now;
}

static void deliver(struct flight *f)
{
    struct life_reply reply;
    struct meta meta = {0};
    bool error = false;
    struct flight copy = *f;
    bool good = fill_reply(&copy, &reply, &meta, &error);
    f->open = false;
    if (!life || f->life != lives)
        return; /* nobody knows its id any more */
    uint64_t gave_up = f->deadline + 1000;
    if (!f->given_up)
        note_outcome(&copy, good);
    if (good && reply.kind != REPLY_SHARE)
        keys[f->key].singly = now;
    bool taken = life_reply(life, now, f->id, &reply);
    check(taken || now >= gave_up, "a reply is not taken", f->key);
    drain(&copy, &meta, error, !good);
}

static void origin(void)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct flight *f = &flights[i];
        if (!f->open)
            continue;
        if (!f->rendered && now >= f->renders) {
            f->rendered = true;
            f->page = (struct page){commits, now, f->asked, keys[f->key].policy, false};
        }
        if (f->lost && (f->given_up || f->life != lives))
            f->open = false;
        else if (!f->lost && now >= f->replies)
            deliver(f);
    }
}

/* ---- the story ---- */

static void commit(unsigned tag, bool hard)
{
    if (feed_n < FEED)
        feed[feed_n++] = (struct feed){now + (one_in(3) ? below(400) : 0), ++commits, tag, hard};
}

static void apply_feed(void)
{
    while (life && feed_n && feed[0].due <= now) {
        apply(feed[0].tag, feed[0].commit, feed[0].hard);
        memmove(feed, feed + 1, --feed_n * sizeof(feed[0]));
        drain(NULL, NULL, false, false);
    }
}

static void start(void)
{
    struct life_store store_half = {find, NULL};
    lives++;
    life = life_new(&limits, &store_half, &changes);
}

/* The cacher dies: its memory is gone, the epochs are what the store has. */
static void crash(void)
{
    struct buffer record = {.limit = 65536};
    stats.crashes++;
    life_free(&life);
    epochs_write(&changes.epochs, &record);
    memset(&changes, 0xa5, sizeof(changes));
    changes = (struct changes){0};
    check(epochs_read(&changes.epochs, record.p, record.n), "the epochs cannot be read", KEYS);
    buffer_release(&record);
    for (unsigned i = 0; i < READERS; i++)
        if (readers[i].open) {
            readers[i].open = false;
            open_readers--;
            stats.lost++;
        }
    for (unsigned k = 0; k < KEYS; k++)
        keys[k].failures = keys[k].streak = 0;
}

static void mishaps(void)
{
    if (one_in(2000))
        upstream_dead = !upstream_dead && one_in(2);
    if (one_in(200)) {
        unsigned key = (unsigned)below(KEYS);
        keys[key].faulty = one_in(3);
    }
    if (one_in(60))
        commit((unsigned)below(KEYS), one_in(5));
    if (one_in(300))
        commit(TAG_BROAD + (unsigned)below(BROAD), one_in(10));
    if (one_in(400))
        commit(TAG_KEY + (unsigned)below(KEYS), one_in(2));
    if (one_in(8000))
        commit(TAG_ALL, one_in(3));
    if (one_in(300))
        records[below(KEYS)].there = false; /* evicted */
    if (one_in(3000))
        wall_offset = one_in(2) ? 0 : one_in(2) ? 3600 : (uint64_t)-3600;
    if (life && one_in(6000))
        crash();
    if (!life && one_in(100))
        start();
    if (one_in(20000)) {
        unsigned key = (unsigned)below(KEYS);
        keys[key].policy = &policies[below(POLICIES)];
    }
}

static void pass(uint64_t ms)
{
    last_step = ms;
    now += ms;
    apply_feed();
    origin();
    if (life) {
        for (unsigned i = 0; i < IN_FLIGHT; i++) {
            struct flight *f = &flights[i];
            if (!f->open || f->given_up || f->life != lives || now < f->deadline + 1000)
                continue;
            f->given_up = true;
            keys[f->key].given_up = step;
            if (f->canonical)
                note_outcome(f, false);
        }
        life_tick(life, now);
        drain(NULL, NULL, false, false);
    }
    for (unsigned i = 0; i < READERS && step % 16 == 0; i++)
        check(!readers[i].open || now <= readers[i].deadline + 40 + last_step, "a reader is stuck", readers[i].key);
}

/* All is well and quiet: each page that is asked for once more shows the latest, whatever it was before. */
static void rest(void)
{
    upstream_dead = false;
    wall_offset = 0;
    for (unsigned k = 0; k < KEYS; k++)
        keys[k].faulty = false;
    if (!life)
        start();
    for (unsigned i = 0; i < 70000 / 20; i++, step++)
        pass(20);
    check(life_fetching(life) == 0 && life_waiting(life) == 0 && life_wishing(life) == 0 && open_readers == 0,
          "at rest something is left", KEYS);
    uint64_t before = stats.replies + stats.hits + stats.updating + stats.renewed;
    for (unsigned k = 0; k < KEYS; k++) {
        commit(k, false);
        pass(20);
    }
    for (unsigned i = 0; i < 200; i++, step++)
        pass(20);
    for (unsigned k = 0; k < KEYS; k++) {
        visit(k, true);
        for (unsigned i = 0; i < 600 && open_readers; i++, step++)
            pass(20);
    }
    check(stats.replies + stats.hits + stats.updating + stats.renewed >= before + KEYS / 2,
          "after the storm nothing is given", KEYS);
}

int main(int argc, char **argv)
{
    uint64_t steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    chance_state = seed * 7919;
    limits = (struct life_limits){
        16 + (uint32_t)below(16), 40 + (uint32_t)below(40), 12, 6, 2, 8, 8, 3000, 5000, 1000, 60000};
    for (unsigned k = 0; k < KEYS; k++) {
        keys[k].hash = (struct hash){k + 1, k + 1 + 1000};
        keys[k].broad = (unsigned)below(1u << BROAD);
        keys[k].policy = &policies[k % POLICIES];
    }
    start();
    unsigned load = 2, hot = KEYS;
    for (step = 0; step < steps; step++) {
        if (step % 3000 == 0) {
            load = (unsigned)(1 + below(6));
            hot = (unsigned)(1 + below(KEYS));
        }
        mishaps();
        if (one_in(load))
            visit((unsigned)below(hot), one_in(2));
        if (one_in(2000))
            for (unsigned i = 0; i < 30; i++)
                visit((unsigned)below(2), true);
        pass(one_in(5000) ? below(3000) : one_in(4) ? below(25) : below(5));
    }
    rest();
    life_free(&life);
    for (unsigned t = 0; t < TAGS; t++)
        free(histories[t].change);
    printf("life_sim: seed %" PRIu64 ": %" PRIu64 " steps, %.0f s of virtual time: %" PRIu64 " reads, %" PRIu64
           " hits, %" PRIu64 " updating, %" PRIu64 " rescued, %" PRIu64 " replies, %" PRIu64 " failures, %" PRIu64
           " busy; %" PRIu64 " asked, %" PRIu64 " of their own, %" PRIu64 " stored, %" PRIu64
           " of them by 304; %" PRIu64 " changes, %" PRIu64 " crashes with %" PRIu64 " readers lost\n",
           seed, step, (double)(now - BOOT) / 1e3, stats.reads, stats.hits, stats.updating, stats.rescued,
           stats.replies, stats.failures, stats.busy, stats.asked, stats.own, stats.stored, stats.renewed,
           stats.changes, stats.crashes, stats.lost);
    return 0;
}
