/* The live allocations at one point of the replay: from a key (an allocation index, or an address
 * in a process) to what it is. Why two parts: most blocks die young, so the latest ones stand in a
 * ring that the key indexes directly and the cache holds; what is still live when its place in the
 * ring is taken moves on to a hash table, and only then costs a cache miss.
 *
 *   insert ──▶ ring[key mod 2^14] ──still live when the place is taken──▶ hash table
 *
 * Invariants: a block stands in one of the two; the table is at most 3/4 full, so a long-lived
 * block takes 43 to 86 bytes; no tombstones (removal shifts back); site 0 marks an empty slot, so a
 * block's site is never 0. Not here: what a site is (sites.h), sums (replay.h). Not thread-safe. */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#define LIVE_RING_LOG2 14
#define LIVE_RUN_LOG2  1 /* neighbours in the table: two blocks fill a cache line */

struct live_block {
    uint64_t key;        /* allocation index, or address */
    uint64_t size_bytes; /* as requested */
    uint64_t serial;     /* allocations of its thread up to and with this one */
    uint32_t site;       /* never 0 */
    uint32_t process;    /* of an address; 0 with an index */
};

struct live {
    struct live_block *ring;  /* 2^LIVE_RING_LOG2 */
    struct live_block *slots; /* the table, on a cache line's boundary */
    void *memory;             /* what holds the table */
    uint64_t count, mask;     /* count: blocks in the table; mask: its slots - 1 */
    uint64_t young;           /* blocks in the ring */
    unsigned skip_bits; /* low bits of a key that say little: 0 for indices, 4 for addresses */
    unsigned shift;     /* 64 - log2(slots) + LIVE_RUN_LOG2 */
};

/* An empty set. skip_bits: see the field. Allocates with the first insertion. */
void live_init(struct live *l, unsigned skip_bits);
/* Frees everything; the set is then empty and usable. */
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

/* How many blocks there are. */
static inline uint64_t live_count(const struct live *l) { return l->count + l->young; }

static inline uint64_t live_home(const struct live *l, uint64_t key, uint32_t process)
{
    uint64_t k = key >> l->skip_bits;
    uint64_t run = ((k >> LIVE_RUN_LOG2) + ((uint64_t)process << 44)) * 0x9E3779B97F4A7C15u;
    return run >> l->shift << LIVE_RUN_LOG2 | (k & ((1u << LIVE_RUN_LOG2) - 1));
}

static inline struct live_block *live_place(const struct live *l, uint64_t key, uint32_t process)
{
    uint64_t k = (key >> l->skip_bits) + process * 0x9E37u;
    return &l->ring[k & ((1u << LIVE_RING_LOG2) - 1)];
}

/* Brings near what a free of this key will look at; a hint for a window of events ahead. */
static inline void live_prefetch_free(const struct live *l, uint64_t key)
{
    if (!l->ring)
        return;
    const struct live_block *place = live_place(l, key, 0);
    if (place->key != key && l->slots)
        __builtin_prefetch(&l->slots[live_home(l, key, 0)], 1);
}

/* Brings near where the block will go whose place an insertion of this key takes. */
static inline void live_prefetch_insert(const struct live *l, uint64_t key)
{
    if (!l->ring || !l->slots)
        return;
    const struct live_block *place = live_place(l, key, 0);
    if (place->site)
        __builtin_prefetch(&l->slots[live_home(l, place->key, 0)], 1);
}

#endif
