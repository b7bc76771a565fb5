/* Opening a database in place of a trace (store.h). Why the whole schema is compared: then a name
 * stands for our table and nothing else, no view that runs for ever; tables and views that people
 * add beside ours are not looked at. */
#include "analyzer/store.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES (16 << 20)

static int refuse(const struct recording *rec, const char *why, struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "%s is not as memreplay wrote it (%s); make it again: memreplay sqlite -f -o %s "
                   "TRACE",
                   rec->name, why, rec->name);
}

static sqlite3_int64 pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = 0;
    sqlite3_int64 value = -1;
    if (!sqlite3_prepare_v2(db, sql, -1, &statement, 0) && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void harden(sqlite3 *db)
{
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, TEXT_MAX_BYTES);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
    sqlite3_exec(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0", 0, 0, 0);
}

/* Does the database define this object with the same words? */
static bool defines(sqlite3 *db, const unsigned char *name, const unsigned char *sql)
{
    sqlite3_stmt *statement = 0;
    bool same = false;
    if (!sqlite3_prepare_v2(db, "SELECT sql FROM main.sqlite_schema WHERE name = ?", -1, &statement,
                            0) &&
        !sqlite3_bind_text(statement, 1, (const char *)name, -1, SQLITE_STATIC) &&
        sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *found = sqlite3_column_text(statement, 0);
        same = found && !strcmp((const char *)found, (const char *)sql);
    }
    sqlite3_finalize(statement);
    return same;
}

/* All that schema.sql defines must be there, word by word. */
static bool schema_is_ours(sqlite3 *db)
{
    sqlite3 *model = 0;
    sqlite3_stmt *statement = 0;
    bool ours = false;
    if (!sqlite3_open(":memory:", &model) && !sqlite3_exec(model, store_schema(), 0, 0, 0) &&
        !sqlite3_prepare_v2(model, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL", -1,
                            &statement, 0)) {
        ours = true;
        while (ours && sqlite3_step(statement) == SQLITE_ROW)
            ours =
                defines(db, sqlite3_column_text(statement, 0), sqlite3_column_text(statement, 1));
    }
    sqlite3_finalize(statement);
    sqlite3_close(model);
    return ours;
}

static int check_kind(const struct recording *rec, sqlite3 *db, struct err *err)
{
    sqlite3_int64 id = pragma(db, "PRAGMA application_id"), version;
    if (id < 0)
        return refuse(rec, sqlite3_errmsg(db), err);
    if (id != STORE_APPLICATION_ID)
        return err_set(
            err, ERR_NOT_A_TRACE,
            "%s is a database, but none that `memreplay sqlite` made; give one of those, "
            "or a trace",
            rec->name);
    version = pragma(db, "PRAGMA user_version");
    if (version > STORE_VERSION)
        return err_set(err, ERR_VERSION,
                       "%s was made by a newer version of memreplay; make it again with this one",
                       rec->name);
    return version == STORE_VERSION && schema_is_ours(db) ? 0 : refuse(rec, "its schema", err);
}

static bool is(struct text text, const char *word)
{
    return strlen(word) == text.length && !memcmp(text.bytes, word, text.length);
}

static void read_meta(struct store *store)
{
    struct select s;
    uint64_t found = 0, wanted = 0;
    select_begin(&s, &store->from, "meta", "", 0, 0);
    while (select_row(&s)) {
        struct text key = select_text(&s);
#define META(name, about)                                                                          \
    if (is(key, #name)) {                                                                          \
        store->meta.name = select_number(&s);                                                      \
        found++;                                                                                   \
        continue;                                                                                  \
    }
#define COUNT(name, field, about)
#include "analyzer/store.def"
#undef META
#undef COUNT
    }
#define META(name, about) wanted++;
#define COUNT(name, field, about)
#include "analyzer/store.def"
#undef META
#undef COUNT
    if (found != wanted)
        select_wrong(&s);
    select_end(&s);
}

/* Keeps a word of the command line behind those before. */
static bool keep_word(struct store *store, struct text word, uint32_t *used)
{
    struct trace_header *h = &store->header;
    char *words = realloc(store->words, *used + word.length + 1ul);
    if (!words)
        return false;
    for (uint32_t i = 0, at = 0; i < h->argument_count; at += store->arguments[i++].length)
        store->arguments[i].bytes = words + at;
    memcpy(words + *used, word.bytes, word.length);
    store->words = words;
    store->arguments[h->argument_count++] = (struct text){words + *used, word.length};
    *used += word.length;
    return true;
}

static void read_command(struct store *store)
{
    struct select s;
    uint32_t used = 0;
    select_begin(&s, &store->from, "command", "ORDER BY position", 0, 0);
    store->arguments = calloc(RECORD_ARGUMENT_LIMIT, sizeof *store->arguments);
    if (!store->arguments)
        store->from.out_of_memory = true;
    while (select_row(&s)) {
        select_number(&s);
        struct text word = select_text(&s);
        if (store->header.argument_count == RECORD_ARGUMENT_LIMIT ||
            word.length > RECORD_MAX_BYTES - used)
            select_wrong(&s);
        else if (!keep_word(store, word, &used))
            store->from.out_of_memory = true;
    }
    select_end(&s);
}

static void make_header(struct store *store)
{
    const struct store_meta *meta = &store->meta;
    store->header = (struct trace_header){.version = (uint16_t)meta->trace_version,
                                          .flags = (uint32_t)meta->trace_flags,
                                          .started_unix_ns = meta->started_unix_ns,
                                          .sample_bytes = meta->sample_bytes,
                                          .root_pid = (uint32_t)meta->root_pid,
                                          .page_bytes = (uint32_t)meta->page_bytes};
}

int store_open(struct recording *rec, struct err *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return err_set(err, ERR_NOMEM, "out of memory");
    rec->store = store;
    int rc = sqlite3_open_v2(rec->name, &store->from.db, SQLITE_OPEN_READONLY, 0);
    if (rc)
        return err_set(err, rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_IO, "%s cannot be opened: %s",
                       rec->name, sqlite3_errstr(rc));
    harden(store->from.db);
    rc = check_kind(rec, store->from.db, err);
    if (rc)
        return rc;
    read_meta(store);
    make_header(store);
    read_command(store);
    store->header.arguments = store->arguments;
    rec->file.header = &store->header;
    if (store->from.out_of_memory)
        return err_set(err, ERR_NOMEM, "out of memory");
    return store->from.wrong ? refuse(rec, store->from.wrong, err) : 0;
}

void store_close(struct recording *rec)
{
    struct store *store = rec->store;
    if (!store)
        return;
    sqlite3_close(store->from.db);
    free(store->arguments);
    free(store->words);
    free(store->damage);
    free(store);
    rec->store = 0;
}
