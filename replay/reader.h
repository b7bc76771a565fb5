/* A trace file as one stream of events, in batches, with its damage collected beside it.
 * Why batches that own their events: see batch.h. Invariants: every block begins with a THREAD and
 * a TIME event of its header, so that a lost block before it changes neither; ids and allocation
 * indices only jump where blocks were lost, and a LOST event says so before anything that comes
 * after. Not here: what events mean (replay.h), reading ahead (feed.h). Not thread-safe. */
#ifndef REPLAY_READER_H
#define REPLAY_READER_H

#include "format/decode.h"
#include "format/trace_file.h"
#include "replay/batch.h"

struct reader {
    struct trace_reader *trace;
    struct decoder *decoder;
    struct block_info block, expected; /* expected: what the next block's header should say, where
                                          it is known */
    bool in_block, after_loss;
    struct trace_trailer trailer;
    bool has_trailer;
    struct trace_damage *damage; /* in file order */
    size_t damage_count, damage_capacity;
    uint32_t blocks, lost_blocks;
    uint64_t payload_bytes, block_offset;
    uint64_t lost_ids; /* that were passed over so far */
};

/* Opens fd (borrowed) as a trace; name is for messages (borrowed). Returns 0 or what
 * trace_reader_open says, err filled. reader_close is needed in both cases. */
int reader_open(struct reader *r, int fd, const char *name, struct err *err);
/* Frees everything; fd stays open. */
void reader_close(struct reader *r);

/* Fills the batch, cleared before, with the next events: at least one, none of two blocks. Returns
 * 1; 0 at the end; -ERR_IO or -ERR_NOMEM with err filled. Damage is no error: it is appended to
 * `damage` and reading goes on behind it. */
int reader_read(struct reader *r, struct batch *batch, struct err *err);

/* Does the file end as the recorder ended it? Only after the end. */
bool reader_complete(const struct reader *r);
/* How many events the file says it holds, lost ones included. Only after the end. */
uint64_t reader_declared_events(const struct reader *r);

#endif
