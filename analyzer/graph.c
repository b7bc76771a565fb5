/* From sites to nodes worth drawing (graph.h). Why by numbers: a stack's parent has a smaller one,
 * so sums over a million stacks are a loop over an array, and a node is kept after its parent. */
#include "analyzer/graph.h"

#include "format/grow.h"

#include <stdlib.h>
#include <string.h>

/* What building needs beside the result; by number (merged.h) where not said otherwise. */
struct build {
    struct graph *g;
    const struct report *report;
    const struct graph_limits *limits;
    struct merged merged;
    uint64_t *totals;
    float *scores, *first_scores;  /* by any measure, and by the first */
    uint32_t *nodes;               /* 0: none yet; of what is folded: the SMALL node */
    uint32_t *order;               /* what is kept, highest score first */
    uint32_t *children, *siblings; /* lists of what is kept, 0: end */
    uint32_t *folded;              /* frames that are folded into this one's SMALL node */
    uint32_t kept;
};

static struct site_values values_of(const struct build *b, enum measure measure, uint32_t site)
{
    return measure_values(&b->report->rec->replay.sites, measure, site);
}

static uint32_t number_of(const struct build *b, uint32_t site)
{
    uint32_t stack = site_stack(&b->report->rec->replay.sites, site);
    return b->merged.first[merged_number(&b->merged, stack)];
}

static uint32_t caller(const struct build *b, uint32_t number)
{
    return b->merged.first[merged_parent(&b->merged, number)];
}

/* Sums up what stands in totals and raises the scores; clears totals again. */
static void score(struct build *b, double whole, bool first)
{
    for (uint32_t number = b->merged.count - 1; number > 0; number--) {
        uint64_t bytes = b->totals[number];
        if (!bytes)
            continue;
        float share = whole > 0 ? (float)((double)bytes / whole) : 0;
        b->totals[caller(b, number)] += bytes;
        if (share > b->scores[number])
            b->scores[number] = share;
        if (first)
            b->first_scores[number] = share;
        b->totals[number] = 0;
    }
    b->totals[MERGED_EMPTY] = 0;
}

/* Frames that hold nothing but blocks of 0 bytes count as one byte, so that they are found. */
static void score_measure(struct build *b, enum measure measure, bool first)
{
    uint32_t count = b->report->rec->replay.sites.count;
    double whole = 0;
    for (uint32_t site = 1; site < count; site++) {
        struct site_values v = values_of(b, measure, site);
        uint64_t bytes = v.bytes ? v.bytes : v.count > 0;
        b->totals[number_of(b, site)] += bytes;
        whole += (double)bytes;
    }
    score(b, whole, first);
}

static void score_highest(struct build *b)
{
    uint32_t count = b->report->rec->replay.sites.count;
    for (uint32_t site = 1; b->limits->highest_bytes && site < count; site++)
        b->totals[number_of(b, site)] += b->limits->highest_bytes[site];
    score(b, (double)b->limits->highest_of_bytes, false);
}

static int by_score(const void *a, const void *b, void *context)
{
    const float *scores = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    if (scores[left] != scores[right])
        return scores[left] > scores[right] ? -1 : 1;
    return left < right ? -1 : 1;
}

/* Which numbers are kept: the best, and never one without its caller, which has no lower score and
 * a smaller number. */
static int choose(struct build *b)
{
    uint32_t found = 0;
    for (uint32_t number = 1; number < b->merged.count; number++)
        found += b->scores[number] > 0 && b->scores[number] >= b->limits->least_score;
    b->order = malloc((found + 1ul) * sizeof *b->order);
    if (!b->order)
        return -ERR_NOMEM;
    found = 0;
    for (uint32_t number = 1; number < b->merged.count; number++)
        if (b->scores[number] > 0 && b->scores[number] >= b->limits->least_score)
            b->order[found++] = number;
    qsort_r(b->order, found, sizeof *b->order, by_score, b->scores);
    b->kept = found < b->limits->nodes ? found : b->limits->nodes;
    qsort_r(b->order, b->kept, sizeof *b->order, by_score, b->first_scores);
    for (uint32_t i = b->kept; i-- > 0;) {
        uint32_t number = b->order[i], parent = caller(b, number);
        b->siblings[number] = b->children[parent];
        b->children[parent] = number;
        b->nodes[number] = UINT32_MAX;
    }
    return 0;
}

/* Counts what is folded at each kept caller. */
static void count_folded(struct build *b)
{
    for (uint32_t number = 1; number < b->merged.count; number++) {
        if (b->merged.first[number] != number || b->nodes[number] || !(b->scores[number] > 0))
            continue;
        uint32_t at = caller(b, number);
        while (at != MERGED_EMPTY && !b->nodes[at])
            at = b->siblings[at];
        b->siblings[number] = at; /* its holder; a folded number stands in no list */
        b->folded[at]++;
    }
}

/* A new node; 0 when out of memory. */
static uint32_t push(struct graph *g, struct graph_node node)
{
    if (g->node_count == g->node_capacity && !GROW(g->nodes, g->node_capacity, 256))
        return 0;
    node.depth = g->node_count ? g->nodes[node.parent].depth + 1 : 0;
    g->nodes[g->node_count] = node;
    return g->node_count++;
}

static struct graph_node node_of(const struct build *b, uint32_t number, uint32_t parent)
{
    const struct symbols *s = b->merged.symbols;
    struct graph_node n = {.parent = parent, .kind = GRAPH_UNKNOWN, .score = b->scores[number]};
    if (number == MERGED_UNKNOWN)
        return n;
    const struct frame *frame = symbols_frame(s, merged_node(&b->merged, number));
    const struct function *f = symbols_function(s, frame->function);
    n.kind = GRAPH_FRAME;
    n.function = f ? f->same : FUNCTION_UNKNOWN;
    n.line = frame->line;
    return n;
}

/* The SMALL node of a kept number whose node is `parent`, after all its other children. */
static int push_small(struct build *b, uint32_t number, uint32_t parent)
{
    if (!b->folded[number])
        return 0;
    b->g->folded += b->folded[number];
    b->folded[number] = push(
        b->g,
        (struct graph_node){.parent = parent, .kind = GRAPH_SMALL, .folded = b->folded[number]});
    return b->folded[number] ? 0 : -ERR_NOMEM;
}

/* All kept numbers in preorder. A list's end goes on with the caller's next sibling. */
static int push_nodes(struct build *b)
{
    uint32_t number = MERGED_EMPTY;
    push(b->g, (struct graph_node){.kind = GRAPH_ROOT, .score = 1});
    for (;;) {
        uint32_t next = b->children[number];
        while (!next) {
            uint32_t node = number == MERGED_EMPTY ? 0 : b->nodes[number];
            if (push_small(b, number, node))
                return -ERR_NOMEM;
            if (number == MERGED_EMPTY)
                return 0;
            next = b->siblings[number];
            number = next ? number : caller(b, number);
        }
        uint32_t parent = caller(b, next);
        struct graph_node n = node_of(b, next, parent ? b->nodes[parent] : 0);
        number = next;
        b->nodes[number] = push(b->g, n);
        if (!b->nodes[number])
            return -ERR_NOMEM;
    }
}

/* The node of a site; 0: nothing to show. */
static uint32_t node_of_site(const struct build *b, uint32_t site, uint32_t no_stack)
{
    uint32_t number = number_of(b, site);
    if (number == MERGED_EMPTY)
        return no_stack;
    if (b->nodes[number])
        return b->nodes[number];
    return b->scores[number] > 0 ? b->folded[b->siblings[number]] : 0;
}

struct place {
    uint32_t node, thread, site;
};

static int by_place(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->node != right->node)
        return left->node < right->node ? -1 : 1;
    if (left->thread != right->thread)
        return left->thread < right->thread ? -1 : 1;
    return left->site < right->site ? -1 : 1;
}

static bool ever_held(const struct build *b, uint32_t site)
{
    bool held = b->limits->highest_bytes && b->limits->highest_bytes[site];
    for (unsigned i = 0; i < b->limits->measure_count && !held; i++) {
        struct site_values v = values_of(b, b->limits->measures[i], site);
        held = v.bytes || v.count;
    }
    return held;
}

/* The sites with something to show, each with its node, sorted; *count of them. */
static struct place *places(struct build *b, uint32_t *count)
{
    const struct sites *sites = &b->report->rec->replay.sites;
    struct place *made = malloc((sites->count + 1ul) * sizeof *made);
    uint32_t no_stack = 0;
    *count = 0;
    for (uint32_t site = 1; made && site < sites->count; site++) {
        b->g->entry_of_site[site] = GRAPH_NO_ENTRY;
        if (!ever_held(b, site))
            continue;
        if (!no_stack && number_of(b, site) == MERGED_EMPTY)
            no_stack = push(b->g, (struct graph_node){.kind = GRAPH_NO_STACK, .score = 1});
        uint32_t node = node_of_site(b, site, no_stack);
        made[(*count)++] = (struct place){node, site_lane(sites, site)->thread, site};
    }
    if (made)
        qsort(made, *count, sizeof *made, by_place);
    return made;
}

static int make_entries(struct build *b)
{
    struct graph *g = b->g;
    uint32_t count, sites = b->report->rec->replay.sites.count;
    g->entry_of_site = malloc((sites + 1ul) * sizeof *g->entry_of_site);
    struct place *p = g->entry_of_site ? places(b, &count) : 0;
    g->entries = p ? malloc((count + 1ul) * sizeof *g->entries) : 0;
    for (uint32_t i = 0; g->entries && i < count; i++) {
        bool same = i && p[i].node == p[i - 1].node && p[i].thread == p[i - 1].thread;
        if (!same)
            g->entries[g->entry_count++] = (struct graph_entry){p[i].node, p[i].thread};
        g->entry_of_site[p[i].site] = g->entry_count - 1;
    }
    free(p);
    return g->entries ? 0 : -ERR_NOMEM;
}

/* By any measure. The sums are gone before the lists need room. */
static int score_all(struct build *b)
{
    size_t count = b->merged.count;
    b->totals = calloc(count, sizeof *b->totals);
    b->scores = calloc(count, sizeof *b->scores);
    b->first_scores = calloc(count, sizeof *b->first_scores);
    if (!b->totals || !b->scores || !b->first_scores)
        return -ERR_NOMEM;
    for (unsigned i = 0; i < b->limits->measure_count; i++)
        score_measure(b, b->limits->measures[i], i == 0);
    score_highest(b);
    free(b->totals);
    b->totals = 0;
    return 0;
}

static int allocate_lists(struct build *b)
{
    size_t count = b->merged.count;
    b->nodes = calloc(count, sizeof *b->nodes);
    b->children = calloc(count, sizeof *b->children);
    b->siblings = calloc(count, sizeof *b->siblings);
    b->folded = calloc(count, sizeof *b->folded);
    return b->nodes && b->children && b->siblings && b->folded ? 0 : -ERR_NOMEM;
}

static int make_nodes(struct build *b)
{
    if (score_all(b) || allocate_lists(b))
        return -ERR_NOMEM;
    if (choose(b))
        return -ERR_NOMEM;
    count_folded(b);
    return push_nodes(b);
}

int graph_build(struct graph *g, const struct report *report, const struct graph_limits *limits)
{
    struct build b = {.g = g, .report = report, .limits = limits};
    *g = (struct graph){0};
    int rc = merged_init(&b.merged, &report->rec->replay.model.symbols, limits->skip_imports);
    rc = rc ? rc : make_nodes(&b);
    rc = rc ? rc : make_entries(&b);
    merged_release(&b.merged);
    free(b.totals);
    free(b.scores);
    free(b.first_scores);
    free(b.nodes);
    free(b.order);
    free(b.children);
    free(b.siblings);
    free(b.folded);
    return rc;
}

void graph_release(struct graph *g)
{
    free(g->nodes);
    free(g->entries);
    free(g->entry_of_site);
    *g = (struct graph){0};
}
