/* Code objects as numbers: the address of a living code object has one id, and an id belongs to
 * one code object for ever.
 *
 * Addresses are reused (thousands of times where code is exec'd), so a code's death must be seen
 * before its memory is given out again: PyCode_Type.tp_dealloc is replaced, once, by a function
 * that takes the address out of the map, moves the epoch, and calls the original. Unlike code
 * watchers (3.12+) and extra indexes (before) it is one way for every version, takes none of the
 * program's slots, allocates nothing and needs no GIL.
 *
 * The map is read and thinned out without a lock; additions hold the intern lock (intern.h).
 * Not here: texts (pystr.h), stacks (intern.h). */
#ifndef RECORDER_PRELOAD_CODE_H
#define RECORDER_PRELOAD_CODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint64_t code_deaths; /* code.c's: code_epoch reads it */

/* How often a known code object has died. An address that was looked up under an older epoch must
 * be looked up again. Any thread. */
static inline uint64_t code_epoch(void)
{
    return atomic_load_explicit(&code_deaths, memory_order_acquire);
}

/* The id of the living code object at an address; defines it (define_code) when it is new.
 * Returns 1.., or 0: no memory, the lock not had, the definition refused. Any thread; lock-free
 * when the code is known.
 * code must be a code object that the caller's own frames keep alive. Preserves errno. */
uint32_t code_intern(uintptr_t code);

/* Replace PyCode_Type.tp_dealloc: code_type is the type's address. After interp_probe has confirmed
 * the type, before the first code_intern; a second call has no effect. */
void code_watch_deaths(uintptr_t code_type);

#endif
