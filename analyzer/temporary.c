/* `memreplay temporary`: allocations that the same thread freed again within N further allocations
 * of its own. Why: memory that is asked for and given back at once costs time, and often a better
 * place for it is near. Bytes are summed over the whole run, so they may exceed the peak by far.
 * Not here: the counting (replay/replay.c). */
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
    json_number(&j, "threshold", report->options->threshold);
    json_total(&j, total);
    int rc = json_stacks(&j, report, MEASURE_TEMPORARY);
    json_end_object(&j);
    return rc;
}

int temporary_report(struct report *report)
{
    struct site_values total = selection_total(report, MEASURE_TEMPORARY);
    const struct totals *all = &report->rec->replay.totals_inside;
    struct span window = span_window(report), at = span_at_time(report);
    bool has_at = report->options->at.kind != WHEN_NONE;
    if (report->options->json)
        return write_json(report, &total);
    heading_command(report);
    fputc('\n', report->terminal.out);
    heading_bytes(report, STYLE_HOT, total.bytes,
                  "allocated and freed again within %s allocation%s of its thread%s%s%s",
                  quantity_count(report->options->threshold).text,
                  report->options->threshold == 1 ? "" : "s", has_at || window.text[0] ? ", " : "",
                  has_at ? "up to " : "", has_at ? at.text : window.text);
    heading_line(report, "%s of %s allocations (%s)", quantity_count(total.count).text,
                 quantity_count(all->allocations).text,
                 quantity_share(total.count, all->allocations).text);
    if (!total.count)
        return 0;
    fputc('\n', report->terminal.out);
    return report->options->table ? table_view(report, MEASURE_TEMPORARY, total.bytes)
                                  : tree_view(report, MEASURE_TEMPORARY, total.bytes);
}
