/* Prepared statements, filled value by value (insert.h). Why nothing is copied: a row's texts live
 * longer than the row. */
#include "analyzer/insert.h"

#include "analyzer/glyph.h"
#include "replay/symbols.h"
#include <stdio.h>
#include <string.h>

#define PROGRESS_ROWS 65536u

static void note(struct writing *to, int rc)
{
    if (to->rc == SQLITE_OK && rc != SQLITE_OK && rc != SQLITE_DONE)
        to->rc = rc;
}

void insert_begin(struct insert *i, struct writing *to, const char *table, int columns)
{
    char sql[256];
    *i = (struct insert){.to = to};
    if (to->rc)
        return;
    int used = snprintf(sql, sizeof sql, "INSERT INTO %s VALUES(?", table);
    for (int c = 1; c < columns; c++)
        used += snprintf(sql + used, sizeof sql - (size_t)used, ",?");
    snprintf(sql + used, sizeof sql - (size_t)used, ")");
    note(to, sqlite3_prepare_v2(to->db, sql, -1, &i->statement, 0));
}

void insert_number(struct insert *i, uint64_t value)
{
    if (i->statement)
        note(i->to, sqlite3_bind_int64(i->statement, ++i->column, (sqlite3_int64)value));
}

void insert_null(struct insert *i)
{
    if (i->statement)
        note(i->to, sqlite3_bind_null(i->statement, ++i->column));
}

void insert_word(struct insert *i, const char *text)
{
    if (i->statement)
        note(i->to, sqlite3_bind_text(i->statement, ++i->column, text, -1, SQLITE_STATIC));
}

static bool proper(const char *bytes, size_t length)
{
    size_t taken;
    for (size_t at = 0; at < length; at += taken)
        if (glyph_decode(bytes + at, length - at, &taken) <= 0)
            return false;
    return true;
}

void insert_text(struct insert *i, const char *bytes, size_t length)
{
    if (!i->statement)
        return;
    if (proper(bytes, length))
        note(i->to, sqlite3_bind_text64(i->statement, ++i->column, length ? bytes : "", length,
                                        SQLITE_STATIC, SQLITE_UTF8));
    else
        note(i->to, sqlite3_bind_blob64(i->statement, ++i->column, bytes, length, SQLITE_STATIC));
}

void insert_name(struct insert *i, const struct name *name)
{
    if (name && name->length)
        insert_text(i, name->bytes, name->length);
    else
        insert_null(i);
}

void insert_row(struct insert *i)
{
    struct writing *to = i->to;
    i->column = 0;
    if (to->rc)
        return;
    note(to, sqlite3_step(i->statement));
    sqlite3_reset(i->statement);
    if (++to->rows % PROGRESS_ROWS == 0 && to->progress)
        to->progress(to->context, to->rows);
}

void insert_end(struct insert *i)
{
    sqlite3_finalize(i->statement);
    i->statement = 0;
}

void writing_run(struct writing *to, const char *sql)
{
    if (!to->rc)
        note(to, sqlite3_exec(to->db, sql, 0, 0, 0));
}
