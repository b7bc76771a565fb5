/* `memreplay sqlite`: a recording as a database, for questions of one's own. Why a tool and no
 * report: it replays with everything switched on, and writes a file that SQLite must seek in.
 * Invariants: the database appears whole or not at all. Not here: the tables (store.h, schema.sql).
 */
#include "analyzer/draft.h"
#include "analyzer/report.h"
#include "analyzer/store.h"
#include "analyzer/tool.h"

#include <stdlib.h>
#include <string.h>

#define READING_PERCENT 60 /* of the progress bar; writing has the rest */

struct bar {
    struct work *work;
    uint64_t rows; /* expected */
};

static void on_read(void *context, uint64_t bytes, uint64_t of_bytes)
{
    const struct bar *bar = context;
    bar->work->progress(bar->work->context, of_bytes ? bytes * READING_PERCENT / of_bytes : 0, 100);
}

static void on_rows(void *context, uint64_t rows)
{
    const struct bar *bar = context;
    uint64_t percent = bar->rows ? rows * (100 - READING_PERCENT) / bar->rows : 0;
    if (percent <= 100 - READING_PERCENT)
        bar->work->progress(bar->work->context, READING_PERCENT + percent, 100);
}

/* Roughly; the progress bar may be a little off. */
static uint64_t expected_rows(const struct replay *r)
{
    return r->model.symbols.defined_stacks + UINT64_C(3) * r->sites.count + r->history.row_count;
}

static int write_database(const char *path, const struct recording *rec, struct bar *bar,
                          struct err *err)
{
    struct writing to = {.progress = on_rows, .context = bar};
    to.rc = sqlite3_open_v2(path, &to.db, SQLITE_OPEN_READWRITE, 0);
    bar->rows = expected_rows(&rec->replay);
    int rc = store_write(&to, rec);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    else if (to.rc)
        rc = err_set(err, ERR_IO, "the database cannot be written: %s", sqlite3_errstr(to.rc));
    if (sqlite3_close(to.db) && !rc)
        rc = err_set(err, ERR_IO, "the database cannot be written");
    return rc;
}

static int refuse_output(const struct options *o, struct err *err)
{
    if (!o->output)
        return err_set(err, ERR_USAGE, "where to? memreplay sqlite -o run.db %s", o->trace);
    if (!strcmp(o->output, "-"))
        return err_set(err, ERR_USAGE,
                       "a database cannot be written to a pipe; name a file: -o run.db");
    return 0;
}

static int convert(const struct options *o, struct recording *rec, struct work *work,
                   struct err *err)
{
    struct draft draft;
    struct bar bar = {.work = work};
    int rc = draft_open(&draft, o->output, o->force, err);
    if (rc)
        return rc;
    rc = recording_replay(rec, o, on_read, &bar, err);
    rc = rc ? rc : write_database(draft.path, rec, &bar, err);
    if (rc)
        draft_discard(&draft);
    else
        rc = draft_publish(&draft, err);
    return rc;
}

int sqlite_run(const struct options *o, struct work *work, struct err *err)
{
    int rc = refuse_output(o, err);
    struct recording *rec = rc ? 0 : calloc(1, sizeof *rec);
    if (!rec)
        return rc ? rc : err_set(err, ERR_NOMEM, "out of memory");
    rc = recording_open(rec, o->trace, err);
    rc = rc ? rc : convert(o, rec, work, err);
    if (!rc) {
        report_notes(rec, "memreplay: note: ", work->notes);
        work->damaged = rec->file.damage_count > 0;
    }
    recording_close(rec);
    free(rec);
    return rc;
}
