/* `memreplay check`: a budget that holds or does not. Why each measure is replayed by itself: what
 * it says must be what `memreplay peak`, `leaks` and `temporary` say, in windows too. */
#include "analyzer/check.h"

#include "analyzer/function_match.h"
#include "analyzer/output.h"
#include "analyzer/tool.h"
#include "format/bits.h"
#include "format/grow.h"
#include <stdlib.h>
#include <string.h>

/* One measure of the trace and of the baseline, compared. */
struct comparing {
    struct paths paths;
    struct profile runs[PATH_SIDES];
    struct comparison comparison;
};

static int no_memory(struct err *err) { return err_set(err, ERR_NOMEM, "out of memory"); }

static struct verdict *add(struct check *c, enum verdict_kind kind)
{
    if (c->count == c->capacity && !GROW(c->verdicts, c->capacity, 8))
        return 0;
    c->verdicts[c->count] = (struct verdict){.kind = kind, .seen = true};
    return &c->verdicts[c->count++];
}

/* Judges a verdict whose bytes are set. */
static int judge(struct verdict *v, const struct comparing *m, uint64_t limit_bytes,
                 const uint64_t *matched)
{
    v->limit_bytes = limit_bytes;
    v->holds = v->bytes <= limit_bytes;
    return v->holds ? 0 : check_offenders(v, &m->comparison, matched, v->kind == VERDICT_GROWTH);
}

static int judge_sum(struct check *c, const struct comparing *m, enum verdict_kind kind,
                     const struct bound *limit)
{
    struct verdict *v = limit->given ? add(c, kind) : 0;
    if (!v)
        return limit->given ? -ERR_NOMEM : 0;
    const struct profile *before = &m->runs[0], *after = &m->runs[1];
    bool rss = kind == VERDICT_RSS;
    v->bytes = rss ? after->rss_high_bytes : after->held.values.bytes;
    v->before_bytes = rss ? before->rss_high_bytes : before->held.values.bytes;
    v->blocks = rss ? 0 : after->held.values.count;
    v->seen = !rss || v->bytes;
    return judge(v, m, limit->bytes, 0);
}

/* What the baseline's peak may grow to. */
static uint64_t grown(uint64_t bytes, const struct bound *growth)
{
    __uint128_t share = (__uint128_t)bytes * growth->share_ppm / 1000000;
    return bytes + (growth->is_share ? (uint64_t)share : growth->bytes);
}

static int judge_growth(struct check *c, const struct comparing *m)
{
    struct verdict *v = c->budget.growth.given ? add(c, VERDICT_GROWTH) : 0;
    if (!v)
        return c->budget.growth.given ? -ERR_NOMEM : 0;
    v->bytes = m->runs[1].held.values.bytes;
    v->before_bytes = m->runs[0].held.values.bytes;
    return judge(v, m, grown(v->before_bytes, &c->budget.growth), 0);
}

/* Is growth judged between two moments of the one run? */
static bool within_run(const struct check *c)
{
    return c->budget.growth.given && !c->budget.baseline;
}

/* Marks the paths in which a function of this name stands anywhere. Did the trace ever run one? */
static bool match(const struct check *c, const struct paths *p, const char *wanted, uint64_t *nodes)
{
    bool *functions = calloc(p->function_count + 1ul, sizeof *functions);
    bool seen = false;
    for (uint32_t i = 1; functions && i < p->function_count; i++) {
        const struct path_function *f = &p->functions[i];
        if (!f->files[1] || !function_match(wanted, f->name, f->files[1], f->kind, c->bare_names))
            continue;
        functions[i] = seen = true;
    }
    for (uint32_t node = PATH_UNKNOWN + 1; functions && node < p->node_count; node++)
        if (functions[p->nodes[node].function] || bits_has(nodes, p->nodes[node].parent))
            bits_add(nodes, node);
    free(functions);
    return seen;
}

static int judge_function(struct check *c, const struct comparing *m,
                          const struct function_limit *limit)
{
    const struct paths *p = &m->paths;
    struct verdict *v = add(c, VERDICT_FUNCTION);
    uint64_t *nodes = bits_new(p->node_count);
    if (!v || !nodes) {
        free(nodes);
        return -ERR_NOMEM;
    }
    v->function = limit->function;
    v->seen = match(c, p, limit->function, nodes);
    for (uint32_t node = 0; node < p->node_count; node++) {
        if (!bits_has(nodes, node))
            continue;
        v->bytes += m->comparison.nodes[node].bytes[1];
        v->before_bytes += m->comparison.nodes[node].bytes[0];
        v->blocks += m->comparison.nodes[node].counts[1];
    }
    int rc = judge(v, m, limit->bytes, nodes);
    free(nodes);
    return rc;
}

static int judge_all(struct check *c, const struct comparing *m, enum measure measure)
{
    const struct budget *b = &c->budget;
    if (measure == MEASURE_LEAKS)
        return judge_sum(c, m, VERDICT_LEAKS, &b->leaks);
    if (measure == MEASURE_TEMPORARY)
        return judge_sum(c, m, VERDICT_TEMPORARY, &b->temporary);
    int rc = judge_sum(c, m, VERDICT_PEAK, &b->peak);
    if (!rc && !within_run(c))
        rc = judge_growth(c, m);
    for (size_t i = 0; i < b->function_count && !rc; i++)
        rc = judge_function(c, m, &b->functions[i]);
    return rc ? rc : judge_sum(c, m, VERDICT_RSS, &b->rss);
}

/* Loads both sides, before without a name as an empty one, and compares them. */
static int compare(const struct check *c, struct comparing *m, const char *before,
                   const struct options *options_before, const struct options *options,
                   enum measure measure, struct work *work, struct err *err)
{
    struct comparison *found = &m->comparison;
    if (paths_init(&m->paths))
        return no_memory(err);
    int rc = profile_load(&m->runs[1], &m->paths, options->trace, options, measure, 1, work, err);
    if (!rc && before)
        rc = profile_load(&m->runs[0], &m->paths, before, options_before, measure, 0, work, err);
    if (rc)
        return rc;
    return comparison_init(found, &m->paths, &m->runs[0], 1, &m->runs[1], 1, &c->options->noise)
               ? no_memory(err)
               : 0;
}

/* The trace beside the baseline, if there is one. */
static int load(struct check *c, struct comparing *m, enum measure measure, struct work *work,
                struct err *err)
{
    static const enum command_id commands[] = {[MEASURE_MOMENT] = COMMAND_peak,
                                               [MEASURE_LEAKS] = COMMAND_leaks,
                                               [MEASURE_TEMPORARY] = COMMAND_temporary};
    struct options made = *c->options;
    made.command = commands[measure];
    return compare(c, m, c->budget.baseline, &made, &made, measure, work, err);
}

/* The window's end beside its beginning. */
static int load_moments(struct check *c, struct comparing *m, struct work *work, struct err *err)
{
    static const struct when none, end = {.kind = WHEN_END, .text = "end"};
    struct options from = *c->options, to = *c->options;
    from.command = to.command = COMMAND_peak;
    from.at = c->options->from;
    to.at = c->options->to.kind == WHEN_NONE ? end : c->options->to;
    from.from = from.to = to.from = to.to = none;
    return compare(c, m, from.trace, &from, &to, MEASURE_MOMENT, work, err);
}

/* What the first measure found out about the runs stays for the report. */
static void keep(struct check *c, struct comparing *m)
{
    for (unsigned side = 0; side < PATH_SIDES; side++) {
        struct profile *kept = side ? &c->first : &c->baseline;
        if (!kept->name && m->runs[side].name && (side || c->budget.baseline)) {
            *kept = m->runs[side];
            kept->values = 0;
            m->runs[side].trace_json = 0;
        }
    }
    c->bare_names = c->first.bare_names;
}

/* moments: growth within the run, not the measure. */
static int check_measure(struct check *c, enum measure measure, bool moments, struct work *work,
                         struct err *err)
{
    struct comparing *m = calloc(1, sizeof *m);
    if (!m)
        return no_memory(err);
    int rc = moments ? load_moments(c, m, work, err) : load(c, m, measure, work, err);
    if (!rc) {
        keep(c, m);
        rc = (moments ? judge_growth(c, m) : judge_all(c, m, measure)) ? no_memory(err) : 0;
    }
    comparison_release(&m->comparison);
    profile_release(&m->runs[0]);
    profile_release(&m->runs[1]);
    paths_release(&m->paths);
    free(m);
    return rc;
}

/* Notes on a file are said once, however often it is read. */
static int check_measures(struct check *c, struct work *work, struct err *err)
{
    enum { MOMENTS = MEASURE_TEMPORARY + 1, PASSES };
    const struct budget *b = &c->budget;
    bool growth = b->growth.given && !within_run(c);
    bool wanted[PASSES] = {[MEASURE_MOMENT] =
                               b->peak.given || b->rss.given || growth || b->function_count,
                           [MEASURE_LEAKS] = b->leaks.given,
                           [MEASURE_TEMPORARY] = b->temporary.given,
                           [MOMENTS] = within_run(c)};
    struct work quiet = *work, *with = work;
    int rc = 0, readings = wanted[0] + wanted[1] + wanted[2] + 2 * wanted[MOMENTS];
    if (readings > 1 && !strcmp(c->options->trace, "-"))
        return err_set(err, ERR_USAGE,
                       "stdin cannot be read twice, and the peak, leaks, temporary blocks and two "
                       "moments are a reading each; give a file");
    quiet.notes = fopen("/dev/null", "we");
    for (int i = 0; i < PASSES && !rc; i++) {
        if (!wanted[i])
            continue;
        rc = check_measure(c, i, i == MOMENTS, with, err);
        with = quiet.notes ? &quiet : work;
    }
    work->damaged |= quiet.damaged;
    if (quiet.notes)
        fclose(quiet.notes);
    return rc;
}

static int tell(const struct check *c, struct err *err)
{
    struct output out;
    int rc = output_open(&out, c->options, err);
    if (rc)
        return rc;
    if (c->options->json)
        check_json(c, out.file);
    else
        check_text(c, out.file);
    rc = output_close(&out, 0, err);
    for (size_t i = 0; i < c->count && !rc; i++)
        if (!c->verdicts[i].holds)
            return TOOL_EXCEEDED;
    return rc;
}

int check_run(const struct options *o, struct work *work, struct err *err)
{
    struct check c = {.options = o};
    int rc = budget_init(&c.budget, o, err);
    rc = rc ? rc : check_measures(&c, work, err);
    rc = rc ? rc : tell(&c, err);
    free(c.verdicts);
    profile_release(&c.first);
    profile_release(&c.baseline);
    budget_release(&c.budget);
    return rc;
}
