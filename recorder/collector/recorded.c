/* The tables of one recorded process (recorded.h). Why plain arrays: a process numbers its nodes
 * and codes from 1 on without gaps. */
#include "recorder/collector/recorded.h"
#include "format/grow.h"
#include "recorder/failpoint.h"
#include "recorder/ring.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CODES   256u
#define FIRST_MODULES 64u
#define MAPPINGS_MAX  65536u /* as many as Linux lets a process have, unless told otherwise */

bool recorded_may_take(const struct recorded *p, size_t bytes)
{
    const struct allowance *a = p->allowance;
    return !a || (a->used_bytes <= a->max_bytes && bytes <= a->max_bytes - a->used_bytes);
}

static void charge(struct recorded *p, size_t *account, size_t bytes)
{
    if (p->allowance)
        p->allowance->used_bytes += bytes - *account;
    *account = bytes;
}

static void account_definitions(struct recorded *p)
{
    charge(p, &p->charged_bytes,
           nodes_bytes(&p->nodes) + chains_bytes(&p->chains) + p->code_capacity * sizeof *p->codes +
               p->module_count * sizeof *p->modules);
}

void recorded_account(struct recorded *p)
{
    size_t bytes = ranges_bytes(&p->ranges);
    if (!p->unwatched && (ranges_count(&p->ranges) > MAPPINGS_MAX || !recorded_may_take(p, 0))) {
        ranges_release(&p->ranges);
        p->unwatched = true;
        p->refused++;
        bytes = 0;
    }
    charge(p, &p->watched_bytes, bytes + p->big.capacity * sizeof *p->big.places);
}

void recorded_add_big(struct recorded *p, const struct bigblock *block)
{
    if (recorded_may_take(p, 2 * p->big.capacity * sizeof *p->big.places))
        bigblocks_add(&p->big, block);
    recorded_account(p);
}

struct recorded *recorded_new(struct address_pool *pool)
{
    struct recorded *p = FAILPOINT(process_memory, calloc(1, sizeof *p), NULL);
    if (!p)
        return NULL;
    p->pidfd = p->pagemap = -1;
    ranges_init(&p->ranges);
    if (addresses_init(&p->addresses, pool) == 0)
        return p;
    recorded_free(p);
    return NULL;
}

static void close_all(struct recorded *p)
{
    int *fds[] = {&p->pidfd, &p->pagemap};
    for (unsigned i = 0; i < 2; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static size_t lines_bytes(uint32_t count)
{
    return sizeof(struct shared_lines) + count * sizeof(struct line_run);
}

static void drop_lines(struct recorded *p, struct shared_lines *lines)
{
    if (!lines || --lines->users != 0)
        return;
    if (p->allowance)
        p->allowance->used_bytes -= lines_bytes(lines->count);
    free(lines);
}

/* count: as lines_decode told it. */
static struct shared_lines *read_lines(struct recorded *p, const struct line_table *table,
                                       uint32_t count)
{
    struct shared_lines *lines = FAILPOINT(code_memory, malloc(lines_bytes(count)), NULL);
    if (!lines)
        return NULL;
    if (p->allowance)
        p->allowance->used_bytes += lines_bytes(count);
    lines->users = 1;
    lines->first_line = table->first_line;
    lines->count = lines_decode(table, lines->runs, count);
    return lines;
}

static void drop_definitions(struct recorded *p)
{
    for (uint32_t i = 0; i < p->code_count; i++)
        drop_lines(p, p->codes[i].lines);
    free(p->codes);
    nodes_release(&p->nodes);
    chains_release(&p->chains);
    free(p->modules);
    p->modules = NULL;
    p->module_count = 0;
    p->codes = NULL;
    p->code_count = p->code_capacity = 0;
    account_definitions(p);
}

void recorded_end(struct recorded *p, bool keep_definitions)
{
    close_all(p);
    addresses_release(&p->addresses);
    ranges_release(&p->ranges);
    ranges_init(&p->ranges);
    bigblocks_release(&p->big);
    charge(p, &p->watched_bytes, 0);
    p->ended = true;
    if (keep_definitions)
        return;
    drop_definitions(p);
    proc_image_release(&p->image);
}

void recorded_free(struct recorded *p)
{
    if (!p)
        return;
    recorded_end(p, false);
    free(p);
}

/* Makes room for code `id`; new places are zero. */
static bool reach_code(struct recorded *p, uint32_t id)
{
    if (id < p->code_count)
        return true;
    if (id - p->code_count > NODES_JUMP || id >= NODES_LIMIT)
        return false;
    if (id >= p->code_capacity &&
        !FAILPOINT(code_places, GROW_TO(p->codes, p->code_capacity, id, FIRST_CODES), false))
        return false;
    p->code_count = id + 1;
    return true;
}

bool recorded_inherit(struct recorded *child, const struct recorded *parent)
{
    if (!recorded_may_take(child, parent->charged_bytes))
        return false;
    struct known_code *codes =
        FAILPOINT(inherit_memory, malloc((size_t)parent->code_count * sizeof *codes + 1), NULL);
    struct known_module *modules =
        FAILPOINT(module_copy, malloc(parent->module_count * sizeof *modules + 1), NULL);
    if (!codes || !modules || !nodes_copy(&child->nodes, &parent->nodes) ||
        !chains_copy(&child->chains, &parent->chains)) {
        free(codes);
        free(modules);
        return false;
    }
    if (parent->module_count)
        memcpy(modules, parent->modules, parent->module_count * sizeof *modules);
    child->modules = modules;
    child->module_count = parent->module_count;
    child->chained = parent->chained;
    for (uint32_t i = 0; i < parent->code_count; i++) {
        codes[i] = parent->codes[i];
        if (codes[i].lines)
            codes[i].lines->users++;
    }
    child->codes = codes;
    child->code_count = child->code_capacity = parent->code_count;
    account_definitions(child);
    return true;
}

/* Is a definition beyond the allowance? Then it is counted, and that is all. */
static bool is_refused(struct recorded *p, size_t bytes)
{
    bool refused = !recorded_may_take(p, bytes);
    p->refused += refused;
    return refused;
}

bool recorded_define_code(struct recorded *p, uint32_t code, uint32_t function,
                          const struct line_table *table)
{
    uint32_t count = lines_decode(table, NULL, 0);
    if (is_refused(p, lines_bytes(count) + p->code_capacity * sizeof *p->codes))
        return true;
    struct shared_lines *lines = reach_code(p, code) ? read_lines(p, table, count) : NULL;
    account_definitions(p);
    if (!lines)
        return false;
    drop_lines(p, p->codes[code].lines);
    p->codes[code] = (struct known_code){function, lines};
    return true;
}

bool recorded_define_module(struct recorded *p, uint32_t module, uint32_t function, uint64_t start)
{
    if (is_refused(p, p->module_count * sizeof *p->modules))
        return true;
    if (!module || module > p->module_count + NODES_JUMP || module >= MODULE_LIMIT)
        return false;
    if (module >= p->module_count &&
        !FAILPOINT(module_places, GROW_TO(p->modules, p->module_count, module, FIRST_MODULES),
                   false))
        return false;
    p->modules[module] = (struct known_module){function, start};
    account_definitions(p);
    return true;
}

/* A frame in a module, or in code that was made at run time. */
static uint32_t native_function(const struct recorded *p, struct names *names, uint32_t module)
{
    if (!module)
        return names_native(names, "[jit]", "");
    return module < p->module_count ? p->modules[module].function : FUNCTION_UNKNOWN;
}

/* A Python frame's function, and the line that it is at. */
static uint32_t python_function(const struct recorded *p, uint32_t code, int32_t lasti,
                                uint32_t *line)
{
    *line = 0;
    if (code >= p->code_count || !p->codes[code].lines)
        return FUNCTION_UNKNOWN;
    const struct shared_lines *lines = p->codes[code].lines;
    *line = (uint32_t)lines_find_run(lines->runs, lines->count, lines->first_line, lasti);
    return p->codes[code].function;
}

/* A node of a process whose native frames are recorded; no stack is made of it before it is used.
 */
static bool define_chained(struct recorded *p, struct names *names, uint32_t node, uint32_t parent,
                           uint32_t code, int32_t lasti)
{
    struct chain_node as = {.parent = parent, .outermost = recorded_outermost(p, parent)};
    as.line = (uint32_t)lasti;
    if (code & CODE_NATIVE) {
        as.function = native_function(p, names, code & ~CODE_NATIVE);
    } else if (code & CODE_PAIR) {
        as.function = CHAIN_PAIR + (code - CODE_PAIR);
        if (code > CODE_ENTRY)
            return false;
    } else {
        as.function = python_function(p, code, lasti, &as.line);
        if (!as.outermost)
            as.outermost = code;
    }
    return chains_define(&p->chains, node, &as);
}

bool recorded_define_node(struct recorded *p, struct names *names, uint32_t node, uint32_t parent,
                          uint32_t code, int32_t lasti)
{
    if (is_refused(p, nodes_bytes(&p->nodes) / 2 + chains_bytes(&p->chains)))
        return true;
    if (p->chained) {
        bool chained = define_chained(p, names, node, parent, code, lasti);
        account_definitions(p);
        return chained;
    }
    if (!nodes_may_define(&p->nodes, node))
        return false;
    uint32_t line, function = python_function(p, code, lasti, &line);
    uint32_t outermost = recorded_outermost(p, parent);
    uint32_t stack = names_stack(names, recorded_stack(p, names, parent), function, line);
    bool defined = nodes_define(&p->nodes, node, stack, outermost ? outermost : code);
    account_definitions(p);
    return defined;
}
