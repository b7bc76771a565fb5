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

#endif
