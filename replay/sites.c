/* Sites and their values at the chosen moment: see sites.h. */
#include "replay/sites.h"

#include "format/error.h"
#include <stdlib.h>

int sites_init(struct sites *s)
{
    *s = (struct sites){.count = 1, .capacity = 1024, .epoch = 1, .mask = 4095};
    s->items = calloc(s->capacity, sizeof *s->items);
    s->mores = calloc(s->capacity, sizeof *s->mores);
    s->slots = calloc(s->mask + 1, sizeof *s->slots);
    s->recent = calloc(SITES_RECENT, sizeof *s->recent);
    return s->items && s->mores && s->slots && s->recent ? 0 : -ERR_NOMEM;
}

void sites_release(struct sites *s)
{
    free(s->items);
    free(s->mores);
    free(s->slots);
    free(s->recent);
    *s = (struct sites){0};
}

static uint64_t hash(uint32_t stack, unsigned allocator, uint32_t thread)
{
    uint64_t h = ((uint64_t)stack << 32 | thread) ^ (uint64_t)allocator << 27;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

static uint64_t site_hash(const struct site *site)
{
    return hash(site->event_stack, site->allocator, site->thread);
}

static int grow_slots(struct sites *s)
{
    uint64_t mask = s->mask * 2 + 1;
    uint32_t *slots = calloc(mask + 1, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint32_t id = 1; id < s->count; id++) {
        uint64_t at = site_hash(&s->items[id]) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = id;
    }
    free(s->slots);
    s->slots = slots;
    s->mask = mask;
    return 0;
}

static int grow_items(struct sites *s)
{
    if (s->capacity > UINT32_MAX / 2)
        return -ERR_NOMEM;
    uint32_t capacity = s->capacity * 2;
    struct site *items = realloc(s->items, capacity * sizeof *items);
    if (!items)
        return -ERR_NOMEM;
    s->items = items;
    struct site_more *mores = realloc(s->mores, capacity * sizeof *mores);
    if (!mores)
        return -ERR_NOMEM;
    s->mores = mores;
    s->capacity = capacity;
    return 0;
}

static uint32_t site_new(struct sites *s, struct thread *t, unsigned allocator, uint32_t stack)
{
    struct process *p = t->process;
    uint32_t id = s->count++;
    bool origin = stack == STACK_EMPTY && t->origin_stack;
    s->items[id] = (struct site){.stack = origin ? t->origin_stack : stack,
                                 .event_stack = stack,
                                 .thread = t->id,
                                 .process = p->id,
                                 .allocator = (uint8_t)allocator,
                                 .epoch = s->epoch,
                                 .next = p->first_site};
    s->mores[id] = (struct site_more){.epoch = s->epoch};
    p->first_site = id;
    return id;
}

uint32_t sites_intern(struct sites *s, struct thread *t, unsigned allocator, uint32_t stack)
{
    stack &= 0x7FFFFFFFu;
    if ((uint64_t)s->count * 2 > s->mask && grow_slots(s))
        return 0;
    if (s->count == s->capacity && grow_items(s))
        return 0;
    uint64_t at = hash(stack, allocator, t->id) & s->mask;
    for (; s->slots[at]; at = (at + 1) & s->mask) {
        const struct site *site = &s->items[s->slots[at]];
        if (site->event_stack == stack && site->thread == t->id && site->allocator == allocator)
            break;
    }
    if (!s->slots[at])
        s->slots[at] = site_new(s, t, allocator, stack);
    return s->recent[sites_recent_slot(stack, allocator, t->id)] = s->slots[at];
}

static struct site_values values(uint64_t bytes, uint64_t count, uint64_t gap, uint64_t unsampled)
{
    return (struct site_values){bytes, bytes > gap ? bytes - gap : 0, unsampled, count};
}

struct site_values site_live(const struct sites *s, uint32_t id)
{
    const struct site *site = &s->items[id];
    const struct site_more *more = &s->mores[id];
    return values(site->live_bytes, site->live_count, more->live_gap_bytes,
                  more->live_unsampled_bytes);
}

struct site_values site_then(const struct sites *s, uint32_t id)
{
    const struct site *site = &s->items[id];
    const struct site_more *more = &s->mores[id];
    bool kept = site->epoch == s->epoch, more_kept = more->epoch == s->epoch;
    return values(kept ? site->then_bytes : site->live_bytes,
                  kept ? site->then_count : site->live_count,
                  more_kept ? more->then_gap_bytes : more->live_gap_bytes,
                  more_kept ? more->then_unsampled_bytes : more->live_unsampled_bytes);
}

struct site_values site_leak(const struct sites *s, uint32_t id)
{
    const struct site_more *more = &s->mores[id];
    return values(more->leak_bytes, more->leak_count, more->leak_gap_bytes,
                  more->leak_unsampled_bytes);
}
