/* Where a command writes: stdout, a pipe or device as it stands, or a file that appears whole or
 * not at all. Why one place: all refuse alike, and other people's folders are shared. Invariants: a
 * file is new and its owner's alone (0600); an existing one is only replaced with -f, by a draft
 * put in its place (draft.h); nothing is written through a link, nor into somebody else's pipe. Not
 * here: what is written. Not thread-safe. */
#ifndef ANALYZER_OUTPUT_H
#define ANALYZER_OUTPUT_H

#include "analyzer/draft.h"
#include "replay/options.h"

struct output {
    FILE *file;       /* for whoever writes; output_close closes it */
    const char *name; /* borrowed */
    struct draft draft;
    bool drafted;
};

/* Opens -o FILE; stdout without -o and for `-` and /dev/stdout. A descriptor that the shell lent
 * (/dev/fd/63) is written as it is. Returns 0 or -ERR_USAGE with err filled: it exists and there is
 * no -f, or it cannot be written. */
int output_open(struct output *out, const struct options *o, struct err *err);
/* Ends what output_open began. rc: how the writing went; where it failed, no file is left, and an
 * existing one as it was. Returns rc where it is not 0, else 0, -ERR_USAGE or -ERR_IO with err
 * filled. */
int output_close(struct output *out, int rc, struct err *err);
/* "wrote FILE" for people, unless it went to stdout. */
void output_tell(const struct options *o, FILE *notes);

#endif
