/* The call tree, built stack by stack with a memory of stack ids (tree.h). Why remembered: stacks
 * share their outer frames, so most walks end after a few. */
#include "analyzer/tree.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>

struct memo {
    uint32_t group, stack, node; /* node 0: empty */
};

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 31) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 29;
}

int tree_init(struct tree *t)
{
    *t = (struct tree){.count = 1, .capacity = 256, .mask = 1023, .memo_mask = 1023};
    t->nodes = calloc(t->capacity, sizeof *t->nodes);
    t->slots = calloc(t->mask + 1, sizeof *t->slots);
    t->memos = calloc(t->memo_mask + 1, sizeof *t->memos);
    return t->nodes && t->slots && t->memos ? 0 : -ERR_NOMEM;
}

void tree_release(struct tree *t)
{
    free(t->nodes);
    free(t->slots);
    free(t->memos);
    free(t->path);
    *t = (struct tree){0};
}

static uint64_t node_hash(const struct node *n)
{
    return mix(mix((uint64_t)n->parent << 32 | n->function) + n->line * 4 + n->kind);
}

static bool same_node(const struct node *a, const struct node *b)
{
    return a->parent == b->parent && a->function == b->function && a->line == b->line &&
           a->kind == b->kind;
}

static int grow_slots(struct tree *t)
{
    uint64_t mask = t->mask * 2 + 1;
    uint32_t *slots = calloc(mask + 1, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint32_t i = 1; i < t->count; i++) {
        uint64_t at = node_hash(&t->nodes[i]) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = i;
    }
    free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return 0;
}

static int grow_nodes(struct tree *t)
{
    struct node *nodes =
        t->capacity > UINT32_MAX / 2 ? 0 : realloc(t->nodes, t->capacity * 2ul * sizeof *nodes);
    if (!nodes)
        return -ERR_NOMEM;
    t->nodes = nodes;
    t->capacity *= 2;
    return 0;
}

/* The child of a node with these properties, made where it is new; 0 when out of memory. */
static uint32_t child(struct tree *t, uint32_t parent, enum node_kind kind, uint32_t function,
                      uint64_t line)
{
    struct node wanted = {
        .parent = parent, .function = function, .line = line, .kind = (uint8_t)kind};
    if ((uint64_t)t->count * 2 > t->mask && grow_slots(t))
        return 0;
    if (t->count == t->capacity && grow_nodes(t))
        return 0;
    uint64_t at = node_hash(&wanted) & t->mask;
    for (; t->slots[at]; at = (at + 1) & t->mask)
        if (same_node(&t->nodes[t->slots[at]], &wanted))
            return t->slots[at];
    t->nodes[t->count] = wanted;
    return t->slots[at] = t->count++;
}

uint32_t tree_process(struct tree *t, uint32_t process)
{
    return child(t, 0, NODE_PROCESS, process, 0);
}

static struct memo *memo_slot(struct memo *memos, uint64_t mask, uint32_t group, uint32_t stack)
{
    uint64_t at = mix((uint64_t)group << 32 | stack) & mask;
    while (memos[at].node && (memos[at].group != group || memos[at].stack != stack))
        at = (at + 1) & mask;
    return &memos[at];
}

static int grow_memos(struct tree *t)
{
    uint64_t mask = t->memo_mask * 2 + 1;
    struct memo *memos = calloc(mask + 1, sizeof *memos);
    if (!memos)
        return -ERR_NOMEM;
    for (uint64_t i = 0; i <= t->memo_mask; i++)
        if (t->memos[i].node)
            *memo_slot(memos, mask, t->memos[i].group, t->memos[i].stack) = t->memos[i];
    free(t->memos);
    t->memos = memos;
    t->memo_mask = mask;
    return 0;
}

static int push(struct tree *t, size_t depth, uint32_t stack)
{
    if (depth == t->path_capacity) {
        size_t capacity = depth ? depth * 2 : 256;
        uint32_t *path = realloc(t->path, capacity * sizeof *path);
        if (!path)
            return -ERR_NOMEM;
        t->path = path;
        t->path_capacity = capacity;
    }
    t->path[depth] = stack;
    return 0;
}

/* Between a module and what it imports stand three to six frames of importlib that say nothing. */
static bool import_frame(const struct function *f)
{
    static const char prefix[] = "<frozen importlib";
    return f && !strncmp(f->file->bytes, prefix, sizeof prefix - 1);
}

/* The node of one stack node, whose parent's node is known. */
static uint32_t attach(struct tree *t, const struct symbols *s, uint32_t group, uint32_t parent,
                       uint32_t stack)
{
    if ((t->memo_count + 1) * 2 > t->memo_mask && grow_memos(t))
        return 0;
    const struct stack_node *n = symbols_stack(s, stack);
    const struct function *f = symbols_function(s, n->function);
    if (t->skip_imports && parent != group && import_frame(f)) {
        t->skipped = true;
        return parent;
    }
    uint32_t node = child(t, parent, NODE_FRAME, f ? f->same : FUNCTION_UNKNOWN, n->line);
    *memo_slot(t->memos, t->memo_mask, group, stack) = (struct memo){group, stack, node};
    t->memo_count += node != 0;
    return node;
}

/* Where a walk ends: the group for the empty stack, a node of its own for what is unknown. */
static uint32_t base(struct tree *t, uint32_t group, uint32_t stack, bool alone)
{
    if (stack == STACK_EMPTY)
        return alone ? child(t, group, NODE_NO_STACK, 0, 0) : group;
    return child(t, group, NODE_UNKNOWN, 0, 0);
}

/* The node of a stack below group; UINT32_MAX when out of memory. */
static uint32_t find_node(struct tree *t, const struct symbols *s, uint32_t group, uint32_t stack)
{
    size_t depth = 0;
    uint32_t node = 0;
    for (const struct stack_node *n; (n = symbols_stack(s, stack)); stack = n->parent_plus_1 - 1) {
        node = memo_slot(t->memos, t->memo_mask, group, stack)->node;
        if (node)
            break;
        if (push(t, depth++, stack))
            return UINT32_MAX;
    }
    if (!node)
        node = base(t, group, stack, depth == 0);
    while (depth) {
        node = attach(t, s, group, node, t->path[--depth]);
        if (!node)
            return UINT32_MAX;
    }
    return node ? node : UINT32_MAX;
}

int tree_add(struct tree *t, const struct symbols *s, uint32_t group, uint32_t stack,
             uint64_t bytes, uint64_t count)
{
    uint32_t node = find_node(t, s, group, stack);
    if (node == UINT32_MAX)
        return -ERR_NOMEM;
    t->nodes[node].own_bytes += bytes;
    t->nodes[node].own_count += count;
    return 0;
}

static int compare(const void *a, const void *b, void *context)
{
    const struct node *nodes = ((const struct tree *)context)->nodes;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    if (nodes[left].bytes != nodes[right].bytes)
        return nodes[left].bytes < nodes[right].bytes ? -1 : 1;
    return left < right ? 1 : -1;
}

static void sum_up(struct tree *t)
{
    for (uint32_t i = t->count; i-- > 0;) {
        struct node *n = &t->nodes[i];
        n->bytes += n->own_bytes;
        n->count += n->own_count;
        if (!i)
            return;
        t->nodes[n->parent].bytes += n->bytes;
        t->nodes[n->parent].count += n->count;
    }
}

int tree_finish(struct tree *t)
{
    uint32_t *order = malloc(t->count * sizeof *order);
    if (!order)
        return -ERR_NOMEM;
    sum_up(t);
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
