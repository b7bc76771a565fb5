/* The summary for programs, field by field (summary_json.h). Why apart from the text: each is
 * a screen long and neither needs the other. */
#include "analyzer/summary_json.h"

#include "analyzer/losses.h"
#include "analyzer/span.h"
#include "analyzer/trace_json.h"

struct site_values summary_leaks(const struct report *report)
{
    const struct window *w = &report->rec->replay.window;
    const struct sites *s = &report->rec->replay.sites;
    const char *thread = report->options->thread;
    struct site_values sum = {0};
    if (!w->kept)
        return selection_total(report, MEASURE_LEAKS);
    for (uint32_t lane = 1; lane < w->kept_count; lane++) {
        if (thread && !recording_thread_is(report->rec, s->lanes[lane].thread, thread))
            continue;
        sum.bytes += w->kept[lane].bytes;
        sum.resident_bytes += w->kept[lane].resident_bytes;
        sum.unsampled_bytes += w->kept[lane].unsampled_bytes;
        sum.count += w->kept[lane].count;
    }
    return sum;
}

static void write_totals(struct json *j, const struct report *report)
{
    const struct totals *t = &report->rec->replay.totals_inside;
    struct site_values leaks = summary_leaks(report);
    json_object(j, "totals");
    json_number(j, "allocations", t->allocations);
    json_number(j, "allocated_bytes", t->allocated_bytes);
    json_number(j, "frees", t->frees - t->unfrees);
    json_number(j, "failed", t->records[RECORD_FAILED]);
    json_number(j, "leaked_bytes", leaks.bytes);
    json_number(j, "leaked_allocations", leaks.count);
    json_number(j, "unknown_frees", t->unknown_frees + t->unknown_addresses);
    json_number(j, "lost_frees", t->lost_frees);
    json_number(j, "replaced", t->replaced);
    json_number(j, "late_events", t->late);
    json_number(j, "impossible", t->impossible);
    json_end_object(j);
}

static void write_allocators(struct json *j, const struct totals *t)
{
    json_array(j, "allocators");
    for (unsigned i = 0; i < ALLOCATOR_LIMIT; i++) {
        if (!t->allocators[i].count)
            continue;
        json_flat_object(j, 0);
        json_string(j, "allocator", allocator_name(i));
        json_number(j, "allocations", t->allocators[i].count);
        json_number(j, "bytes", t->allocators[i].bytes);
        json_end_object(j);
    }
    json_end_array(j);
}

static void write_sizes(struct json *j, const struct totals *t)
{
    json_array(j, "sizes");
    for (unsigned i = 0; i < sizeof t->sizes / sizeof *t->sizes; i++) {
        if (!t->sizes[i])
            continue;
        json_flat_object(j, 0);
        json_number(j, "least_bytes", i ? 1ull << (i - 1) : 0);
        json_number(j, "most_bytes", (1ull << i) - 1);
        json_number(j, "allocations", t->sizes[i]);
        json_end_object(j);
    }
    json_end_array(j);
}

static void write_events(struct json *j, const struct totals *t)
{
    json_object(j, "events");
    json_number(j, "allocations", t->allocations);
    json_number(j, "frees", t->frees);
    json_number(j, "frees_taken_back", t->unfrees);
    json_number(j, "failed", t->records[RECORD_FAILED]);
    json_number(j, "map", t->records[RECORD_MAP]);
    json_number(j, "unmap", t->records[RECORD_UNMAP]);
    json_number(j, "remap", t->records[RECORD_REMAP]);
    json_number(j, "protect", t->records[RECORD_PROTECT]);
    json_number(j, "discard", t->records[RECORD_DISCARD]);
    json_end_object(j);
}

/* Why and when recording ended before the program; null where it did not. */
static void write_stop(struct json *j, const struct model *m)
{
    if (!m->stop_reason) {
        json_null(j, "stopped");
        return;
    }
    json_object(j, "stopped");
    json_string(j, "reason", loss_key(m->stop_reason));
    json_number(j, "time_ns", m->stop_ns);
    json_end_object(j);
}

static void write_losses(struct json *j, struct model *m)
{
    json_array(j, "losses");
    for (size_t i = 0; i < m->loss_count; i++) {
        const struct process *p = model_process_at(m, m->losses[i].process);
        json_flat_object(j, 0);
        json_string(j, "reason", loss_key(m->losses[i].reason));
        if (p)
            json_number(j, "pid", p->pid);
        else
            json_null(j, "pid");
        json_number(j, "count", m->losses[i].count);
        json_end_object(j);
    }
    json_end_array(j);
}

void summary_json(struct report *report, const struct holdings *h)
{
    struct replay *r = &report->rec->replay;
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    span_json(&j, report);
    holdings_json(&j, "peak", h);
    json_processes(&j, report);
    write_totals(&j, report);
    write_allocators(&j, &r->totals_inside);
    write_sizes(&j, &r->totals_inside);
    write_events(&j, &r->totals_inside);
    write_losses(&j, &r->model);
    write_stop(&j, &r->model);
    trace_marks_json(&j, &r->model);
    json_number(&j, "file_bytes", report->rec->file_bytes);
    json_number(&j, "stacks", report->rec->file.stacks);
    json_end_object(&j);
}
