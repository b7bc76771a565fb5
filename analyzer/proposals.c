/* Pairing by likeness (proposals.h): who calls it, what it calls, how much it holds, and its name
 * (or, where it moved, that the name is the same). Why shares and not bytes of callers and callees:
 * an optimisation changes sizes, seldom the shape. Why what a function allocates itself counts half
 * as a callee: all functions that call nothing are alike in that. */
#include "analyzer/proposals.h"

#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MOST 128 /* a side */
#define LIKE_RENAMED    60  /* per cent from which a pair is proposed */
#define LIKE_MOVED      45
#define LIKE_NAMELESS   75 /* <module>, <lambda>: their name tells little */

enum role { CALLER, CALLEE };

/* A candidate's bytes that come from, or go to, another function. */
struct edge {
    uint32_t candidate, other; /* other: a function; a callee that is the function itself: own */
    uint8_t role;
    uint64_t bytes;
};

struct candidate {
    uint32_t function;
    uint64_t bytes;
    uint32_t first_edge, edge_count;
};

struct search {
    const struct comparison *c;
    struct candidate gone[CANDIDATES_MOST], new[CANDIDATES_MOST];
    uint32_t gone_count, new_count;
    uint32_t *candidate_of; /* by function: index + 1 in its list */
    struct edge *edges[PATH_SIDES];
    uint32_t edge_count[PATH_SIDES];
};

static void insert(struct candidate *list, uint32_t *count, const struct candidate *one)
{
    uint32_t at = *count;
    while (at > 0 && list[at - 1].bytes < one->bytes)
        at--;
    if (at == CANDIDATES_MOST)
        return;
    *count += *count < CANDIDATES_MOST;
    memmove(&list[at + 1], &list[at], (*count - 1 - at) * sizeof *list);
    list[at] = *one;
}

static void find_candidates(struct search *s)
{
    const struct paths *p = s->c->paths;
    for (uint32_t id = 1; id < p->function_count; id++) {
        const struct path_function *f = &p->functions[id];
        const struct change *change = &s->c->changes[id];
        if (f->kind != FUNCTION_PYTHON || (f->files[0] && f->files[1]))
            continue;
        unsigned side = f->files[0] ? 0 : 1;
        struct candidate one = {.function = id, .bytes = change->sides[side].all_bytes};
        if (one.bytes > s->c->floor_bytes)
            insert(side ? s->new : s->gone, side ? &s->new_count : &s->gone_count, &one);
    }
    for (uint32_t i = 0; i < s->gone_count; i++)
        s->candidate_of[s->gone[i].function] = i + 1;
    for (uint32_t i = 0; i < s->new_count; i++)
        s->candidate_of[s->new[i].function] = i + 1;
}

static void add_edge(struct search *s, uint32_t function, uint32_t other, enum role role,
                     uint64_t bytes)
{
    unsigned side = s->c->paths->functions[function].files[0] ? 0 : 1;
    if (bytes)
        s->edges[side][s->edge_count[side]++] =
            (struct edge){s->candidate_of[function] - 1, other, (uint8_t)role, bytes};
}

static void visit(struct search *s, uint32_t node)
{
    const struct paths *p = s->c->paths;
    const struct path_change *n = &s->c->nodes[node];
    uint32_t function = p->nodes[node].function, caller = p->nodes[p->nodes[node].parent].function;
    if (s->candidate_of[function]) {
        unsigned side = p->functions[function].files[0] ? 0 : 1;
        add_edge(s, function, caller, CALLER, n->below[side]);
        add_edge(s, function, function, CALLEE, n->bytes[side]);
    }
    if (s->candidate_of[caller]) {
        unsigned side = p->functions[caller].files[0] ? 0 : 1;
        add_edge(s, caller, function, CALLEE, n->below[side]);
    }
}

static int by_candidate(const void *a, const void *b)
{
    const struct edge *left = a, *right = b;
    if (left->candidate != right->candidate)
        return left->candidate < right->candidate ? -1 : 1;
    if (left->role != right->role)
        return left->role < right->role ? -1 : 1;
    return left->other < right->other ? -1 : left->other > right->other;
}

/* Equal edges become one, and candidates know theirs. */
static void merge_edges(struct search *s, unsigned side)
{
    struct edge *edges = s->edges[side];
    struct candidate *list = side ? s->new : s->gone;
    uint32_t count = 0;
    qsort(edges, s->edge_count[side], sizeof *edges, by_candidate);
    for (uint32_t i = 0; i < s->edge_count[side]; i++) {
        if (count && !by_candidate(&edges[count - 1], &edges[i])) {
            edges[count - 1].bytes += edges[i].bytes;
            continue;
        }
        struct candidate *owner = &list[edges[i].candidate];
        if (!owner->edge_count++)
            owner->first_edge = count;
        edges[count++] = edges[i];
    }
    s->edge_count[side] = count;
}

static int find_edges(struct search *s)
{
    for (unsigned side = 0; side < PATH_SIDES; side++) {
        s->edges[side] = malloc(s->c->paths->node_count * 3ul * sizeof *s->edges[side]);
        if (!s->edges[side])
            return -ERR_NOMEM;
    }
    for (uint32_t node = PATH_UNKNOWN + 1; node < s->c->paths->node_count; node++)
        visit(s, node);
    merge_edges(s, 0);
    merge_edges(s, 1);
    return 0;
}

static double role_bytes(const struct edge *edges, uint32_t count, enum role role)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (edges[i].role == role)
            sum += (double)edges[i].bytes;
    return sum;
}

/* How much of the shares of two candidates' callers (or callees) is common: 0..1. */
static double common(const struct search *s, const struct candidate *gone,
                     const struct candidate *new, enum role role)
{
    const struct edge *a = s->edges[0] + gone->first_edge, *b = s->edges[1] + new->first_edge;
    double all_a = role_bytes(a, gone->edge_count, role),
           all_b = role_bytes(b, new->edge_count, role), sum = 0;
    for (uint32_t i = 0; i < gone->edge_count; i++)
        for (uint32_t j = 0; j < new->edge_count; j++) {
            bool own = a[i].other == gone->function && b[j].other == new->function;
            if (a[i].role != role || b[j].role != role || (a[i].other != b[j].other && !own))
                continue;
            double share_a = (double)a[i].bytes / all_a, share_b = (double)b[j].bytes / all_b;
            sum += (share_a < share_b ? share_a : share_b) * (own ? 0.5 : 1);
        }
    return sum;
}

static double name_likeness(const struct name *a, const struct name *b)
{
    uint32_t shorter = a->length < b->length ? a->length : b->length, head = 0, tail = 0;
    while (head < shorter && a->bytes[head] == b->bytes[head])
        head++;
    while (tail < shorter - head &&
           a->bytes[a->length - 1 - tail] == b->bytes[b->length - 1 - tail])
        tail++;
    uint32_t longer = a->length + b->length - shorter;
    return longer ? (double)(head + tail) / longer : 0;
}

/* `<module>`, or a function whose last name is in such brackets. */
static bool nameless(const struct name *name)
{
    return name->length && name->bytes[name->length - 1] == '>';
}

/* Fills the pair's kind and likeness; false where it is not worth proposing. */
static bool judge(const struct search *s, const struct candidate *gone, const struct candidate *new,
                  struct proposal *out)
{
    const struct path_function *a = &s->c->paths->functions[gone->function];
    const struct path_function *b = &s->c->paths->functions[new->function];
    if ((a->key == b->key) == (a->name == b->name))
        return false;
    bool moved = a->name == b->name;
    double bytes = gone->bytes < new->bytes ? (double)gone->bytes / (double)new->bytes
                                            : (double)new->bytes / (double)gone->bytes;
    double like = 25 * bytes + 20 * common(s, gone, new, CALLER) +
                  30 * common(s, gone, new, CALLEE) +
                  25 * (moved ? 1 : name_likeness(a->name, b->name));
    *out = (struct proposal){.kind = moved ? PROPOSAL_MOVED : PROPOSAL_RENAMED,
                             .before = gone->function,
                             .after = new->function,
                             .percent = (unsigned)(like + 0.5)};
    unsigned least = moved ? LIKE_MOVED : LIKE_RENAMED;
    if (nameless(a->name) || nameless(b->name))
        least = LIKE_NAMELESS;
    return out->percent >= least;
}

static int best_first(const void *a, const void *b)
{
    const struct proposal *left = a, *right = b;
    if (left->percent != right->percent)
        return left->percent < right->percent ? 1 : -1;
    if (left->before != right->before)
        return left->before < right->before ? -1 : 1;
    return left->after < right->after ? -1 : left->after > right->after;
}

/* Takes the best pair, then the best of those that are left. */
static void pair_up(struct search *s, struct proposals *p)
{
    uint32_t kept = 0;
    qsort(p->items, p->count, sizeof *p->items, best_first);
    for (uint32_t i = 0; i < p->count; i++) {
        struct proposal one = p->items[i];
        if (!s->candidate_of[one.before] || !s->candidate_of[one.after])
            continue;
        s->candidate_of[one.before] = s->candidate_of[one.after] = 0;
        p->items[kept++] = one;
    }
    p->count = kept;
}

static int find_pairs(struct search *s, struct proposals *p)
{
    p->items = malloc((s->gone_count * s->new_count + 1ul) * sizeof *p->items);
    if (!p->items)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < s->gone_count; i++)
        for (uint32_t j = 0; j < s->new_count; j++)
            p->count += judge(s, &s->gone[i], &s->new[j], &p->items[p->count]);
    pair_up(s, p);
    return 0;
}

int proposals_init(struct proposals *p, const struct comparison *c)
{
    *p = (struct proposals){0};
    struct search *s = calloc(1, sizeof *s);
    int rc = s ? 0 : -ERR_NOMEM;
    if (s) {
        s->c = c;
        s->candidate_of = calloc(c->paths->function_count, sizeof *s->candidate_of);
        rc = s->candidate_of ? 0 : -ERR_NOMEM;
    }
    if (!rc) {
        find_candidates(s);
        if (s->gone_count && s->new_count)
            rc = find_edges(s);
        if (!rc && s->gone_count && s->new_count)
            rc = find_pairs(s, p);
    }
    if (s) {
        free(s->candidate_of);
        free(s->edges[0]);
        free(s->edges[1]);
    }
    free(s);
    return rc;
}

void proposals_release(struct proposals *p)
{
    free(p->items);
    *p = (struct proposals){0};
}
