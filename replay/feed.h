/* The batches of a reader, one after another; where there are two processors, read and decoded
 * ahead by a thread of the feed's own. Why here: neither the reader nor the replay knows that they
 * run beside each other.
 *
 *   thread:  reader ──▶ [batch][batch][batch][batch]… ──▶ replay          FEED_BATCHES of them
 *
 * Invariants: what comes out, errors included, is the same with and without the thread, in the same
 * order; nobody else touches the reader between feed_open and feed_close; memory is bounded by the
 * batches. Where no thread can be started, the caller's reads. Not here: the reader (reader.h).
 * Not thread-safe but inside. */
#ifndef REPLAY_FEED_H
#define REPLAY_FEED_H

#include "replay/reader.h"
#include <pthread.h>

#define FEED_BATCHES 8u

enum feed_mode {
    FEED_AUTO,  /* ahead where this process may run on two processors */
    FEED_ALONE, /* on the caller's thread: reads no further than it was asked */
    FEED_AHEAD,
};

struct feed {
    struct reader *reader;
    struct batch batches[FEED_BATCHES]; /* a ring: number n is batches[n % FEED_BATCHES] */
    uint64_t filled, taken;             /* batches so far; taken: done with */
    bool ahead, held, stopped;          /* held: the caller has a batch */
    int end;                            /* what reader_read said in the end; 1: goes on */
    struct err err;
    pthread_mutex_t lock; /* over the numbers, stopped, end, err */
    pthread_cond_t moved;
    pthread_t thread;
};

/* Starts to read, batch_events at a time (at least 4; 0: BATCH_EVENTS). reader is borrowed. Returns
 * 0 or -ERR_NOMEM; feed_close is needed in both cases. */
int feed_open(struct feed *f, struct reader *reader, enum feed_mode mode, int batch_events);
/* The next batch, valid until the next call. As reader_read. */
int feed_next(struct feed *f, const struct batch **batch, struct err *err);
/* Ends the thread, after the read that it may be in; the reader is the caller's again. */
void feed_close(struct feed *f);

#endif
