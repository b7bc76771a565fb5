/* The most that each holder (holders.h) ever held in a run, and when: what the moment of the peak
 * does not tell. Why: what held the old peak may hold nothing at the new one and yet have come
 * close to it a second before; whoever compares two peaks alone takes it for solved. Invariants: as
 * the history tells it, so what came and went within a tick of 10 ms (more in long runs) is not
 * seen. Not here: who a path's holder is at the peak (holders.h). Not thread-safe. */
#ifndef ANALYZER_HEIGHTS_H
#define ANALYZER_HEIGHTS_H

#include "replay/replay.h"

struct height {
    uint64_t bytes, time_ns;
};

struct heights {
    struct height *items; /* by function of the paths; NULL: not known */
    uint32_t count;
};

/* Follows the history of a replayed recording. holder_of_site: by site, below function_count.
 * Without a history nothing is known. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int heights_init(struct heights *h, uint32_t function_count, const struct replay *r,
                 const uint32_t *holder_of_site);
/* Frees everything; nothing is known any more. Zeroed heights are allowed. */
void heights_release(struct heights *h);

/* A function's height; NULL where it is not known. */
static inline const struct height *heights_of(const struct heights *h, uint32_t function)
{
    return function < h->count ? &h->items[function] : 0;
}

#endif
