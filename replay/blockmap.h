/* A hash table of live blocks: from a key (an allocation index, or an address in a process) to what
 * the block is. Why open addressing in lines: two slots fill a cache line, neighbouring keys share
 * one, and a look-up costs one cache miss, which blockmap_prefetch can hide. Why it grows by half,
 * front to back, giving the old slots back as it goes: memory stays below 100 bytes a block even
 * while it grows.
 *
 *   home(key) ──▶ [slot|slot] ──taken──▶ [slot|slot] ──▶ …      one line each, linear probing
 *
 * Invariants: at most two thirds full; no tombstones (removal shifts back); site 0 marks an empty
 * slot, so a block's site is never 0. Not here: what a site is (sites.h), which blocks stand here
 * and which in pages (live.h). Not thread-safe. */
#ifndef REPLAY_BLOCKMAP_H
#define REPLAY_BLOCKMAP_H

#include "replay/near.h"
#include <stdbool.h>
#include <stdint.h>

/* 16 bytes: four fill a cache line. */
struct block {
    uint64_t size_bytes : 48; /* as requested */
    uint64_t serial : 48;     /* allocations of its thread up to and with this one */
    uint64_t site : 32;       /* never 0 */
} __attribute__((packed, aligned(8)));

#define BLOCK_VALUE_MAX ((UINT64_C(1) << 48) - 1) /* of size_bytes and serial */

struct slot {
    uint64_t key;   /* allocation index, or address */
    uint64_t owner; /* 0: key is an index; else the address's process id + 1 */
    struct block block;
};

struct blockmap {
    struct slot *slots;
    uint64_t count, slot_count; /* slot_count: even */
};

/* An empty table. Allocates with the first insertion. */
void blockmap_init(struct blockmap *t);
/* Frees everything; the table is then empty and usable. */
void blockmap_release(struct blockmap *t);

/* Adds a block, whose (key, owner) must not be there. Returns 0 or -ERR_NOMEM (unchanged). */
int blockmap_insert(struct blockmap *t, uint64_t key, uint64_t owner, const struct block *block);
/* The block, or NULL. Valid until the next insertion or removal. */
struct block *blockmap_find(const struct blockmap *t, uint64_t key, uint64_t owner);
/* Removes what blockmap_find returned. */
void blockmap_remove(struct blockmap *t, struct block *block);
/* Drops every block that keep() turns down; keeps the table's size. Returns 0 or -ERR_NOMEM
 * (unchanged). */
int blockmap_purge(struct blockmap *t, bool (*keep)(void *context, const struct block *block),
                   void *context);

/* Where the search for a key begins. Grows with the slots, so a larger table has the same order. */
static inline uint64_t blockmap_home(const struct blockmap *t, uint64_t key, uint64_t owner)
{
    uint64_t k = owner ? key >> 4 : key; /* addresses are multiples of 16 */
    uint64_t hash = ((k >> 1) + (owner << 44)) * 0x9E3779B97F4A7C15u;
    return (uint64_t)((__uint128_t)hash * (t->slot_count / 2) >> 64) << 1 | (k & 1);
}

/* Brings near what a search for the key will look at: a hint. */
static inline void blockmap_prefetch(const struct blockmap *t, uint64_t key, uint64_t owner)
{
    if (t->slots)
        near_bring(&t->slots[blockmap_home(t, key, owner)]);
}

#endif
