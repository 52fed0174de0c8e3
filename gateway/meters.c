#include "meters.h"

#include <stdio.h>

#include "verdict.h"

struct meters meters;

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
    meters.wait = counter("wait", COUNTER_HISTOGRAM);
}
