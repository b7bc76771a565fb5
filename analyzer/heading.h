/* The lines at the head of a text report: what was recorded, and figures with their words.
 * Not here: what the figures are. */
#ifndef ANALYZER_HEADING_H
#define ANALYZER_HEADING_H

#include "analyzer/report.h"

/* "python3 job.py --fast" and, dim, "Python 3.11.7, pid 4242". */
void heading_command(const struct report *report);
/* One figure: bytes right-aligned as in the trees below, then a sentence. */
void heading_bytes(const struct report *report, enum style style, uint64_t bytes,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A sentence without a figure, below those that have one. */
void heading_line(const struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the command as typed, escaped, into out[capacity]. */
void heading_command_text(const struct report *report, char *out, size_t capacity);

#endif
