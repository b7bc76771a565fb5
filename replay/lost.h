/* Allocation indices whose allocations could not be read: a free of one is no error of the trace.
 * Why in the replay and not asked of the reader: the reader may be ahead of the events that are
 * applied. Not here: damage itself (reader.h). Not thread-safe. */
#ifndef REPLAY_LOST_H
#define REPLAY_LOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lost_range {
    uint64_t first, end; /* end: excluded */
};

struct lost {
    struct lost_range *ranges; /* growing */
    size_t count, capacity;
};

/* Frees everything; lost is then empty and usable, as one that is all zero. */
void lost_release(struct lost *lost);
/* Adds a range behind those before. Returns 0 or -ERR_NOMEM. */
int lost_add(struct lost *lost, uint64_t first, uint64_t end);
/* Is the index in one of them? */
bool lost_holds(const struct lost *lost, uint64_t index);
/* How many indices there are in all. */
uint64_t lost_count(const struct lost *lost);

#endif
