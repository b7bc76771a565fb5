/* The interpreter's entry records: one for each of its loops on the C stack, and in that loop's
 * part of it. By them native frames and Python frames are put together (pair.h).
 *
 *   3.9          none: the loop is known by where its code is (eval.h)
 *   3.10 - 3.12  a chain of their own (CFrame) that begins in the thread state
 *   3.13 on      the shims, frames of the interpreter's own in the chain of Python frames; they are
 *                noted as the walk meets them, since only it looks at every frame
 * A noted shim counts while the shadow still has it at its place. Not here: where native frames are
 * (native.h). */
#ifndef RECORDER_PRELOAD_ENTRIES_H
#define RECORDER_PRELOAD_ENTRIES_H

#include "recorder/preload/native.h"
#include "recorder/preload/walk.h"

/* Finds what the version needs. At start, once the interpreter is known, with hooks at rest. */
void entries_start(void);

/* The walk has met a shim, as entry i of the shadow; those from i on that were noted before are no
 * more. Keeps errno. */
void entries_note(struct walker *w, uint32_t i, uintptr_t frame);

/* Fills marks with the entries of the calling thread, whose Python stack was just walked, innermost
 * first. They stand in the native list's memory. Returns false where they are not known: native
 * frames then have no place among the Python ones. Keeps errno. */
bool entries_collect(struct walker *w, struct native_marks *marks);

/* Give back what was noted, at a thread's end. May change errno. */
void entries_release(struct walker *w);

#endif
