/* Which frames of a C stack are the interpreter's loops, and where the stack begins.
 *
 * A frame whose part of the stack holds one of the interpreter's entry records is its loop; in 3.9,
 * which has none, a frame in the loop's code (eval.h).
 * greenlet keeps many stacks at one place, by copying them away and back. Such a stack begins in a
 * frame of that library, RULE_COPIES; what stands further out is what others have left there, and
 * can be anything. It is the innermost frame of the library that none of the thread's own loops is
 * outside of: entry records are those of the greenlet that runs.
 *
 *   C stack    _start  loop  green_switch │ bootstrap  LOOP  list_sort  LOOP  malloc's caller
 *              what others have left        begins      entries of this greenlet
 *
 * Not here: reading frames, their nodes (native.c). */
#ifndef RECORDER_PRELOAD_LOOPS_H
#define RECORDER_PRELOAD_LOOPS_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/preload/native.h"

/* Where a frame is: what leaving it depends on, beside memory. */
struct frame_state {
    uintptr_t ip, sp, bp;
    bool exact; /* ip is where it was interrupted, not a return address */
};

struct native_frame {
    struct frame_state at;
    uint32_t first; /* of its words */
    uint32_t node;
    uint64_t serial; /* of its appending: no other frame has it */
    bool needs_bp;   /* a frame from here on out is told from this RBP */
    bool copies;     /* is of a library that copies stacks away */
    bool marked;     /* is a loop */
};

struct loops {
    uint32_t changed;   /* the outermost frame whose mark has changed, at most `from` */
    uint32_t outermost; /* the outermost loop; depth: there is none */
    uint32_t beginning; /* where a stack that is copied begins; depth: it is not */
};

/* Marks the loops among frames 0 (outermost) .. depth - 1. */
struct loops loops_mark(struct native_frame *frames, uint32_t depth,
                        const struct native_marks *marks, uint32_t from);

#endif
