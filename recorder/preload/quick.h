/* The quick walk: the live chain is looked for in the shadow among its innermost frames, everything
 * below is verified, and only what changed is asked for again. Its result is that of a full walk.
 *
 * What has to be equal for a frame to be unchanged: its address, its instruction, its link; and its
 * code where the instruction doesn't tell it (frames.h, ip_tells_code). Code objects that die move
 * the epoch (code.h), and then nothing is unchanged.
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
