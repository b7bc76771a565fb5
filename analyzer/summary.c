/* `memreplay summary`: what ran, how it ended, its peak, what its events came to, and what is
 * missing. Why all of it: it is the first look at a trace from somebody else. Not here: who held
 * the memory (peak.c), the file's damage in detail (verify.c), the JSON (summary_json.c). */
#include "analyzer/glyph.h"
#include "analyzer/heading.h"
#include "analyzer/holdings.h"
#include "analyzer/losses.h"
#include "analyzer/quantity.h"
#include "analyzer/span.h"
#include "analyzer/summary_json.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define LABEL_COLUMNS 13
#define PROCESS_ROWS  20
#define MARK_ROWS     20

static void line(const struct report *report, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void line(const struct report *report, const char *label, const char *format, ...)
{
    char text[1024];
    struct row row;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    row_begin(&row, &report->terminal);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, STYLE_DIM, label, LABEL_COLUMNS);
    row_to(&row, 2 + LABEL_COLUMNS);
    row_words(&row, STYLE_PLAIN, text);
}

static void title(const struct report *report, const char *text)
{
    struct row row;
    fputc('\n', report->terminal.out);
    row_begin(&row, &report->terminal);
    row_put(&row, STYLE_BOLD, text, row_left(&row));
    row_end(&row);
}

static void print_started(const struct report *report)
{
    uint64_t unix_ns = report->rec->file.header->started_unix_ns;
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm tm;
    char text[64] = "unknown";
    if (unix_ns && gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm);
    line(report, "started", "%s, recorded for %s", text,
         quantity_time(report->rec->duration_ns).text);
}

static void print_end(const struct report *report)
{
    static const char *const oom[] = {
        [OOM_NO] = "",
        [OOM_KERNEL] = ": killed by the kernel for lack of memory",
        [OOM_PROGRAM] = ": just before, an allocation failed for lack of memory",
        [OOM_GUARD] = ": stopped by memrec before the kernel killed it"};
    const struct model *m = &report->rec->replay.model;
    int status = (int)m->exit_status;
    const char *why = oom[m->exit_oom <= OOM_GUARD ? m->exit_oom : OOM_NO];
    if (!m->has_exit)
        line(report, "ended", "unknown: the trace ends before the program did");
    else if (WIFSIGNALED(status))
        line(report, "ended", "by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
             why);
    else
        line(report, "ended", "with exit status %d%s", WEXITSTATUS(status), why);
    if (m->stop_reason)
        line(report, "stopped", "recording ended at %s: %s", quantity_time(m->stop_ns).text,
             loss_words(m->stop_reason));
}

static void print_peak(const struct report *report, const struct holdings *h)
{
    const struct site_values *v = &h->values;
    struct span window = span_window(report);
    if (window.text[0])
        line(report, "shown", "what happened %s", window.text);
    line(report, report->options->at.kind == WHEN_NONE ? "peak" : "live", "%s in %s blocks, at %s",
         quantity_size(v->bytes).text, quantity_count(v->count).text,
         quantity_time(h->time_ns).text);
    if (v->resident_bytes != v->bytes)
        line(report, "resident", "%s of it was ever touched",
             quantity_size(v->resident_bytes).text);
    if (h->rss_bytes)
        line(report, "RSS", "%s as the kernel counted it then", quantity_size(h->rss_bytes).text);
}

static void print_totals(const struct report *report)
{
    const struct totals *t = &report->rec->replay.totals_inside;
    struct site_values leaks = summary_leaks(report);
    line(report, "allocated", "%s in %s allocations", quantity_size(t->allocated_bytes).text,
         quantity_count(t->allocations).text);
    line(report, "freed", "%s allocations", quantity_count(t->frees - t->unfrees).text);
    if (span_window(report).text[0])
        line(report, "kept", "%s in %s blocks that were allocated in it and not freed by its end",
             quantity_size(leaks.bytes).text, quantity_count(leaks.count).text);
    else
        line(report, "never freed", "%s in %s blocks", quantity_size(leaks.bytes).text,
             quantity_count(leaks.count).text);
}

static void print_trace(const struct report *report)
{
    const struct recording *rec = report->rec;
    uint64_t events = rec->replay.totals.events;
    double per_event = events ? (double)rec->file_bytes / (double)events : 0;
    line(report, "trace", "%s for %s events: %.2f bytes each%s",
         quantity_size(rec->file_bytes).text, quantity_count(events).text, per_event,
         rec->file.complete ? "" : "; incomplete");
    line(report, "holds", "%s stacks, %s functions, %s sites",
         quantity_count(rec->file.stacks).text, quantity_count(rec->file.functions).text,
         quantity_count(rec->replay.sites.count - 1).text);
}

/* One sentence where programs would have native stacks, if only memrec could have read them. */
static void print_no_native(const struct report *report)
{
    const struct model *m = &report->rec->replay.model;
    if (!(report->rec->file.header->flags & TRACE_NATIVE_MISSED))
        return;
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        const struct process *p = model_process_at(m, i);
        if (p && p->in_scope && !p->python->length) {
            line(report, "native",
                 "stacks of programs without Python are not in it: memrec was "
                 "built without its unwinder, or found glibc older than 2.35");
            return;
        }
    }
}

static void print_allocators(const struct report *report)
{
    const struct allocator_total *all = report->rec->replay.totals_inside.allocators;
    uint64_t most = 1;
    struct row row;
    title(report, "Allocators");
    for (unsigned i = 0; i < ALLOCATOR_LIMIT; i++)
        most = all[i].count > most ? all[i].count : most;
    for (unsigned i = 0; i < ALLOCATOR_LIMIT; i++) {
        if (!all[i].count)
            continue;
        row_begin(&row, &report->terminal);
        row_put(&row, STYLE_PLAIN, "  ", 2);
        row_put(&row, STYLE_PLAIN, allocator_name(i), 28);
        row_to(&row, 29);
        row_right(&row, STYLE_PLAIN, quantity_count(all[i].count).text, 15);
        row_right(&row, STYLE_PLAIN, quantity_size(all[i].bytes).text, 11);
        row_put(&row, STYLE_PLAIN, "  ", 2);
        row_bar(&row, STYLE_WARM, all[i].count, most,
                row_left(&row) > 30 ? 30 : row_left(&row) - 1);
        row_end(&row);
    }
}

/* "64 KiB": a power of two, exactly. */
static struct quantity power_of_two(unsigned bits)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct quantity q;
    snprintf(q.text, sizeof q.text, "%u %s", 1u << bits % 10, units[bits / 10 % 5]);
    return q;
}

static void size_label(char *out, size_t capacity, unsigned class, bool utf8)
{
    if (class < 2)
        snprintf(out, capacity, "%u B", class);
    else
        snprintf(out, capacity, "%s %s %s", power_of_two(class - 1).text, utf8 ? "–" : "-",
                 power_of_two(class).text);
}

static void print_size(const struct report *report, unsigned class, uint64_t count, uint64_t most)
{
    char label[96];
    struct row row;
    size_label(label, sizeof label, class, report->terminal.utf8);
    row_begin(&row, &report->terminal);
    row_right(&row, STYLE_PLAIN, label, 21);
    row_right(&row, STYLE_PLAIN, quantity_count(count).text, 16);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_bar(&row, STYLE_WARM, count, most, row_left(&row) > 40 ? 40 : row_left(&row) - 1);
    row_end(&row);
}

static void print_sizes(const struct report *report)
{
    const uint64_t *sizes = report->rec->replay.totals_inside.sizes;
    enum { CLASSES = sizeof report->rec->replay.totals_inside.sizes / sizeof *sizes };
    uint64_t most = 0;
    for (unsigned i = 0; i < CLASSES; i++)
        most = sizes[i] > most ? sizes[i] : most;
    if (!most)
        return;
    title(report, "Sizes as requested");
    for (unsigned i = 0; i < CLASSES; i++)
        if (sizes[i])
            print_size(report, i, sizes[i], most);
}

static void process_end_words(const struct process *p, char *out, size_t capacity)
{
    if (!p->ended)
        snprintf(out, capacity, "still ran");
    else if (p->end_reason == PROCESS_EXECED)
        snprintf(out, capacity, "exec");
    else if (p->end_reason == PROCESS_GIVEN_UP)
        snprintf(out, capacity, "given up");
    else if (p->status < 0)
        snprintf(out, capacity, "ended");
    else if (WIFSIGNALED((int)p->status))
        snprintf(out, capacity, "signal %d", WTERMSIG((int)p->status));
    else
        snprintf(out, capacity, "exit %d", WEXITSTATUS((int)p->status));
}

static void print_process(const struct report *report, const struct process *p)
{
    char end[32], pid[16], command[1024] = "";
    size_t used = 0;
    struct row row;
    process_end_words(p, end, sizeof end);
    snprintf(pid, sizeof pid, "%u", p->pid);
    for (uint32_t i = 0; i < p->argument_count && used < 900; i++) {
        glyph_append(command, sizeof command, &used, i ? " " : "", i > 0, true);
        glyph_append(command, sizeof command, &used, p->arguments[i]->bytes,
                     p->arguments[i]->length, report->frames.ascii);
    }
    row_begin(&row, &report->terminal);
    row_right(&row, STYLE_PLAIN, pid, 9);
    row_right(&row, STYLE_PLAIN, quantity_size(p->peak_bytes).text, 11);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, STYLE_DIM, end, 12);
    row_to(&row, 34);
    row_put(&row, STYLE_PLAIN, command, row_left(&row));
    row_end(&row);
}

static void print_processes(const struct report *report)
{
    const struct model *m = &report->rec->replay.model;
    uint32_t shown = 0, more = 0;
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        const struct process *p = model_process_at(m, i);
        if (!p || !p->in_scope)
            continue;
        if (!shown)
            title(report, "Processes: pid, own peak, end, command");
        if (shown < PROCESS_ROWS)
            print_process(report, p);
        more += shown++ >= PROCESS_ROWS;
    }
    if (more)
        fprintf(report->terminal.out, "  %s more\n", quantity_count(more).text);
}

static void print_marks(const struct report *report)
{
    const struct model *m = &report->rec->replay.model;
    for (size_t i = 0; i < m->mark_count && i < MARK_ROWS; i++) {
        char name[1100] = "";
        size_t used = 0;
        struct row row;
        if (!i)
            title(report, "Marks");
        glyph_append(name, sizeof name, &used, m->marks[i].name->bytes, m->marks[i].name->length,
                     report->frames.ascii);
        row_begin(&row, &report->terminal);
        row_right(&row, STYLE_PLAIN, quantity_time(m->marks[i].time_ns).text, 16);
        row_put(&row, STYLE_PLAIN, "  ", 2);
        row_put(&row, STYLE_PLAIN, name, row_left(&row));
        row_end(&row);
    }
    if (m->mark_count > MARK_ROWS)
        fprintf(report->terminal.out, "  %s more\n",
                quantity_count(m->mark_count - MARK_ROWS).text);
}

static void print_count(const struct report *report, const char *what, uint64_t count)
{
    struct row row;
    if (!count)
        return;
    row_begin(&row, &report->terminal);
    row_right(&row, STYLE_PLAIN, quantity_count(count).text, 16);
    row_put(&row, STYLE_PLAIN, "  ", 2);
    row_put(&row, STYLE_PLAIN, what, row_left(&row));
    row_end(&row);
}

static void print_events(const struct report *report)
{
    const struct totals *t = &report->rec->replay.totals_inside;
    title(report, "Events");
    print_count(report, "allocations", t->allocations);
    print_count(report, "frees", t->frees);
    print_count(report, "frees taken back (a realloc that failed)", t->unfrees);
    print_count(report, "failed allocations", t->records[RECORD_FAILED]);
    print_count(report, "mappings made", t->records[RECORD_MAP]);
    print_count(report, "mappings moved or resized", t->records[RECORD_REMAP]);
    print_count(report, "mappings removed", t->records[RECORD_UNMAP]);
    print_count(report, "protections changed", t->records[RECORD_PROTECT]);
    print_count(report, "pages given back", t->records[RECORD_DISCARD]);
}

static void print_losses(const struct report *report)
{
    const struct recording *rec = report->rec;
    const struct totals *t = &rec->replay.totals;
    uint64_t any = rec->file.damage_count + t->unknown_frees + t->unknown_addresses +
                   t->lost_frees + t->replaced + t->late + t->impossible;
    for (unsigned i = 0; i < REASON_COUNT; i++)
        any += rec->replay.model.lost_by_reason[i];
    if (!any)
        return;
    title(report, "Not in the trace, or not understood");
    for (unsigned i = 0; i < REASON_COUNT; i++)
        print_count(report, loss_words(i), rec->replay.model.lost_by_reason[i]);
    print_count(report, "blocks of the trace damaged or missing", recording_damaged_blocks(rec));
    print_count(report, "frees of allocations in damaged blocks", t->lost_frees);
    print_count(report, "frees of allocations that were never recorded",
                t->unknown_frees + t->unknown_addresses);
    print_count(report, "allocations at an address that was still live", t->replaced);
    print_count(report, "events of a process after its end", t->late);
    print_count(report, "events with impossible sizes", t->impossible);
}

int summary_report(struct report *report)
{
    struct holdings h = holdings_at_moment(report);
    if (report->options->json) {
        summary_json(report, &h);
        return 0;
    }
    heading_command(report);
    fputc('\n', report->terminal.out);
    print_started(report);
    print_end(report);
    print_peak(report, &h);
    print_totals(report);
    print_trace(report);
    print_no_native(report);
    print_allocators(report);
    print_sizes(report);
    print_processes(report);
    print_marks(report);
    print_events(report);
    print_losses(report);
    return 0;
}
