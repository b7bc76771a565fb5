/* The programs and libraries in this process that native frames stand in, as numbers.
 *
 * Which one an address is in, the loader tells without a lock (_dl_find_object, glibc 2.35): so no
 * list is kept at dlopen, and an address is asked for only when a frame is met for the first time.
 * A number belongs to one loading of one file for ever: what is loaded in the same place later has
 * another one, and moves the epoch, under which saved stacks are void.
 *
 * The table is read without a lock; additions hold the rules' lock (rules.h). Not here: names of
 * functions, which are found when reports are made. */
#ifndef RECORDER_PRELOAD_MODULES_H
#define RECORDER_PRELOAD_MODULES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder/ring.h"

enum { MODULE_NONE = 0, MODULE_LOST = MODULE_LIMIT };

extern _Atomic uint64_t modules_retired; /* modules.c's: modules_epoch reads it */

/* Moves when a module has gone. Any thread. */
static inline uint64_t modules_epoch(void)
{
    return atomic_load_explicit(&modules_retired, memory_order_acquire);
}

/* The module that holds an address: 1.., MODULE_NONE where none does (code made at run time),
 * MODULE_LOST where it could not be told (no memory, the lock not had, a definition refused).
 * *start: where the module begins. At the first meeting its path and build id are told
 * (define_module) before its number is returned. Any thread; lock-free when known. May change
 * errno. */
uint32_t module_of(uintptr_t address, uintptr_t *start);

/* Is an address in our own library? Any thread. */
bool module_is_own(uintptr_t address);

/* Something was closed: asks again for each module; the epoch moves if one is gone. Any thread.
 * May change errno. */
void modules_closed(void);

#endif
