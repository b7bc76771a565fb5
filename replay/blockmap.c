/* Linear probing with removal by shifting back (blockmap.h). Why no tombstones: blocks come and go
 * by the million, and probes must stay short. */
#include "replay/blockmap.h"

#include "format/error.h"
#include <stddef.h>
#include <sys/mman.h>

#define FIRST_SLOTS 1024u
#define HUGE_BYTES  ((uintptr_t)2 << 20)

void blockmap_init(struct blockmap *t) { *t = (struct blockmap){0}; }

static uint64_t bytes_of(uint64_t slot_count) { return slot_count * sizeof(struct slot); }

void blockmap_release(struct blockmap *t)
{
    if (t->slots)
        munmap(t->slots, bytes_of(t->slot_count));
    blockmap_init(t);
}

/* Empty slots in pages of their own. Large pages: probes are random. */
static struct slot *slots_new(uint64_t slot_count)
{
    void *slots =
        mmap(0, bytes_of(slot_count), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return 0;
    if (bytes_of(slot_count) >= 2 * HUGE_BYTES)
        madvise(slots, bytes_of(slot_count), MADV_HUGEPAGE);
    return slots;
}

static uint64_t next_slot(const struct blockmap *t, uint64_t i)
{
    return i + 1 == t->slot_count ? 0 : i + 1;
}

static void place(struct blockmap *t, const struct slot *slot)
{
    uint64_t i = blockmap_home(t, slot->key, slot->owner);
    while (t->slots[i].block.site)
        i = next_slot(t, i);
    t->slots[i] = *slot;
    t->count++;
}

/* Gives back the slots that were moved on, in steps of a large page. */
static void drop_moved(const struct slot *slots, uint64_t moved, uintptr_t *dropped)
{
    uintptr_t end = (uintptr_t)(slots + moved) & ~(HUGE_BYTES - 1);
    if (end <= *dropped)
        return;
    madvise((void *)*dropped, end - *dropped, MADV_DONTNEED);
    *dropped = end;
}

/* Moves every block that keep (NULL: all) lets through into a new table. */
static int rebuild(struct blockmap *t, uint64_t slot_count,
                   bool (*keep)(void *, const struct block *), void *context)
{
    struct blockmap old = *t;
    uintptr_t dropped = (uintptr_t)old.slots;
    struct slot *slots = slots_new(slot_count);
    if (!slots)
        return -ERR_NOMEM;
    *t = (struct blockmap){.slots = slots, .slot_count = slot_count};
    for (uint64_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].block.site && (!keep || keep(context, &old.slots[i].block)))
            place(t, &old.slots[i]);
        if (i % 4096 == 0)
            drop_moved(old.slots, i, &dropped);
    }
    blockmap_release(&old);
    return 0;
}

int blockmap_insert(struct blockmap *t, uint64_t key, uint64_t owner, const struct block *block)
{
    uint64_t grown = t->slot_count ? t->slot_count / 4 * 6 : FIRST_SLOTS;
    if ((t->count + 1) * 3 > t->slot_count * 2 && rebuild(t, grown, 0, 0))
        return -ERR_NOMEM;
    place(t, &(struct slot){key, owner, *block});
    return 0;
}

struct block *blockmap_find(const struct blockmap *t, uint64_t key, uint64_t owner)
{
    if (!t->slots)
        return 0;
    for (uint64_t i = blockmap_home(t, key, owner); t->slots[i].block.site; i = next_slot(t, i))
        if (t->slots[i].key == key && t->slots[i].owner == owner)
            return &t->slots[i].block;
    return 0;
}

/* Is `home` cyclically in (hole, i]? Then the block at i may not move into the hole. */
static bool between(uint64_t hole, uint64_t home, uint64_t i)
{
    return hole <= i ? hole < home && home <= i : hole < home || home <= i;
}

void blockmap_remove(struct blockmap *t, struct block *block)
{
    char *at = (char *)block - offsetof(struct slot, block);
    uint64_t hole = (uint64_t)((struct slot *)at - t->slots);
    for (uint64_t i = next_slot(t, hole); t->slots[i].block.site; i = next_slot(t, i)) {
        if (between(hole, blockmap_home(t, t->slots[i].key, t->slots[i].owner), i))
            continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole].block.site = 0;
    t->count--;
}

int blockmap_purge(struct blockmap *t, bool (*keep)(void *context, const struct block *block),
                   void *context)
{
    return t->slots ? rebuild(t, t->slot_count, keep, context) : 0;
}
