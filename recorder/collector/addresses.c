/* The map of addresses (addresses.h). Directories and tables are reserved without memory behind
 * them; the kernel adds pages as they are touched. Why the oldest leaf of the queue gets a second
 * chance when it was used since: it is the clock of page replacement, and costs the usual path
 * nothing, as what it counts anyway tells. */
#include "recorder/collector/addresses.h"
#include "format/error.h"
#include "recorder/collector/packed_leaf.h"
#include "recorder/failpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DIRECTORY_ENTRIES (1u << 16)
/* Memory that a table takes, with the kernel's tables behind it, and each of its groups in use. */
#define TABLE_BYTES ((size_t)16384)
#define GROUP_BYTES ((size_t)8192)

/* So much of the budget isn't packed whatever happens: what is busy stays as it is. */
#define BUSY_SHARE 16
/* Leaves that may turn out not to be packable, each time; and after that was in vain, calls that
 * don't try. */
#define TRIES      64u
#define REST_CALLS 4096u
/* A packed leaf that is used so often within so many uses of packed ones is unpacked. */
#define BUSY_USES   16u
#define BUSY_WINDOW 4096u

struct address_leaf address_nowhere = {.number = UINT64_MAX};

void address_pool_init(struct address_pool *pool, size_t budget_bytes)
{
    *pool = (struct address_pool){.budget_bytes = budget_bytes};
}

static void leaf_drop(struct address_pool *pool, struct address_leaf *leaf)
{
    free(leaf);
    pool->used_bytes -= sizeof *leaf;
}

void address_pool_release(struct address_pool *pool)
{
    while (pool->free) {
        struct address_leaf *leaf = pool->free;
        pool->free = leaf->next;
        leaf_drop(pool, leaf);
    }
}

static void enqueue(struct address_pool *pool, struct address_leaf *leaf)
{
    leaf->older = pool->newest;
    leaf->next = NULL;
    *(pool->newest ? &pool->newest->next : &pool->oldest) = leaf;
    pool->newest = leaf;
    pool->leaves++;
}

static void dequeue(struct address_pool *pool, struct address_leaf *leaf)
{
    *(leaf->older ? &leaf->older->next : &pool->oldest) = leaf->next;
    *(leaf->next ? &leaf->next->older : &pool->newest) = leaf->older;
    pool->leaves--;
    if (leaf->map->recent[leaf->number % ADDRESS_RECENT] == leaf)
        leaf->map->recent[leaf->number % ADDRESS_RECENT] = &address_nowhere;
}

/* An empty leaf is all zeros, so it goes back as it is. */
static void leaf_free(struct address_pool *pool, struct address_leaf *leaf)
{
    leaf->next = pool->free;
    pool->free = leaf;
}

static struct address_table *find_table(const struct addresses *map, uint64_t address)
{
    return map->directory[address >> 31];
}

static unsigned in_table(uint64_t number) { return number & (ADDRESS_TABLE_ENTRIES - 1); }

static unsigned in_leaf(uint64_t address) { return address >> 4 & (ADDRESS_LEAF_ENTRIES - 1); }

static uint16_t *held_in(struct address_table *table, uint64_t number)
{
    return &table->held[in_table(number) / ADDRESS_GROUP];
}

static void forget_packed(struct addresses *map, struct packed_leaf **packed)
{
    map->pool->used_bytes -= packed_leaf_bytes(*packed);
    map->packed--;
    free(*packed);
    *packed = NULL;
}

/* Returns false when out of memory, or when the leaf's blocks were not made together. */
static bool pack(struct address_pool *pool, struct address_leaf *leaf)
{
    struct packed_leaf *packed = packed_leaf_new(leaf->entries);
    if (!packed)
        return false;
    struct address_table *table = leaf->map->directory[leaf->number / ADDRESS_TABLE_ENTRIES];
    table->packed[in_table(leaf->number)] = packed;
    table->leaves[in_table(leaf->number)] = NULL;
    leaf->map->packed++;
    pool->used_bytes += packed_leaf_bytes(packed);
    dequeue(pool, leaf);
    memset(leaf, 0, sizeof *leaf);
    leaf_free(pool, leaf);
    return true;
}

/* Room for a leaf and `more_bytes`? */
static bool has_room(const struct address_pool *pool, size_t more_bytes)
{
    size_t leaf_bytes = pool->free ? 0 : sizeof *pool->free;
    return pool->used_bytes + leaf_bytes + more_bytes <= pool->budget_bytes;
}

static bool is_touched(const struct address_table *table, unsigned group)
{
    return bits_has(table->touched, group);
}

/* Gives the pages of a table's groups back that no leaf is in any more. */
static void drop_empty(struct address_pool *pool, struct address_table *table)
{
    for (unsigned group = 0; group < ADDRESS_GROUPS; group++) {
        if (!is_touched(table, group) || table->held[group])
            continue;
        size_t first = group * (size_t)ADDRESS_GROUP;
        madvise(&table->leaves[first], ADDRESS_GROUP * sizeof(void *), MADV_DONTNEED);
        madvise(&table->packed[first], ADDRESS_GROUP * sizeof(void *), MADV_DONTNEED);
        bits_remove(table->touched, group);
        pool->used_bytes -= GROUP_BYTES;
    }
}

/* Gives a free leaf back for what was packed. */
static void drop_spare(struct address_pool *pool, size_t more_bytes)
{
    struct address_leaf *spare = pool->free;
    if (pool->used_bytes + more_bytes <= pool->budget_bytes)
        return;
    pool->free = spare->next;
    leaf_drop(pool, spare);
}

/* Packs what has not been used since it was last looked at, until there is room for a leaf and
 * `more_bytes`. A round of the queue is enough: nothing happens meanwhile. */
static void make_room(struct address_pool *pool, size_t more_bytes)
{
    if (pool->resting && pool->resting--)
        return;
    size_t looks = 2 * pool->leaves + 1;
    unsigned tries = TRIES;
    while (!has_room(pool, more_bytes)) {
        struct address_leaf *leaf = pool->oldest;
        if (!looks-- || !tries || pool->leaves * sizeof *leaf <= pool->budget_bytes / BUSY_SHARE) {
            pool->resting = REST_CALLS;
            return;
        }
        if (leaf->uses == leaf->seen && tries-- && pack(pool, leaf)) {
            drop_spare(pool, more_bytes);
        } else {
            leaf->seen = leaf->uses;
            dequeue(pool, leaf);
            enqueue(pool, leaf);
        }
    }
}

/* Room for so much of tables? */
static bool has_table_room(const struct address_pool *pool, size_t bytes)
{
    return pool->used_bytes + bytes <= pool->budget_bytes;
}

/* Makes room for a group, if need be in place of empty ones, or by packing leaves. */
static bool make_group_room(struct addresses *map)
{
    struct address_pool *pool = map->pool;
    if (has_table_room(pool, GROUP_BYTES))
        return true;
    if (!pool->dry) {
        for (unsigned i = 0; i < DIRECTORY_ENTRIES; i++)
            if (map->directory[i])
                drop_empty(pool, map->directory[i]);
        pool->dry = has_table_room(pool, GROUP_BYTES) ? 0 : REST_CALLS;
    } else {
        pool->dry--;
    }
    make_room(pool, GROUP_BYTES);
    return has_table_room(pool, GROUP_BYTES);
}

/* Counts the group of a leaf that is to come. Returns false when there is no room for it. */
static bool touch(struct addresses *map, struct address_table *table, uint64_t number)
{
    unsigned group = in_table(number) / ADDRESS_GROUP;
    if (is_touched(table, group))
        return true;
    if (!make_group_room(map))
        return false;
    bits_add(table->touched, group);
    map->pool->used_bytes += GROUP_BYTES;
    return true;
}

/* An empty leaf for the addresses of `number`, in its place. Returns NULL when there is no memory
 * for it. */
static struct address_leaf *leaf_new(struct addresses *map, uint64_t number)
{
    struct address_pool *pool = map->pool;
    struct address_table *table = map->directory[number / ADDRESS_TABLE_ENTRIES];
    if (!touch(map, table, number))
        return NULL;
    make_room(pool, 0);
    struct address_leaf *leaf = pool->free;
    if (!has_room(pool, 0) ||
        (!leaf && !(leaf = FAILPOINT(address_memory, calloc(1, sizeof *leaf), NULL))))
        return NULL;
    if (leaf == pool->free)
        pool->free = leaf->next;
    else
        pool->used_bytes += sizeof *leaf;
    leaf->uses = leaf->seen = 0;
    leaf->map = map;
    leaf->number = number;
    enqueue(pool, leaf);
    ++*held_in(table, number);
    return table->leaves[in_table(number)] = leaf;
}

static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

int addresses_init(struct addresses *map, struct address_pool *pool)
{
    map->pool = pool;
    map->packed = 0;
    for (unsigned i = 0; i < ADDRESS_RECENT; i++)
        map->recent[i] = &address_nowhere;
    map->directory =
        FAILPOINT(address_directory, reserve(DIRECTORY_ENTRIES * sizeof *map->directory), NULL);
    return map->directory ? 0 : -ERR_NOMEM;
}

static void release_group(struct addresses *map, struct address_table *table, unsigned group)
{
    for (unsigned i = group * ADDRESS_GROUP; i < (group + 1) * ADDRESS_GROUP; i++) {
        if (table->packed[i])
            forget_packed(map, &table->packed[i]);
        if (!table->leaves[i])
            continue;
        dequeue(map->pool, table->leaves[i]);
        memset(table->leaves[i], 0, sizeof *table->leaves[i]);
        leaf_free(map->pool, table->leaves[i]);
    }
    map->pool->used_bytes -= GROUP_BYTES;
}

static void release_table(struct addresses *map, struct address_table *table)
{
    for (unsigned group = 0; group < ADDRESS_GROUPS; group++)
        if (is_touched(table, group))
            release_group(map, table, group);
    map->pool->used_bytes -= TABLE_BYTES;
    munmap(table, sizeof *table);
}

void addresses_release(struct addresses *map)
{
    if (!map->directory)
        return;
    for (unsigned i = 0; i < DIRECTORY_ENTRIES; i++)
        if (map->directory[i])
            release_table(map, map->directory[i]);
    munmap(map->directory, DIRECTORY_ENTRIES * sizeof *map->directory);
    map->directory = NULL;
}

static bool has_place(uint64_t address) { return (address & 15) == 0 && address >> 47 == 0; }

/* Makes a leaf of a packed one. Returns NULL when there is no memory for it. */
static struct address_leaf *unpack(struct addresses *map, uint64_t number,
                                   struct packed_leaf **packed)
{
    struct address_leaf *leaf = leaf_new(map, number);
    if (!leaf)
        return NULL;
    packed_leaf_spread(*packed, leaf->entries);
    leaf->uses = (*packed)->live;
    forget_packed(map, packed);
    --*held_in(map->directory[number / ADDRESS_TABLE_ENTRIES], number);
    return leaf;
}

/* Counts a look into a packed leaf. Returns whether there were many in it lately. */
static bool is_busy(struct address_pool *pool, struct packed_leaf *packed)
{
    uint16_t window = (uint16_t)(pool->packed_uses++ / BUSY_WINDOW);
    if (packed->window != window)
        packed->uses = 0;
    packed->window = window;
    return ++packed->uses >= BUSY_USES;
}

/* The leaf of an address that has a place in the table; NULL: there is none, or it stays packed. */
static struct address_leaf *reach(struct addresses *map, struct address_table *table,
                                  uint64_t number)
{
    struct address_leaf *leaf = table->leaves[in_table(number)];
    struct packed_leaf **packed = &table->packed[in_table(number)];
    if (!leaf && *packed && is_busy(map->pool, *packed))
        return unpack(map, number, packed);
    return leaf;
}

static bool put(struct address_leaf *leaf, uint64_t address, uint32_t value, uint32_t *before)
{
    uint32_t *entry = addresses_entry(leaf, address);
    *before = *entry;
    if (!*entry)
        address_leaf_filled(leaf);
    *entry = value;
    return true;
}

/* Takes out what stands in a packed leaf. */
static uint32_t take_packed(struct addresses *map, struct packed_leaf **packed, uint64_t address)
{
    uint32_t value = packed_leaf_value(*packed, in_leaf(address));
    packed_leaf_set(*packed, in_leaf(address), 0);
    if (!(*packed)->live) {
        forget_packed(map, packed);
        --*held_in(find_table(map, address), address >> 14);
    }
    return value;
}

static bool put_packed(struct addresses *map, struct packed_leaf **packed, uint64_t address,
                       uint32_t value, uint32_t *before)
{
    *before = packed_leaf_value(*packed, in_leaf(address));
    if (packed_leaf_set(*packed, in_leaf(address), value))
        return true;
    struct address_leaf *leaf = unpack(map, address >> 14, packed);
    if (leaf)
        return put(leaf, address, value, before);
    take_packed(map, packed, address);
    return false;
}

static struct address_table *table_new(struct address_pool *pool)
{
    make_room(pool, TABLE_BYTES);
    struct address_table *table = has_table_room(pool, TABLE_BYTES)
                                      ? FAILPOINT(address_table, reserve(sizeof *table), NULL)
                                      : NULL;
    pool->used_bytes += table ? TABLE_BYTES : 0;
    return table;
}

bool addresses_put(struct addresses *map, uint64_t address, uint32_t value, uint32_t *before)
{
    *before = 0;
    if (!has_place(address))
        return false;
    struct address_table **table = &map->directory[address >> 31];
    if (!*table && !(*table = table_new(map->pool)))
        return false;
    struct packed_leaf **packed = &(*table)->packed[in_table(address >> 14)];
    struct address_leaf *leaf = reach(map, *table, address >> 14);
    if (!leaf && *packed)
        return put_packed(map, packed, address, value, before);
    if (!leaf)
        leaf = leaf_new(map, address >> 14);
    return leaf && put(leaf, address, value, before);
}

/* Takes out what stands in a leaf, and with the last the leaf. */
static uint32_t take(struct addresses *map, struct address_leaf *leaf, uint64_t address)
{
    uint32_t *entry = addresses_entry(leaf, address), value = *entry;
    if (!value)
        return 0;
    *entry = 0;
    address_leaf_emptied(leaf);
    if (address_leaf_live(leaf) == 0) {
        struct address_table *table = find_table(map, address);
        table->leaves[in_table(leaf->number)] = NULL;
        --*held_in(table, leaf->number);
        dequeue(map->pool, leaf);
        leaf_free(map->pool, leaf);
    }
    return value;
}

uint32_t addresses_take(struct addresses *map, uint64_t address)
{
    struct address_table *table = has_place(address) ? find_table(map, address) : NULL;
    if (!table)
        return 0;
    struct address_leaf *leaf = reach(map, table, address >> 14);
    struct packed_leaf **packed = &table->packed[in_table(address >> 14)];
    if (leaf)
        return take(map, leaf, address);
    return *packed ? take_packed(map, packed, address) : 0;
}
