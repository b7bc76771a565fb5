/* Chains put together (chains.h).
 * Why levels: nearly all of a new pair is one that was put together before, as far as its innermost
 * loop but one; so the memo knows pairs of what stands outside a loop, and only what is inside is
 * gone through. */
#include "recorder/collector/chains.h"

#include <stdlib.h>
#include <string.h>

#include "format/grow.h"
#include "recorder/collector/nodes.h"
#include "recorder/failpoint.h"

enum { FIRST_NODES = 1024, FIRST_LEVELS = 256, MEMO_PLACES = 1 << 14, CREATORS_MAX = 64 };

/* What pairs outside of a loop came to; direct-mapped. */
struct chain_memo {
    struct {
        uint32_t python, native, stack;
    } places[MEMO_PLACES];
};

/* One loop: the Python frames of it, and the native ones inside of it up to the next. */
struct chain_level {
    uint32_t python, native;             /* innermost of both */
    uint32_t python_outer, native_outer; /* where the level ends: not part of it */
};

bool chains_define(struct chains *c, uint32_t node, const struct chain_node *as)
{
    bool halves = as->function == CHAIN_PAIR || as->function == CHAIN_CONCAT;
    if (node >= NODES_LIMIT || (node >= c->count && node - c->count > NODES_JUMP) ||
        as->parent >= node || (halves && as->line >= node))
        return false;
    if (node >= c->capacity &&
        !FAILPOINT(chain_nodes, GROW_TO(c->nodes, c->capacity, node, FIRST_NODES), false))
        return false;
    c->nodes[node] = *as;
    if (node >= c->count)
        c->count = node + 1;
    return true;
}

/* ---- runs of frames */

/* Puts the frames from `node` outwards, up to but without `end`, on top of a stack. Marks are no
 * frames, but a loop that is left over. */
static uint32_t append(struct chains *c, struct names *names, uint32_t stack, uint32_t node,
                       uint32_t end)
{
    uint32_t n = 0;
    for (; node && node != end && node < c->count; node = c->nodes[node].parent) {
        if (n == c->frame_capacity &&
            !FAILPOINT(chain_frames, GROW(c->frames, c->frame_capacity, FIRST_NODES), false))
            return STACK_UNKNOWN;
        c->frames[n++] = node;
    }
    while (n) {
        const struct chain_node *frame = &c->nodes[c->frames[--n]];
        uint32_t function = frame->function;
        if (function == CHAIN_EVAL)
            function = names_native(names, "_PyEval_EvalFrameDefault", "");
        if (function < CHAIN_MARKS)
            stack = names_stack(names, stack, function, frame->line);
    }
    return stack;
}

static uint32_t parent_of(const struct chains *c, uint32_t node)
{
    return node < c->count ? c->nodes[node].parent : 0;
}

static uint32_t function_of(const struct chains *c, uint32_t node)
{
    return node < c->count ? c->nodes[node].function : 0;
}

/* The innermost loop at or outside of a native frame; 0: none. */
static uint32_t find_loop(const struct chains *c, uint32_t native)
{
    while (native && function_of(c, native) != CHAIN_EVAL)
        native = parent_of(c, native);
    return native;
}

/* Where the frames of the innermost loop end: the frame outside of its entry, which goes to
 * *outside; returns what is not part of them. */
static uint32_t loop_end(const struct chains *c, uint32_t python, uint32_t *outside)
{
    if (c->each_is_entry)
        return *outside = parent_of(c, python);
    while (python && function_of(c, python) != CHAIN_ENTRY)
        python = parent_of(c, python);
    *outside = parent_of(c, python);
    return python;
}

/* Where the search for loops begins: at the innermost frame, or outside of a loop that has no
 * Python frame yet. */
static uint32_t first_loop_from(const struct chains *c, uint32_t python, uint32_t native)
{
    uint32_t loops = 0, frames = 0, loop = c->may_be_ahead ? find_loop(c, native) : 0;
    for (uint32_t at = loop; at; at = find_loop(c, parent_of(c, at)))
        loops++;
    for (; loop && python; python = parent_of(c, python))
        frames++;
    return loops == frames + 1 && frames ? parent_of(c, loop) : native;
}

/* ---- pairs */

static uint32_t memo_place(uint32_t python, uint32_t native)
{
    uint64_t h = ((uint64_t)python << 32 | native) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(h >> 50) % MEMO_PLACES;
}

static uint32_t memo_find(const struct chains *c, uint32_t python, uint32_t native)
{
    uint32_t place = memo_place(python, native);
    if (!c->memo || c->memo->places[place].python != python ||
        c->memo->places[place].native != native)
        return 0;
    return c->memo->places[place].stack;
}

static void memo_keep(struct chains *c, uint32_t python, uint32_t native, uint32_t stack)
{
    uint32_t place = memo_place(python, native);
    if (!c->memo)
        c->memo = FAILPOINT(chain_memo, calloc(1, sizeof *c->memo), NULL);
    if (!c->memo)
        return;
    c->memo->places[place].python = python;
    c->memo->places[place].native = native;
    c->memo->places[place].stack = stack;
}

static bool push_level(struct chains *c, uint32_t at, const struct chain_level *level)
{
    if (at == c->level_capacity &&
        !FAILPOINT(chain_levels, GROW(c->levels, c->level_capacity, FIRST_LEVELS), false))
        return false;
    c->levels[at] = *level;
    return true;
}

static uint32_t put_together(struct chains *c, struct names *names, uint32_t python,
                             uint32_t native)
{
    uint32_t n = 0, stack, loop, from = first_loop_from(c, python, native);
    while (!(stack = memo_find(c, python, native)) && python && (loop = find_loop(c, from))) {
        struct chain_level level = {.python = python, .native = native, .native_outer = loop};
        level.python_outer = loop_end(c, python, &python);
        from = native = parent_of(c, loop);
        if (!push_level(c, n++, &level))
            return STACK_UNKNOWN;
    }
    if (!stack) {
        stack = append(c, names, 0, python, 0);
        stack = append(c, names, stack, native, 0);
        memo_keep(c, python, native, stack);
    }
    while (n) {
        struct chain_level level = c->levels[--n];
        stack = append(c, names, stack, level.python, level.python_outer);
        stack = append(c, names, stack, level.native, level.native_outer);
        memo_keep(c, level.python, level.native, stack);
    }
    return stack;
}

/* depth: of threads that created threads, as far as they were not asked for before. */
static uint32_t resolve(struct chains *c, struct names *names, uint32_t node, unsigned depth)
{
    if (!node || node >= c->count || (!c->nodes[node].function && !c->nodes[node].parent))
        return node ? STACK_UNKNOWN : 0;
    struct chain_node as = c->nodes[node];
    uint32_t stack = as.stack;
    if (stack)
        return stack;
    if (as.function == CHAIN_PAIR)
        stack = put_together(c, names, as.parent, as.line);
    else if (as.function == CHAIN_CONCAT)
        stack = append(c, names, depth ? resolve(c, names, as.parent, depth - 1) : STACK_UNKNOWN,
                       as.line, 0);
    else
        stack = append(c, names, 0, node, 0);
    return c->nodes[node].stack = stack ? stack : STACK_UNKNOWN;
}

uint32_t chains_stack(struct chains *c, struct names *names, uint32_t node)
{
    return resolve(c, names, node, CREATORS_MAX);
}

/* ---- the whole */

bool chains_copy(struct chains *to, const struct chains *from)
{
    struct chain_node *nodes = FAILPOINT(chain_copy, malloc(from->count * sizeof *nodes + 1), NULL);
    *to = (struct chains){0};
    if (!nodes)
        return false;
    if (from->count)
        memcpy(nodes, from->nodes, from->count * sizeof *nodes);
    *to = (struct chains){.nodes = nodes,
                          .count = from->count,
                          .capacity = from->count,
                          .each_is_entry = from->each_is_entry,
                          .may_be_ahead = from->may_be_ahead};
    return true;
}

size_t chains_bytes(const struct chains *c)
{
    return c->capacity * sizeof *c->nodes + (c->memo ? sizeof *c->memo : 0) +
           c->level_capacity * sizeof *c->levels + c->frame_capacity * sizeof *c->frames;
}

void chains_release(struct chains *c)
{
    free(c->nodes);
    free(c->memo);
    free(c->levels);
    free(c->frames);
    *c = (struct chains){0};
}
