/* `memreplay closing`: the few lines that memrec prints when a program has ended: its peak and the
 * three largest holders. Why the innermost frame of the program's own code: "read_csv" holds the
 * memory of half the world's jobs; the line that called it is the one that can be changed. Where
 * all frames are the library's, the innermost one stands. Not here: everything else about the peak
 * (peak.c). */
#include "analyzer/heading.h"
#include "analyzer/holdings.h"
#include "analyzer/quantity.h"
#include "analyzer/trace_json.h"
#include <stdlib.h>

#define HOLDERS 3

struct holder {
    uint64_t line, bytes;
    uint32_t function; /* 0: no Python frame */
};

static struct holder holder_of(const struct report *report, uint32_t stack)
{
    const struct symbols *s = &report->rec->replay.model.symbols;
    struct holder innermost = {0};
    const struct stack_node *node;
    while ((node = symbols_stack(s, stack)) != NULL) {
        const struct frame *frame = symbols_frame(s, node);
        struct holder here = {.line = frame->line, .function = frame->function};
        if (!frame_library(s, frame->function))
            return here;
        if (!innermost.function)
            innermost = here;
        stack = node->parent_plus_1 ? node->parent_plus_1 - 1 : 0;
    }
    return innermost;
}

static int by_place(const void *a, const void *b)
{
    const struct holder *left = a, *right = b;
    if (left->function != right->function)
        return left->function < right->function ? -1 : 1;
    return left->line < right->line ? -1 : left->line > right->line;
}

static int by_bytes(const void *a, const void *b)
{
    const struct holder *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return by_place(a, b);
}

/* All holders, one a site, in a new array. Returns its length, or -ERR_NOMEM. */
static int64_t collect(const struct report *report, struct holder **out)
{
    const struct sites *sites = &report->rec->replay.sites;
    struct holder *holders = calloc(sites->count + 1, sizeof *holders);
    struct selection s;
    int64_t count = 0;
    if (!holders)
        return -ERR_NOMEM;
    for (selection_start(&s, report, MEASURE_MOMENT); selection_next(&s); count++) {
        holders[count] = holder_of(report, site_stack(sites, s.site));
        holders[count].bytes = s.values.bytes;
    }
    *out = holders;
    return count;
}

/* Sums up holders of one place. Returns how many remain, largest first. */
static int64_t merge(struct holder *holders, int64_t count)
{
    int64_t kept = 0;
    qsort(holders, (size_t)count, sizeof *holders, by_place);
    for (int64_t i = 0; i < count; i++) {
        if (kept && by_place(&holders[kept - 1], &holders[i]) == 0)
            holders[kept - 1].bytes += holders[i].bytes;
        else
            holders[kept++] = holders[i];
    }
    qsort(holders, (size_t)kept, sizeof *holders, by_bytes);
    return kept;
}

static void print_holder(const struct report *report, const struct holder *h)
{
    const struct symbols *s = &report->rec->replay.model.symbols;
    char function[512] = "(no Python stack)", place[1024] = "";
    if (h->function) {
        frame_function(function, sizeof function, s, h->function, h->line, &report->frames);
        frame_place(place, sizeof place, s, h->function, h->line, &report->frames);
    }
    heading_bytes(report, STYLE_PLAIN, h->bytes, "%s %s", function, place);
}

static void write_json(const struct report *report, const struct holdings *h)
{
    struct json j;
    json_init(&j, report->terminal.out);
    json_report(&j, report);
    holdings_json(&j, "peak", h);
    json_end_object(&j);
}

int closing_report(struct report *report)
{
    struct holdings h = holdings_at_moment(report);
    struct holder *holders;
    if (report->options->json) {
        write_json(report, &h);
        return 0;
    }
    int64_t count = collect(report, &holders);
    if (count < 0)
        return (int)count;
    count = merge(holders, count);
    heading_bytes(report, STYLE_HOT, h.values.bytes,
                  "at the peak, %s into %s; the largest holders:", quantity_time(h.time_ns).text,
                  quantity_time(report->rec->duration_ns).text);
    for (int64_t i = 0; i < count && i < HOLDERS; i++)
        print_holder(report, &holders[i]);
    free(holders);
    return 0;
}
