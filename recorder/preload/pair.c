/* Pairs of stacks (pair.h).
 * Why pairs are recalled: a loop that allocates asks for the same few in turn. Why the next one is
 * expected: where stacks are new, its place in the index is a cache miss that the walk of the C
 * stack hides, which mostly finds the one that it found last. */
#include "recorder/preload/pair.h"

#include "recorder/preload/entries.h"
#include "recorder/preload/native.h"
#include "recorder/preload/recall.h"
#include "recorder/ring.h"

/* The pair of a Python stack. What was asked for lately is at hand. */
static uint32_t recall_pair(struct walker *w, uint32_t python, uint32_t native)
{
    struct recall *recall = &w->recalls->pairs[recall_place(python, native)];
    if (recall->parent == python && recall->ip == native)
        return recall->node;
    uint32_t pair = intern_node(python, CODE_PAIR, (int32_t)native, &w->recent_pair);
    if (pair != NODE_LOST)
        *recall = (struct recall){native, python, pair};
    w->last_native = native;
    return pair;
}

/* A pair by its halves: what was asked for last is at hand. */
static uint32_t intern_pair(struct walker *w, uint32_t outer, uint32_t code, uint32_t native)
{
    if (w->pair_outer == outer && w->pair_native == native && w->pair)
        return w->pair;
    uint32_t pair = intern_node(outer, code, (int32_t)native, &w->recent_pair);
    if (pair == NODE_LOST)
        return NODE_LOST;
    w->pair_outer = outer;
    w->pair_native = native;
    return w->pair = pair;
}

uint32_t pair_of(struct walker *w, uint32_t python)
{
    struct native_marks marks = {0};
    if (w->closed)
        return python;
    if (python >= NODE_FIRST && !entries_collect(w, &marks)) {
        native_missed();
        return python;
    }
    if (python >= NODE_FIRST && python > w->newest) {
        w->newest = python;
        intern_expect(python, CODE_PAIR, (int32_t)w->last_native);
    }
    uint32_t native = native_walk(&w->native, &marks);
    if (native < NODE_FIRST || python == NODE_LOST)
        return python;
    if (python >= NODE_FIRST)
        return recall_pair(w, python, native);
    return w->origin ? intern_pair(w, w->origin, CODE_CONCAT, native) : native;
}
