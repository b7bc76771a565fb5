/* `memreplay check --json`: every verdict with its figures. Why the offenders only where a limit is
 * exceeded: who holds what otherwise is what `peak` and `diff` tell. */
#include "analyzer/check.h"

#include "analyzer/json.h"

static const char *const kind_names[] = {
    [VERDICT_PEAK] = "max-peak",     [VERDICT_RSS] = "max-rss",
    [VERDICT_LEAKS] = "max-leaks",   [VERDICT_TEMPORARY] = "max-temporary",
    [VERDICT_GROWTH] = "max-growth", [VERDICT_FUNCTION] = "limit"};

/* Since the baseline, or since the window's beginning. */
static void json_growth(const struct check *c, struct json *j, const struct verdict *v,
                        uint64_t before_bytes, uint64_t bytes)
{
    if (!c->baseline.name && v->kind != VERDICT_GROWTH)
        return;
    json_number(j, c->baseline.name ? "baseline_bytes" : "from_bytes", before_bytes);
    json_signed(j, "growth_bytes", difference(before_bytes, bytes));
}

static void json_offender(const struct check *c, struct json *j, const struct verdict *v,
                          const struct offender *o)
{
    json_flat_object(j, 0);
    json_string(j, "function", o->function);
    json_string(j, "file", o->path);
    json_number(j, "bytes", o->bytes);
    json_growth(c, j, v, o->before_bytes, o->bytes);
    json_end_object(j);
}

static void json_verdict(const struct check *c, struct json *j, const struct verdict *v)
{
    json_object(j, 0);
    json_string(j, "check", kind_names[v->kind]);
    if (v->function)
        json_string(j, "function", v->function);
    json_bool(j, "holds", v->holds);
    if (v->kind == VERDICT_FUNCTION || v->kind == VERDICT_RSS)
        json_bool(j, "seen", v->seen);
    json_number(j, "bytes", v->bytes);
    json_number(j, "limit_bytes", v->limit_bytes);
    json_number(j, "excess_bytes", v->holds ? 0 : v->bytes - v->limit_bytes);
    if (v->kind != VERDICT_RSS)
        json_number(j, "allocations", v->blocks);
    json_growth(c, j, v, v->before_bytes, v->bytes);
    json_array(j, "offenders");
    for (int i = 0; i < v->offender_count; i++)
        json_offender(c, j, v, &v->offenders[i]);
    json_end_array(j);
    json_end_object(j);
}

void check_json(const struct check *c, FILE *out)
{
    struct json j;
    bool holds = true;
    for (size_t i = 0; i < c->count; i++)
        holds &= c->verdicts[i].holds;
    json_init(&j, out);
    json_object(&j, 0);
    json_string(&j, "schema", "memreplay.check/1");
    json_part(&j, c->first.trace_json);
    if (c->baseline.name)
        json_string(&j, "baseline", c->baseline.name);
    if (c->options->from.kind != WHEN_NONE)
        json_string(&j, "from", c->options->from.text);
    if (c->options->to.kind != WHEN_NONE)
        json_string(&j, "to", c->options->to.text);
    json_bool(&j, "holds", holds);
    json_array(&j, "checks");
    for (size_t i = 0; i < c->count; i++)
        json_verdict(c, &j, &c->verdicts[i]);
    json_end_array(&j);
    json_end_object(&j);
}
