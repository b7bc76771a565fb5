/* Words for moments and intervals (span.h). Why times in brackets: a name says which, a time says
 * where to look on the timeline. */
#include "analyzer/span.h"

#include "analyzer/choice.h"
#include "analyzer/glyph.h"
#include "analyzer/quantity.h"
#include <string.h>

static void append(struct span *span, const char *text)
{
    size_t used = strlen(span->text);
    glyph_append(span->text, sizeof span->text, &used, text, strlen(text), false);
}

/* What was typed, as people read it. */
static struct span name_of(const struct report *report, const struct when *when)
{
    struct span span = {""};
    size_t used = 5;
    switch (when->kind) {
    case WHEN_START: append(&span, "the start"); break;
    case WHEN_PEAK: append(&span, "the peak"); break;
    case WHEN_SHARE: append(&span, when->text); break;
    case WHEN_MARK:
        append(&span, "mark ");
        glyph_append(span.text, 200, &used, when->mark, strlen(when->mark), report->frames.ascii);
        break;
    case WHEN_TIME: break;
    default: append(&span, "the end");
    }
    return span;
}

static struct span with_time(const struct report *report, const struct when *when, uint64_t time_ns)
{
    struct span span = name_of(report, when);
    bool bare = !span.text[0];
    if (when->kind == WHEN_START || when->kind == WHEN_NONE || when->kind == WHEN_END)
        return span;
    append(&span, bare ? "" : " (");
    append(&span, quantity_time(when->kind == WHEN_TIME ? when->time_ns : time_ns).text);
    append(&span, bare ? "" : ")");
    return span;
}

struct span span_from(const struct report *report)
{
    return with_time(report, &report->options->from, report->rec->replay.window.from_ns);
}

struct span span_to(const struct report *report)
{
    return with_time(report, &report->options->to, report->rec->replay.window.to_ns);
}

struct span span_at(const struct report *report) { return name_of(report, &report->options->at); }

struct span span_at_time(const struct report *report)
{
    return with_time(report, &report->options->at, report->rec->replay.moment.time_ns);
}

struct span span_window(const struct report *report)
{
    const struct options *o = report->options;
    struct span span = {""};
    bool from = o->from.kind != WHEN_NONE && o->from.kind != WHEN_START;
    bool to = o->to.kind != WHEN_NONE && o->to.kind != WHEN_END;
    if (!from && !to)
        return span;
    append(&span, from && to ? "between " : from ? "from " : "up to ");
    append(&span, from ? span_from(report).text : span_to(report).text);
    append(&span, from && to ? " and " : from ? " on" : "");
    append(&span, from && to ? span_to(report).text : "");
    return span;
}

void span_json(struct json *j, const struct report *report)
{
    const struct options *o = report->options;
    const struct window *w = &report->rec->replay.window;
    if (o->at.kind != WHEN_NONE)
        json_string(j, "at", o->at.text);
    if (!choice_window(o))
        return;
    json_flat_object(j, "window");
    json_string(j, "from", o->from.kind != WHEN_NONE ? o->from.text : "start");
    json_string(j, "to", o->to.kind != WHEN_NONE ? o->to.text : "end");
    json_number(j, "from_ns", w->from_ns);
    json_number(j, "to_ns", w->to_ns);
    json_end_object(j);
}
