/* Reducing a recording (profile.h). Why by frame and by node: a frame's function and a node's path
 * are looked up once, however many sites share them. */
#include "analyzer/profile.h"

#include "analyzer/glyph.h"
#include "analyzer/heading.h"
#include "analyzer/merged.h"
#include "analyzer/trace_json.h"
#include <stdlib.h>
#include <string.h>

struct loading {
    struct profile *profile;
    struct paths *paths;
    struct report report;
    struct origins origins;
    struct merged merged;
    uint32_t *functions;       /* by frame: its function in paths */
    uint32_t *nodes;           /* by number of merged: node in paths + 1, 0: not asked for yet */
    struct path_value *values; /* by node in paths */
    uint32_t capacity;
    unsigned side;
};

static uint32_t shared_function(struct loading *l, uint32_t id)
{
    const struct function *f = symbols_function(l->merged.symbols, id);
    struct origin origin;
    char key[4200];
    if (!f)
        return 0;
    if (f->module->length)
        origin_find(&origin, &l->origins, f->module, FUNCTION_MODULE);
    else
        origin_find(&origin, &l->origins, f->file, f->kind);
    uint32_t length = origin.rest.length < sizeof key - 1 ? origin.rest.length : sizeof key - 1;
    key[0] = f->own ? ORIGIN_PROGRAM : origin.kind;
    memcpy(key + 1, origin.rest.bytes, length);
    /* Another build has other addresses: what has no name is one function of its module. */
    struct text name = {f->name->bytes, f->is_address ? 0 : f->name->length};
    return paths_function(l->paths, name, (struct text){key, length + 1},
                          f->is_address ? FUNCTION_MODULE : f->kind, l->side, f->file);
}

/* All of them, so that what ran without holding anything is known to have run. */
static int share_functions(struct loading *l)
{
    const struct symbols *s = l->merged.symbols;
    l->functions = malloc((s->frame_count + 1ul) * sizeof *l->functions);
    if (!l->functions)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < s->frame_count; i++) {
        l->functions[i] = shared_function(l, s->frames[i].function);
        if (l->functions[i] == PATH_NONE)
            return -ERR_NOMEM;
    }
    return 0;
}

static int reserve_values(struct loading *l)
{
    uint32_t capacity = l->capacity ? l->capacity : 1024;
    while (capacity < l->paths->node_count)
        capacity *= 2;
    if (capacity == l->capacity)
        return 0;
    struct path_value *grown = realloc(l->values, capacity * sizeof *grown);
    if (!grown)
        return -ERR_NOMEM;
    memset(grown + l->capacity, 0, (capacity - l->capacity) * sizeof *grown);
    l->values = grown;
    l->capacity = capacity;
    return 0;
}

/* The number's place among the nodes, with the callers on the way noted: first[] of merged is not
 * needed here and holds the way back down. */
static uint32_t node_of(struct loading *l, uint32_t number)
{
    uint32_t below = 0, *way = l->merged.first;
    for (; !l->nodes[number]; number = merged_parent(&l->merged, number)) {
        way[number] = below;
        below = number;
    }
    uint32_t node = l->nodes[number] - 1;
    for (; below && node != PATH_NONE; below = way[below]) {
        uint32_t frame = merged_node(&l->merged, below)->frame;
        node = paths_node(l->paths, node, l->functions[frame]);
        l->nodes[below] = node + 1;
    }
    return node;
}

static int add_site(struct loading *l, const struct selection *s)
{
    uint32_t stack = site_stack(&s->report->rec->replay.sites, s->site);
    uint32_t node = node_of(l, merged_number(&l->merged, stack));
    if (node == PATH_NONE || reserve_values(l))
        return -ERR_NOMEM;
    l->values[node].bytes += s->values.bytes;
    l->values[node].count += s->values.count;
    return 0;
}

static int add_sites(struct loading *l, enum measure measure)
{
    struct selection s;
    int rc = 0;
    l->nodes = calloc(l->merged.count + 1ul, sizeof *l->nodes);
    if (!l->nodes)
        return -ERR_NOMEM;
    l->nodes[MERGED_EMPTY] = PATH_ROOT + 1;
    l->nodes[MERGED_UNKNOWN] = PATH_UNKNOWN + 1;
    for (selection_start(&s, &l->report, measure); selection_next(&s) && !rc;)
        rc = add_site(l, &s);
    return rc;
}

/* Only what holds something stays. */
static int keep_values(struct profile *p, struct path_value *values, uint32_t limit)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < limit; node++)
        if (values[node].bytes || values[node].count)
            values[count++] = (struct path_value){node, values[node].bytes, values[node].count};
    struct path_value *fitting = realloc(values, (count + 1ul) * sizeof *values);
    p->values = fitting ? fitting : values;
    p->value_count = count;
    return 0;
}

int profile_map(struct profile *p, const uint32_t *map, uint32_t node_count)
{
    struct path_value *values = calloc(node_count, sizeof *values);
    if (!values)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < p->value_count; i++) {
        values[map[p->values[i].node]].bytes += p->values[i].bytes;
        values[map[p->values[i].node]].count += p->values[i].count;
    }
    free(p->values);
    heights_release(&p->heights); /* its functions have other numbers, and some became one */
    return keep_values(p, values, node_count);
}

/* By number: the innermost of the program's own functions; else the innermost function. */
static void find_holders(const struct loading *l, uint32_t *own, uint32_t *holders)
{
    for (uint32_t number = MERGED_NODES; number < l->merged.count; number++) {
        const struct stack_node *node = merged_node(&l->merged, number);
        if (!node->parent_plus_1)
            continue;
        uint32_t function = l->functions[node->frame];
        own[number] = path_function_own(&l->paths->functions[function])
                          ? function
                          : own[merged_parent(&l->merged, number)];
        holders[number] = own[number] ? own[number] : function;
    }
}

/* What the holders ever held. */
static int follow(struct loading *l)
{
    const struct replay *r = &l->report.rec->replay;
    uint32_t *own = calloc(l->merged.count, sizeof *own);
    uint32_t *holders = calloc(l->merged.count, sizeof *holders);
    uint32_t *of_site = calloc(r->sites.count, sizeof *of_site);
    int rc = own && holders && of_site ? 0 : -ERR_NOMEM;
    if (!rc) {
        find_holders(l, own, holders);
        for (uint32_t site = 1; site < r->sites.count; site++)
            of_site[site] = holders[merged_number(&l->merged, site_stack(&r->sites, site))];
        rc = heights_init(&l->profile->heights, l->paths->function_count, r, of_site);
    }
    free(own);
    free(holders);
    free(of_site);
    return rc;
}

static int add_up(struct loading *l, enum measure measure)
{
    int rc = merged_init(&l->merged, &l->report.rec->replay.model.symbols, false);
    rc = rc ? rc : share_functions(l);
    if (!rc && l->report.options->follow)
        rc = follow(l);
    history_release(&l->report.rec->replay.history); /* room for what comes */
    rc = rc ? rc : add_sites(l, measure);
    if (!rc) {
        rc = keep_values(l->profile, l->values, l->capacity);
        l->values = 0;
    }
    merged_release(&l->merged);
    free(l->functions);
    free(l->nodes);
    free(l->values);
    return rc;
}

/* 11 of "3.11.7"; 0 where it is no Python 3. */
static int minor_version(const struct name *python)
{
    return strncmp(python->bytes, "3.", 2) == 0 ? atoi(python->bytes + 2) : 0;
}

static void learn_names(struct profile *p, const struct model *m)
{
    for (uint32_t i = 0; i < m->processes.limit; i++) {
        const struct process *process = model_process_at(m, i);
        int minor = process ? minor_version(process->python) : 0;
        if (!minor)
            continue;
        p->bare_names |= minor < 11;
        p->qualified_names |= minor >= 11;
        p->comprehensions |= minor < 12;
        p->no_comprehensions |= minor >= 12;
    }
}

static void learn_python(struct profile *p, const struct model *m)
{
    const struct process *root = model_root(m);
    size_t used = 0;
    if (!root)
        return;
    glyph_append(p->python, sizeof p->python, &used, root->python->bytes, root->python->length,
                 true);
    snprintf(p->about, sizeof p->about, "%s%s%spid %u", p->python[0] ? "Python " : "", p->python,
             p->python[0] ? ", " : "", root->pid);
}

/* The facts that the report tells of a run, while it is open. */
static int learn(struct loading *l, enum measure measure)
{
    struct profile *p = l->profile;
    struct recording *rec = l->report.rec;
    struct json j;
    size_t bytes;
    FILE *memory = open_memstream(&p->trace_json, &bytes);
    if (!memory)
        return -ERR_NOMEM;
    json_init_at(&j, memory, 2);
    json_trace(&j, rec);
    if (fclose(memory))
        return -ERR_NOMEM;
    p->held = holdings_at_moment(&l->report);
    p->held.values = selection_total(&l->report, measure);
    p->duration_ns = rec->duration_ns;
    p->started_unix_ns = rec->file.header->started_unix_ns;
    p->rss_high_bytes = rec->replay.rss_high_bytes > p->held.rss_bytes ? rec->replay.rss_high_bytes
                                                                       : p->held.rss_bytes;
    heading_command_text(&l->report, p->command, sizeof p->command);
    learn_python(p, &rec->replay.model);
    learn_names(p, &rec->replay.model);
    return 0;
}

static int reduce(struct loading *l, struct recording *rec, const struct options *o,
                  enum measure measure, struct err *err)
{
    report_init(&l->report, o, rec, stdout);
    origins_learn(&l->origins, &rec->replay.model);
    int rc = learn(l, measure);
    rc = rc ? rc : add_up(l, measure);
    return rc ? err_set(err, ERR_NOMEM, "out of memory") : 0;
}

int profile_load(struct profile *p, struct paths *paths, const char *name, const struct options *o,
                 enum measure measure, unsigned side, struct work *work, struct err *err)
{
    struct loading *l = calloc(1, sizeof *l);
    struct recording *rec = calloc(1, sizeof *rec);
    *p = (struct profile){.name = strcmp(name, "-") != 0 ? name : "stdin"};
    int rc = l && rec ? 0 : err_set(err, ERR_NOMEM, "out of memory");
    if (!rc) {
        *l = (struct loading){.profile = p, .paths = paths, .side = side};
        rec->fd = -1;
        rc = recording_open(rec, name, err);
        rc = rc ? rc : recording_replay(rec, o, work->progress, work->context, err);
        rc = rc ? rc : reduce(l, rec, o, measure, err);
        if (!rc) {
            report_notes(rec, "memreplay: note: ", work->notes);
            work->damaged |= recording_damaged_blocks(rec) > 0;
        }
        recording_close(rec);
    }
    free(rec);
    free(l);
    return rc;
}

void profile_release(struct profile *p)
{
    free(p->trace_json);
    free(p->values);
    heights_release(&p->heights);
    *p = (struct profile){0};
}
