/* What stands around the area of a plot: the scale of bytes, the time axis, the row of event rates,
 * names. Invariants: steps of the scale are round numbers of a binary unit, or a half or a quarter
 * of one; of the time axis what a clock has. Not here: the area (plot.c). Not thread-safe. */
#ifndef ANALYZER_PLOT_FRAME_H
#define ANALYZER_PLOT_FRAME_H

#include "analyzer/plot.h"
#include "analyzer/quantity.h"

#define PLOT_LABEL_COLUMNS 9
#define PLOT_MARKS         64

struct plot_scale {
    uint64_t step_bytes, top_bytes;
    int steps, rows; /* rows: a multiple of steps */
};

/* A mark that has a place below the plot. */
struct plot_place {
    const struct plot_mark *mark;
    int column, row, start; /* start: where its text begins; the arrow stands at column */
};

struct plot_placed {
    struct plot_place marks[PLOT_MARKS];
    int count, rows;
    size_t left_out;
};

/* A scale that has room for most_bytes in about `rows` rows. */
struct plot_scale plot_scale(uint64_t most_bytes, int rows);
/* Its label at a step. */
struct quantity plot_size(const struct plot_scale *scale, unsigned step);
/* Begins a row of the plot: a label, and the axis (a tick where there is a label). */
void plot_label(struct row *row, const char *label, bool tick);

/* The words above the plot, at their moment. */
void plot_print_peak(const struct plot *p);
/* The time axis with its labels. */
void plot_print_axis(const struct plot *p);
/* The events of each column. */
void plot_print_rate(const struct plot *p);
/* Finds places for the marks, as far as there are. */
struct plot_placed plot_place(const struct plot *p);
/* Prints them. */
void plot_print_marks(const struct plot *p, const struct plot_placed *placed);
/* What is what. */
void plot_print_legend(const struct plot *p);

#endif
