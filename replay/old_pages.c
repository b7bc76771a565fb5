/* Linear probing with removal by shifting back (old_pages.h). */
#include "replay/old_pages.h"

#include "format/error.h"
#include <stdlib.h>

#define FIRST_SLOTS 256u

void old_pages_release(struct old_pages *o)
{
    free(o->slots);
    *o = (struct old_pages){0};
}

static struct live_page *next_slot(const struct old_pages *o, struct live_page *slot)
{
    return slot == o->slots + o->mask ? o->slots : slot + 1;
}

/* The slot of a number, or the empty one where it belongs. */
static struct live_page *slot_of(const struct old_pages *o, uint64_t number)
{
    struct live_page *slot = old_pages_home(o, number);
    while (slot->blocks && slot->number != number)
        slot = next_slot(o, slot);
    return slot;
}

static int grow(struct old_pages *o)
{
    struct old_pages grown = {.count = o->count,
                              .mask = o->slots ? o->mask * 2 + 1 : FIRST_SLOTS - 1};
    grown.slots = calloc(grown.mask + 1, sizeof *grown.slots);
    if (!grown.slots)
        return -ERR_NOMEM;
    for (uint64_t i = 0; o->slots && i <= o->mask; i++)
        if (o->slots[i].blocks)
            *slot_of(&grown, o->slots[i].number) = o->slots[i];
    free(o->slots);
    *o = grown;
    return 0;
}

int old_pages_add(struct old_pages *o, const struct live_page *page)
{
    if ((!o->slots || o->count * 2 > o->mask) && grow(o))
        return -ERR_NOMEM;
    *slot_of(o, page->number) = *page;
    o->count++;
    return 0;
}

struct live_page *old_pages_find(const struct old_pages *o, uint64_t number)
{
    struct live_page *slot = o->count ? slot_of(o, number) : 0;
    return slot && slot->blocks ? slot : 0;
}

void old_pages_remove(struct old_pages *o, struct live_page *page)
{
    struct live_page *hole = page;
    for (struct live_page *at = next_slot(o, hole); at->blocks; at = next_slot(o, at)) {
        uint64_t wanted = (uint64_t)(at - old_pages_home(o, at->number)) & o->mask;
        uint64_t gap = (uint64_t)(at - hole) & o->mask;
        if (wanted < gap)
            continue;
        *hole = *at;
        hole = at;
    }
    hole->blocks = 0;
    o->count--;
}
