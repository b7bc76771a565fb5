/* The live allocations at one point of the replay: from a key (an allocation index, or an address
 * in a process) to what it is. Why open addressing in runs of eight neighbours: most frees hit a
 * recent allocation, whose slot is then in the same few cache lines, while long-lived neighbours
 * cannot pile up into one long probe. Invariants: at most 3/4 full, so 43 to 86 bytes a live block;
 * no tombstones (removal shifts back); site 0 marks an empty slot, so a block's site is never 0.
 * Not here: what a site is (sites.h), sums (replay.h). Not thread-safe. */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include <stdbool.h>
#include <stdint.h>

struct live_block {
    uint64_t key;        /* allocation index, or address */
    uint64_t size_bytes; /* as requested */
    uint64_t serial;     /* allocations of its thread up to and with this one */
    uint32_t site;       /* never 0 */
    uint32_t process;    /* of an address; 0 with an index */
};

struct live {
    struct live_block *slots;
    uint64_t count, mask;
    unsigned skip_bits; /* low bits of a key that say little: 0 for indices, 4 for addresses */
    unsigned shift;     /* 64 - log2(slots / 8) */
};

/* An empty set. skip_bits: see the field. Allocates with the first insertion. */
void live_init(struct live *l, unsigned skip_bits);
/* Frees the slots; the set is then empty and usable. */
void live_release(struct live *l);

/* Adds block, whose (key, process) must not be there. Returns 0 or -ERR_NOMEM (unchanged). */
int live_insert(struct live *l, const struct live_block *block);
/* The block, or NULL. Valid until the next insertion or removal. */
struct live_block *live_find(const struct live *l, uint64_t key, uint32_t process);
/* Removes what live_find returned. */
void live_remove(struct live *l, struct live_block *block);
/* Drops every block that keep() turns down; keeps the table's size. Returns 0 or -ERR_NOMEM
 * (unchanged). */
int live_purge(struct live *l, bool (*keep)(void *context, const struct live_block *block),
               void *context);

static inline uint64_t live_home(const struct live *l, uint64_t key, uint32_t process)
{
    uint64_t k = key >> l->skip_bits;
    uint64_t group = ((k >> 3) + ((uint64_t)process << 44)) * 0x9E3779B97F4A7C15u >> l->shift;
    return group << 3 | (k & 7);
}

/* Brings the slot of a key near; a hint for a window of events ahead. */
static inline void live_prefetch(const struct live *l, uint64_t key, uint32_t process)
{
    if (l->slots)
        __builtin_prefetch(&l->slots[live_home(l, key, process)], 1);
}

#endif
