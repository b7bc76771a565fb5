/* Reading the thread state and single frames, as a layout says.
 *
 * Which thread state is whose. The thread's own frames: only its own eval loop changes them, and
 * that stands still inside malloc, so no lock and no GIL is needed. What another thread may do is
 * free the thread state: when the interpreter finalises. From then on only the thread that
 * finalises is walked, and a thread that isn't attached never again (walk_ended).
 *
 * Everything takes the layout as an argument and is inlined: where that is a constant row
 * (layout_table.h), its offsets are in the instructions. Not here: the shadow copy (shadow.h). */
#ifndef RECORDER_PRELOAD_FRAMES_H
#define RECORDER_PRELOAD_FRAMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "recorder/preload/interp.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/walk.h"

#define frames_unlikely(x) __builtin_expect(!!(x), 0)
#define frames_likely(x)   __builtin_expect(!!(x), 1)
#define FRAMES_INLINE      static inline __attribute__((always_inline))

extern _Atomic bool walk_ended; /* the interpreter was seen finalising: detached states may be gone
                                 */

FRAMES_INLINE uintptr_t frames_word(uintptr_t object, int32_t offset)
{
    return memory_word(object + (uintptr_t)offset);
}

/* <= 3.11, when the GIL's holder is not the state that was last proved this thread's. */
uintptr_t tstate_search(struct walker *w, uintptr_t holder);

/* The thread state of the calling thread where that is as it nearly always is, else 0. */
FRAMES_INLINE uintptr_t tstate_at_once(const struct walker *w, const struct layout *l)
{
    if (frames_unlikely(frames_word(interp.runtime, l->runtime_finalizing)))
        return 0;
    if (l->tstate_source != TSTATE_IN_RUNTIME)
        return interp.attached();
    uintptr_t tstate = frames_word(interp.runtime, l->runtime_tstate);
    if (frames_unlikely(!tstate || tstate != w->tstate ||
                        frames_word(tstate, l->tstate_thread) != w->thread))
        return 0;
    return tstate;
}

/* The thread state of the calling thread, or 0. */
FRAMES_INLINE uintptr_t tstate_of_thread(struct walker *w, const struct layout *l)
{
    uintptr_t finalising = frames_word(interp.runtime, l->runtime_finalizing);
    if (finalising)
        walk_ended = true;
    uintptr_t tstate = tstate_at_once(w, l);
    if (tstate)
        return tstate;
    if (l->tstate_source == TSTATE_IN_RUNTIME) {
        tstate = frames_word(interp.runtime, l->runtime_tstate);
        if (finalising)
            return tstate == finalising && tstate == w->tstate ? tstate : 0;
        return walk_ended ? 0 : tstate_search(w, tstate);
    }
    tstate = finalising ? interp.attached() : 0;
    if (!tstate && !walk_ended)
        tstate = interp.remembered();
    return finalising && tstate != finalising ? 0 : tstate;
}

/* The innermost frame, or 0. */
FRAMES_INLINE uintptr_t top_frame(uintptr_t tstate, const struct layout *l)
{
    uintptr_t frame = frames_word(tstate, l->tstate_frame);
    if (l->cframe_frame != LAYOUT_NONE && frame)
        frame = frames_word(frame, l->cframe_frame);
    return frame;
}

/* Does a frame's instruction tell its code? Not where it is a number (<= 3.10) or an address in
 * thread-local bytecode, memory that is reused unseen: there the code must be compared, too. */
FRAMES_INLINE bool ip_tells_code(const struct layout *l)
{
    return l->ip_kind == IP_POINTER && l->frame_tlbc == LAYOUT_NONE;
}

/* In frame_ip, where that is told: a loop of its own began with the frame. Instructions have even
 * addresses. */
enum { FRAME_ENTRY = 1 };

/* The frame's instruction: an address or a number. */
FRAMES_INLINE uintptr_t frame_ip(uintptr_t frame, const struct layout *l)
{
    uintptr_t at = frame + (uintptr_t)l->frame_ip;
    if (l->frame_entry != LAYOUT_NONE)
        return memory_word(at) | (memory_u8(frame + (uintptr_t)l->frame_entry) ? FRAME_ENTRY : 0);
    return l->ip_kind == IP_POINTER ? memory_word(at) : memory_u32(at);
}

FRAMES_INLINE uintptr_t frame_previous(uintptr_t frame, const struct layout *l)
{
    return frames_word(frame, l->frame_previous);
}

/* Its code object, tags included. */
FRAMES_INLINE uintptr_t frame_code(uintptr_t frame, const struct layout *l)
{
    return frames_word(frame, l->frame_code);
}

/* Does the interpreter move a mark to the caller when the marked frame ends (3.15)? */
FRAMES_INLINE bool frames_marked(const struct layout *l)
{
    return l->tstate_mark != LAYOUT_NONE && ip_tells_code(l);
}

/* A frame of the interpreter's own: it may stand on the C stack. */
FRAMES_INLINE bool frame_is_shim(uintptr_t frame, const struct layout *l)
{
    return l->frame_owner_shim != LAYOUT_NONE &&
           memory_u8(frame + (uintptr_t)l->frame_owner) >= l->frame_owner_shim;
}

#endif
