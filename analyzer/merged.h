/* Stacks that read the same are one: the stack nodes of a trace numbered without gaps, and for each
 * the first that has the same frames. Why numbers: a trace may have millions of nodes and ids that
 * jump; arrays by number are small and stand in the order of definition. Why by function text and
 * line: the same frame has other ids in another process or a recreated code object.
 *
 *   number   0: no stack   1: unknown   2 …: the nodes by rising id; a parent's is smaller
 *
 * Invariants: merged_first() of a number is its own or a smaller one, and so is that of its parent;
 * what is left out (the frames of importlib) reads as its parent. Not here: bytes (tree.h). Not
 * thread-safe. */
#ifndef ANALYZER_MERGED_H
#define ANALYZER_MERGED_H

#include "format/bits.h"
#include "replay/symbols.h"

#define MERGED_EMPTY   0u
#define MERGED_UNKNOWN 1u
#define MERGED_NODES   2u /* the first node's number */

struct merged {
    const struct symbols *symbols; /* borrowed */
    uint32_t *leaf_numbers; /* of each leaf of the stacks: its first number, 0: no such leaf */
    uint32_t *leaves;       /* and back: the leaf of number / leaf items */
    uint32_t *first;        /* by number; the owner may keep other things there for a while */
    uint32_t *frames;       /* by frame: the first that reads the same */
    uint8_t *import_frames; /* by frame: is it importlib's? */
    uint64_t *left_out;     /* bits by number: is it or an outer frame left out? */
    uint32_t count;
};

/* Numbers and compares all stacks. skip_imports: leaves out importlib's frames below others.
 * symbols is borrowed and must not change. Returns 0 or -ERR_NOMEM; release is needed in both
 * cases. */
int merged_init(struct merged *m, const struct symbols *symbols, bool skip_imports);
/* Frees everything. */
void merged_release(struct merged *m);

/* The node of a number >= MERGED_NODES; all zero where the id is not defined. */
static inline const struct stack_node *merged_node(const struct merged *m, uint32_t number)
{
    const struct sparse *stacks = &m->symbols->stacks;
    uint32_t at = number - MERGED_NODES, mask = (1u << stacks->leaf_log2) - 1;
    const struct stack_node *leaf = stacks->leaves[m->leaves[at >> stacks->leaf_log2]];
    return &leaf[at & mask];
}

/* The number of a stack id; MERGED_UNKNOWN where it is not defined. */
static inline uint32_t merged_number(const struct merged *m, uint32_t stack)
{
    if (stack == STACK_EMPTY)
        return MERGED_EMPTY;
    if (!symbols_stack(m->symbols, stack))
        return MERGED_UNKNOWN;
    unsigned log2 = m->symbols->stacks.leaf_log2;
    return m->leaf_numbers[stack >> log2] + (stack & ((1u << log2) - 1));
}

/* And back: the stack id of a number. */
static inline uint32_t merged_stack(const struct merged *m, uint32_t number)
{
    unsigned log2 = m->symbols->stacks.leaf_log2;
    uint32_t at = number - MERGED_NODES;
    if (number < MERGED_NODES)
        return number == MERGED_EMPTY ? STACK_EMPTY : STACK_UNKNOWN;
    return m->leaves[at >> log2] << log2 | (at & ((1u << log2) - 1));
}

/* The number of a node's caller. */
static inline uint32_t merged_parent(const struct merged *m, uint32_t number)
{
    return number < MERGED_NODES ? MERGED_EMPTY
                                 : merged_number(m, merged_node(m, number)->parent_plus_1 - 1);
}

static inline bool merged_left_out(const struct merged *m, uint32_t number)
{
    return bits_has(m->left_out, number);
}

#endif
