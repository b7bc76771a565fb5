/* What is allocated before our constructor runs: by the dynamic loader, and by the constructors of
 * libraries that come before ours (libstdc++ takes 72,704 bytes there).
 * Why kept aside: nobody knows yet whether the process is recorded, and where to. Until then the
 * gate is open, no thread has a ring, and the words of each event come here; joining a recording
 * writes them first, as they are. Invariants: bounded; what found no place is counted; a forked
 * child keeps nothing of its parent's. Not here: the events (hooks.h), joining (attach.h). */
#ifndef RECORDER_PRELOAD_EARLY_H
#define RECORDER_PRELOAD_EARLY_H

#include "recorder/preload/process.h"

/* Until early_end. */
extern HIDDEN _Atomic bool early;

/* Keeps the words of an event, if it is one of memory. Any thread; waits for another one for
 * microseconds at most. Keeps errno. */
HIDDEN void early_keep(const uint64_t *words, unsigned count);

/* Nothing is kept from here on, and the gate is closed. In the constructor. */
HIDDEN void early_end(void);

/* Writes what was kept into the calling thread's ring, and how much was not into the slot. After
 * early_end, in a process that has just opened its gate: what other threads write meanwhile comes
 * between, which needs threads that were there before our constructor. */
HIDDEN void early_write(void);

/* Gives back what it took. After early_end. */
HIDDEN void early_release(void);

#endif
