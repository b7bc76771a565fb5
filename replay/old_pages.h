/* Pages of blocks that lost their place in the window (live.h) to younger ones and are still worth
 * their memory, by number. Why not block by block in the table of blocks: there each takes three
 * times as much, and a program that keeps a million blocks and then works on has them all here.
 * Invariants: at most half full; no tombstones (removal shifts back). Not here: the blocks, when a
 * page is worth it (live.c). Not thread-safe. */
#ifndef REPLAY_OLD_PAGES_H
#define REPLAY_OLD_PAGES_H

#include "replay/packed.h"

struct live_page {
    uint64_t number; /* of the page: index / LIVE_PAGE */
    union {
        struct block *blocks; /* [LIVE_PAGE], NULL: no page here */
        struct packed *packed;
    };
    uint32_t opened; /* live.opened then */
    uint16_t count;  /* live ones */
    uint16_t room;   /* packed: for so many blocks; 0: not packed */
};

struct old_pages {
    struct live_page *slots; /* all zero is an empty set */
    uint64_t count, mask;
};

/* Frees the set, not the blocks; it is then empty. */
void old_pages_release(struct old_pages *o);
/* Adds a page, whose number must not be there. Returns 0 or -ERR_NOMEM (unchanged). */
int old_pages_add(struct old_pages *o, const struct live_page *page);
/* The page of a number, or NULL. Valid until the next addition or removal. */
struct live_page *old_pages_find(const struct old_pages *o, uint64_t number);
/* Removes what old_pages_find returned; another page may stand in its slot then. */
void old_pages_remove(struct old_pages *o, struct live_page *page);

/* Where the search for a number begins. */
static inline struct live_page *old_pages_home(const struct old_pages *o, uint64_t number)
{
    return &o->slots[number * 0x9E3779B97F4A7C15u >> 32 & o->mask];
}

#endif
