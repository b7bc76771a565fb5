/* The remembered stack and its verification (native.h).
 *
 * Frames and words stand outermost first, so that an allocation deeper or less deep changes their
 * ends. words[frames[i].first .. frames[i + 1].first) are what was read to leave frame i. Steps are
 * the frames inside the joint, innermost first, until they are appended. */
#define _GNU_SOURCE
#include "recorder/preload/native.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "recorder/failpoint.h"
#include "recorder/preload/ground.h"
#include "recorder/preload/loops.h"
#include "recorder/preload/memory.h"
#include "recorder/preload/modules.h"
#include "recorder/preload/pages.h"
#include "recorder/preload/recall.h"
#include "recorder/preload/rules.h"
#include "recorder/preload/tails.h"
#include "recorder/ring.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* One frame on the way out. */
struct step {
    struct frame_state at;
    uint64_t rule;
    struct native_word ra, bp, cfa; /* as read; at 0: not read */
};

enum { WORDS_A_FRAME = 3, CAPACITY_MIN = 512, PASSED = 1000 };

struct native_list {
    struct native_frame *frames; /* capacity + 1 */
    struct native_word *words;
    struct step *steps;
    uintptr_t *entries; /* that the marks stand for, innermost first */
    uintptr_t *asked;   /* those of the walk under way */
    uint32_t capacity, depth;
    uint32_t entry_count;
    uint32_t recent; /* the node that was asked for last (intern.h) */
    uint32_t passes; /* walks to pass: the stack was too deep */
    uint32_t root;   /* the frame that the stack begins with; none further out has a node */
    bool cut;        /* frame 0 is not the outermost one */
    bool begins;     /* nothing is missing outside of the root */
    bool nameless;   /* the walk under way has met code of no module */
    uint64_t epoch;  /* of modules */
    uint64_t serial; /* of the frame that was appended last */
    uint64_t turn;   /* the entries have changed so often */
    struct ground ground;
    struct recall recalls[RECALL_ENTRIES];
    struct tails tails;
};

static _Atomic uint64_t cut_count, lost_count;

/* ---- memory */

static size_t list_bytes(uint32_t capacity)
{
    return sizeof(struct native_list) + (capacity + 1) * sizeof(struct native_frame) +
           (size_t)capacity * (WORDS_A_FRAME * sizeof(struct native_word) + sizeof(struct step) +
                               2 * sizeof(uintptr_t));
}

/* A list with twice the room that forgets what it knew of the stack. */
static bool list_grow(struct native_list **list)
{
    struct native_list *old = *list;
    uint32_t capacity = old ? 2 * old->capacity : CAPACITY_MIN;
    struct native_list *l = NULL;
    if (capacity <= NATIVE_DEPTH_MAX)
        l = FAILPOINT(native_memory, pages_map(list_bytes(capacity)), NULL);
    if (!l)
        return false;
    l->frames = (struct native_frame *)(l + 1);
    l->steps = (struct step *)(l->frames + capacity + 1);
    l->words = (struct native_word *)(l->steps + capacity);
    l->entries = (uintptr_t *)(l->words + (size_t)WORDS_A_FRAME * capacity);
    l->asked = l->entries + capacity;
    l->capacity = capacity;
    if (old) {
        l->recent = old->recent;
        memcpy(l->asked, old->asked, old->capacity * sizeof *l->asked);
        pages_unmap(old, list_bytes(old->capacity));
    }
    *list = l;
    return true;
}

/* The first list of a thread. Keeps errno. */
static bool list_begin(struct native_list **list)
{
    int saved = errno;
    bool there = list_grow(list);
    errno = saved;
    return there;
}

uintptr_t *native_entries(struct native_list **list, uint32_t *capacity)
{
    bool there = LIKELY(*list) || list_begin(list);
    *capacity = there ? (*list)->capacity : 0;
    return there ? (*list)->asked : NULL;
}

void native_list_release(struct native_list **list)
{
    int saved = errno;
    if (*list)
        pages_unmap(*list, list_bytes((*list)->capacity));
    *list = NULL;
    errno = saved;
}

static void list_forget(struct native_list *l, uint64_t epoch)
{
    l->depth = l->entry_count = l->root = 0;
    l->cut = l->begins = false;
    l->epoch = epoch;
    memset(l->recalls, 0, sizeof l->recalls);
}

/* ---- one step */

/* Reads a word that a rule asks for. False: it is not ours to read. */
static inline bool read_at(struct native_list *l, struct native_word *word, uintptr_t at)
{
    if (UNLIKELY(!ground_bears(&l->ground, at)))
        return false;
    *word = (struct native_word){at, memory_word(at)};
    return true;
}

static uintptr_t base_of(const struct frame_state *s, uintptr_t cfa, uint8_t base)
{
    return base == BASE_SP ? s->sp : base == BASE_BP ? s->bp : cfa;
}

static bool leave_wide(struct native_list *l, struct step *step, uintptr_t *cfa)
{
    const struct wide_rule *rule = unwind_wide(step->rule);
    const struct frame_state *s = &step->at;
    *cfa = base_of(s, 0, rule->cfa_base) + (uintptr_t)(intptr_t)rule->cfa_offset;
    if (rule->cfa_read) {
        if (!read_at(l, &step->cfa, *cfa))
            return false;
        *cfa = step->cfa.value;
    }
    uintptr_t ra_at = base_of(s, *cfa, rule->ra_base) + (uintptr_t)(intptr_t)rule->ra_offset;
    uintptr_t bp_at = base_of(s, *cfa, rule->bp_base) + (uintptr_t)(intptr_t)rule->bp_offset;
    return read_at(l, &step->ra, ra_at) &&
           (rule->bp_base == BASE_NOWHERE || read_at(l, &step->bp, bp_at));
}

/* Leaves a frame: *s becomes its caller's. step: with nothing read yet. False: the walk ends here,
 * *cut where it is not the outermost frame. */
static bool leave(struct native_list *l, struct step *step, struct frame_state *s, bool *cut)
{
    uint64_t rule = step->rule;
    uintptr_t cfa;
    if (LIKELY((rule & RULE_KIND_BITS) == RULE_PLAIN)) {
        cfa = (rule & RULE_FROM_BP ? s->bp : s->sp) + (uintptr_t)(intptr_t)rule_cfa_offset(rule);
        uintptr_t bp_at = cfa + (uintptr_t)(intptr_t)rule_bp_offset(rule);
        *cut = !read_at(l, &step->ra, cfa - 8) ||
               (rule & RULE_SAVES_BP && !read_at(l, &step->bp, bp_at));
    } else if ((rule & RULE_KIND_BITS) == RULE_WIDE) {
        *cut = !leave_wide(l, step, &cfa);
    } else {
        *cut = (rule & RULE_KIND_BITS) != RULE_END;
        return false;
    }
    if (*cut || !step->ra.value)
        return false;
    *s = (struct frame_state){step->ra.value, cfa, step->bp.at ? step->bp.value : s->bp,
                              rule & RULE_INTERRUPTED};
    return true;
}

/* ---- verification */

static inline bool frame_is(const struct native_frame *f, const struct frame_state *s)
{
    return f->at.sp == s->sp && f->at.ip == s->ip && f->at.exact == s->exact &&
           (!f->needs_bp || f->at.bp == s->bp);
}

/* Where the walk may go on with what is remembered: the number of frames that stand, of the `limit`
 * outermost; *limit falls to those that are not disproved. 0: not here. */
static uint32_t joint(const struct native_list *l, const struct frame_state *s, uint32_t *limit)
{
    while (*limit && l->frames[*limit - 1].at.sp < s->sp)
        --*limit;
    if (!*limit || !frame_is(&l->frames[*limit - 1], s))
        return 0;
    uint32_t kept = *limit, failed = words_fail(l->words, l->frames[kept].first);
    if (!failed)
        return kept;
    while (*limit && l->frames[*limit - 1].first > failed - 1)
        --*limit;
    *limit -= *limit > 0;
    return 0;
}

/* ---- the walk */

enum outcome { WALKED, TOO_DEEP, NOT_TOLD };

/* Steps out from *s to a frame that stands. *kept: how many do; *count: steps inside of them. */
static enum outcome step_out(struct native_list *l, struct frame_state s, uint32_t *kept,
                             uint32_t *count)
{
    uint32_t limit = l->depth, n = 0;
    bool cut = false, more = true;
    ground_begin(&l->ground);
    while (more && !(*kept = joint(l, &s, &limit))) {
        if (n == l->capacity)
            return TOO_DEEP;
        struct step *step = &l->steps[n++];
        *step = (struct step){.at = s, .rule = rule_of(s.ip, s.exact)};
        if (step->rule == RULE_UNKNOWN)
            return NOT_TOLD;
        more = leave(l, step, &s, &cut);
    }
    if (!*kept)
        l->cut = cut;
    *count = n;
    return *kept + n > l->capacity ? TOO_DEEP : WALKED;
}

/* Appends a frame outside of which `needs_bp` holds, with the words that were read to leave it. */
static bool append(struct native_list *l, const struct step *step, bool needs_bp)
{
    struct native_frame *f = &l->frames[l->depth];
    uint32_t w = f->first;
    uint64_t kind = step->rule & RULE_KIND_BITS;
    if (needs_bp && step->bp.at)
        l->words[w++] = step->bp;
    if (step->ra.at)
        l->words[w++] = step->ra;
    if (step->cfa.at)
        l->words[w++] = step->cfa;
    bool uses_bp = kind == RULE_PLAIN ? (step->rule & RULE_FROM_BP) != 0 : kind == RULE_WIDE;
    f->at = step->at;
    f->needs_bp = uses_bp || (needs_bp && !step->bp.at);
    f->copies = step->rule & RULE_COPIES;
    f->marked = false;
    f->node = NODE_NONE;
    f->serial = ++l->serial;
    l->frames[++l->depth].first = w;
    return f->needs_bp;
}

static void append_all(struct native_list *l, uint32_t kept, uint32_t count)
{
    bool needs_bp = kept && l->frames[kept - 1].needs_bp;
    l->depth = kept;
    if (!kept)
        l->frames[0].first = 0;
    while (count)
        needs_bp = append(l, &l->steps[--count], needs_bp);
}

/* ---- marks */

static bool same_entries(const struct native_list *l, const struct native_marks *marks)
{
    uintptr_t differ = l->entry_count ^ marks->count;
    for (uint32_t i = 0; !differ && i < marks->count; i++)
        differ = l->entries[i] ^ marks->entries[i];
    return !differ;
}

static void keep_entries(struct native_list *l, const struct native_marks *marks)
{
    if (same_entries(l, marks))
        return;
    l->turn++;
    l->entry_count = 0;
    if (!marks->by_range && marks->count <= l->capacity) {
        memcpy(l->entries, marks->entries, marks->count * sizeof *l->entries);
        l->entry_count = marks->count;
    }
}

/* Which frames are loops, and where the stack begins. Returns the outermost frame whose node is to
 * be told anew, at most `from`. What is outside of a cut walk's outermost loop has none. */
static uint32_t mark(struct native_list *l, const struct native_marks *marks, uint32_t from)
{
    struct loops found = loops_mark(l->frames, l->depth, marks, from);
    uint32_t root = l->cut && found.outermost < l->depth ? found.outermost : 0;
    l->begins = found.beginning < l->depth;
    if (l->begins)
        root = found.beginning;
    keep_entries(l, marks);
    if (root == l->root)
        return found.changed;
    l->root = root;
    return 0;
}

/* ---- nodes */

static uint32_t node_of_frame(struct native_list *l, const struct native_frame *f, uint32_t parent)
{
    uintptr_t at = f->at.ip - !f->at.exact, start = 0;
    uintptr_t key = f->marked ? 1 : at;
    struct recall *recall = &l->recalls[recall_place(parent, key)];
    if (recall->node && recall->ip == key && recall->parent == parent)
        return recall->node;
    uint32_t code = CODE_EVAL, offset = 0, node = parent;
    if (!f->marked && module_is_own(at)) {
        code = 0;
    } else if (!f->marked) {
        uint32_t module = module_of(at, &start);
        if (UNLIKELY(module == MODULE_LOST))
            return NODE_LOST;
        code = CODE_NATIVE | module;
        offset = module ? (uint32_t)(at - start) : 0;
        if (at - start > UINT32_MAX)
            offset = 0, code = CODE_NATIVE;
    }
    if (code)
        node = intern_node(parent, code, (int32_t)offset, &l->recent);
    if (code == CODE_NATIVE) /* which may be another module's next time */
        l->nameless = true;
    else if (node != NODE_LOST)
        *recall = (struct recall){key, parent, node};
    return node;
}

/* Nodes for the frames from `from` on, inwards. Returns the innermost's. */
static uint32_t name_frames(struct native_list *l, uint32_t from)
{
    for (; from < l->root; from++)
        l->frames[from].node = NODE_NONE;
    uint32_t node = from > l->root ? l->frames[from - 1].node : NODE_NONE;
    for (uint32_t i = from; i < l->depth; i++) {
        node = node_of_frame(l, &l->frames[i], node);
        if (UNLIKELY(node == NODE_LOST)) {
            l->depth = i;
            return NODE_LOST;
        }
        l->frames[i].node = node;
    }
    return node;
}

/* ---- tails */

/* The frames inside the `kept` outermost ones, with what they led to. */
static void keep_tail(struct native_list *l, uint32_t kept, uint32_t node)
{
    const struct native_frame *last = &l->frames[l->depth - 1];
    uint32_t first = l->frames[kept].first;
    struct tail about = {.sp = last->at.sp,
                         .bp = last->at.bp,
                         .needs_bp = last->needs_bp,
                         .frame = kept - 1,
                         .serial = l->frames[kept - 1].serial,
                         .turn = l->turn,
                         .node = node};
    tails_keep(&l->tails, &about, l->words + first, l->frames[l->depth].first - first);
}

/* The node of a stack whose inner frames were met before, on outer ones that stand. NODE_NONE: they
 * were not. */
static uint32_t known_tail(struct native_list *l, const struct frame_state *s,
                           const struct native_marks *marks)
{
    const struct tail *set = tails_set(&l->tails, s->sp);
    if (!same_entries(l, marks))
        return NODE_NONE;
    for (const struct tail *t = set; t < set + TAIL_WAYS; t++)
        if (t->sp == s->sp && t->turn == l->turn && (!t->needs_bp || t->bp == s->bp) &&
            t->frame < l->depth && l->frames[t->frame].serial == t->serial &&
            !words_fail(t->words, t->count) && !words_fail(l->words, l->frames[t->frame + 1].first))
            return t->node;
    return NODE_NONE;
}

/* The walk where frames have changed. */
static uint32_t walk_frames(struct native_list **list, const struct frame_state *s,
                            const struct native_marks *marks)
{
    struct native_list *l = *list;
    uint32_t kept, count;
    enum outcome outcome;
    struct native_marks moved = *marks;
    while ((outcome = step_out(l, *s, &kept, &count)) == TOO_DEEP && list_grow(list)) {
        l = *list;
        if (moved.count)
            moved.entries = l->asked;
        list_forget(l, modules_epoch());
    }
    if (outcome != WALKED) {
        l->depth = 0;
        l->passes = outcome == TOO_DEEP ? PASSED : 0;
        return NODE_LOST;
    }
    append_all(l, kept, count);
    l->nameless = false;
    uint32_t node = name_frames(l, mark(l, &moved, kept));
    if (kept && node != NODE_LOST && !l->nameless)
        keep_tail(l, kept, node);
    return node;
}

/* The walk where something has changed: frames, or the entries alone. Keeps errno. */
static __attribute__((noinline)) uint32_t walk_changed(struct native_list **list,
                                                       const struct frame_state *s,
                                                       const struct native_marks *marks,
                                                       bool frames)
{
    int saved = errno;
    uint32_t node = frames ? walk_frames(list, s, marks)
                           : name_frames(*list, mark(*list, marks, (*list)->depth));
    errno = saved;
    return node;
}

static inline uint32_t walk(struct native_list **list, const struct frame_state *s,
                            const struct native_marks *marks)
{
    struct native_list *l = *list;
    uint64_t epoch = modules_epoch();
    if (UNLIKELY(!l || l->epoch != epoch)) {
        if (!l && !list_begin(list))
            return NODE_LOST;
        l = *list;
        list_forget(l, epoch);
    }
    if (UNLIKELY(l->passes) && --l->passes)
        return NODE_LOST;
    uint32_t depth = l->depth;
    if (depth && frame_is(&l->frames[depth - 1], s) &&
        !words_fail(l->words, l->frames[depth].first)) {
        if (LIKELY(same_entries(l, marks)))
            return l->frames[depth - 1].node;
        return walk_changed(list, s, marks, false);
    }
    uint32_t node = known_tail(l, s, marks);
    return node != NODE_NONE ? node : walk_changed(list, s, marks, true);
}

__attribute__((noinline)) uint32_t native_walk(struct native_list **list,
                                               const struct native_marks *marks)
{
    struct frame_state here = {.exact = true};
    __asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
                     : "=r"(here.ip), "=r"(here.sp), "=r"(here.bp));
    uint32_t node = walk(list, &here, marks);
    if (UNLIKELY(node == NODE_LOST))
        native_missed();
    else if (UNLIKELY((*list)->cut && !(*list)->begins))
        atomic_fetch_add_explicit(&cut_count, 1, memory_order_relaxed);
    return node;
}

void native_missed(void) { atomic_fetch_add_explicit(&lost_count, 1, memory_order_relaxed); }

/* ---- fork */

bool native_fork_prepare(void)
{
    int saved = errno;
    bool held = rules_lock();
    errno = saved;
    return held;
}

void native_fork_parent(void)
{
    int saved = errno;
    rules_unlock();
    errno = saved;
}

void native_after_fork(void)
{
    rules_lock_reset();
    cut_count = lost_count = 0;
}

void native_losses(struct native_losses *losses)
{
    losses->cut = atomic_load(&cut_count);
    losses->lost = atomic_load(&lost_count);
}
