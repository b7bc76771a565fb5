/* Asking, and putting answers in place (naming.h). What the trace brings along is taken first; the
 * rest is looked up on this machine. */
#include "replay/naming.h"

#include "format/error.h"
#include "format/part.h"
#include "format/wire.h"
#include "replay/asked.h"
#include "replay/symboliser.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH_FACTOR 8u /* so many nodes for one, and beyond that some more */
#define GROWTH_NODES  1000000u

/* A pass at work. */
struct naming_work {
    struct naming *result;
    struct symbols *symbols; /* NULL: nothing is put in place */
    struct asked asked;
    const struct naming_options *options;
    naming_take *take;
    void *context;
    uint32_t *module_of_ask; /* by ask: index of asked.modules */
    struct recent *recent;   /* [RECENT_NODES], while stacks are made */
};

/* A new node, by a hash of its caller and frame: other offsets of one function mostly follow soon,
 * and below one caller they read the same. */
#define RECENT_NODES 65536u
struct recent {
    uint32_t parent, frame, id;
};

void naming_release(struct naming *n)
{
    free(n->modules);
    *n = (struct naming){0};
}

/* Makes the frames of an answer, functions of the module among them. */
static int put_frames(struct naming_work *w, struct asked_offset *item,
                      const struct names_frame *frames, uint32_t count)
{
    const struct function *module = w->result->modules[item->module].function;
    for (uint32_t i = 0; i < count; i++) {
        struct native_function native = {.kind = FUNCTION_NATIVE,
                                         .name = frames[i].function,
                                         .file = frames[i].file.length ? frames[i].file
                                                                       : name_text(module->file),
                                         .module = name_text(module->module),
                                         .build_id = name_text(module->build_id)};
        uint32_t function, frame;
        if (symbols_native(w->symbols, &native, &function) ||
            symbols_intern_frame(w->symbols, function, frames[i].line, &frame) ||
            asked_add_frame(&w->asked, item, frame))
            return -ERR_NOMEM;
    }
    return 0;
}

/* An answer, wherever it comes from. What nobody asked for, or what has one, is passed over. */
static int take_answer(struct naming_work *w, uint32_t module, uint64_t offset,
                       const struct names_frame *frames, uint32_t count, bool packed)
{
    struct asked_offset *item = asked_find(&w->asked, module, offset);
    struct naming_module *m = &w->result->modules[module];
    if (!item || item->answered)
        return 0;
    item->answered = true;
    m->packed += packed;
    m->named += count > 0;
    w->result->named += count > 0;
    int rc = w->symbols ? put_frames(w, item, frames, count) : 0;
    return !rc && w->take ? w->take(w->context, m, offset, frames, count) : rc;
}

static bool list_is_of(const struct names_reader *r, const struct function *module)
{
    return name_is(module->build_id, r->build_id) &&
           (r->build_id.length || name_is(module->file, r->path));
}

static int take_packed(void *context, uint32_t module, uint64_t offset,
                       const struct names_frame *frames, uint32_t count)
{
    return take_answer(context, module, offset, frames, count, true);
}

/* A list is of all modules that are the same file, wherever it lay. What is wrong in it ends it. */
static int read_list(struct naming_work *w, const uint8_t *list, size_t length)
{
    struct names_reader head;
    int rc = names_reader_init(&head, list, length);
    for (uint32_t m = 0; !rc && m < w->asked.module_count; m++) {
        struct names_reader answers = head;
        if (list_is_of(&head, w->result->modules[m].function))
            rc = names_reader_each(&answers, m, take_packed, w);
    }
    names_reader_release(&head);
    return rc == -ERR_DAMAGED ? 0 : rc;
}

/* One list after another; what is not as written ends them. */
static int read_parts(struct naming_work *w, const struct naming_parts *parts)
{
    if (!parts->length)
        return 0;
    const uint8_t *at = parts->bytes, *end = at + parts->length;
    while (end - at >= (ptrdiff_t)(SKIPPABLE_BYTES + TAG_BYTES)) {
        uint32_t size = get_u32(at + 4);
        uint8_t *list;
        size_t length;
        if (get_u32(at) != SKIPPABLE_MAGIC || size > (size_t)(end - at) - SKIPPABLE_BYTES)
            return 0;
        int rc = names_part_read(w->options->header->trace_id, at + SKIPPABLE_BYTES, size, &list,
                                 &length);
        if (!rc) {
            rc = read_list(w, list, length);
            free(list);
        }
        if (rc && rc != -ERR_DAMAGED)
            return rc;
        at += SKIPPABLE_BYTES + (size_t)size;
    }
    return 0;
}

static int start_modules(struct naming_work *w, const struct symbols *symbols)
{
    struct naming *n = w->result;
    n->modules = calloc(w->asked.module_count + 1ul, sizeof *n->modules);
    if (!n->modules)
        return -ERR_NOMEM;
    n->module_count = w->asked.module_count;
    n->asked = w->asked.count;
    for (uint32_t i = 0; i < n->module_count; i++)
        n->modules[i] = (struct naming_module){
            .function = symbols_function(symbols, w->asked.modules[i].function),
            .asked = w->asked.modules[i].count};
    return 0;
}

/* What is still to be asked of a module's file, in offsets[]. Returns false where there is nothing.
 */
static bool ask_rest(const struct naming_work *w, uint32_t module, uint64_t *offsets,
                     struct symboliser_module *out)
{
    const struct asked_module *m = &w->asked.modules[module];
    const struct function *f = w->result->modules[module].function;
    uint32_t count = 0;
    for (uint32_t i = m->first; i < m->first + m->count; i++)
        if (!w->asked.items[i].answered)
            offsets[count++] = w->asked.items[i].offset;
    out->ask = (struct symbolise_ask){.path = f->file->bytes,
                                      .build_id = f->build_id->bytes,
                                      .recorded_at_ns = w->options->header->started_unix_ns,
                                      .offsets = offsets,
                                      .count = count};
    return count > 0;
}

static int take_looked_up(void *context, uint32_t ask, uint64_t offset,
                          const struct names_frame *frames, uint32_t count)
{
    struct naming_work *w = context;
    return take_answer(w, w->module_of_ask[ask], offset, frames, count, false);
}

/* Looks up on this machine what has no answer yet. */
static int look_up(struct naming_work *w)
{
    uint32_t count = w->asked.module_count, asks = 0, used = 0;
    uint64_t *offsets = calloc(w->asked.count + 1ul, sizeof *offsets);
    struct symboliser_module *modules = calloc(count + 1ul, sizeof *modules);
    w->module_of_ask = calloc(count + 1ul, sizeof *w->module_of_ask);
    int rc = offsets && modules && w->module_of_ask ? 0 : -ERR_NOMEM;
    for (uint32_t i = 0; !rc && i < count; i++)
        if (ask_rest(w, i, offsets + used, &modules[asks])) {
            used += modules[asks].ask.count;
            w->module_of_ask[asks++] = i;
        }
    if (!rc && asks)
        rc = symboliser_run(w->options->symboliser, modules, asks, take_looked_up, w);
    for (uint32_t i = 0; !rc && i < asks; i++)
        w->result->modules[w->module_of_ask[i]].status = modules[i].status;
    free(offsets);
    free(modules);
    free(w->module_of_ask);
    return rc;
}

/* The new number of a stack, once its node holds it. */
static uint32_t renumbered(const struct symbols *s, uint32_t stack)
{
    const struct stack_node *node = symbols_stack(s, stack);
    return stack < STACK_FIRST ? stack : node ? node->frame : STACK_UNKNOWN;
}

/* Appends a node where there was none like it of late. Returns its id, or 0 when out of memory. */
static uint32_t append(const struct naming_work *w, struct sparse *stacks, uint32_t parent,
                       uint32_t frame)
{
    uint64_t hash = ((uint64_t)parent << 32 | frame) * 0x9E3779B97F4A7C15u;
    struct recent *recent = &w->recent[(hash >> 32) % RECENT_NODES];
    if (recent->id && recent->parent == parent && recent->frame == frame)
        return recent->id;
    uint32_t id = stacks->limit > STACK_FIRST ? stacks->limit : STACK_FIRST;
    struct stack_node *node = id < SITE_STACK_MAX ? sparse_put(stacks, id) : 0;
    if (!node)
        return 0;
    *node = (struct stack_node){parent + 1, frame};
    *recent = (struct recent){parent, frame, id};
    return id;
}

/* May stacks still grow by inlined functions? A few bytes of a hostile file are 64 nodes. */
static bool may_grow(const struct naming_work *w, const struct sparse *stacks)
{
    return stacks->limit < GROWTH_FACTOR * (uint64_t)w->symbols->stacks.limit + GROWTH_NODES;
}

/* The nodes that stand for an old one. Returns the innermost, or 0 when out of memory. */
static uint32_t expand(const struct naming_work *w, struct sparse *stacks, uint32_t parent,
                       uint32_t frame)
{
    uint32_t at = frame < w->asked.frame_count ? w->asked.of_frame[frame] : 0;
    const struct asked_offset *item = at ? &w->asked.items[at - 1] : 0;
    if (!item || !item->count)
        return append(w, stacks, parent, frame);
    for (uint32_t i = may_grow(w, stacks) ? 0 : item->count - 1; i < item->count; i++)
        if (!(parent = append(w, stacks, parent, w->asked.frames[item->first + i])))
            return 0;
    return parent;
}

/* Makes all nodes anew; the old ones then hold the new numbers. */
static int make_stacks(const struct naming_work *w, struct sparse *stacks)
{
    struct symbols *s = w->symbols;
    sparse_init(stacks, sizeof(struct stack_node), s->stacks.leaf_log2);
    for (uint32_t id = STACK_FIRST; id < s->stacks.limit; id++) {
        struct stack_node *node = (struct stack_node *)symbols_stack(s, id);
        if (!node)
            continue;
        node->frame = expand(w, stacks, renumbered(s, node->parent_plus_1 - 1), node->frame);
        if (!node->frame)
            return -ERR_NOMEM;
    }
    return 0;
}

/* Lets all that names a stack follow. */
static void follow(struct replay *r)
{
    const struct symbols *s = &r->model.symbols;
    for (uint32_t i = 1; i < r->sites.count; i++)
        r->sites.items[i].event_stack =
            renumbered(s, r->sites.items[i].event_stack) & SITE_STACK_MAX;
    for (uint32_t i = 1; i < r->sites.lane_count; i++)
        r->sites.lanes[i].origin_stack = renumbered(s, r->sites.lanes[i].origin_stack);
    for (uint32_t id = 0; id < r->model.threads.limit; id++) {
        struct thread *t = sparse_get(&r->model.threads, id);
        if (t)
            t->origin_stack = renumbered(s, t->origin_stack);
    }
}

static int put_in_place(struct naming_work *w, struct replay *r)
{
    struct sparse stacks = {0};
    struct symbols *s = w->symbols;
    w->recent = calloc(RECENT_NODES, sizeof *w->recent);
    int rc = w->recent ? make_stacks(w, &stacks) : -ERR_NOMEM;
    if (!rc)
        follow(r);
    if (!rc && stacks.limit > STACK_FIRST)
        s->defined_stacks = stacks.limit - STACK_FIRST;
    sparse_release(rc ? &stacks : &s->stacks);
    if (!rc)
        s->stacks = stacks;
    free(w->recent);
    malloc_trim(0); /* the old stacks lie below the new ones */
    return rc;
}

static int run(struct naming_work *w, const struct symbols *symbols)
{
    int rc = asked_init(&w->asked, symbols, w->options->frames);
    rc = rc ? rc : start_modules(w, symbols);
    for (int i = 0; !rc && i < 2; i++)
        rc = read_parts(w, &w->options->parts[i]);
    return rc ? rc : look_up(w);
}

int naming_apply(struct naming *n, struct replay *r, const struct naming_options *options)
{
    struct naming_work w = {.result = n, .symbols = &r->model.symbols, .options = options};
    *n = (struct naming){0};
    int rc = run(&w, w.symbols);
    if (!rc && w.asked.answer_frames)
        rc = put_in_place(&w, r);
    asked_release(&w.asked);
    return rc;
}

int naming_look_up(struct naming *n, const struct replay *r, const struct naming_options *options,
                   naming_take *take, void *context)
{
    struct naming_work w = {.result = n, .options = options, .take = take, .context = context};
    *n = (struct naming){0};
    int rc = run(&w, &r->model.symbols);
    asked_release(&w.asked);
    return rc;
}
