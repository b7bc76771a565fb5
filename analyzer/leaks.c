/* `memreplay leaks`: what was live when its own process ended.
 * Why per process: a child that frees nothing before it exits leaks nothing of its parent's. An
 * exec'd image leaks nothing: its memory is given back by design. Not here: the tree (tree_view.h).
 */
#include "analyzer/heading.h"
#include "analyzer/quantity.h"
#include "analyzer/span.h"
#include "analyzer/table_view.h"
#include "analyzer/trace_json.h"
#include "analyzer/tree_view.h"

static int write_json(struct report *report, const struct site_values *total)
{
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    span_json(&j, report);
    json_total(&j, total);
    int rc = json_stacks(&j, report, MEASURE_LEAKS);
    json_end_object(&j);
    return rc;
}

/* What is listed, in words. */
static void print_total(const struct report *report, const struct site_values *total)
{
    const struct options *o = report->options;
    const char *blocks = total->count == 1 ? "" : "s", *count = quantity_count(total->count).text;
    bool from = o->from.kind != WHEN_NONE, to = o->to.kind != WHEN_NONE && o->to.kind != WHEN_END;
    struct span until = o->at.kind != WHEN_NONE ? span_at_time(report) : span_to(report);
    if (from && to)
        heading_bytes(report, STYLE_HOT, total->bytes,
                      "allocated %s and not freed by then, in %s block%s", span_window(report).text,
                      count, blocks);
    else if (from)
        heading_bytes(report, STYLE_HOT, total->bytes,
                      "allocated %s and never freed, in %s block%s", span_window(report).text,
                      count, blocks);
    else if (to || (o->at.kind != WHEN_NONE && o->at.kind != WHEN_END))
        heading_bytes(report, STYLE_HOT, total->bytes, "not freed by %s, in %s block%s", until.text,
                      count, blocks);
    else
        heading_bytes(report, STYLE_HOT, total->bytes, "never freed, in %s block%s", count, blocks);
}

int leaks_report(struct report *report)
{
    struct site_values total = selection_total(report, MEASURE_LEAKS);
    if (report->options->json)
        return write_json(report, &total);
    heading_command(report);
    fputc('\n', report->terminal.out);
    print_total(report, &total);
    if (!total.count)
        return 0;
    fputc('\n', report->terminal.out);
    return report->options->table ? table_view(report, MEASURE_LEAKS, total.bytes)
                                  : tree_view(report, MEASURE_LEAKS, total.bytes);
}
