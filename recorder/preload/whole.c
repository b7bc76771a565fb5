/* The whole walk (whole.h). Compiled once, for the layout that was found at start. */
#include "recorder/preload/whole.h"

#include <stdatomic.h>

#include "recorder/preload/code.h"
#include "recorder/preload/entries.h"
#include "recorder/preload/frames.h"
#include "recorder/preload/recall.h"
#include "recorder/ring.h"

static _Atomic uint64_t lost_count, truncated_count;

static const struct layout *const layout = &interp.layout;

/* The first instruction of the copy of the bytecode that the frame runs. */
static uintptr_t frame_base(uintptr_t frame, uintptr_t code)
{
    if (layout->frame_tlbc != LAYOUT_NONE) {
        int32_t index = memory_i32(frame + (uintptr_t)layout->frame_tlbc);
        uintptr_t array = frames_word(code, layout->code_tlbc);
        if (index > 0 && array)
            return memory_word(array + (uintptr_t)layout->tlbc_entries + 8 * (uintptr_t)index);
    }
    return code + (uintptr_t)layout->code_instructions;
}

/* FRAME_COUNTS_ALWAYS: whoever owns a frame with this code and instruction, it counts. */
enum frame_kind { FRAME_COUNTS_ALWAYS, FRAME_COUNTS, FRAME_SKIPPED, FRAME_STRANGE };

/* Does the frame count, and at which instruction is it? code: without tags. */
static enum frame_kind frame_classify(uintptr_t frame, uintptr_t code, uintptr_t ip,
                                      int32_t *lasti_bytes)
{
    if (layout->ip_kind != IP_POINTER) {
        int32_t lasti = (int32_t)ip;
        *lasti_bytes = lasti < 0 ? -1 : layout->ip_kind == IP_LASTI_UNITS ? 2 * lasti : lasti;
        return FRAME_COUNTS_ALWAYS;
    }
    uint8_t owner = memory_u8(frame + (uintptr_t)layout->frame_owner);
    if (frame_is_shim(frame, layout))
        return FRAME_SKIPPED;
    int64_t lasti = (int64_t)(ip - frame_base(frame, code));
    int64_t traceable = 2 * (int64_t)memory_i32(code + (uintptr_t)layout->code_traceable);
    if (owner != layout->frame_owner_generator && lasti < traceable)
        return FRAME_SKIPPED;
    if (lasti > 2 * (int64_t)frames_word(code, layout->object_size))
        return FRAME_STRANGE;
    *lasti_bytes = lasti < 0 ? -1 : (int32_t)lasti;
    return lasti >= traceable && layout->frame_tlbc == LAYOUT_NONE ? FRAME_COUNTS_ALWAYS
                                                                   : FRAME_COUNTS;
}

/* The node that the frame of entry i stands on: its caller's, and where native frames are recorded
 * and a loop begins here, the loop's entry. A state's own base frame (3.15) looks like one; it
 * stands in no C frame, and no Python frame is outside of it. */
static uint32_t parent_of(struct walker *w, uint32_t i, uintptr_t frame, uintptr_t ip)
{
    uint32_t parent = shadow_parent(w, i);
    bool begins = layout->frame_entry != LAYOUT_NONE && ip & FRAME_ENTRY;
    if (interp.native && frame_is_shim(frame, layout)) {
        begins = true;
        entries_note(w, i, frame);
    }
    return begins ? intern_node(parent, CODE_ENTRY, 0, &w->recent) : parent;
}

uint32_t whole_node(struct walker *w, uint32_t i, uintptr_t frame)
{
    if (i >= WALK_DEPTH_MAX)
        return shadow_parent(w, i);
    uintptr_t ip = frame_ip(frame, layout), code = frame_code(frame, layout);
    uintptr_t untagged = code & ~(uintptr_t)layout->frame_code_tags, at = ip;
    int32_t lasti = -1;
    if (layout->frame_entry != LAYOUT_NONE)
        at &= ~(uintptr_t)FRAME_ENTRY;
    enum frame_kind kind = frame_classify(frame, untagged, at, &lasti);
    if (kind == FRAME_STRANGE)
        return NODE_LOST;
    uint32_t parent = parent_of(w, i, frame, ip);
    if (kind == FRAME_SKIPPED || parent == NODE_LOST)
        return parent;
    uint32_t code_id = code_intern(untagged);
    uint32_t node = code_id ? intern_node(parent, code_id, lasti, &w->recent) : NODE_LOST;
    parent = shadow_parent(w, i);
    if (kind == FRAME_COUNTS_ALWAYS && node != NODE_LOST)
        recall_keep(w->recalls, parent, ip, code, node);
    return node;
}

uint32_t whole_lost(struct walker *w, uint32_t i)
{
    w->depth = i;
    atomic_fetch_add_explicit(&lost_count, 1, memory_order_relaxed);
    return NODE_LOST;
}

void whole_truncated(void) { atomic_fetch_add_explicit(&truncated_count, 1, memory_order_relaxed); }

/* More links than any chain has: a circle. */
enum { LINKS_MAX = 1 << 26 };

/* Write the live chain, innermost first, to w->chain, which is a ring of WALK_SHADOW_MAX when the
 * chain is longer: what stays are the outermost. Returns its length, 0 if that failed. */
static uint32_t chain_collect(struct walker *w, uintptr_t top)
{
    uint32_t n = 0;
    for (uintptr_t frame = top; frame; frame = frame_previous(frame, layout)) {
        if (n == LINKS_MAX)
            return 0;
        if (n == w->capacity && n < WALK_SHADOW_MAX && !walker_grow(w))
            return 0;
        w->chain[n++ & (WALK_SHADOW_MAX - 1)] = frame;
    }
    return n;
}

/* How many frames, from the outermost, are as the shadow has them. */
static uint32_t common_depth(const struct walker *w, uint32_t n, uint32_t depth)
{
    uint32_t i = 0;
    if (depth > w->depth)
        depth = w->depth;
    for (; i < depth; i++) {
        uintptr_t frame = w->chain[(n - 1 - i) & (WALK_SHADOW_MAX - 1)];
        if (frame != shadow_address(w, i) || frame_ip(frame, layout) != w->shadow[i].ip ||
            (!ip_tells_code(layout) && frame_code(frame, layout) != w->details[i].code))
            break;
    }
    return i;
}

uint32_t whole_walk(struct walker *w, uintptr_t top, uint64_t epoch)
{
    if (w->closed)
        return NODE_NONE;
    if (w->epoch != epoch) {
        w->depth = 0;
        if (w->recalls)
            recall_forget(w->recalls);
    }
    w->epoch = epoch;
    uint32_t n = w->passes && --w->passes ? 0 : chain_collect(w, top);
    if (!n) {
        if (!w->shadow)
            w->epoch = 0; /* the quick walk doesn't ask again whether there is one */
        return whole_lost(w, 0);
    }
    uint32_t depth = n;
    if (n > WALK_DEPTH_MAX)
        whole_truncated();
    if (n > WALK_SHADOW_MAX) {
        depth = WALK_SHADOW_MAX;
        w->passes = WALK_PASSED;
    }
    w->shadow[0].previous = 0;
    for (uint32_t i = common_depth(w, n, depth); i < depth; i++) {
        uintptr_t frame = w->chain[(n - 1 - i) & (WALK_SHADOW_MAX - 1)];
        uint32_t node = whole_node(w, i, frame);
        if (node == NODE_LOST)
            return whole_lost(w, i);
        shadow_push(w, i, frame, node, layout);
    }
    w->depth = depth;
    return w->details[depth - 1].node;
}

void whole_losses(struct walk_losses *losses)
{
    losses->lost = atomic_load(&lost_count);
    losses->truncated = atomic_load(&truncated_count);
}
