/* The quick walk (quick.h). Everything is inlined into one function a version; the compiler folds
 * the layout's row into it. */
#include "recorder/preload/quick.h"

#include <emmintrin.h>

#include "recorder/preload/code.h"
#include "recorder/preload/frames.h"
#include "recorder/preload/layout_table.h"
#include "recorder/preload/recall.h"
#include "recorder/preload/whole.h"

/* Where the live chain is looked for in the shadow: a few frames were pushed, a few popped. */
enum { PUSHED_MAX = 4, POPPED_MAX = 4 };

/* The entry of a frame among the innermost, or -1. */
FRAMES_INLINE int64_t find_entry(const struct walker *w, uintptr_t frame)
{
    int64_t end = (int64_t)w->depth - POPPED_MAX;
    for (int64_t i = (int64_t)w->depth - 1; i >= end && i >= 0; i--)
        if (shadow_address(w, (uint32_t)i) == frame)
            return i;
    return -1;
}

enum { LINK_BROKEN = UINT32_MAX };

/* What entries and their frames disagree in: bits, none when they agree. */
struct differences {
    __m128i vector;
    uintptr_t word;
};

/* Are link and instruction neighbours, and tell all? Then they are compared as one. */
FRAMES_INLINE bool one_vector(const struct layout *l)
{
    return ip_tells_code(l) && l->frame_ip == l->frame_previous + 8;
}

FRAMES_INLINE void compare(struct differences *d, const struct walker *w, uint32_t i,
                           const struct layout *l)
{
    uintptr_t frame = shadow_address(w, i);
    const struct shadow_frame *entry = &w->shadow[i];
    if (one_vector(l)) {
        const void *pair = (const void *)(frame + (uintptr_t)l->frame_previous);
        __m128i known = _mm_load_si128((const void *)entry), found = _mm_loadu_si128(pair);
        d->vector = _mm_or_si128(d->vector, _mm_xor_si128(found, known));
    } else {
        d->word |= (frame_previous(frame, l) ^ entry->previous) | (frame_ip(frame, l) ^ entry->ip);
        if (!ip_tells_code(l))
            d->word |= frame_code(frame, l) ^ w->details[i].code;
    }
}

/* Do any of the entries i, i - 1, ... (count of them, a run) differ from their frames? */
FRAMES_INLINE bool run_differs(const struct walker *w, uint32_t i, uint32_t count,
                               const struct layout *l)
{
    struct differences d = {0};
    for (; count >= 4; count -= 4, i -= 4) {
        compare(&d, w, i, l);
        compare(&d, w, i - 1, l);
        compare(&d, w, i - 2, l);
        compare(&d, w, i - 3, l);
    }
    for (; count; count--, i--)
        compare(&d, w, i, l);
    if (!one_vector(l))
        return d.word != 0;
    return _mm_movemask_epi8(_mm_cmpeq_epi8(d.vector, _mm_setzero_si128())) != 0xFFFF;
}

/* Verify one entry whose frame is live. Returns whether its link is right; *changed receives i when
 * it has changed. */
FRAMES_INLINE bool entry_stands(const struct walker *w, uint32_t i, uint32_t *changed,
                                const struct layout *l)
{
    uintptr_t frame = shadow_address(w, i);
    const struct shadow_frame *entry = &w->shadow[i];
    uintptr_t differs = frame_ip(frame, l) ^ entry->ip;
    if (!ip_tells_code(l))
        differs |= frame_code(frame, l) ^ w->details[i].code;
    if (differs)
        *changed = i;
    return frame_previous(frame, l) == entry->previous;
}

/* The innermost entries are verified one by one: they are seldom unchanged, and what was stored
 * just now, a word at a time, cannot be loaded as a vector at once. */
enum { NEAR_FRAMES = 3 };

/* Verify entries base..0, whose first frame is live: no frame is read before a link to its page is
 * verified. Returns the outermost entry that changed, base + 1 if none did, or LINK_BROKEN. */
FRAMES_INLINE uint32_t verify(const struct walker *w, uint32_t base, const struct layout *l)
{
    uint32_t changed = base + 1, left = base + 1; /* entries left - 1..0 are not verified */
    for (uint32_t stop = left > NEAR_FRAMES ? left - NEAR_FRAMES : 0; left > stop; left--)
        if (frames_unlikely(!entry_stands(w, left - 1, &changed, l)))
            return LINK_BROKEN;
    for (uint32_t run; left; left -= run) {
        run = w->details[left - 1].run;
        if (!run_differs(w, left - 1, run, l))
            continue;
        for (uint32_t i = left; i > left - run; i--)
            if (!entry_stands(w, i - 1, &changed, l))
                return LINK_BROKEN;
    }
    return changed;
}

/* The node of the live frame of entry i, from what was recalled if it can be. */
FRAMES_INLINE uint32_t node_of(struct walker *w, uint32_t i, uintptr_t frame, uintptr_t ip,
                               const struct layout *l)
{
    uint32_t parent = shadow_parent(w, i);
    const struct recall *recall = recall_place(w->recall, parent, ip);
    if (recall->ip == ip && recall->parent == parent &&
        (ip_tells_code(l) || recall->code == frame_code(frame, l)))
        return recall->node;
    return whole_node(w, i, frame);
}

/* Find the nodes of entries i..depth - 1 anew. Returns the last one's, or NODE_LOST. */
FRAMES_INLINE uint32_t change(struct walker *w, uint32_t i, uint32_t depth, const struct layout *l)
{
    for (; i < depth; i++) {
        uintptr_t frame = shadow_address(w, i), ip = frame_ip(frame, l);
        uint32_t node = node_of(w, i, frame, ip, l);
        if (frames_unlikely(node == NODE_LOST))
            return whole_lost(w, i);
        shadow_change(w, i, ip, node);
        if (!ip_tells_code(l))
            w->details[i].code = frame_code(frame, l);
    }
    return w->details[depth - 1].node;
}

/* The chain has moved: its innermost frame is not the one that it was. */
FRAMES_INLINE uint32_t walk_moved(struct walker *w, uintptr_t top, const struct layout *l)
{
    uintptr_t pushed[PUSHED_MAX];
    uint32_t n = 0;
    int64_t base;
    for (uintptr_t frame = top; (base = find_entry(w, frame)) < 0; n++) {
        if (n == PUSHED_MAX)
            return whole_walk(w, top, w->epoch);
        pushed[n] = frame;
        frame = frame_previous(frame, l);
        if (!frame)
            return whole_walk(w, top, w->epoch);
    }
    uint32_t depth = (uint32_t)base + 1, changed = verify(w, (uint32_t)base, l);
    if (frames_unlikely(changed == LINK_BROKEN || depth + n > w->capacity))
        return whole_walk(w, top, w->epoch);
    w->depth = depth;
    if (change(w, changed, depth, l) == NODE_LOST)
        return NODE_LOST;
    for (; n; n--, w->depth++) {
        uintptr_t frame = pushed[n - 1], ip = frame_ip(frame, l);
        uint32_t node = node_of(w, w->depth, frame, ip, l);
        if (frames_unlikely(node == NODE_LOST))
            return whole_lost(w, w->depth);
        shadow_push(w, w->depth, frame, node, l);
    }
    return w->details[w->depth - 1].node;
}

typedef uint32_t moved_walk(struct walker *w, uintptr_t top);

FRAMES_INLINE uint32_t walk(struct walker *w, const struct layout *l, moved_walk *moved)
{
    uintptr_t tstate = tstate_of_thread(w, l);
    uintptr_t top = tstate ? top_frame(tstate, l) : 0;
    uint64_t epoch = code_epoch();
    if (frames_unlikely(!top))
        return NODE_NONE;
    if (frames_unlikely(w->epoch != epoch || !w->depth))
        return whole_walk(w, top, epoch);
    if (top != w->shadow[w->depth].previous)
        return moved(w, top);
    uint32_t depth = w->depth, changed = verify(w, depth - 1, l);
    if (frames_unlikely(changed == LINK_BROKEN))
        return whole_walk(w, top, epoch);
    return change(w, changed, depth, l);
}

/* Two functions a version, so that the walk of a chain that has not moved saves no registers. */
#define WALK(column)                                                                               \
    static __attribute__((noinline)) uint32_t moved_##column(struct walker *w, uintptr_t top)      \
    {                                                                                              \
        const struct layout l = layout_row(column);                                                \
        return walk_moved(w, top, &l);                                                             \
    }                                                                                              \
    static uint32_t walk_##column(struct walker *w)                                                \
    {                                                                                              \
        const struct layout l = layout_row(column);                                                \
        return walk(w, &l, moved_##column);                                                        \
    }
WALK(v9)
WALK(v10)
WALK(v11)
WALK(v12)
WALK(v13)
WALK(v13t)
WALK(v14)
WALK(v14t)
WALK(v15)
WALK(v15t)

walk_function *quick_find(int minor, bool free_threaded)
{
    static walk_function *const walks[] = {
        [v9] = walk_v9,   [v10] = walk_v10,   [v11] = walk_v11, [v12] = walk_v12,
        [v13] = walk_v13, [v13t] = walk_v13t, [v14] = walk_v14, [v14t] = walk_v14t,
        [v15] = walk_v15, [v15t] = walk_v15t,
    };
    _Static_assert(sizeof walks == LAYOUT_COLUMN_COUNT * sizeof *walks, "a walk for each version");
    int column = layout_column(minor, free_threaded);
    return column < 0 ? (walk_function *)0 : walks[column];
}
