/* Where a report is printed: its width, colours, characters; and rows composed to fit it.
 * Why rows are composed first: columns must be counted without the colour codes, and no row may
 * pass the width. Invariants: text given to a row is already safe (glyph.h made it); a row never
 * exceeds the width; trailing blanks are cut. Not here: what stands in a row. Not thread-safe. */
#ifndef ANALYZER_TERMINAL_H
#define ANALYZER_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct terminal {
    FILE *out;
    int width;
    bool color, utf8;
};

/* Looks at out: width from COLUMNS, the terminal, or 100; colours only on a terminal and not with
 * no_color or NO_COLOR; UTF-8 as the locale says (setlocale was called). */
void terminal_init(struct terminal *t, FILE *out, bool no_color);

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_HOT,
    STYLE_WARM,
    STYLE_LINE,
    STYLE_COOL,
    STYLE_NATIVE /* machine code */
};

struct row {
    const struct terminal *t;
    char text[4096];
    size_t used;
    int columns;
};

/* Starts an empty row on t (borrowed). */
void row_begin(struct row *row, const struct terminal *t);
/* Appends text; what does not fit `room` columns (or the width) is left out in its middle, marked
 * by an ellipsis. */
void row_put(struct row *row, enum style style, const char *text, int room);
/* Appends blanks up to a column. */
void row_to(struct row *row, int column);
/* Appends text right-aligned in `columns`. */
void row_right(struct row *row, enum style style, const char *text, int columns);
/* A bar of `columns`, filled in proportion. */
void row_bar(struct row *row, enum style style, uint64_t part, uint64_t whole, int columns);
/* Prints the row. */
void row_end(struct row *row);
/* Columns left. */
int row_left(const struct row *row);

/* Prints the row with words added, on as many rows as they need, all indented as the first. */
void row_words(struct row *row, enum style style, const char *text);

#endif
