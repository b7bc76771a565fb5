/* Stacks merged from the outermost frame inwards: the call tree with the bytes below each node.
 * Why merged by function text and line: the same frame has other ids in another process or a
 * recreated code object. Invariants: a parent has a smaller index than its children; bytes =
 * own_bytes + the children's; node 0 is the root of all; children are in falling order of bytes.
 * Walks are loops: a stack may be as deep as a trace says. Not here: printing (tree_view.h), which
 * values (the reports). Not thread-safe. */
#ifndef ANALYZER_TREE_H
#define ANALYZER_TREE_H

#include "replay/symbols.h"

enum node_kind { NODE_FRAME, NODE_PROCESS, NODE_NO_STACK, NODE_UNKNOWN };

struct node {
    uint32_t parent, first_child, next_sibling; /* 0: none */
    uint32_t function; /* FRAME: canonical function id; PROCESS: process id */
    uint64_t line;
    uint64_t bytes, own_bytes, count, own_count;
    uint8_t kind;
};

struct tree {
    struct node *nodes;
    uint32_t count, capacity;
    uint32_t *slots; /* hash of (parent, kind, function, line) */
    uint64_t mask;
    struct memo *memos; /* (group, stack) -> node */
    uint64_t memo_count, memo_mask;
    uint32_t *path;
    size_t path_capacity;
    bool skip_imports, skipped; /* leave out the frames of importlib; were there any? */
};

/* Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int tree_init(struct tree *t);
/* Frees everything; t may be used again after tree_init. */
void tree_release(struct tree *t);

/* The node of a process below the root. 0 when out of memory. */
uint32_t tree_process(struct tree *t, uint32_t process);
/* Adds bytes and count at a stack below group (0, or what tree_process gave). Returns 0 or
 * -ERR_NOMEM. */
int tree_add(struct tree *t, const struct symbols *s, uint32_t group, uint32_t stack,
             uint64_t bytes, uint64_t count);
/* Sums up and sorts. To be called once, after the last tree_add. Returns 0 or -ERR_NOMEM. */
int tree_finish(struct tree *t);

#endif
