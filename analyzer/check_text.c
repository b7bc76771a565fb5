/* `memreplay check` as text: a line for each limit, and below those that do not hold who is
 * answerable. Why the figure first: it stands where every report's figures stand. */
#include "analyzer/check.h"

#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include "analyzer/terminal.h"
#include <stdarg.h>
#include <string.h>

#define FIGURE_COLUMNS 9
#define WORDS_COLUMN   11

/* "peak", and with functions "app.load, with what it calls,": what the bytes are. */
static void subject(const struct check *c, const struct verdict *v, char *out, size_t capacity)
{
    static const char *const words[] = {
        [VERDICT_PEAK] = "live at the peak",   [VERDICT_RSS] = "resident at most (RSS)",
        [VERDICT_LEAKS] = "never freed",       [VERDICT_TEMPORARY] = "freed at once",
        [VERDICT_GROWTH] = "live at the peak", [VERDICT_FUNCTION] = ""};
    const struct options *o = c->options;
    bool window = o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE;
    size_t used = 0;
    out[0] = 0;
    if (v->kind == VERDICT_FUNCTION) {
        glyph_append(out, capacity, &used, v->function, strlen(v->function), false);
        snprintf(out + used, capacity - used, " at the peak");
    } else if (v->kind == VERDICT_LEAKS && window) {
        snprintf(out, capacity, "allocated %s%s%s%s and not freed%s", o->from.text ? "from " : "",
                 o->from.text ? o->from.text : "", o->to.text ? " to " : "",
                 o->to.text ? o->to.text : "", o->to.text ? " by then" : "");
    } else {
        snprintf(out, capacity, "%s", words[v->kind]);
    }
}

__attribute__((format(printf, 4, 5))) static void line(const struct terminal *t, enum style style,
                                                       const char *figure, const char *format, ...)
{
    char text[1200];
    struct row row;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    row_begin(&row, t);
    row_right(&row, style, figure, FIGURE_COLUMNS);
    row_to(&row, WORDS_COLUMN);
    row_words(&row, style == STYLE_HOT ? STYLE_BOLD : STYLE_PLAIN, text);
}

/* "2%", "10.0 MiB". */
static void allowance(const struct bound *growth, char *out, size_t capacity)
{
    if (growth->is_share && growth->share_ppm % 10000)
        snprintf(out, capacity, "%u.%02u%%", growth->share_ppm / 10000,
                 growth->share_ppm / 100 % 100);
    else if (growth->is_share)
        snprintf(out, capacity, "%u%%", growth->share_ppm / 10000);
    else
        snprintf(out, capacity, "%s", quantity_size(growth->bytes).text);
}

static void print_growth(const struct check *c, const struct terminal *t, const struct verdict *v)
{
    const struct options *o = c->options;
    const char *from = c->baseline.name ? c->baseline.name : o->from.text;
    const char *to = o->to.kind == WHEN_NONE ? "end" : o->to.text;
    char allowed[64], since[512] = "", at[256] = "";
    int64_t delta = difference(v->before_bytes, v->bytes);
    size_t used = 0, at_used = 0;
    glyph_append(since, sizeof since, &used, from, strlen(from), !t->utf8);
    glyph_append(at, sizeof at, &at_used, to, strlen(to), !t->utf8);
    allowance(&c->budget.growth, allowed, sizeof allowed);
    line(t, v->holds ? STYLE_PLAIN : STYLE_HOT, quantity_size(v->bytes).text,
         "live at %s: %s%s%s%s since %s (%s), %s the %s allowed",
         c->baseline.name ? "the peak" : at, quantity_change(delta).text, delta ? " (" : "",
         delta ? quantity_growth(v->before_bytes, v->bytes).text : "", delta ? ")" : "", since,
         quantity_size(v->before_bytes).text, v->holds ? "within" : "more than", allowed);
}

static void print_sum(const struct check *c, const struct terminal *t, const struct verdict *v)
{
    char words[600];
    subject(c, v, words, sizeof words);
    if (!v->seen)
        line(t, STYLE_PLAIN, quantity_size(v->bytes).text, "%s: %s, so its limit of %s holds",
             words, v->kind == VERDICT_RSS ? "none was sampled" : "no such function ran",
             quantity_size(v->limit_bytes).text);
    else if (v->holds)
        line(t, STYLE_PLAIN, quantity_size(v->bytes).text, "%s: within the limit of %s", words,
             quantity_size(v->limit_bytes).text);
    else
        line(t, STYLE_HOT, quantity_size(v->bytes).text, "%s: %s over the limit of %s", words,
             quantity_size(v->bytes - v->limit_bytes).text, quantity_size(v->limit_bytes).text);
}

static void print_offender(const struct check *c, const struct terminal *t, const struct verdict *v,
                           const struct offender *o)
{
    bool growth = v->kind == VERDICT_GROWTH;
    int64_t delta = difference(o->before_bytes, o->bytes);
    char since[96] = "";
    struct row row;
    if (growth)
        snprintf(since, sizeof since, "  %s -> %s", quantity_size(o->before_bytes).text,
                 quantity_size(o->bytes).text);
    else if (c->baseline.name)
        snprintf(since, sizeof since, "  %s since the baseline", quantity_change(delta).text);
    row_begin(&row, t);
    row_to(&row, WORDS_COLUMN);
    row_right(&row, STYLE_PLAIN,
              growth ? quantity_change(delta).text : quantity_size(o->bytes).text, FIGURE_COLUMNS);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    int room = row_left(&row) - (int)strlen(since);
    row_put(&row, STYLE_BOLD, o->function, room * 3 / 5);
    row_put(&row, STYLE_PLAIN, " ", 1);
    row_put(&row, STYLE_DIM, o->file, row_left(&row) - (int)strlen(since));
    row_put(&row, STYLE_PLAIN, since, row_left(&row));
    row_end(&row);
}

static void print_heading(const struct check *c, const struct terminal *t)
{
    struct row row;
    row_begin(&row, t);
    row_put(&row, STYLE_BOLD, c->first.command[0] ? c->first.command : "(command unknown)",
            row_left(&row) - (int)strlen(c->first.about) - 2);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, STYLE_DIM, c->first.about, row_left(&row));
    row_end(&row);
    fputc('\n', t->out);
}

static void print_bare_names(const struct check *c, const struct terminal *t)
{
    bool unseen = false;
    for (size_t i = 0; i < c->count; i++)
        unseen |= c->verdicts[i].kind == VERDICT_FUNCTION && !c->verdicts[i].seen;
    if (unseen && c->bare_names)
        line(t, STYLE_PLAIN, "",
             "Python before 3.11 names no classes: a limit is written module.function");
}

void check_text(const struct check *c, FILE *out)
{
    struct terminal t;
    size_t exceeded = 0;
    terminal_init(&t, out, c->options->no_color);
    print_heading(c, &t);
    for (size_t i = 0; i < c->count; i++) {
        const struct verdict *v = &c->verdicts[i];
        exceeded += !v->holds;
        if (v->kind == VERDICT_GROWTH)
            print_growth(c, &t, v);
        else
            print_sum(c, &t, v);
        for (int k = 0; k < v->offender_count; k++)
            print_offender(c, &t, v, &v->offenders[k]);
    }
    print_bare_names(c, &t);
    fputc('\n', out);
    if (exceeded)
        line(&t, STYLE_HOT, "EXCEEDED", "%zu of %zu limit%s", exceeded, c->count,
             c->count == 1 ? "" : "s");
    else
        line(&t, STYLE_PLAIN, "holds", "%s", c->count == 1 ? "the limit" : "every limit");
}
