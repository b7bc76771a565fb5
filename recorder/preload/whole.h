/* The whole walk: the live chain is read to its end and compared with the shadow from the outermost
 * frame on. It is right whatever the shadow holds; the quick walk (quick.h) comes here when it
 * finds the chain changed in more than its innermost frames.
 *
 * Which frames count (as sys._getframe has it; Include/internal/pycore_frame.h,
 * _PyFrame_IsIncomplete). Not the interpreter's own frames (owner >= shim), not those whose
 * instruction is before the first traceable one, but for generators. Both can stand anywhere in
 * the chain. A frame that doesn't count has its caller's node. */
#ifndef RECORDER_PRELOAD_WHOLE_H
#define RECORDER_PRELOAD_WHOLE_H

#include "recorder/preload/shadow.h"

/* The node of the stack that ends in the live frame `top`; NODE_LOST if it could not be told,
 * NODE_NONE in a thread that has ended.
 * epoch: of code deaths, read before. Preserves errno. */
uint32_t whole_walk(struct walker *w, uintptr_t top, uint64_t epoch);

/* The node of the live frame of entry i of the shadow, whose link is right: entry i - 1 is its
 * caller's. NODE_LOST if it could not be told. Preserves errno. */
uint32_t whole_node(struct walker *w, uint32_t i, uintptr_t frame);

/* The stack could not be told from entry i on: counted. Returns NODE_LOST. */
uint32_t whole_lost(struct walker *w, uint32_t i);

/* A chain beyond WALK_DEPTH_MAX was walked: counted. */
void whole_truncated(void);

/* Adds what was counted so far, of all threads. */
void whole_losses(struct walk_losses *losses);

#endif
