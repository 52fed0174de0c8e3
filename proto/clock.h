/* Time inside the pipeline: nanoseconds of CLOCK_MONOTONIC, which every process of one machine shares, so that a
 * deadline can travel. */
#ifndef FILMYFLY_CLOCK_H
#define FILMYFLY_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MICROSECOND 1000ull
#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

static inline uint64_t clock_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

#endif
