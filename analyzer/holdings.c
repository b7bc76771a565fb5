/* Sums at the moment over sites and processes (holdings.h). Why computed late: only reports
 * need them, the replay does not. */
#include "analyzer/holdings.h"

static void sum_pools(struct replay *r)
{
    for (uint32_t i = 0; i < r->model.processes.limit; i++) {
        struct process *p = model_process_at(&r->model, i);
        if (p)
            p->pooled_bytes = 0;
    }
    for (uint32_t id = 1; id < r->sites.count; id++) {
        const struct lane *lane = site_lane(&r->sites, id);
        struct process *p = model_process_at(&r->model, lane->process);
        if (p && allocator_pooled(lane->allocator))
            p->pooled_bytes += site_then(&r->sites, id).bytes;
    }
}

struct holdings holdings_at_moment(const struct report *report)
{
    struct replay *r = &report->rec->replay;
    struct holdings h = {.values = selection_total(report, MEASURE_MOMENT),
                         .time_ns = r->moment.time_ns};
    sum_pools(r);
    for (uint32_t i = 0; i < r->model.processes.limit; i++) {
        const struct process *p = model_process_at(&r->model, i);
        if (!p || !p->in_scope)
            continue;
        struct sums then = process_then(r, p);
        h.rss_bytes += then.rss_bytes;
        h.mapped_bytes += then.mapped_bytes;
        h.shared_bytes += then.shared_bytes;
        h.python_retained_bytes +=
            then.arena_bytes > p->pooled_bytes ? then.arena_bytes - p->pooled_bytes : 0;
        h.processes += then.live_bytes > 0;
    }
    return h;
}

void holdings_json(struct json *j, const char *key, const struct holdings *h)
{
    json_object(j, key);
    json_number(j, "bytes", h->values.bytes);
    json_number(j, "allocations", h->values.count);
    json_number(j, "time_ns", h->time_ns);
    json_number(j, "resident_bytes", h->values.resident_bytes);
    json_number(j, "unsampled_bytes", h->values.unsampled_bytes);
    json_number(j, "rss_bytes", h->rss_bytes);
    json_number(j, "mapped_bytes", h->mapped_bytes);
    json_number(j, "shared_bytes", h->shared_bytes);
    json_number(j, "python_retained_bytes", h->python_retained_bytes);
    json_end_object(j);
}
