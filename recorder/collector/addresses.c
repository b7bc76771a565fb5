/* The map of addresses (addresses.h). Directories and tables are reserved without memory behind
 * them; the kernel adds pages as they are touched. */
#include "recorder/collector/addresses.h"
#include "format/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DIRECTORY_ENTRIES (1u << 16)

void address_pool_init(struct address_pool *pool, size_t budget_bytes)
{
    *pool = (struct address_pool){.budget_bytes = budget_bytes};
}

void address_pool_release(struct address_pool *pool)
{
    while (pool->free) {
        struct address_leaf *leaf = pool->free;
        pool->free = leaf->next;
        free(leaf);
    }
}

static struct address_leaf *leaf_new(struct address_pool *pool)
{
    struct address_leaf *leaf = pool->free;
    if (leaf) {
        pool->free = leaf->next;
        leaf->next = NULL;
        return leaf;
    }
    if (pool->used_bytes + sizeof *leaf > pool->budget_bytes)
        return NULL;
    leaf = calloc(1, sizeof *leaf);
    if (leaf)
        pool->used_bytes += sizeof *leaf;
    return leaf;
}

/* An empty leaf is all zeros, so it goes back as it is. */
static void leaf_free(struct address_pool *pool, struct address_leaf *leaf)
{
    leaf->next = pool->free;
    pool->free = leaf;
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
    map->directory = reserve(DIRECTORY_ENTRIES * sizeof *map->directory);
    return map->directory ? 0 : -ERR_NOMEM;
}

static void release_table(struct addresses *map, struct address_leaf **table)
{
    for (unsigned i = 0; i < ADDRESS_TABLE_ENTRIES; i++) {
        if (!table[i])
            continue;
        memset(table[i], 0, sizeof *table[i]);
        leaf_free(map->pool, table[i]);
    }
    munmap(table, ADDRESS_TABLE_ENTRIES * sizeof *table);
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

static struct address_leaf **find_table(const struct addresses *map, uint64_t address)
{
    return map->directory[address >> 31];
}

bool addresses_put(struct addresses *map, uint64_t address, uint32_t value, uint32_t *before)
{
    *before = 0;
    if (!has_place(address))
        return false;
    struct address_leaf ***table = &map->directory[address >> 31];
    if (!*table && !(*table = reserve(ADDRESS_TABLE_ENTRIES * sizeof **table)))
        return false;
    struct address_leaf **leaf = &(*table)[(address >> 14) & (ADDRESS_TABLE_ENTRIES - 1)];
    if (!*leaf && !(*leaf = leaf_new(map->pool)))
        return false;
    uint32_t *entry = addresses_entry(*leaf, address);
    *before = *entry;
    (*leaf)->live += !*entry;
    *entry = value;
    return true;
}

uint32_t addresses_take(struct addresses *map, uint64_t address)
{
    struct address_leaf **table = has_place(address) ? find_table(map, address) : NULL;
    struct address_leaf **leaf =
        table ? &table[(address >> 14) & (ADDRESS_TABLE_ENTRIES - 1)] : NULL;
    if (!leaf || !*leaf)
        return 0;
    uint32_t *entry = addresses_entry(*leaf, address);
    uint32_t value = *entry;
    if (!value)
        return 0;
    *entry = 0;
    if (--(*leaf)->live == 0) {
        leaf_free(map->pool, *leaf);
        *leaf = NULL;
    }
    return value;
}
