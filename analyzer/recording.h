/* A trace that was opened and replayed for one report: the file, what was read of it, and the state
 * at the moment asked for. Why apart from the reports: every report begins like this, and a
 * comparison will need two. Invariants: after recording_replay succeeds, the moment was reached and
 * the process and thread asked for exist. Not here: exit statuses and printing (main.c). Not
 * thread-safe. */
#ifndef ANALYZER_RECORDING_H
#define ANALYZER_RECORDING_H

#include "replay/naming.h"
#include "replay/symboliser.h"
#include "replay/options.h"
#include "replay/replay.h"

/* What the file says of itself, from a trace's reader or as a database keeps it. The header is
 * known once it is open, the rest once it was replayed. */
struct file_facts {
    const struct trace_header *header;
    const struct trace_damage *damage; /* [damage_count], in file order */
    size_t damage_count;
    bool complete;      /* it ends as the recorder ended it */
    uint64_t cut_bytes; /* of an unfinished block at its end */
    uint64_t lost_allocations, declared_events;
    uint32_t blocks, lost_blocks;
    uint64_t stacks, functions; /* that it defines */
};

struct recording {
    const char *name; /* as typed, or "stdin" */
    int fd;
    bool regular;        /* can be read twice */
    uint64_t file_bytes; /* of a regular file; otherwise as read */
    uint64_t duration_ns;
    uint64_t asked_ns; /* the moment that was asked for, where a database only has one before it;
                          else 0 */
    bool folded;       /* machine code outside innermost Python frames is not shown (layers.h) */
    struct file_facts file;
    struct reader reader; /* of a trace */
    struct store *store;  /* of a database; NULL: it is a trace */
    struct replay replay;
    struct symboliser symboliser;
    struct naming naming; /* of native frames: what came of looking them up */
    bool foreign_names;   /* the names beside the trace are of another one */
};

typedef void recording_progress(void *context, uint64_t bytes, uint64_t of_bytes);

/* Opens a trace or a database by name, `-` for a trace on stdin (name borrowed). Returns 0;
 * -ERR_NOT_FOUND, -ERR_IO, -ERR_NOT_A_TRACE, -ERR_VERSION,
 * -ERR_TRUNCATED, -ERR_DAMAGED, -ERR_NOMEM: err says what is wrong with which file and what to do.
 * recording_close is needed in all cases. */
int recording_open(struct recording *rec, const char *name, struct err *err);
/* Closes the file and frees the replay; a zeroed rec is allowed. */
void recording_close(struct recording *rec);

/* Replays it for the options given. progress may be NULL. Returns 0; -ERR_USAGE for a moment,
 * process or thread that it does not have, and for what a database does not keep; -ERR_IO,
 * -ERR_NOMEM. */
int recording_replay(struct recording *rec, const struct options *options,
                     recording_progress *progress, void *context, struct err *err);

/* Events that are missing: those the recorder lost and those in damaged blocks. */
uint64_t recording_lost_events(const struct recording *rec);
/* Blocks that were damaged or are missing; at least 1 when anything in the file is damaged. */
uint32_t recording_damaged_blocks(const struct recording *rec);
/* Does the thread of a site have this tid or name? */
bool recording_thread_is(const struct recording *rec, uint32_t thread, const char *wanted);

#endif
