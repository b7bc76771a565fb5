/* The parts that every report's JSON has: "trace", "processes", "stacks" (the field names are a
 * contract). Invariants: stacks stand biggest first, frames outermost first, every stack once; what
 * is unknown is null. Not here: the reports' own fields. Not thread-safe. */
#ifndef ANALYZER_TRACE_JSON_H
#define ANALYZER_TRACE_JSON_H

#include "analyzer/report.h"

/* Opens the top object with "schema" and "trace". The caller ends it. */
void json_report(struct json *j, const struct report *report);
/* The object "trace" alone. */
void json_trace(struct json *j, const struct recording *rec);
/* The array "processes": those in scope, in the order they began. */
void json_processes(struct json *j, const struct report *report);
/* Adds "marks": names and times, in order. */
void trace_marks_json(struct json *j, const struct model *m);
/* Returns 0 or -ERR_NOMEM (nothing written). */
int json_stacks(struct json *j, const struct report *report, enum measure measure);
/* "total" of leaks and temporary. */
void json_total(struct json *j, const struct site_values *total);

#endif
