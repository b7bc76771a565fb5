/* Which allocation lives at an address: the collector's map from addresses of one process to
 * allocation indices. Why two levels and leaves: a lookup is three loads, and memory follows the
 * live heap: a leaf of 4 KiB covers 16 KiB of addresses and goes back when its last block is freed.
 * Past a budget shared by all maps no new leaf is made: the caller then codes by address.
 *
 *   address  47 ........ 31 | 30 ...... 14 | 13 ... 4 | 3..0 = 0
 *            directory        table          leaf
 *
 * Invariants: an entry is 0 (nothing) or index + 1 with the flag; blocks that are not aligned to 16
 * have no place here. Not here: what is done with an index. Not thread-safe. */
#ifndef RECORDER_COLLECTOR_ADDRESSES_H
#define RECORDER_COLLECTOR_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_FLAG        UINT32_C(0x80000000)   /* the caller's: sampled */
#define ADDRESS_INDEX_LIMIT (UINT32_C(0x7FFFFFFF)) /* indices from here on have no place */

#define ADDRESS_LEAF_ENTRIES  1024u
#define ADDRESS_TABLE_ENTRIES (1u << 17)

struct address_leaf {
    uint32_t entries[ADDRESS_LEAF_ENTRIES];
    uint32_t live;
    struct address_leaf *next; /* in the pool's list of free leaves */
};

/* Memory for leaves, shared by the maps of all processes. */
struct address_pool {
    struct address_leaf *free;
    size_t used_bytes, budget_bytes;
};

struct addresses {
    struct address_pool *pool;
    struct address_leaf ***directory; /* 2^16 tables of 2^17 leaves, mapped as they are touched */
};

/* Starts empty; leaves may take budget_bytes in all. */
void address_pool_init(struct address_pool *pool, size_t budget_bytes);
/* Frees every leaf; its maps have been released before. */
void address_pool_release(struct address_pool *pool);

/* pool: borrowed for the map's life. Returns 0 or -ERR_NOMEM. */
int addresses_init(struct addresses *map, struct address_pool *pool);
/* Gives everything back; also after a failed init. */
void addresses_release(struct addresses *map);

/* Enters value (not 0) at address. *before receives what stood there (0: nothing). Returns false
 * when there is no place for it: unaligned, out of range, or the budget is spent. */
bool addresses_put(struct addresses *map, uint64_t address, uint32_t value, uint32_t *before);

/* The leaf that an address stands in; NULL: there is none, or it has no place. */
static inline struct address_leaf *addresses_leaf(const struct addresses *map, uint64_t address)
{
    if (address & ~UINT64_C(0x7FFFFFFFFFF0))
        return NULL;
    struct address_leaf **table = map->directory[address >> 31];
    return table ? table[(address >> 14) & (ADDRESS_TABLE_ENTRIES - 1)] : NULL;
}

/* Its entry there. */
static inline uint32_t *addresses_entry(struct address_leaf *leaf, uint64_t address)
{
    return &leaf->entries[(address >> 4) & (ADDRESS_LEAF_ENTRIES - 1)];
}

/* Takes out and returns what stands at address, 0: nothing. */
uint32_t addresses_take(struct addresses *map, uint64_t address);

#endif
