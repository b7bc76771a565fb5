/* The quick walk: the live chain is looked for in the shadow among its innermost frames, everything
 * below is verified, and only what changed is asked for again. Its result is that of a full walk.
 *
 * What has to be equal for a frame to be unchanged: its address, its instruction, its link; and its
 * code where the instruction doesn't tell it (frames.h, ip_tells_code). Code objects that die move
 * the epoch (code.h), and then nothing is unchanged.
 *
 * CPython 3.15 keeps a mark for profilers, last_profiled_frame: set to a frame, it moves to the
 * caller when that frame ends, and a counter tells how often. A frame below the mark has not run
 * since, so there nothing has to be verified, at any depth. The mark is a word of the interpreter's
 * that nobody else in the process uses; a profiler outside of it (profiling.sampling) may: whoever
 * runs one sets MEMREC_NO_MARKS=1, and under the JIT, whose frames end unmarked, none are set.
 * Stacks are right whatever happens to the mark: the counter gives a foreign one away.
 *
 * One function a version, with its offsets as constants: a frame that is verified costs four loads
 * and a branch. Not here: whose turn it is (walk.h). */
#ifndef RECORDER_PRELOAD_QUICK_H
#define RECORDER_PRELOAD_QUICK_H

#include "recorder/preload/walk.h"

/* The walk that is compiled for CPython 3.<minor>, for when its layout is trusted; NULL: none. Any
 * thread. */
walk_function *quick_find(int minor, bool free_threaded);

#endif
