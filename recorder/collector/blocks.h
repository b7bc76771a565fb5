/* Runs of ALLOC and FREE words, which nearly all words are: from the ring into the encoder's
 * columns in one loop that calls nothing. Why beside transcode.c: it handles what is usual and
 * leaves everything else, one word of it, to the functions there; both write the same trace. Not
 * thread-safe. */
#ifndef RECORDER_COLLECTOR_BLOCKS_H
#define RECORDER_COLLECTOR_BLOCKS_H

#include "recorder/collector/transcode.h"

/* Handles words from s->tail up to `end` (at most s->head), and stops before the first one that is
 * not usual: another kind, a big block, an address that is unknown or taken, a stack that is new to
 * the block. Moves s->tail. Returns the events handled. The stream's thread is the trace's current
 * one. */
uint64_t blocks_run(struct transcoder *tc, struct stream *s, uint64_t end);

#endif
