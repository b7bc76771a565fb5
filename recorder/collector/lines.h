/* From an instruction to its line, by the table that CPython keeps beside the bytecode.
 *
 * The table's bytes come out of the recorded process and are not to be trusted: any bytes give some
 * line or none, within the bytes. Formats: recorder/line_table.h.
 * Not here: where the bytes come from (ring), and columns, which no report shows. */
#ifndef RECORDER_COLLECTOR_LINES_H
#define RECORDER_COLLECTOR_LINES_H

#include <stdint.h>

#include "recorder/line_table.h"

struct line_table {
    const uint8_t *bytes; /* borrowed; may be NULL if size_bytes is 0 */
    uint32_t size_bytes;
    int32_t first_line; /* co_firstlineno */
    enum line_table_kind kind;
};

/* The line of the instruction at lasti_bytes (as frame.f_lasti; below 0: the frame has not begun).
 * Returns 1.., what frame.f_lineno would say there; 0 where that is None or below 1, and for an
 * instruction beyond the table. Pure; cost is linear in the table. */
int32_t lines_find(const struct line_table *table, int32_t lasti_bytes);

/* A table that is asked often, decoded once: the instructions from the end of the run before to
 * end_bytes have one line (0: none), neighbouring runs different ones. */
struct line_run {
    uint32_t end_bytes; /* UINT32_MAX: all that follow */
    int32_t line;
};

/* Decode the first `capacity` runs of a table to runs (NULL if capacity is 0). Returns how many
 * there are in all, at most size_bytes + 1. Pure; cost is linear in the table. */
uint32_t lines_decode(const struct line_table *table, struct line_run *runs, uint32_t capacity);

/* lines_find in all the runs of a table. Pure; cost is logarithmic. */
int32_t lines_find_run(const struct line_run *runs, uint32_t count, int32_t first_line,
                       int32_t lasti_bytes);

#endif
