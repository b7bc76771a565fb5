/* The quick walk (quick.h). Everything is inlined into one function a version; the compiler folds
 * the layout's row into it. */
#include "recorder/preload/quick.h"

#include <emmintrin.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/preload/code.h"
#include "recorder/preload/frames.h"
#include "recorder/preload/layout_table.h"
#include "recorder/preload/recall.h"
#include "recorder/preload/whole.h"

/* Where the live chain is looked for in the shadow: a few frames were pushed, a few popped. */
enum { PUSHED_MAX = 4, POPPED_MAX = 4, MARKED_PUSHED_MAX = 64 };

/* The entry of a frame among the innermost; NULL: none. */
FRAMES_INLINE struct shadow_frame *find_entry(const struct walker *w, uintptr_t frame)
{
    struct shadow_frame *above = w->shadow + w->depth;
    struct shadow_frame *end = w->depth > POPPED_MAX ? above - POPPED_MAX : w->shadow;
    for (; above > end; above--)
        if (above->previous == frame)
            return above - 1;
    return NULL;
}

/* What entries and their frames disagree in: bits, none when they agree. */
struct differences {
    __m128i vector;
    uintptr_t word;
};

/* Are link and instruction neighbours, and tell all but whether a loop began with the frame (a C
 * bool, 0 or 1, that is compared beside them)? Then they are compared as one. */
FRAMES_INLINE bool one_vector(const struct layout *l)
{
    return ip_tells_code(l) && l->frame_ip == l->frame_previous + 8;
}

/* The code that an entry's frame had. */
FRAMES_INLINE uintptr_t known_code(const struct walker *w, const struct shadow_frame *entry)
{
    return w->details[entry - w->shadow].code;
}

FRAMES_INLINE void compare(struct differences *d, const struct walker *w,
                           const struct shadow_frame *entry, const struct layout *l)
{
    uintptr_t frame = entry[1].previous;
    if (one_vector(l)) {
        const void *pair = (const void *)(frame + (uintptr_t)l->frame_previous);
        __m128i known = _mm_load_si128((const void *)entry), found = _mm_loadu_si128(pair);
        d->vector = _mm_or_si128(d->vector, _mm_xor_si128(found, known));
        if (l->frame_entry != LAYOUT_NONE)
            d->word |= memory_u8(frame + (uintptr_t)l->frame_entry) ^ (uint8_t)entry->ip;
    } else {
        d->word |= (frame_previous(frame, l) ^ entry->previous) | (frame_ip(frame, l) ^ entry->ip);
        if (!ip_tells_code(l))
            d->word |= frame_code(frame, l) ^ known_code(w, entry);
    }
}

/* Does any entry of a run, `entry` and those below it, differ from its frame? */
FRAMES_INLINE bool run_differs(const struct walker *w, const struct shadow_frame *entry,
                               uint32_t count, const struct layout *l)
{
    struct differences d = {0};
    for (; count >= 4; count -= 4, entry -= 4) {
        compare(&d, w, entry, l);
        compare(&d, w, entry - 1, l);
        compare(&d, w, entry - 2, l);
        compare(&d, w, entry - 3, l);
    }
    for (; count; count--, entry--)
        compare(&d, w, entry, l);
    if (!one_vector(l))
        return d.word != 0;
    if (l->frame_entry != LAYOUT_NONE) { /* the entry's instruction has it, the frame's doesn't */
        d.vector = _mm_andnot_si128(_mm_set_epi64x(FRAME_ENTRY, 0), d.vector);
        if (d.word & FRAME_ENTRY)
            return true;
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(d.vector, _mm_setzero_si128())) != 0xFFFF;
}

/* Verify one entry whose frame is live. Returns whether its link is right; *changed receives the
 * entry when it has changed. */
FRAMES_INLINE bool entry_stands(const struct walker *w, const struct shadow_frame *entry,
                                const struct shadow_frame **changed, const struct layout *l)
{
    uintptr_t frame = entry[1].previous, differs = frame_ip(frame, l) ^ entry->ip;
    if (!ip_tells_code(l))
        differs |= frame_code(frame, l) ^ known_code(w, entry);
    if (differs)
        *changed = entry;
    return frame_previous(frame, l) == entry->previous;
}

/* Of a deep stack the innermost entries are verified one by one, too: what was stored just now, a
 * word at a time, cannot be loaded as a vector at once. A shallow one isn't worth more. */
enum { SHALLOW = 24, NEAR_FRAMES = 3 };

/* Verify `entry` and those below it, down to `end`, whose first frame is live. Returns whether all
 * links are right; *changed receives the outermost entry that has changed. */
FRAMES_INLINE bool entries_stand(const struct walker *w, const struct shadow_frame *entry,
                                 const struct shadow_frame *end,
                                 const struct shadow_frame **changed, const struct layout *l)
{
    for (; entry > end; entry -= 2) /* by twos: the loop costs a third of a comparison */
        if (frames_unlikely(!entry_stands(w, entry, changed, l) ||
                            !entry_stands(w, entry - 1, changed, l)))
            return false;
    return entry < end || entry_stands(w, entry, changed, l);
}

/* entries_stand down to the outermost, by runs: no frame is read before a link to its page is
 * verified. */
FRAMES_INLINE bool runs_stand(struct walker *w, const struct shadow_frame *entry,
                              const struct shadow_frame **changed, const struct layout *l)
{
    for (uint32_t run; entry >= w->shadow; entry -= run) {
        run = shadow_run(w, (uint32_t)(entry - w->shadow), l);
        if (run_differs(w, entry, run, l) && !entries_stand(w, entry, entry - run + 1, changed, l))
            return false;
    }
    return true;
}

/* Verify all entries from a live one's down. As entries_stand. */
FRAMES_INLINE bool all_stand(struct walker *w, const struct shadow_frame *entry,
                             const struct shadow_frame **changed, const struct layout *l)
{
    if (entry - w->shadow < SHALLOW)
        return entries_stand(w, entry, w->shadow, changed, l);
    const struct shadow_frame *near = entry - NEAR_FRAMES;
    return entries_stand(w, entry, near + 1, changed, l) && runs_stand(w, near, changed, l);
}

/* What is recalled of a live frame on a parent node; NODE_NONE: nothing. */
FRAMES_INLINE uint32_t recalled(const struct walker *w, uint32_t parent, uintptr_t frame,
                                uintptr_t ip, const struct layout *l)
{
    uint32_t place = recall_place(parent, ip);
    const struct recall *recall = &w->recalls->entries[place];
    if (frames_unlikely(recall->ip != ip || recall->parent != parent))
        return NODE_NONE;
    if (!ip_tells_code(l) && w->recalls->codes[place] != frame_code(frame, l))
        return NODE_NONE;
    return recall->node;
}

/* The node of the live frame of entry i. */
FRAMES_INLINE uint32_t node_of(struct walker *w, uint32_t i, uintptr_t frame, uintptr_t ip,
                               const struct layout *l)
{
    uint32_t node = recalled(w, shadow_parent(w, i), frame, ip, l);
    return node ? node : whole_node(w, i, frame);
}

/* Find the nodes of entries i..depth - 1 anew. Returns the last one's, or NODE_LOST. */
FRAMES_INLINE uint32_t change_all(struct walker *w, uint32_t i, uint32_t depth,
                                  const struct layout *l)
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

/* Verify everything from a live frame's entry down, and find anew what has changed. Returns the
 * entry's node, NODE_LOST, or NODE_NONE: the chain is another one. */
FRAMES_INLINE uint32_t renew(struct walker *w, struct shadow_frame *entry, const struct layout *l)
{
    const struct shadow_frame *changed = entry + 1;
    if (frames_unlikely(!all_stand(w, entry, &changed, l)))
        return NODE_NONE;
    w->depth = (uint32_t)(entry - w->shadow) + 1;
    return change_all(w, (uint32_t)(changed - w->shadow), w->depth, l);
}

/* Write the frames on top of entry depth - 1, the innermost first in pushed[n]. Returns the last
 * one's node, node where there is none. */
FRAMES_INLINE uint32_t push_all(struct walker *w, const uintptr_t *pushed, uint32_t n,
                                uint32_t node, const struct layout *l)
{
    if (frames_unlikely(w->depth + n > WALK_DEPTH_MAX))
        whole_truncated();
    while (n && node != NODE_LOST) {
        uintptr_t frame = pushed[--n];
        node = node_of(w, w->depth, frame, frame_ip(frame, l), l);
        if (frames_unlikely(node == NODE_LOST))
            return whole_lost(w, w->depth);
        shadow_push(w, w->depth++, frame, node, l);
    }
    return node;
}

/* The chain has moved: its innermost frame is not the one that it was. */
FRAMES_INLINE uint32_t walk_moved(struct walker *w, uintptr_t top, const struct layout *l)
{
    uintptr_t pushed[PUSHED_MAX], frame = top;
    uint32_t n = 0;
    struct shadow_frame *entry;
    while ((entry = find_entry(w, frame)) == NULL) {
        if (n == PUSHED_MAX)
            return whole_walk(w, top, w->epoch);
        pushed[n++] = frame;
        frame = frame_previous(frame, l);
        if (!frame)
            return whole_walk(w, top, w->epoch);
    }
    uint32_t node = renew(w, entry, l);
    if (frames_unlikely(node == NODE_NONE || w->depth + n > w->capacity))
        return whole_walk(w, top, w->epoch);
    return push_all(w, pushed, n, node, l);
}

/* The entry that the mark vouches for: its frame and those below have not run since it was set. */
FRAMES_INLINE struct shadow_frame *marked_entry(const struct walker *w, uintptr_t tstate,
                                                const struct layout *l)
{
    uintptr_t pops = frames_word(tstate, l->tstate_mark_pops) - w->pops;
    if (frames_unlikely(w->marked != tstate || pops >= w->depth))
        return NULL;
    uint32_t i = w->depth - 1 - (uint32_t)pops;
    if (frames_unlikely(shadow_address(w, i) != frames_word(tstate, l->tstate_mark) ||
                        w->details[i].code))
        return NULL;
    return w->shadow + i;
}

/* The walk from the mark on; NODE_NONE: there is no way from the innermost frame to it. */
FRAMES_INLINE uint32_t walk_from_mark(struct walker *w, uintptr_t top, struct shadow_frame *entry,
                                      const struct layout *l)
{
    uintptr_t pushed[MARKED_PUSHED_MAX], frame = top, marked = entry[1].previous;
    uint32_t n = 0, i = (uint32_t)(entry - w->shadow);
    for (; frame != marked; frame = frame_previous(frame, l)) {
        if (!frame || n == MARKED_PUSHED_MAX)
            return NODE_NONE;
        pushed[n++] = frame;
    }
    if (frames_unlikely(i + 1 + n > w->capacity))
        return NODE_NONE;
    w->depth = i + 1;
    uint32_t node = w->details[i].node;
    if (frame_ip(marked, l) != entry->ip)
        node = change_all(w, i, i + 1, l);
    return push_all(w, pushed, n, node, l);
}

/* Mark the innermost frame, if the shadow has it; and, where native frames are recorded, the shims:
 * greenlet takes them out while it switches, and puts them back without any frame having run. */
FRAMES_INLINE void set_mark(struct walker *w, uintptr_t tstate, uintptr_t top,
                            const struct layout *l)
{
    bool whole = w->depth && shadow_address(w, w->depth - 1) == top &&
                 (!interp.native || frame_is_shim(shadow_address(w, 0), l));
    w->marked = whole ? tstate : 0;
    w->pops = frames_word(tstate, l->tstate_mark_pops);
    memory_put_word(tstate + (uintptr_t)l->tstate_mark, top);
}

/* The walk of a thread whose state is not to be had at once. */
FRAMES_INLINE uint32_t walk_other(struct walker *w, const struct layout *l)
{
    uint64_t epoch = code_epoch();
    uintptr_t tstate = tstate_of_thread(w, l);
    uintptr_t top = tstate ? top_frame(tstate, l) : 0;
    if (!top)
        return NODE_NONE;
    return w->epoch != epoch ? whole_walk(w, top, epoch) : walk_moved(w, top, l);
}

FRAMES_INLINE bool link_is(uintptr_t frame, uintptr_t previous, const struct layout *l)
{
    return memory_is_word(frame + (uintptr_t)l->frame_previous, previous);
}

/* Is an entry's frame, which is live, in all the one that it was? */
FRAMES_INLINE bool frame_stands(const struct walker *w, const struct shadow_frame *entry,
                                const struct layout *l)
{
    uintptr_t frame = entry[1].previous;
    return frames_likely(frame_ip(frame, l) == entry->ip) &&
           (ip_tells_code(l) || frames_likely(frame_code(frame, l) == known_code(w, entry))) &&
           frames_likely(link_is(frame, entry->previous, l));
}

/* Do all frames below that of a live entry stand as they did? By fours: the loop costs as much as
 * half a frame. */
FRAMES_INLINE bool below_stand(const struct walker *w, const struct shadow_frame *entry,
                               const struct layout *l)
{
    const struct shadow_frame *end = w->shadow;
    if (frames_unlikely(!link_is(entry[1].previous, entry->previous, l)))
        return false;
    for (entry--; entry >= end + 3; entry -= 4)
        if (!frame_stands(w, entry, l) || !frame_stands(w, entry - 1, l) ||
            !frame_stands(w, entry - 2, l) || !frame_stands(w, entry - 3, l))
            return false;
    if (entry < end)
        return true;
    return frame_stands(w, entry, l) && (entry == end || frame_stands(w, entry - 1, l)) &&
           (entry <= end + 1 || frame_stands(w, entry - 2, l));
}

/* The node of the frame of live entry i, below which everything stands; NODE_NONE: not known at
 * once. */
FRAMES_INLINE uint32_t entry_node(struct walker *w, uint32_t i, uintptr_t frame,
                                  const struct layout *l)
{
    struct shadow_frame *entry = w->shadow + i;
    struct shadow_detail *detail = w->details + i;
    uintptr_t ip = frame_ip(frame, l);
    if (ip == entry->ip && (ip_tells_code(l) || frame_code(frame, l) == detail->code))
        return detail->node;
    uint32_t node = recalled(w, detail[-1].node, frame, ip, l);
    if (frames_unlikely(!node))
        return NODE_NONE;
    entry->ip = ip;
    detail->node = node;
    if (!ip_tells_code(l))
        detail->code = frame_code(frame, l);
    return node;
}

/* The parts of a version's walk that are called, at its end, where the usual doesn't do. */
struct rest {
    uint32_t (*other)(struct walker *w);
    uint32_t (*stepped)(struct walker *w, uintptr_t top);
    uint32_t (*moved)(struct walker *w, uintptr_t top);
    uint32_t (*pushed)(struct walker *w, const uintptr_t *pushed, uint32_t n, uint32_t node);
};

/* The next usual walk: a few frames were popped, a few pushed, and nothing has changed below but
 * the instruction of the caller of the pushed. */
FRAMES_INLINE uint32_t walk_stepped(struct walker *w, uintptr_t top, const struct layout *l,
                                    struct rest rest)
{
    uintptr_t pushed[PUSHED_MAX] = {top}, frame = frame_previous(top, l);
    uint32_t n = 1;
    struct shadow_frame *entry = w->shadow + w->depth - 1;
    if (frame != entry[1].previous) { /* not one call more, which is the most usual */
        n = 0;
        frame = top;
        while ((entry = find_entry(w, frame)) == NULL) {
            if (n == PUSHED_MAX || !frame)
                return rest.moved(w, top);
            pushed[n++] = frame;
            frame = frame_previous(frame, l);
        }
    }
    uint32_t i = (uint32_t)(entry - w->shadow), node = NODE_NONE;
    if (i > 0 && below_stand(w, entry, l))
        node = entry_node(w, i, frame, l);
    if (frames_unlikely(!node))
        return rest.moved(w, top);
    w->depth = i + 1;
    while (n) {
        frame = pushed[n - 1];
        uint32_t next = recalled(w, node, frame, frame_ip(frame, l), l);
        if (frames_unlikely(!next))
            return rest.pushed(w, pushed, n, node);
        n--;
        node = next;
        shadow_push(w, w->depth++, frame, node, l);
    }
    return node;
}

/* The usual walk: of a shallow stack the innermost frame is the one that it was, and nothing has
 * changed but its instruction. It calls nothing on its way, and so saves no registers. */
FRAMES_INLINE uint32_t walk(struct walker *w, const struct layout *l, struct rest rest)
{
    uintptr_t tstate = tstate_at_once(w, l);
    if (frames_unlikely(!tstate))
        return rest.other(w);
    uint64_t epoch = code_epoch();
    uintptr_t top = top_frame(tstate, l);
    uint32_t depth = w->depth;
    if (frames_unlikely(w->epoch != epoch)) /* nor is there a shadow yet */
        return top ? whole_walk(w, top, epoch) : NODE_NONE;
    if (depth - 2 > SHALLOW - 2) /* there is room for some more (shadow.c) */
        return top ? rest.moved(w, top) : NODE_NONE;
    struct shadow_frame *entry = w->shadow + depth - 1;
    if (top != entry[1].previous)
        return top ? rest.stepped(w, top) : NODE_NONE;
    if (!below_stand(w, entry, l))
        return rest.moved(w, top);
    uint32_t node = entry_node(w, depth - 1, top, l);
    return frames_likely(node) ? node : rest.moved(w, top);
}

/* The usual walk where frames are marked. */
FRAMES_INLINE uint32_t walk_marked(struct walker *w, const struct layout *l, struct rest rest)
{
    uintptr_t tstate = tstate_at_once(w, l);
    if (frames_unlikely(!tstate))
        return rest.other(w);
    uint64_t epoch = code_epoch();
    uintptr_t top = top_frame(tstate, l);
    if (frames_unlikely(!top))
        return NODE_NONE;
    uint32_t node = NODE_NONE;
    struct shadow_frame *entry = w->epoch == epoch ? marked_entry(w, tstate, l) : NULL;
    if (entry)
        node = walk_from_mark(w, top, entry, l);
    if (frames_unlikely(node == NODE_NONE))
        node = w->epoch != epoch ? whole_walk(w, top, epoch) : rest.moved(w, top);
    set_mark(w, tstate, top, l);
    return node;
}

#define NOINLINE static __attribute__((noinline)) uint32_t
/* A version's row, as it is compared where native frames are not recorded. */
static inline __attribute__((always_inline)) struct layout plain_row(enum layout_column column)
{
    struct layout l = layout_row(column);
    l.frame_entry = LAYOUT_NONE;
    return l;
}

#define WALK(column, row)                                                                          \
    NOINLINE moved_##column(struct walker *w, uintptr_t top)                                       \
    {                                                                                              \
        const struct layout l = row;                                                               \
        return walk_moved(w, top, &l);                                                             \
    }                                                                                              \
    NOINLINE other_##column(struct walker *w)                                                      \
    {                                                                                              \
        const struct layout l = row;                                                               \
        return walk_other(w, &l);                                                                  \
    }                                                                                              \
    NOINLINE pushed_##column(struct walker *w, const uintptr_t *pushed, uint32_t n, uint32_t node) \
    {                                                                                              \
        const struct layout l = row;                                                               \
        return push_all(w, pushed, n, node, &l);                                                   \
    }                                                                                              \
    NOINLINE stepped_##column(struct walker *w, uintptr_t top)                                     \
    {                                                                                              \
        const struct layout l = row;                                                               \
        return walk_stepped(w, top, &l,                                                            \
                            (struct rest){.moved = moved_##column, .pushed = pushed_##column});    \
    }                                                                                              \
    NOINLINE walk_##column(struct walker *w)                                                       \
    {                                                                                              \
        const struct layout l = row;                                                               \
        return walk(w, &l, (struct rest){other_##column, stepped_##column, moved_##column, 0});    \
    }
WALK(v9, plain_row(v9))
WALK(v10, plain_row(v10))
WALK(v11, plain_row(v11))
WALK(v12, plain_row(v12))
WALK(v13, plain_row(v13))
WALK(v13t, plain_row(v13t))
WALK(v14, plain_row(v14))
WALK(v14t, plain_row(v14t))
WALK(v15, plain_row(v15))
WALK(v15t, plain_row(v15t))
WALK(v11_native, layout_row(v11))

static uint32_t walk_v15_marked(struct walker *w)
{
    const struct layout l = plain_row(v15);
    return walk_marked(w, &l, (struct rest){other_v15, stepped_v15, moved_v15, 0});
}

/* Are there no marks to be set, or is the interpreter's JIT on? */
static bool marks_off(void)
{
    const char *jit = secure_getenv("PYTHON_JIT"), *off = secure_getenv("MEMREC_NO_MARKS");
    return (jit && *jit && strcmp(jit, "0") != 0) || (off && *off);
}

walk_function *quick_find(int minor, bool free_threaded)
{
    static walk_function *const walks[] = {
        [v9] = walk_v9,   [v10] = walk_v10,   [v11] = walk_v11, [v12] = walk_v12,
        [v13] = walk_v13, [v13t] = walk_v13t, [v14] = walk_v14, [v14t] = walk_v14t,
        [v15] = walk_v15, [v15t] = walk_v15t,
    };
    _Static_assert(sizeof walks == LAYOUT_COLUMN_COUNT * sizeof *walks, "a walk for each version");
    int column = layout_column(minor, free_threaded);
    if (column == v11 && interp.native)
        return walk_v11_native;
    if (column == v15 && !marks_off())
        return walk_v15_marked;
    return column < 0 ? (walk_function *)0 : walks[column];
}
