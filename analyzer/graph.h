/* The stacks of a recording as a picture wants them: a tree of the frames worth drawing, and what
 * each of its nodes holds, thread by thread. Why not all frames: of a million stacks a screen shows
 * some thousands, and a page has a budget of bytes. What is too small is folded into one node per
 * caller, with its sum.
 *
 *   stacks ──merged──▶ numbers ──score──▶ nodes worth one     by the largest share of any measure
 *   sites ─────────────────────────────▶ entries (node, thread)
 *
 * Invariants: nodes stand in preorder, siblings with the most in the
 * first measure first; node 0 is the root;
 * each site with anything belongs to one entry, so sums over entries are sums over sites exactly;
 * entries stand by rising node, then thread. Not here: values (the caller sums over sites),
 * drawing. Not thread-safe. */
#ifndef ANALYZER_GRAPH_H
#define ANALYZER_GRAPH_H

#include "analyzer/merged.h"
#include "analyzer/report.h"

enum graph_kind { GRAPH_ROOT, GRAPH_FRAME, GRAPH_SMALL, GRAPH_NO_STACK, GRAPH_UNKNOWN };

struct graph_node {
    uint32_t parent, depth; /* depth of the root: 0 */
    uint32_t function;      /* FRAME: canonical function id */
    uint32_t folded;        /* SMALL: so many frames */
    uint64_t line;          /* FRAME */
    float score;            /* largest share of a measure's total, 0..1 */
    uint8_t kind;
};

struct graph_entry {
    uint32_t node, thread;
};

#define GRAPH_NO_ENTRY UINT32_MAX

struct graph {
    struct graph_node *nodes;
    struct graph_entry *entries;
    uint32_t *entry_of_site; /* GRAPH_NO_ENTRY: nothing to show */
    uint32_t node_count, node_capacity, entry_count;
    uint64_t folded; /* frames in all SMALL nodes */
};

/* What decides how much is kept. */
struct graph_limits {
    uint32_t nodes;                /* at most about so many */
    float least_score;             /* frames below are folded */
    const uint64_t *highest_bytes; /* by site: the most it ever held; NULL: unknown */
    uint64_t highest_of_bytes;     /* what 100% of these is */
    const enum measure *measures;  /* that frames are judged by */
    unsigned measure_count;
    bool skip_imports; /* leaves out the frames of importlib, as in merged.h */
};

/* Builds it for all sites of the report, whatever thread it is about. Returns 0 or -ERR_NOMEM;
 * release is needed in both cases. */
int graph_build(struct graph *g, const struct report *report, const struct graph_limits *limits);
/* Frees everything. */
void graph_release(struct graph *g);

#endif
