/* `memreplay flamegraph --svg`: one picture that also zooms, searches and tells, where a browser
 * shows it by itself; elsewhere it is a picture. Invariants: every name is text of an element,
 * escaped; the script (analyzer/web/picture.js) reads only what the picture says. Not here: which
 * rectangles (picture.h). Not thread-safe. */
#ifndef ANALYZER_FLAMEGRAPH_SVG_H
#define ANALYZER_FLAMEGRAPH_SVG_H

#include "analyzer/code.h"
#include "analyzer/picture.h"

#define SVG_WIDTH 1200

struct flamegraph_svg {
    const struct report *report;
    const struct graph *graph;
    const struct picture *picture;
    const struct code *code; /* NULL: without source */
    const char *title, *subtitle;
};

/* Writes the file; write errors show in ferror(). All borrowed. */
void flamegraph_svg(const struct flamegraph_svg *s, FILE *out);

#endif
