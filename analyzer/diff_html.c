/* `memreplay diff --html`: both runs as one differential flame graph that opens anywhere. Why the
 * flame graph page's sections and scripts (flamegraph_data.h): a tree of two columns is a tree.
 * Beside its own, the data has
 *
 *   befo, aftr   what entries held before and after: as `held` there
 *   meta         both sides as in --json, `changes`: [function, own before, own after, all before,
 *                all after] of the functions that changed most, and the sums of the others
 *
 * Invariants: each column adds up to its side's bytes; what is too small to draw is folded with its
 * sums. Not here: the file around it (page.h), the page's sources (analyzer/web). */
#include "analyzer/diff.h"
#include "analyzer/family.h"
#include "analyzer/graph.h"
#include "analyzer/json.h"
#include "analyzer/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BUDGET_BYTES 2900000u
#define NODES_AT_FIRST    60000u
#define NODES_AT_LEAST    500u
#define CHANGES_TOLD      2000u
#define NO_NUMBER         UINT32_MAX

static const char *const scripts[] = {web_format_js,
                                      web_data_js,
                                      web_tree_js,
                                      web_color_js,
                                      web_flame_js,
                                      web_svg_js,
                                      web_search_js,
                                      web_theme_js,
                                      web_diff_table_js,
                                      web_diff_js,
                                      0};

struct packing {
    const struct diff *d;
    const struct comparison *c;
    struct family children;
    uint64_t *counts[PATH_SIDES]; /* by node: blocks in it and below */
    double least;                 /* a node with a lower score is folded into its parent */
    uint32_t *numbers;            /* by function: its number on the page */
    uint32_t *functions;          /* and back */
    uint32_t function_count;      /* so far */
    struct pack nodes, entries, columns[PATH_SIDES];
    uint32_t node_count, entry_count, last_node; /* written; last_node: of the last entry */
    uint32_t last_entry[PATH_SIDES], last_depth;
    uint32_t folded;
};

/* How much a node matters: the larger of its share of all bytes and its share of all that moved. A
 * child's is never higher. */
static double score(const struct packing *k, uint32_t node)
{
    const struct path_change *n = &k->c->nodes[node], *all = &k->c->nodes[PATH_ROOT];
    uint64_t most = n->below[0] > n->below[1] ? n->below[0] : n->below[1];
    uint64_t whole = all->below[0] > all->below[1] ? all->below[0] : all->below[1];
    double held = whole ? (double)most / (double)whole : 0;
    double moved = all->moved_bytes ? (double)n->moved_bytes / (double)all->moved_bytes : 0;
    return held > moved ? held : moved;
}

static int by_score(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left > right ? -1 : left < right;
}

/* The lowest score with which at most `limit` nodes are drawn. */
static int choose_least(struct packing *k, uint32_t limit)
{
    uint32_t count = k->c->paths->node_count;
    double *scores = malloc(count * sizeof *scores);
    if (!scores)
        return -ERR_NOMEM;
    for (uint32_t node = 0; node < count; node++)
        scores[node] = score(k, node);
    qsort(scores, count, sizeof *scores, by_score);
    k->least = count > limit ? nextafter(scores[limit], 2) : 0;
    free(scores);
    return 0;
}

/* The widest first, as they would stand with both sides drawn. */
static uint64_t width(const void *context, uint32_t node)
{
    const struct path_change *n = &((const struct comparison *)context)->nodes[node];
    return n->below[0] > n->below[1] ? n->below[0] : n->below[1];
}

/* Blocks below each node, which nothing else needs. */
static int count_blocks(struct packing *k)
{
    const struct paths *p = k->c->paths;
    for (unsigned side = 0; side < PATH_SIDES; side++) {
        uint64_t *counts = k->counts[side] = malloc(p->node_count * sizeof *counts);
        if (!counts)
            return -ERR_NOMEM;
        for (uint32_t node = 0; node < p->node_count; node++)
            counts[node] = k->c->nodes[node].counts[side];
        for (uint32_t node = p->node_count - 1; node > PATH_ROOT; node--)
            counts[p->nodes[node].parent] += counts[node];
    }
    return 0;
}

static uint32_t number_of(struct packing *k, uint32_t function)
{
    if (k->numbers[function] == NO_NUMBER) {
        k->numbers[function] = k->function_count;
        k->functions[k->function_count++] = function;
    }
    return k->numbers[function];
}

/* A node's head: its kind, and how many levels up from the node before it hangs. */
static void put_head(struct packing *k, enum graph_kind kind, uint32_t depth)
{
    pack_number(&k->nodes, (uint64_t)kind + 8 * (uint64_t)(k->last_depth + 1 - depth));
    k->last_depth = depth;
    k->node_count++;
}

/* What the node written last holds on both sides. */
static void put_entry(struct packing *k, const uint64_t bytes[PATH_SIDES],
                      const uint64_t counts[PATH_SIDES])
{
    pack_number(&k->entries, k->node_count - k->last_node);
    pack_number(&k->entries, 0);
    k->last_node = k->node_count;
    for (unsigned side = 0; side < PATH_SIDES; side++) {
        if (!bytes[side] && !counts[side])
            continue;
        pack_number(&k->columns[side], k->entry_count - k->last_entry[side]);
        k->last_entry[side] = k->entry_count;
        pack_number(&k->columns[side], bytes[side]);
        pack_number(&k->columns[side], counts[side]);
        pack_number(&k->columns[side], 0);
    }
    k->entry_count++;
}

static void put_own(struct packing *k, uint32_t node, uint32_t depth)
{
    const struct path_change *n = &k->c->nodes[node];
    if (!n->bytes[0] && !n->bytes[1] && !n->counts[0] && !n->counts[1])
        return;
    if (node == PATH_ROOT)
        put_head(k, GRAPH_NO_STACK, depth + 1);
    put_entry(k, n->bytes, n->counts);
}

/* The children of a node that are too small, as one. */
static void put_folded(struct packing *k, uint32_t node, uint32_t depth)
{
    uint64_t bytes[PATH_SIDES] = {0}, counts[PATH_SIDES] = {0};
    uint32_t folded = 0;
    for (uint32_t child = k->children.first[node]; child; child = k->children.next[child]) {
        const struct path_change *n = &k->c->nodes[child];
        if (score(k, child) >= k->least || (!n->below[0] && !n->below[1]))
            continue;
        bytes[0] += n->below[0];
        bytes[1] += n->below[1];
        counts[0] += k->counts[0][child];
        counts[1] += k->counts[1][child];
        folded++;
    }
    if (!folded)
        return;
    put_head(k, GRAPH_SMALL, depth + 1);
    pack_number(&k->nodes, folded);
    put_entry(k, bytes, counts);
    k->folded += folded;
}

/* A node, what it holds itself, and what of its children is folded. */
static void put_node(struct packing *k, uint32_t node, uint32_t depth)
{
    if (node == PATH_UNKNOWN) {
        put_head(k, GRAPH_UNKNOWN, depth);
    } else if (node != PATH_ROOT) {
        put_head(k, GRAPH_FRAME, depth);
        pack_number(&k->nodes, number_of(k, k->c->paths->nodes[node].function));
        pack_signed(&k->nodes, 0);
    }
    put_own(k, node, depth);
    put_folded(k, node, depth);
}

static bool drawn(const struct packing *k, uint32_t node)
{
    const struct path_change *n = &k->c->nodes[node];
    return (n->below[0] || n->below[1]) && score(k, node) >= k->least;
}

/* The first of these siblings that is drawn, or 0. */
static uint32_t next_drawn(const struct packing *k, uint32_t node)
{
    while (node && !drawn(k, node))
        node = k->children.next[node];
    return node;
}

/* All nodes in preorder, without recursion. */
static void put_nodes(struct packing *k)
{
    const struct path_node *nodes = k->c->paths->nodes;
    uint32_t at = PATH_ROOT, depth = 0;
    for (;;) {
        put_node(k, at, depth);
        uint32_t to = next_drawn(k, k->children.first[at]);
        depth++;
        while (!to && at != PATH_ROOT) {
            to = next_drawn(k, k->children.next[at]);
            at = nodes[at].parent;
            depth--;
        }
        if (!to)
            return;
        at = to;
    }
}

/* What colours and the switches that hide go by; the order is known to data.js. */
enum category { PROGRAM, LIBRARY, IMPORT, NATIVE };

static enum category category_of(const struct path_function *f)
{
    static const char import[] = "Limportlib/_bootstrap";
    if (f->kind != FUNCTION_PYTHON)
        return NATIVE;
    if (!strncmp(f->key->bytes, import, sizeof import - 1))
        return IMPORT;
    return f->key->bytes[0] == ORIGIN_LIBRARY ? LIBRARY : PROGRAM;
}

/* Name, file as shown, file as recorded, package, category; and which sides ran it (1, 2, 3). */
static void json_functions(struct json *j, const struct packing *k)
{
    json_array(j, "functions");
    for (uint32_t i = 0; i < k->function_count; i++) {
        const struct path_function *f = &k->c->paths->functions[k->functions[i]];
        const struct name *file = f->files[1] ? f->files[1] : f->files[0];
        char text[4096];
        json_flat_array(j, 0);
        path_function_name(text, sizeof text, f, false);
        json_string(j, 0, k->functions[i] ? text : "(no function known)");
        path_function_file(text, sizeof text, f, false);
        json_string(j, 0, text);
        json_text(j, 0, file ? file->bytes : "", file ? file->length : 0);
        path_function_package(text, sizeof text, f, false);
        json_string(j, 0, text);
        json_number(j, 0, category_of(f));
        json_number(j, 0, (f->files[0] != 0) + 2u * (f->files[1] != 0));
        json_end_array(j);
    }
    json_end_array(j);
}

static int json_changes(struct json *j, struct packing *k)
{
    uint32_t count, told = 0;
    int64_t rest = 0;
    struct change *list = diff_functions(k->d, &count);
    if (!list)
        return -ERR_NOMEM;
    json_array(j, "changes");
    for (uint32_t i = 0; i < count && told < CHANGES_TOLD; i++, told++) {
        const struct holding *before = &list[i].sides[0], *after = &list[i].sides[1];
        json_flat_array(j, 0);
        json_number(j, 0, number_of(k, list[i].function));
        json_number(j, 0, before->own_bytes);
        json_number(j, 0, after->own_bytes);
        json_number(j, 0, before->all_bytes);
        json_number(j, 0, after->all_bytes);
        json_end_array(j);
    }
    json_end_array(j);
    for (uint32_t i = told; i < count; i++)
        rest += change_own(&list[i]);
    json_number(j, "other_changes", count - told);
    json_signed(j, "other_own_delta_bytes", rest);
    free(list);
    return 0;
}

static int pack_meta(struct pack *p, struct packing *k)
{
    struct pack section = {0};
    char *text = 0;
    size_t length = 0;
    struct json j;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return -ERR_NOMEM;
    json_init(&j, out);
    json_object(&j, 0);
    diff_json_head(&j, k->d);
    json_number(&j, "floor_bytes", k->c->floor_bytes);
    json_number(&j, "folded", k->folded);
    int rc = json_changes(&j, k);
    json_functions(&j, k);
    json_end_object(&j);
    rc = fclose(out) ? -ERR_NOMEM : rc;
    pack_bytes(&section, text, length);
    pack_section(p, "meta", &section);
    free(text);
    return rc;
}

static void packing_release(struct packing *k)
{
    family_release(&k->children);
    free(k->counts[0]);
    free(k->counts[1]);
    free(k->numbers);
    free(k->functions);
    pack_release(&k->nodes);
    pack_release(&k->entries);
    pack_release(&k->columns[0]);
    pack_release(&k->columns[1]);
}

/* One try with so many nodes. Returns 0 or -ERR_NOMEM. */
static int pack_with(struct pack *p, const struct diff *d, uint32_t nodes)
{
    struct packing k = {.d = d, .c = &d->comparison};
    uint32_t functions = k.c->paths->function_count;
    k.numbers = malloc(functions * sizeof *k.numbers);
    k.functions = malloc(functions * sizeof *k.functions);
    int rc = k.numbers && k.functions ? choose_least(&k, nodes) : -ERR_NOMEM;
    rc = rc ? rc : family_init(&k.children, k.c->paths, width, k.c, 0);
    rc = rc ? rc : count_blocks(&k);
    if (!rc) {
        memset(k.numbers, 0xFF, functions * sizeof *k.numbers);
        put_nodes(&k);
        pack_section(p, "node", &k.nodes);
        pack_section(p, "entr", &k.entries);
        pack_section(p, "befo", &k.columns[0]);
        pack_section(p, "aftr", &k.columns[1]);
        rc = pack_meta(p, &k);
    }
    packing_release(&k);
    return rc || p->failed ? -ERR_NOMEM : 0;
}

int diff_html(const struct diff *d)
{
    struct pack data = {0};
    struct page page = {"before and after \xc2\xb7 memory", web_diff_html, scripts, &data};
    size_t beside = page_frame_bytes(&page);
    int rc = -ERR_NOMEM;
    for (uint32_t nodes = NODES_AT_FIRST; nodes >= NODES_AT_LEAST; nodes /= 2) {
        pack_release(&data);
        rc = pack_with(&data, d, nodes);
        if (rc || pack_written_bytes(&data) + beside < PAGE_BUDGET_BYTES)
            break;
    }
    rc = rc ? rc : page_write(&page, d->terminal.out);
    pack_release(&data);
    return rc;
}
