/* Folding frames away by giving nodes other callers (layers.h). Why that is enough for `leaf`: what
 * a Python frame was called from is the nearest Python frame; machine code keeps its caller. */
#include "analyzer/layers.h"

#include "analyzer/frame.h"
#include "analyzer/merged.h"
#include "format/error.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE_BYTES 4000 /* of a module's name that are kept in its functions' names */

static bool is_python(const struct symbols *s, const struct stack_node *node)
{
    return !frame_native(s, symbols_frame(s, node)->function);
}

/* A function for one address of a module. */
static int name_address(struct symbols *s, struct frame *frame)
{
    const struct function *f = symbols_function(s, frame->function);
    char name[BASE_BYTES + 32];
    struct text base = f->name->length ? name_text(f->name) : frame_base(f->file);
    uint32_t id = s->functions.limit, length = frame_untagged(base);
    const char *end = length < base.length ? ".so" : "";
    length = length < BASE_BYTES ? length : BASE_BYTES;
    memcpy(name, base.bytes, length);
    length +=
        (uint32_t)snprintf(name + length, sizeof name - length, "%s+0x%" PRIx64, end, frame->line);
    struct native_function address = {.kind = FUNCTION_NATIVE,
                                      .name = {name, length},
                                      .file = name_text(f->file),
                                      .module = name_text(f->module),
                                      .build_id = name_text(f->build_id),
                                      .is_address = true,
                                      .offset = frame->line};
    *frame = (struct frame){.function = id};
    return symbols_define_native(s, id, &address);
}

static int name_addresses(struct symbols *s)
{
    for (uint32_t i = 0; i < s->frame_count; i++) {
        const struct function *f = symbols_function(s, s->frames[i].function);
        if (f && f->kind == FUNCTION_MODULE && name_address(s, &s->frames[i]))
            return -ERR_NOMEM;
    }
    return 0;
}

static bool is_system(const struct name *path)
{
    static const char *const folders[] = {"/usr/", "/bin/", "/sbin/", "/lib"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!strncmp(path->bytes, folders[i], strlen(folders[i])))
            return true;
    return false;
}

/* The folder, with its slash, below which machine code is the program's own: the main script's, or
 * the executable's where there is no Python. */
static struct text own_folder(struct model *m)
{
    const struct process *root = model_root(m);
    const struct name *home = frame_home(&m->symbols);
    if (home || !root || root->python->length || is_system(root->executable))
        return home ? name_text(home) : (struct text){0};
    const char *slash = memrchr(root->executable->bytes, '/', root->executable->length);
    uint32_t length = slash ? (uint32_t)(slash + 1 - root->executable->bytes) : 0;
    return (struct text){root->executable->bytes, length};
}

void layers_find_own(struct model *m)
{
    const struct process *root = model_root(m);
    const struct name *program = root && !root->python->length ? root->executable : 0;
    struct text folder = own_folder(m);
    for (uint32_t id = FUNCTION_FIRST; id < m->symbols.functions.limit; id++) {
        struct function *f = sparse_get(&m->symbols.functions, id);
        if (!f || !f->name || f->kind == FUNCTION_PYTHON || !f->module->length)
            continue;
        bool below = folder.length && f->module->length > folder.length &&
                     !memcmp(f->module->bytes, folder.bytes, folder.length);
        f->own = f->module == program || (below && !frame_installed(f->module));
    }
}

/* By stack id: the innermost Python node of the stack, itself included; STACK_EMPTY: none. */
static uint32_t *find_python(const struct symbols *s)
{
    uint32_t *python = calloc(s->stacks.limit + 2ul, sizeof *python);
    if (!python)
        return 0;
    python[STACK_UNKNOWN] = STACK_UNKNOWN;
    for (uint32_t id = STACK_FIRST; id < s->stacks.limit; id++) {
        const struct stack_node *node = symbols_stack(s, id);
        if (!node)
            python[id] = STACK_UNKNOWN;
        else
            python[id] = is_python(s, node) ? id : python[node->parent_plus_1 - 1];
    }
    return python;
}

/* Every Python frame is called by the Python frame before it. Was one not? */
static bool fold_between(struct symbols *s, const uint32_t *python)
{
    bool folded = false;
    for (uint32_t id = STACK_FIRST; id < s->stacks.limit; id++) {
        struct stack_node *node = sparse_get(&s->stacks, id);
        if (!node || !node->parent_plus_1 || !is_python(s, node))
            continue;
        uint32_t caller = python[node->parent_plus_1 - 1];
        folded |= caller + 1 != node->parent_plus_1;
        node->parent_plus_1 = caller + 1;
    }
    return folded;
}

static uint32_t python_of(const struct symbols *s, const uint32_t *python, uint32_t stack)
{
    return stack < s->stacks.limit || stack <= STACK_UNKNOWN ? python[stack] : STACK_UNKNOWN;
}

/* What machine code allocated counts at the Python frame that called it. */
static void fold_leaves(struct replay *r, const uint32_t *python)
{
    struct sites *sites = &r->sites;
    for (uint32_t lane = 1; lane < sites->lane_count; lane++)
        sites->lanes[lane].origin_stack =
            python_of(&r->model.symbols, python, sites->lanes[lane].origin_stack);
    for (uint32_t site = 1; site < sites->count; site++)
        sites->items[site].event_stack =
            python_of(&r->model.symbols, python, sites->items[site].event_stack) & SITE_STACK_MAX;
}

struct key {
    uint32_t stack, lane, site;
};

static int by_key(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    if (left->stack != right->stack)
        return left->stack < right->stack ? -1 : 1;
    if (left->lane != right->lane)
        return left->lane < right->lane ? -1 : 1;
    return left->site < right->site ? -1 : left->site > right->site;
}

/* Chains the sites of one lane whose stacks read the same. */
static int chain_sites(struct replay *r)
{
    struct sites *sites = &r->sites;
    struct merged m;
    struct key *keys = malloc(sites->count * sizeof *keys);
    int rc = merged_init(&m, &r->model.symbols, false);
    sites->same = calloc(sites->count, sizeof *sites->same);
    rc = rc || !keys || !sites->same ? -ERR_NOMEM : 0;
    uint32_t count = sites->count - 1;
    for (uint32_t i = 0; !rc && i < count; i++)
        keys[i] = (struct key){m.first[merged_number(&m, site_stack(sites, i + 1))],
                               sites->items[i + 1].lane, i + 1};
    merged_release(&m);
    if (!rc)
        qsort(keys, count, sizeof *keys, by_key);
    for (uint32_t i = 1; !rc && i < count; i++) {
        if (keys[i].stack != keys[i - 1].stack || keys[i].lane != keys[i - 1].lane)
            continue;
        sites->same[keys[i - 1].site] |= keys[i].site;
        sites->same[keys[i].site] = SITE_FOLLOWS;
    }
    free(keys);
    return rc;
}

static int fold(struct replay *r, enum layers shown, bool *folded)
{
    uint32_t *python = find_python(&r->model.symbols);
    if (!python)
        return -ERR_NOMEM;
    *folded = fold_between(&r->model.symbols, python);
    if (shown == LAYERS_PYTHON)
        fold_leaves(r, python);
    free(python);
    return 0;
}

int layers_apply(struct replay *r, enum layers shown, bool *folded)
{
    *folded = false;
    if (!r->model.symbols.has_native)
        return 0;
    if (name_addresses(&r->model.symbols))
        return -ERR_NOMEM;
    layers_find_own(&r->model);
    return shown == LAYERS_ALL ? 0 : fold(r, shown, folded);
}

int layers_chain(struct replay *r) { return r->model.symbols.has_native ? chain_sites(r) : 0; }
