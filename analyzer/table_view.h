/* The same bytes per function instead of per stack: what it allocated itself, and what stands below
 * it anywhere. Invariants: a function counts once in a stack, however often it stands there
 * (recursion); own bytes add up to the total. Not here: trees (tree_view.h). */
#ifndef ANALYZER_TABLE_VIEW_H
#define ANALYZER_TABLE_VIEW_H

#include "analyzer/report.h"

/* Prints the table of what the measure selects. of_bytes: what 100% is. Returns 0 or -ERR_NOMEM. */
int table_view(const struct report *report, enum measure measure, uint64_t of_bytes);

#endif
