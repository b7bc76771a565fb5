/* The frames of one stack, collected from the innermost outwards. Why collected: a node knows its
 * caller, and most formats want the outermost frame first. Why a budget: stacks share their outer
 * frames but are written out whole, so a small hostile file could ask for terabytes; beyond a
 * hundred frames for each that the trace defines, stacks keep their innermost ones only, and say
 * so. Not here: how a frame is shown (frame.h). Not thread-safe. */
#ifndef ANALYZER_CALLERS_H
#define ANALYZER_CALLERS_H

#include "replay/symbols.h"

struct callers {
    const struct symbols *symbols; /* borrowed */
    uint32_t *frames;              /* of the stack asked for last: indices into symbols->frames */
    size_t depth, capacity;
    uint64_t budget; /* frames to be collected before stacks are cut */
    bool left_out;   /* outer frames are missing: the budget is spent */
    bool unknown;    /* outer frames are missing: no readable block defines them */
};

/* Starts with a whole budget; symbols is borrowed. */
void callers_init(struct callers *c, const struct symbols *symbols);
/* Frees what was collected. */
void callers_release(struct callers *c);
/* Collects the frames of a stack, the innermost first. Returns 0 or -ERR_NOMEM. */
int callers_of(struct callers *c, uint32_t stack);
/* Puts one more behind the outermost frame: what stands for missing ones. Returns 0 or -ERR_NOMEM.
 */
int callers_add(struct callers *c, uint32_t frame);

#endif
