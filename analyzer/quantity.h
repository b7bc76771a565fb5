/* Numbers as people read them: sizes, shares, times, counts. And back: sizes and times as people
 * type them. Invariants: three significant digits, never a false zero ("<0.1%" is not 0).
 * Locale-independent. Thread-safe. Not here: where they stand in a line (terminal.h). */
#ifndef ANALYZER_QUANTITY_H
#define ANALYZER_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUANTITY_BYTES 32

struct quantity {
    char text[QUANTITY_BYTES];
};

/* Each writes one kind of number; the text lives in the result. */
struct quantity quantity_size(uint64_t bytes);                 /* "17 B", "1.27 GiB" */
struct quantity quantity_share(uint64_t part, uint64_t whole); /* "94.5%"; of nothing "-" */
struct quantity quantity_time(uint64_t ns);     /* "12.5 s", "3 min 20 s", "1 h 02 min" */
struct quantity quantity_count(uint64_t count); /* "1,234,567" */
struct quantity quantity_change(int64_t bytes); /* "-462 MiB", "+1.27 GiB", "0 B" */
/* Of a change from before to after, "-35.5%", "<0.1%" either way; from nothing "". */
struct quantity quantity_growth(uint64_t before, uint64_t after);

#endif
