/* Rows of a database that is read, as hostile as any file: each value is taken with its limits.
 * Why errors are kept and not returned: a row has a dozen values. Invariants: after a value that is
 * not as the schema says, `wrong` names its table, and no further rows come; texts are borrowed
 * until the next row. Not here: which tables (store.h). Not thread-safe. */
#ifndef ANALYZER_SELECT_H
#define ANALYZER_SELECT_H

#include "format/event.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* A database that is read. */
struct reading {
    sqlite3 *db;
    const char *wrong; /* the table where something is not as it must be; NULL: none */
    bool out_of_memory;
};

struct select {
    struct reading *from;
    const char *table;
    sqlite3_stmt *statement;
    int column;
};

/* Begins to read all rows of a table, in its order; sql_rest: "" or a condition and an order of
 * ours with at most two `?`, filled with a and b. select_end is needed. */
void select_begin(struct select *s, struct reading *from, const char *table, const char *sql_rest,
                  uint64_t a, uint64_t b);
/* Moves to the next row; false at the end, and after anything wrong. */
bool select_row(struct select *s);
/* The next value: any number of 64 bits. */
uint64_t select_number(struct select *s);
/* One that must not be larger than this. */
uint64_t select_limited(struct select *s, uint64_t limit);
/* The same, or NULL, for which `none` is returned. */
uint64_t select_limited_or(struct select *s, uint64_t limit, uint64_t none);
/* Text or the bytes of a blob; NULL gives an empty one. */
struct text select_text(struct select *s);
/* The place of a text among words[count]; NULL gives 0. */
unsigned select_word(struct select *s, const char *const *words, unsigned count);
/* Passes over a value. */
void select_skip(struct select *s);
/* Something in this table is wrong. */
void select_wrong(struct select *s);
/* Ends it. */
void select_end(struct select *s);

#endif
