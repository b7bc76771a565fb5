/* Allocators that a program is linked with and calls by names of their own: mi_malloc, je_malloc.
 * Why found at start alone: whom a later library means by such a name is the loader's knowledge. A
 * name that nobody else has then is taken out of what our library shows, so that later libraries
 * find their own, and a program that asks whether there is such a function is told no. Invariant:
 * what was bound to us before is served by malloc where there is no such allocator. Not here: the
 * list (others.def). */
#ifndef RECORDER_PRELOAD_OTHERS_H
#define RECORDER_PRELOAD_OTHERS_H

#include "recorder/preload/process.h"

/* Finds the real functions. may_be_mapper is called with a function of each allocator found. While
 * the real functions are resolved (real.h); what dlsym allocates is not the program's. */
HIDDEN void others_resolve(void (*may_be_mapper)(const void *code));

/* Takes the names that nobody else has out of our table of symbols, for good. In the constructor.
 */
HIDDEN void others_hide(void);

#endif
