/* The table per function, from a call tree walked once (table_view.h). Why from the tree: each
 * shared outer frame is then visited once, however many stacks it carries. */
#include "analyzer/table_view.h"

#include "analyzer/quantity.h"
#include "analyzer/tree.h"
#include <stdlib.h>

#define ROWS_UNLESS_FULL 40
#define WIDE_COLUMNS     96

/* One function's sums. Index: canonical function id; [0] is what has no known function. */
struct entry {
    uint32_t function, on_path;
    uint64_t own_bytes, below_bytes, own_count;
};

struct table {
    const struct report *report;
    struct tree tree;
    struct entry *entries;
    uint32_t limit;
};

static struct entry *entry_of(struct table *t, uint32_t node)
{
    const struct node *n = &t->tree.nodes[node];
    return &t->entries[n->kind == NODE_FRAME && n->function < t->limit ? n->function : 0];
}

static void enter(struct table *t, uint32_t node)
{
    struct entry *e = entry_of(t, node);
    const struct node *n = &t->tree.nodes[node];
    e->own_bytes += n->own_bytes;
    if (!e->on_path++)
        e->below_bytes += n->bytes;
}

/* A walk in depth without recursion: down to first children, along siblings, up again. */
static void walk(struct table *t)
{
    const struct node *nodes = t->tree.nodes;
    uint32_t at = nodes[0].first_child;
    while (at) {
        enter(t, at);
        if (nodes[at].first_child) {
            at = nodes[at].first_child;
            continue;
        }
        while (at && !nodes[at].next_sibling) {
            entry_of(t, at)->on_path--;
            at = nodes[at].parent;
        }
        if (!at)
            return;
        entry_of(t, at)->on_path--;
        at = nodes[at].next_sibling;
    }
}

static int by_own(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    if (left->own_bytes != right->own_bytes)
        return left->own_bytes < right->own_bytes ? 1 : -1;
    if (left->below_bytes != right->below_bytes)
        return left->below_bytes < right->below_bytes ? 1 : -1;
    return left->function < right->function ? -1 : 1;
}

/* Room for every column? */
static bool wide(const struct report *report) { return report->terminal.width >= WIDE_COLUMNS; }

static void print_row(const struct table *t, const struct entry *e, uint64_t of_bytes)
{
    const struct symbols *s = &t->report->rec->replay.model.symbols;
    const struct function *f = symbols_function(s, e->function);
    char function[1024] = "(no function known)", place[2048] = "";
    struct row row;
    if (f) {
        frame_function(function, sizeof function, s, e->function, 0, &t->report->frames);
        frame_place(place, sizeof place, s, e->function, f->first_line, &t->report->frames);
    }
    row_begin(&row, &t->report->terminal);
    row_right(&row, e->own_bytes >= of_bytes / 10 ? STYLE_WARM : STYLE_PLAIN,
              quantity_size(e->own_bytes).text, 9);
    row_right(&row, STYLE_PLAIN, quantity_share(e->own_bytes, of_bytes).text, 8);
    row_right(&row, STYLE_PLAIN, quantity_size(e->below_bytes).text, 11);
    if (wide(t->report))
        row_right(&row, STYLE_PLAIN, quantity_share(e->below_bytes, of_bytes).text, 8);
    row_right(&row, STYLE_PLAIN, quantity_count(e->own_count).text, 11);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, frame_native(s, e->function) ? STYLE_NATIVE : STYLE_BOLD, function,
            place[0] ? row_left(&row) * 3 / 5 : row_left(&row));
    row_put(&row, STYLE_PLAIN, " ", 1);
    row_put(&row, STYLE_DIM, place, row_left(&row));
    row_end(&row);
}

static void print_title(const struct report *report)
{
    struct row row;
    row_begin(&row, &report->terminal);
    row_right(&row, STYLE_DIM, "own", 9);
    row_right(&row, STYLE_DIM, "share", 8);
    row_right(&row, STYLE_DIM, "in all", 11);
    if (wide(report))
        row_right(&row, STYLE_DIM, "share", 8);
    row_right(&row, STYLE_DIM, "blocks", 11);
    row_put(&row, STYLE_DIM, "  function and its first line", row_left(&row));
    row_end(&row);
}

static void print_table(struct table *t, uint64_t of_bytes)
{
    uint32_t shown = 0, more = 0;
    qsort(t->entries, t->limit, sizeof *t->entries, by_own);
    print_title(t->report);
    for (uint32_t i = 0; i < t->limit; i++) {
        const struct entry *e = &t->entries[i];
        if (!e->below_bytes && !e->own_count)
            continue;
        if (shown < ROWS_UNLESS_FULL || t->report->options->full) {
            print_row(t, e, of_bytes);
            shown++;
        } else {
            more++;
        }
    }
    if (more)
        fprintf(t->report->terminal.out, "  %s more functions (--full shows them)\n",
                quantity_count(more).text);
}

static int build(struct table *t, enum measure measure)
{
    const struct replay *r = &t->report->rec->replay;
    struct selection s;
    for (selection_start(&s, t->report, measure); selection_next(&s);)
        tree_add(&t->tree, site_stack(&r->sites, s.site), s.values.bytes, s.values.count);
    return tree_finish(&t->tree);
}

/* The function of a stack's innermost frame, 0: unknown or none. */
static uint32_t innermost(const struct symbols *s, uint32_t stack)
{
    const struct stack_node *node = symbols_stack(s, stack);
    const struct function *f = node ? symbols_function(s, symbols_frame(s, node)->function) : 0;
    return f ? f->same : 0;
}

static void count_blocks(struct table *t, enum measure measure)
{
    const struct replay *r = &t->report->rec->replay;
    struct selection s;
    for (selection_start(&s, t->report, measure); selection_next(&s);)
        t->entries[innermost(&r->model.symbols, site_stack(&r->sites, s.site))].own_count +=
            s.values.count;
}

/* Functions that take part, so that the table follows the tree, not the largest id. */
static uint32_t highest_function(const struct tree *t)
{
    uint32_t highest = 0;
    for (uint32_t i = 1; i < t->count; i++)
        if (t->nodes[i].kind == NODE_FRAME && t->nodes[i].function > highest)
            highest = t->nodes[i].function;
    return highest;
}

int table_view(const struct report *report, enum measure measure, uint64_t of_bytes)
{
    struct table t = {.report = report};
    int rc = tree_init(&t.tree, &report->rec->replay.model.symbols, false, 0);
    rc = rc ? rc : build(&t, measure);
    if (!rc) {
        t.limit = highest_function(&t.tree) + 1;
        t.entries = calloc(t.limit, sizeof *t.entries);
        rc = t.entries ? 0 : -ERR_NOMEM;
    }
    if (!rc) {
        for (uint32_t i = 0; i < t.limit; i++)
            t.entries[i].function = i;
        count_blocks(&t, measure);
        walk(&t);
        print_table(&t, of_bytes);
    }
    free(t.entries);
    tree_release(&t.tree);
    return rc;
}
