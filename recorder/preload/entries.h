/* The interpreter's entry records: one for each of its loops on the C stack, and in that loop's
 * part of it. By them native frames and Python frames are put together (pair.h).
 * Not here: where native frames are (native.h). */
#ifndef RECORDER_PRELOAD_ENTRIES_H
#define RECORDER_PRELOAD_ENTRIES_H

#include "recorder/preload/native.h"
#include "recorder/preload/walk.h"

/* Entries further out are left out: Python frames outside of them then stand together. */
enum { ENTRIES_MAX = 1024 };

/* Fills marks with the entries of the calling thread, whose Python stack was just walked, innermost
 * first. out: ENTRIES_MAX places. Async-signal-unsafe as the walk is. */
void entries_collect(struct walker *w, struct native_marks *marks, uintptr_t *out);

#endif
