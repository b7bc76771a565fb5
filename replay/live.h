/* The live blocks at one point of the replay. Why two places: allocation indices are handed out in
 * order, so blocks that are young, or that live long together, stand by their index in pages, where
 * an insertion goes to the next place and a look-up hashes nothing; the few that outlive their
 * neighbours move on to a hash table, as do blocks that the trace names by address.
 *
 *   index ──▶ pages[index / 256 mod window] ──▶ [256 blocks]
 *                  │ an old page that is less than a quarter live, or in the way of a new one
 *                  ▼
 *   address ──▶ table
 *
 * Invariants: a block stands in one of the two; a page below a quarter live is among the youngest,
 * so pages take at most 64 bytes a block beside 256 KiB; the window doubles while half of it is in
 * use, so it follows live blocks, not events. Not here: sums (replay.h). Not thread-safe. */
#ifndef REPLAY_LIVE_H
#define REPLAY_LIVE_H

#include "replay/blockmap.h"

#define LIVE_PAGE_LOG2 8u
#define LIVE_PAGE      (1u << LIVE_PAGE_LOG2) /* blocks */
#define LIVE_THIN      (LIVE_PAGE / 4)        /* fewer live blocks are not worth a page */
#define LIVE_YOUNG     64u                    /* pages whose blocks get time to die */

struct live_page {
    uint64_t number;      /* of the page: index / LIVE_PAGE */
    struct block *blocks; /* [LIVE_PAGE], NULL: no page here */
    uint32_t count;       /* live ones */
    uint32_t opened;      /* live.opened then */
};

struct live {
    struct live_page *window;         /* by number modulo window_mask + 1 */
    uint64_t window_mask, page_count; /* page_count: in use */
    uint64_t newest;                  /* largest number of a page so far */
    uint64_t paged;                   /* live blocks in pages */
    uint32_t opened;                  /* pages so far */
    uint64_t young[LIVE_YOUNG];       /* numbers of the latest pages, by `opened` */
    struct block **spare;             /* unused pages, all empty */
    struct live_chunk *chunks;        /* memory of the pages */
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

/* The page of an index, or NULL. */
static inline struct live_page *live_page(const struct live *l, uint64_t index)
{
    if (!l->window)
        return 0;
    struct live_page *page = &l->window[index >> LIVE_PAGE_LOG2 & l->window_mask];
    return page->blocks && page->number == index >> LIVE_PAGE_LOG2 ? page : 0;
}

/* Bring near what a look at this index will need: first where its page is, a few events later the
 * block. Hints for a window of events ahead. */
static inline void live_prefetch_page(const struct live *l, uint64_t index)
{
    if (l->window)
        near_bring(&l->window[index >> LIVE_PAGE_LOG2 & l->window_mask]);
}

static inline void live_prefetch_block(const struct live *l, uint64_t index)
{
    const struct live_page *page = live_page(l, index);
    if (page)
        near_bring(&page->blocks[index % LIVE_PAGE]);
    else
        blockmap_prefetch(&l->table, index, 0);
}

#endif
