/* The rules of place.h. A class whose freed place was passed over forgets the others: the allocator
 * went on elsewhere. */
#include "format/place.h"
#include <string.h>

void places_reset(struct places *p)
{
    if (p->touched)
        memset(p, 0, sizeof *p);
}

unsigned place_class(uint64_t size_bytes)
{
    if (size_bytes <= 2560)
        return (unsigned)(size_bytes + 15) / 16;
    return 160 + 64 - (unsigned)__builtin_clzll(size_bytes);
}

static uint64_t *last_freed(struct place_class *c)
{
    return &c->freed[(c->freed_count - 1) % PLACE_FREED];
}

uint64_t places_expected(const struct places *p, unsigned class)
{
    const struct place_class *c = &p->classes[class];
    if (c->freed_count)
        return c->freed[(c->freed_count - 1) % PLACE_FREED];
    return c->last + c->step;
}

static unsigned hint(uint64_t address)
{
    return (unsigned)(address * 0x9E3779B97F4A7C15u >> 56) % PLACE_HINTS;
}

void places_allocated(struct places *p, unsigned class, uint64_t address)
{
    struct place_class *c = &p->classes[class];
    uint64_t page = address >> PLACE_PAGE_BITS;
    if (c->freed_count && *last_freed(c) == address) {
        c->freed_count--;
    } else {
        uint64_t step = address - c->last;
        c->freed_count = 0;
        if (step - 1 < PLACE_STEP_MAX - 1)
            c->step = step;
        c->last = address;
    }
    p->owners[page % PLACE_OWNERS] = page << 8 | class;
    p->hints[hint(address)] = (uint8_t)(p->allocated % PLACE_NEWEST);
    p->newest[p->allocated++ % PLACE_NEWEST] = address;
    places_use(p, address);
}

void places_freed(struct places *p, uint64_t address)
{
    uint64_t page = address >> PLACE_PAGE_BITS, owner = p->owners[page % PLACE_OWNERS];
    if (!owner || owner >> 8 != page)
        return;
    struct place_class *c = &p->classes[owner & 0xFF];
    c->freed_count++;
    *last_freed(c) = address;
    p->touched = true;
}

unsigned places_newest(const struct places *p, uint64_t address)
{
    unsigned at = p->hints[hint(address)];
    if (!p->allocated || p->newest[at] != address)
        return PLACE_NEWEST;
    return (p->allocated - 1 - at) % PLACE_NEWEST;
}
