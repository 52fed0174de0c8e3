#include "meters.h"

#include <stdio.h>

#include "clock.h"
#include "verdict.h"

#define SAMPLE_EVERY (10 * SECOND)
#define SAMPLES      360 /* an hour */

struct meters meters;

static const struct {
    const char *hits, *asked;
    unsigned samples;
} spans[] = {
    {"hits.1m", "asked.1m", 6},
    {"hits.5m", "asked.5m", 30},
    {"hits.60m", "asked.60m", SAMPLES},
};

#define SPANS (sizeof(spans) / sizeof(spans[0]))

/* Totals as they were. Number n lies at [n % SAMPLES]; before the first everything was 0. */
static struct sample {
    uint64_t hits, asked;
} samples[SAMPLES];
static uint64_t taken, next_sample;

void meters_open(void)
{
    char name[40];

    meters.requests = counter("requests", COUNTER_SUM);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), i == 0 ? "unanswered" : "status.%dxx", i);
        meters.status[i] = counter(name, COUNTER_SUM);
    }
    for (int i = 0; i < CAUSE_COUNT; i++) {
        snprintf(name, sizeof(name), "failed.%s", cause_name((enum cause)i));
        meters.failed[i] = counter(name, COUNTER_SUM);
    }
    static const char *const words[] = {
#define X(NAME) [WORD_##NAME] = "cache." #NAME,
        CACHE_WORDS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        meters.cache[i] = counter(words[i], COUNTER_SUM);
    meters.busy = counter("busy", COUNTER_SUM);
    meters.bad_answers = counter("answers.bad", COUNTER_SUM);
    meters.abandoned = counter("abandoned", COUNTER_SUM);
    meters.refused_frames = counter("frames.refused", COUNTER_SUM);
    meters.inflated = counter("inflated", COUNTER_SUM);
    meters.connections = counter("connections", COUNTER_GAUGE);
    meters.accepted = counter("connections.accepted", COUNTER_SUM);
    meters.at_limit = counter("connections.at_limit", COUNTER_SUM);
    meters.limited_connections = counter("limited.connections", COUNTER_SUM);
    meters.limited_requests = counter("limited.requests", COUNTER_SUM);
    static const char *const cuts[CUT_COUNT] = {[CUT_SLOW_REQUEST] = "cut.slow_request",
                                                [CUT_SLOW_READER] = "cut.slow_reader",
                                                [CUT_MEMORY] = "cut.memory",
                                                [CUT_IDLE] = "cut.idle"};
    for (int i = 0; i < CUT_COUNT; i++)
        meters.cut[i] = counter(cuts[i], COUNTER_SUM);
    meters.log_dropped = counter("access_log.dropped", COUNTER_SUM);
    for (size_t i = 0; i < SPANS; i++) {
        meters.hits[i] = counter(spans[i].hits, COUNTER_GAUGE);
        meters.asked[i] = counter(spans[i].asked, COUNTER_GAUGE);
    }
    meters.wait = counter("wait", COUNTER_HISTOGRAM);
}

uint64_t meters_connections(void)
{
    return atomic_load_explicit(&meters.connections->value, memory_order_relaxed);
}

static struct sample totals(void)
{
    struct sample now = {0, 0};

    for (size_t i = 0; i < sizeof(meters.cache) / sizeof(meters.cache[0]); i++)
        now.hits += atomic_load_explicit(&meters.cache[i]->value, memory_order_relaxed);
    now.asked = now.hits;
    for (int i = 0; i < HISTOGRAM_BINS; i++)
        now.asked += atomic_load_explicit(&meters.wait->bin[i], memory_order_relaxed);
    return now;
}

void meters_look(uint64_t now)
{
    static const struct sample none;
    struct sample sum = totals();

    for (size_t i = 0; i < SPANS; i++) {
        const struct sample *then = taken < spans[i].samples ? &none : &samples[(taken - spans[i].samples) % SAMPLES];
        gauge(meters.hits[i], sum.hits - then->hits);
        gauge(meters.asked[i], sum.asked - then->asked);
    }
    if (now >= next_sample) {
        next_sample = now + SAMPLE_EVERY;
        samples[taken++ % SAMPLES] = sum;
    }
}
