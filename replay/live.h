/* The live blocks at one point of the replay. Why three places: allocation indices are handed out
 * in order, so blocks that are young, or that live long together, stand by their index in pages,
 * where an insertion goes to the next place and a look-up hashes nothing; an old page that has
 * become thin is packed; the few that outlive even those neighbours move on to a hash table, as do
 * blocks that the trace names by address.
 *
 *   index ──▶ window[index / 256 mod window] ──▶ [256 blocks]
 *                  │                   old and less than a quarter live: packed (packed.h)
 *                  │              │ in the way of a new page: old_pages.h
 *                  ▼ hardly anything live
 *   address ──▶ table
 *
 * Invariants: a block stands in one of them, and a place that its page has is never in the table; a
 * page below a quarter live is packed or among the youngest; a packed one has four live blocks or
 * more, and room for four times as many at most but for the first eight; so all take at most 80
 * bytes a block beside 256 KiB; the window doubles while half of it is in use, so it follows live
 * blocks, not events. Not here: sums (replay.h). Not thread-safe. */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include "replay/old_pages.h"

#define LIVE_PAGE_LOG2 8u
#define LIVE_PAGE      (1u << LIVE_PAGE_LOG2) /* blocks */
#define LIVE_THIN      (LIVE_PAGE / 4)        /* fewer live blocks are not worth a page */
#define LIVE_YOUNG     64u                    /* pages whose blocks get time to die */
#define LIVE_LEAST     4u                     /* fewer live blocks are not worth a packed page */
#define LIVE_ROOMS     (LIVE_THIN / PACKED_STEP)

struct live {
    struct live_page *window;         /* by number modulo window_mask + 1 */
    uint64_t window_mask, page_count; /* page_count: of them in use */
    struct old_pages old;             /* had to leave the window */
    uint64_t newest;                  /* largest number of a page so far */
    uint64_t paged;                   /* live blocks in pages */
    uint32_t opened;                  /* pages so far */
    uint64_t young[LIVE_YOUNG];       /* numbers of the latest pages, by `opened` */
    struct block **spare;             /* unused pages, all empty */
    struct live_chunk *chunks;        /* memory of the pages, packed ones too */
    struct packed *free[LIVE_ROOMS];  /* unused packed ones by room, chained */
    uint64_t spare_count, spare_capacity;
    struct blockmap table;
};

/* An empty set. Allocates with the first insertion. */
void live_init(struct live *l);
/* Frees everything; the set is then empty and usable. */
void live_release(struct live *l);

/* Adds a block, whose (key, owner) must not be there; owner as in struct slot. Returns 0 or
 * -ERR_NOMEM (unchanged). */
int live_insert(struct live *l, uint64_t key, uint64_t owner, const struct block *block);
/* The block, or NULL. Valid until the next insertion or removal. */
struct block *live_find(const struct live *l, uint64_t key, uint64_t owner);
/* Removes what live_find returned for the same key and owner. */
void live_remove(struct live *l, uint64_t key, uint64_t owner, struct block *block);
/* Drops every block that keep() turns down. Returns 0 or -ERR_NOMEM (some are dropped). */
int live_purge(struct live *l, bool (*keep)(void *context, const struct block *block),
               void *context);

/* How many blocks there are. */
static inline uint64_t live_count(const struct live *l) { return l->paged + l->table.count; }

/* The page of an index where it stands in the window, as nearly always; else NULL. */
static inline struct live_page *live_window_page(const struct live *l, uint64_t index)
{
    if (!l->window)
        return 0;
    struct live_page *page = &l->window[index >> LIVE_PAGE_LOG2 & l->window_mask];
    return page->blocks && page->number == index >> LIVE_PAGE_LOG2 ? page : 0;
}

/* The page of an index, or NULL. */
static inline struct live_page *live_page(const struct live *l, uint64_t index)
{
    struct live_page *page = live_window_page(l, index);
    return page || !l->old.count ? page : old_pages_find(&l->old, index >> LIVE_PAGE_LOG2);
}

/* The place of an index in its page, NULL where it has none. */
static inline struct block *live_place(const struct live_page *page, uint64_t index)
{
    if (__builtin_expect(page->room > 0, 0))
        return packed_block(page->packed, index % LIVE_PAGE);
    return &page->blocks[index % LIVE_PAGE];
}

/* Bring near what a look at this index will need: first where its page is, a few events later the
 * block. Hints for a window of events ahead. */
static inline void live_prefetch_page(const struct live *l, uint64_t index)
{
    if (l->window)
        near_bring(&l->window[index >> LIVE_PAGE_LOG2 & l->window_mask]);
    if (l->old.count)
        near_bring(old_pages_home(&l->old, index >> LIVE_PAGE_LOG2));
}

static inline void live_prefetch_block(const struct live *l, uint64_t index)
{
    const struct live_page *page = live_page(l, index);
    if (!page) {
        blockmap_prefetch(&l->table, index, 0);
    } else if (!page->room) {
        near_bring(&page->blocks[index % LIVE_PAGE]);
    } else { /* they are mostly spread evenly */
        near_bring(page->packed);
        near_bring(&page->packed->blocks[index % LIVE_PAGE * page->room / LIVE_PAGE]);
    }
}

#endif
