/* The tree on a terminal: rows, chains, folds (tree_view.h). Why it is walked twice: the first
 * walk only counts rows, to choose what is worth one. */
#include "analyzer/tree_view.h"

#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include "analyzer/tree.h"
#include <stdlib.h>
#include <string.h>

#define BYTES_COLUMNS   9
#define SHARE_COLUMNS   8
#define BAR_COLUMNS     10
#define BAR_LEAST_WIDTH 96
#define MAX_DEPTH       200 /* of branchings; without --full, each leaves a fold's share behind */
#define MAX_CHILDREN    12
#define ROWS_WANTED     45
#define PLACE_LEAST     22 /* columns that a place gets before a long function name is cut */
#define FOLD_LEAST      10 /* per mille of all: what has less gets no row of its own */
#define RUN_LEAST       4  /* frames of a library in a row that are folded */

struct view {
    const struct report *report;
    const struct terminal *t;
    struct tree tree;
    uint64_t of_bytes, fold_bytes, tell_bytes;
    bool last[MAX_DEPTH + 2]; /* per level: is the branch at its last child? */
    int left;                 /* column where the tree begins */
    int *rows;                /* counted so far */
    bool measuring;           /* counts rows and prints none */
};

static void finish_row(const struct view *v, struct row *row)
{
    ++*v->rows;
    if (!v->measuring)
        row_end(row);
}

static enum style heat(const struct view *v, uint64_t bytes)
{
    if (bytes >= v->of_bytes / 2)
        return STYLE_HOT;
    return bytes >= v->of_bytes / 10 ? STYLE_WARM : STYLE_PLAIN;
}

static void put_numbers(struct row *row, const struct view *v, uint64_t bytes)
{
    row_right(row, heat(v, bytes), quantity_size(bytes).text, BYTES_COLUMNS);
    row_right(row, STYLE_PLAIN, quantity_share(bytes, v->of_bytes).text, SHARE_COLUMNS);
    if (v->left <= BYTES_COLUMNS + SHARE_COLUMNS + 2)
        return;
    row_to(row, BYTES_COLUMNS + SHARE_COLUMNS + 2);
    row_bar(row, heat(v, bytes), bytes, v->of_bytes, BAR_COLUMNS);
}

/* The lines of the levels above; head: this row carries the branch itself. */
static void put_branch(struct row *row, const struct view *v, int depth, bool head)
{
    bool utf8 = v->t->utf8;
    row_to(row, v->left);
    for (int level = 1; level <= depth && row_left(row) > 24; level++) {
        const char *text = v->last[level] ? "   " : utf8 ? "│  " : "|  ";
        if (level == depth && head)
            text = v->last[level] ? (utf8 ? "└─ " : "`- ") : utf8 ? "├─ " : "|- ";
        row_put(row, STYLE_LINE, text, 3);
    }
}

static void put_process(struct row *row, const struct view *v, uint32_t id)
{
    const struct process *p = model_process(&v->report->rec->replay.model, id);
    char text[512], pid[32];
    size_t used = 0;
    snprintf(pid, sizeof pid, p->defined ? "process %u" : "(process unknown)", p->pid);
    row_put(row, STYLE_BOLD, pid, row_left(row));
    for (uint32_t i = 0; i < p->argument_count && used < 300; i++) {
        glyph_append(text, sizeof text, &used, " ", 1, true);
        glyph_append(text, sizeof text, &used, p->arguments[i]->bytes, p->arguments[i]->length,
                     v->report->frames.ascii);
    }
    row_put(row, STYLE_DIM, used ? text : "", row_left(row));
}

/* The place with as many of its folders as fit; place is changed. */
static const char *fitting_place(char *place, int room, bool utf8)
{
    const char *mark = utf8 ? "…" : "...";
    size_t mark_bytes = strlen(mark);
    char *at = place;
    if (glyph_text_columns(place) <= room)
        return place;
    for (char *slash; (slash = strchr(at, '/'));) {
        at = slash + 1;
        if (slash < place + mark_bytes || glyph_text_columns(slash) + (utf8 ? 1 : 3) > room)
            continue;
        return memcpy(slash - mark_bytes, mark, mark_bytes);
    }
    return at;
}

static void put_frame(struct row *row, const struct view *v, const struct node *n)
{
    const struct symbols *s = &v->report->rec->replay.model.symbols;
    char function[1024], place[2048];
    frame_function(function, sizeof function, s, n->function, n->line, &v->report->frames);
    frame_place(place, sizeof place, s, n->function, n->line, &v->report->frames);
    int wanted = glyph_text_columns(place) + 1, room = row_left(row);
    int least = room < 2 * PLACE_LEAST ? room / 2 : PLACE_LEAST;
    row_put(row, frame_native(s, n->function) ? STYLE_NATIVE : STYLE_BOLD, function,
            room - (wanted < least ? wanted : least));
    row_put(row, STYLE_PLAIN, " ", 1);
    row_put(row, STYLE_DIM, fitting_place(place, row_left(row), v->t->utf8), row_left(row));
}

static void put_node(struct row *row, const struct view *v, const struct node *n)
{
    switch (n->kind) {
    case NODE_PROCESS: put_process(row, v, n->function); break;
    case NODE_NO_STACK: row_put(row, STYLE_DIM, "(no Python stack)", row_left(row)); break;
    case NODE_UNKNOWN: row_put(row, STYLE_DIM, "(stack unknown)", row_left(row)); break;
    default: put_frame(row, v, n);
    }
}

/* The only child worth showing, if the rest is too little to tell; else 0. */
static uint32_t chain_next(const struct view *v, const struct node *n)
{
    uint32_t child = n->first_child;
    if (!child || n->kind == NODE_PROCESS)
        return 0;
    uint64_t rest = n->bytes - v->tree.nodes[child].bytes;
    bool alone = n->children == 1 && !n->own_bytes;
    return alone || rest < v->tell_bytes ? child : 0;
}

/* May this frame of a chain be folded away: of a library, or the same function again? */
static bool foldable(const struct view *v, const struct node *n)
{
    const struct node *parent = &v->tree.nodes[n->parent];
    if (n->kind != NODE_FRAME || v->report->options->full)
        return false;
    return frame_library(&v->report->rec->replay.model.symbols, n->function) ||
           (parent->kind == NODE_FRAME && parent->function == n->function);
}

/* How many frames of the chain from `at` on are foldable; *last is the last of them. */
static uint32_t run_length(const struct view *v, uint32_t at, uint32_t *last)
{
    uint32_t length = 0;
    for (uint32_t i = at; i && foldable(v, &v->tree.nodes[i]);
         i = chain_next(v, &v->tree.nodes[i])) {
        *last = i;
        length++;
    }
    return length;
}

/* Whose code a frame is: its package, or at least its function. */
static void owner_of(const struct view *v, const struct node *n, char *out, size_t capacity)
{
    const struct symbols *s = &v->report->rec->replay.model.symbols;
    frame_package(out, capacity, s, n->function, &v->report->frames);
    if (!out[0])
        frame_function(out, capacity, s, n->function, n->line, &v->report->frames);
}

/* last: below what is folded. A run into machine code says where it ends. */
static void print_fold(const struct view *v, int depth, uint32_t frames, uint32_t first,
                       uint32_t last)
{
    char package[256], end[256] = "", text[600];
    struct row row;
    const struct node *nodes = v->tree.nodes, *n = &nodes[first],
                      *until = &nodes[nodes[last].parent];
    owner_of(v, n, package, sizeof package);
    if (frame_native(&v->report->rec->replay.model.symbols, until->function))
        owner_of(v, until, end, sizeof end);
    int used = snprintf(text, sizeof text, "%s %s more in %s", v->t->utf8 ? "⋮" : ":",
                        quantity_count(frames).text, package);
    if (end[0] && strcmp(end, package) != 0)
        snprintf(text + used, sizeof text - (size_t)used, " %s %s", v->t->utf8 ? "…" : "...", end);
    row_begin(&row, v->t);
    put_branch(&row, v, depth, false);
    row_put(&row, STYLE_DIM, text, row_left(&row));
    finish_row(v, &row);
}

struct shown {
    uint32_t children, others;
    uint64_t others_bytes, own_bytes; /* own_bytes 0: not worth a row */
};

static struct shown choose_shown(const struct view *v, const struct node *n, int depth)
{
    struct shown s = {.others_bytes = n->bytes - n->own_bytes};
    bool full = v->report->options->full;
    if (n->first_child && n->own_bytes >= v->tell_bytes)
        s.own_bytes = n->own_bytes;
    for (uint32_t c = n->first_child; c && depth < MAX_DEPTH; c = v->tree.nodes[c].next_sibling) {
        bool big = v->tree.nodes[c].bytes >= v->fold_bytes && s.children < MAX_CHILDREN;
        if (!big && !full)
            break;
        s.children++;
        s.others_bytes -= v->tree.nodes[c].bytes;
    }
    s.others = n->children - s.children;
    return s;
}

/* Where all children are too small for rows of their own, the node's row says how many there are.
 */
static void put_all_small(struct row *row, const struct view *v, const struct node *n, int depth)
{
    struct shown s = choose_shown(v, n, depth);
    char text[64];
    if (s.children || s.own_bytes || !s.others)
        return;
    snprintf(text, sizeof text, "  %s %s small one%s below", v->t->utf8 ? "…" : "...",
             quantity_count(s.others).text, s.others == 1 ? "" : "s");
    if (glyph_text_columns(text) <= row_left(row))
        row_put(row, STYLE_LINE, text, row_left(row));
}

static void print_chain_frame(const struct view *v, uint32_t at, int depth, bool head)
{
    struct row row;
    row_begin(&row, v->t);
    if (head)
        put_numbers(&row, v, v->tree.nodes[at].bytes);
    put_branch(&row, v, depth, head);
    put_node(&row, v, &v->tree.nodes[at]);
    if (!chain_next(v, &v->tree.nodes[at]))
        put_all_small(&row, v, &v->tree.nodes[at], depth);
    finish_row(v, &row);
}

/* Prints a node and the chain below it; returns the chain's last node. */
static uint32_t print_chain(const struct view *v, uint32_t at, int depth)
{
    bool head = true;
    for (;; head = false) {
        uint32_t last = at, run = run_length(v, at, &last);
        print_chain_frame(v, at, depth, head);
        if (run >= RUN_LEAST) {
            print_fold(v, depth, run - 2, at, last);
            print_chain_frame(v, last, depth, false);
            at = last;
        }
        uint32_t next = chain_next(v, &v->tree.nodes[at]);
        if (!next)
            return at;
        at = next;
    }
}

/* What is not shown of a node's children, or what it allocated itself. */
static void print_rest(struct view *v, int depth, uint64_t bytes, const char *what)
{
    struct row row;
    row_begin(&row, v->t);
    put_numbers(&row, v, bytes);
    put_branch(&row, v, depth, true);
    row_put(&row, STYLE_DIM, what, row_left(&row));
    finish_row(v, &row);
}

static void print_node(struct view *v, uint32_t at, int depth);

static void print_others(struct view *v, int depth, const struct shown *s)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s other%s", v->t->utf8 ? "…" : "...",
             quantity_count(s->others).text, s->others == 1 ? "" : "s");
    v->last[depth] = true;
    print_rest(v, depth, s->others_bytes, text);
}

/* The children and what the node allocated itself, in falling order, then the sum of the others. */
static void print_children(struct view *v, const struct node *n, int depth)
{
    struct shown s = choose_shown(v, n, depth - 1);
    bool others = s.others_bytes >= v->tell_bytes && s.others && (s.children || s.own_bytes);
    uint32_t child = n->first_child, left = s.children + (s.own_bytes > 0);
    if (!s.children && !others)
        return;
    while (left-- > 0) {
        v->last[depth] = !left && !others;
        if (s.own_bytes && (!s.children || s.own_bytes >= v->tree.nodes[child].bytes)) {
            print_rest(v, depth, s.own_bytes, "(allocated here)");
            s.own_bytes = 0;
            continue;
        }
        print_node(v, child, depth);
        child = v->tree.nodes[child].next_sibling;
        s.children--;
    }
    if (others)
        print_others(v, depth, &s);
}

static void print_node(struct view *v, uint32_t at, int depth)
{
    at = print_chain(v, at, depth);
    print_children(v, &v->tree.nodes[at], depth + 1);
}

/* Several processes held something: then they are the first level. */
static bool several_processes(const struct report *report, enum measure measure)
{
    struct selection s;
    uint32_t first = 0;
    for (selection_start(&s, report, measure); selection_next(&s);) {
        const struct sites *sites = &report->rec->replay.sites;
        if (first && site_lane(sites, first)->process != site_lane(sites, s.site)->process)
            return true;
        first = first ? first : s.site;
    }
    return false;
}

static void add(struct view *v, const struct selection *s)
{
    tree_add(&v->tree, site_stack(&v->report->rec->replay.sites, s->site), s->values.bytes,
             s->values.count);
}

/* What a process holds, below a node of its own. */
static int add_process(struct view *v, enum measure measure, const struct process *p)
{
    struct selection s;
    selection_of_process(&s, v->report, measure, p);
    if (!selection_next(&s))
        return 0;
    if (tree_process(&v->tree, p->id))
        return -ERR_NOMEM;
    do
        add(v, &s);
    while (selection_next(&s));
    return 0;
}

static int add_processes(struct view *v, enum measure measure)
{
    const struct model *m = &v->report->rec->replay.model;
    int rc = add_process(v, measure, &m->nobody);
    for (uint32_t i = 0; i < m->processes.limit && !rc; i++)
        if (model_process_at(m, i))
            rc = add_process(v, measure, model_process_at(m, i));
    return rc;
}

static int build(struct view *v, enum measure measure)
{
    struct selection s;
    if (several_processes(v->report, measure)) {
        int rc = add_processes(v, measure);
        return rc ? rc : tree_finish(&v->tree);
    }
    for (selection_start(&s, v->report, measure); selection_next(&s);)
        add(v, &s);
    return tree_finish(&v->tree);
}

static void print_title(const struct view *v)
{
    struct row row;
    row_begin(&row, v->t);
    row_right(&row, STYLE_DIM, "bytes", BYTES_COLUMNS);
    row_right(&row, STYLE_DIM, "share", SHARE_COLUMNS);
    row_to(&row, v->left);
    row_put(&row, STYLE_DIM, "function and line", row_left(&row));
    row_end(&row);
}

/* Raises the bar for a row of its own until the tree fits a screen or two. */
static void choose_fold(struct view *v)
{
    static const unsigned per_mille[] = {FOLD_LEAST, 15, 20, 30, 50};
    for (size_t i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
        v->fold_bytes = v->of_bytes / 1000 * per_mille[i];
        v->tell_bytes = v->fold_bytes / 2;
        *v->rows = 0;
        v->measuring = true;
        print_children(v, &v->tree.nodes[0], 0);
        v->measuring = false;
        if (*v->rows <= ROWS_WANTED)
            return;
    }
}

static void print_note(const struct view *v, const char *text)
{
    struct row row;
    row_begin(&row, v->t);
    row_to(&row, v->left);
    row_words(&row, STYLE_DIM, text);
}

static void print_tree(struct view *v)
{
    if (!v->report->options->full)
        choose_fold(v);
    print_title(v);
    print_children(v, &v->tree.nodes[0], 0);
    if (v->tree.skipped)
        print_note(v, "(frames of importlib left out; --full shows everything)");
    if (v->report->rec->folded && v->report->options->layers == LAYERS_LEAF)
        print_note(v, "(machine code between Python frames left out: --frames all)");
}

int tree_view(const struct report *report, enum measure measure, uint64_t of_bytes)
{
    int rows = 0;
    struct view v = {.report = report, .t = &report->terminal, .of_bytes = of_bytes, .rows = &rows};
    v.left =
        BYTES_COLUMNS + SHARE_COLUMNS + 2 + (v.t->width >= BAR_LEAST_WIDTH ? BAR_COLUMNS + 2 : 0);
    bool full = report->options->full;
    int rc = tree_init(&v.tree, &report->rec->replay.model.symbols, !full,
                       full ? 0 : of_bytes / 1000 * FOLD_LEAST);
    rc = rc ? rc : build(&v, measure);
    if (!rc && v.tree.blocks)
        print_tree(&v);
    tree_release(&v.tree);
    return rc;
}
