/* Stretches of readable stack (ground.h), each page asked of the kernel once. */
#include "recorder/preload/ground.h"

#include "recorder/preload/peek.h"

#define PAGE_BYTES    UINT64_C(4096)
#define GROWTH_BYTES  (UINT64_C(16) << 20) /* farther away it is no part of the same stretch */
#define STACK_HIGHEST (UINT64_C(1) << 47)

_Atomic uint64_t ground_unmappings;

static bool page_reads(uintptr_t page)
{
    struct glance look = {0};
    uint64_t word;
    return peek(&look, page, &word, sizeof word);
}

/* Makes a stretch reach beyond `end`, if there is nothing else in between. */
static bool grow(struct stretch *s, uintptr_t end)
{
    while (s->to < end && page_reads(s->to))
        s->to += PAGE_BYTES;
    return s->to >= end;
}

static void use_first(struct ground *ground, unsigned i)
{
    struct stretch used = ground->stretches[i];
    for (; i; i--)
        ground->stretches[i] = ground->stretches[i - 1];
    ground->stretches[0] = used;
}

bool ground_find(struct ground *ground, uintptr_t at)
{
    uintptr_t page = at & ~(PAGE_BYTES - 1), end = at + 8;
    if (at >= STACK_HIGHEST || at < PAGE_BYTES)
        return false;
    for (unsigned i = 0; i < GROUND_STRETCHES; i++) {
        struct stretch *s = &ground->stretches[i];
        if (s->to && at >= s->from && end <= s->to + GROWTH_BYTES && grow(s, end)) {
            use_first(ground, i);
            return true;
        }
    }
    if (!page_reads(page))
        return false;
    use_first(ground, GROUND_STRETCHES - 1); /* the one that was not used for longest goes */
    ground->stretches[0] = (struct stretch){page, page + PAGE_BYTES};
    return grow(&ground->stretches[0], end);
}
