/* The trace being written: encoder, names and writer as one thing that events go into.
 * Why: everybody who has something to say says it with output_event and need not know of blocks.
 * Invariants: after the recording was stopped, events vanish silently; the reason is told once. Not
 * here: what the events are. Not thread-safe. */
#ifndef RECORDER_COLLECTOR_OUTPUT_H
#define RECORDER_COLLECTOR_OUTPUT_H

#include "recorder/collector/names.h"
#include "recorder/collector/writer.h"

struct output {
    struct encoder *encoder;
    struct names *names;
    struct writer *writer;
    uint64_t started_mono_ns, sealed_ns; /* trace time of the last seal */
    uint64_t now_ns;                     /* trace time of the last stamp */
    enum reason stopped;                 /* REASON_NONE while recording */
};

/* fd: owned. Returns 0 or a negative error with err filled. */
int output_start(struct output *o, int fd, const struct trace_header *header,
                 const struct writer_limits *limits, struct err *err);

/* Appends; seals the block first where it must. *id (may be NULL) as encoder_append's. Returns
 * false when nothing is recorded any more. */
bool output_event(struct output *o, const struct event *ev, uint32_t *id);
/* output_event for a record; borrowed. */
bool output_record(struct output *o, const struct record *record, uint32_t *id);
/* output_event for an ALLOC, quicker. */
bool output_alloc(struct output *o, unsigned allocator, uint32_t stack, uint64_t size_bytes);
/* output_event for a FREE by index, quicker. */
bool output_free(struct output *o, uint64_t index);

/* Stamps the trace with the time now (CLOCK_MONOTONIC). Cheap when nothing was written since. */
void output_stamp(struct output *o);
/* Hands a full block, or one older than a second, to the writer. To be called every few thousand
 * events. */
void output_tick(struct output *o);
/* Brings everything so far into the file. */
void output_flush(struct output *o);
/* Ends recording; the first reason stays. */
void output_stop(struct output *o, enum reason why);
/* Seals, writes the end and frees everything. Returns the events in the trace. */
uint64_t output_finish(struct output *o);

#endif
