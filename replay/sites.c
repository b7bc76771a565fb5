/* Sites and their values at the chosen moment: see sites.h. Why the hash grows by half and is two
 * thirds full: with a million sites it is the second largest thing in memory. */
#include "replay/sites.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_ITEMS 1024u
#define FIRST_SLOTS 4096u

/* Sets the number of slots, and with it how many bits an id has: ids stay below it. */
static int make_slots(struct sites *s, uint32_t slot_count)
{
    s->slot_count = slot_count;
    s->id_bits = 32 - (unsigned)__builtin_clz(slot_count);
    s->slots = calloc(slot_count, sizeof *s->slots);
    return s->slots ? 0 : -ERR_NOMEM;
}

int sites_init(struct sites *s, bool temporary, bool totals)
{
    *s = (struct sites){.count = 1, .lane_count = 1, .epoch = 1, .moment_epoch = 1};
    s->capacity = s->lane_capacity = s->more_capacity = FIRST_ITEMS;
    s->more_slot_count = FIRST_ITEMS * 2;
    s->items = calloc(s->capacity, sizeof *s->items);
    s->lanes = calloc(s->lane_capacity, sizeof *s->lanes);
    s->mores = calloc(s->more_capacity, sizeof *s->mores);
    s->more_slots = calloc(s->more_slot_count, sizeof *s->more_slots);
    s->recent = calloc(SITES_RECENT, sizeof *s->recent);
    s->temporaries = temporary ? calloc(s->capacity, sizeof *s->temporaries) : 0;
    s->totals = totals ? calloc(s->capacity, sizeof *s->totals) : 0;
    return !make_slots(s, FIRST_SLOTS) && s->items && s->lanes && s->mores && s->more_slots &&
                   s->recent && (s->temporaries || !temporary) && (s->totals || !totals)
               ? 0
               : -ERR_NOMEM;
}

int sites_watch(struct sites *s)
{
    s->dirty = calloc(s->capacity, sizeof *s->dirty);
    s->tick_epoch = s->epoch;
    return s->dirty ? 0 : -ERR_NOMEM;
}

void sites_close(struct sites *s)
{
    free(s->slots);
    free(s->recent);
    free(s->dirty);
    s->dirty = 0;
    s->slots = 0;
    s->recent = 0;
}

void sites_release(struct sites *s)
{
    sites_close(s);
    free(s->items);
    free(s->lanes);
    free(s->mores);
    free(s->more_slots);
    free(s->temporaries);
    free(s->totals);
    free(s->same);
    *s = (struct sites){0};
}

/* Doubles an array of items. */
static int grow(void **items, uint32_t *capacity, size_t item_bytes)
{
    void *grown =
        *capacity > UINT32_MAX / 2 ? 0 : realloc(*items, (size_t)*capacity * 2 * item_bytes);
    if (!grown)
        return -ERR_NOMEM;
    *items = grown;
    *capacity *= 2;
    return 0;
}

uint32_t sites_lane(struct sites *s, struct thread *t, unsigned allocator)
{
    if (t->lanes[allocator])
        return t->lanes[allocator];
    if (s->lane_count == s->lane_capacity &&
        grow((void **)&s->lanes, &s->lane_capacity, sizeof *s->lanes))
        return 0;
    s->lanes[s->lane_count] =
        (struct lane){t->id, t->process->id, t->origin_stack, (uint8_t)allocator, s->inside};
    return t->lanes[allocator] = s->lane_count++;
}

static uint32_t next_slot(const struct sites *s, uint32_t at)
{
    return at + 1 == s->slot_count ? 0 : at + 1;
}

static uint32_t slot_value(const struct sites *s, uint64_t hash, uint32_t id)
{
    return (uint32_t)hash >> s->id_bits << s->id_bits | id;
}

static uint64_t hash_of(const struct sites *s, uint32_t id)
{
    return sites_hash(s->items[id].lane, s->items[id].event_stack);
}

static int grow_slots(struct sites *s)
{
    enum { AHEAD = 16 };
    struct sites grown = {0};
    if (s->slot_count > (1u << 31) / 3 * 2 || make_slots(&grown, s->slot_count / 2 * 3))
        return -ERR_NOMEM;
    for (uint32_t id = 1; id < s->count; id++) {
        uint64_t hash = hash_of(s, id);
        uint32_t at = sites_home(&grown, hash);
        if (id + AHEAD < s->count)
            near_bring(&grown.slots[sites_home(&grown, hash_of(s, id + AHEAD))]);
        while (grown.slots[at])
            at = next_slot(&grown, at);
        grown.slots[at] = slot_value(&grown, hash, id);
    }
    free(s->slots);
    s->slots = grown.slots;
    s->slot_count = grown.slot_count;
    s->id_bits = grown.id_bits;
    return 0;
}

/* Doubles an array parallel to the items, where there is one; what is new is 0. */
static int grow_beside(void **items, uint32_t capacity, size_t item_bytes)
{
    size_t used_bytes = (size_t)capacity * item_bytes;
    if (!*items)
        return 0;
    if (grow(items, &capacity, item_bytes))
        return -ERR_NOMEM;
    memset((char *)*items + used_bytes, 0, used_bytes);
    return 0;
}

static int grow_items(struct sites *s)
{
    uint32_t capacity = s->capacity;
    if (grow((void **)&s->items, &s->capacity, sizeof *s->items) ||
        grow_beside((void **)&s->temporaries, capacity, sizeof *s->temporaries) ||
        grow_beside((void **)&s->dirty, capacity, sizeof *s->dirty))
        return -ERR_NOMEM;
    return grow_beside((void **)&s->totals, capacity, sizeof *s->totals);
}

static uint32_t site_new(struct sites *s, struct process *p, uint32_t lane, uint32_t stack)
{
    uint32_t id = s->count++;
    s->items[id] = (struct site){.event_stack = stack & SITE_STACK_MAX,
                                 .lane = lane,
                                 .epoch = s->epoch,
                                 .next = p->first_site};
    p->first_site = id;
    if (s->dirty)
        s->dirty[s->dirty_count++] = id;
    return id;
}

uint32_t sites_intern(struct sites *s, struct thread *t, uint32_t lane, uint32_t stack)
{
    s->searches++;
    if ((uint64_t)s->count * 3 > (uint64_t)s->slot_count * 2 && grow_slots(s))
        return 0;
    if (s->count == s->capacity && grow_items(s))
        return 0;
    uint64_t hash = sites_hash(lane, stack);
    uint32_t at = sites_probe(s, hash, sites_home(s, hash)), id;
    for (; (id = sites_slot_id(s, at)); at = sites_probe(s, hash, next_slot(s, at)))
        if (s->items[id].event_stack == stack && s->items[id].lane == lane)
            break;
    if (!id) {
        id = site_new(s, t->process, lane, stack);
        s->slots[at] = slot_value(s, hash, id);
    }
    *sites_recent(s, lane, stack) = (struct recent_site){stack, lane, id};
    return id;
}

uint32_t sites_append(struct sites *s, struct thread *t, uint32_t lane, uint32_t stack)
{
    if (s->count == s->capacity && grow_items(s))
        return 0;
    return site_new(s, t->process, lane, stack);
}

/* The place of a site's rarer half among more_slots, or the empty one where it belongs. */
static uint32_t *more_slot(const struct sites *s, uint32_t site)
{
    uint32_t mask = s->more_slot_count - 1, at = site * 0x9E3779B1u & mask;
    while (s->more_slots[at] && s->mores[s->more_slots[at] - 1].site != site)
        at = (at + 1) & mask;
    return &s->more_slots[at];
}

struct site_more *sites_more(const struct sites *s, uint32_t site)
{
    uint32_t found = *more_slot(s, site);
    return found ? &s->mores[found - 1] : 0;
}

/* Room for one more; mores fill half of their slots at most. */
static int grow_mores(struct sites *s)
{
    if (s->more_count < s->more_capacity)
        return 0;
    uint32_t *slots = calloc((size_t)s->more_slot_count * 2, sizeof *slots);
    if (!slots || grow((void **)&s->mores, &s->more_capacity, sizeof *s->mores)) {
        free(slots);
        return -ERR_NOMEM;
    }
    free(s->more_slots);
    s->more_slots = slots;
    s->more_slot_count *= 2;
    for (uint32_t i = 0; i < s->more_count; i++)
        *more_slot(s, s->mores[i].site) = i + 1;
    return 0;
}

int sites_make_more(struct sites *s, uint32_t site)
{
    if (sites_more(s, site))
        return 0;
    if (grow_mores(s))
        return -ERR_NOMEM;
    s->mores[s->more_count] = (struct site_more){.site = site, .epoch = s->epoch};
    *more_slot(s, site) = ++s->more_count;
    return 0;
}

static struct site_values values(uint64_t bytes, uint64_t count, uint64_t gap, uint64_t unsampled)
{
    return (struct site_values){bytes, bytes > gap ? bytes - gap : 0, unsampled, count};
}

struct site_values site_leak(const struct sites *s, uint32_t id)
{
    const struct site *site = &s->items[id];
    const struct site_more *more = sites_more(s, id);
    return values(site->live_bytes, site->live_count, more ? more->live_gap_bytes : 0,
                  more ? more->live_unsampled_bytes : 0);
}

struct site_values site_live(const struct sites *s, uint32_t id)
{
    return s->items[id].ended ? (struct site_values){0} : site_leak(s, id);
}

struct site_values site_then(const struct sites *s, uint32_t id)
{
    const struct site *site = &s->items[id];
    const struct site_more *more = sites_more(s, id);
    struct site_values live = site_live(s, id);
    bool kept = site->epoch >= s->moment_epoch;
    bool more_kept = more && more->epoch >= s->moment_epoch;
    uint64_t gap = more ? more->live_gap_bytes : 0;
    return values(kept ? site->then_bytes : live.bytes, kept ? site->then_count : live.count,
                  more_kept ? more->then_gap_bytes : gap,
                  more_kept ? more->then_unsampled_bytes : live.unsampled_bytes);
}

struct site_temporary site_temporary(const struct sites *s, uint32_t id)
{
    return s->temporaries ? s->temporaries[id] : (struct site_temporary){0};
}

struct site_total site_total(const struct sites *s, uint32_t id)
{
    return s->totals ? s->totals[id] : (struct site_total){0};
}
