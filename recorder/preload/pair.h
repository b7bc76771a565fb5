/* Both stacks of the calling thread, as one 32-bit number: its Python frames and its C frames.
 *
 * Each is interned for itself, in the one interner; a pair of both is a node, too:
 *   (python, CODE_PAIR, native)     of a thread that has a Python stack
 *   (origin, CODE_CONCAT, native)   of a thread without one, under the stack that created it
 *   native                          of a thread without either
 * So neither walk knows of the other, and a program that goes through P Python and N native stacks
 * costs what it uses of P + N, and a word for each pair that occurs. The collector puts pairs
 * together, once each (recorder/collector/chains.h). Not here: the walks (walk.h, native.h). */
#ifndef RECORDER_PRELOAD_PAIR_H
#define RECORDER_PRELOAD_PAIR_H

#include "recorder/preload/walk.h"

/* The node of both. python: of the Python walk just done, NODE_NONE where there is no stack.
 * Returns it, or the native node alone, or NODE_NONE, or NODE_LOST where the Python stack or the
 * pair was lost; python where the native part was (counted). As walk_current. */
uint32_t pair_of(struct walker *w, uint32_t python);

#endif
