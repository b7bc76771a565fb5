/* `memreplay leaks`: what was live when its own process ended.
 * Why per process: a child that frees nothing before it exits leaks nothing of its parent's. An
 * exec'd image leaks nothing: its memory is given back by design. Not here: the tree (tree_view.h).
 */
#include "analyzer/heading.h"
#include "analyzer/quantity.h"
#include "analyzer/table_view.h"
#include "analyzer/trace_json.h"
#include "analyzer/tree_view.h"

static int write_json(struct report *report, const struct site_values *total)
{
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    if (report->options->at.kind != WHEN_NONE)
        json_string(&j, "at", report->options->at.text);
    json_total(&j, total);
    int rc = json_stacks(&j, report, MEASURE_LEAKS);
    json_end_object(&j);
    return rc;
}

int leaks_report(struct report *report)
{
    struct site_values total = selection_total(report, MEASURE_LEAKS);
    if (report->options->json)
        return write_json(report, &total);
    heading_command(report);
    fputc('\n', report->terminal.out);
    heading_bytes(report, STYLE_HOT, total.bytes, "never freed, in %s block%s",
                  quantity_count(total.count).text, total.count == 1 ? "" : "s");
    if (!total.count)
        return 0;
    fputc('\n', report->terminal.out);
    return report->options->table ? table_view(report, MEASURE_LEAKS, total.bytes)
                                  : tree_view(report, MEASURE_LEAKS, total.bytes);
}
