/* `memreplay diff --json` (CLI.md): both sides, functions, stacks. Invariants: stacks stand largest
 * difference first, frames outermost first; the differences of the stacks add up to that of the two
 * sides exactly. Why frames are capped: a small hostile trace may hold a chain of stacks that would
 * be written out a million times. */
#include "analyzer/diff.h"

#include "analyzer/json.h"
#include "analyzer/trace_json.h"
#include "format/grow.h"
#include <stdlib.h>

#define FRAMES_PER_NODE      100
#define FRAMES_AT_LEAST      200000u
#define FRAMES_BEYOND_BUDGET 64

static void json_side(struct json *j, const char *key, const struct diff *d, unsigned side)
{
    const struct side *s = &d->comparison.sides[side];
    const struct holdings *h = &s->middle->held;
    json_object(j, key);
    json_part(j, s->middle->trace_json);
    json_string(j, "name", s->middle->name);
    json_number(j, "bytes", h->values.bytes);
    json_number(j, "allocations", h->values.count);
    if (d->measure == MEASURE_MOMENT) {
        json_number(j, "time_ns", h->time_ns);
        json_number(j, "resident_bytes", h->values.resident_bytes);
        json_number(j, "rss_bytes", h->rss_bytes);
    } else {
        json_null(j, "time_ns");
    }
    json_array(j, "runs");
    for (uint32_t i = 0; i < s->run_count; i++) {
        json_flat_object(j, 0);
        json_string(j, "name", s->runs[i].name);
        json_number(j, "bytes", s->runs[i].held.values.bytes);
        json_end_object(j);
    }
    json_end_array(j);
    json_end_object(j);
}

static void json_file(struct json *j, const char *key, const struct name *file)
{
    if (file)
        json_text(j, key, file->bytes, file->length);
    else
        json_null(j, key);
}

static void json_name(struct json *j, const struct path_function *f, uint32_t id)
{
    char name[64];
    if (f->name->length) {
        json_text(j, "function", f->name->bytes, f->name->length);
        return;
    }
    if (id)
        path_function_name(name, sizeof name, f, false);
    json_string(j, "function", id ? name : "(no function known)");
}

/* Its name, its file as the later run names it, and "" where nothing is known. */
static void json_function(struct json *j, const struct diff *d, uint32_t id)
{
    const struct path_function *f = &d->comparison.paths->functions[id];
    const struct name *file = f->files[1] ? f->files[1] : f->files[0];
    json_name(j, f, id);
    if (file)
        json_file(j, "file", file);
    else
        json_string(j, "file", "");
}

static void json_change(struct json *j, const struct diff *d, const struct change *change)
{
    const struct path_function *f = &d->comparison.paths->functions[change->function];
    const struct holding *before = &change->sides[0], *after = &change->sides[1];
    json_flat_object(j, 0);
    json_function(j, d, change->function);
    json_file(j, "before_file", f->files[0]);
    json_file(j, "after_file", f->files[1]);
    json_string(j, "kind", f->kind == FUNCTION_PYTHON ? "python" : "native");
    json_number(j, "before_bytes", before->all_bytes);
    json_number(j, "after_bytes", after->all_bytes);
    json_signed(j, "delta_bytes", change_all(change));
    json_number(j, "self_before_bytes", before->own_bytes);
    json_number(j, "self_after_bytes", after->own_bytes);
    json_signed(j, "self_delta_bytes", change_own(change));
    if (d->comparison.sides[0].run_count + d->comparison.sides[1].run_count > 2) {
        json_number(j, "before_spread_bytes", before->all_spread);
        json_number(j, "after_spread_bytes", after->all_spread);
    }
    json_bool(j, "noise", change_all_is_noise(&d->comparison, change));
    json_bool(j, "self_noise", change_own_is_noise(&d->comparison, change));
    json_end_object(j);
}

static int json_functions(struct json *j, const struct diff *d)
{
    uint32_t count;
    struct change *list = diff_functions(d, &count);
    if (!list)
        return -ERR_NOMEM;
    json_array(j, "functions");
    for (uint32_t i = 0; i < count; i++)
        json_change(j, d, &list[i]);
    json_end_array(j);
    free(list);
    return 0;
}

/* The frames of a path are collected from its end. */
struct way {
    uint32_t *nodes;
    size_t capacity;
    uint64_t budget;
};

static void json_frame(struct json *j, const struct diff *d, uint32_t node)
{
    uint32_t id = d->comparison.paths->nodes[node].function;
    uint8_t kind = d->comparison.paths->functions[id].kind;
    json_flat_object(j, 0);
    json_function(j, d, id);
    json_number(j, "line", 0);
    json_string(j, "kind", kind == FUNCTION_PYTHON ? "python" : "native");
    json_end_object(j);
}

static int json_frames(struct json *j, const struct diff *d, uint32_t node, struct way *w)
{
    size_t depth = 0;
    for (; node > PATH_UNKNOWN && (w->budget || depth < FRAMES_BEYOND_BUDGET);
         node = d->comparison.paths->nodes[node].parent) {
        if (depth == w->capacity && !GROW(w->nodes, w->capacity, 256))
            return -ERR_NOMEM;
        w->nodes[depth++] = node;
        w->budget -= w->budget > 0;
    }
    if (node > PATH_UNKNOWN)
        json_bool(j, "outer_frames_left_out", true);
    else if (node == PATH_UNKNOWN)
        json_bool(j, "outer_frames_unknown", true);
    json_array(j, "frames");
    while (depth)
        json_frame(j, d, w->nodes[--depth]);
    json_end_array(j);
    return 0;
}

static int json_stack(struct json *j, const struct diff *d, uint32_t node, struct way *w)
{
    const struct path_change *n = &d->comparison.nodes[node];
    json_object(j, 0);
    json_signed(j, "delta_bytes", difference(n->bytes[0], n->bytes[1]));
    json_number(j, "before_bytes", n->bytes[0]);
    json_number(j, "after_bytes", n->bytes[1]);
    json_number(j, "before_allocations", n->counts[0]);
    json_number(j, "after_allocations", n->counts[1]);
    int rc = json_frames(j, d, node, w);
    json_end_object(j);
    return rc;
}

struct ranked {
    uint64_t size;
    uint32_t node;
};

static int by_size(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->size != right->size)
        return left->size < right->size ? 1 : -1;
    return left->node < right->node ? -1 : 1;
}

static int json_changed_stacks(struct json *j, const struct diff *d)
{
    const struct comparison *c = &d->comparison;
    struct way way = {.budget = FRAMES_AT_LEAST + FRAMES_PER_NODE * (uint64_t)c->paths->node_count};
    uint32_t count = 0;
    int rc = 0;
    struct ranked *ranked = malloc(c->paths->node_count * sizeof *ranked);
    if (!ranked)
        return -ERR_NOMEM;
    for (uint32_t i = 0; i < c->paths->node_count; i++) {
        const struct path_change *n = &c->nodes[i];
        if (n->counts[0] || n->counts[1] || n->bytes[0] || n->bytes[1])
            ranked[count++] = (struct ranked){magnitude(difference(n->bytes[0], n->bytes[1])), i};
    }
    qsort(ranked, count, sizeof *ranked, by_size);
    json_array(j, "stacks");
    for (uint32_t i = 0; i < count && !rc; i++)
        rc = json_stack(j, d, ranked[i].node, &way);
    json_end_array(j);
    free(ranked);
    free(way.nodes);
    return rc;
}

/* The most it ever held on a side, where that is known. */
static void json_height(struct json *j, const struct diff *d, uint32_t function, unsigned side)
{
    const struct height *h = heights_of(&d->comparison.sides[side].middle->heights, function);
    const char *bytes = side ? "after_highest_bytes" : "before_highest_bytes";
    const char *time = side ? "after_highest_ns" : "before_highest_ns";
    if (h) {
        json_number(j, bytes, h->bytes);
        json_number(j, time, h->time_ns);
    } else {
        json_null(j, bytes);
        json_null(j, time);
    }
}

static void json_holder(struct json *j, const struct diff *d, const struct holder *h)
{
    json_flat_object(j, 0);
    json_function(j, d, h->function);
    json_number(j, "before_bytes", h->bytes[0]);
    json_number(j, "after_bytes", h->bytes[1]);
    json_height(j, d, h->function, 0);
    json_height(j, d, h->function, 1);
    json_end_object(j);
}

static void json_holders(struct json *j, const struct diff *d)
{
    const struct holders *h = &d->holders;
    json_bool(j, "moved", h->moved);
    json_array(j, "old_holders");
    for (uint32_t i = 0; i < h->lost_count; i++)
        json_holder(j, d, &h->lost[i]);
    json_end_array(j);
    json_array(j, "new_holders");
    for (uint32_t i = 0; i < h->gained_count; i++)
        json_holder(j, d, &h->gained[i]);
    json_end_array(j);
}

static void json_proposals(struct json *j, const struct diff *d)
{
    json_array(j, "proposals");
    for (uint32_t i = 0; i < d->proposals.count; i++) {
        const struct proposal *p = &d->proposals.items[i];
        json_flat_object(j, 0);
        json_string(j, "kind", p->kind == PROPOSAL_MOVED ? "moved" : "renamed");
        json_number(j, "likeness_percent", p->percent);
        json_flat_object(j, "before");
        json_function(j, d, p->before);
        json_number(j, "bytes", d->comparison.changes[p->before].sides[0].all_bytes);
        json_end_object(j);
        json_flat_object(j, "after");
        json_function(j, d, p->after);
        json_number(j, "bytes", d->comparison.changes[p->after].sides[1].all_bytes);
        json_end_object(j);
        json_end_object(j);
    }
    json_end_array(j);
}

void diff_json_head(struct json *j, const struct diff *d)
{
    json_string(j, "schema", "memreplay.diff/1");
    json_string(j, "measure", diff_noun(d));
    json_side(j, "before", d, 0);
    json_side(j, "after", d, 1);
    json_signed(j, "delta_bytes", comparison_delta(&d->comparison));
    json_number(j, "noise_bytes", d->comparison.noise_bytes);
    json_bool(j, "noise", comparison_is_noise(&d->comparison));
    json_bool(j, "bare_names", d->comparison.bare_names);
    json_holders(j, d);
    json_proposals(j, d);
}

int diff_json(const struct diff *d)
{
    struct json j;
    json_init(&j, d->terminal.out);
    json_object(&j, 0);
    diff_json_head(&j, d);
    int rc = json_functions(&j, d);
    rc = rc ? rc : json_changed_stacks(&j, d);
    json_end_object(&j);
    return rc;
}
