/* The set of live allocations: a ring of the latest, and a table with linear probing and removal by
 * shifting back (live.h). Why no tombstones: blocks come and go by the million, and probes must
 * stay short. */
#include "replay/live.h"

#include "format/error.h"
#include <stdlib.h>
#include <sys/mman.h>

#define FIRST_SLOTS_LOG2 10u

void live_init(struct live *l, unsigned skip_bits) { *l = (struct live){.skip_bits = skip_bits}; }

void live_release(struct live *l)
{
    free(l->ring);
    free(l->memory);
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

#define LINE_BYTES      64
#define HUGE_SLOTS_LOG2 17 /* 4 MiB of slots */

/* Empty slots, a pair of them to a cache line; *memory is to be freed. */
static struct live_block *slots_new(unsigned log2, void **memory)
{
    *memory = calloc(1, (sizeof(struct live_block) << log2) + LINE_BYTES);
    uintptr_t at = (uintptr_t)*memory + LINE_BYTES - 1;
    uintptr_t page = (uintptr_t)*memory & ~(uintptr_t)4095; /* large pages: probes are random */
    if (*memory && log2 >= HUGE_SLOTS_LOG2)
        madvise((void *)page, sizeof(struct live_block) << log2, MADV_HUGEPAGE);
    return *memory ? (struct live_block *)(at & ~(uintptr_t)(LINE_BYTES - 1)) : 0;
}

/* Moves every block that keep (NULL: all) lets through into a new table of 2^log2 slots. */
static int rebuild(struct live *l, unsigned log2, bool (*keep)(void *, const struct live_block *),
                   void *context)
{
    struct live old = *l;
    void *memory;
    struct live_block *slots = slots_new(log2, &memory);
    if (!slots)
        return -ERR_NOMEM;
    l->slots = slots;
    l->memory = memory;
    l->mask = ((uint64_t)1 << log2) - 1;
    l->shift = 64 - log2 + LIVE_RUN_LOG2;
    l->count = 0;
    for (uint64_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].site && (!keep || keep(context, &old.slots[i])))
            place(l, &old.slots[i]);
    free(old.memory);
    return 0;
}

static unsigned slots_log2(const struct live *l)
{
    return l->slots ? 64 - (unsigned)__builtin_clzll(l->mask) : 0;
}

/* Makes room in the table for one more. */
static int reserve(struct live *l)
{
    if (l->slots && (l->count + 1) * 4 <= (l->mask + 1) * 3)
        return 0;
    return rebuild(l, l->slots ? slots_log2(l) + 1 : FIRST_SLOTS_LOG2, 0, 0);
}

static int ring_new(struct live *l)
{
    l->ring = calloc((size_t)1 << LIVE_RING_LOG2, sizeof *l->ring);
    return l->ring ? 0 : -ERR_NOMEM;
}

int live_insert(struct live *l, const struct live_block *block)
{
    if (!l->ring && ring_new(l))
        return -ERR_NOMEM;
    struct live_block *at = live_place(l, block->key, block->process);
    if (at->site) {
        if (reserve(l))
            return -ERR_NOMEM;
        place(l, at);
    } else {
        l->young++;
    }
    *at = *block;
    return 0;
}

struct live_block *live_find(const struct live *l, uint64_t key, uint32_t process)
{
    if (!l->ring)
        return 0;
    struct live_block *at = live_place(l, key, process);
    if (at->site && at->key == key && at->process == process)
        return at;
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

static bool in_ring(const struct live *l, const struct live_block *block)
{
    return (uintptr_t)block - (uintptr_t)l->ring < sizeof *l->ring << LIVE_RING_LOG2;
}

void live_remove(struct live *l, struct live_block *block)
{
    if (in_ring(l, block)) {
        block->site = 0;
        l->young--;
        return;
    }
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
    if (l->slots && rebuild(l, slots_log2(l), keep, context))
        return -ERR_NOMEM;
    for (uint32_t i = 0; l->ring && i < 1u << LIVE_RING_LOG2; i++) {
        if (!l->ring[i].site || keep(context, &l->ring[i]))
            continue;
        l->ring[i].site = 0;
        l->young--;
    }
    return 0;
}
