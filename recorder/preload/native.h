/* The calling thread's C stack, as one 32-bit number, at every allocation.
 *
 * A stack is read by rules (rules.h), and remembered: for each frame its state (instruction, RSP,
 * RBP), and the words of memory that were read to leave it. At the next allocation the frames are
 * stepped out of until one is in the state that a remembered one was in; if every word that was
 * read from there on is what it was, so is everything outside it:
 *
 *   now         s0 ── s1 ── s2 ┐                          innermost first, by rules
 *   remembered        [4] ── [3] ── [2] ── [1] ── [0]     words verified, innermost first
 *                            s2 == [3]
 *
 * Words are return addresses, saved frame pointers where a frame further out is told from RBP, and
 * addresses at which a CFA was read. Nothing else is assumed: longjmp, exceptions, switched stacks
 * and signals make states or words differ. A word is read only where those before it vouch for it.
 * A remembered stack is void when a module has gone (modules.h).
 *
 * Frames of our own library are walked and get no node. The interpreter's loops (loops.h) become
 * CODE_EVAL: Python frames stand in their place (recorder/collector/chains.h). A greenlet's stack
 * begins where greenlet begins it.
 * Not here: how a frame is left (unwind.h), who calls (pair.h). Owned by one thread. */
#ifndef RECORDER_PRELOAD_NATIVE_H
#define RECORDER_PRELOAD_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "recorder/preload/intern.h"

/* One a thread; own mapping. */
struct native_list;

/* Deeper stacks are lost, but for one look in a thousand (as walk.h has it). */
enum { NATIVE_DEPTH_MAX = 65536 };

/* What could not be told, since the process began. */
struct native_losses {
    uint64_t cut;  /* walks that ended before the outermost frame */
    uint64_t lost; /* walks that told nothing */
};

/* The places that tell the interpreter's loop from other frames. */
struct native_marks {
    const uintptr_t *entries; /* addresses of entry records, innermost first; on the C stack */
    uint32_t count;
    bool by_range;   /* 3.9 has none: by the code's own place (eval_holds, eval.h) */
    uint32_t frames; /* then, of the thread's Python stack: each has a loop */
};

/* The node of the calling thread's C stack, outermost first.
 * *list: the thread's, NULL before the first call. NODE_NONE: no frame; NODE_LOST: no memory, the
 * lock not had, a definition refused, too deep (counted). A walk that ends early returns what it
 * has (counted as cut); with entries, only what is inside the outermost of them.
 * Waits LOCK_WAIT_NS at most. Keeps errno. Not re-entrant on one list. */
uint32_t native_walk(struct native_list **list, const struct native_marks *marks);

/* Where the entries for the next walk may be written, *capacity of them; NULL: no memory. The walk
 * itself may move the list. Keeps errno. */
uintptr_t *native_entries(struct native_list **list, uint32_t *capacity);

/* A stack goes without its native frames, for a reason outside of the walk: counted. */
void native_missed(void);

/* Give back a thread's list at its end. Keeps errno. */
void native_list_release(struct native_list **list);

/* Before fork: hold the rules' lock. Returns whether it is held. Keeps errno. */
bool native_fork_prepare(void);
/* After fork in the parent, where it was held. Keeps errno. */
void native_fork_parent(void);
/* In the child: the lock is free, nothing is lost yet. */
void native_after_fork(void);

/* What was counted so far, of all threads. */
void native_losses(struct native_losses *losses);

#endif
