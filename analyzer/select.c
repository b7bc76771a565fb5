/* Values of rows, checked (select.h). Why SQLite's own types are looked at: a column may hold
 * anything, whatever the schema says. */
#include "analyzer/select.h"

#include <stdio.h>
#include <string.h>

void select_begin(struct select *s, struct reading *from, const char *table, const char *sql_rest,
                  uint64_t a, uint64_t b)
{
    char sql[256];
    *s = (struct select){.from = from, .table = table};
    if (from->wrong || from->out_of_memory)
        return;
    snprintf(sql, sizeof sql, "SELECT * FROM main.%s %s", table, sql_rest);
    int rc = sqlite3_prepare_v2(from->db, sql, -1, &s->statement, 0);
    if (rc == SQLITE_NOMEM)
        from->out_of_memory = true;
    else if (rc)
        from->wrong = table;
    int wanted = s->statement ? sqlite3_bind_parameter_count(s->statement) : 0;
    if (wanted > 0)
        sqlite3_bind_int64(s->statement, 1, (sqlite3_int64)a);
    if (wanted > 1)
        sqlite3_bind_int64(s->statement, 2, (sqlite3_int64)b);
}

bool select_row(struct select *s)
{
    s->column = 0;
    if (!s->statement || s->from->wrong || s->from->out_of_memory)
        return false;
    int rc = sqlite3_step(s->statement);
    if (rc == SQLITE_NOMEM)
        s->from->out_of_memory = true;
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        select_wrong(s);
    return rc == SQLITE_ROW;
}

uint64_t select_number(struct select *s)
{
    if (sqlite3_column_type(s->statement, s->column) != SQLITE_INTEGER)
        select_wrong(s);
    return (uint64_t)sqlite3_column_int64(s->statement, s->column++);
}

uint64_t select_limited(struct select *s, uint64_t limit)
{
    uint64_t value = select_number(s);
    if (value <= limit)
        return value;
    select_wrong(s);
    return 0;
}

uint64_t select_limited_or(struct select *s, uint64_t limit, uint64_t none)
{
    if (sqlite3_column_type(s->statement, s->column) != SQLITE_NULL)
        return select_limited(s, limit);
    s->column++;
    return none;
}

struct text select_text(struct select *s)
{
    int type = sqlite3_column_type(s->statement, s->column);
    struct text text = {"", 0};
    if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
        const void *bytes = sqlite3_column_blob(s->statement, s->column);
        int length = sqlite3_column_bytes(s->statement, s->column);
        if (bytes && length > 0)
            text = (struct text){bytes, (uint32_t)length};
    } else if (type != SQLITE_NULL) {
        select_wrong(s);
    }
    s->column++;
    return text;
}

unsigned select_word(struct select *s, const char *const *words, unsigned count)
{
    struct text text = select_text(s);
    if (!text.length)
        return 0;
    for (unsigned i = 0; i < count; i++)
        if (strlen(words[i]) == text.length && !memcmp(words[i], text.bytes, text.length))
            return i;
    select_wrong(s);
    return 0;
}

void select_skip(struct select *s) { s->column++; }

void select_wrong(struct select *s)
{
    if (!s->from->wrong)
        s->from->wrong = s->table;
}

void select_end(struct select *s)
{
    sqlite3_finalize(s->statement);
    s->statement = 0;
}
