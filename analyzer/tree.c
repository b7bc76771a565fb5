/* The call tree from sums over all stacks (tree.h). Why the arrays serve twice: with millions of
 * stacks each one counts. While a group is summed up, merged.first holds the largest child of each
 * stack that was touched (itself: none yet), and totals, once read, its node; both are as before
 * when the group is done. */
#include "analyzer/tree.h"

#include "format/bits.h"
#include "format/error.h"
#include "format/grow.h"
#include <stdlib.h>

#define NOT_KEPT UINT64_MAX

int tree_init(struct tree *t, const struct symbols *s, bool skip_imports, uint64_t keep_bytes)
{
    *t = (struct tree){.count = 1, .capacity = 256, .keep_bytes = keep_bytes};
    if (merged_init(&t->merged, s, skip_imports))
        return -ERR_NOMEM;
    t->nodes = calloc(t->capacity, sizeof *t->nodes);
    t->totals = calloc(t->merged.count, sizeof *t->totals);
    t->touched = bits_new(t->merged.count);
    return t->nodes && t->totals && t->touched ? 0 : -ERR_NOMEM;
}

static void release_sums(struct tree *t)
{
    merged_release(&t->merged);
    free(t->totals);
    free(t->touched);
    t->totals = 0;
    t->touched = 0;
}

void tree_release(struct tree *t)
{
    release_sums(t);
    free(t->nodes);
    *t = (struct tree){0};
}

static bool is_touched(const struct tree *t, uint32_t number)
{
    return bits_has(t->touched, number);
}

static void touch(struct tree *t, uint32_t number)
{
    bits_add(t->touched, number);
    if (number > t->highest)
        t->highest = number;
}

void tree_add(struct tree *t, uint32_t stack, uint64_t bytes, uint64_t count)
{
    uint32_t number = merged_number(&t->merged, stack);
    t->blocks += count;
    if (number == MERGED_EMPTY) {
        t->no_stack = true;
        t->no_stack_bytes += bytes;
        return;
    }
    uint32_t first = t->merged.first[number];
    t->skipped |= merged_left_out(&t->merged, number);
    t->totals[first] += bytes;
    touch(t, first);
}

/* The caller of a touched number, which is touched too once the sums are made. */
static uint32_t caller(const struct tree *t, uint32_t number)
{
    uint32_t parent = merged_parent(&t->merged, number);
    return is_touched(t, parent) ? parent : t->merged.first[parent];
}

/* From the innermost: each adds its bytes to its caller's, and the largest is remembered there. */
static void sum_up(struct tree *t)
{
    uint32_t *largest = t->merged.first;
    for (uint32_t number = t->highest; number > 0; number--) {
        if (!is_touched(t, number))
            continue;
        uint32_t parent = caller(t, number);
        touch(t, parent);
        t->totals[parent] += t->totals[number];
        if (largest[parent] == parent || t->totals[number] >= t->totals[largest[parent]])
            largest[parent] = number;
    }
}

/* A new node, 0 when out of memory. */
static uint32_t push(struct tree *t, const struct node *node)
{
    if (t->count == t->capacity && !GROW(t->nodes, t->capacity, 256))
        return 0;
    struct node *parent = &t->nodes[node->parent];
    parent->children += node->kind == NODE_PROCESS || node->kind == NODE_NO_STACK;
    t->nodes[t->count] = *node;
    return t->count++;
}

static struct node node_of(const struct tree *t, uint32_t parent, uint32_t number)
{
    struct node n = {.parent = parent, .kind = NODE_UNKNOWN};
    n.bytes = n.own_bytes = t->totals[number];
    if (number == MERGED_UNKNOWN)
        return n;
    const struct symbols *s = t->merged.symbols;
    const struct frame *frame = symbols_frame(s, merged_node(&t->merged, number));
    const struct function *f = symbols_function(s, frame->function);
    n.kind = NODE_FRAME;
    n.function = f ? f->same : FUNCTION_UNKNOWN;
    n.line = frame->line;
    return n;
}

/* Makes the node of a touched number, or counts it at its caller's. */
static int keep(struct tree *t, uint32_t number)
{
    uint32_t parent = caller(t, number);
    uint64_t bytes = t->totals[number], at = t->totals[parent];
    t->totals[number] = NOT_KEPT;
    if (at == NOT_KEPT)
        return 0;
    t->nodes[at].children++;
    t->nodes[at].own_bytes -= bytes;
    if (bytes < t->keep_bytes && t->merged.first[parent] != number)
        return 0;
    t->totals[number] = bytes;
    struct node n = node_of(t, (uint32_t)at, number);
    t->totals[number] = push(t, &n);
    return t->totals[number] ? 0 : -ERR_NOMEM;
}

static void clear(struct tree *t)
{
    for (uint32_t number = 0; number <= t->highest; number++) {
        if (!is_touched(t, number))
            continue;
        t->totals[number] = 0;
        t->merged.first[number] = number;
    }
    bits_clear(t->touched, t->highest + UINT64_C(1));
    t->totals[MERGED_EMPTY] = 0;
    t->highest = 0;
    t->no_stack_bytes = 0;
    t->no_stack = false;
}

/* Turns what was added to the current group into nodes. */
static int close_group(struct tree *t)
{
    int rc = 0;
    sum_up(t);
    uint64_t below = t->totals[MERGED_EMPTY], all = below + t->no_stack_bytes;
    t->nodes[t->group].bytes = t->nodes[t->group].own_bytes = below;
    t->totals[MERGED_EMPTY] = t->group;
    for (uint32_t number = 1; number <= t->highest && !rc; number++)
        if (is_touched(t, number))
            rc = keep(t, number);
    struct node no_stack = {.parent = t->group,
                            .bytes = t->no_stack_bytes,
                            .own_bytes = t->no_stack_bytes,
                            .kind = NODE_NO_STACK};
    if (t->no_stack && !rc)
        rc = push(t, &no_stack) ? 0 : -ERR_NOMEM;
    t->nodes[t->group].bytes = all;
    if (t->group)
        t->nodes[0].bytes += all;
    clear(t);
    return rc;
}

int tree_process(struct tree *t, uint32_t process)
{
    int rc = t->group ? close_group(t) : 0;
    t->group = rc ? 0 : push(t, &(struct node){.kind = NODE_PROCESS, .function = process});
    return t->group ? 0 : -ERR_NOMEM;
}

/* Rising bytes; of equal ones the later made first: they are linked in from the front. */
static int compare(const void *a, const void *b, void *context)
{
    const struct node *nodes = ((const struct tree *)context)->nodes;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    if (nodes[left].bytes != nodes[right].bytes)
        return nodes[left].bytes < nodes[right].bytes ? -1 : 1;
    return left < right ? 1 : -1;
}

int tree_finish(struct tree *t)
{
    if (close_group(t))
        return -ERR_NOMEM;
    release_sums(t);
    uint32_t *order = malloc(t->count * sizeof *order);
    if (!order)
        return -ERR_NOMEM;
    for (uint32_t i = 1; i < t->count; i++)
        order[i - 1] = i;
    qsort_r(order, t->count - 1, sizeof *order, compare, t);
    for (uint32_t i = 0; i + 1 < t->count; i++) {
        struct node *n = &t->nodes[order[i]], *parent = &t->nodes[n->parent];
        n->next_sibling = parent->first_child;
        parent->first_child = order[i];
    }
    free(order);
    return 0;
}
