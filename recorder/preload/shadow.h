/* The shadow copy of a thread's frames, and the memory it stands in (walk.h has the picture).
 *
 * Why two arrays: what every walk compares is four frames to a cache line; the rest is looked at
 * only where something changed. Not here: walking (walk.c). Owned by one thread. */
#ifndef RECORDER_PRELOAD_SHADOW_H
#define RECORDER_PRELOAD_SHADOW_H

#include "recorder/preload/walk.h"

/* What every walk compares, and nothing else. */
struct shadow_frame {
    uintptr_t frame;
    uintptr_t ip; /* frame_ip, an address or a number */
};

struct shadow_detail {
    uintptr_t code;   /* frame_code, tags included */
    uint32_t node;    /* of the stack that ends here */
    uint32_t code_id; /* of code, 0 where it was not needed */
};

/* Make room for twice as many frames, at first for 1,024. Returns false if there is no memory:
 * walker unchanged. Preserves errno. */
bool walker_grow(struct walker *w);

#endif
