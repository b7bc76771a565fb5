/* Laying out a graph (picture.h). Why inverted stacks are sorted as words are: those that begin
 * with the same callees then stand together, and a row of branches is a run of neighbours. */
#include "analyzer/picture.h"

#include "format/grow.h"

#include <stdlib.h>

/* A stack that holds something itself: a node of the graph. */
struct holder {
    uint32_t node;
    uint64_t bytes, count;
};

struct layout {
    struct picture *p;
    const struct graph *g;
    struct holder *holders; /* upright: in preorder; inverted: by callees */
    uint32_t holder_count, capacity;
    double least;
    bool inverted;
    bool failed;
};

/* The order of frames that reads the same for every stack: by what they show. */
static int compare_frames(const struct graph *g, uint32_t a, uint32_t b)
{
    const struct graph_node *left = &g->nodes[a], *right = &g->nodes[b];
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (left->function != right->function)
        return left->function < right->function ? -1 : 1;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return 0;
}

static int by_callees(const void *a, const void *b, void *context)
{
    const struct graph *g = context;
    uint32_t left = ((const struct holder *)a)->node, right = ((const struct holder *)b)->node;
    while (left && right && left != right) {
        int order = compare_frames(g, left, right);
        if (order)
            return order;
        left = g->nodes[left].parent;
        right = g->nodes[right].parent;
    }
    return left == right ? 0 : left ? 1 : -1;
}

static int by_node(const void *a, const void *b, void *context)
{
    uint32_t left = ((const struct holder *)a)->node, right = ((const struct holder *)b)->node;
    (void)context;
    return left < right ? -1 : left > right;
}

static int find_holders(struct layout *l, const struct report *report, enum measure measure)
{
    const struct graph *g = l->g;
    struct selection s;
    struct holder *sums = calloc(g->node_count + 1ul, sizeof *sums);
    if (!sums)
        return -ERR_NOMEM;
    for (selection_start(&s, report, measure); selection_next(&s);) {
        uint32_t entry = g->entry_of_site[s.site];
        struct holder *h = &sums[entry == GRAPH_NO_ENTRY ? 0 : g->entries[entry].node];
        h->bytes += s.values.bytes;
        h->count += s.values.count;
    }
    for (uint32_t i = 0; i < g->node_count; i++)
        if (sums[i].bytes || sums[i].count)
            sums[l->holder_count++] = (struct holder){i, sums[i].bytes, sums[i].count};
    l->holders = sums;
    qsort_r(sums, l->holder_count, sizeof *sums, l->inverted ? by_callees : by_node, (void *)g);
    return 0;
}

static struct rectangle *push(struct layout *l, struct rectangle item)
{
    struct picture *p = l->p;
    if (p->count == l->capacity && !GROW(p->items, l->capacity, 1024)) {
        l->failed = true;
        return 0;
    }
    p->items[p->count] = item;
    return &p->items[p->count++];
}

/* The node of a holder's stack that a row shows, 0 beyond its end: row 1 is the outermost frame, or
 * inverted the innermost. */
static uint32_t node_in_row(const struct layout *l, uint32_t node, uint32_t row)
{
    uint32_t depth = l->g->nodes[node].depth;
    if (row > depth)
        return 0;
    for (uint32_t up = l->inverted ? row - 1 : depth - row; up; up--)
        node = l->g->nodes[node].parent;
    return node;
}

static bool same_branch(const struct layout *l, uint32_t a, uint32_t b)
{
    if (!l->inverted || !a || !b)
        return a == b;
    return compare_frames(l->g, a, b) == 0;
}

static int by_bytes(const void *a, const void *b)
{
    const struct rectangle *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    return left->node < right->node ? -1 : left->node > right->node;
}

/* The holders of a rectangle: a run of them. */
struct run {
    uint32_t first, end;
};

struct runs {
    struct run *items; /* parallel to the picture's */
    uint32_t capacity;
};

static bool runs_put(struct runs *r, uint32_t at, struct run run)
{
    if (at >= r->capacity && !GROW(r->items, r->capacity, 1024))
        return false;
    r->items[at] = run;
    return true;
}

/* The branches of a rectangle, each with its run; `left` is not known yet and keeps the run's
 * start.
 */
static uint32_t push_branches(struct layout *l, uint32_t parent, struct run run)
{
    uint32_t row = l->p->items[parent].row + 1, made = 0;
    double whole = (double)l->p->items[0].bytes;
    for (uint32_t at = run.first, end; at < run.end; at = end) {
        uint32_t node = node_in_row(l, l->holders[at].node, row);
        struct rectangle branch = {.parent = parent, .node = node, .row = row, .left = at};
        for (end = at; end < run.end; end++) {
            if (!same_branch(l, node, node_in_row(l, l->holders[end].node, row)))
                break;
            branch.folded += l->g->nodes[node_in_row(l, l->holders[end].node, row)].folded;
            branch.bytes += l->holders[end].bytes;
            branch.count += l->holders[end].count;
        }
        branch.width = whole > 0 ? (double)branch.bytes / whole : 0;
        if (node && branch.bytes && branch.width >= l->least)
            made += push(l, branch) != 0;
    }
    return made;
}

/* Sorts the latest rectangles, which are one's branches, and sets them side by side. */
static bool place_branches(struct layout *l, struct runs *runs, uint32_t parent, uint32_t count)
{
    struct picture *p = l->p;
    struct rectangle *first = &p->items[p->count - count];
    double left = p->items[parent].left;
    uint32_t end = runs->items[parent].end;
    qsort(first, count, sizeof *first, by_bytes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t start = (uint32_t)first[i].left, stop = start;
        while (stop < end &&
               same_branch(l, first[i].node, node_in_row(l, l->holders[stop].node, first[i].row)))
            stop++;
        if (!runs_put(runs, p->count - count + i, (struct run){start, stop}))
            return false;
        first[i].left = left;
        left += first[i].width;
        p->rows = first[i].row + 1 > p->rows ? first[i].row + 1 : p->rows;
    }
    return true;
}

static int lay_out(struct layout *l)
{
    struct runs runs = {0};
    struct rectangle whole = {.width = 1};
    for (uint32_t i = 0; i < l->holder_count; i++) {
        whole.bytes += l->holders[i].bytes;
        whole.count += l->holders[i].count;
    }
    l->p->rows = 1;
    bool fits = push(l, whole) && runs_put(&runs, 0, (struct run){0, l->holder_count});
    for (uint32_t i = 0; fits && i < l->p->count; i++) {
        uint32_t count = push_branches(l, i, runs.items[i]);
        fits = !l->failed && place_branches(l, &runs, i, count);
    }
    free(runs.items);
    return fits ? 0 : -ERR_NOMEM;
}

int picture_make(struct picture *p, const struct report *report, const struct graph *g,
                 enum measure measure, bool inverted, double least)
{
    struct layout l = {.p = p, .g = g, .inverted = inverted, .least = least};
    *p = (struct picture){0};
    int rc = find_holders(&l, report, measure);
    rc = rc ? rc : lay_out(&l);
    free(l.holders);
    return rc;
}

void picture_release(struct picture *p)
{
    free(p->items);
    *p = (struct picture){0};
}
