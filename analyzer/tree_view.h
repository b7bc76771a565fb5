/* A call tree on a terminal: bytes and share of each node, biggest first, what is small folded into
 * its sum. Why chains do not indent: most frames have one caller of interest, and a tree that only
 * descends leaves the screen.
 *
 *      1.20 GiB  94.5%  main job.py:71
 *                       load job.py:33                      a chain: the same bytes, no deeper
 *       900 MiB  69.1%  ├─ read_csv pandas/io/parsers.py:912
 *                       │  ⋮ 6 more in pandas
 *
 * Invariants: what is folded is told with its sum where that is half of what earns a row of its own
 * (1% of all, more where the tree would not fit a screen or two). Not here: building (tree.h). */
#ifndef ANALYZER_TREE_VIEW_H
#define ANALYZER_TREE_VIEW_H

#include "analyzer/report.h"

/* Prints the tree of what the measure selects. of_bytes: what 100% is. Returns 0 or -ERR_NOMEM. */
int tree_view(const struct report *report, enum measure measure, uint64_t of_bytes);

#endif
