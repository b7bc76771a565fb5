/* Stacks merged from the outermost frame inwards: the call tree with the bytes below each node.
 * Why not every node is kept: of a million stacks, a report shows a screen or two. The sums are
 * made for all in arrays by stack (merged.h); nodes are made for what holds enough to be told, for
 * the largest child of each (a chain of calls is followed to its end), and the others are counted.
 *
 *   tree_add ──▶ totals by stack ──up──▶ totals of callers ──down──▶ nodes of those worth one
 *
 * Invariants: a parent has a smaller index than its children; bytes = own_bytes + those of all
 * children; node 0 is the root of all; the children that are kept are in falling order of bytes (of
 * equal ones the first defined in the trace, the process added first, and what has no stack last)
 * and are the largest. Walks are loops: a stack may be as deep as a trace says. Not here: printing
 * (tree_view.h), which values (the reports). Not thread-safe. */
#ifndef ANALYZER_TREE_H
#define ANALYZER_TREE_H

#include "analyzer/merged.h"

enum node_kind { NODE_FRAME, NODE_PROCESS, NODE_NO_STACK, NODE_UNKNOWN };

struct node {
    uint32_t parent, first_child, next_sibling; /* 0: none */
    uint32_t function; /* FRAME: canonical function id; PROCESS: process id */
    uint64_t line;
    uint64_t bytes, own_bytes;
    uint32_t children; /* how many, those not kept included */
    uint8_t kind;
};

struct tree {
    struct node *nodes;
    uint32_t count, capacity;
    uint64_t blocks; /* added in all */
    bool skipped;    /* were frames of importlib left out? */
    uint64_t keep_bytes;
    struct merged merged;
    uint64_t *totals;  /* by number (merged.h): bytes of the current group; at the end node indices
                        */
    uint64_t *touched; /* bits by number: in the current group */
    uint32_t group, highest; /* the group's node; the largest number touched */
    uint64_t no_stack_bytes;
    bool no_stack;
};

/* A tree of stacks of these symbols (borrowed; must not change) that keeps what has keep_bytes or
 * more; 0: everything. skip_imports leaves out the frames of importlib. Returns 0 or -ERR_NOMEM;
 * release is needed in both cases. */
int tree_init(struct tree *t, const struct symbols *s, bool skip_imports, uint64_t keep_bytes);
/* Frees everything. */
void tree_release(struct tree *t);

/* What is added from here on stands below a node of this process; each comes at most once. Returns
 * 0 or -ERR_NOMEM. */
int tree_process(struct tree *t, uint32_t process);
/* Adds bytes and a count of blocks at a stack. */
void tree_add(struct tree *t, uint32_t stack, uint64_t bytes, uint64_t count);
/* Sums up and sorts. To be called once, after the last tree_add. Returns 0 or -ERR_NOMEM. */
int tree_finish(struct tree *t);

#endif
