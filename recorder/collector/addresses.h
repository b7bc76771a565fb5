/* Which allocation lives at an address: the collector's map from addresses of one process to
 * allocation indices. Why two levels and leaves: a lookup is three loads, and memory follows the
 * live heap: a leaf of 4 KiB covers 16 KiB of addresses and goes back when its last block is freed.
 *
 *   address  47 ........ 31 | 30 ...... 14 | 13 ... 4 | 3..0 = 0
 *            directory        table          leaf
 *
 * All maps share a budget, which tables count in by what they touch: a program may spread its
 * blocks, or say so, over all addresses there are. When it is spent, the leaves that nothing
 * happened in for a while are packed if their blocks were made together (packed_leaf.h), and
 * unpacked when they fill again or much happens in them; when there is none to be packed, no new
 * leaf is made: the caller then codes by address.
 *
 * Invariants: an entry is 0 (nothing) or index + 1 with the flag; blocks that are not aligned to 16
 * have no place here; of 16 KiB there is a leaf, or a packed one, or none, and never an empty one;
 * a map stays where it was initialized. Not here: what is done with an index. Not thread-safe. */
#ifndef RECORDER_COLLECTOR_ADDRESSES_H
#define RECORDER_COLLECTOR_ADDRESSES_H

#include "format/bits.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_FLAG        UINT32_C(0x80000000)   /* the caller's: sampled */
#define ADDRESS_INDEX_LIMIT (UINT32_C(0x7FFFFFFF)) /* indices from here on have no place */

#define ADDRESS_LEAF_ENTRIES  1024u
#define ADDRESS_TABLE_ENTRIES (1u << 17)
#define ADDRESS_GROUP         512u /* entries of a table on a page: 8 MiB of addresses */
#define ADDRESS_GROUPS        (ADDRESS_TABLE_ENTRIES / ADDRESS_GROUP)
#define ADDRESS_RECENT        256u /* leaves of a map that are found at once: a core's cache */

struct packed_leaf;

struct address_leaf {
    uint32_t entries[ADDRESS_LEAF_ENTRIES];
    uint32_t uses; /* entries that aren't 0 in the lower half, in the upper how many were put */
    uint32_t seen; /* uses, when the pool last looked at it */
    struct addresses *map;
    uint64_t number;                   /* address >> 14 */
    struct address_leaf *next, *older; /* in the pool's queue, or next in its list of free ones */
};

/* Memory for leaves, shared by the maps of all processes. */
struct address_pool {
    struct address_leaf *free;
    struct address_leaf *oldest, *newest; /* the queue of those in use, as they were looked at */
    size_t leaves;                        /* in the queue */
    size_t used_bytes, budget_bytes;
    unsigned resting;     /* calls for a leaf before the queue is looked through again in vain */
    unsigned dry;         /* calls before groups without leaves are looked for again in vain */
    uint32_t packed_uses; /* looks into packed leaves, ever */
};

struct address_table {
    struct address_leaf *leaves[ADDRESS_TABLE_ENTRIES];
    struct packed_leaf *packed[ADDRESS_TABLE_ENTRIES];
    uint64_t touched[BITS_WORDS(ADDRESS_GROUPS)]; /* groups whose pages have memory behind them */
    uint16_t held[ADDRESS_GROUPS];                /* leaves of each, packed or not */
};

struct addresses {
    struct address_pool *pool;
    struct address_table **directory;            /* of 2^16; all is mapped as it is touched */
    size_t packed;                               /* leaves */
    struct address_leaf *recent[ADDRESS_RECENT]; /* by number % ADDRESS_RECENT; or address_nowhere
                                                  */
};

/* A leaf whose number none has. */
extern struct address_leaf address_nowhere;

/* Starts empty; leaves may take budget_bytes in all. */
void address_pool_init(struct address_pool *pool, size_t budget_bytes);
/* Frees every leaf; its maps have been released before. */
void address_pool_release(struct address_pool *pool);

/* pool: borrowed for the map's life. Returns 0 or -ERR_NOMEM. */
int addresses_init(struct addresses *map, struct address_pool *pool);
/* Gives everything back; also after a failed init. */
void addresses_release(struct addresses *map);

/* Enters value (not 0) at address. *before receives what stood there (0: nothing) and does no more.
 * Returns false when there is no place for value: unaligned, out of range, or the budget is spent.
 */
bool addresses_put(struct addresses *map, uint64_t address, uint32_t value, uint32_t *before);

/* The leaf that an address stands in; NULL: there is none, or it is packed, or the address has no
 * place. */
static inline struct address_leaf *addresses_leaf(const struct addresses *map, uint64_t address)
{
    if (address & ~UINT64_C(0x7FFFFFFFFFF0))
        return NULL;
    const struct address_table *table = map->directory[address >> 31];
    return table ? table->leaves[(address >> 14) & (ADDRESS_TABLE_ENTRIES - 1)] : NULL;
}

/* The place of an address as one number: addresses that aren't aligned have their own, in which no
 * leaf is. */
static inline uint64_t addresses_place(uint64_t address) { return address >> 4 | address << 60; }

/* The same leaf as addresses_leaf has, by its place, where it is among the recent ones; else NULL.
 */
static inline struct address_leaf *addresses_recent(const struct addresses *map, uint64_t place)
{
    uint64_t number = place / ADDRESS_LEAF_ENTRIES;
    struct address_leaf *leaf = map->recent[number % ADDRESS_RECENT];
    return leaf->number == number ? leaf : NULL;
}

/* Makes a leaf that is in use one of the recent ones. */
static inline void addresses_remember(struct addresses *map, struct address_leaf *leaf)
{
    map->recent[leaf->number % ADDRESS_RECENT] = leaf;
}

/* Its entry there. */
static inline uint32_t *addresses_entry(struct address_leaf *leaf, uint64_t address)
{
    return &leaf->entries[(address >> 4) & (ADDRESS_LEAF_ENTRIES - 1)];
}

/* To be called after an entry that was 0 has been filled, and after one that wasn't the last is 0.
 */
static inline void address_leaf_filled(struct address_leaf *leaf) { leaf->uses += 0x10001; }
static inline void address_leaf_emptied(struct address_leaf *leaf) { leaf->uses--; }

/* How many of its entries aren't 0. */
static inline unsigned address_leaf_live(const struct address_leaf *leaf)
{
    return (uint16_t)leaf->uses;
}

/* Takes out and returns what stands at address, 0: nothing. */
uint32_t addresses_take(struct addresses *map, uint64_t address);

#endif
