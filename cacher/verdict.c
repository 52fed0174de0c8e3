#include "verdict.h"

const char *verdict_reason_text(enum verdict_reason reason)
{
    static const char *const texts[] = {
#define X(NAME, TEXT) TEXT,
        VERDICT_REASONS(X)
#undef X
    };
    return reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "?";
}

const char *cache_word_text(enum cache_word word)
{
    static const char *const texts[] = {
#define X(NAME) #NAME,
        CACHE_WORDS(X)
#undef X
    };
    return word < sizeof(texts) / sizeof(texts[0]) ? texts[word] : "?";
}

struct standing standing_of(const struct meta *meta, uint64_t now, const struct epochs *epochs)
{
    struct standing standing = {STATE_ABSENT, 0, 0, 0};
    uint64_t at;
    bool hard;
    if (!meta || meta->flags & META_MARKER)
        return standing;
    uint64_t lifetime = (uint64_t)meta->lifetime * 1000;
    /* From the future: of another boot, or the clock is not what it should be. How old it is, nobody knows. */
    bool future = meta->arrived > now || meta->born > (int64_t)now;
    standing.age = future ? lifetime : (uint64_t)((int64_t)now - meta->born);
    standing.stale_for = standing.age - (standing.age < lifetime ? standing.age : lifetime);
    standing.state = standing.age < lifetime ? STATE_FRESH : STATE_STALE_BY_AGE;
    bool changed = epochs_changed(epochs, meta->broad, meta->dispatched, &at, &hard);
    if (meta->flags & META_GONE || hard) {
        standing.state = STATE_GONE;
    } else if (changed || meta->stale_seq) {
        standing.state = STATE_STALE_BY_CHANGE;
        standing.changed_at = changed ? at : UINT64_MAX;
        if (meta->stale_seq && meta->stale_at < standing.changed_at)
            standing.changed_at = meta->stale_at;
        if (standing.changed_at > now)
            standing.changed_at = 0;
    }
    return standing;
}

/* Stale by age, and the origin forbids to use it so (RFC 9111 section 4.2.4)? */
static bool is_forbidden(const struct meta *meta, const struct standing *standing)
{
    bool expired = standing->age >= (uint64_t)meta->lifetime * 1000;
    return meta->flags & META_NO_CACHE || (expired && meta->flags & META_MUST_REVALIDATE);
}

bool verdict_may_rescue(const struct meta *meta, uint64_t now, const struct epochs *epochs, bool answered)
{
    struct standing standing = standing_of(meta, now, epochs);
    if (standing.state == STATE_ABSENT || standing.state == STATE_GONE || is_forbidden(meta, &standing))
        return false;
    bool fresh_by_age = standing.age < (uint64_t)meta->lifetime * 1000;
    return !answered || fresh_by_age || standing.stale_for < (uint64_t)meta->sie * 1000;
}

/* Does the visitor wish for a younger or a validated page (RFC 9111 section 5.2.1)? What was validated just now is
 * that. */
static bool wants_other(const struct request_facts *facts, const struct meta *meta, const struct standing *standing,
                        uint64_t now)
{
    const struct control *control = &facts->control;
    uint64_t age = standing->age / 1000; /* ages are told in whole seconds */
    uint64_t left = meta->lifetime > age ? meta->lifetime - age : 0;
    if (now >= meta->arrived && now - meta->arrived < VALID_FOR)
        return false;
    return facts_no_cache(facts) || (control->flags & CONTROL_MAX_AGE && age > control->max_age) ||
           (control->flags & CONTROL_MIN_FRESH && left < control->min_fresh);
}

/* A page that is not fresh: may it be given while it is refreshed? */
static bool may_serve_stale(const struct request_facts *facts, const struct meta *meta, const struct standing *standing,
                            uint64_t now)
{
    const struct control *control = &facts->control;
    bool fresh_by_age = standing->age < (uint64_t)meta->lifetime * 1000;
    /* RFC 5861 section 3, and section 5.2.1.2 of RFC 9111. */
    bool permitted = fresh_by_age || standing->stale_for < (uint64_t)meta->swr * 1000 ||
                     (control->flags & CONTROL_MAX_STALE && standing->stale_for <= (uint64_t)control->max_stale * 1000);
    if (facts_no_cache(facts) || control->flags & CONTROL_MIN_FRESH ||
        (control->flags & CONTROL_MAX_AGE && !(control->flags & CONTROL_MAX_STALE) &&
         standing->age / 1000 > control->max_age))
        return false;
    if (standing->state == STATE_STALE_BY_CHANGE && now - standing->changed_at >= CHANGED_GRACE)
        return false;
    return permitted;
}

static enum verdict conclude(struct notes *notes, enum verdict verdict, enum cache_word word, enum verdict_reason why)
{
    notes->word = word;
    notes->why = why;
    return verdict;
}

/* The page cannot be given without asking; but perhaps nobody may be asked. */
static enum verdict ask(const struct request_facts *facts, const struct meta *meta, uint64_t now,
                        const struct epochs *epochs, struct notes *notes, enum verdict_reason why)
{
    bool there = notes->standing.state != STATE_ABSENT && notes->standing.state != STATE_GONE;
    if (facts->flags & FACT_DISCONNECTED && there && verdict_may_rescue(meta, now, epochs, false))
        return conclude(notes, VERDICT_SERVE, WORD_STALE, WHY_DISCONNECTED);
    if (facts->control.flags & CONTROL_ONLY_IF_CACHED) /* section 5.2.1.7 */
        return conclude(notes, VERDICT_GATEWAY_TIMEOUT, WORD_MISS, why);
    if (facts->control.flags & CONTROL_NO_STORE) /* what is asked for it alone may not be stored (section 5.2.1.5) */
        return conclude(notes, VERDICT_PASS, WORD_BYPASS, WHY_NOT_TO_STORE);
    return there ? conclude(notes, VERDICT_REVALIDATE, WORD_EXPIRED, why)
                 : conclude(notes, VERDICT_ASK, WORD_MISS, why);
}

static enum verdict judge(const struct request_facts *facts, const struct meta *meta, uint64_t now,
                          const struct epochs *epochs, struct notes *notes)
{
    const struct standing *standing = &notes->standing;
    enum verdict_reason own = facts->flags & FACT_PERSONAL ? WHY_PERSONAL : WHY_METHOD;
    if (!facts_may_share(facts) && facts->flags & FACT_READS && facts->control.flags & CONTROL_ONLY_IF_CACHED)
        return conclude(notes, VERDICT_GATEWAY_TIMEOUT, WORD_MISS, own);
    if (!facts_may_share(facts))
        return conclude(notes, VERDICT_PASS, WORD_BYPASS, own);
    switch (standing->state) {
    case STATE_ABSENT:
    case STATE_GONE:
        return ask(facts, meta, now, epochs, notes, standing->state == STATE_GONE ? WHY_GONE : WHY_ABSENT);
    case STATE_FRESH:
        if (meta->flags & META_NO_CACHE)
            return ask(facts, meta, now, epochs, notes, WHY_NO_CACHE);
        if (wants_other(facts, meta, standing, now))
            return ask(facts, meta, now, epochs, notes, WHY_REQUEST);
        return conclude(notes, VERDICT_SERVE, WORD_HIT, WHY_NOTHING);
    case STATE_STALE_BY_AGE:
    case STATE_STALE_BY_CHANGE:
        break;
    }
    enum verdict_reason why = standing->state == STATE_STALE_BY_CHANGE ? WHY_CHANGED : WHY_AGE;
    if (is_forbidden(meta, standing) || !may_serve_stale(facts, meta, standing, now))
        return ask(facts, meta, now, epochs, notes, meta->flags & META_NO_CACHE ? WHY_NO_CACHE : why);
    /* Beyond what the origin allows it is the visitor's own wish (max-stale): STALE; otherwise UPDATING. */
    bool own_wish = standing->stale_for >= (uint64_t)meta->swr * 1000 && standing->stale_for > 0;
    return conclude(notes, VERDICT_SERVE_AND_REFRESH, own_wish ? WORD_STALE : WORD_UPDATING, why);
}

enum verdict cache_verdict(const struct request_facts *facts, const struct meta *meta, uint64_t now,
                           const struct epochs *epochs, struct notes *notes)
{
    struct notes unwanted = {0};
    notes = notes ? notes : &unwanted;
    *notes = (struct notes){.form = FORM_WHOLE, .standing = standing_of(meta, now, epochs)};
    enum verdict verdict = judge(facts, meta, now, epochs, notes);
    if (verdict == VERDICT_SERVE || verdict == VERDICT_SERVE_AND_REFRESH)
        notes->form = condition_form(facts, meta, &notes->part);
    return verdict;
}
