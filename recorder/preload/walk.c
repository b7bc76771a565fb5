/* Walking the calling thread's Python frames, see walk.h.
 *
 * Whose frames. The thread's own: only its own eval loop changes them, and that stands still inside
 * malloc, so no lock and no GIL is needed. What another thread may do is free the thread state:
 * when the interpreter finalises. From then on only the thread that finalises is walked, and a
 * thread that isn't attached never again (walk_ended).
 *
 * Which frames count (as sys._getframe has it; Include/internal/pycore_frame.h,
 * _PyFrame_IsIncomplete). Not the interpreter's own frames (owner >= shim), not those whose
 * instruction is before the first traceable one, but for generators. Both can stand anywhere in
 * the chain. A frame that doesn't count has its caller's node.
 *
 * What has to be equal for a frame to be unchanged: its address, its instruction, its link; and
 * its code where the instruction doesn't tell the code (<= 3.10: a number; thread-local bytecode:
 * memory that is reused unseen). Code objects that die move the epoch (code.h), and then nothing
 * is unchanged.
 *
 * Invariant: entries of the shadow below w->depth are such that, if the live chain still reaches
 * an entry's frame and everything below it is unchanged, its node is right. Entries above are
 * garbage. */
#define _GNU_SOURCE
#include "recorder/preload/walk.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "recorder/preload/code.h"
#include "recorder/preload/define.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/recall.h"
#include "recorder/preload/shadow.h"
#include "recorder/preload/verify.h"

#define INLINE      static inline __attribute__((always_inline))
#define NOINLINE    static __attribute__((noinline))
#define unlikely(x) __builtin_expect(!!(x), 0)

enum walk_mode {
    WALK_OFF,     /* there is nothing to walk, or no more */
    WALK_SUSPECT, /* the layout has not been compared with live frames yet */
    WALK_ON,
};

static _Atomic int walk_mode;
static atomic_flag suspect_busy = ATOMIC_FLAG_INIT; /* one thread at a time compares */
static _Atomic bool walk_ended; /* the interpreter was seen finalising: detached states may be gone
                                 */
static _Atomic uint64_t lost_count, truncated_count;
static bool fork_holds_lock; /* between walk_fork_prepare and the others; guarded by that lock */

static const struct layout *const layout = &interp.layout;

INLINE uintptr_t word_of(uintptr_t object, int32_t offset)
{
    return memory_word(object + (uintptr_t)offset);
}

/* ---- the thread state */

/* <= 3.11, when the GIL's holder is not the state that was last proved mine. The state that the
 * thread remembers is mine; the holder is, if it's the same or if it says so. To ask the holder is
 * only safe while it lives, which is sure only if it is mine; so it is asked only while there are
 * subinterpreters, whose states the thread doesn't remember. */
NOINLINE uintptr_t tstate_search(struct walker *w, uintptr_t holder)
{
    uintptr_t mine = interp.remembered();
    if (!w->thread)
        w->thread = (uintptr_t)pthread_self();
    if (holder && holder != mine &&
        word_of(interp.runtime, layout->runtime_interp_head) !=
            word_of(interp.runtime, layout->runtime_interp_main) &&
        word_of(holder, layout->tstate_thread) == w->thread)
        mine = holder;
    if (holder && holder == mine)
        w->tstate = holder;
    return mine;
}

/* The thread state of the calling thread, or 0. */
INLINE uintptr_t tstate_of_thread(struct walker *w)
{
    uintptr_t finalising = word_of(interp.runtime, layout->runtime_finalizing);
    uintptr_t tstate;
    if (unlikely(finalising) && !walk_ended)
        walk_ended = true;
    if (layout->tstate_source == TSTATE_IN_RUNTIME) {
        tstate = word_of(interp.runtime, layout->runtime_tstate);
        if (unlikely(finalising))
            return tstate == finalising && tstate == w->tstate ? tstate : 0;
        if (unlikely(!tstate || tstate != w->tstate ||
                     word_of(tstate, layout->tstate_thread) != w->thread))
            tstate = walk_ended ? 0 : tstate_search(w, tstate);
        return tstate;
    }
    tstate = interp.attached();
    if (unlikely(!tstate) && !walk_ended)
        tstate = interp.remembered();
    return unlikely(finalising) && tstate != finalising ? 0 : tstate;
}

INLINE uintptr_t top_frame(uintptr_t tstate)
{
    uintptr_t frame = word_of(tstate, layout->tstate_frame);
    if (layout->cframe_frame != LAYOUT_NONE && frame)
        frame = word_of(frame, layout->cframe_frame);
    return frame;
}

/* ---- one frame */

/* What a frame's instruction is, and so what must be compared. */
enum ip_family {
    IP_TELLS_CODE,   /* an address in the code object */
    IP_WITHOUT_CODE, /* an address elsewhere: thread-local bytecode */
    IP_NUMBER,       /* an index */
};

INLINE enum ip_family ip_family(void)
{
    if (layout->ip_kind != IP_POINTER)
        return IP_NUMBER;
    return layout->frame_tlbc == LAYOUT_NONE ? IP_TELLS_CODE : IP_WITHOUT_CODE;
}

INLINE uintptr_t ip_at(uintptr_t address, enum ip_family family)
{
    return family == IP_NUMBER ? memory_u32(address) : memory_word(address);
}

INLINE uintptr_t frame_ip(uintptr_t frame)
{
    return ip_at(frame + (uintptr_t)layout->frame_ip, ip_family());
}

/* The first instruction of the copy of the bytecode that the frame runs. */
static uintptr_t frame_base(uintptr_t frame, uintptr_t code)
{
    if (layout->frame_tlbc != LAYOUT_NONE) {
        int32_t index = memory_i32(frame + (uintptr_t)layout->frame_tlbc);
        uintptr_t array = word_of(code, layout->code_tlbc);
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
    if (layout->frame_owner_shim != LAYOUT_NONE && owner >= layout->frame_owner_shim)
        return FRAME_SKIPPED;
    int64_t lasti = (int64_t)(ip - frame_base(frame, code));
    int64_t traceable = 2 * (int64_t)memory_i32(code + (uintptr_t)layout->code_traceable);
    if (owner != layout->frame_owner_generator && lasti < traceable)
        return FRAME_SKIPPED;
    if (lasti > 2 * (int64_t)word_of(code, layout->object_size))
        return FRAME_STRANGE;
    *lasti_bytes = lasti < 0 ? -1 : (int32_t)lasti;
    return lasti >= traceable && layout->frame_tlbc == LAYOUT_NONE ? FRAME_COUNTS_ALWAYS
                                                                   : FRAME_COUNTS;
}

/* Write shadow[i] anew for a frame on top of shadow[i-1]. known: shadow[i] was right for this very
 * frame and epoch but for the instruction. Returns false, with NODE_LOST, if it could not be
 * told. */
static bool shadow_set(struct walker *w, uint32_t i, uintptr_t frame, bool known)
{
    struct shadow_detail *detail = &w->details[i];
    uintptr_t ip = frame_ip(frame);
    uintptr_t code = word_of(frame, layout->frame_code);
    uintptr_t untagged = code & ~(uintptr_t)layout->frame_code_tags;
    uint32_t code_id = known && detail->code == code ? detail->code_id : 0;
    uint32_t node = i ? detail[-1].node : NODE_NONE;
    struct recall *recall = recall_place(w->recall, node, ip);
    if (recall->ip == ip && recall->code == code && recall->parent == node) {
        w->shadow[i] = (struct shadow_frame){frame, ip};
        *detail = (struct shadow_detail){code, recall->node, recall->code_id};
        return true;
    }
    int32_t lasti;
    enum frame_kind kind = frame_classify(frame, untagged, ip, &lasti);
    if (kind <= FRAME_COUNTS) {
        uint32_t parent = node;
        if (!code_id)
            code_id = code_intern(untagged);
        node = code_id ? intern_node(parent, code_id, lasti) : NODE_LOST;
        if (kind == FRAME_COUNTS_ALWAYS && node != NODE_LOST)
            *recall = (struct recall){ip, code, parent, node, code_id, 0};
    }
    w->shadow[i] = (struct shadow_frame){frame, ip};
    *detail = (struct shadow_detail){code, node, code_id};
    return kind != FRAME_STRANGE && node != NODE_LOST;
}

/* ---- the shadow */

/* The stack could not be told from entry i on. */
NOINLINE uint32_t walk_lost(struct walker *w, uint32_t i)
{
    w->depth = i;
    atomic_fetch_add_explicit(&lost_count, 1, memory_order_relaxed);
    return NODE_LOST;
}

/* ---- the full walk */

/* More links than any chain has: a circle. */
enum { LINKS_MAX = 1 << 26 };

/* Write the live chain, innermost first, to w->chain, which is a ring of WALK_DEPTH_MAX when the
 * chain is longer: what stays are the outermost. Returns its length, 0 if that failed. */
static uint32_t chain_collect(struct walker *w, uintptr_t top)
{
    uint32_t n = 0;
    for (uintptr_t frame = top; frame; frame = word_of(frame, layout->frame_previous)) {
        if (n == LINKS_MAX)
            return 0;
        if (n == w->capacity && n < WALK_DEPTH_MAX && !walker_grow(w))
            return 0;
        w->chain[n++ & (WALK_DEPTH_MAX - 1)] = frame;
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
        const struct shadow_frame *s = &w->shadow[i];
        uintptr_t frame = w->chain[(n - 1 - i) & (WALK_DEPTH_MAX - 1)];
        if (frame != s->frame || frame_ip(frame) != s->ip ||
            word_of(frame, layout->frame_code) != w->details[i].code)
            break;
    }
    return i;
}

/* Compare the whole chain with the shadow from the outermost frame on. */
NOINLINE uint32_t walk_whole(struct walker *w, uintptr_t top, uint64_t epoch)
{
    if (w->epoch != epoch) {
        w->depth = 0;
        if (w->recall)
            recall_forget(w->recall);
    }
    w->epoch = epoch;
    uint32_t n = chain_collect(w, top);
    if (!n)
        return walk_lost(w, 0);
    uint32_t depth = n;
    if (n > WALK_DEPTH_MAX) {
        depth = WALK_DEPTH_MAX;
        atomic_fetch_add_explicit(&truncated_count, 1, memory_order_relaxed);
    }
    for (uint32_t i = common_depth(w, n, depth); i < depth; i++)
        if (!shadow_set(w, i, w->chain[(n - 1 - i) & (WALK_DEPTH_MAX - 1)], false))
            return walk_lost(w, i);
    w->depth = depth;
    return w->details[depth - 1].node;
}

/* ---- the quick walk */

/* Where the live chain is looked for in the shadow: a few frames were pushed, a few popped. */
enum { PUSHED_MAX = 4, POPPED_MAX = 4 };

/* The entry of a frame among the innermost, or -1. */
INLINE int64_t shadow_find(const struct walker *w, uintptr_t frame)
{
    int64_t end = (int64_t)w->depth - POPPED_MAX;
    for (int64_t i = (int64_t)w->depth - 1; i >= end && i >= 0; i--)
        if (w->shadow[i].frame == frame)
            return i;
    return -1;
}

enum { LINK_BROKEN = UINT32_MAX };

/* Verify entries base..0, whose first frame is live: each link before the frame behind it is read.
 * Returns the outermost entry that changed, base + 1 if none did, or LINK_BROKEN. The offsets are
 * copied to locals since the compiler may not keep them across atomic reads. */
INLINE uint32_t shadow_verify(const struct walker *w, uint32_t base, enum ip_family family)
{
    uintptr_t to_previous = (uintptr_t)layout->frame_previous;
    uintptr_t to_ip = (uintptr_t)layout->frame_ip, to_code = (uintptr_t)layout->frame_code;
    const struct shadow_frame *first = w->shadow;
    const struct shadow_detail *detail = &w->details[base];
    uint32_t changed = base + 1;
    for (const struct shadow_frame *s = &first[base];; s--, detail--) {
        uintptr_t previous = memory_word(s->frame + to_previous);
        uintptr_t differs = ip_at(s->frame + to_ip, family) ^ s->ip;
        if (family != IP_TELLS_CODE)
            differs |= memory_word(s->frame + to_code) ^ detail->code;
        if (unlikely(differs))
            changed = (uint32_t)(s - first);
        if (s == first)
            return previous ? LINK_BROKEN : changed;
        if (unlikely(previous != s[-1].frame))
            return LINK_BROKEN;
    }
}

/* One loop for each family. */
INLINE uint32_t verify_from(const struct walker *w, uint32_t base)
{
    switch (ip_family()) {
    case IP_TELLS_CODE: return shadow_verify(w, base, IP_TELLS_CODE);
    case IP_WITHOUT_CODE: return shadow_verify(w, base, IP_WITHOUT_CODE);
    default: return shadow_verify(w, base, IP_NUMBER);
    }
}

/* The node of the stack that ends in a live frame. */
INLINE uint32_t walk_from(struct walker *w, uintptr_t top)
{
    uint64_t epoch = code_epoch();
    uintptr_t pushed[PUSHED_MAX];
    uint32_t n = 0;
    int64_t base;
    if (unlikely(w->epoch != epoch))
        return walk_whole(w, top, epoch);
    for (uintptr_t frame = top; (base = shadow_find(w, frame)) < 0; n++) {
        if (n == PUSHED_MAX)
            return walk_whole(w, top, epoch);
        pushed[n] = frame;
        frame = word_of(frame, layout->frame_previous);
        if (!frame)
            return walk_whole(w, top, epoch);
    }
    uint32_t depth = (uint32_t)base + 1;
    uint32_t changed = verify_from(w, (uint32_t)base);
    if (unlikely(changed == LINK_BROKEN || depth + n > w->capacity))
        return walk_whole(w, top, epoch);
    for (; changed < depth; changed++)
        if (!shadow_set(w, changed, w->shadow[changed].frame, true))
            return walk_lost(w, changed);
    for (; n; n--, depth++)
        if (!shadow_set(w, depth, pushed[n - 1], false))
            return walk_lost(w, depth);
    w->depth = depth;
    return w->details[depth - 1].node;
}

/* ---- before the layout is trusted */

/* Compare the live chain with the layout, and decide. Returns whether it may be walked. */
static bool suspect_cleared(uintptr_t tstate)
{
    char fact[INTERP_FACT_BYTES];
    struct sentence why;
    sentence_init(&why, fact, sizeof fact);
    sentence_add(&why, "CPython ");
    sentence_add(&why, interp_version());
    sentence_add(&why, ": ");
    enum verify_result result = verify_chain(tstate, &why);
    if (result == VERIFY_WRONG) {
        walk_mode = WALK_OFF;
        define_verdict(INTERP_FRAMES_MISMATCH, fact);
    } else if (result == VERIFY_ALL) {
        walk_mode = WALK_ON;
        sentence_add(&why, "live frames agree");
        define_verdict(INTERP_OK, fact);
    }
    return result == VERIFY_SOME || result == VERIFY_ALL;
}

NOINLINE uint32_t walk_suspect(struct walker *w)
{
    uint32_t node = NODE_NONE;
    if (walk_mode == WALK_OFF)
        return NODE_NONE;
    int saved_errno = errno;
    uintptr_t tstate = tstate_of_thread(w);
    if (tstate && !atomic_flag_test_and_set(&suspect_busy)) {
        if (suspect_cleared(tstate))
            node = walk_from(w, top_frame(tstate));
        atomic_flag_clear(&suspect_busy);
    }
    errno = saved_errno;
    return node;
}

/* ---- the whole */

uint32_t walk_current(struct walker *w)
{
    if (unlikely(atomic_load_explicit(&walk_mode, memory_order_relaxed) != WALK_ON))
        return walk_suspect(w);
    uintptr_t tstate = tstate_of_thread(w);
    uintptr_t top = tstate ? top_frame(tstate) : 0;
    return top ? walk_from(w, top) : NODE_NONE;
}

void walk_start(void) { walk_mode = WALK_SUSPECT; }

void walk_stop(void) { walk_mode = WALK_OFF; }

void walk_fork_prepare(void)
{
    int saved_errno = errno;
    bool held = intern_lock();
    if (held)
        fork_holds_lock = true;
    errno = saved_errno;
}

void walk_fork_parent(void)
{
    if (!fork_holds_lock)
        return;
    int saved_errno = errno;
    fork_holds_lock = false;
    intern_unlock();
    errno = saved_errno;
}

void walk_after_fork(void)
{
    fork_holds_lock = false;
    atomic_flag_clear(&suspect_busy);
    intern_lock_reset();
}

void walk_losses(struct walk_losses *losses)
{
    losses->lost = atomic_load(&lost_count);
    losses->truncated = atomic_load(&truncated_count);
}
