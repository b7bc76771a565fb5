/* Common parts of the JSON: trace, processes, stacks (trace_json.h). Why written site by site:
 * only the order of the stacks is kept in memory. */
#include "analyzer/trace_json.h"

#include "analyzer/callers.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static void json_name(struct json *j, const char *key, const struct name *name)
{
    json_text(j, key, name->bytes, name->length);
}

static void json_started(struct json *j, uint64_t unix_ns)
{
    char text[64];
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm tm;
    if (!unix_ns || !gmtime_r(&seconds, &tm)) {
        json_null(j, "started");
        return;
    }
    size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + used, sizeof text - used, ".%06uZ", (unsigned)(unix_ns % 1000000000 / 1000));
    json_string(j, "started", text);
}

static void json_exit(struct json *j, const struct model *m)
{
    int status = (int)m->exit_status;
    json_flat_object(j, "exit");
    if (m->has_exit && WIFEXITED(status))
        json_number(j, "status", WEXITSTATUS(status));
    else
        json_null(j, "status");
    if (m->has_exit && WIFSIGNALED(status))
        json_number(j, "signal", WTERMSIG(status));
    else
        json_null(j, "signal");
    if (m->has_exit)
        json_bool(j, "oom", m->exit_oom != OOM_NO);
    else
        json_null(j, "oom");
    json_end_object(j);
}

static void json_python(struct json *j, const struct replay *r)
{
    const struct process *root = model_root(&r->model);
    if (root && root->python->length)
        json_name(j, "python", root->python);
    else
        json_null(j, "python");
}

/* p NULL: unknown, or none. */
static void json_pid(struct json *j, const char *key, const struct process *p)
{
    if (p)
        json_number(j, key, p->pid);
    else
        json_null(j, key);
}

void json_trace(struct json *j, const struct recording *rec)
{
    const struct trace_header *h = rec->file.header;
    json_object(j, "trace");
    json_array(j, "command");
    for (uint32_t i = 0; i < h->argument_count; i++)
        json_text(j, 0, h->arguments[i].bytes, h->arguments[i].length);
    json_end_array(j);
    json_pid(j, "pid", model_root(&rec->replay.model));
    json_python(j, &rec->replay);
    json_started(j, h->started_unix_ns);
    json_number(j, "duration_ns", rec->duration_ns);
    json_bool(j, "complete", rec->file.complete);
    json_number(j, "damaged_blocks", recording_damaged_blocks(rec));
    json_number(j, "events", rec->replay.totals.events);
    json_number(j, "lost_events", recording_lost_events(rec));
    json_bool(j, "objects", h->flags & TRACE_OBJECTS);
    json_bool(j, "native", h->flags & TRACE_NATIVE);
    json_number(j, "sample_bytes", h->sample_bytes);
    json_exit(j, &rec->replay.model);
    json_end_object(j);
}

void json_report(struct json *j, const struct report *report)
{
    char schema[64];
    snprintf(schema, sizeof schema, "memreplay.%s/1", command_name(report->options->command));
    json_object(j, 0);
    json_string(j, "schema", schema);
    json_trace(j, report->rec);
}

static void json_process(struct json *j, struct replay *r, const struct process *p)
{
    json_object(j, 0);
    json_number(j, "pid", p->pid);
    json_pid(j, "parent", model_process_at(&r->model, p->parent));
    json_array(j, "command");
    for (uint32_t i = 0; i < p->argument_count; i++)
        json_name(j, 0, p->arguments[i]);
    json_end_array(j);
    json_number(j, "bytes", process_then(r, p).live_bytes);
    json_number(j, "peak_bytes", p->peak_bytes);
    json_end_object(j);
}

void json_processes(struct json *j, const struct report *report)
{
    struct replay *r = &report->rec->replay;
    json_array(j, "processes");
    for (uint32_t i = 0; i < r->model.processes.limit; i++) {
        const struct process *p = model_process_at(&r->model, i);
        if (p && p->in_scope)
            json_process(j, r, p);
    }
    json_end_array(j);
}

static void json_frame(struct json *j, const struct symbols *s, const struct frame *frame)
{
    static const struct frame_style whole = {false, 0};
    const struct function *f = symbols_function(s, frame->function);
    char name[1024];
    json_flat_object(j, 0);
    if (f && f->name->length) {
        json_name(j, "function", f->name);
    } else {
        frame_function(name, sizeof name, s, frame->function, frame->line, &whole);
        json_string(j, "function", name);
    }
    json_name(j, "file", f ? f->file : s->empty);
    json_number(j, "line", f && f->kind != FUNCTION_MODULE ? frame->line : 0);
    json_string(j, "kind", f && f->kind != FUNCTION_PYTHON ? "native" : "python");
    if (f && f->module->length)
        json_name(j, "module", f->module);
    json_end_object(j);
}

/* Frames from the outermost: the walk went the other way. */
static int json_frames(struct json *j, struct callers *c, uint32_t stack)
{
    int rc = callers_of(c, stack);
    if (c->left_out)
        json_bool(j, "outer_frames_left_out", true);
    else if (c->unknown)
        json_bool(j, "outer_frames_unknown", true);
    json_array(j, "frames");
    for (size_t i = c->depth; i-- && !rc;)
        json_frame(j, c->symbols, &c->symbols->frames[c->frames[i]]);
    json_end_array(j);
    return rc;
}

static int json_stack(struct json *j, const struct selection *s, struct callers *c)
{
    struct replay *r = &s->report->rec->replay;
    const struct lane *lane = site_lane(&r->sites, s->site);
    const struct thread *t = model_thread(&r->model, lane->thread);
    json_object(j, 0);
    json_number(j, "bytes", s->values.bytes);
    if (s->measure == MEASURE_TEMPORARY || s->measure == MEASURE_TOTALS)
        json_null(j, "resident_bytes");
    else
        json_number(j, "resident_bytes", s->values.resident_bytes);
    json_number(j, "allocations", s->values.count);
    json_string(j, "allocator", allocator_name(lane->allocator));
    json_pid(j, "pid", model_process_at(&r->model, lane->process));
    if (t->name->length)
        json_name(j, "thread", t->name);
    else
        json_null(j, "thread");
    if (t->defined)
        json_number(j, "tid", t->tid);
    else
        json_null(j, "tid");
    int rc = json_frames(j, c, site_stack(&r->sites, s->site));
    json_end_object(j);
    return rc;
}

struct ranked {
    uint64_t bytes;
    uint32_t site;
};

static int by_bytes(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return left->site < right->site ? -1 : 1;
}

int json_stacks(struct json *j, const struct report *report, enum measure measure)
{
    struct selection s;
    struct callers callers;
    size_t count = 0;
    int rc = 0;
    struct ranked *ranked = malloc(report->rec->replay.sites.count * sizeof *ranked);
    if (!ranked)
        return -ERR_NOMEM;
    for (selection_start(&s, report, measure); selection_next(&s);)
        ranked[count++] = (struct ranked){s.values.bytes, s.site};
    qsort(ranked, count, sizeof *ranked, by_bytes);
    callers_init(&callers, &report->rec->replay.model.symbols);
    json_array(j, "stacks");
    for (size_t i = 0; i < count && !rc; i++) {
        selection_start(&s, report, measure);
        s.site = ranked[i].site - 1;
        selection_next(&s);
        rc = json_stack(j, &s, &callers);
    }
    json_end_array(j);
    free(ranked);
    callers_release(&callers);
    return rc;
}

void json_total(struct json *j, const struct site_values *total)
{
    json_object(j, "total");
    json_number(j, "bytes", total->bytes);
    json_number(j, "allocations", total->count);
    json_end_object(j);
}

void trace_marks_json(struct json *j, const struct model *m)
{
    json_array(j, "marks");
    for (size_t i = 0; i < m->mark_count; i++) {
        json_flat_object(j, 0);
        json_text(j, "name", m->marks[i].name->bytes, m->marks[i].name->length);
        json_number(j, "time_ns", m->marks[i].time_ns);
        json_end_object(j);
    }
    json_end_array(j);
}
