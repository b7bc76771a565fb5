/* The call paths that changed, as a tree: which callers a function changed under. Why branches are
 * chosen by what moved in them, not by their net difference: a branch in which one function took
 * over from another has a difference of nothing and is all that matters. Invariants: the rows whose
 * figures stand for themselves, and the row of what is too small, add up to the difference. */
#include "analyzer/diff.h"

#include "analyzer/family.h"
#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include <string.h>

#define SIZE_COLUMNS 10
#define WIDE_COLUMNS 96
#define MAX_DEPTH    100
#define ROWS_WANTED  36
#define RUN_LEAST    4 /* frames of a library in a row that are folded */

struct view {
    const struct diff *d;
    const struct comparison *c;
    const struct terminal *t;
    struct family children; /* those worth a row, most moved first */
    uint64_t tell_bytes;    /* what moves less gets no row */
    int64_t told;           /* the differences of the rows that stand for themselves */
    bool last[MAX_DEPTH + 2];
    bool measuring;
    int rows, left;
};

static const struct path_function *function_of(const struct view *v, uint32_t node)
{
    return &v->c->paths->functions[v->c->paths->nodes[node].function];
}

static int64_t delta_below(const struct view *v, uint32_t node)
{
    return difference(v->c->nodes[node].below[0], v->c->nodes[node].below[1]);
}

static int64_t delta_own(const struct view *v, uint32_t node)
{
    return difference(v->c->nodes[node].bytes[0], v->c->nodes[node].bytes[1]);
}

/* Children stand with what moved most first. */
static uint64_t moved(const void *context, uint32_t node)
{
    const struct comparison *c = context;
    return c->nodes[node].moved_bytes;
}

static bool worth(const struct view *v, uint32_t node)
{
    return node && v->c->nodes[node].moved_bytes >= v->tell_bytes;
}

/* What of a node gets rows. */
struct shown {
    uint32_t children;
    bool own;
    int64_t others;        /* the difference of what gets none */
    uint64_t others_moved; /* and how much moved in it */
};

static struct shown choose(const struct view *v, uint32_t node)
{
    const struct path_change *n = &v->c->nodes[node];
    struct shown s = {.others = delta_below(v, node), .others_moved = n->moved_bytes};
    uint32_t child = v->children.first[node];
    for (; worth(v, child); child = v->children.next[child]) {
        s.children++;
        s.others -= delta_below(v, child);
        s.others_moved -= v->c->nodes[child].moved_bytes;
    }
    s.own = s.children && magnitude(delta_own(v, node)) >= v->tell_bytes;
    if (s.own) {
        s.others -= delta_own(v, node);
        s.others_moved -= magnitude(delta_own(v, node));
    }
    return s;
}

/* The only child worth a row, where nothing else of the node is; else 0. */
static uint32_t chain_next(const struct view *v, uint32_t node)
{
    struct shown s = choose(v, node);
    bool alone = s.children == 1 && !s.own && s.others_moved < v->tell_bytes;
    return alone && node != PATH_ROOT ? v->children.first[node] : 0;
}

static enum style heat(const struct view *v, int64_t delta)
{
    if (magnitude(delta) <= v->c->floor_bytes)
        return STYLE_PLAIN;
    return delta > 0 ? STYLE_HOT : STYLE_COOL;
}

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

static void put_numbers(struct row *row, const struct view *v, int64_t delta, uint64_t before,
                        uint64_t after)
{
    row_right(row, heat(v, delta), quantity_change(delta).text, SIZE_COLUMNS);
    if (v->t->width < WIDE_COLUMNS)
        return;
    row_right(row, STYLE_PLAIN, quantity_size(before).text, SIZE_COLUMNS + 1);
    row_right(row, STYLE_PLAIN, quantity_size(after).text, SIZE_COLUMNS + 1);
}

static void end_row(struct view *v, struct row *row)
{
    v->rows++;
    if (!v->measuring)
        row_end(row);
}

static void put_node(struct row *row, const struct view *v, uint32_t node)
{
    const struct path_function *f = function_of(v, node);
    const char *tag = f->files[0] && f->files[1] ? "" : f->files[0] ? "  gone" : "  new";
    char name[1024], file[2048];
    if (node == PATH_UNKNOWN) {
        row_put(row, STYLE_DIM, "(outer frames unknown)", row_left(row));
        return;
    }
    path_function_name(name, sizeof name, f, !v->t->utf8);
    path_function_file(file, sizeof file, f, !v->t->utf8);
    int room = row_left(row) - (int)strlen(tag);
    row_put(row, STYLE_BOLD, name, file[0] ? room * 3 / 5 : room);
    row_put(row, STYLE_PLAIN, " ", 1);
    row_put(row, STYLE_DIM, file, row_left(row) - (int)strlen(tag));
    row_put(row, STYLE_WARM, f->key->length ? tag : "", row_left(row));
}

static void print_frame(struct view *v, uint32_t node, int depth, bool head)
{
    struct row row;
    row_begin(&row, v->t);
    if (head)
        put_numbers(&row, v, delta_below(v, node), v->c->nodes[node].below[0],
                    v->c->nodes[node].below[1]);
    put_branch(&row, v, depth, head);
    put_node(&row, v, node);
    end_row(v, &row);
}

static bool foldable(const struct view *v, uint32_t node)
{
    return node > PATH_UNKNOWN && !v->d->options->full && !path_function_own(function_of(v, node));
}

static bool import_frame(const struct view *v, uint32_t node)
{
    static const char prefix[] = "Limportlib/_bootstrap";
    return foldable(v, node) &&
           !strncmp(function_of(v, node)->key->bytes, prefix, sizeof prefix - 1);
}

/* How many frames of a chain from `at` on are a library's; *last is the last of them. */
static uint32_t run_length(const struct view *v, uint32_t at, uint32_t *last)
{
    uint32_t length = 0;
    for (uint32_t i = at; i && foldable(v, i); i = chain_next(v, i)) {
        *last = i;
        length++;
    }
    return length;
}

static void print_fold(struct view *v, int depth, uint32_t frames, uint32_t node)
{
    char package[256], text[400];
    struct row row;
    path_function_package(package, sizeof package, function_of(v, node), !v->t->utf8);
    snprintf(text, sizeof text, "%s %s more in %s", v->t->utf8 ? "⋮" : ":",
             quantity_count(frames).text, package[0] ? package : "libraries");
    row_begin(&row, v->t);
    put_branch(&row, v, depth, false);
    row_put(&row, STYLE_DIM, text, row_left(&row));
    end_row(v, &row);
}

/* Prints a node and the chain below it; returns the chain's last node. */
static uint32_t print_chain(struct view *v, uint32_t at, int depth)
{
    bool head = true;
    while (import_frame(v, at) && chain_next(v, at))
        at = chain_next(v, at);
    for (;; head = false) {
        uint32_t last = at, run = run_length(v, at, &last);
        if (head || !import_frame(v, at) || !chain_next(v, at))
            print_frame(v, at, depth, head);
        if (run >= RUN_LEAST) {
            print_fold(v, depth, run - 2, at);
            print_frame(v, last, depth, false);
            at = last;
        }
        uint32_t next = chain_next(v, at);
        if (!next)
            return at;
        at = next;
    }
}

/* A row that is no path of its own. */
static void print_rest(struct view *v, int depth, int64_t delta, const char *what)
{
    struct row row;
    row_begin(&row, v->t);
    row_right(&row, heat(v, delta), quantity_change(delta).text, SIZE_COLUMNS);
    put_branch(&row, v, depth, depth > 0);
    row_put(&row, STYLE_DIM, what, row_left(&row));
    end_row(v, &row);
    v->told += delta;
}

static void print_node(struct view *v, uint32_t node, int depth);

static void print_children(struct view *v, uint32_t node, int depth)
{
    struct shown s = choose(v, node);
    bool others = s.others_moved >= v->tell_bytes && s.children;
    if (!s.children || depth >= MAX_DEPTH) {
        v->told += delta_below(v, node);
        return;
    }
    uint32_t left = s.children + s.own;
    for (uint32_t child = v->children.first[node]; s.children;
         child = v->children.next[child], s.children--) {
        v->last[depth] = !--left && !others;
        print_node(v, child, depth);
    }
    v->last[depth] = !others;
    if (s.own)
        print_rest(v, depth, delta_own(v, node),
                   node == PATH_ROOT ? "(no Python stack)" : "(allocated here)");
    v->last[depth] = true;
    if (others)
        print_rest(v, depth, s.others, v->t->utf8 ? "… others, each small" : "others, each small");
}

static void print_node(struct view *v, uint32_t node, int depth)
{
    node = print_chain(v, node, depth);
    print_children(v, node, depth + 1);
}

/* Raises the bar until the tree fits a screen. */
static void choose_fold(struct view *v)
{
    static const unsigned per_mille[] = {10, 15, 20, 30, 50, 80};
    uint64_t moved = v->c->nodes[PATH_ROOT].moved_bytes;
    v->measuring = true;
    for (size_t i = 0; i < sizeof per_mille / sizeof *per_mille; i++) {
        uint64_t least = moved / 1000 * per_mille[i];
        v->tell_bytes = least > v->c->floor_bytes ? least : v->c->floor_bytes + 1;
        v->rows = 0;
        print_children(v, PATH_ROOT, 0);
        if (v->rows <= ROWS_WANTED)
            break;
    }
    v->measuring = false;
    v->told = 0;
}

static void print_titles(const struct view *v)
{
    struct row row;
    fputc('\n', v->t->out);
    row_begin(&row, v->t);
    row_right(&row, STYLE_DIM, "change", SIZE_COLUMNS);
    if (v->t->width >= WIDE_COLUMNS) {
        row_right(&row, STYLE_DIM, "before", SIZE_COLUMNS + 1);
        row_right(&row, STYLE_DIM, "after", SIZE_COLUMNS + 1);
    }
    row_to(&row, v->left);
    row_put(&row, STYLE_DIM, "where, from the outermost caller", row_left(&row));
    row_end(&row);
}

static void print_tree(struct view *v)
{
    if (v->d->options->full)
        v->tell_bytes = 1;
    else
        choose_fold(v);
    if (!worth(v, v->children.first[PATH_ROOT]))
        return;
    print_titles(v);
    print_children(v, PATH_ROOT, 0);
    int64_t rest = delta_below(v, PATH_ROOT) - v->told;
    if (rest)
        print_rest(v, 0, rest, "too small for a row");
}

int diff_tree(const struct diff *d)
{
    struct view v = {.d = d, .c = &d->comparison, .t = &d->terminal};
    v.left = (v.t->width >= WIDE_COLUMNS ? 3 * SIZE_COLUMNS + 2 : SIZE_COLUMNS) + 2;
    uint64_t least = d->options->full ? 0 : d->comparison.floor_bytes;
    int rc = family_init(&v.children, v.c->paths, moved, v.c, least ? least : 1);
    if (!rc)
        print_tree(&v);
    family_release(&v.children);
    return rc;
}
