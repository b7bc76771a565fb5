/* Who held the memory before and after, by the program's own functions: the innermost function of
 * its own in a path answers for what the libraries below it allocated. And whether the peak moved:
 * whether what held it before gave way to something else.
 * Why own functions: "numpy holds less and pandas more" helps nobody find the line to change.
 * Invariants: the sums over all holders are the sides' bytes. Not here: renamed functions
 * (proposals.h); what may be the same function under another name makes no peak move. Not
 * thread-safe. */
#ifndef ANALYZER_HOLDERS_H
#define ANALYZER_HOLDERS_H

#include "analyzer/proposals.h"

#define HOLDERS_TOLD 3

struct holder {
    uint32_t function;
    uint64_t bytes[PATH_SIDES];
};

struct holders {
    struct holder *items; /* by function of the paths */
    uint32_t count;
    uint64_t lost_bytes, gained_bytes; /* over the holders that shrank, and that grew */
    /* Those that held most of what is no longer held, and of what was not held before. */
    struct holder lost[HOLDERS_TOLD], gained[HOLDERS_TOLD];
    uint32_t lost_count, gained_count;
    bool moved; /* both are a tenth of their side or more, and beyond the noise */
};

/* Sums up. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int holders_init(struct holders *h, const struct comparison *c, const struct proposals *p);
/* Frees everything, also of zeroed holders. */
void holders_release(struct holders *h);

#endif
