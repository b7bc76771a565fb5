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
 * Invariants: then_* is only valid through site_then(); a site belongs to one process; site 0 is
 * nobody's. Not here: which moment is a candidate (replay.h). Not thread-safe. */
#ifndef REPLAY_SITES_H
#define REPLAY_SITES_H

#include "replay/model.h"

struct site {
    uint64_t live_bytes, then_bytes;
    uint64_t temporary_bytes, temporary_count;
    uint32_t live_count, then_count;
    uint32_t stack, thread, process; /* stack: where it counts (a C thread's empty stack is its
                                        origin's) */
    uint32_t epoch, next;            /* next: the process's next site, 0: last */
    uint32_t event_stack : 31, ended : 1;
    uint8_t allocator;
};

/* The rarer half of a site: mappings, big blocks, leaks. `gap`: bytes that were never touched. */
struct site_more {
    uint64_t live_gap_bytes, then_gap_bytes;
    uint64_t live_unsampled_bytes, then_unsampled_bytes;
    uint64_t leak_bytes, leak_gap_bytes, leak_unsampled_bytes;
    uint32_t leak_count, epoch;
};

/* What a report reads of a site. resident_bytes = bytes - gap. */
struct site_values {
    uint64_t bytes, resident_bytes, unsampled_bytes, count;
};

struct sites {
    struct site *items;      /* [0] unused */
    struct site_more *mores; /* parallel */
    uint32_t count, capacity;
    uint32_t epoch;
    uint32_t *slots; /* hash: site ids */
    uint64_t mask;
    uint32_t *recent; /* direct-mapped: site ids by a cheap hash of (stack, allocator, thread) */
};

/* Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int sites_init(struct sites *s);
/* Frees everything, also after a failed init. */
void sites_release(struct sites *s);

/* The site of a stack as the event names it, an allocator and a thread; made where it is new.
 * Returns its id, or 0 when out of memory. */
uint32_t sites_intern(struct sites *s, struct thread *thread, unsigned allocator, uint32_t stack);

/* Values at the last candidate: the moment, once the trace was read. */
struct site_values site_then(const struct sites *s, uint32_t site);
/* Values now. */
struct site_values site_live(const struct sites *s, uint32_t site);
/* Values at the end of its process; 0 before replay_finish, and for an exec'd image. */
struct site_values site_leak(const struct sites *s, uint32_t site);

#define SITES_RECENT 4096u

static inline uint32_t sites_recent_slot(uint32_t stack, unsigned allocator, uint32_t thread)
{
    return (stack * 0x9E3779B1u ^ allocator * 0x85EBCA6Bu ^ thread * 0xC2B2AE35u) >> 20;
}

/* As sites_intern, for the inner loop. */
static inline uint32_t sites_find(struct sites *s, struct thread *thread, unsigned allocator,
                                  uint32_t stack)
{
    uint32_t id = s->recent[sites_recent_slot(stack, allocator, thread->id)];
    const struct site *site = &s->items[id];
    if (site->event_stack == stack && site->thread == thread->id && site->allocator == allocator &&
        id)
        return id;
    return sites_intern(s, thread, allocator, stack);
}

/* To be called before each change of a site, or of its other half. */
static inline void site_touch(const struct sites *s, struct site *site)
{
    if (site->epoch == s->epoch)
        return;
    site->then_bytes = site->live_bytes;
    site->then_count = site->live_count;
    site->epoch = s->epoch;
}

static inline void site_more_touch(const struct sites *s, struct site_more *more)
{
    if (more->epoch == s->epoch)
        return;
    more->then_gap_bytes = more->live_gap_bytes;
    more->then_unsampled_bytes = more->live_unsampled_bytes;
    more->epoch = s->epoch;
}

#endif
