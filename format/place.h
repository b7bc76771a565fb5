/* Where blocks that are coded by address will lie (FORMAT.md 3.3): what an allocator does next, as
 * seen from the addresses of one block of the trace. Why: a program with a large heap is coded by
 * address, and most of its addresses can be told beforehand: the block freed last, or the one
 * behind the last of that size.
 *
 *   classes  by size: last address, step, the addresses freed last
 *   owners   by page of 16 KiB: the class that a free there belongs to
 *   pages    64 of them: the last address used in each, which others of the page are close to
 *   newest   the last 32 allocations
 *
 * Invariants: both directions make the same calls with the same addresses, so they know the same;
 * any address will do. Not here: bytes. Not thread-safe. */
#ifndef FORMAT_PLACE_H
#define FORMAT_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#define PLACE_CLASSES   256u
#define PLACE_FREED     16u
#define PLACE_OWNERS    4096u
#define PLACE_PAGES     64u
#define PLACE_PAGE_BITS 14u
#define PLACE_NEWEST    32u
#define PLACE_HINTS     256u
#define PLACE_STEP_MAX  4096u

struct place_class {
    uint64_t last, step; /* of the newest block that was not a freed one's place; 0 at first */
    uint64_t freed[PLACE_FREED];
    uint32_t freed_count; /* the last one stands at freed[(freed_count - 1) % PLACE_FREED] */
};

struct places {
    struct place_class classes[PLACE_CLASSES];
    uint64_t owners[PLACE_OWNERS]; /* page << 8 | class, 0: none */
    uint64_t pages[PLACE_PAGES];   /* the address used last, 0: none */
    uint64_t newest[PLACE_NEWEST];
    uint32_t allocated;         /* count */
    uint8_t hints[PLACE_HINTS]; /* the encoder's: where in `newest` an address may stand */
    bool touched;               /* since the reset */
};

/* Back to a block's start. */
void places_reset(struct places *p);

/* The class of a size: multiples of 16 up to 2,560, then powers of two. */
unsigned place_class(uint64_t size_bytes);
/* The address that the next block of the class is expected at. */
uint64_t places_expected(const struct places *p, unsigned class);
/* Notes where it is. */
void places_allocated(struct places *p, unsigned class, uint64_t address);
/* Notes a free. */
void places_freed(struct places *p, uint64_t address);

/* The address's distance in `newest` (0: the newest), or PLACE_NEWEST where it isn't found. */
unsigned places_newest(const struct places *p, uint64_t address);
/* Was there an allocation at this distance? */
static inline bool places_has_newest(const struct places *p, unsigned distance)
{
    return distance < PLACE_NEWEST && distance < p->allocated;
}
/* Its address. */
static inline uint64_t places_at(const struct places *p, unsigned distance)
{
    return p->newest[(p->allocated - 1 - distance) % PLACE_NEWEST];
}

/* The slot of `pages` for an address. */
static inline unsigned place_slot(uint64_t address)
{
    return (unsigned)(address >> PLACE_PAGE_BITS) % PLACE_PAGES;
}
/* Does the slot hold the address's page? */
static inline bool places_near(const struct places *p, uint64_t address)
{
    uint64_t known = p->pages[place_slot(address)];
    return known >> PLACE_PAGE_BITS == address >> PLACE_PAGE_BITS && known;
}
/* Notes the last address used in its page. */
static inline void places_use(struct places *p, uint64_t address)
{
    p->pages[place_slot(address)] = address;
    p->touched = true;
}

#endif
