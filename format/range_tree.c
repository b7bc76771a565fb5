/* The tree of mapped pieces (range_tree.h). Why recursion: a path is at most twice as long as a
 * number of nodes has bits. Node 0 is no piece: level 0, its own child, holds nothing. */
#include "format/range_tree.h"

#include "format/error.h"
#include "format/event.h"

#include <stdlib.h>

static uint64_t end_of(const struct range *piece) { return piece->address + piece->length; }

static unsigned own_holds(const struct range *piece)
{
    bool resident = piece->resident_bytes != RANGE_UNSAMPLED && piece->resident_bytes > 0;
    return (piece->kind == MAP_KIND_RESERVED ? RANGE_RESERVED : 0u) |
           (resident ? RANGE_RESIDENT : 0u);
}

/* Adds up what a subtree holds, from its children. */
static void add_up(struct range_node *nodes, uint32_t n)
{
    nodes[n].holds = (uint8_t)(own_holds(&nodes[n].piece) | nodes[nodes[n].left].holds |
                               nodes[nodes[n].right].holds);
}

void range_tree_init(struct range_tree *t) { *t = (struct range_tree){0}; }

void range_tree_release(struct range_tree *t)
{
    free(t->nodes);
    range_tree_init(t);
}

int range_tree_reserve(struct range_tree *t, size_t more)
{
    size_t needed = t->count + 1 + more, capacity = needed < 64 ? 64 : needed + needed / 2;
    if (needed <= t->capacity)
        return 0;
    if (more > UINT32_MAX / 2 || capacity > UINT32_MAX)
        return -ERR_NOMEM;
    struct range_node *nodes = realloc(t->nodes, capacity * sizeof *nodes);
    if (!nodes)
        return -ERR_NOMEM;
    if (!t->used)
        nodes[t->used++] = (struct range_node){0};
    t->nodes = nodes;
    t->capacity = capacity;
    return 0;
}

/* ---- balance ---- */

/* A left child of the same level becomes the parent. */
static uint32_t skew(struct range_node *nodes, uint32_t n)
{
    uint32_t left = nodes[n].left;
    if (!n || nodes[left].level != nodes[n].level)
        return n;
    nodes[n].left = nodes[left].right;
    nodes[left].right = n;
    add_up(nodes, n);
    add_up(nodes, left);
    return left;
}

/* Of three of the same level to the right the middle one rises. */
static uint32_t split(struct range_node *nodes, uint32_t n)
{
    uint32_t right = nodes[n].right;
    if (!n || nodes[nodes[right].right].level != nodes[n].level)
        return n;
    nodes[n].right = nodes[right].left;
    nodes[right].left = n;
    nodes[right].level++;
    add_up(nodes, n);
    add_up(nodes, right);
    return right;
}

/* After a removal below: a level too high goes down, and what it leaves beside it is put right. */
static uint32_t settle(struct range_node *nodes, uint32_t n)
{
    uint8_t left = nodes[nodes[n].left].level, right = nodes[nodes[n].right].level;
    uint8_t level = (uint8_t)((left < right ? left : right) + 1);
    add_up(nodes, n);
    if (level >= nodes[n].level)
        return n;
    nodes[n].level = level;
    if (level < right)
        nodes[nodes[n].right].level = level;
    n = skew(nodes, n);
    nodes[n].right = skew(nodes, nodes[n].right);
    uint32_t beside = nodes[n].right;
    nodes[beside].right = skew(nodes, nodes[beside].right);
    n = split(nodes, n);
    nodes[n].right = split(nodes, nodes[n].right);
    return n;
}

/* ---- changes ---- */

static uint32_t add_under(struct range_node *nodes, uint32_t n, uint32_t new)
{
    if (!n)
        return new;
    if (nodes[new].piece.address < nodes[n].piece.address)
        nodes[n].left = add_under(nodes, nodes[n].left, new);
    else
        nodes[n].right = add_under(nodes, nodes[n].right, new);
    add_up(nodes, n);
    return split(nodes, skew(nodes, n));
}

void range_tree_add(struct range_tree *t, const struct range *piece)
{
    uint32_t new = t->free;
    if (new)
        t->free = t->nodes[new].right;
    else
        new = (uint32_t)t->used++;
    t->nodes[new] = (struct range_node){.piece = *piece, .level = 1};
    add_up(t->nodes, new);
    t->root = add_under(t->nodes, t->root, new);
    t->count++;
}

static void replace_under(struct range_node *nodes, uint32_t n, const struct range *piece)
{
    if (!n)
        return;
    if (piece->address == nodes[n].piece.address)
        nodes[n].piece = *piece;
    else
        replace_under(
            nodes, piece->address < nodes[n].piece.address ? nodes[n].left : nodes[n].right, piece);
    add_up(nodes, n);
}

void range_tree_replace(struct range_tree *t, const struct range *piece)
{
    replace_under(t->nodes, t->root, piece);
}

/* The piece next to the one at n, below it; there is one. */
static struct range neighbour(const struct range_node *nodes, uint32_t n)
{
    uint32_t at = nodes[n].left;
    if (!at)
        return nodes[nodes[n].right].piece; /* of level 1: nothing is below that */
    while (nodes[at].right)
        at = nodes[at].right;
    return nodes[at].piece;
}

/* An inner node takes over its neighbour's piece, and the neighbour's node goes. */
static uint32_t remove_under(struct range_tree *t, uint32_t n, uint64_t address)
{
    struct range_node *nodes = t->nodes;
    if (!n)
        return 0;
    uint64_t here = nodes[n].piece.address;
    if (here == address && !nodes[n].left && !nodes[n].right) {
        nodes[n] = (struct range_node){.right = t->free};
        t->free = n;
        return 0;
    }
    if (here == address) {
        nodes[n].piece = neighbour(nodes, n);
        address = nodes[n].piece.address;
    }
    if (address < here)
        nodes[n].left = remove_under(t, nodes[n].left, address);
    else
        nodes[n].right = remove_under(t, nodes[n].right, address);
    return settle(nodes, n);
}

void range_tree_remove(struct range_tree *t, uint64_t address)
{
    t->root = remove_under(t, t->root, address);
    t->count--;
}

/* ---- looking ---- */

/* What fails below the path to the address has nothing of what is looked for, so that two ways down
 * are all. */
static uint32_t after_under(const struct range_node *nodes, uint32_t n, uint64_t address,
                            unsigned what)
{
    if (!n || (what && !(nodes[n].holds & what)))
        return 0;
    if (end_of(&nodes[n].piece) > address) {
        uint32_t before = after_under(nodes, nodes[n].left, address, what);
        if (before)
            return before;
        if (!what || own_holds(&nodes[n].piece) & what)
            return n;
    }
    return after_under(nodes, nodes[n].right, address, what);
}

const struct range *range_tree_after(const struct range_tree *t, uint64_t address,
                                     enum range_holds what)
{
    uint32_t n = after_under(t->nodes, t->root, address, what);
    return n ? &t->nodes[n].piece : NULL;
}

const struct range *range_tree_before(const struct range_tree *t, uint64_t address)
{
    const struct range *found = NULL;
    for (uint32_t n = t->root; n;) {
        bool before = t->nodes[n].piece.address < address;
        if (before)
            found = &t->nodes[n].piece;
        n = before ? t->nodes[n].right : t->nodes[n].left;
    }
    return found;
}
