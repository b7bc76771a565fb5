/* A site: everything that one stack allocated through one allocator on one thread. Live blocks
 * point to their site. Why in the replay and not among the reports: every event changes a site, so
 * it is the inner loop; reports read sites afterwards. Why epochs: the moment that a report wants
 * (the peak) is known only later. Each candidate bumps `epoch`; a site that changes for the first
 * time after it keeps its old values in `then`. At the end a site that never changed since has then
 * = live. One pass.
 *
 *      candidate 1        candidate 2 (higher)          end
 *   ─────┴───── site A changes ──┴───────────────────────┴──   A untouched since 2: then = live
 *               (then = old)        site B changes             B copied at its first change after 2
 *
 * Why 40 bytes: a program may have a million stacks. What few sites have (struct site_more) stands
 * apart, and so does what many share (struct lane).
 * Invariants: then_* is only valid through site_then(); a site belongs to one process; site 0 and
 * lane 0 are nobody's; the live values of an ended site are what it held at its end, its leaks. Not
 * here: which moment is a candidate (replay.h). Not thread-safe. */
#ifndef REPLAY_SITES_H
#define REPLAY_SITES_H

#include "replay/model.h"
#include "replay/near.h"

#define SITE_STACK_MAX UINT32_C(0x7FFFFFFF) /* of a stack's id, of which 31 bits are kept */

struct site {
    uint64_t live_bytes, then_bytes;
    uint32_t live_count, then_count;
    uint32_t epoch, next; /* next: the process's next site, 0: last */
    uint32_t event_stack : 31, ended : 1;
    uint32_t lane;
};

/* An allocator on a thread. */
struct lane {
    uint32_t thread, process, origin_stack;
    uint8_t allocator;
    bool inside; /* made while the window was open; tells something where windows part sites */
};

/* What mappings and big blocks have beside. `gap`: bytes that were never touched. */
struct site_more {
    uint64_t live_gap_bytes, then_gap_bytes;
    uint64_t live_unsampled_bytes, then_unsampled_bytes;
    uint32_t site, epoch;
};

/* What `temporary` counts. */
struct site_temporary {
    uint64_t bytes, count;
};

/* All that a site ever allocated. */
struct site_total {
    uint64_t bytes, count;
};

/* What a report reads of a site. resident_bytes = bytes - gap. */
struct site_values {
    uint64_t bytes, resident_bytes, unsampled_bytes, count;
};

/* A site found lately, under a cheap hash of its key. */
struct recent_site {
    uint32_t stack, lane, site;
};

struct sites {
    struct site *items; /* [0] unused */
    struct lane *lanes; /* [0] unused */
    struct site_more *mores;
    struct site_temporary *temporaries; /* parallel to items; NULL: not counted */
    struct site_total *totals;          /* the same */
    uint32_t count, capacity, lane_count, lane_capacity, more_count, more_capacity;
    uint32_t epoch;        /* grows with each candidate and each tick of a history */
    uint32_t moment_epoch; /* since the last candidate */
    uint32_t tick_epoch;   /* since the open tick began; 0: there is no history */
    uint32_t *same;  /* the next site of its lane that reads the same, 0: none; NULL: all differ */
    uint32_t *dirty; /* sites that changed in the open tick; NULL: no history */
    uint32_t dirty_count;
    uint32_t *slots; /* hash: a site id in the low id_bits, above them bits of its hash; 0: empty */
    uint32_t *more_slots; /* hash: indices of mores + 1 */
    uint32_t slot_count, more_slot_count;
    unsigned id_bits;
    bool inside;                /* of the lanes to be made */
    bool parted;                /* blocks of the window have lanes of their own (window.h) */
    uint32_t searches;          /* sites_intern so far; its reader may set it back */
    struct recent_site *recent; /* [SITES_RECENT] */
};

/* temporary, totals: count what site_temporary and site_total tell. Returns 0 or -ERR_NOMEM;
 * release is needed in both cases. */
int sites_init(struct sites *s, bool temporary, bool totals);
/* Keeps `dirty` from now on, before there is any site. Returns 0 or -ERR_NOMEM. */
int sites_watch(struct sites *s);
/* Frees everything, also after a failed init. */
void sites_release(struct sites *s);
/* Frees what only sites_intern and sites_find need: they must not be called any more. */
void sites_close(struct sites *s);

/* The lane of a thread and an allocator (< ALLOCATOR_LIMIT), made where it is new. 0 when out of
 * memory. */
uint32_t sites_lane(struct sites *s, struct thread *thread, unsigned allocator);
/* The site of a stack as the event names it in a lane of the thread; made where it is new. Returns
 * its id, or 0 when out of memory. */
uint32_t sites_intern(struct sites *s, struct thread *thread, uint32_t lane, uint32_t stack);
/* Makes a site that no sites_intern will find, with a number of its own whatever its key: for sites
 * that are read from elsewhere. Returns its id, or 0 when out of memory. */
uint32_t sites_append(struct sites *s, struct thread *thread, uint32_t lane, uint32_t stack);
/* Makes the rarer half of a site, if it has none. Returns 0 or -ERR_NOMEM. */
int sites_make_more(struct sites *s, uint32_t site);
/* The rarer half of a site, NULL where none was made. */
struct site_more *sites_more(const struct sites *s, uint32_t site);

/* Values at the last candidate: the moment, once the trace was read. */
struct site_values site_then(const struct sites *s, uint32_t site);
/* Values now. */
struct site_values site_live(const struct sites *s, uint32_t site);
/* Values at the end of its process, or now while that lives; 0 for an exec'd image. */
struct site_values site_leak(const struct sites *s, uint32_t site);
/* What was freed soon; 0 where that is not counted. */
struct site_temporary site_temporary(const struct sites *s, uint32_t site);
/* What was ever allocated (within the replay's window); 0 where that is not counted. */
struct site_total site_total(const struct sites *s, uint32_t site);

static inline const struct lane *site_lane(const struct sites *s, uint32_t site)
{
    return &s->lanes[s->items[site].lane];
}

/* The stack where a site counts: a C thread's empty stack is its origin's. */
static inline uint32_t site_stack(const struct sites *s, uint32_t site)
{
    uint32_t stack = s->items[site].event_stack;
    return stack == STACK_EMPTY ? site_lane(s, site)->origin_stack : stack;
}

#define SITE_FOLLOWS 0x80000000u /* in `same`: it is not the first of its chain */

#define SITES_RECENT 4096u
#define SITES_MANY   4096u /* so many no longer stand in the nearest caches */

static inline struct recent_site *sites_recent(const struct sites *s, uint32_t lane, uint32_t stack)
{
    return &s->recent[(stack * 0x9E3779B1u ^ lane * 0x85EBCA6Bu) >> 20];
}

static inline uint64_t sites_hash(uint32_t lane, uint32_t stack)
{
    uint64_t hash = ((uint64_t)stack << 32 | lane) * 0x9E3779B97F4A7C15u;
    return (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
}

/* Where the search for a hash begins. */
static inline uint32_t sites_home(const struct sites *s, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * s->slot_count >> 32);
}

/* The first slot from `at` on that is empty or may hold the hash: a site is only looked at where
 * more than chance says that it is the right one. */
static inline uint32_t sites_probe(const struct sites *s, uint64_t hash, uint32_t at)
{
    uint32_t mark = (uint32_t)hash >> s->id_bits;
    while (s->slots[at] && s->slots[at] >> s->id_bits != mark)
        at = at + 1 == s->slot_count ? 0 : at + 1;
    return at;
}

static inline uint32_t sites_slot_id(const struct sites *s, uint32_t at)
{
    return s->slots[at] & ((1u << s->id_bits) - 1);
}

/* As sites_lane and sites_intern, for the inner loop. */
static inline uint32_t sites_find(struct sites *s, struct thread *thread, unsigned allocator,
                                  uint32_t stack)
{
    uint32_t lane = thread->lanes[allocator];
    if (!lane && !(lane = sites_lane(s, thread, allocator)))
        return 0;
    stack &= SITE_STACK_MAX;
    const struct recent_site *recent = sites_recent(s, lane, stack);
    if (recent->stack == stack && recent->lane == lane)
        return recent->site;
    return sites_intern(s, thread, lane, stack);
}

/* Hints, in two steps some events apart, that sites_find is going to look for this one. */
static inline void sites_prefetch_slot(const struct sites *s, uint32_t lane, uint32_t stack)
{
    near_bring(&s->slots[sites_home(s, sites_hash(lane, stack))]);
}

static inline void sites_prefetch(const struct sites *s, uint32_t lane, uint32_t stack)
{
    uint64_t hash = sites_hash(lane, stack);
    near_bring(&s->items[sites_slot_id(s, sites_probe(s, hash, sites_home(s, hash)))]);
}

/* To be called before each change of a site, or of its other half. */
static inline void site_touch(struct sites *s, struct site *site)
{
    if (site->epoch == s->epoch)
        return;
    if (site->epoch < s->moment_epoch) {
        site->then_bytes = site->live_bytes;
        site->then_count = site->live_count;
    }
    if (site->epoch < s->tick_epoch)
        s->dirty[s->dirty_count++] = (uint32_t)(site - s->items);
    site->epoch = s->epoch;
}

static inline void site_more_touch(const struct sites *s, struct site_more *more)
{
    if (more->epoch >= s->moment_epoch)
        return;
    more->then_gap_bytes = more->live_gap_bytes;
    more->then_unsampled_bytes = more->live_unsampled_bytes;
    more->epoch = s->epoch;
}

/* Adds to a site's total, where totals are counted. */
static inline void site_add_total(const struct sites *s, uint32_t site, uint64_t bytes,
                                  uint64_t count)
{
    if (!s->totals)
        return;
    s->totals[site].bytes += bytes;
    s->totals[site].count += count;
}

#endif
