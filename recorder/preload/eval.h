/* Where the interpreter's loop stands in the code, for CPython 3.9: its frames hold no record that
 * tells them (native.h has how later versions' are known). A function may be in two parts, of which
 * one has no name. Not here: later versions. */
#ifndef RECORDER_PRELOAD_EVAL_H
#define RECORDER_PRELOAD_EVAL_H

#include <stdbool.h>
#include <stdint.h>

/* Finds the loop, from where its function begins (0: nothing is found), and what its jumps lead to.
 * At start, once. */
void eval_find(uintptr_t function);

/* Is an address of code in the loop? False before eval_find. Any thread. */
bool eval_holds(uintptr_t address);

#endif
