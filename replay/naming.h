/* Names for the native frames of a replayed trace: frames of kind MODULE (an offset in a file)
 * become frames of kind NATIVE (a function, a file, a line), one or several where functions were
 * inlined. Why a pass after reading: each offset is then looked up once, grouped by module, and
 * reports see functions as Python has them.
 *
 *   stack node  libx.so+0x1f2a  ──▶  node  outer (x.c:10)  ◀─ parent ─  node  inlined (y.h:3)
 *
 * Stacks get new numbers, so that a parent's is still smaller than its child's, and all that refers
 * to them follows. Invariants: what nothing is known of stays a MODULE frame; names only come from
 * a file with the build id that was recorded, or from names that the trace brings along; sums do
 * not change. Not here: where names come from (symboliser.h), how frames are shown
 * (analyzer/frame.h). Not thread-safe. */
#ifndef REPLAY_NAMING_H
#define REPLAY_NAMING_H

#include "format/names.h"
#include "replay/replay.h"
#include "replay/symbolise.h"

/* A module whose offsets were looked up. */
struct naming_module {
    const struct function *function; /* of kind MODULE */
    uint32_t asked, named;           /* offsets */
    uint32_t packed;                 /* of those asked: answered by names that were brought along */
    enum symbolise_status status;    /* of its file; READ where that was not needed */
};

/* What came of it. */
struct naming {
    struct naming_module *modules;
    uint32_t module_count;
    uint64_t asked, named;
};

/* Names that were brought along: parts as trace_reader_names gives them. */
struct naming_parts {
    const uint8_t *bytes;
    size_t length;
};

struct symboliser;

struct naming_options {
    const struct trace_header *header; /* of the trace: its id, and when it was recorded */
    struct naming_parts parts[2];
    const uint8_t *frames; /* by frame: is its name wanted? NULL: all */
    struct symboliser *symboliser;
};

/* Takes what is known of an offset that was looked up, as names_take. */
typedef int naming_take(void *context, const struct naming_module *module, uint64_t offset,
                        const struct names_frame *frames, uint32_t count);

/* Puts names in place of offsets in r, after replay_trim. Returns 0 or -ERR_NOMEM; release is
 * needed in both cases. */
int naming_apply(struct naming *n, struct replay *r, const struct naming_options *options);
/* Looks up all offsets of the trace on this machine and gives the answers to `take`, module by
 * module, offsets rising; the replay stays as it is. Returns 0, -ERR_NOMEM or what `take` returned;
 * release is needed in all cases. */
int naming_look_up(struct naming *n, const struct replay *r, const struct naming_options *options,
                   naming_take *take, void *context);
/* Frees what naming_apply or naming_look_up took; a zeroed one is allowed. */
void naming_release(struct naming *n);

#endif
