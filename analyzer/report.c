/* Common parts of reports: set-up, and which sites with which values one lists (report.h). Why an
 * iterator: text and JSON walk the same selection. */
#include "analyzer/report.h"

void report_init(struct report *report, const struct options *options, struct recording *rec,
                 FILE *out)
{
    *report = (struct report){.options = options, .rec = rec};
    terminal_init(&report->terminal, out, options->no_color);
    report->frames =
        (struct frame_style){!report->terminal.utf8, frame_home(&rec->replay.model.symbols)};
}

void selection_start(struct selection *s, const struct report *report, enum measure measure)
{
    *s = (struct selection){.report = report, .measure = measure};
}

void selection_of_process(struct selection *s, const struct report *report, enum measure measure,
                          const struct process *process)
{
    *s = (struct selection){.report = report, .measure = measure, .process = process};
}

/* Moves to the next site; false at the end. */
static bool next_site(struct selection *s)
{
    const struct sites *sites = &s->report->rec->replay.sites;
    if (s->process)
        s->site = s->site ? sites->items[s->site].next : s->process->first_site;
    else
        s->site++;
    return s->site && s->site < sites->count;
}

/* What was never freed; where the options ask for an interval, of what it allocated. */
static struct site_values leak_of(const struct sites *sites, uint32_t id)
{
    if (sites->parted && !site_lane(sites, id)->inside)
        return (struct site_values){0};
    return site_leak(sites, id);
}

struct site_values measure_values(const struct sites *sites, enum measure measure, uint32_t id)
{
    struct site_temporary temporary;
    struct site_total total;
    switch (measure) {
    case MEASURE_LEAKS: return leak_of(sites, id);
    case MEASURE_TEMPORARY:
        temporary = site_temporary(sites, id);
        return (struct site_values){temporary.bytes, temporary.bytes, 0, temporary.count};
    case MEASURE_TOTALS:
        total = site_total(sites, id);
        return (struct site_values){total.bytes, total.bytes, 0, total.count};
    default: return site_then(sites, id);
    }
}

struct site_values report_values(const struct report *report, enum measure measure, uint32_t site)
{
    const struct sites *sites = &report->rec->replay.sites;
    struct site_values sum = measure_values(sites, measure, site);
    while (sites->same && (site = sites->same[site] & ~SITE_FOLLOWS)) {
        struct site_values more = measure_values(sites, measure, site);
        sum.bytes += more.bytes;
        sum.resident_bytes += more.resident_bytes;
        sum.unsampled_bytes += more.unsampled_bytes;
        sum.count += more.count;
    }
    return sum;
}

bool report_lets(const struct report *report, uint32_t site)
{
    const struct sites *sites = &report->rec->replay.sites;
    const char *thread = report->options->thread;
    if (sites->same && sites->same[site] & SITE_FOLLOWS)
        return false;
    return !thread || recording_thread_is(report->rec, site_lane(sites, site)->thread, thread);
}

bool selection_next(struct selection *s)
{
    const struct sites *sites = &s->report->rec->replay.sites;
    while (next_site(s)) {
        if (sites->same && sites->same[s->site] & SITE_FOLLOWS)
            continue;
        s->values = report_values(s->report, s->measure, s->site);
        if (!s->values.count && !s->values.bytes)
            continue;
        if (report_lets(s->report, s->site))
            return true;
    }
    return false;
}

struct site_values selection_total(const struct report *report, enum measure measure)
{
    struct selection s;
    struct site_values total = {0};
    for (selection_start(&s, report, measure); selection_next(&s);) {
        total.bytes += s.values.bytes;
        total.resident_bytes += s.values.resident_bytes;
        total.unsampled_bytes += s.values.unsampled_bytes;
        total.count += s.values.count;
    }
    return total;
}
