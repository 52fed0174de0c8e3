#include "figures.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

/* How each stage is asked, by its counters' names. */
static const struct names {
    const char *answered;  /* histogram */
    const char *in_flight; /* gauge */
    const char *queued;    /* gauge */
    const char *errors[2]; /* sums, or NULL */
} names[STAGES] = {
    {"wait", "right.pending", "right.waiting", {"status.5xx", NULL}},
    {"left.answered.ns", "left.held", "right.waiting", {"left.out.FAILED", "left.busy"}},
    {"left.answered.ns", "left.held", "right.waiting", {"left.out.FAILED", "pages_failed"}},
    {"left.answered.ns", "left.held", "database.waiting", {"left.out.FAILED", "left.busy"}},
};

static uint64_t sum_of(const uint64_t bins[HISTOGRAM_BINS])
{
    uint64_t sum = 0;

    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        sum += bins[i];
    }
    return sum;
}

/* Within a bin values are taken to lie evenly. */
double bins_quantile(const uint64_t bins[HISTOGRAM_BINS], double share)
{
    double rank = share * (double)sum_of(bins), below = 0;

    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        double n = (double)bins[i];
        if (n > 0 && below + n >= rank) {
            double least = i == 0 ? 0 : (double)(1ull << i), width = i == 0 ? 2 : least;
            return (least + width * (rank - below) / n) / (double)SECOND;
        }
        below += n;
    }
    return 0;
}

static uint64_t rise(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* Those of the time between the looks, or of the whole life where there are none. Returns how many are between. */
static uint64_t recent_bins(const struct stats *now, const struct stats *before, const char *name,
                            uint64_t bins[HISTOGRAM_BINS])
{
    uint64_t whole[HISTOGRAM_BINS], old[HISTOGRAM_BINS], recent = 0;

    stats_bins(now, name, whole);
    memset(old, 0, sizeof(old));
    if (before) {
        stats_bins(before, name, old);
    }
    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        bins[i] = rise(whole[i], old[i]);
    }
    recent = before ? sum_of(bins) : 0;
    if (recent == 0) {
        memcpy(bins, whole, sizeof(whole));
    }
    return recent;
}

static uint64_t requests_of(const struct stats *stats, unsigned stage)
{
    uint64_t bins[HISTOGRAM_BINS];

    if (stage == 0) {
        return stats_value(stats, "requests");
    }
    stats_bins(stats, names[stage].answered, bins);
    return sum_of(bins);
}

static uint64_t errors_of(const struct stats *stats, unsigned stage)
{
    uint64_t errors = 0;

    for (int i = 0; i < 2 && names[stage].errors[i]; i++) {
        errors += stats_value(stats, names[stage].errors[i]);
    }
    return errors;
}

static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 ? (double)rise(now, before) / seconds : 0;
}

struct figures figures_of(const struct instance *now, const struct instance *before, double seconds, uint64_t wall)
{
    const struct stats *s = now->stats, *old = before ? before->stats : NULL;
    unsigned stage = now->stage;
    uint64_t bins[HISTOGRAM_BINS];
    struct figures f = {.known = s != NULL};

    if (!s) {
        return f;
    }
    uint64_t lives = stats_value(s, "process.lives");
    f.uptime = rise(wall, stats_started(s));
    f.restarts = lives > 0 ? lives - 1 : 0;
    f.memory = stats_value(s, "process.anonymous");
    f.total = requests_of(s, stage);
    /* The vitals are of the time that process.alive says, not of our look. */
    uint64_t passed = old ? rise(stats_value(s, "process.alive"), stats_value(old, "process.alive")) : 0;
    if (passed > 0) {
        f.cpu = rate(stats_value(s, "process.cpu"), stats_value(old, "process.cpu"), (double)passed);
    }
    if (old) {
        f.requests = rate(f.total, requests_of(old, stage), seconds);
    } else if (f.uptime > 0) {
        f.cpu = rate(stats_value(s, "process.cpu"), 0, (double)f.uptime * (double)SECOND);
        f.requests = rate(f.total, 0, (double)f.uptime);
    }
    f.in_flight = stats_value(s, names[stage].in_flight);
    f.credit = stats_value(s, "left.credit");
    f.queued = stats_value(s, names[stage].queued);
    recent_bins(s, old, names[stage].answered, bins);
    f.p50 = bins_quantile(bins, 0.5);
    f.p99 = bins_quantile(bins, 0.99);
    f.errors = errors_of(s, stage);
    return f;
}

static void add_gateway(struct totals *totals, const struct stats *stats)
{
    static const char *const minutes[SPANS] = {"1m", "5m", "60m"};
    char name[16];

    totals->errors += errors_of(stats, 0);
    for (int i = 0; i < SPANS; i++) {
        snprintf(name, sizeof(name), "hits.%s", minutes[i]);
        totals->hits[i] += stats_value(stats, name);
        snprintf(name, sizeof(name), "asked.%s", minutes[i]);
        totals->asked[i] += stats_value(stats, name);
    }
}

/* A histogram of several instances. */
struct merged {
    uint64_t recent[HISTOGRAM_BINS], whole[HISTOGRAM_BINS];
    bool any; /* something is recent */
};

static void merge(struct merged *merged, const struct stats *now, const struct stats *before, const char *name)
{
    uint64_t bins[HISTOGRAM_BINS];
    bool any = recent_bins(now, before, name, bins) > 0;

    merged->any |= any;
    for (int i = 0; i < HISTOGRAM_BINS; i++) {
        *(any ? &merged->recent[i] : &merged->whole[i]) += bins[i];
    }
}

static void add_cacher(struct totals *totals, const struct stats *stats)
{
    totals->entries = stats_value(stats, "store.entries");
    totals->bytes = stats_value(stats, "store.bytes");
    totals->limit = stats_value(stats, "store.limit");
}

static void add_dbproxy(struct totals *totals, const struct stats *stats)
{
    totals->connections += stats_value(stats, "database.connections");
    totals->waiting += stats_value(stats, "database.waiting");
}

struct totals totals_of(const struct pipeline *now, const struct pipeline *before)
{
    struct totals totals = {0};
    struct merged wait = {0}, round_trip = {0};
    double seconds = before ? (double)rise(now->at, before->at) / (double)SECOND : 0;

    for (size_t i = 0; i < now->n; i++) {
        const struct instance *instance = &now->instance[i], *old = pipeline_same(before, instance);
        const struct stats *s = instance->stats, *s_old = old ? old->stats : NULL;
        if (!s || !instance_lives(instance)) {
            continue;
        }
        totals.cpu += old ? figures_of(instance, old, seconds, 0).cpu : 0;
        if (instance->stage == 0) {
            add_gateway(&totals, s);
            merge(&wait, s, s_old, names[0].answered);
            totals.requests += s_old ? rate(requests_of(s, 0), requests_of(s_old, 0), seconds) : 0;
        } else if (instance->stage == 1) {
            add_cacher(&totals, s);
        } else if (instance->stage == 3) {
            add_dbproxy(&totals, s);
            merge(&round_trip, s, s_old, "database.round_trip.ns");
        }
    }
    totals.wait_p50 = bins_quantile(wait.recent, 0.5);
    totals.wait_p99 = bins_quantile(wait.recent, 0.99);
    totals.round_trip_p50 = bins_quantile(round_trip.any ? round_trip.recent : round_trip.whole, 0.5);
    totals.round_trip_p99 = bins_quantile(round_trip.any ? round_trip.recent : round_trip.whole, 0.99);
    return totals;
}
