/* The calling thread's Python stack, as one 32-bit number, at every allocation.
 *
 * The frames are read from the interpreter's memory; nothing of the interpreter is called but a
 * getter of the thread state. Each thread keeps a shadow copy of the chain that it walked last
 * (frame, instruction, node). A walk verifies every link and every instruction of the copy against
 * memory and re-interns only what changed, so that the result is always that of a full walk:
 * nothing is assumed unchanged.
 *
 *   live chain    top ── f4 ── f3 ── f2 ── f1 ── f0    innermost first, linked by `previous`
 *   shadow copy          [4]  [3]  [2]  [1]  [0]       verified from where the two chains meet
 *
 * Which thread state is the caller's, and which frames count, is in CPython's own terms: see
 * walk.c. Not here: interning (intern.h), code objects (code.h), versions (interp.h). */
#ifndef RECORDER_PRELOAD_WALK_H
#define RECORDER_PRELOAD_WALK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder/preload/intern.h"

/* One per thread, zero-initialised, in initial-exec thread-local storage. The fields are walk.c's.
 */
struct walker {
    struct shadow_frame *shadow; /* own mapping, outermost frame first; NULL before the first stack
                                  */
    struct shadow_detail *details; /* same mapping: what is needed only where something changed */
    uintptr_t *chain;              /* same mapping: the live chain while it is compared */
    struct recalls *recalls;       /* own mapping: recent answers (recall.h) */
    uint32_t depth;                /* valid entries of shadow */
    uint32_t capacity;             /* of shadow and chain, in frames */
    uint32_t passes;               /* walks to pass: the chain was longer than WALK_SHADOW_MAX */
    uint32_t recent;               /* the node that was asked for last (intern.h) */
    uint64_t epoch;                /* of code deaths when shadow was last right (code.h);
                                      0: there is none */
    uintptr_t tstate;              /* the last thread state proved to be this thread's (<= 3.11) */
    uintptr_t thread;              /* pthread_self(), 0 before the first walk */
    uintptr_t marked; /* the thread state that has a mark at the frame of entry depth - 1, or 0 */
    uintptr_t pops;   /* of marked frames, when it was set (quick.c) */
    bool closed;      /* the thread has ended: it has no stack any more */
    uint32_t origin;  /* node of the stack that created the thread; NODE_NONE for the first */
    struct native_list *native;       /* native.c's; NULL before the first native stack */
    struct entry_shims *shims;        /* entries.c's; NULL before the first */
    uint32_t pair_outer, pair_native; /* the pair that was asked for last, and its node */
    uint32_t pair, recent_pair;
    uint32_t newest, last_native; /* what the next new pair is guessed from (pair.c) */
};

/* Frames beyond WALK_DEPTH_MAX, counted from the outermost, are left out; such walks are counted.
 * The shadow knows them up to WALK_SHADOW_MAX all the same, so that an allocation there costs no
 * more than the comparison. Of still deeper chains one in WALK_PASSED is looked at, and the others
 * are lost. */
enum { WALK_DEPTH_MAX = 65536, WALK_SHADOW_MAX = 1 << 20, WALK_PASSED = 1000 };

/* What could not be told, since the process began. */
struct walk_losses {
    uint64_t truncated; /* walks of chains deeper than WALK_DEPTH_MAX */
    uint64_t lost;      /* walks that returned NODE_LOST */
};

/* What walks at this moment (walk.c): nothing, the suspicious first walk, or the version's. */
typedef uint32_t walk_function(struct walker *w);
extern walk_function *_Atomic walk_now;

/* The node of the calling thread's current Python stack.
 * Returns 0 if it has none: no interpreter or an unverified one, a thread that Python doesn't
 * know, the runtime starting or finalising (but for the thread that finalises); NODE_LOST if it
 * has one that could not be told (no memory, a lock not had within its bound, a definition that
 * was refused).
 * w: the calling thread's; not re-entrant on one walker (the hooks' own busy flag sees to that).
 * Preserves errno. May call define_code, define_node, define_verdict (define.h). */
static inline uint32_t walk_current(struct walker *w)
{
    return atomic_load_explicit(&walk_now, memory_order_relaxed)(w);
}

/* Is the chain one that walk_current may follow, wherever the eval loop was interrupted (sound.h)?
 * For what a signal handler may call. Preserves errno. */
bool walk_is_sound(struct walker *w);

/* Give back the walker's mapping at thread exit; w is zeroed but for its origin and may be used
 * again. Keeps errno. */
void walker_release(struct walker *w);

/* Before fork: hold the intern lock, so that the child never inherits it half-way. Waits at most
 * LOCK_WAIT_NS; fork goes on regardless. Returns whether it is held. The thread that will fork.
 * Preserves errno. */
bool walk_fork_prepare(void);

/* After fork in the parent, or after one that failed, where it was held: let go of it. Preserves
 * errno. */
void walk_fork_parent(void);

/* In the child: the lock is free. Every id interned so far stays valid and known, and so does the
 * calling thread's walker. Also in a child whose fork nobody announced (a raw clone). */
void walk_after_fork(void);

/* Turn walking on: from here on frames are read, with suspicion until the first of them have been
 * compared with the layout (verify.h). interp_probe's; once. */
void walk_start(void);

/* Native frames, too, from here on. Before the first walk; once. */
void walk_native(void);

/* Turn walking off for good: walk_current returns 0 from here on. Any thread. */
void walk_stop(void);

/* The counters so far, of all threads. Any thread; a reading during walks may miss the latest. */
void walk_losses(struct walk_losses *losses);

#endif
