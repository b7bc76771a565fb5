/* Rows for one table of a database that is being written: a prepared statement, filled value by
 * value. Why errors are kept and not returned: a row has a dozen values, and the first error is the
 * one to tell. Invariants: after an error nothing is written any more; values come in the order of
 * the table's columns. Not here: which tables (schema.sql). Not thread-safe. */
#ifndef ANALYZER_INSERT_H
#define ANALYZER_INSERT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name;

/* A database that is being written. */
struct writing {
    sqlite3 *db;
    int rc; /* the first error of SQLite, or SQLITE_OK */
    uint64_t rows;
    void (*progress)(void *context, uint64_t rows); /* every 64 Ki rows; may be NULL */
    void *context;
};

struct insert {
    struct writing *to;
    sqlite3_stmt *statement;
    int column;
};

/* Begins rows for a table with so many columns (name: no foreign text). insert_end is needed. */
void insert_begin(struct insert *i, struct writing *to, const char *table, int columns);
/* The next value. Unsigned ones keep their 64 bits. */
void insert_number(struct insert *i, uint64_t value);
/* NULL. */
void insert_null(struct insert *i);
/* A text of ours: valid, static storage; NULL gives NULL. */
void insert_word(struct insert *i, const char *text);
/* Foreign text, borrowed until insert_row: TEXT where it is valid UTF-8 without NUL, else a BLOB.
 */
void insert_text(struct insert *i, const char *bytes, size_t length);
/* The same; an empty one is NULL. */
void insert_name(struct insert *i, const struct name *name);
/* Writes the row. */
void insert_row(struct insert *i);
/* Ends it. */
void insert_end(struct insert *i);

/* Runs statements of ours, unless there was an error. */
void writing_run(struct writing *to, const char *sql);

#endif
