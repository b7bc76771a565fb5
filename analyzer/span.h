/* The moment or the interval that a report shows, in words and in JSON: "between mark loaded
 * (1.20 s) and the end". Why one place: every report says it alike. Not here: what it is
 * (choice.h). Thread-safe for different recordings. */
#ifndef ANALYZER_SPAN_H
#define ANALYZER_SPAN_H

#include "analyzer/report.h"

struct span {
    char text[400]; /* safe to show */
};

/* The interval: "between mark loaded (1.20 s) and 80% (4.1 s)", "from the peak (2 s) on", "up to
 * 12.5 s"; "" for the whole run. */
struct span span_window(const struct report *report);
/* One of its ends, as above. */
struct span span_from(const struct report *report);
/* See above. */
struct span span_to(const struct report *report);
/* The moment of --at, but for the peak: "mark loaded", "80%", "the end"; "" for a plain time. */
struct span span_at(const struct report *report);
/* The same with its time: "mark loaded (1.20 s)", "12.5 s". */
struct span span_at_time(const struct report *report);

/* "at" as typed and "window" {from, to, from_ns, to_ns}, where they were given. */
void span_json(struct json *j, const struct report *report);

#endif
