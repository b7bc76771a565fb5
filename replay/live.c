/* Pages in a window over the latest indices, and what leaves them (live.h). Why pages are kept for
 * a while though they are thin: most blocks die young, and a move costs more than their place. Why
 * packed ones are cut from unused pages: what was packed has just left one. */
#include "replay/live.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_WINDOW 1024u
#define CHUNK_PAGES  1024u /* 4 MiB, in large pages where the kernel has them */
#define PAGE_BYTES   (LIVE_PAGE * sizeof(struct block))

struct live_chunk {
    struct live_chunk *next;
    struct block *blocks; /* CHUNK_PAGES pages */
};

void live_init(struct live *l) { *l = (struct live){0}; }

void live_release(struct live *l)
{
    while (l->chunks) {
        struct live_chunk *next = l->chunks->next;
        munmap(l->chunks->blocks, CHUNK_PAGES * PAGE_BYTES);
        free(l->chunks);
        l->chunks = next;
    }
    free(l->window);
    old_pages_release(&l->old);
    free(l->spare);
    blockmap_release(&l->table);
    live_init(l);
}

/* More spare pages, the lowest on top. */
static int add_chunk(struct live *l)
{
    uint64_t capacity = l->spare_capacity + CHUNK_PAGES;
    struct block **spare = realloc(l->spare, capacity * sizeof *spare);
    if (!spare)
        return -ERR_NOMEM;
    l->spare = spare;
    struct live_chunk *chunk = malloc(sizeof *chunk);
    void *blocks = chunk ? mmap(0, CHUNK_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                         : MAP_FAILED;
    if (blocks == MAP_FAILED) {
        free(chunk);
        return -ERR_NOMEM;
    }
    if (l->chunks)
        madvise(blocks, CHUNK_PAGES * PAGE_BYTES, MADV_HUGEPAGE);
    *chunk = (struct live_chunk){l->chunks, blocks};
    l->chunks = chunk;
    l->spare_capacity = capacity;
    for (uint64_t i = CHUNK_PAGES; i-- > 0;)
        l->spare[l->spare_count++] = chunk->blocks + i * LIVE_PAGE;
    return 0;
}

/* What a page takes can be used again: it holds nothing any more. */
static void give_back(struct live *l, const struct live_page *page)
{
    if (!page->room) {
        l->spare[l->spare_count++] = page->blocks;
        return;
    }
    struct packed **first = &l->free[page->room / PACKED_STEP - 1];
    page->packed->next = *first;
    *first = page->packed;
}

static bool in_window(const struct live *l, const struct live_page *page)
{
    return page == &l->window[page->number & l->window_mask];
}

/* Takes a page from where it stands. */
static void drop_page(struct live *l, struct live_page *page)
{
    if (!in_window(l, page)) {
        old_pages_remove(&l->old, page);
        return;
    }
    page->blocks = 0;
    page->room = 0;
    l->page_count--;
}

static void close_page(struct live *l, struct live_page *page)
{
    give_back(l, page);
    drop_page(l, page);
}

/* Moves what is live in a page to the table. On -ERR_NOMEM the page keeps what was not moved. */
static int retire_page(struct live *l, struct live_page *page)
{
    for (unsigned i = 0; page->count && i < LIVE_PAGE; i++) {
        struct block *block = live_place(page, i);
        if (!block || !block->site)
            continue;
        if (blockmap_insert(&l->table, page->number * LIVE_PAGE + i, 0, block))
            return -ERR_NOMEM;
        block->site = 0;
        page->count--;
        l->paged--;
    }
    close_page(l, page);
    return 0;
}

/* Cuts an unused page into packed ones. */
static int cut_page(struct live *l, unsigned room)
{
    if (!l->spare_count && add_chunk(l))
        return -ERR_NOMEM;
    struct live_page piece = {.room = (uint16_t)room};
    char *bytes = (char *)l->spare[--l->spare_count];
    size_t step = packed_bytes(room);
    for (size_t at = 0; at + step <= PAGE_BYTES; at += step) {
        piece.packed = (struct packed *)(void *)(bytes + at);
        give_back(l, &piece);
    }
    return 0;
}

/* An empty packed page, NULL when out of memory. */
static struct packed *packed_new(struct live *l, unsigned room)
{
    struct packed **first = &l->free[room / PACKED_STEP - 1];
    if (!*first && cut_page(l, room))
        return 0;
    struct packed *packed = *first;
    *first = packed->next;
    memset(packed, 0, sizeof *packed);
    return packed;
}

/* Moves what is live in a page closer together. */
static int pack_page(struct live *l, struct live_page *page)
{
    unsigned room = (page->count + PACKED_STEP - 1) / PACKED_STEP * PACKED_STEP;
    struct packed *packed = packed_new(l, room);
    if (!packed)
        return -ERR_NOMEM;
    for (unsigned i = 0; i < LIVE_PAGE; i++) {
        struct block *block = live_place(page, i);
        if (!block || !block->site)
            continue;
        packed_append(packed, i, block);
        block->site = 0;
    }
    give_back(l, page);
    page->packed = packed;
    page->room = (uint16_t)room;
    return 0;
}

/* A page that is no longer worth its memory takes less. */
static int shrink_page(struct live *l, struct live_page *page)
{
    return page->count < LIVE_LEAST ? retire_page(l, page) : pack_page(l, page);
}

/* Makes a page leave the window: there is a younger one for its place. */
static int displace_page(struct live *l, struct live_page *page)
{
    if (page->count < LIVE_LEAST)
        return retire_page(l, page);
    if (old_pages_add(&l->old, page))
        return -ERR_NOMEM;
    drop_page(l, page);
    return 0;
}

static int grow_window(struct live *l)
{
    uint64_t mask = l->window ? l->window_mask * 2 + 1 : FIRST_WINDOW - 1;
    struct live_page *window = calloc(mask + 1, sizeof *window);
    if (!window)
        return -ERR_NOMEM;
    for (uint64_t i = 0; l->window && i <= l->window_mask; i++)
        if (l->window[i].blocks)
            window[l->window[i].number & mask] = l->window[i];
    free(l->window);
    l->window = window;
    l->window_mask = mask;
    return 0;
}

static bool is_young(const struct live *l, const struct live_page *page)
{
    return l->opened - page->opened <= LIVE_YOUNG;
}

/* The page that is no longer young once another is opened must be worth its memory. */
static int age(struct live *l)
{
    struct live_page *page = live_page(l, l->young[l->opened % LIVE_YOUNG] * LIVE_PAGE);
    bool due = page && l->opened - page->opened == LIVE_YOUNG && page->count < LIVE_THIN;
    return due ? shrink_page(l, page) : 0;
}

/* A page for a number that is larger than all before. NULL when out of memory. */
static struct live_page *open_page(struct live *l, uint64_t number)
{
    struct live_page *last = live_page(l, l->newest * LIVE_PAGE);
    if (last && !last->count)
        close_page(l, last);
    if ((!l->window || l->page_count * 2 > l->window_mask) && grow_window(l))
        return 0;
    struct live_page *page = &l->window[number & l->window_mask];
    if (page->blocks && displace_page(l, page))
        return 0;
    if (!l->spare_count && add_chunk(l))
        return 0;
    if (age(l))
        return 0;
    *page = (struct live_page){number, {l->spare[--l->spare_count]}, l->opened, 0, 0};
    l->young[l->opened++ % LIVE_YOUNG] = number;
    l->newest = number;
    l->page_count++;
    return page;
}

/* The page that has a place for the index, or NULL. */
static inline struct live_page *home_of(const struct live *l, uint64_t key, uint64_t owner)
{
    struct live_page *page = owner ? 0 : live_page(l, key);
    return page && (!page->room || live_place(page, key)) ? page : 0;
}

int live_insert(struct live *l, uint64_t key, uint64_t owner, const struct block *block)
{
    uint64_t number = key >> LIVE_PAGE_LOG2;
    struct live_page *page = home_of(l, key, owner);
    if (!page && !owner && (number > l->newest || !l->opened) && !(page = open_page(l, number)))
        return -ERR_NOMEM;
    if (!page)
        return blockmap_insert(&l->table, key, owner, block);
    *live_place(page, key) = *block;
    page->count++;
    l->paged++;
    return 0;
}

/* Apart, so that live_find calls nothing where the window has the page. */
static __attribute__((noinline)) struct block *find_elsewhere(const struct live *l, uint64_t key,
                                                              uint64_t owner)
{
    const struct live_page *page = owner ? 0 : old_pages_find(&l->old, key >> LIVE_PAGE_LOG2);
    struct block *block = page ? live_place(page, key) : 0;
    if (!block)
        return blockmap_find(&l->table, key, owner);
    return block->site ? block : 0;
}

struct block *live_find(const struct live *l, uint64_t key, uint64_t owner)
{
    const struct live_page *page = owner ? 0 : live_window_page(l, key);
    struct block *block = page ? live_place(page, key) : 0;
    if (!block)
        return find_elsewhere(l, key, owner);
    return block->site ? block : 0;
}

/* Gives a page up that has become too thin. When memory lacks, it just stays. */
static void thin_out(struct live *l, struct live_page *page)
{
    if (!page->count && page->number != l->newest)
        close_page(l, page);
    else if (page->room ? page->count < LIVE_LEAST || page->count * 4u <= page->room
                        : !is_young(l, page))
        shrink_page(l, page);
}

static inline void remove_from(struct live *l, struct live_page *page, struct block *block)
{
    block->site = 0;
    l->paged--;
    if (--page->count < LIVE_THIN)
        thin_out(l, page);
}

static __attribute__((noinline)) void remove_elsewhere(struct live *l, uint64_t key, uint64_t owner,
                                                       struct block *block)
{
    struct live_page *page = home_of(l, key, owner);
    if (page)
        remove_from(l, page, block);
    else
        blockmap_remove(&l->table, block);
}

void live_remove(struct live *l, uint64_t key, uint64_t owner, struct block *block)
{
    struct live_page *page = owner ? 0 : live_window_page(l, key);
    if (page && (!page->room || live_place(page, key)))
        remove_from(l, page, block);
    else
        remove_elsewhere(l, key, owner, block);
}

/* Drops what keep() turns down of a page. */
static void purge_page(struct live *l, struct live_page *page,
                       bool (*keep)(void *context, const struct block *block), void *context)
{
    for (unsigned i = 0; i < LIVE_PAGE; i++) {
        struct block *block = live_place(page, i);
        if (!block || !block->site || keep(context, block))
            continue;
        block->site = 0;
        page->count--;
        l->paged--;
    }
    if (page->count < LIVE_THIN)
        thin_out(l, page);
}

/* The same for a slot of the old pages: when its page goes, the next one may take its place. */
static void purge_old(struct live *l, struct live_page *slot,
                      bool (*keep)(void *context, const struct block *block), void *context)
{
    uint64_t number;
    do {
        number = slot->number;
        if (slot->blocks)
            purge_page(l, slot, keep, context);
    } while (slot->blocks && slot->number != number);
}

int live_purge(struct live *l, bool (*keep)(void *context, const struct block *block),
               void *context)
{
    for (uint64_t i = 0; l->window && i <= l->window_mask; i++)
        if (l->window[i].blocks)
            purge_page(l, &l->window[i], keep, context);
    for (uint64_t i = 0; l->old.slots && i <= l->old.mask; i++)
        purge_old(l, &l->old.slots[i], keep, context);
    return blockmap_purge(&l->table, keep, context);
}
