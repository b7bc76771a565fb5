/* Is the calling thread's chain of frames one that a walk may follow at this very moment?
 *
 * A walk trusts the chain because the eval loop stands still inside an allocator. A signal handler
 * may call mmap as well, and what it interrupted may be a frame half-way on or off the chain: a
 * link not written yet, a code object gone. So where a mapping is to get a stack, the innermost
 * frames are first read with peek(). malloc needs no such look, for no handler may call it. Not
 * here: comparing the layout with live frames (verify.h). */
#ifndef RECORDER_PRELOAD_SOUND_H
#define RECORDER_PRELOAD_SOUND_H

#include "recorder/preload/walk.h"

/* Do the innermost frames lead to code objects, as far as they are looked at (two dozen)? True
 * also where there are none. Never faults. Preserves errno. Async-signal-safe. */
bool sound_chain(struct walker *w);

#endif
