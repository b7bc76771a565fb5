/* A file that appears whole or not at all: written under another name in the same folder, then put
 * in its place. Why: whoever looks sees the old file or the new one, also when we are interrupted.
 * Invariants: the draft is its owner's alone (0600); it is removed when writing fails and when a
 * signal ends us (SIGHUP, SIGINT, SIGTERM; nothing helps against SIGKILL); one at a time. Not here:
 * what is in it. Not thread-safe. */
#ifndef ANALYZER_DRAFT_H
#define ANALYZER_DRAFT_H

#include "format/error.h"
#include <limits.h>
#include <stdbool.h>

struct draft {
    int fd;             /* the draft's, for reading and writing; draft_* closes it */
    const char *target; /* borrowed */
    char path[PATH_MAX];
    bool force;
};

/* Refuses what must not be replaced: an existing file without force, anything but a file or a link
 * with it (the link is replaced, not what it leads to).
 * Makes the draft, empty. Returns 0, -ERR_USAGE (exists; its folder cannot be written) with err
 * filled; draft_discard or draft_publish is needed after 0. */
int draft_open(struct draft *d, const char *target, bool force, struct err *err);
/* Flushes the file to disk and puts it in its place. Returns 0, -ERR_USAGE (exists by now), or
 * -ERR_IO with err filled; the draft is gone in all cases. */
int draft_publish(struct draft *d, struct err *err);
/* Removes it. */
void draft_discard(struct draft *d);

#endif
