/* Opening a trace, turning options into a replay, and telling what this trace does not have
 * (recording.h). */
#include "analyzer/recording.h"

#include "analyzer/choice.h"
#include "analyzer/layers.h"
#include "analyzer/native_names.h"
#include "analyzer/store.h"
#include "replay/option_bits.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse_kind(const struct recording *rec, const struct stat *st, struct err *err)
{
    if (S_ISDIR(st->st_mode))
        return err_set(err, ERR_NOT_A_TRACE, "%s is a folder; give the trace file inside it",
                       rec->name);
    if (!S_ISREG(st->st_mode))
        return 0;
    if (st->st_size == 0)
        return err_set(
            err, ERR_NOT_A_TRACE,
            "%s is empty: nothing was recorded into it; record again with `memrec run -o`",
            rec->name);
    return 0;
}

static bool is_database(const struct recording *rec)
{
    char head[16] = "";
    return rec->regular && pread(rec->fd, head, sizeof head, 0) == sizeof head &&
           !memcmp(head, "SQLite format 3", 16);
}

static int open_file(struct recording *rec, const char *name, struct err *err)
{
    struct stat st;
    bool is_stdin = !strcmp(name, "-");
    rec->name = is_stdin ? "stdin" : name;
    rec->fd = is_stdin ? dup(0) : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (rec->fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND,
                       "%s: there is no such file; record one with: memrec run -o %s job.py", name,
                       name);
    if (rec->fd < 0 || fstat(rec->fd, &st))
        return err_set(err, ERR_IO, "%s cannot be opened: %s", rec->name, strerror(errno));
    rec->regular = S_ISREG(st.st_mode);
    rec->file_bytes = rec->regular ? (uint64_t)st.st_size : 0;
    return refuse_kind(rec, &st, err);
}

int recording_open(struct recording *rec, const char *name, struct err *err)
{
    *rec = (struct recording){.fd = -1};
    int rc = open_file(rec, name, err);
    if (rc)
        return rc;
    if (is_database(rec))
        return store_open(rec, err);
    rc = reader_open(&rec->reader, rec->fd, rec->name, err);
    if (rc == -ERR_NOT_A_TRACE)
        return err_set(err, ERR_NOT_A_TRACE,
                       "%s is not a memrec trace; give a file that `memrec run` wrote", rec->name);
    if (!rc)
        rec->file.header = trace_reader_header(rec->reader.trace);
    return rc;
}

void recording_close(struct recording *rec)
{
    reader_close(&rec->reader);
    store_close(rec);
    replay_release(&rec->replay);
    symboliser_stop(&rec->symboliser);
    naming_release(&rec->naming);
    if (rec->fd >= 0)
        close(rec->fd);
    rec->fd = -1;
}

static int check_pid(const struct recording *rec, const struct options *o, struct err *err)
{
    const struct model *m = &rec->replay.model;
    char known[200] = "";
    size_t used = 0;
    for (uint32_t i = 0; o->has_pid && i < m->processes.limit; i++) {
        const struct process *p = model_process_at(m, i);
        if (p && p->in_scope)
            return 0;
        if (p && used < sizeof known - 24)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%u", used ? ", " : "",
                                     p->pid);
    }
    return o->has_pid
               ? err_set(err, ERR_USAGE, "no process %u was recorded; there are: %s", o->pid, known)
               : 0;
}

bool recording_thread_is(const struct recording *rec, uint32_t id, const char *wanted)
{
    const struct thread *t = sparse_get(&rec->replay.model.threads, id);
    char *end;
    if (!t || !t->defined)
        return false;
    unsigned long tid = strtoul(wanted, &end, 10);
    if (*wanted && !*end && wanted[0] >= '0' && wanted[0] <= '9' && tid == t->tid)
        return true;
    return model_thread_named(t, wanted, strlen(wanted));
}

static int check_thread(const struct recording *rec, const struct options *o, struct err *err)
{
    if (!o->thread)
        return 0;
    for (uint32_t id = 0; id < rec->replay.model.threads.limit; id++)
        if (recording_thread_is(rec, id, o->thread))
            return 0;
    return err_set(err, ERR_USAGE, "no thread with the tid or name %s was recorded", o->thread);
}

struct relay {
    recording_progress *progress;
    void *context;
    uint64_t of_bytes;
};

static void relay(void *context, uint64_t bytes)
{
    const struct relay *r = context;
    r->progress(r->context, bytes, r->of_bytes);
}

/* What the reader knows at its end. */
static void take_facts(struct recording *rec)
{
    const struct reader *reader = &rec->reader;
    rec->file = (struct file_facts){.header = trace_reader_header(reader->trace),
                                    .damage = reader->damage,
                                    .damage_count = reader->damage_count,
                                    .complete = reader_complete(reader),
                                    .cut_bytes = trace_reader_cut(reader->trace),
                                    .lost_allocations = lost_count(&rec->replay.lost),
                                    .declared_events = reader_declared_events(reader),
                                    .blocks = reader->blocks,
                                    .lost_blocks = reader->lost_blocks,
                                    .stacks = rec->replay.model.symbols.defined_stacks,
                                    .functions = rec->replay.model.symbols.defined_functions};
}

static int replay_trace(struct recording *rec, const struct options *o,
                        recording_progress *progress, void *context, struct err *err)
{
    struct replay_options made;
    struct relay relayed = {progress, context, rec->file_bytes};
    int rc = choice_make(rec, o, &made, err);
    if (rc)
        return rc;
    if (replay_init(&rec->replay, &made))
        return err_set(err, ERR_NOMEM, "out of memory");
    rc = replay_run(&rec->replay, &rec->reader, progress ? relay : 0, &relayed, err);
    if (rc)
        return rc;
    replay_trim(&rec->replay);
    take_facts(rec);
    if (!rec->regular)
        rec->file_bytes = trace_reader_offset(rec->reader.trace);
    rec->duration_ns = rec->replay.time_ns;
    if (rec->reader.has_trailer && rec->reader.trailer.end_ns > rec->duration_ns)
        rec->duration_ns = rec->reader.trailer.end_ns;
    return 0;
}

/* The page folds for itself. */
static enum layers layers_of(const struct options *o)
{
    bool page = o->command == COMMAND_flamegraph && !o->svg;
    return page || command_has(o->command, RECORDED) ? LAYERS_ALL : o->layers;
}

/* Is each stack listed by itself, so that none may stand there twice? */
static bool lists_stacks(const struct options *o)
{
    return o->json || (o->command == COMMAND_export && strcmp(o->format, "folded") != 0);
}

static int show_layers(struct recording *rec, const struct options *o, struct err *err)
{
    if (command_has(o->command, FRAMELESS | RECORDED))
        return 0;
    if (layers_apply(&rec->replay, layers_of(o), &rec->folded) ||
        (lists_stacks(o) && layers_chain(&rec->replay)))
        return err_set(err, ERR_NOMEM, "out of memory");
    return 0;
}

int recording_replay(struct recording *rec, const struct options *o, recording_progress *progress,
                     void *context, struct err *err)
{
    native_names_prepare(rec, o, layers_of(o));
    int rc = rec->store ? store_replay(rec, o, err) : replay_trace(rec, o, progress, context, err);
    rc = rc ? rc : choice_check(rec, o, err);
    rc = rc ? rc : check_pid(rec, o, err);
    rc = rc ? rc : check_thread(rec, o, err);
    rc = rc || rec->store ? rc : native_names_apply(rec, o, layers_of(o), err);
    return rc ? rc : show_layers(rec, o, err);
}

uint64_t recording_lost_events(const struct recording *rec)
{
    uint64_t declared = rec->file.declared_events, applied = rec->replay.totals.events;
    uint64_t damaged = rec->file.damage_count && declared > applied && !rec->replay.stopped
                           ? declared - applied
                           : 0;
    return damaged + model_lost_events(&rec->replay.model);
}

uint32_t recording_damaged_blocks(const struct recording *rec)
{
    uint32_t blocks = rec->file.lost_blocks;
    return blocks ? blocks : rec->file.damage_count > 0;
}
