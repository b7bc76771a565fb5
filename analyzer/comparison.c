/* Sums, medians and spreads of two sides (comparison.h). Why arrays by node: a parent has a smaller
 * number than its children, so sums below a path are one pass from the end. */
#include "analyzer/comparison.h"

#include "analyzer/family.h"
#include <stdlib.h>
#include <string.h>

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static int by_total(const void *a, const void *b)
{
    const struct profile *left = *(struct profile *const *)a, *right = *(struct profile *const *)b;
    return by_size(&left->held.values.bytes, &right->held.values.bytes);
}

/* The run in the middle, and the ends. */
static int side_init(struct side *side, struct profile *runs, uint32_t count)
{
    struct profile **sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &runs[i];
    qsort(sorted, count, sizeof(struct profile *), by_total);
    *side = (struct side){.runs = runs,
                          .run_count = count,
                          .middle = sorted[(count - 1) / 2],
                          .least_bytes = sorted[0]->held.values.bytes,
                          .most_bytes = sorted[count - 1]->held.values.bytes};
    free(sorted);
    return 0;
}

static void add_paths(struct comparison *c, unsigned side)
{
    const struct profile *p = c->sides[side].middle;
    for (uint32_t i = 0; i < p->value_count; i++) {
        struct path_change *n = &c->nodes[p->values[i].node];
        n->bytes[side] = n->below[side] = p->values[i].bytes;
        n->counts[side] = p->values[i].count;
    }
}

static void add_up_paths(struct comparison *c)
{
    const struct paths *p = c->paths;
    for (uint32_t node = p->node_count - 1; node < p->node_count; node--) {
        struct path_change *n = &c->nodes[node];
        n->moved_bytes += magnitude(difference(n->bytes[0], n->bytes[1]));
        if (node == PATH_ROOT)
            return;
        struct path_change *parent = &c->nodes[p->nodes[node].parent];
        parent->below[0] += n->below[0];
        parent->below[1] += n->below[1];
        parent->moved_bytes += n->moved_bytes;
    }
}

/* The order of children does not matter here. */
static uint64_t any_order(const void *context, uint32_t node)
{
    (void)context;
    (void)node;
    return 0;
}

static void enter(struct comparison *c, uint32_t node, uint32_t *on_way)
{
    if (node > PATH_UNKNOWN && on_way[c->paths->nodes[node].function]++)
        bits_add(c->recurs, node);
}

static void leave(const struct comparison *c, uint32_t node, uint32_t *on_way)
{
    if (node > PATH_UNKNOWN)
        on_way[c->paths->nodes[node].function]--;
}

/* Walks all paths in depth, without recursion. */
static void walk(struct comparison *c, const struct family *f, uint32_t *on_way)
{
    const struct path_node *nodes = c->paths->nodes;
    uint32_t at = PATH_ROOT;
    for (;;) {
        enter(c, at, on_way);
        if (f->first[at]) {
            at = f->first[at];
            continue;
        }
        for (; at != PATH_ROOT && !f->next[at]; at = nodes[at].parent)
            leave(c, at, on_way);
        if (at == PATH_ROOT)
            return;
        leave(c, at, on_way);
        at = f->next[at];
    }
}

static int mark_recursion(struct comparison *c)
{
    struct family family = {0};
    uint32_t *on_way = calloc(c->paths->function_count, sizeof *on_way);
    int rc = family_init(&family, c->paths, any_order, 0, 0);
    c->recurs = bits_new(c->paths->node_count);
    rc = on_way && c->recurs ? rc : -ERR_NOMEM;
    if (!rc)
        walk(c, &family, on_way);
    family_release(&family);
    free(on_way);
    return rc;
}

/* By function and run: what it held. */
struct matrix {
    uint64_t *own, *all; /* [function * runs + run] */
    uint64_t *below;     /* scratch by node */
    uint32_t runs;
};

static void add_run(const struct comparison *c, struct matrix *m, const struct profile *p,
                    uint32_t run)
{
    const struct paths *paths = c->paths;
    memset(m->below, 0, paths->node_count * sizeof *m->below);
    for (uint32_t i = 0; i < p->value_count; i++) {
        uint32_t node = p->values[i].node;
        m->below[node] = p->values[i].bytes;
        m->own[(size_t)paths->nodes[node].function * m->runs + run] += p->values[i].bytes;
        if (node <= PATH_UNKNOWN)
            m->all[run] += p->values[i].bytes;
    }
    for (uint32_t node = paths->node_count - 1; node > PATH_UNKNOWN; node--) {
        m->below[paths->nodes[node].parent] += m->below[node];
        if (!comparison_recurs(c, node))
            m->all[(size_t)paths->nodes[node].function * m->runs + run] += m->below[node];
    }
}

static uint64_t median(uint64_t *values, uint32_t count, uint64_t *spread)
{
    qsort(values, count, sizeof *values, by_size);
    *spread = values[count - 1] - values[0];
    return values[(count - 1) / 2];
}

static void take_medians(struct comparison *c, struct matrix *m, unsigned side)
{
    for (uint32_t f = 0; f < c->paths->function_count; f++) {
        struct holding *h = &c->changes[f].sides[side];
        c->changes[f].function = f;
        h->own_bytes = median(m->own + (size_t)f * m->runs, m->runs, &h->own_spread);
        h->all_bytes = median(m->all + (size_t)f * m->runs, m->runs, &h->all_spread);
    }
}

static int add_functions(struct comparison *c, unsigned side)
{
    const struct side *s = &c->sides[side];
    struct matrix m = {.runs = s->run_count};
    m.own = calloc((size_t)c->paths->function_count * m.runs, sizeof *m.own);
    m.all = calloc((size_t)c->paths->function_count * m.runs, sizeof *m.all);
    m.below = malloc(c->paths->node_count * sizeof *m.below);
    int rc = m.own && m.all && m.below ? 0 : -ERR_NOMEM;
    for (uint32_t run = 0; run < m.runs && !rc; run++)
        add_run(c, &m, &s->runs[run], run);
    if (!rc)
        take_medians(c, &m, side);
    free(m.own);
    free(m.all);
    free(m.below);
    return rc;
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static uint64_t side_bytes(const struct comparison *c, unsigned side)
{
    return c->sides[side].middle->held.values.bytes;
}

static void set_noise(struct comparison *c, const struct bound *noise)
{
    uint64_t whole = larger(side_bytes(c, 0), side_bytes(c, 1));
    uint32_t ppm = noise->given && noise->is_share ? noise->share_ppm : NOISE_LEAST_PPM;
    uint64_t share = (uint64_t)((__uint128_t)whole * ppm / 1000000);
    c->floor_bytes =
        noise->given ? noise->is_share ? share : noise->bytes : larger(share, NOISE_LEAST_BYTES);
    c->noise_bytes = c->floor_bytes;
    for (unsigned side = 0; side < PATH_SIDES; side++)
        c->noise_bytes =
            larger(c->noise_bytes, c->sides[side].most_bytes - c->sides[side].least_bytes);
}

int comparison_init(struct comparison *c, struct paths *paths, struct profile *before,
                    uint32_t before_count, struct profile *after, uint32_t after_count,
                    const struct bound *noise)
{
    *c = (struct comparison){.paths = paths};
    int rc = side_init(&c->sides[0], before, before_count);
    rc = rc ? rc : side_init(&c->sides[1], after, after_count);
    if (rc)
        return rc;
    c->nodes = calloc(paths->node_count, sizeof *c->nodes);
    c->changes = calloc(paths->function_count, sizeof *c->changes);
    if (!c->nodes || !c->changes || mark_recursion(c))
        return -ERR_NOMEM;
    add_paths(c, 0);
    add_paths(c, 1);
    add_up_paths(c);
    set_noise(c, noise);
    rc = add_functions(c, 0);
    return rc ? rc : add_functions(c, 1);
}

void comparison_release(struct comparison *c)
{
    free(c->nodes);
    free(c->changes);
    free(c->recurs);
    *c = (struct comparison){0};
}

int64_t comparison_delta(const struct comparison *c)
{
    return difference(side_bytes(c, 0), side_bytes(c, 1));
}

bool comparison_is_noise(const struct comparison *c)
{
    return magnitude(comparison_delta(c)) <= c->noise_bytes;
}

int64_t change_own(const struct change *change)
{
    return difference(change->sides[0].own_bytes, change->sides[1].own_bytes);
}

int64_t change_all(const struct change *change)
{
    return difference(change->sides[0].all_bytes, change->sides[1].all_bytes);
}

bool change_own_is_noise(const struct comparison *c, const struct change *change)
{
    uint64_t noise = larger(change->sides[0].own_spread, change->sides[1].own_spread);
    return magnitude(change_own(change)) <= larger(noise, c->floor_bytes);
}

bool change_all_is_noise(const struct comparison *c, const struct change *change)
{
    uint64_t noise = larger(change->sides[0].all_spread, change->sides[1].all_spread);
    return magnitude(change_all(change)) <= larger(noise, c->floor_bytes);
}
