/* Answering for a trace from its database (store.h): which questions it can answer, and the state
 * that a replay would have left. Why refusals: a report that is nearly right is worse than one that
 * says what to do. */
#include "analyzer/choice.h"
#include "analyzer/store.h"

#include <stdlib.h>
#include <string.h>

static int no_answer(const struct recording *rec, const char *to, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s is a database, which keeps no answer to %s; give the trace",
                   rec->name, to);
}

/* What a database made by `memreplay sqlite` does not have. */
static int refuse(const struct recording *rec, const struct options *o, struct err *err)
{
    bool temporary = o->command == COMMAND_temporary || o->temporary;
    bool stops = temporary || choice_leaks(o);
    if (o->command == COMMAND_sqlite)
        return err_set(err, ERR_USAGE, "%s is a database already; give the trace", rec->name);
    if (choice_window(o))
        return no_answer(rec, o->from.kind != WHEN_NONE ? "--from" : "--to", err);
    if (stops && o->at.kind != WHEN_NONE)
        return no_answer(rec, temporary ? "--at for what was temporary" : "--at for leaks", err);
    if ((temporary || o->command == COMMAND_flamegraph) &&
        o->threshold != rec->store->meta.temporary_threshold)
        return no_answer(rec, "--threshold but 1", err);
    return 0;
}

/* --pid is only the same as everything where there is one process. */
static int refuse_pid(const struct recording *rec, const struct options *o, struct err *err)
{
    const struct model *m = &rec->replay.model;
    bool in_scope = false, others = false;
    for (uint32_t id = 0; id < m->processes.limit; id++) {
        const struct process *p = model_process_at(m, id);
        in_scope |= p && p->in_scope;
        others |= p && !p->in_scope;
    }
    return o->has_pid && in_scope && others ? no_answer(rec, "--pid", err) : 0;
}

static uint64_t when_ns(const struct when *when, uint64_t duration_ns)
{
    if (when->kind == WHEN_SHARE)
        return (uint64_t)((__uint128_t)duration_ns * when->share_ppm / 1000000);
    return when->kind == WHEN_TIME ? when->time_ns : 0;
}

static void take_tick(struct recording *rec, uint32_t tick, uint64_t time_ns)
{
    struct replay *r = &rec->replay;
    store_read_moment(rec->store, r, tick);
    r->moment = (struct moment){
        .chosen = true, .bytes = r->history.ticks[tick].live_bytes, .time_ns = time_ns};
}

/* Between two ticks: the state is that at the end of the one before, known to last only where
 * nothing happened in the one that follows. */
static void take_time(struct recording *rec, uint64_t time_ns)
{
    struct replay *r = &rec->replay;
    const struct history *h = &r->history;
    uint32_t tick = history_tick_at(h, time_ns);
    if (time_ns > rec->store->meta.last_ns)
        return;
    bool before_all = tick == HISTORY_NONE;
    uint64_t end_ns = before_all ? 0 : h->ticks[tick].end_ns;
    uint32_t next = before_all ? 0 : tick + 1;
    bool exact = !before_all && (end_ns == time_ns || next == h->tick_count ||
                                 h->ticks[next].flags & HISTORY_STILL);
    if (before_all)
        tick = 0;
    if (!exact)
        rec->asked_ns = time_ns ? time_ns : 1;
    take_tick(rec, tick, exact ? time_ns : h->ticks[tick].end_ns);
}

static int take_mark(struct recording *rec, const char *mark, struct err *err)
{
    const struct model *m = &rec->replay.model;
    const struct history *h = &rec->replay.history;
    for (size_t i = 0; i < m->mark_count; i++) {
        if (!window_named(m->marks[i].name, mark))
            continue;
        if (i >= h->mark_count)
            return no_answer(rec, "marks beyond the first 4,096", err);
        take_tick(rec, h->mark_ticks[i], m->marks[i].time_ns);
        return 0;
    }
    return 0;
}

static int choose_moment(struct recording *rec, const struct options *o, struct err *err)
{
    struct replay *r = &rec->replay;
    const struct store_meta *meta = &rec->store->meta;
    r->moment = (struct moment){.bytes = meta->peak_bytes, .time_ns = meta->peak_ns};
    switch (o->at.kind) {
    case WHEN_NONE:
    case WHEN_PEAK: r->moment.chosen = true; return 0;
    case WHEN_END:
        if (r->history.end_tick != HISTORY_NONE)
            take_tick(rec, r->history.end_tick, r->history.ticks[r->history.end_tick].end_ns);
        return 0;
    case WHEN_MARK: return take_mark(rec, o->at.mark, err);
    default: take_time(rec, when_ns(&o->at, meta->duration_ns)); return 0;
    }
}

static void read_damage(struct recording *rec)
{
    struct store *store = rec->store;
    struct select s;
    size_t count = 0, capacity = 0;
    select_begin(&s, &store->from, "damage", "ORDER BY damage_id", 0, 0);
    while (select_row(&s)) {
        struct trace_damage *grown = store->damage;
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            grown = realloc(store->damage, capacity * sizeof *grown);
        }
        if (!grown) {
            store->from.out_of_memory = true;
            break;
        }
        store->damage = grown;
        select_skip(&s);
        struct trace_damage d = {.offset = select_number(&s)};
        d.length = select_number(&s);
        d.blocks = (uint32_t)select_limited(&s, UINT32_MAX);
        struct text what = select_text(&s);
        memcpy(d.what, what.bytes, what.length < sizeof d.what ? what.length : sizeof d.what - 1);
        store->damage[count++] = d;
    }
    select_end(&s);
    rec->file.damage = store->damage;
    rec->file.damage_count = count;
}

static void take_facts(struct recording *rec)
{
    const struct store_meta *meta = &rec->store->meta;
    rec->file = (struct file_facts){.header = &rec->store->header,
                                    .complete = meta->complete,
                                    .cut_bytes = meta->cut_bytes,
                                    .lost_allocations = meta->lost_allocations,
                                    .declared_events = meta->declared_events,
                                    .blocks = (uint32_t)meta->blocks,
                                    .lost_blocks = (uint32_t)meta->lost_blocks,
                                    .stacks = meta->stacks,
                                    .functions = meta->functions};
    rec->file_bytes = meta->trace_bytes;
    rec->duration_ns = meta->duration_ns;
    rec->replay.time_ns = meta->last_ns;
    rec->replay.rss_high_bytes = meta->rss_peak_bytes;
    rec->replay.window = (struct window){.opened = true, .closed = true, .to_ns = meta->last_ns};
    read_damage(rec);
}

/* All pages, and whether they fit together: for `verify`. */
static void check_pages(struct store *store)
{
    sqlite3_stmt *statement = 0;
    const unsigned char *word = 0;
    if (!sqlite3_prepare_v2(store->from.db, "PRAGMA quick_check(1)", -1, &statement, 0) &&
        sqlite3_step(statement) == SQLITE_ROW)
        word = sqlite3_column_text(statement, 0);
    if (!word || strcmp((const char *)word, "ok"))
        store->from.wrong = "its pages";
    sqlite3_finalize(statement);
}

static int verdict(const struct recording *rec, struct err *err)
{
    const struct reading *from = &rec->store->from;
    if (from->out_of_memory)
        return err_set(err, ERR_NOMEM, "out of memory");
    if (from->wrong)
        return err_set(err, ERR_DAMAGED,
                       "%s is damaged or was changed (%s); make it again: memreplay sqlite -f -o "
                       "%s TRACE",
                       rec->name, from->wrong, rec->name);
    return 0;
}

int store_replay(struct recording *rec, const struct options *o, struct err *err)
{
    struct replay_options made = {.moment = {.kind = MOMENT_PEAK, .window = window_all()},
                                  .has_pid = o->has_pid,
                                  .pid = o->pid,
                                  .temporary_threshold = 1,
                                  .totals = true};
    struct replay *r = &rec->replay;
    int rc = refuse(rec, o, err);
    if (rc)
        return rc;
    if (replay_init(r, &made))
        return err_set(err, ERR_NOMEM, "out of memory");
    if (o->command == COMMAND_verify)
        check_pages(rec->store);
    store_read_model(rec->store, r);
    store_read_sites(rec->store, r);
    store_read_history(rec->store, r, o->command == COMMAND_flamegraph || o->follow);
    take_facts(rec);
    rc = verdict(rec, err);
    rc = rc ? rc : refuse_pid(rec, o, err);
    rc = rc ? rc : choose_moment(rec, o, err);
    replay_trim(r);
    return rc ? rc : verdict(rec, err);
}
