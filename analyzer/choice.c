/* From what people ask for to what the replay does (choice.h). */
#include "analyzer/choice.h"

#include "analyzer/glyph.h"
#include "analyzer/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLLOW_ROWS (1u << 19) /* of a history that only the maxima of functions are taken from */

bool choice_leaks(const struct options *o) { return o->command == COMMAND_leaks || o->leaks; }

static bool is_temporary(const struct options *o)
{
    return o->command == COMMAND_temporary || o->temporary;
}

bool choice_window(const struct options *o)
{
    return o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE;
}

/* What must be known of the trace before it is replayed. */
struct known {
    uint64_t duration_ns, peak_bytes;
};

static int last_time(struct reader *reader, uint64_t *time_ns, struct err *err)
{
    struct batch batch;
    if (batch_init(&batch, BATCH_EVENTS)) {
        batch_release(&batch);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    int rc;
    while ((rc = reader_read(reader, &batch, err)) > 0)
        for (int i = 0; i < batch.count; i++)
            if (batch.events[i].kind == EVENT_TIME && batch.events[i].time_ns > *time_ns)
                *time_ns = batch.events[i].time_ns;
    batch_release(&batch);
    return rc;
}

static int open_again(struct recording *rec, struct err *err)
{
    reader_close(&rec->reader);
    if (lseek(rec->fd, 0, SEEK_SET) < 0)
        return err_set(err, ERR_IO, "%s cannot be read twice: %s", rec->name, strerror(errno));
    return reader_open(&rec->reader, rec->fd, rec->name, err);
}

/* Reads the trace once for its last time alone. */
static int scan_duration(struct recording *rec, struct known *known, struct err *err)
{
    struct reader *reader = &rec->reader;
    int rc = last_time(reader, &known->duration_ns, err);
    if (rc)
        return rc;
    if (reader->has_trailer && reader->trailer.end_ns > known->duration_ns)
        known->duration_ns = reader->trailer.end_ns;
    return open_again(rec, err);
}

/* Replays it once for the height of its peak. */
static int scan_peak(struct recording *rec, const struct options *o, struct known *known,
                     struct err *err)
{
    struct replay_options options = {.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                     .has_pid = o->has_pid,
                                     .pid = o->pid};
    struct replay *r = calloc(1, sizeof *r);
    if (!r || replay_init(r, &options)) {
        free(r);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    int rc = replay_run(r, &rec->reader, 0, 0, err);
    known->peak_bytes = r->moment.bytes;
    replay_release(r);
    free(r);
    return rc ? rc : open_again(rec, err);
}

static bool any(const struct options *o, enum when_kind kind)
{
    return o->at.kind == kind || o->from.kind == kind || o->to.kind == kind;
}

static int scan(struct recording *rec, const struct options *o, struct known *known,
                struct err *err)
{
    bool peak = o->from.kind == WHEN_PEAK || o->to.kind == WHEN_PEAK;
    int rc = 0;
    if (!rec->regular && any(o, WHEN_SHARE))
        return err_set(
            err, ERR_USAGE,
            "a share of the duration needs a file, not a pipe; give a time such as 12.5s");
    if (!rec->regular && peak)
        return err_set(err, ERR_USAGE,
                       "--%s peak needs a file, not a pipe: where the peak was is known only at "
                       "the end; give a time such as 12.5s",
                       o->from.kind == WHEN_PEAK ? "from" : "to");
    if (any(o, WHEN_SHARE))
        rc = scan_duration(rec, known, err);
    return !rc && peak ? scan_peak(rec, o, known, err) : rc;
}

static uint64_t when_ns(const struct when *when, const struct known *known, uint64_t otherwise)
{
    switch (when->kind) {
    case WHEN_START: return 0;
    case WHEN_TIME: return when->time_ns;
    case WHEN_SHARE: return (uint64_t)((__uint128_t)known->duration_ns * when->share_ppm / 1000000);
    default: return otherwise;
    }
}

static struct window_edge edge_of(const struct when *when, const struct known *known,
                                  uint64_t otherwise)
{
    return (struct window_edge){when->mark, when->kind == WHEN_PEAK,
                                when_ns(when, known, otherwise)};
}

static struct moment_choice choose(const struct options *o, const struct known *known)
{
    static const enum moment_kind kinds[] = {
        [WHEN_NONE] = MOMENT_PEAK, [WHEN_PEAK] = MOMENT_PEAK, [WHEN_START] = MOMENT_TIME,
        [WHEN_END] = MOMENT_END,   [WHEN_TIME] = MOMENT_TIME, [WHEN_SHARE] = MOMENT_TIME,
        [WHEN_MARK] = MOMENT_MARK};
    struct moment_choice choice = {
        .kind = kinds[o->at.kind], .time_ns = when_ns(&o->at, known, 0), .mark = o->at.mark};
    choice.window.from = edge_of(&o->from, known, 0);
    choice.window.to = edge_of(&o->to, known, UINT64_MAX);
    choice.window.peak_bytes = known->peak_bytes;
    choice.window.apart = (choice_leaks(o) && o->from.kind != WHEN_NONE) ||
                          (o->command == COMMAND_summary && choice_window(o));
    if (choice_leaks(o) && choice_window(o))
        choice.kind = o->to.kind == WHEN_NONE ? MOMENT_END : MOMENT_CLOSE;
    return choice;
}

static bool by_time(const struct when *when)
{
    return when->kind == WHEN_START || when->kind == WHEN_TIME || when->kind == WHEN_SHARE;
}

static int backwards(const struct options *o, struct err *err)
{
    return err_set(err, ERR_USAGE, "--from %s lies after --to %s", o->from.text, o->to.text);
}

int choice_make(struct recording *rec, const struct options *o, struct replay_options *made,
                struct err *err)
{
    struct known known = {0};
    bool page = o->command == COMMAND_flamegraph && !o->svg;
    bool stops = choice_leaks(o) || is_temporary(o);
    if (stops && o->at.kind == WHEN_PEAK)
        return err_set(err, ERR_USAGE, "what was alive at the peak is what `memreplay peak` shows");
    int rc = scan(rec, o, &known, err);
    if (rc)
        return rc;
    *made =
        (struct replay_options){.moment = choose(o, &known), .has_pid = o->has_pid, .pid = o->pid};
    made->stop_at_moment = stops;
    made->temporary_threshold = page || is_temporary(o) ? o->threshold : 0;
    if (page)
        made->history.resolution_ns = HISTORY_RESOLUTION_NS;
    if (o->follow)
        made->history = (struct history_options){.resolution_ns = HISTORY_RESOLUTION_NS,
                                                 .row_limit = FOLLOW_ROWS};
    if (o->command == COMMAND_timeline)
        made->history =
            (struct history_options){.resolution_ns = HISTORY_RESOLUTION_NS, .no_sites = true};
    made->totals = o->totals || o->command == COMMAND_export;
    if (o->command == COMMAND_sqlite)
        store_choose(made);
    const struct window_choice *window = &made->moment.window;
    if (by_time(&o->from) && by_time(&o->to) && window->from.time_ns > window->to.time_ns)
        return backwards(o, err);
    return 0;
}

static bool has_mark(const struct model *m, const char *wanted)
{
    for (size_t i = 0; i < m->mark_count; i++)
        if (window_named(m->marks[i].name, wanted))
            return true;
    return false;
}

static int no_such_mark(const struct recording *rec, const char *wanted, struct err *err)
{
    const struct model *m = &rec->replay.model;
    char known[300] = "", name[200] = "";
    size_t used = 0, name_used = 0;
    glyph_append(name, sizeof name, &name_used, wanted, strlen(wanted), false);
    for (size_t i = 0; i < m->mark_count && used < sizeof known - 64; i++) {
        char shown[64] = "";
        size_t shown_used = 0;
        glyph_append(shown, sizeof shown, &shown_used, m->marks[i].name->bytes,
                     m->marks[i].name->length, false);
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", shown);
    }
    return err_set(err, ERR_USAGE,
                   "%s has no mark named %s (%s%s); a time is written 12.5s or 80%%", rec->name,
                   name, used ? "its marks: " : "it has none", known);
}

static int check_marks(const struct recording *rec, const struct options *o, struct err *err)
{
    const struct when *all[] = {&o->at, &o->from, &o->to};
    for (int i = 0; i < 3; i++)
        if (all[i]->kind == WHEN_MARK && !has_mark(&rec->replay.model, all[i]->mark))
            return no_such_mark(rec, all[i]->mark, err);
    return 0;
}

int choice_check(const struct recording *rec, const struct options *o, struct err *err)
{
    const struct replay *r = &rec->replay;
    uint64_t last_ms = r->time_ns / 1000000;
    int rc = r->stopped ? 0 : check_marks(rec, o, err);
    if (rc)
        return rc;
    if (r->window.backwards)
        return backwards(o, err);
    if (r->window.opened && r->moment.chosen)
        return 0;
    return err_set(err, ERR_USAGE,
                   "%s ends %" PRIu64 ".%03" PRIu64 " s after its start, before the time asked for",
                   rec->name, last_ms / 1000, last_ms % 1000);
}
