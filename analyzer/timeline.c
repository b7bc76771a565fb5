/* `memreplay timeline`: live bytes, RSS and events over time, as a plot; --from and --to zoom.
 * Why the maxima of intervals and not samples: the peak is in the plot, however narrow. Not here:
 * drawing (plot.h), columns (series.h), what sites held over time (replay/history.h). */
#include "analyzer/glyph.h"
#include "analyzer/heading.h"
#include "analyzer/holdings.h"
#include "analyzer/plot.h"
#include "analyzer/quantity.h"
#include "analyzer/span.h"
#include "analyzer/summary_json.h"
#include "analyzer/trace_json.h"

#include <stdlib.h>
#include <string.h>

/* The interval shown. */
struct shown {
    uint64_t from_ns, to_ns;
};

static struct shown shown_of(const struct report *report)
{
    const struct window *w = &report->rec->replay.window;
    struct shown whole = {0, report->rec->duration_ns};
    if (!span_window(report).text[0] || !w->opened)
        return whole;
    return (struct shown){w->from_ns, w->to_ns < whole.to_ns ? w->to_ns : whole.to_ns};
}

static void write_tick(struct json *j, const struct history *h, uint32_t i)
{
    const struct history_tick *t = &h->ticks[i], *before = i ? t - 1 : 0;
    json_flat_object(j, 0);
    json_number(j, "start_ns", before ? before->end_ns : 0);
    json_number(j, "time_ns", t->end_ns);
    json_number(j, "live_bytes", t->high_bytes);
    json_number(j, "live_allocations", t->high_count);
    json_number(j, "high_ns", t->high_ns);
    json_number(j, "rss_bytes", t->rss_high_bytes);
    json_number(j, "end_live_bytes", t->live_bytes);
    json_number(j, "end_live_allocations", t->live_count);
    json_number(j, "end_rss_bytes", t->rss_bytes);
    json_number(j, "end_mapped_bytes", t->mapped_bytes);
    json_number(j, "end_shared_bytes", t->shared_bytes);
    json_number(j, "events", t->events - (before ? before->events : 0));
    json_end_object(j);
}

static void write_json(struct report *report, const struct shown *shown)
{
    struct holdings holdings = holdings_at_moment(report);
    const struct history *h = &report->rec->replay.history;
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    span_json(&j, report);
    holdings_json(&j, "peak", &holdings);
    json_processes(&j, report);
    trace_marks_json(&j, &report->rec->replay.model);
    json_number(&j, "resolution_ns", h->resolution_ns);
    json_array(&j, "timeline");
    for (uint32_t i = 0; i < h->tick_count; i++) {
        uint64_t start_ns = i ? h->ticks[i - 1].end_ns : 0;
        if (h->ticks[i].end_ns >= shown->from_ns && start_ns <= shown->to_ns)
            write_tick(&j, h, i);
    }
    json_end_array(&j);
    json_end_object(&j);
}

static void print_head(const struct report *report, const struct series *s, bool window)
{
    const struct replay *r = &report->rec->replay;
    double seconds = (double)(s->to_ns - s->from_ns) / 1e9;
    uint64_t most = (uint64_t)(s->most_events / (seconds / s->count) + 0.5);
    struct span where = span_window(report);
    uint32_t processes = 0;
    for (uint32_t i = 0; i < r->model.processes.limit; i++) {
        const struct process *p = model_process_at(&r->model, i);
        processes += p && p->in_scope;
    }
    struct quantity at = quantity_time(r->moment.time_ns);
    if (window)
        heading_bytes(report, STYLE_HOT, r->moment.bytes, "live at the maximum %s, at %s",
                      where.text, at.text);
    else
        heading_bytes(report, STYLE_HOT, r->moment.bytes, "live at the peak, %s into %s", at.text,
                      quantity_time(report->rec->duration_ns).text);
    if (s->most_rss_bytes)
        heading_bytes(report, STYLE_COOL, s->most_rss_bytes, "RSS at most, %s into it%s",
                      quantity_time(s->most_rss_ns).text,
                      processes > 1 ? "; shared pages count in each process" : "");
    heading_line(report, "%s event%s, at most %s a second", quantity_count(s->events).text,
                 s->events == 1 ? "" : "s", quantity_count(most).text);
}

/* The names of the marks, safe to show, all in one piece of memory that the caller frees. NULL when
 * out of memory, or where there are none. */
static struct plot_mark *make_marks(const struct report *report, char **names)
{
    enum { NAME_BYTES = 128 };
    const struct model *m = &report->rec->replay.model;
    struct plot_mark *marks = m->mark_count ? calloc(m->mark_count, sizeof *marks) : 0;
    *names = marks ? calloc(m->mark_count, NAME_BYTES) : 0;
    for (size_t i = 0; *names && i < m->mark_count; i++) {
        char *name = *names + i * NAME_BYTES;
        size_t used = 0;
        glyph_append(name, NAME_BYTES, &used, m->marks[i].name->bytes, m->marks[i].name->length,
                     report->frames.ascii);
        marks[i] = (struct plot_mark){name, m->marks[i].time_ns};
    }
    return marks;
}

static int print_plot(const struct report *report, const struct series *s, bool window)
{
    const struct replay *r = &report->rec->replay;
    char peak[64], *names;
    struct plot_mark *marks = make_marks(report, &names);
    int rc = -ERR_NOMEM;
    snprintf(peak, sizeof peak, "%s %s", window ? "maximum" : "peak",
             quantity_size(r->moment.bytes).text);
    struct plot plot = {.terminal = &report->terminal,
                        .series = s,
                        .marks = marks,
                        .mark_count = r->model.mark_count,
                        .peak = peak,
                        .peak_ns = r->moment.time_ns};
    if (names || !r->model.mark_count)
        rc = plot_print(&plot);
    free(names);
    free(marks);
    return rc;
}

int timeline_report(struct report *report)
{
    struct shown shown = shown_of(report);
    struct series series;
    bool window = span_window(report).text[0];
    if (report->options->json) {
        write_json(report, &shown);
        return 0;
    }
    int rc = series_make(&series, &report->rec->replay.history, shown.from_ns, shown.to_ns,
                         plot_columns(&report->terminal));
    if (!rc) {
        heading_command(report);
        fputc('\n', report->terminal.out);
        print_head(report, &series, window);
        fputc('\n', report->terminal.out);
        rc = print_plot(report, &series, window);
    }
    series_release(&series);
    return rc;
}
