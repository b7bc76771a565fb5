/* Where native frames are recorded: what a process's nodes consist of, and the trace's stack of
 * each, with Python frames where they belong.
 *
 * A process interns its Python frames and its C frames apart (recorder/preload/pair.h). Both chains
 * are put together here, once for each pair that is used: from the innermost frame outwards, each
 * native frame that is the interpreter's loop gives place to the Python frames of that loop.
 *
 *   Python   main  f │ g  h │ k          │ CODE_ENTRY: a loop begins
 *   native   _start  run  EVAL  list_sort  EVAL  call  EVAL  malloc's caller
 *   stack    _start  run  main f  list_sort  g h  call  k  malloc's caller
 *
 * Python frames for which no loop is left (the walk of C frames was cut) stand outermost; a loop
 * for which no Python frames are left is a native frame by the name of its function.
 *
 * Invariants: a node's parent, and a pair's halves, have smaller numbers than it, whatever a
 * process says; so every chain ends. A stack is asked of names only when an event has it. Not here:
 * what numbers a process may define (recorded.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_CHAINS_H
#define RECORDER_COLLECTOR_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recorder/collector/names.h"

/* What a node is, where it is no frame: in place of a function of the trace. */
enum chain_mark {
    CHAIN_MARKS = 0xFFFFFFF0u, /* from here on */
    CHAIN_PAIR = CHAIN_MARKS,  /* parent: the Python half; line: the native half */
    CHAIN_CONCAT,              /* parent: the thread's origin; line: the native half */
    CHAIN_EVAL,
    CHAIN_ENTRY
};

struct chain_node {
    uint32_t parent;
    uint32_t function; /* trace-wide, or enum chain_mark */
    uint32_t line;     /* or an offset */
    uint32_t outermost;
    uint32_t stack; /* trace-wide; 0: not asked for yet */
};

struct chain_memo;

/* All zero: none defined. */
struct chains {
    struct chain_node *nodes;
    uint32_t count, capacity;
    bool each_is_entry; /* CPython <= 3.10: every Python frame has a loop of its own */
    bool may_be_ahead;  /* 3.9: a loop is known by its code, before its frame is there */
    struct chain_memo *memo;
    struct chain_level *levels; /* scratch */
    uint32_t *frames;
    uint32_t level_capacity, frame_capacity;
};

/* Defines a node, also once more. node: NODES_JUMP at most beyond the last. Returns false when the
 * number is absurd, it refers to a larger one, or there is no memory. */
bool chains_define(struct chains *c, uint32_t node, const struct chain_node *as);
/* The stack of a node that was defined; STACK_UNKNOWN of one that was not, or without memory. */
uint32_t chains_stack(struct chains *c, struct names *names, uint32_t node);
/* Its stack if that was asked for before, else 0. */
static inline uint32_t chains_known(const struct chains *c, uint32_t node)
{
    return node < c->count ? c->nodes[node].stack : 0;
}
/* The code of its outermost Python frame; 0: none. */
static inline uint32_t chains_outermost(const struct chains *c, uint32_t node)
{
    return node < c->count ? c->nodes[node].outermost : 0;
}
/* Makes `to`, which is empty, a copy. Returns false when out of memory: it is empty still. */
bool chains_copy(struct chains *to, const struct chains *from);
/* Memory that it takes. */
size_t chains_bytes(const struct chains *c);
/* Forgets all; c may be used again. */
void chains_release(struct chains *c);

#endif
