/* What becomes of a name that a thread has got; the hooks of hooks_names.c tell it.
 * Not here: a ring's first name (emit.h). */
#ifndef RECORDER_PRELOAD_HOOKS_NAMES_H
#define RECORDER_PRELOAD_HOOKS_NAMES_H

#include "recorder/preload/process.h"

/* A thread of this process has this name now (NUL-terminated, or at least 15 bytes, which are all
 * that count): it is written into the calling thread's ring, if there is one. Async-signal-safe;
 * from within our own code nothing is written. Keeps errno. */
HIDDEN void name_told(pthread_t thread, const char *name);

#endif
