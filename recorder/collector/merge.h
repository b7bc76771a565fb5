/* One drain: what all rings hold now, in an order that no program could contradict (ring.h, "Order
 * between threads").
 *
 *   1. cut      turn words, then which rings there are, then their heads, the turn's owner first
 *   2. ends     who has died since (processes.h): they are dying
 *   3. drain    process by process in order of birth, so that a parent's definitions come before
 * its forked child's use of them; each process's rings merged by turn; the dying to their last word
 *   A WAITED word in a cut means that the child was dead before the cut was made, so step 2 has
 * seen it: its last words and its end are brought in right there, and what ended is gone before the
 * waiter goes on.
 *
 * Whose a ring is, is read from its entry once, and holds until the ring was drained for the last
 * time: whatever entries say meanwhile, no stream is in two lists.
 * Not here: the meaning of words (transcode.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_MERGE_H
#define RECORDER_COLLECTOR_MERGE_H

#include "recorder/collector/processes.h"
#include "recorder/collector/transcode.h"

struct merge {
    struct shared *shared;
    struct processes *processes;
    struct transcoder transcoder;
    uint32_t ring_count; /* that the shared file has */
    uint32_t ring_high;  /* of these, the most that were ever said to be used */
    uint32_t depth;      /* of ends within ends */
    uint32_t waits;      /* that were looked after in this round */
    uint64_t round;
    struct stream streams[RING_LIMIT];
    uint32_t first[SLOT_LIMIT]; /* by slot: index + 1 of the process's first ring in this cut */
    uint64_t turn[SLOT_LIMIT];  /* by slot: the turn up to which this cut may be merged */
    uint32_t owner[SLOT_LIMIT]; /* by slot: ring index + 1 that held it */
};

/* m is large: on the heap. shared and processes are borrowed. */
void merge_init(struct merge *m, struct shared *shared, struct processes *processes,
                struct output *output);
/* Forgets half-read definitions; the caller frees m. */
void merge_release(struct merge *m);

/* Drains once. Returns the bytes consumed. */
uint64_t merge_drain(struct merge *m);

#endif
