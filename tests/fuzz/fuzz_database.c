/* A fuzz target: hostile databases in place of a trace. The first byte says which command; the
 * second, whether what follows is a whole file or changes to a sound database, value by value.
 * Why changes: a flipped bit in a file mostly ends in SQLite; what must be believed nowhere is what
 * well-formed rows say.
 *
 *   change:  table u8 | what u8: column in bits 0 to 4, 5: delete, 6: once more | row u8 |
 *            kind of value u8 | the value
 *
 * Not here: which databases are refused (tests/e2e/test_database.py). */
#include "tests/fuzz/input.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int memreplay_main(int argc, char **argv);

enum { TABLES = 32, COLUMNS = 32, NAME = 64, CHANGES = 40 };

struct table {
    char name[NAME], columns[COLUMNS][NAME];
    unsigned column_count;
};

static struct table tables[TABLES];
static unsigned table_count;
static unsigned char *sound;
static sqlite3_int64 sound_bytes;

static int add_column(void *context, int count, char **values, char **names)
{
    struct table *t = context;
    (void)count;
    (void)names;
    if (t->column_count < COLUMNS)
        snprintf(t->columns[t->column_count++], NAME, "%s", values[0]);
    return 0;
}

static int add_table(void *db, int count, char **values, char **names)
{
    char sql[2 * NAME];
    (void)count;
    (void)names;
    must(table_count < TABLES);
    struct table *t = &tables[table_count++];
    snprintf(t->name, NAME, "%s", values[0]);
    snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", t->name);
    return sqlite3_exec(db, sql, add_column, t, 0);
}

/* A database of a sound trace, once, in memory. */
static void make_sound(void)
{
    char path[] = "/dev/shm/memrec-fuzz-db-XXXXXX";
    must(mkdtemp(path) != NULL);
    char file[sizeof path + 8];
    snprintf(file, sizeof file, "%s/run.db", path);
    char *argv[] = {"memreplay", "sqlite", "-o", file, "tests/golden/v2.lz4", NULL};
    must(memreplay_main(5, argv) == 0);
    sqlite3 *db = NULL;
    must(sqlite3_open(file, &db) == SQLITE_OK);
    must(sqlite3_exec(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
                      add_table, db, 0) == SQLITE_OK);
    sound = sqlite3_serialize(db, "main", &sound_bytes, 0);
    must(sound != NULL);
    sqlite3_close(db);
    remove(file);
    remove(path);
}

static void bind_value(sqlite3_stmt *statement, struct input *in)
{
    static const sqlite3_int64 edges[] = {0,         -1,        1,          INT64_MAX,
                                          INT64_MIN, 1LL << 32, 4294967295, 1LL << 31,
                                          1LL << 62, 65536,     1000000000, -4294967296};
    size_t length;
    unsigned kind = (unsigned)input_number(in, 1);
    switch (kind % 6) {
    case 0: sqlite3_bind_int64(statement, 1, (sqlite3_int64)input_number(in, 1)); break;
    case 1: sqlite3_bind_int64(statement, 1, (sqlite3_int64)input_number(in, 8)); break;
    case 2: sqlite3_bind_int64(statement, 1, edges[kind / 6 % 12]); break;
    case 3: sqlite3_bind_double(statement, 1, (double)(int64_t)input_number(in, 8)); break;
    case 4: sqlite3_bind_null(statement, 1); break;
    default: {
        const uint8_t *text = input_bytes(in, kind / 6, &length);
        if (kind & 1)
            sqlite3_bind_text(statement, 1, (const char *)text, (int)length, SQLITE_TRANSIENT);
        else
            sqlite3_bind_blob(statement, 1, text, (int)length, SQLITE_TRANSIENT);
    }
    }
}

/* The row that a change is about, as the WHERE of its statement; rows are told by their place. */
static void change(sqlite3 *db, struct input *in)
{
    char sql[8 * NAME];
    const struct table *t = &tables[input_number(in, 1) % table_count];
    unsigned what = (unsigned)input_number(in, 1), row = (unsigned)input_number(in, 1);
    const char *column = t->columns[(what & 31) % t->column_count], *key = t->columns[0];
    const char *form =
        what & 32   ? "DELETE FROM \"%s\" WHERE \"%s\" = (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET "
                      "%u) AND ?1 IS ?1"
        : what & 64 ? "INSERT OR REPLACE INTO \"%s\" SELECT %s FROM \"%s\" LIMIT 1 OFFSET %u"
                    : "UPDATE OR REPLACE \"%s\" SET \"%s\" = ?1 WHERE \"%s\" = (SELECT \"%s\" FROM "
                      "\"%s\" LIMIT 1 OFFSET %u)";
    if (what & 32) {
        snprintf(sql, sizeof sql, form, t->name, key, key, t->name, row);
    } else if (what & 64) { /* the row again, with one column another */
        char list[COLUMNS * (NAME / 4)] = "";
        for (unsigned i = 0; i < t->column_count; i++) {
            strcat(list, i ? "," : "");
            strcat(list, t->columns[i] == column ? "?1" : t->columns[i]);
        }
        snprintf(sql, sizeof sql, form, t->name, list, t->name, row);
    } else {
        snprintf(sql, sizeof sql, form, t->name, column, key, key, t->name, row);
    }
    sqlite3_stmt *statement = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, 0) == SQLITE_OK) {
        bind_value(statement, in);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
}

static void changed(struct input *in, char path[INPUT_PATH])
{
    sqlite3 *db = NULL;
    sqlite3_int64 bytes;
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)sound_bytes);
    must(copy && sqlite3_open(":memory:", &db) == SQLITE_OK);
    memcpy(copy, sound, (size_t)sound_bytes);
    must(sqlite3_deserialize(db, "main", copy, sound_bytes, sound_bytes,
                             SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) ==
         SQLITE_OK);
    sqlite3_exec(db, "BEGIN", 0, 0, 0);
    for (unsigned i = 0; i < CHANGES && in->at < in->end; i++)
        change(db, in);
    sqlite3_exec(db, "COMMIT", 0, 0, 0);
    unsigned char *whole = sqlite3_serialize(db, "main", &bytes, 0);
    must(whole != NULL);
    input_file(1, whole, (size_t)bytes, path);
    sqlite3_free(whole);
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[INPUT_PATH];
    struct input in = {bytes + 2, bytes + size};
    if (size < 3)
        return 0;
    if (!sound)
        make_sound();
    if (bytes[1] & 1)
        input_file(1, bytes + 2, size - 2, path);
    else
        changed(&in, path);
    command_run(bytes[0], path);
    return 0;
}
