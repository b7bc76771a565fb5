/* The set of live allocations: linear probing, removal by shifting back (live.h). Why no
 * tombstones: blocks come and go by the million, and probes must stay short. */
#include "replay/live.h"

#include "format/error.h"
#include <stdlib.h>

#define FIRST_SLOTS_LOG2 10u

void live_init(struct live *l, unsigned skip_bits) { *l = (struct live){.skip_bits = skip_bits}; }

void live_release(struct live *l)
{
    free(l->slots);
    live_init(l, l->skip_bits);
}

static void place(struct live *l, const struct live_block *block)
{
    uint64_t i = live_home(l, block->key, block->process);
    while (l->slots[i].site)
        i = (i + 1) & l->mask;
    l->slots[i] = *block;
    l->count++;
}

/* Moves every block that keep (NULL: all) lets through into a new table of 2^log2 slots. */
static int rebuild(struct live *l, unsigned log2, bool (*keep)(void *, const struct live_block *),
                   void *context)
{
    struct live old = *l;
    struct live_block *slots = calloc((size_t)1 << log2, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    *l = (struct live){.slots = slots,
                       .mask = ((uint64_t)1 << log2) - 1,
                       .skip_bits = old.skip_bits,
                       .shift = 64 - (log2 - 3)};
    for (uint64_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].site && (!keep || keep(context, &old.slots[i])))
            place(l, &old.slots[i]);
    free(old.slots);
    return 0;
}

static unsigned slots_log2(const struct live *l)
{
    return l->slots ? 64 - (unsigned)__builtin_clzll(l->mask) : 0;
}

int live_insert(struct live *l, const struct live_block *block)
{
    if (!l->slots || (l->count + 1) * 4 > (l->mask + 1) * 3) {
        int rc = rebuild(l, l->slots ? slots_log2(l) + 1 : FIRST_SLOTS_LOG2, 0, 0);
        if (rc)
            return rc;
    }
    place(l, block);
    return 0;
}

struct live_block *live_find(const struct live *l, uint64_t key, uint32_t process)
{
    if (!l->slots)
        return 0;
    for (uint64_t i = live_home(l, key, process); l->slots[i].site; i = (i + 1) & l->mask)
        if (l->slots[i].key == key && l->slots[i].process == process)
            return &l->slots[i];
    return 0;
}

/* Is `home` cyclically in (hole, i]? Then the block at i may not move into the hole. */
static bool between(uint64_t hole, uint64_t home, uint64_t i)
{
    return hole <= i ? hole < home && home <= i : hole < home || home <= i;
}

void live_remove(struct live *l, struct live_block *block)
{
    uint64_t hole = (uint64_t)(block - l->slots);
    for (uint64_t i = (hole + 1) & l->mask; l->slots[i].site; i = (i + 1) & l->mask) {
        if (between(hole, live_home(l, l->slots[i].key, l->slots[i].process), i))
            continue;
        l->slots[hole] = l->slots[i];
        hole = i;
    }
    l->slots[hole].site = 0;
    l->count--;
}

int live_purge(struct live *l, bool (*keep)(void *context, const struct live_block *block),
               void *context)
{
    return l->slots ? rebuild(l, slots_log2(l), keep, context) : 0;
}
