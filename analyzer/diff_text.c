/* `memreplay diff` as text: the difference first, then whether the peak moved, then which functions
 * and paths. Why absolute bytes first: a share of an unknown whole says nothing. Not here: the tree
 * of paths (diff_tree.c), the figures (comparison.h). */
#include "analyzer/diff.h"

#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_UNLESS_FULL 12
#define PROPOSALS_UNLESS_FULL 6
#define SIZE_COLUMNS          10

static const struct profile *middle(const struct diff *d, unsigned side)
{
    return d->comparison.sides[side].middle;
}

static uint64_t bytes_of(const struct diff *d, unsigned side)
{
    return middle(d, side)->held.values.bytes;
}

static enum style heat(int64_t delta, uint64_t noise)
{
    if (magnitude(delta) <= noise)
        return STYLE_PLAIN;
    return delta > 0 ? STYLE_HOT : STYLE_COOL;
}

__attribute__((format(printf, 4, 5))) static void line(const struct diff *d, int indent,
                                                       enum style style, const char *format, ...)
{
    char text[1024];
    struct row row;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    row_begin(&row, &d->terminal);
    row_to(&row, indent);
    row_words(&row, style, text);
}

static void blank(const struct diff *d) { fputc('\n', d->terminal.out); }

/* "before  before.lz4  python3 job.py, Python 3.11.7" */
static void print_side(const struct diff *d, unsigned side)
{
    const struct side *s = &d->comparison.sides[side];
    const struct profile *p = s->middle;
    char name[700] = "", about[200] = "";
    struct row row;
    size_t used = 0;
    glyph_append(name, sizeof name, &used, p->name, strlen(p->name), !d->terminal.utf8);
    if (p->python[0])
        snprintf(about, sizeof about, ", Python %s", p->python);
    row_begin(&row, &d->terminal);
    row_put(&row, STYLE_DIM, side ? "after" : "before", row_left(&row));
    row_to(&row, 8);
    row_put(&row, STYLE_BOLD, name, row_left(&row) / 2);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, STYLE_PLAIN, p->command[0] ? p->command : "(command unknown)",
            row_left(&row) - glyph_text_columns(about));
    row_put(&row, STYLE_DIM, about, row_left(&row));
    row_end(&row);
}

/* A mistake that turns every sign. */
static void print_order(const struct diff *d)
{
    uint64_t before = middle(d, 0)->started_unix_ns, after = middle(d, 1)->started_unix_ns;
    if (before && after && before > after)
        line(d, 8, STYLE_WARM, "(the other way round? what stands as before was recorded %s later)",
             quantity_time(before - after).text);
}

static void print_headline(const struct diff *d)
{
    const struct comparison *c = &d->comparison;
    int64_t delta = comparison_delta(c);
    char text[256], growth[64] = "";
    struct quantity share = quantity_growth(bytes_of(d, 0), bytes_of(d, 1));
    struct row row;
    if (share.text[0] && delta)
        snprintf(growth, sizeof growth, " (%s)", share.text);
    snprintf(text, sizeof text, "%s %s -> %s, ", diff_noun(d), quantity_size(bytes_of(d, 0)).text,
             quantity_size(bytes_of(d, 1)).text);
    row_begin(&row, &d->terminal);
    row_put(&row, STYLE_BOLD, text, row_left(&row));
    snprintf(text, sizeof text, "%s%s", delta ? quantity_change(delta).text : "no difference",
             growth);
    row_put(&row, heat(delta, c->noise_bytes), text, row_left(&row));
    if (delta && comparison_is_noise(c)) {
        snprintf(text, sizeof text, ": noise (up to %s is)", quantity_size(c->noise_bytes).text);
        row_put(&row, STYLE_PLAIN, text, row_left(&row));
    }
    row_end(&row);
}

static void print_moments(const struct diff *d)
{
    const struct holdings *before = &middle(d, 0)->held, *after = &middle(d, 1)->held;
    if (d->measure == MEASURE_MOMENT)
        line(d, 2, STYLE_PLAIN, "at %s of %s -> at %s of %s", quantity_time(before->time_ns).text,
             quantity_time(middle(d, 0)->duration_ns).text, quantity_time(after->time_ns).text,
             quantity_time(middle(d, 1)->duration_ns).text);
    line(d, 2, STYLE_PLAIN, "in %s -> %s blocks", quantity_count(before->values.count).text,
         quantity_count(after->values.count).text);
    if (d->measure != MEASURE_MOMENT)
        return;
    if (before->values.resident_bytes != before->values.bytes ||
        after->values.resident_bytes != after->values.bytes)
        line(
            d, 2, STYLE_PLAIN, "resident %s -> %s, %s",
            quantity_size(before->values.resident_bytes).text,
            quantity_size(after->values.resident_bytes).text,
            quantity_change(difference(before->values.resident_bytes, after->values.resident_bytes))
                .text);
    if (before->rss_bytes && after->rss_bytes)
        line(d, 2, STYLE_PLAIN, "RSS %s -> %s, %s", quantity_size(before->rss_bytes).text,
             quantity_size(after->rss_bytes).text,
             quantity_change(difference(before->rss_bytes, after->rss_bytes)).text);
}

static void runs_text(const struct side *s, const char *when, char *out, size_t capacity)
{
    if (s->run_count == 1)
        snprintf(out, capacity, "one run %s", when);
    else
        snprintf(out, capacity, "%u runs %s differ by %s", s->run_count, when,
                 quantity_size(s->most_bytes - s->least_bytes).text);
}

/* With several runs: does the change exceed what they differ by among themselves? */
static void print_spread(const struct diff *d)
{
    const struct comparison *c = &d->comparison;
    char before[128], after[128];
    if (c->sides[0].run_count + c->sides[1].run_count == 2)
        return;
    runs_text(&c->sides[0], "before", before, sizeof before);
    runs_text(&c->sides[1], "after", after, sizeof after);
    line(d, 2, STYLE_PLAIN, "%s, %s: the change %s their spread", before, after,
         comparison_is_noise(c) ? "does not exceed" : "exceeds");
    line(d, 2, STYLE_DIM, "told of each side: the run in the middle; per function: the median");
}

/* The scripts that the sides started are one to us, whatever they are called. */
static void print_scripts(const struct diff *d)
{
    const struct paths *p = d->comparison.paths;
    char old_name[400] = "", name[400] = "";
    for (uint32_t id = 1; id < p->function_count; id++) {
        const struct path_function *f = &p->functions[id];
        if (f->key->length != 1 || f->key->bytes[0] != ORIGIN_SCRIPT || !f->files[0] ||
            !f->files[1])
            continue;
        path_file_base(old_name, sizeof old_name, f->files[0], !d->terminal.utf8);
        path_file_base(name, sizeof name, f->files[1], !d->terminal.utf8);
        if (strcmp(old_name, name) != 0)
            line(d, 2, STYLE_DIM, "%s and %s are compared as one: the script of each run", old_name,
                 name);
        return;
    }
}

static void print_names(const struct diff *d)
{
    const struct comparison *c = &d->comparison;
    print_scripts(d);
    if (c->bare_names)
        line(d, 2, STYLE_DIM,
             "functions are compared by their bare names: Python before 3.11 knows no others");
    if (c->no_comprehensions)
        line(d, 2, STYLE_DIM,
             "comprehensions count for the function around them: Python from 3.12 on has no frames "
             "of their own");
}

static void function_text(const struct diff *d, uint32_t id, char *name, size_t name_bytes,
                          char *file, size_t file_bytes)
{
    const struct path_function *f = &d->comparison.paths->functions[id];
    if (id == 0) {
        snprintf(name, name_bytes, "(no function known)");
        file[0] = 0;
        return;
    }
    path_function_name(name, name_bytes, f, !d->terminal.utf8);
    path_function_file(file, file_bytes, f, !d->terminal.utf8);
}

/* Name, file, and whether only one side ran it. */
static void put_function(const struct diff *d, struct row *row, uint32_t id)
{
    const struct path_function *f = &d->comparison.paths->functions[id];
    const char *tag = !id || (f->files[0] && f->files[1]) ? "" : f->files[0] ? "  gone" : "  new";
    char name[1024], file[2048];
    function_text(d, id, name, sizeof name, file, sizeof file);
    int room = row_left(row) - glyph_text_columns(tag);
    row_put(row, STYLE_BOLD, name, file[0] ? room * 3 / 5 : room);
    row_put(row, STYLE_PLAIN, " ", 1);
    row_put(row, STYLE_DIM, file, row_left(row) - glyph_text_columns(tag));
    row_put(row, STYLE_WARM, tag, row_left(row));
}

static void print_holder(const struct diff *d, const struct holder *h)
{
    int64_t delta = difference(h->bytes[0], h->bytes[1]);
    struct row row;
    row_begin(&row, &d->terminal);
    row_right(&row, STYLE_PLAIN, quantity_size(h->bytes[0]).text, SIZE_COLUMNS);
    row_right(&row, STYLE_PLAIN, quantity_size(h->bytes[1]).text, SIZE_COLUMNS + 1);
    row_right(&row, heat(delta, d->comparison.floor_bytes), quantity_change(delta).text,
              SIZE_COLUMNS + 1);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    put_function(d, &row, h->function);
    row_end(&row);
}

/* The side on which it holds little at the peak may have seen more of it at another time; told from
 * a tenth of what the other side's peak had. */
static void print_height(const struct diff *d, const struct holder *h, unsigned side)
{
    const struct height *height = heights_of(&middle(d, side)->heights, h->function);
    if (height && height->bytes > h->bytes[side] + d->comparison.floor_bytes &&
        height->bytes >= h->bytes[!side] / 10)
        line(d, 3 * SIZE_COLUMNS + 4, STYLE_WARM, "%s it reached %s, at %s",
             side ? "but after the change" : "before the change", quantity_size(height->bytes).text,
             quantity_time(height->time_ns).text);
}

/* side: the one on which these hold less. */
static void print_holders(const struct diff *d, const struct holder *list, uint32_t count,
                          unsigned side)
{
    uint64_t first = magnitude(difference(list[0].bytes[0], list[0].bytes[1]));
    for (uint32_t i = 0; i < count; i++)
        if (magnitude(difference(list[i].bytes[0], list[i].bytes[1])) >= first / 20) {
            print_holder(d, &list[i]);
            print_height(d, &list[i], side);
        }
}

/* What held the old peak, and what holds the new one. */
static void print_moved(const struct diff *d)
{
    const struct holders *h = &d->holders;
    if (strcmp(diff_noun(d), "peak") != 0 || !h->moved)
        return;
    blank(d);
    line(d, 0, STYLE_BOLD,
         "The peak moved from %s to %s: %s of what held it is no longer there, "
         "%s of other things are.",
         quantity_time(middle(d, 0)->held.time_ns).text,
         quantity_time(middle(d, 1)->held.time_ns).text, quantity_size(h->lost_bytes).text,
         quantity_size(h->gained_bytes).text);
    line(d, 0, STYLE_DIM, "What held the old one, and what that holds at the new one:");
    print_holders(d, h->lost, h->lost_count, 1);
    line(d, 0, STYLE_DIM, "What holds the new one, and what that held at the old one:");
    print_holders(d, h->gained, h->gained_count, 0);
}

static void print_change(const struct diff *d, const struct change *change)
{
    const struct holding *before = &change->sides[0], *after = &change->sides[1];
    int64_t own = change_own(change), all = change_all(change);
    struct row row;
    row_begin(&row, &d->terminal);
    row_right(&row, STYLE_PLAIN, quantity_size(before->own_bytes).text, SIZE_COLUMNS);
    row_right(&row, STYLE_PLAIN, quantity_size(after->own_bytes).text, SIZE_COLUMNS + 1);
    row_right(&row, heat(own, d->comparison.floor_bytes), quantity_change(own).text,
              SIZE_COLUMNS + 1);
    row_right(&row, STYLE_PLAIN, quantity_change(all).text, SIZE_COLUMNS + 1);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    put_function(d, &row, change->function);
    row_end(&row);
}

static void print_titles(const struct diff *d)
{
    static const char *const titles[] = {"own before", "own after", "own change", "in all"};
    struct row row;
    row_begin(&row, &d->terminal);
    for (int i = 0; i < 4; i++)
        row_right(&row, STYLE_DIM, titles[i], SIZE_COLUMNS + (i > 0));
    row_put(&row, STYLE_DIM, "  function", row_left(&row));
    row_end(&row);
}

/* The last rows: what was not listed, and the sum, which is exact. */
static void print_rest(const struct diff *d, int64_t rest, uint32_t functions)
{
    char text[64];
    struct row row;
    if (functions) {
        row_begin(&row, &d->terminal);
        row_to(&row, 2 * SIZE_COLUMNS + 1);
        row_right(&row, STYLE_PLAIN, quantity_change(rest).text, SIZE_COLUMNS + 1);
        row_to(&row, 4 * SIZE_COLUMNS + 5);
        snprintf(text, sizeof text, "in %s more function%s", quantity_count(functions).text,
                 functions == 1 ? "" : "s");
        row_put(&row, STYLE_DIM, text, row_left(&row));
        row_end(&row);
    }
    row_begin(&row, &d->terminal);
    row_right(&row, STYLE_BOLD, quantity_size(bytes_of(d, 0)).text, SIZE_COLUMNS);
    row_right(&row, STYLE_BOLD, quantity_size(bytes_of(d, 1)).text, SIZE_COLUMNS + 1);
    row_right(&row, STYLE_BOLD, quantity_change(comparison_delta(&d->comparison)).text,
              SIZE_COLUMNS + 1);
    row_to(&row, 4 * SIZE_COLUMNS + 5);
    row_put(&row, STYLE_DIM,
            d->comparison.sides[0].run_count + d->comparison.sides[1].run_count > 2
                ? "in all (medians need not add up)"
                : "in all",
            row_left(&row));
    row_end(&row);
}

static int print_functions(const struct diff *d)
{
    uint32_t count, shown = 0, others = 0;
    int64_t rest = 0;
    struct change *list = diff_functions(d, &count);
    if (!list)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        bool told = d->options->full ? change_own(&list[i]) || change_all(&list[i])
                                     : !change_own_is_noise(&d->comparison, &list[i]);
        if (told && (shown < FUNCTIONS_UNLESS_FULL || d->options->full)) {
            if (!shown++) {
                blank(d);
                print_titles(d);
            }
            print_change(d, &list[i]);
            continue;
        }
        others += change_own(&list[i]) != 0;
        rest += change_own(&list[i]);
    }
    if (shown)
        print_rest(d, rest, others);
    else if (!d->comparison.nodes[PATH_ROOT].moved_bytes)
        line(d, 2, STYLE_PLAIN, "every call path holds the same on both sides");
    else
        line(d, 2, STYLE_PLAIN, "no function changed by more than noise, %s",
             quantity_size(d->comparison.floor_bytes).text);
    free(list);
    return 0;
}

static void print_proposal(const struct diff *d, const struct proposal *p)
{
    const struct change *before = &d->comparison.changes[p->before],
                        *after = &d->comparison.changes[p->after];
    uint64_t was = before->sides[0].all_bytes, is = after->sides[1].all_bytes;
    char old_name[300], old_file[400], name[300], file[400];
    function_text(d, p->before, old_name, sizeof old_name, old_file, sizeof old_file);
    function_text(d, p->after, name, sizeof name, file, sizeof file);
    if (p->kind == PROPOSAL_RENAMED)
        line(d, 2, STYLE_PLAIN, "%s may be %s now (%s): %s -> %s, %s", old_name, name, file,
             quantity_size(was).text, quantity_size(is).text,
             quantity_change(difference(was, is)).text);
    else
        line(d, 2, STYLE_PLAIN, "%s may have moved from %s to %s: %s -> %s, %s", name, old_file,
             file, quantity_size(was).text, quantity_size(is).text,
             quantity_change(difference(was, is)).text);
}

static void print_proposals(const struct diff *d)
{
    const struct proposals *p = &d->proposals;
    uint32_t limit = d->options->full ? p->count : PROPOSALS_UNLESS_FULL;
    if (!p->count)
        return;
    blank(d);
    line(d, 0, STYLE_PLAIN, "Perhaps the same under another name (they are compared apart):");
    for (uint32_t i = 0; i < p->count && i < limit; i++)
        print_proposal(d, &p->items[i]);
    if (p->count > limit)
        line(d, 2, STYLE_DIM, "and %u more (--full)", p->count - limit);
}

int diff_text(const struct diff *d)
{
    print_side(d, 0);
    print_side(d, 1);
    print_order(d);
    blank(d);
    print_headline(d);
    print_moments(d);
    print_spread(d);
    print_names(d);
    print_moved(d);
    int rc = print_functions(d);
    print_proposals(d);
    return rc ? rc : diff_tree(d);
}
