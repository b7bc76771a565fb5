/* The shadow copy of a thread's frames, and the memory it stands in (walk.h has the picture).
 *
 * An entry is what a frame says of itself: its link and its instruction. A frame's own address is
 * the link of the entry above it, so nothing is kept twice, and an entry above the innermost one
 * holds that one's address:
 *
 *   shadow   [0: 0, ip] [1: f0, ip] [2: f1, ip] ... [depth: f(depth - 1)]
 *
 * Why two arrays: what every walk compares is four frames to a cache line; the rest is looked at
 * only where something changed. Why runs: a frame whose memory may be gone must not be read before
 * its link has been verified; but what lies in the page of a live frame can be read at once, in any
 * order, so a run is verified without a branch a frame.
 *
 * Invariants: entries below w->depth are such that, if the live chain still reaches an entry's
 * frame and everything below it is unchanged, its node is right. Entries above are garbage, but for
 * the link at w->depth. Not here: walking (quick.h, whole.h). Owned by one thread. */
#ifndef RECORDER_PRELOAD_SHADOW_H
#define RECORDER_PRELOAD_SHADOW_H

#include "recorder/preload/frames.h"

/* What every walk compares, and nothing else. */
struct shadow_frame {
    uintptr_t previous; /* address of the frame below; 0: none */
    uintptr_t ip;       /* frame_ip, an address or a number */
};

struct shadow_detail {
    uintptr_t code; /* frame_code, tags included; only where the instruction doesn't tell it. Where
                       frames are marked: is it one of those that pop unmarked? */
    uint32_t node;  /* of the stack that ends here */
    uint32_t run;   /* entries from here down that lie in one page: 1..; 0: not asked yet */
};

/* Make room for twice as many frames, at first for 1,024. Returns false if there is no memory:
 * walker unchanged. Preserves errno. */
bool walker_grow(struct walker *w);

/* The address of the frame of entry i. */
static inline uintptr_t shadow_address(const struct walker *w, uint32_t i)
{
    return w->shadow[i + 1].previous;
}

/* The node that entry i stands on. */
static inline uint32_t shadow_parent(const struct walker *w, uint32_t i)
{
    return i ? w->details[i - 1].node : NODE_NONE;
}

/* Does the second frame lie in the page of the first, with all that a walk compares of both? */
FRAMES_INLINE bool shadow_one_page(uintptr_t frame, uintptr_t other, const struct layout *l)
{
    bool code_first = !ip_tells_code(l) && l->frame_code < l->frame_previous;
    uintptr_t low = (uintptr_t)(code_first ? l->frame_code : l->frame_previous);
    bool entry_last = l->frame_entry != LAYOUT_NONE && l->frame_entry > l->frame_ip + 7;
    uintptr_t high = (uintptr_t)(entry_last ? l->frame_entry : l->frame_ip + 7);
    uintptr_t first = frame + low;
    return ((first ^ (frame + high)) | (first ^ (other + low)) | (first ^ (other + high))) < 4096;
}

/* The run of entry i, found out where it has not been asked for since it was written. */
FRAMES_INLINE uint32_t shadow_run(struct walker *w, uint32_t i, const struct layout *l)
{
    uint32_t low = i;
    if (w->details[i].run)
        return w->details[i].run;
    while (low && !w->details[low].run &&
           shadow_one_page(shadow_address(w, low), w->shadow[low].previous, l))
        low--;
    if (!w->details[low].run)
        w->details[low].run = 1;
    for (; low < i; low++)
        w->details[low + 1].run = w->details[low].run + 1;
    return w->details[i].run;
}

/* Write entry i anew, for a frame on top of that of entry i - 1, whose link is right. */
FRAMES_INLINE void shadow_push(struct walker *w, uint32_t i, uintptr_t frame, uint32_t node,
                               const struct layout *l)
{
    w->shadow[i].ip = frame_ip(frame, l);
    w->shadow[i + 1].previous = frame;
    w->details[i].node = node;
    w->details[i].run = 0;
    if (frames_marked(l))
        w->details[i].code = frame_is_shim(frame, l);
    else if (!ip_tells_code(l))
        w->details[i].code = frame_code(frame, l);
}

/* The instruction of the frame of entry i has changed, and nothing else of it. */
static inline void shadow_change(struct walker *w, uint32_t i, uintptr_t ip, uint32_t node)
{
    w->shadow[i].ip = ip;
    w->details[i].node = node;
}

#endif
