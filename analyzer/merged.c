/* Numbering and comparing stacks (merged.h). Why in one pass: a parent comes before its children,
 * so two nodes read the same when their parents are one and their frames are one; a hash of
 * (parent, frame) finds the first. */
#include "analyzer/merged.h"

#include "format/error.h"
#include "replay/near.h"
#include <stdlib.h>
#include <string.h>

/* A hash of numbers that is thrown away after the pass. A slot holds a number + 1 in its low bits
 * and some of its hash above them, so that another key is hardly ever looked at. */
struct set {
    uint32_t *slots; /* 0: empty */
    uint32_t slot_count;
    unsigned number_bits;
};

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 31) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 29;
}

/* For `count` of the numbers below `limit`: two thirds full at most. */
static int set_init(struct set *set, uint64_t count, uint32_t limit)
{
    uint64_t slots = count + count / 2 + 16;
    *set = (struct set){.slot_count = (uint32_t)slots,
                        .number_bits = 32 - (unsigned)__builtin_clz(limit | 1)};
    set->slots =
        slots <= UINT32_MAX && set->number_bits < 32 ? calloc(slots, sizeof *set->slots) : 0;
    return set->slots ? 0 : -ERR_NOMEM;
}

static uint32_t *set_home(const struct set *set, uint64_t hash)
{
    return &set->slots[(hash >> 32) * set->slot_count >> 32];
}

static uint32_t *set_next(const struct set *set, uint32_t *slot)
{
    return ++slot == set->slots + set->slot_count ? set->slots : slot;
}

/* The first slot from this one on that is empty or may hold the hash. */
static uint32_t *set_probe(const struct set *set, uint64_t hash, uint32_t *slot)
{
    while (*slot && *slot >> set->number_bits != (uint32_t)hash >> set->number_bits)
        slot = set_next(set, slot);
    return slot;
}

static uint32_t set_number(const struct set *set, const uint32_t *slot)
{
    return (*slot & ((1u << set->number_bits) - 1)) - 1;
}

static void set_put(const struct set *set, uint32_t *slot, uint64_t hash, uint32_t number)
{
    *slot = (uint32_t)hash >> set->number_bits << set->number_bits | (number + 1);
}

static int number_leaves(struct merged *m)
{
    const struct sparse *stacks = &m->symbols->stacks;
    uint64_t used = 0, leaf_items = UINT64_C(1) << stacks->leaf_log2;
    m->leaf_numbers = calloc(stacks->leaf_count + 1, sizeof *m->leaf_numbers);
    m->leaves = calloc(stacks->leaf_count + 1, sizeof *m->leaves);
    if (!m->leaf_numbers || !m->leaves)
        return -ERR_NOMEM;
    for (size_t leaf = 0; leaf < stacks->leaf_count; leaf++) {
        if (!stacks->leaves[leaf])
            continue;
        m->leaf_numbers[leaf] = (uint32_t)(MERGED_NODES + used * leaf_items);
        m->leaves[used++] = (uint32_t)leaf;
    }
    if (used * leaf_items >= UINT32_MAX - MERGED_NODES)
        return -ERR_NOMEM;
    m->count = (uint32_t)(MERGED_NODES + used * leaf_items);
    return 0;
}

/* The function that a frame shows: the first definition that is equal. */
static uint32_t shown_function(const struct symbols *s, const struct frame *frame)
{
    const struct function *f = symbols_function(s, frame->function);
    return f ? f->same : FUNCTION_UNKNOWN;
}

/* The first frame that reads as this one, which may become it. */
static uint32_t first_frame(const struct symbols *s, struct set *set, uint32_t frame)
{
    const struct frame *f = &s->frames[frame];
    uint32_t function = shown_function(s, f);
    uint64_t hash = mix(mix(function) + f->line);
    uint32_t *slot = set_probe(set, hash, set_home(set, hash));
    for (; *slot; slot = set_probe(set, hash, set_next(set, slot))) {
        const struct frame *other = &s->frames[set_number(set, slot)];
        if (other->line == f->line && shown_function(s, other) == function)
            return set_number(set, slot);
    }
    set_put(set, slot, hash, frame);
    return frame;
}

/* Between a module and what it imports stand three to six frames of importlib that say nothing. */
static bool import_frame(const struct symbols *s, const struct frame *frame)
{
    static const char prefix[] = "<frozen importlib";
    const struct function *f = symbols_function(s, frame->function);
    return f && !strncmp(f->file->bytes, prefix, sizeof prefix - 1);
}

static int merge_frames(struct merged *m)
{
    const struct symbols *s = m->symbols;
    struct set set = {0};
    m->frames = malloc((s->frame_count + 1ul) * sizeof *m->frames);
    m->import_frames = malloc(s->frame_count + 1ul);
    if (!m->frames || !m->import_frames || set_init(&set, s->frame_count, s->frame_count + 1))
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < s->frame_count; i++) {
        m->frames[i] = first_frame(s, &set, i);
        m->import_frames[i] = import_frame(s, &s->frames[i]);
    }
    free(set.slots);
    return 0;
}

/* Is a node left out because it is a frame of importlib's below others? parent: what `first` has of
 * its caller. */
static bool is_skipped(const struct merged *m, const struct stack_node *node, uint32_t parent,
                       bool skip_imports)
{
    return skip_imports && parent != MERGED_EMPTY && m->import_frames[node->frame];
}

/* By number: a hash of all frames of the stack, for a while in `first`; 0 for none. */
static void hash_nodes(struct merged *m, bool skip_imports)
{
    m->first[MERGED_UNKNOWN] = MERGED_UNKNOWN;
    for (uint32_t number = MERGED_NODES; number < m->count; number++) {
        const struct stack_node *node = merged_node(m, number);
        if (!node->parent_plus_1)
            continue;
        uint32_t parent = m->first[merged_parent(m, number)];
        uint64_t key = (uint64_t)parent << 32 | m->frames[node->frame];
        m->first[number] =
            is_skipped(m, node, parent, skip_imports) ? parent : (uint32_t)mix(key) | 1;
    }
}

/* Do two nodes have the same caller and the same frame? */
static bool same_node(const struct merged *m, uint32_t a, uint32_t b)
{
    return m->frames[merged_node(m, a)->frame] == m->frames[merged_node(m, b)->frame] &&
           m->first[merged_parent(m, a)] == m->first[merged_parent(m, b)];
}

/* The first node that reads as this one, which may become it. */
static uint32_t first_node(const struct merged *m, struct set *set, uint32_t number)
{
    uint64_t hash = mix(m->first[number]);
    uint32_t *slot = set_probe(set, hash, set_home(set, hash));
    for (; *slot; slot = set_probe(set, hash, set_next(set, slot)))
        if (same_node(m, set_number(set, slot), number))
            return set_number(set, slot);
    set_put(set, slot, hash, number);
    return number;
}

static void merge_node(struct merged *m, struct set *set, uint32_t number, bool skip_imports)
{
    const struct stack_node *node = merged_node(m, number);
    if (!node->parent_plus_1)
        return;
    uint32_t parent = merged_parent(m, number);
    bool skip = is_skipped(m, node, m->first[parent], skip_imports);
    if (skip || merged_left_out(m, parent))
        bits_add(m->left_out, number);
    m->first[number] = skip ? m->first[parent] : first_node(m, set, number);
}

static void merge_nodes(struct merged *m, struct set *set, bool skip_imports)
{
    enum { AHEAD = 16 };
    hash_nodes(m, skip_imports);
    for (uint32_t number = MERGED_NODES; number < m->count; number++) {
        if (number + AHEAD < m->count)
            near_bring(set_home(set, mix(m->first[number + AHEAD])));
        merge_node(m, set, number, skip_imports);
    }
}

int merged_init(struct merged *m, const struct symbols *symbols, bool skip_imports)
{
    struct set set = {0};
    *m = (struct merged){.symbols = symbols};
    if (number_leaves(m) || merge_frames(m))
        return -ERR_NOMEM;
    m->first = calloc(m->count, sizeof *m->first);
    m->left_out = bits_new(m->count);
    if (!m->first || !m->left_out || set_init(&set, symbols->defined_stacks, m->count + 1)) {
        free(set.slots);
        return -ERR_NOMEM;
    }
    merge_nodes(m, &set, skip_imports);
    free(set.slots);
    return 0;
}

void merged_release(struct merged *m)
{
    free(m->leaf_numbers);
    free(m->leaves);
    free(m->first);
    free(m->frames);
    free(m->import_frames);
    free(m->left_out);
    *m = (struct merged){0};
}
