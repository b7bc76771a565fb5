/* One drain: what all rings hold now, in an order that no program could contradict (ring.h, "Order between threads").
 *
 *   1. cut      turn words, then which rings there are, then their heads, the turn's owner first
 *   2. ends     who has died since (processes.h)
 *   3. births   a forked child's parent is drained before the child: it inherits the parent's definitions
 *   4. drain    the dying to their last word, then the cut of everybody else, each process's rings merged by turn
 *
 * Not here: the meaning of words (transcode.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_MERGE_H
#define RECORDER_COLLECTOR_MERGE_H

#include "recorder/collector/processes.h"
#include "recorder/collector/transcode.h"

struct merge {
    struct shared *shared;
    struct processes *processes;
    struct transcoder transcoder;
    struct stream streams[RING_LIMIT];
    uint32_t first[SLOT_LIMIT]; /* by slot: index + 1 of the process's first ring in this cut */
    uint64_t turn[SLOT_LIMIT];  /* by slot: the turn up to which this cut may be merged */
    uint32_t owner[SLOT_LIMIT]; /* by slot: ring index + 1 that held it */
};

/* m is large: on the heap. shared and processes are borrowed. */
void merge_init(struct merge *m, struct shared *shared, struct processes *processes, struct output *output);
void merge_release(struct merge *m);

/* Drains once. Returns the bytes consumed. */
uint64_t merge_drain(struct merge *m);

#endif
