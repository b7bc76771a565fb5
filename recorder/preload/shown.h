/* What our library shows to the dynamic loader, changed while it runs: a name that is taken out of
 * its table of symbols is found no more. Why not where somebody asks for it already: a program that
 * is bound lazily has seen that the function is there, and finds it when it calls it. */
#ifndef RECORDER_PRELOAD_SHOWN_H
#define RECORDER_PRELOAD_SHOWN_H

#include <stdbool.h>

/* Takes out each name that is not kept, and adds to what is kept what an object that is loaded asks
 * for. names: count of them, functions that the library exports. In the constructor. Returns false:
 * nothing was changed. May change errno. */
bool shown_hide(const char *const *names, unsigned count, bool *kept);

#endif
