/* The big blocks of one process that are alive: those whose residency is sampled.
 * Why a set of their own: few, looked at every 100 ms, and found again by address when they are
 * freed. Not here: sampling (sample.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_BIGBLOCKS_H
#define RECORDER_COLLECTOR_BIGBLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BIG_BLOCK_BYTES (UINT64_C(1) << 20)

struct bigblock {
    uint64_t address; /* 0: an empty place */
    uint64_t size_bytes;
    uint64_t index;          /* allocation index in the trace */
    uint64_t resident_bytes; /* as last sampled */
    bool sampled;
};

struct bigblocks {
    struct bigblock *places;
    size_t count, capacity; /* a power of two, or 0 */
};

/* Adds or replaces. Returns false when out of memory: the block is then not sampled. */
bool bigblocks_add(struct bigblocks *set, const struct bigblock *block);
/* Takes out the block at an address; *out (may be NULL) receives it. Returns false when there is
 * none. */
bool bigblocks_remove(struct bigblocks *set, uint64_t address, struct bigblock *out);
/* The block at an address, NULL when there is none; valid until the next call that changes the set.
 */
struct bigblock *bigblocks_find(const struct bigblocks *set, uint64_t address);
/* Frees everything; the set is empty then and may be used again. */
void bigblocks_release(struct bigblocks *set);

#endif
