/* The time of a clock as one number. Not here: time in a trace, which is coarser (output.h). */
#ifndef RECORDER_COLLECTOR_CLOCK_H
#define RECORDER_COLLECTOR_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds, since whatever the clock counts from (clock_gettime(2)). Any thread. */
static inline uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#endif
