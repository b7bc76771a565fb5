/* A graph's values laid out as rectangles: callers above, or callees first. Why in C too, beside
 * the page's script: a picture must stand still where nothing runs. Invariants: a rectangle lies
 * within its parent's, siblings fall in bytes from left to right; rectangles stand row by row; the
 * first is the whole. Not here: how they are drawn (flamegraph_svg.h). Not thread-safe. */
#ifndef ANALYZER_PICTURE_H
#define ANALYZER_PICTURE_H

#include "analyzer/graph.h"

struct rectangle {
    uint32_t parent; /* index */
    uint32_t node;   /* of the graph: the frame that it shows; 0: the whole */
    uint32_t row;
    uint64_t folded;    /* frames, where it shows folded ones */
    double left, width; /* shares of the whole */
    uint64_t bytes, count;
};

struct picture {
    struct rectangle *items;
    uint32_t count, rows;
};

/* Lays out what a measure says of the report's sites (and thread). least: narrower ones are left
 * out, 0..1. Returns 0 or -ERR_NOMEM; release is needed in both cases. */
int picture_make(struct picture *p, const struct report *report, const struct graph *g,
                 enum measure measure, bool inverted, double least);
/* Frees everything. */
void picture_release(struct picture *p);

#endif
