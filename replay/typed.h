/* What people type for moments, sizes and bounds, parsed without a trace at hand: `80%`, a mark's
 * name and a share of growth get their meaning later (analyzer/recording.h). Not here: options
 * (options.h). Thread-safe. */
#ifndef REPLAY_TYPED_H
#define REPLAY_TYPED_H

#include "format/error.h"
#include <stdbool.h>
#include <stdint.h>

enum when_kind { WHEN_NONE, WHEN_PEAK, WHEN_START, WHEN_END, WHEN_TIME, WHEN_SHARE, WHEN_MARK };

/* A moment as typed. */
struct when {
    enum when_kind kind;
    uint64_t time_ns;   /* TIME */
    uint32_t share_ppm; /* SHARE: of the duration, 0..1,000,000 */
    const char *text;   /* as typed */
    const char *mark;   /* MARK: the name, within text */
};

/* A bound as typed: bytes, or a share. */
struct bound {
    bool given, is_share;
    uint64_t bytes;
    uint32_t share_ppm;
};

/* A moment: a word of CLI.md, a time with a unit (12.5s, 300ms, 2m, 1h), a share (80%), else a
 * mark's name; `mark:` before it for a name that reads like one of the others. Returns 0 or
 * -ERR_USAGE (a share above 100%, a time that does not fit). */
int when_parse(struct when *when, const char *text, struct err *err);
/* A bound: a size (format/size.h), or where shares make sense (2%) a share of any height. name: the
 * option's, for the sentence. Returns 0 or -ERR_USAGE. */
int bound_parse(struct bound *bound, const char *name, const char *text, bool shares,
                struct err *err);

#endif
