/* `memreplay diff`: what changed between two runs, or between two moments of one.
 * Why the sides are read one after another: of each, only what its call paths held is kept
 * (profile.h). Not here: matching (paths.h, origin.h), sums (comparison.h), words (diff_text.c,
 * diff_json.c, diff_markdown.c, diff_html.c). */
#include "analyzer/diff.h"

#include "analyzer/output.h"

#include <stdlib.h>
#include <string.h>

/* What is compared, and the runs of both sides one behind the other. */
struct job {
    struct paths paths;
    struct profile *runs;
    uint32_t counts[PATH_SIDES];
    struct diff diff;
};

static enum measure measure_of(const struct options *o)
{
    return o->leaks       ? MEASURE_LEAKS
           : o->totals    ? MEASURE_TOTALS
           : o->temporary ? MEASURE_TEMPORARY
                          : MEASURE_MOMENT;
}

static int stdins(const struct words *words)
{
    int count = 0;
    for (int i = 0; i < words->count; i++)
        count += !strcmp(words->items[i], "-");
    return count;
}

static int check(const struct options *o, struct err *err)
{
    bool window = o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE;
    if (o->leaks + o->totals + o->temporary > 1)
        return err_set(err, ERR_USAGE, "--leaks, --totals and --temporary exclude each other");
    if ((o->leaks || o->totals || o->temporary) && window)
        return err_set(err, ERR_USAGE,
                       "--from and --to name a moment of each side; --leaks, --totals and "
                       "--temporary are about whole runs");
    if ((o->totals || o->temporary) && o->at.kind != WHEN_NONE)
        return err_set(err, ERR_USAGE, "--at names a moment; %s is about whole runs",
                       o->totals ? "--totals" : "--temporary");
    if (o->html && !o->output)
        return err_set(err, ERR_USAGE,
                       "--html makes a file: say where, for example -o diff.html (-o - is stdout)");
    if (stdins(&o->traces) + stdins(&o->before) + stdins(&o->after) > 1)
        return err_set(err, ERR_USAGE, "stdin cannot be read twice; give files");
    if (o->before.count || o->traces.count > 1)
        return 0;
    if (!window)
        return err_set(err, ERR_USAGE,
                       "diff compares two runs: give a second trace, or --from and --to for two "
                       "moments of %s",
                       o->trace);
    if (!strcmp(o->trace, "-"))
        return err_set(err, ERR_USAGE, "stdin cannot be read twice; give a file");
    return 0;
}

/* The options as the replay of one side needs them. */
static struct options side_options(const struct options *o, unsigned side)
{
    static const enum command_id commands[] = {[MEASURE_MOMENT] = COMMAND_peak,
                                               [MEASURE_LEAKS] = COMMAND_leaks,
                                               [MEASURE_TEMPORARY] = COMMAND_temporary,
                                               [MEASURE_TOTALS] = COMMAND_peak};
    struct options made = *o;
    const struct when *own = side ? &o->to : &o->from;
    made.command = commands[measure_of(o)];
    made.from = made.to = (struct when){0};
    if (own->kind != WHEN_NONE)
        made.at = *own;
    made.follow = measure_of(o) == MEASURE_MOMENT && made.at.kind == WHEN_NONE;
    return made;
}

/* The words of one side: its traces. */
static const struct words *side_words(const struct options *o, unsigned side)
{
    return side ? &o->after : &o->before;
}

static const char *side_name(const struct options *o, unsigned side, uint32_t i)
{
    if (o->before.count)
        return side_words(o, side)->items[i];
    return o->traces.items[side && o->traces.count > 1];
}

static int load(struct job *job, const struct options *o, struct work *work, struct err *err)
{
    uint32_t loaded = 0;
    for (unsigned side = 0; side < PATH_SIDES; side++)
        job->counts[side] = o->before.count ? (uint32_t)side_words(o, side)->count : 1;
    job->runs = calloc(job->counts[0] + job->counts[1], sizeof *job->runs);
    if (!job->runs || paths_init(&job->paths))
        return err_set(err, ERR_NOMEM, "out of memory");
    for (unsigned side = 0; side < PATH_SIDES; side++) {
        struct options made = side_options(o, side);
        for (uint32_t i = 0; i < job->counts[side]; i++) {
            int rc = profile_load(&job->runs[loaded++], &job->paths, side_name(o, side, i), &made,
                                  job->diff.measure, side, work, err);
            if (rc)
                return rc;
        }
    }
    return 0;
}

/* What both sides' interpreters can tell of a function. */
static struct paths_agreement agreement_of(const struct job *job)
{
    bool bare = false, qualified = false, with = false, without = false;
    for (uint32_t i = 0; i < job->counts[0] + job->counts[1]; i++) {
        bare |= job->runs[i].bare_names;
        qualified |= job->runs[i].qualified_names;
        with |= job->runs[i].comprehensions;
        without |= job->runs[i].no_comprehensions;
    }
    return (struct paths_agreement){bare && qualified, with && without};
}

static int agree(struct job *job, struct paths_agreement agreement)
{
    struct paths agreed = {0};
    if (!agreement.bare && !agreement.no_comprehension)
        return 0;
    uint32_t *map = malloc(job->paths.node_count * sizeof *map);
    int rc = map ? paths_init(&agreed) : -ERR_NOMEM;
    rc = rc ? rc : paths_agree(&agreed, &job->paths, agreement, map);
    for (uint32_t i = 0; i < job->counts[0] + job->counts[1] && !rc; i++)
        rc = profile_map(&job->runs[i], map, agreed.node_count);
    free(map);
    paths_release(rc ? &agreed : &job->paths);
    if (!rc)
        job->paths = agreed;
    return rc;
}

static int compare(struct job *job, const struct options *o)
{
    struct diff *d = &job->diff;
    struct paths_agreement agreement = agreement_of(job);
    int rc = agree(job, agreement);
    rc = rc ? rc
            : comparison_init(&d->comparison, &job->paths, job->runs, job->counts[0],
                              job->runs + job->counts[0], job->counts[1], &o->noise);
    d->comparison.bare_names = agreement.bare;
    d->comparison.no_comprehensions = agreement.no_comprehension;
    rc = rc ? rc : proposals_init(&d->proposals, &d->comparison);
    return rc ? rc : holders_init(&d->holders, &d->comparison, &d->proposals);
}

static int write_out(struct diff *d, FILE *out)
{
    const struct options *o = d->options;
    terminal_init(&d->terminal, out, o->no_color);
    return o->json       ? diff_json(d)
           : o->markdown ? diff_markdown(d)
           : o->html     ? diff_html(d)
                         : diff_text(d);
}

static int run(struct job *job, const struct options *o, struct work *work, struct err *err)
{
    struct output out;
    int rc = load(job, o, work, err);
    if (rc)
        return rc;
    rc = compare(job, o) ? err_set(err, ERR_NOMEM, "out of memory") : output_open(&out, o, err);
    if (rc)
        return rc;
    rc = write_out(&job->diff, out.file);
    if (rc)
        err_set(err, ERR_NOMEM, "out of memory");
    rc = output_close(&out, rc, err);
    if (!rc && o->html)
        output_tell(o, work->notes);
    return rc;
}

int diff_run(const struct options *o, struct work *work, struct err *err)
{
    int rc = check(o, err);
    struct job *job = rc ? 0 : calloc(1, sizeof *job);
    if (!job)
        return rc ? rc : err_set(err, ERR_NOMEM, "out of memory");
    job->diff = (struct diff){.options = o, .measure = measure_of(o)};
    rc = run(job, o, work, err);
    proposals_release(&job->diff.proposals);
    holders_release(&job->diff.holders);
    comparison_release(&job->diff.comparison);
    for (uint32_t i = 0; job->runs && i < job->counts[0] + job->counts[1]; i++)
        profile_release(&job->runs[i]);
    free(job->runs);
    paths_release(&job->paths);
    free(job);
    return rc;
}

const char *diff_noun(const struct diff *d)
{
    const struct options *o = d->options;
    static const char *const nouns[] = {[MEASURE_LEAKS] = "never freed",
                                        [MEASURE_TEMPORARY] = "freed at once",
                                        [MEASURE_TOTALS] = "allocated in all"};
    if (d->measure != MEASURE_MOMENT)
        return nouns[d->measure];
    bool moments = o->from.kind != WHEN_NONE || o->to.kind != WHEN_NONE ||
                   (o->at.kind != WHEN_NONE && o->at.kind != WHEN_PEAK);
    return moments ? "live" : "peak";
}

static int by_change(const void *a, const void *b)
{
    const struct change *left = a, *right = b;
    uint64_t own_left = magnitude(change_own(left)), own_right = magnitude(change_own(right));
    uint64_t all_left = magnitude(change_all(left)), all_right = magnitude(change_all(right));
    if (own_left != own_right)
        return own_left < own_right ? 1 : -1;
    if (all_left != all_right)
        return all_left < all_right ? 1 : -1;
    return left->function < right->function ? -1 : left->function > right->function;
}

struct change *diff_functions(const struct diff *d, uint32_t *count)
{
    uint32_t limit = d->comparison.paths->function_count;
    struct change *list = malloc(limit * sizeof *list);
    *count = 0;
    for (uint32_t i = 0; list && i < limit; i++) {
        const struct change *change = &d->comparison.changes[i];
        if (change->sides[0].all_bytes || change->sides[1].all_bytes)
            list[(*count)++] = *change;
    }
    if (list)
        qsort(list, *count, sizeof *list, by_change);
    return list;
}
