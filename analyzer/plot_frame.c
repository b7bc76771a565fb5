/* Scales, axes and names of a plot (plot_frame.h). Why marks are placed greedily from the left: the
 * first of a name is the one that --at means, and it must not be the one that finds no room. */
#include "analyzer/plot_frame.h"

#include "analyzer/glyph.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARK_ROWS = 4, MARK_NAME_COLUMNS = 24, TIME_COLUMNS = 14, STEPS_MOST = 5 };

struct plot_scale plot_scale(uint64_t most_bytes, int rows)
{
    static const uint64_t nice[] = {1, 2, 5, 10, 20, 50, 100, 256, 512};
    uint64_t unit = 1, step = 1;
    if (!most_bytes)
        most_bytes = 1;
    for (size_t i = 0; (most_bytes + step - 1) / step > STEPS_MOST; i++) {
        if (i == sizeof nice / sizeof *nice) {
            i = 0;
            unit *= 1024;
        }
        step = nice[i] * unit;
    }
    int steps = (int)((most_bytes + step - 1) / step), each = (rows + steps / 2) / steps;
    return (struct plot_scale){step, step * (uint64_t)steps, steps, steps * each};
}

struct quantity plot_size(const struct plot_scale *scale, unsigned step)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    uint64_t bytes = scale->step_bytes * step;
    int unit = 0;
    struct quantity q;
    for (; unit < 5 && bytes && bytes % 1024 == 0; unit++)
        bytes /= 1024;
    snprintf(q.text, sizeof q.text, "%" PRIu64 " %s", bytes, units[unit]);
    return q;
}

void plot_label(struct row *row, const char *label, bool tick)
{
    bool utf8 = row->t->utf8;
    row_right(row, STYLE_DIM, label, PLOT_LABEL_COLUMNS);
    row_put(row, STYLE_DIM, tick ? (utf8 ? " ┤" : " +") : (utf8 ? " │" : " |"), 2);
}

/* The column of the terminal where a column of the plot stands. */
static int screen(int column) { return PLOT_LABEL_COLUMNS + 2 + column; }

void plot_print_peak(const struct plot *p)
{
    struct row row;
    if (!p->peak || p->peak_ns < p->series->from_ns || p->peak_ns > p->series->to_ns)
        return;
    int column = screen(series_at(p->series, p->peak_ns)), width = glyph_text_columns(p->peak);
    bool right = column + 2 + width <= p->terminal->width;
    row_begin(&row, p->terminal);
    if (!right && column - 1 - width >= 0) {
        row_to(&row, column - 1 - width);
        row_put(&row, STYLE_HOT, p->peak, width);
    }
    row_to(&row, column);
    row_put(&row, STYLE_HOT, p->terminal->utf8 ? "▼" : "v", 1);
    if (right) {
        row_to(&row, column + 2);
        row_put(&row, STYLE_HOT, p->peak, width);
    }
    row_end(&row);
}

static uint64_t time_step(const struct series *s)
{
    static const uint64_t clock_s[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                       600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400};
    uint64_t span_ns = s->to_ns - s->from_ns, step_ns = 1;
    uint64_t least_ns = span_ns / (uint64_t)(s->count / TIME_COLUMNS + 1) + 1;
    static const uint64_t factors[] = {2, 5, 10};
    for (uint64_t power = 1; power < 1000000000; power *= 10)
        for (int i = 0; i < 3; i++)
            if (step_ns < least_ns)
                step_ns = power * factors[i];
    for (size_t i = 0; i < sizeof clock_s / sizeof *clock_s && step_ns < least_ns; i++)
        step_ns = clock_s[i] * 1000000000;
    while (step_ns < least_ns && step_ns < UINT64_MAX / 4)
        step_ns *= 2;
    return step_ns;
}

/* A time on the axis, with no more figures than its step needs. */
static struct quantity time_label(uint64_t ns, uint64_t step_ns, uint64_t to_ns)
{
    struct quantity q;
    int decimals = 0;
    if (!ns)
        return (struct quantity){"0 s"};
    double unit = to_ns >= 1000000000 ? 1e9 : to_ns >= 1000000 ? 1e6 : to_ns >= 1000 ? 1e3 : 1;
    if (to_ns >= UINT64_C(120000000000) && step_ns >= 1000000000)
        return quantity_time(ns);
    for (double step = (double)step_ns / unit; step < 0.999 && decimals < 9; step *= 10)
        decimals++;
    snprintf(q.text, sizeof q.text, "%.*f %s", decimals, (double)ns / unit,
             unit == 1e9   ? "s"
             : unit == 1e6 ? "ms"
             : unit == 1e3 ? "us"
                           : "ns");
    return q;
}

/* The number of the first tick of the axis: it stands at so many steps. */
static uint64_t first_tick(const struct series *s, uint64_t step_ns)
{
    return s->from_ns / step_ns + (s->from_ns % step_ns > 0);
}

void plot_print_axis(const struct plot *p)
{
    const struct series *s = p->series;
    bool utf8 = p->terminal->utf8;
    uint64_t step_ns = time_step(s);
    struct row line, labels;
    row_begin(&line, p->terminal);
    row_begin(&labels, p->terminal);
    row_right(&line, STYLE_DIM, "0 B", PLOT_LABEL_COLUMNS);
    row_put(&line, STYLE_DIM, utf8 ? " ┼" : " +", 2);
    uint64_t ticks = s->to_ns / step_ns; /* the last of them */
    for (uint64_t tick = first_tick(s, step_ns); tick <= ticks; tick++) {
        uint64_t ns = tick * step_ns;
        struct quantity label = time_label(ns, step_ns, s->to_ns);
        int column = screen(ns > s->from_ns ? series_at(s, ns) : 0);
        int width = glyph_text_columns(label.text), start = column - width / 2;
        for (; line.columns < column;)
            row_put(&line, STYLE_DIM, utf8 ? "─" : "-", 1);
        row_put(&line, STYLE_DIM, utf8 ? "┬" : "+", 1);
        start = start + width > p->terminal->width ? p->terminal->width - width : start;
        if (start <= labels.columns && labels.columns)
            continue;
        row_to(&labels, start);
        row_put(&labels, STYLE_DIM, label.text, width);
    }
    for (; line.columns < screen(s->count);)
        row_put(&line, STYLE_DIM, utf8 ? "─" : "-", 1);
    row_end(&line);
    row_end(&labels);
}

void plot_print_rate(const struct plot *p)
{
    static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const ascii_bars[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
    const struct series *s = p->series;
    char text[1024] = "";
    struct row row;
    for (int i = 0; i < s->count && strlen(text) < sizeof text - 8; i++) {
        double share = s->most_events > 0 ? s->columns[i].events / s->most_events : 0;
        int level = share > 0 ? 1 + (int)(share * 7.49) : 0;
        strcat(text, p->terminal->utf8 ? bars[level] : ascii_bars[level]);
    }
    row_begin(&row, p->terminal);
    row_right(&row, STYLE_DIM, "events/s", PLOT_LABEL_COLUMNS);
    row_to(&row, screen(0));
    row_put(&row, STYLE_PLAIN, text, s->count);
    row_end(&row);
}

/* Takes the first row where the mark's arrow and name fit, its name to the right or to the left. */
static bool find_place(const struct plot *p, struct plot_place *place, int ends[MARK_ROWS])
{
    int width = glyph_text_columns(place->mark->name);
    int text = width > MARK_NAME_COLUMNS ? MARK_NAME_COLUMNS : width, column = place->column;
    for (place->row = 0; place->row < MARK_ROWS; place->row++) {
        int *end = &ends[place->row];
        place->start = column;
        if (column >= *end && column + 2 + text <= p->series->count) {
            *end = column + 2 + text + 2;
            return true;
        }
        place->start = column - 1 - text;
        if (column + 2 + text > p->series->count && place->start >= *end) {
            *end = column + 3;
            return true;
        }
    }
    return false;
}

struct plot_placed plot_place(const struct plot *p)
{
    struct plot_placed placed = {.count = 0};
    int ends[MARK_ROWS] = {0};
    for (size_t i = 0; i < p->mark_count; i++) {
        struct plot_place place = {.mark = &p->marks[i]};
        if (place.mark->time_ns < p->series->from_ns || place.mark->time_ns > p->series->to_ns)
            continue;
        place.column = series_at(p->series, place.mark->time_ns);
        if (placed.count == PLOT_MARKS || !find_place(p, &place, ends)) {
            placed.left_out++;
            continue;
        }
        placed.rows = place.row >= placed.rows ? place.row + 1 : placed.rows;
        placed.marks[placed.count++] = place;
    }
    return placed;
}

static void print_mark(struct row *row, const struct plot *p, const struct plot_place *place)
{
    bool left = place->start < place->column;
    row_to(row, screen(place->start));
    if (left) {
        row_put(row, STYLE_BOLD, place->mark->name, MARK_NAME_COLUMNS);
        row_to(row, screen(place->column));
    }
    row_put(row, STYLE_DIM, p->terminal->utf8 ? "▲" : "^", 1);
    if (left)
        return;
    row_to(row, screen(place->column) + 2);
    row_put(row, STYLE_BOLD, place->mark->name, MARK_NAME_COLUMNS);
}

void plot_print_marks(const struct plot *p, const struct plot_placed *placed)
{
    for (int at = 0; at < placed->rows; at++) {
        struct row row;
        row_begin(&row, p->terminal);
        if (!at)
            row_right(&row, STYLE_DIM, "marks", PLOT_LABEL_COLUMNS);
        for (int i = 0; i < placed->count; i++)
            if (placed->marks[i].row == at)
                print_mark(&row, p, &placed->marks[i]);
        row_end(&row);
    }
    if (placed->left_out) {
        struct row row;
        row_begin(&row, p->terminal);
        row_to(&row, screen(0));
        char text[64];
        snprintf(text, sizeof text, "%s more mark%s", quantity_count(placed->left_out).text,
                 placed->left_out == 1 ? "" : "s");
        row_put(&row, STYLE_DIM, text, row_left(&row));
        row_end(&row);
    }
}

void plot_print_legend(const struct plot *p)
{
    bool utf8 = p->terminal->utf8;
    struct row row;
    row_begin(&row, p->terminal);
    row_to(&row, screen(0));
    row_put(&row, STYLE_WARM, utf8 ? "█" : "#", 1);
    row_put(&row, STYLE_DIM, " live bytes, as requested", row_left(&row));
    if (p->series->most_rss_bytes) {
        row_put(&row, STYLE_COOL, utf8 ? "   ──" : "   --", 5);
        row_put(&row, STYLE_DIM, " RSS, as the kernel counts it", row_left(&row));
    }
    row_end(&row);
}
