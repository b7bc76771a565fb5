/* Open addressing with backward-shift deletion, so that there are no tombstones (bigblocks.h). */
#include "recorder/collector/bigblocks.h"
#include "recorder/failpoint.h"

#include <stdlib.h>

static size_t home(const struct bigblocks *set, uint64_t address)
{
    return (size_t)((address >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (set->capacity - 1);
}

static size_t find(const struct bigblocks *set, uint64_t address)
{
    size_t at = home(set, address);
    while (set->places[at].address && set->places[at].address != address)
        at = (at + 1) & (set->capacity - 1);
    return at;
}

static bool grow(struct bigblocks *set)
{
    struct bigblocks old = *set;
    size_t capacity = old.capacity ? old.capacity * 2 : 64;
    struct bigblock *places = FAILPOINT(big_memory, calloc(capacity, sizeof *places), NULL);
    if (!places)
        return false;
    set->places = places;
    set->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.places[i].address)
            places[find(set, old.places[i].address)] = old.places[i];
    free(old.places);
    return true;
}

bool bigblocks_add(struct bigblocks *set, const struct bigblock *block)
{
    if (!block->address || (set->count * 2 >= set->capacity && !grow(set)))
        return false; /* 0 marks an empty place */
    struct bigblock *place = &set->places[find(set, block->address)];
    set->count += !place->address;
    *place = *block;
    return true;
}

bool bigblocks_remove(struct bigblocks *set, uint64_t address, struct bigblock *out)
{
    size_t hole = set->capacity ? find(set, address) : 0;
    if (!set->capacity || !set->places[hole].address)
        return false;
    if (out)
        *out = set->places[hole];
    size_t mask = set->capacity - 1;
    for (size_t at = (hole + 1) & mask; set->places[at].address; at = (at + 1) & mask) {
        size_t distance = (at - home(set, set->places[at].address)) & mask;
        if (distance >= ((at - hole) & mask)) {
            set->places[hole] = set->places[at];
            hole = at;
        }
    }
    set->places[hole].address = 0;
    set->count--;
    return true;
}

struct bigblock *bigblocks_find(const struct bigblocks *set, uint64_t address)
{
    struct bigblock *place = set->capacity ? &set->places[find(set, address)] : NULL;
    return place && place->address ? place : NULL;
}

void bigblocks_release(struct bigblocks *set)
{
    free(set->places);
    *set = (struct bigblocks){0};
}
