/* What every site held over time, in bounded memory: the time axis cut into ticks.
 * Why rows of changes: most sites are still most of the time, so a row is kept only where a site
 * holds something else at the end of a tick than in its row before; what it held at any tick is its
 * last row up to there. Why ticks are merged: when ticks or rows become too many, the resolution
 * doubles and neighbours become one, so memory follows sites, not time (only marks, 4,096 at most,
 * and hardly any ticks left make it grow).
 *
 *   tick        0          1         2      3 (a mark)    4              5
 *   ├─────────────────┼─────────┼──────────┼──────┼────────────────┼──────────┤
 *   0               end_ns                                                  last
 *   site 7    4 KiB                 0                      4 KiB                  ← its three rows
 *
 * Invariants, once the replay has finished: ticks touch, the first is the time 0 alone; tick i is
 * the time (end of i-1, end of i], and its row values are the state after all events up to and with
 * its end (at a mark: up to the mark); the largest high_bytes is the peak of the processes in
 * scope; the sums over all sites at a tick are the tick's own, exactly; the moment (moment.h), the
 * end of the first process and each mark are the ends of ticks and are never merged away. Resident
 * bytes are told with hindsight: a sample counts back to the birth of its block. Not here: which
 * moment (moment.h), values at the moment (sites.h). Not thread-safe. */
#ifndef REPLAY_HISTORY_H
#define REPLAY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay;
struct process;
struct site_values;

#define HISTORY_RESOLUTION_NS 1000000u   /* at first */
#define HISTORY_TICKS         32768u     /* 8 ms or finer for four minutes */
#define HISTORY_ROWS          (3u << 20) /* 120 MiB; more only where there are more sites */
#define HISTORY_MARKS         4096u      /* marks beyond these stand at the resolution */
#define HISTORY_NONE          UINT32_MAX

/* In replay_options. resolution_ns 0: no history. The limits: 0 means the ones above. */
struct history_options {
    uint64_t resolution_ns;
    uint32_t tick_limit, row_limit;
    bool no_sites; /* ticks alone: no rows, and resident_bytes stays 0 */
};

enum history_flag {
    HISTORY_STILL = 1,  /* nothing happened in it */
    HISTORY_MARK = 2,   /* ends at a mark */
    HISTORY_END = 4,    /* ends where the first process (or that of --pid) ended */
    HISTORY_MOMENT = 8, /* ends at the moment that the replay was asked for: the peak */
    HISTORY_EDGE = 16   /* ends where the window begins or ends */
};

struct history_tick {
    uint64_t end_ns;
    uint64_t high_bytes, high_ns, high_count; /* the most live bytes in it; the earliest moment of
                                                 that; blocks then */
    uint64_t rss_high_bytes;
    uint64_t live_bytes, live_count, resident_bytes; /* these and below: at its end */
    uint64_t rss_bytes, mapped_bytes, shared_bytes, arena_bytes;
    uint64_t events; /* so far, of all processes */
    uint64_t serial; /* births so far: of blocks, of mappings */
    uint32_t map_serial;
    uint32_t flags; /* enum history_flag */
};

/* What a site held at the end of a tick, where that differs from its row before (none: 0). */
struct history_row {
    uint64_t bytes, resident_bytes, unsampled_bytes;
    uint32_t tick, site, count;
};

/* The same of a process. high_bytes: the most in the tick. */
struct history_process_row {
    uint64_t high_bytes, live_bytes, resident_bytes, rss_bytes;
    uint64_t mapped_bytes, shared_bytes, arena_bytes;
    uint32_t tick, process; /* an id, or ID_NONE: of no known process */
};

/* A change of what is known to be untouched, or unknown, before the replay has finished. */
struct history_gap {
    uint32_t site, tick;
    int64_t bytes, unsampled_bytes;
};

struct history {
    struct history_tick *ticks;
    struct history_row *rows;                 /* by tick */
    struct history_process_row *process_rows; /* by tick */
    uint32_t *mark_ticks; /* parallel to model.marks up to mark_count: the tick that ends there */
    uint32_t tick_count, row_count, process_row_count, mark_count;
    uint32_t moment_tick, end_tick; /* that end there, or HISTORY_NONE */
    uint64_t resolution_ns;         /* now; 0: there is no history */
    /* The rest is of the running replay. */
    struct history_options options;
    struct history_tick open; /* the tick that runs: its maxima; what is live is the replay's own */
    struct history_tick told; /* sums over all processes at the end of the last tick */
    struct history_tick split; /* what is known at the moment, which cuts moment_tick later */
    uint64_t open_end_ns;      /* the last time that belongs to the open tick */
    struct history_gap *gaps;
    uint32_t *last_rows;     /* by site: its last row, or HISTORY_NONE */
    struct process *changed; /* processes that changed in the open tick, chained */
    uint32_t tick_capacity, row_capacity, process_row_capacity, gap_count, gap_capacity;
    uint32_t last_row_capacity, mark_capacity;
    bool splits; /* the moment lies inside of moment_tick */
    bool failed; /* out of memory */
};

/* The last tick that ends at or before a time; HISTORY_NONE before the end of the first. */
uint32_t history_tick_at(const struct history *h, uint64_t time_ns);
/* What every site held at the end of a tick: fills values[site_count] by site id;
 * HISTORY_NONE: nothing. */
void history_values(const struct history *h, uint32_t tick, struct site_values *values,
                    uint32_t site_count);

/* The rest is for the replay. It does nothing where there is no history. Lack of memory sets
 * `failed`, which replay_apply and replay_finish tell. */

/* Prepares the history that the replay's options ask for. Returns 0 or -ERR_NOMEM; release is
 * needed in both cases. */
int history_init(struct replay *r);
/* Frees everything, also of a zeroed h. */
void history_release(struct history *h);
/* More is live than ever in the open tick. */
void history_rise(struct replay *r);
/* Time moves on to time_ns: ends the ticks before it. What is live must be settled. */
void history_advance(struct replay *r, uint64_t time_ns);
/* Ends the open tick at time_ns, for one of MARK, END, MOMENT, EDGE. What is live must be settled.
 */
void history_stop(struct replay *r, uint64_t time_ns, enum history_flag why);
/* A mark was set now. */
void history_mark(struct replay *r);
/* The state now is the moment as far as known. */
void history_moment(struct replay *r, uint64_t time_ns);
/* The RSS of a process changed by so much. */
void history_rss(struct replay *r, uint64_t change_bytes);
/* A process's sums change for the first time in the open tick. */
void history_touch(struct replay *r, struct process *p);
/* What is untouched of a site, and what nothing is known of, changed by so much, now. */
void history_gap_now(struct replay *r, uint32_t site, uint64_t gap_bytes, uint64_t unsampled_bytes);
/* The same as is known with hindsight since the birth of a block (replay.serial then). */
void history_gap_since(struct replay *r, uint32_t site, uint64_t serial, uint64_t gap_bytes,
                       uint64_t unsampled_bytes);
/* The same since the birth of a mapping. */
void history_gap_since_map(struct replay *r, uint32_t site, uint32_t map_serial, uint64_t gap_bytes,
                           uint64_t unsampled_bytes);
/* Merges ticks until limits hold again (history_merge.c). */
void history_merge(struct replay *r);
/* The trace ended and the moment is settled: what is known with hindsight goes into the rows
 * (history_finish.c). */
void history_finish(struct replay *r);

/* Makes room for one more item in a growing array. Returns false, and sets `failed`, when out of
 * memory. */
bool history_room(struct history *h, void **items, uint32_t count, uint32_t *capacity,
                  size_t item_bytes);
/* Is the flag's tick one that must stay? */
static inline bool history_stays(const struct history_tick *t)
{
    return t->flags & (HISTORY_MARK | HISTORY_END | HISTORY_MOMENT | HISTORY_EDGE);
}

#endif
