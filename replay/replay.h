/* The replay: applies every event of a trace to live blocks, mappings and sums, and keeps what was
 * live at the chosen moment. Why one pass without callbacks: every report reads this state
 * afterwards, so the loop over the events stays short and knows no report. Invariants: live_bytes
 * is the sum over the sites of all active processes; memory follows live blocks, sites and stacks,
 * not events; nothing in a trace makes it fail but lack of memory.
 * Why the maximum is settled late: while bytes only rise, nothing needs to be kept. Before anything
 * that can lower them (or change what stands beside them) replay_settle() takes the state so far as
 * a candidate if it is higher than the last. Not here: the file (reader.h), choosing the moment
 * (moment.h) and the window (window.h), mappings (mappings.h), residency (residency.h). Not
 * thread-safe. */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

#include "replay/feed.h"
#include "replay/history.h"
#include "replay/lost.h"
#include "replay/moment.h"
#include "replay/sites.h"

struct replay_options {
    struct moment_choice moment;
    bool stop_at_moment; /* reads no further than a TIME, MARK or CLOSE: `leaks --at` */
    bool has_pid;        /* only processes with this pid count */
    uint32_t pid;
    bool totals;                    /* count what every site ever allocated */
    uint64_t temporary_threshold;   /* N of `temporary`; 0 turns it off */
    struct history_options history; /* what sites held over time; off when all zero */
    enum feed_mode feed;
    int batch_events; /* as in feed_open */
};

struct allocator_total {
    uint64_t count, bytes;
};

/* What the events of the processes in scope came to. */
struct totals {
    uint64_t allocations, allocated_bytes, frees, unfrees;
    uint64_t unknown_frees; /* of indices that were never seen or freed twice */
    uint64_t lost_frees;    /* of allocations in damaged blocks */
    uint64_t unknown_addresses;
    uint64_t replaced;   /* allocations at an address that was still live */
    uint64_t late;       /* events of a process after its end */
    uint64_t impossible; /* sizes and mappings beyond any address space: counted as 0 bytes */
    uint64_t events;     /* FORMAT.md 4, of all processes */
    uint64_t records[RECORD_LIMIT];
    struct allocator_total allocators[ALLOCATOR_LIMIT];
    uint64_t sizes[49]; /* [0]: 0 bytes, [k]: 2^(k-1) .. 2^k - 1 bytes */
};

struct replay {
    struct replay_options options;
    struct model model;
    struct sites sites;
    struct live blocks;
    struct blockmap big; /* residency of big blocks that have an index */
    struct moment moment;
    struct window window;
    struct history history;
    struct totals totals;
    struct totals totals_before, totals_inside; /* when the window opened; what came in it */
    struct lost lost;                           /* allocations that could not be read */
    struct thread *thread;                      /* the current one, never NULL */
    uint64_t next_index;                        /* indices from here on were not used */
    uint64_t time_ns, live_bytes;
    uint64_t rss_bytes, rss_high_bytes; /* over all processes: now, and the most inside the window
                                         */
    uint64_t gate_bytes;  /* what live_bytes must exceed to be a candidate; UINT64_MAX: nothing is
                             one now */
    uint64_t high_bytes;  /* what it must exceed to matter: that, or the history's open tick's most
                           */
    uint64_t serial;      /* allocations so far, all processes: the birth of blocks */
    uint32_t map_serial;  /* mappings so far */
    uint64_t dead_blocks; /* of ended processes, still among the blocks */
    uint64_t pieces;      /* of mappings that count, so far made less removed */
    uint64_t ended_count; /* blocks and pieces that were live when their processes ended */
    bool inside, stopped, root_ended;
};

#define SIZE_LIMIT_BYTES (1ull << 47) /* no block or mapping of a 64-bit process is larger */

/* Prepares a replay. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int replay_init(struct replay *r, const struct replay_options *options);
/* Frees everything, also of a zeroed r. */
void replay_release(struct replay *r);

/* Applies a window of events in order. Returns 0 or -ERR_NOMEM. */
int replay_apply(struct replay *r, const struct event *events, int count);
/* To be called once after the last event: settles the moment. What is still live is its process's
 * leaks. Returns 0 or -ERR_NOMEM. */
int replay_finish(struct replay *r);

/* Frees what only further events would need, after replay_finish: reports read sites. */
void replay_trim(struct replay *r);

/* Reads the whole trace: a feed and replay_apply until the end or the moment to stop at, then
 * replay_finish. The reader is left where the feed's thread left it, or at the moment. progress
 * (may be NULL) is called about once a block with the bytes read so far. Returns 0, or an error of
 * reader_read with err filled. */
int replay_run(struct replay *r, struct reader *reader,
               void (*progress)(void *context, uint64_t bytes), void *context, struct err *err);

/* The state before the next event is the highest so far: of all candidates, of the open tick, or as
 * high as the window waits for. Returns stopped. */
bool replay_rise(struct replay *r);

/* Takes the state before the next event as the moment's candidate, if it is the highest so far.
 * Returns true when it was the last state to be replayed: the event must not be applied. */
static inline bool replay_settle(struct replay *r)
{
    return r->live_bytes > r->high_bytes && replay_rise(r);
}

/* Before the first change of a process's sums after a candidate or in a tick. */
static inline void process_touch(struct replay *r, struct process *p)
{
    if (p->epoch == r->sites.epoch)
        return;
    if (p->epoch < r->sites.moment_epoch)
        p->then = p->now;
    if (p->epoch < r->sites.tick_epoch)
        history_touch(r, p);
    p->epoch = r->sites.epoch;
}

/* The sums of a process at the moment. */
static inline struct sums process_then(const struct replay *r, const struct process *p)
{
    return p->epoch >= r->sites.moment_epoch ? p->then : p->now;
}

/* The process's own maximum, before anything that lowers its bytes. */
static inline void process_settle(struct process *p)
{
    if (p->now.live_bytes > p->high_bytes)
        p->high_bytes = p->now.live_bytes;
}

/* Blocks and pieces of mappings that are live now. */
static inline uint64_t replay_live_count(const struct replay *r)
{
    const struct totals *t = &r->totals;
    return t->allocations + t->unfrees + r->pieces - t->frees - t->replaced - r->ended_count;
}

#endif
