/* What the flame graph page carries (read by analyzer/web/data.js), as sections of a pack:
 *
 *   meta   JSON: schema, trace, what is shown, processes, threads, files, functions
 *   node   preorder without the root: varints kind + 8 × levels up from the node before; then for a
 *          frame: function, line - function's first line (signed); for what is folded: how many
 *   entr   varints: node less the entry before's, thread (an index into meta's threads)
 *   held, leak, temp   what entries hold at the moment, at their end, freed at once; varints: entry
 *          less the one before's, bytes, allocations, bytes never touched
 *
 * Invariants: each column adds up to the sum that meta tells. Not here: the file around it
 * (page.h), which frames (graph.h). Not thread-safe. */
#ifndef ANALYZER_FLAMEGRAPH_DATA_H
#define ANALYZER_FLAMEGRAPH_DATA_H

#include "analyzer/graph.h"
#include "analyzer/pack.h"

/* What the page shows first, and what it is made of. All borrowed. */
struct flamegraph {
    const struct report *report;
    const struct graph *graph;
    const char *thread; /* shown first; NULL: all */
};

/* Appends all sections. Returns 0 or -ERR_NOMEM. */
int flamegraph_pack(struct pack *p, const struct flamegraph *f);

#endif
