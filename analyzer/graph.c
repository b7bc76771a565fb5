/* From sites to nodes worth drawing (graph.h). Why by numbers: a stack's parent has a smaller one,
 * so sums over a million stacks are a loop over an array, and a node is kept after its parent. */
#include "analyzer/graph.h"

#include "format/bits.h"
#include "format/grow.h"

#include <stdlib.h>
#include <string.h>

#define FOLDED (UINT32_C(1) << 31) /* of a slot */

/* A number that holds enough of some measure; one number may stand there for several. */
struct candidate {
    uint32_t number;
    float score;
};

/* What is kept; indices instead of numbers. */
struct kept {
    uint32_t number;
    float score;
    uint64_t bytes;          /* of the first measure */
    uint32_t child, sibling; /* lists by falling bytes, 0: end */
    uint32_t node;
    uint32_t folded, small_node; /* so many frames below it are folded, into this node */
};

/* What building needs beside the result; by number (merged.h) where not said otherwise. Why one
 * number each where there are millions: what most of them are is folded. */
struct build {
    struct graph *g;
    const struct report *report;
    const struct graph_limits *limits;
    struct merged merged;
    uint64_t *totals; /* of one measure at a time, at last of the first */
    uint64_t *held;   /* bits: has it ever held anything? */
    struct candidate *candidates;
    uint32_t candidate_count, candidate_capacity;
    struct kept *kept; /* [0]: the root */
    uint32_t kept_count;
    uint32_t *slots; /* its index in kept, FOLDED | that of its holder, 0: neither (and the root) */
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

/* A number has so large a share of a measure. */
static int add_share(struct build *b, uint32_t number, float share)
{
    if (share > 0)
        bits_add(b->held, number);
    if (!(share > 0) || share < b->limits->least_score)
        return 0;
    if (b->candidate_count == b->candidate_capacity &&
        !GROW(b->candidates, b->candidate_capacity, 4096))
        return -ERR_NOMEM;
    b->candidates[b->candidate_count++] = (struct candidate){number, share};
    return 0;
}

/* Sums up what stands in totals. */
static int score(struct build *b, double whole)
{
    for (uint32_t number = b->merged.count - 1; number > 0; number--) {
        uint64_t bytes = b->totals[number];
        if (!bytes)
            continue;
        b->totals[caller(b, number)] += bytes;
        if (whole > 0 && add_share(b, number, (float)((double)bytes / whole)))
            return -ERR_NOMEM;
    }
    return 0;
}

/* Frames that hold nothing but blocks of 0 bytes count as one byte, so that they are found. */
static int score_measure(struct build *b, enum measure measure)
{
    uint32_t count = b->report->rec->replay.sites.count;
    double whole = 0;
    memset(b->totals, 0, b->merged.count * sizeof *b->totals);
    for (uint32_t site = 1; site < count; site++) {
        struct site_values v = values_of(b, measure, site);
        uint64_t bytes = v.bytes ? v.bytes : v.count > 0;
        b->totals[number_of(b, site)] += bytes;
        whole += (double)bytes;
    }
    return score(b, whole);
}

static int score_highest(struct build *b)
{
    uint32_t count = b->report->rec->replay.sites.count;
    if (!b->limits->highest_bytes)
        return 0;
    for (uint32_t site = 1; site < count; site++)
        b->totals[number_of(b, site)] += b->limits->highest_bytes[site];
    return score(b, (double)b->limits->highest_of_bytes);
}

/* By any measure; the first one comes last, since its sums are needed. */
static int score_all(struct build *b)
{
    b->totals = calloc(b->merged.count, sizeof *b->totals);
    b->held = bits_new(b->merged.count);
    if (!b->totals || !b->held || score_highest(b))
        return -ERR_NOMEM;
    for (unsigned i = b->limits->measure_count; i-- > 0;)
        if (score_measure(b, b->limits->measures[i]))
            return -ERR_NOMEM;
    return 0;
}

static int by_score(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->score != right->score)
        return left->score > right->score ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

static int by_bytes(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes > right->bytes ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

/* Which numbers are kept: the best, and never one without its caller, which has no lower score and
 * a smaller number. */
static int choose(struct build *b)
{
    uint32_t room = b->candidate_count < b->limits->nodes ? b->candidate_count : b->limits->nodes;
    uint64_t *taken = bits_new(b->merged.count);
    b->kept = calloc(room + 1ul, sizeof *b->kept);
    if (!b->kept || !taken) {
        free(taken);
        return -ERR_NOMEM;
    }
    b->kept[b->kept_count++] = (struct kept){.number = MERGED_EMPTY, .score = 1};
    if (b->candidate_count)
        qsort(b->candidates, b->candidate_count, sizeof *b->candidates, by_score);
    for (uint32_t i = 0; i < b->candidate_count && b->kept_count <= room; i++) {
        struct candidate c = b->candidates[i];
        if (bits_has(taken, c.number))
            continue;
        bits_add(taken, c.number);
        b->kept[b->kept_count++] = (struct kept){c.number, c.score, .bytes = b->totals[c.number]};
    }
    qsort(b->kept + 1, b->kept_count - 1, sizeof *b->kept, by_bytes);
    free(taken);
    return 0;
}

/* Gives each what is kept its place, and the lists of callers. */
static int link_kept(struct build *b)
{
    b->slots = calloc(b->merged.count, sizeof *b->slots);
    if (!b->slots)
        return -ERR_NOMEM;
    for (uint32_t i = 1; i < b->kept_count; i++)
        b->slots[b->kept[i].number] = i;
    for (uint32_t i = b->kept_count; i-- > 1;) {
        struct kept *parent = &b->kept[b->slots[caller(b, b->kept[i].number)]];
        b->kept[i].sibling = parent->child;
        parent->child = i;
    }
    return 0;
}

/* Everything else that ever held anything is folded at its nearest caller that is kept. */
static void fold_others(struct build *b)
{
    for (uint32_t number = 1; number < b->merged.count; number++) {
        if (!bits_has(b->held, number) || b->slots[number] || b->merged.first[number] != number)
            continue;
        uint32_t holder = b->slots[caller(b, number)] & ~FOLDED;
        b->slots[number] = FOLDED | holder;
        b->kept[holder].folded++;
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

static struct graph_node node_of(const struct build *b, const struct kept *kept, uint32_t parent)
{
    const struct symbols *s = b->merged.symbols;
    struct graph_node n = {.parent = parent, .kind = GRAPH_UNKNOWN, .score = kept->score};
    if (kept->number == MERGED_UNKNOWN)
        return n;
    const struct frame *frame = symbols_frame(s, merged_node(&b->merged, kept->number));
    const struct function *f = symbols_function(s, frame->function);
    n.kind = GRAPH_FRAME;
    n.function = f ? f->same : FUNCTION_UNKNOWN;
    n.line = frame->line;
    return n;
}

/* The SMALL node of what is kept, after all its other children. */
static int push_small(struct build *b, struct kept *kept)
{
    if (!kept->folded)
        return 0;
    b->g->folded += kept->folded;
    kept->small_node = push(
        b->g,
        (struct graph_node){.parent = kept->node, .kind = GRAPH_SMALL, .folded = kept->folded});
    return kept->small_node ? 0 : -ERR_NOMEM;
}

/* All that is kept in preorder. A list's end goes on with the caller's next sibling. */
static int push_nodes(struct build *b)
{
    struct kept *at = b->kept;
    push(b->g, (struct graph_node){.kind = GRAPH_ROOT, .score = 1});
    for (;;) {
        uint32_t next = at->child;
        while (!next) {
            if (push_small(b, at))
                return -ERR_NOMEM;
            if (at == b->kept)
                return 0;
            next = at->sibling;
            at = next ? at : &b->kept[b->slots[caller(b, at->number)]];
        }
        const struct kept *parent = &b->kept[b->slots[caller(b, b->kept[next].number)]];
        at = &b->kept[next];
        at->node = push(b->g, node_of(b, at, parent->node));
        if (!at->node)
            return -ERR_NOMEM;
    }
}

/* The node of a site; 0: nothing to show. */
static uint32_t node_of_site(const struct build *b, uint32_t site, uint32_t no_stack)
{
    uint32_t number = number_of(b, site), slot = b->slots[number];
    if (number == MERGED_EMPTY)
        return no_stack;
    return slot & FOLDED ? b->kept[slot & ~FOLDED].small_node : b->kept[slot].node;
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

static int make_nodes(struct build *b)
{
    if (score_all(b) || choose(b))
        return -ERR_NOMEM;
    free(b->totals); /* the slots want the room */
    b->totals = 0;
    if (link_kept(b))
        return -ERR_NOMEM;
    fold_others(b);
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
    free(b.held);
    free(b.candidates);
    free(b.kept);
    free(b.slots);
    return rc;
}

void graph_release(struct graph *g)
{
    free(g->nodes);
    free(g->entries);
    free(g->entry_of_site);
    *g = (struct graph){0};
}
