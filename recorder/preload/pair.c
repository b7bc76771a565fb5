/* Pairs of stacks (pair.h).
 * Why the last pair is kept: a loop that allocates asks for the same one again and again. */
#include "recorder/preload/pair.h"

#include "recorder/preload/entries.h"
#include "recorder/preload/native.h"
#include "recorder/ring.h"

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
    uint32_t native = native_walk(&w->native, &marks);
    if (native < NODE_FIRST || python == NODE_LOST)
        return python;
    if (python >= NODE_FIRST)
        return intern_pair(w, python, CODE_PAIR, native);
    return w->origin ? intern_pair(w, w->origin, CODE_CONCAT, native) : native;
}
