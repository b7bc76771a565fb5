/* Walking from a stack's node to its callers: see callers.h. Why it cannot run for ever: a parent's
 * id is smaller than its child's. */
#include "analyzer/callers.h"

#include "format/error.h"
#include "format/grow.h"
#include <stdlib.h>

#define FRAMES_PER_NODE      100
#define FRAMES_AT_LEAST      200000u
#define FRAMES_BEYOND_BUDGET 64

void callers_init(struct callers *c, const struct symbols *symbols)
{
    *c = (struct callers){.symbols = symbols, .budget = FRAMES_AT_LEAST};
    c->budget += FRAMES_PER_NODE * (uint64_t)symbols->defined_stacks;
}

void callers_release(struct callers *c) { free(c->frames); }

int callers_add(struct callers *c, uint32_t frame)
{
    if (c->depth == c->capacity && !GROW(c->frames, c->capacity, 256))
        return -ERR_NOMEM;
    c->frames[c->depth++] = frame;
    return 0;
}

int callers_of(struct callers *c, uint32_t stack)
{
    const struct stack_node *n;
    c->depth = 0;
    while ((n = symbols_stack(c->symbols, stack)) &&
           (c->budget || c->depth < FRAMES_BEYOND_BUDGET)) {
        if (callers_add(c, n->frame))
            return -ERR_NOMEM;
        c->budget -= c->budget > 0;
        stack = n->parent_plus_1 - 1;
    }
    c->left_out = n;
    c->unknown = !n && stack != STACK_EMPTY;
    return 0;
}
