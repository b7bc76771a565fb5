/* Drawing a plot cell by cell (plot.h): the area first, then the guides of the marks where nothing
 * stands, then the line over both. Not here: the axes and the words around it (plot_frame.c). */
#include "analyzer/plot.h"

#include "analyzer/plot_frame.h"
#include "format/error.h"
#include <stdlib.h>

enum { HEIGHT = 12, HEIGHT_WIDE = 15, WIDE_COLUMNS = 110, COLUMNS_MOST = 300 };

struct cell {
    const char *glyph;
    enum style style;
};

struct canvas {
    struct cell *cells; /* row 0 is the lowest */
    int rows, columns;
};

static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii_blocks[] = {" ", ".", ".", ".", "o", "o", "o", "#", "#"};

/* Pieces of a line: as it goes on, between two rows, where it leaves one upwards and comes up in
 * one, and downwards. */
struct strokes {
    const char *flat, *between, *up_from, *up_to, *down_from, *down_to;
};

static const struct strokes lines = {"─", "│", "╯", "╭", "╮", "╰"};
static const struct strokes ascii_lines = {"-", "|", "'", ".", ".", "'"};

int plot_columns(const struct terminal *t)
{
    int columns = t->width - PLOT_LABEL_COLUMNS - 2;
    return columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
}

static struct cell *cell_at(const struct canvas *c, int row, int column)
{
    return &c->cells[row * c->columns + column];
}

/* How many of `of` equal steps up to top_bytes the bytes fill; at least one where there are any. */
static int steps(uint64_t bytes, uint64_t top_bytes, int of)
{
    int n = (int)((double)bytes / (double)top_bytes * of + 0.5);
    return bytes && !n ? 1 : n > of ? of : n;
}

static void fill_area(const struct canvas *c, const struct plot *p, uint64_t top_bytes)
{
    const char *const *glyphs = p->terminal->utf8 ? blocks : ascii_blocks;
    for (int i = 0; i < c->columns; i++) {
        int eighths = steps(p->series->columns[i].live_bytes, top_bytes, c->rows * 8);
        for (int row = 0; row < c->rows && eighths > row * 8; row++) {
            int part = eighths - row * 8;
            *cell_at(c, row, i) = (struct cell){glyphs[part > 8 ? 8 : part], STYLE_WARM};
        }
    }
}

static void draw_guide(const struct canvas *c, const struct plot *p, int column)
{
    for (int row = 0; row < c->rows; row++) {
        struct cell *cell = cell_at(c, row, column);
        if (cell->glyph[0] == ' ')
            *cell = (struct cell){p->terminal->utf8 ? "┊" : ":", STYLE_DIM};
    }
}

/* The row of a column's RSS; -1: none is known there. */
static int line_row(const struct canvas *c, const struct plot *p, uint64_t top_bytes, int column)
{
    uint64_t bytes = p->series->columns[column].rss_bytes;
    int row = (int)((double)bytes / (double)top_bytes * c->rows);
    return !bytes ? -1 : row >= c->rows ? c->rows - 1 : row;
}

static void stroke(const struct canvas *c, int row, int column, const char *glyph)
{
    *cell_at(c, row, column) = (struct cell){glyph, STYLE_COOL};
}

static void draw_line(const struct canvas *c, const struct plot *p, uint64_t top_bytes)
{
    const struct strokes *s = p->terminal->utf8 ? &lines : &ascii_lines;
    int before = -1;
    for (int i = 0; i < c->columns; i++) {
        int row = line_row(c, p, top_bytes, i);
        if (row >= 0 && (before < 0 || before == row)) {
            stroke(c, row, i, s->flat);
        } else if (row >= 0) {
            bool up = row > before;
            stroke(c, before, i, up ? s->up_from : s->down_from);
            stroke(c, row, i, up ? s->up_to : s->down_to);
            for (int k = (up ? before : row) + 1; k < (up ? row : before); k++)
                stroke(c, k, i, s->between);
        }
        before = row;
    }
}

/* Prints one row of cells, runs of one style together. */
static void put_cells(struct row *row, const struct canvas *c, int at)
{
    char run[4 * COLUMNS_MOST + 1];
    for (int i = 0; i < c->columns;) {
        enum style style = cell_at(c, at, i)->style;
        size_t used = 0;
        int first = i;
        for (; i < c->columns && cell_at(c, at, i)->style == style; i++)
            for (const char *glyph = cell_at(c, at, i)->glyph; *glyph; glyph++)
                run[used++] = *glyph;
        run[used] = 0;
        row_put(row, style, run, i - first);
    }
}

static void print_rows(const struct plot *p, const struct canvas *c, const struct plot_scale *scale)
{
    int per_step = c->rows / scale->steps;
    for (int at = c->rows - 1; at >= 0; at--) {
        struct row row;
        bool label = (at + 1) % per_step == 0;
        row_begin(&row, p->terminal);
        plot_label(&row, label ? plot_size(scale, (unsigned)((at + 1) / per_step)).text : "",
                   label);
        put_cells(&row, c, at);
        row_end(&row);
    }
}

int plot_print(const struct plot *p)
{
    uint64_t most = p->series->most_rss_bytes;
    if (p->series->most_live_bytes > most)
        most = p->series->most_live_bytes;
    struct plot_scale scale =
        plot_scale(most, p->terminal->width >= WIDE_COLUMNS ? HEIGHT_WIDE : HEIGHT);
    struct canvas c = {.rows = scale.rows, .columns = p->series->count};
    size_t count = (size_t)c.rows * (size_t)c.columns;
    c.cells = malloc(count * sizeof *c.cells);
    if (!c.cells)
        return -ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        c.cells[i] = (struct cell){" ", STYLE_PLAIN};
    fill_area(&c, p, scale.top_bytes);
    struct plot_placed placed = plot_place(p);
    for (int i = 0; i < placed.count; i++)
        draw_guide(&c, p, placed.marks[i].column);
    draw_line(&c, p, scale.top_bytes);
    plot_print_peak(p);
    print_rows(p, &c, &scale);
    plot_print_axis(p);
    plot_print_rate(p);
    plot_print_marks(p, &placed);
    plot_print_legend(p);
    free(c.cells);
    return 0;
}
