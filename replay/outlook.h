/* What the events ahead will look at, brought near before they are applied. Why a batch is asked
 * first: most programs free what they made just before, at stacks that they used just before; then
 * all is near, and a hint costs as much as a fifth of applying an event.
 *
 *   events:  … applied │ <- SOON -> sites │ <- NEAR -> blocks │ <- FAR -> where they are │ …
 *
 * Invariants: hints only, nothing changes but the count of searches. Not here: how a hint is given
 * (near.h). Not thread-safe. */
#ifndef REPLAY_OUTLOOK_H
#define REPLAY_OUTLOOK_H

#include "replay/replay.h"

/* How many events before: a step apart, since where a block is must be near before the block can be
 * fetched, and that before its site. */
enum { SOON = 12, NEAR = 32, FAR = 64 };

/* What a batch will hardly find in the nearest caches. */
struct outlook {
    bool blocks;      /* those that are freed */
    bool sites;       /* of what is allocated */
    bool freed_sites; /* of what is freed */
};

/* What to expect of these events, which come next. */
struct outlook outlook_of(struct replay *r, const struct event *events, int count);

/* Brings near where the event's block or site is. */
static inline void outlook_bring_places(const struct replay *r, const struct event *ev,
                                        struct outlook o)
{
    if (ev->kind == EVENT_FREE)
        live_prefetch_page(&r->blocks, ev->index);
    else if (o.sites && ev->kind <= EVENT_ALLOC_ADDRESS)
        sites_prefetch_slot(&r->sites, r->thread->lanes[ev->allocator], ev->stack);
}

/* Brings near the block that the event frees, or the site where it allocates. */
static inline void outlook_bring_blocks(const struct replay *r, const struct event *ev,
                                        struct outlook o)
{
    if (ev->kind == EVENT_FREE)
        live_prefetch_block(&r->blocks, ev->index);
    else if (ev->kind == EVENT_ALLOC_ADDRESS || ev->kind == EVENT_FREE_ADDRESS)
        blockmap_prefetch(&r->blocks.table, ev->address, thread_owner(r->thread));
    if (o.sites && ev->kind <= EVENT_ALLOC_ADDRESS)
        sites_prefetch(&r->sites, r->thread->lanes[ev->allocator], ev->stack);
}

/* Brings near the site of the block that the event frees. */
static inline void outlook_bring_sites(const struct replay *r, const struct event *ev)
{
    const struct block *block = 0;
    if (ev->kind == EVENT_FREE)
        block = live_find(&r->blocks, ev->index, 0);
    else if (ev->kind == EVENT_FREE_ADDRESS)
        block = live_find(&r->blocks, ev->address, thread_owner(r->thread));
    if (block)
        near_bring(&r->sites.items[block->site]);
}

#endif
