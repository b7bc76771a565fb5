/* What a process's own node numbers mean: the trace-wide stack of each, and the code of its
 * outermost frame. Why pages that say "one more each": a process numbers its nodes in the order in
 * which the trace numbers them too, and nearly all have one outermost frame, so most pages need no
 * array at all: half a byte a node where arrays would take eight.
 *
 *   node  27 ...... 6 | 5 .. 0
 *         page          place: stacks[place], or first_stack + place * step
 *
 * Invariants: a number that was never defined has stack 0; numbers are below NODES_LIMIT. Not here:
 * what a stack is (names.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_NODES_H
#define RECORDER_COLLECTOR_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODES_PAGE  64u
#define NODES_LIMIT (1u << 28) /* as the interner has it */
#define NODES_JUMP                                                                                 \
    65536u /* numbers come in order, but for those given up: a larger gap is a lie                 \
            */

struct node_page {
    uint32_t *stacks;     /* [NODES_PAGE]; NULL: first_stack + place * step */
    uint32_t *outermosts; /* [NODES_PAGE]; NULL: all `outermost` */
    uint32_t first_stack, step, outermost;
};

/* All zero: none defined. */
struct nodes {
    struct node_page *pages;
    uint32_t count, page_capacity; /* numbers below count may be defined */
    uint32_t arrays;               /* that pages have */
};

/* Is that a number that can come now? */
static inline bool nodes_may_define(const struct nodes *n, uint32_t node)
{
    return node < n->count || (node < NODES_LIMIT && node - n->count <= NODES_JUMP);
}

/* Defines a node, also once more. stack: not 0. Returns false when the number is absurd or there is
 * no memory: what was there stays. */
bool nodes_define(struct nodes *n, uint32_t node, uint32_t stack, uint32_t outermost);
/* Makes `to`, which is empty, a copy. Returns false when out of memory: it is empty still. */
bool nodes_copy(struct nodes *to, const struct nodes *from);
/* Memory that it takes. */
static inline size_t nodes_bytes(const struct nodes *n)
{
    return n->page_capacity * sizeof *n->pages + n->arrays * (NODES_PAGE * sizeof(uint32_t));
}
/* Forgets all; n may be used again. */
void nodes_release(struct nodes *n);

/* The stack of a node; 0: not defined. */
static inline uint32_t nodes_stack(const struct nodes *n, uint32_t node)
{
    if (node >= n->count)
        return 0;
    const struct node_page *page = &n->pages[node / NODES_PAGE];
    uint32_t place = node % NODES_PAGE;
    return page->stacks ? page->stacks[place] : page->first_stack + place * page->step;
}

/* The code of its stack's outermost frame; 0: not defined, or none. */
static inline uint32_t nodes_outermost(const struct nodes *n, uint32_t node)
{
    if (!nodes_stack(n, node))
        return 0;
    const struct node_page *page = &n->pages[node / NODES_PAGE];
    return page->outermosts ? page->outermosts[node % NODES_PAGE] : page->outermost;
}

#endif
