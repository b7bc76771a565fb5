/* Functions that are gone and functions that are new, paired where they look like the same one
 * under another name or in another file.
 * Why proposed and never merged: only a person knows whether `load_fast` is `load` renamed or
 * something else; figures that silently mix two functions mislead. Invariants: both of a pair ran
 * on one side only; a function is in one pair at most. Not here: words (diff_text.h). Not
 * thread-safe. */
#ifndef ANALYZER_PROPOSALS_H
#define ANALYZER_PROPOSALS_H

#include "analyzer/comparison.h"

enum proposal_kind { PROPOSAL_RENAMED, PROPOSAL_MOVED }; /* the same file; the same name */

struct proposal {
    enum proposal_kind kind;
    uint32_t before, after; /* functions of the paths */
    unsigned percent;       /* how alike they are */
};

struct proposals {
    struct proposal *items; /* those that hold most first */
    uint32_t count;
};

/* Pairs what holds more than the noise. Returns 0 or -ERR_NOMEM; release is needed in both cases.
 */
int proposals_init(struct proposals *p, const struct comparison *c);
/* Frees everything, also of zeroed proposals. */
void proposals_release(struct proposals *p);

#endif
