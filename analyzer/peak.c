/* `memreplay peak`: who held the memory at the high-water mark, or at another moment.
 * Why a head before the tree: requested, touched and RSS answer different questions, and the one
 * surprise that people bring
 * ("htop says 600 MB") is answered there. Not here: choosing the moment (replay/moment.h), the tree
 * (tree_view.h). */
#include "analyzer/glyph.h"
#include "analyzer/heading.h"
#include "analyzer/holdings.h"
#include "analyzer/quantity.h"
#include "analyzer/span.h"
#include "analyzer/table_view.h"
#include "analyzer/trace_json.h"
#include "analyzer/tree_view.h"
#include <string.h>

static int write_json(struct report *report, const struct holdings *h)
{
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    span_json(&j, report);
    holdings_json(&j, "peak", h);
    json_processes(&j, report);
    int rc = json_stacks(&j, report, MEASURE_MOMENT);
    json_end_object(&j);
    return rc;
}

/* "live at the peak", "live at mark loaded", "live at the maximum between …". */
static struct span moment_words(const struct report *report)
{
    const struct options *o = report->options;
    struct span words, where = span_window(report);
    bool peak = o->at.kind == WHEN_NONE || o->at.kind == WHEN_PEAK;
    if (!peak)
        where = span_at(report);
    const char *how = !peak           ? (where.text[0] ? "at " : "")
                      : where.text[0] ? "at the maximum "
                                      : "at the peak";
    snprintf(words.text, sizeof words.text, "live%s%s%.370s", how[0] ? " " : "", how, where.text);
    return words;
}

static void print_requested(const struct report *report, const struct holdings *h)
{
    char thread[256] = "";
    size_t used = 0;
    if (report->options->thread) {
        used = (size_t)snprintf(thread, sizeof thread, " of thread ");
        glyph_append(thread, sizeof thread, &used, report->options->thread,
                     strlen(report->options->thread), report->frames.ascii);
    }
    heading_bytes(report, STYLE_HOT, h->values.bytes, "%s%s, %s into %s, in %s block%s",
                  moment_words(report).text, thread, quantity_time(h->time_ns).text,
                  quantity_time(report->rec->duration_ns).text,
                  quantity_count(h->values.count).text, h->values.count == 1 ? "" : "s");
}

/* Told where more than 3% was never touched. */
static void print_resident(const struct report *report, const struct holdings *h)
{
    uint64_t bytes = h->values.bytes, resident = h->values.resident_bytes,
             untouched = bytes - resident;
    if (untouched > bytes / 32)
        heading_bytes(report, STYLE_WARM, resident, "of it resident: %s of this was never touched",
                      quantity_size(untouched).text);
    if (h->values.unsampled_bytes > bytes / 32)
        heading_bytes(report, STYLE_PLAIN, h->values.unsampled_bytes,
                      "was never sampled: blocks count as requested, reservations 0");
}

static void print_beside(const struct report *report, const struct holdings *h)
{
    uint64_t least = h->values.bytes / 100;
    if (h->rss_bytes)
        heading_bytes(report, STYLE_PLAIN, h->rss_bytes, "RSS as the kernel counted it then%s",
                      h->processes > 1 ? ", shared pages in each process" : "");
    if (h->mapped_bytes > least)
        heading_bytes(report, STYLE_PLAIN, h->mapped_bytes, "beside it in mapped files");
    if (h->shared_bytes > least)
        heading_bytes(report, STYLE_PLAIN, h->shared_bytes, "beside it in shared memory");
    if (h->python_retained_bytes > least)
        heading_bytes(report, STYLE_PLAIN, h->python_retained_bytes,
                      "beside it retained by Python's allocator for small objects");
}

int peak_report(struct report *report)
{
    struct holdings h = holdings_at_moment(report);
    if (report->options->json)
        return write_json(report, &h);
    heading_command(report);
    fputc('\n', report->terminal.out);
    print_requested(report, &h);
    print_resident(report, &h);
    print_beside(report, &h);
    if (!h.values.count)
        return 0;
    fputc('\n', report->terminal.out);
    return report->options->table ? table_view(report, MEASURE_MOMENT, h.values.bytes)
                                  : tree_view(report, MEASURE_MOMENT, h.values.bytes);
}
