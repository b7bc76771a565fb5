/* `memreplay summary --json`. Not here: the text (summary.c). */
#ifndef ANALYZER_SUMMARY_JSON_H
#define ANALYZER_SUMMARY_JSON_H

#include "analyzer/holdings.h"

/* What was never freed; of what a window allocated, by its end. */
struct site_values summary_leaks(const struct report *report);
/* Writes the whole object. */
void summary_json(struct report *report, const struct holdings *h);

#endif
