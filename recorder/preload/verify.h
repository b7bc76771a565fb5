/* Do live frames look as the layout says?
 *
 * interp_probe compared what the interpreter publishes about itself; the thread state and, before
 * 3.13, the frames it does not publish. So the first chains are read with peek() and every pointer
 * that the walker would follow is proved to lead to an object of the right type.
 * Not here: what happens then (walk.c). */
#ifndef RECORDER_PRELOAD_VERIFY_H
#define RECORDER_PRELOAD_VERIFY_H

#include "recorder/preload/sentence.h"

enum verify_result {
    VERIFY_NOTHING, /* the thread has no frame that counts: nothing was proved */
    VERIFY_SOME,    /* all that was seen agrees, but it was less than VERIFY_FRAMES frames */
    VERIFY_ALL,     /* VERIFY_FRAMES frames and more agree */
    VERIFY_WRONG,   /* something does not: the sentence says what */
};

/* Frames in one chain that convince: two links between frames of Python. */
enum { VERIFY_FRAMES = 3 };

/* Compare the calling thread's chain with interp.layout; never faults. tstate: the thread state
 * that walk.c found for it. May change errno. */
enum verify_result verify_chain(uintptr_t tstate, struct sentence *why);

#endif
