/* The walker in a shared object of its own, for tests on real interpreters.
 *
 * Preloaded, it does what the recorder does: the probe in a constructor, a walk at every Python
 * allocation from the first on; each is compared with a walk that has no shadow copy to start from.
 * tests/walk/hostile.py asks it, through ctypes, what the walker says of the stack it is called
 * from. Definitions are kept in tables instead of being written to a ring. Not here: the expected
 * answers; they come from sys._getframe. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recorder/collector/lines.h"
#include "recorder/preload/define.h"
#include "recorder/preload/interp.h"
#include "recorder/preload/walk.h"

#define EXPORT __attribute__((visibility("default")))

enum { CODES_MAX = 1 << 18, NODES_MAX = 1 << 23 };

static struct code {
    char *name, *filename;
    uint8_t *table;
    struct line_table lines;
} * codes;

static struct {
    uint32_t parent, code_id;
    int32_t lasti;
} * nodes;

static __thread struct walker walker, other_walker;
static __thread int busy;
static enum interp_verdict verdicts[2];
static char facts[2][INTERP_FACT_BYTES];
static _Atomic uint64_t compared, differing, errno_changed;
static _Atomic int comparing;

/* ---- definitions */

static void *copy(const void *bytes, size_t n)
{
    char *p = malloc(n + 1);
    memcpy(p, bytes, n);
    p[n] = 0;
    return p;
}

bool define_code(uint32_t id, const struct code_facts *f)
{
    if (id >= CODES_MAX)
        return false;
    struct code *c = &codes[id];
    c->name = copy(f->name, f->name_bytes);
    c->filename = copy(f->filename, f->filename_bytes);
    c->table = f->table_bytes ? copy(f->table, f->table_bytes) : NULL;
    c->lines = (struct line_table){c->table, f->table_bytes, f->first_line, f->table_kind};
    errno = ENOTTY;
    return true;
}

bool define_node(uint32_t id, uint32_t parent, uint32_t code_id, int32_t lasti)
{
    if (id >= NODES_MAX)
        return false;
    nodes[id].parent = parent;
    nodes[id].code_id = code_id;
    nodes[id].lasti = lasti;
    errno = ENOTTY;
    return true;
}

bool define_module(uint32_t id, const struct module_facts *facts)
{
    (void)id;
    (void)facts;
    return true;
}

void define_module_gone(uint32_t id) { (void)id; }

void define_verdict(enum interp_verdict verdict, const char *fact)
{
    verdicts[1] = verdict;
    strncpy(facts[1], fact, sizeof facts[1] - 1);
}

/* ---- a walk at each allocation */

struct allocator {
    void *ctx;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

static struct allocator real[3];

static void compare_walks(void)
{
    if (busy || !comparing)
        return;
    busy = 1;
    errno = EXDEV;
    uint32_t quick = walk_current(&walker);
    other_walker.depth = 0;
    other_walker.epoch = UINT64_MAX; /* it recalls nothing either */
    uint32_t whole = walk_current(&other_walker);
    if (errno != EXDEV)
        errno_changed++;
    if (quick)
        compared++;
    if (quick != whole)
        differing++;
    busy = 0;
}

static void *on_malloc(void *ctx, size_t n)
{
    struct allocator *a = ctx;
    compare_walks();
    return a->malloc(a->ctx, n);
}

static void *on_calloc(void *ctx, size_t n, size_t size)
{
    struct allocator *a = ctx;
    compare_walks();
    return a->calloc(a->ctx, n, size);
}

static void *on_realloc(void *ctx, void *p, size_t n)
{
    struct allocator *a = ctx;
    compare_walks();
    return a->realloc(a->ctx, p, n);
}

static void on_free(void *ctx, void *p)
{
    struct allocator *a = ctx;
    a->free(a->ctx, p);
}

static void wrap_allocators(void)
{
    void (*get)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    void (*set)(int, struct allocator *) =
        (void (*)(int, struct allocator *))dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    for (int domain = 0; get && set && domain < 3; domain++) {
        struct allocator ours = {&real[domain], on_malloc, on_calloc, on_realloc, on_free};
        get(domain, &real[domain]);
        set(domain, &ours);
    }
}

/* ---- what if the layout were wrong */

#define COLUMNS(...)
#define FACT(name, ...) #name,
static const char *const fact_names[] = {
#include "recorder/preload/layout.def"
};

static bool distorted;

/* HARNESS_DISTORT=fact:bytes moves one offset of the row that the probe has found good. */
static void distort_layout(void)
{
    const char *wish = getenv("HARNESS_DISTORT");
    const char *bytes = wish ? strchr(wish, ':') : NULL;
    int32_t *facts_of_row = (int32_t *)&interp.layout;
    for (size_t i = 0; bytes && i < sizeof fact_names / sizeof *fact_names; i++)
        if (strlen(fact_names[i]) == (size_t)(bytes - wish) &&
            strncmp(fact_names[i], wish, (size_t)(bytes - wish)) == 0 && facts_of_row[i] >= 0) {
            facts_of_row[i] += atoi(bytes + 1);
            distorted = true;
        }
}

/* HARNESS_GROW=symbol makes the interpreter's type say that its objects are 8 bytes larger; or, for
 * _PyRuntime, its fourth debug offset. */
static void grow_type(intptr_t by)
{
    const char *symbol = getenv("HARNESS_GROW");
    char *type = symbol ? dlsym(RTLD_DEFAULT, symbol) : NULL;
    if (!type)
        return;
    bool has_gil = !dlsym(RTLD_DEFAULT, "_Py_DecRefShared");
    intptr_t *size = (intptr_t *)(type + (strcmp(symbol, "_PyRuntime") == 0 ? 8 * 4
                                          : has_gil                         ? 32
                                                                            : 48));
    *size += by;
}

static void before_fork(void) { walk_fork_prepare(); }

static void start(void)
{
    codes = calloc(CODES_MAX, sizeof *codes);
    nodes = calloc(NODES_MAX, sizeof *nodes);
    pthread_atfork(before_fork, walk_fork_parent, walk_after_fork);
    grow_type(8);
    verdicts[0] = interp_probe(RTLD_DEFAULT, facts[0], sizeof facts[0]);
    grow_type(-8);
    distort_layout();
    if (verdicts[0] == INTERP_OK)
        wrap_allocators();
    comparing = 1;
}

static __attribute__((constructor)) void constructor(void) { start(); }

/* ---- what hostile.py asks */

EXPORT int harness_verdict(int step) { return (int)verdicts[step]; }
EXPORT const char *harness_fact(int step) { return facts[step]; }
EXPORT int harness_distorted(void) { return distorted; }
EXPORT void harness_compare(int on) { comparing = on; }
EXPORT uint64_t harness_compared(void) { return compared; }
EXPORT uint64_t harness_differing(void) { return differing; }
EXPORT uint64_t harness_errno_changed(void) { return errno_changed; }
EXPORT uint32_t harness_walk(void) { return walk_current(&walker); }
EXPORT uint32_t harness_nodes(void) { return intern_count(); }

EXPORT uint64_t harness_lost(void)
{
    struct walk_losses losses;
    walk_losses(&losses);
    return losses.lost;
}

EXPORT uint64_t harness_truncated(void)
{
    struct walk_losses losses;
    walk_losses(&losses);
    return losses.truncated;
}

EXPORT uint32_t harness_parent(uint32_t node) { return nodes[node].parent; }
EXPORT uint32_t harness_code(uint32_t node) { return nodes[node].code_id; }
EXPORT int32_t harness_lasti(uint32_t node) { return nodes[node].lasti; }

EXPORT int32_t harness_line(uint32_t node)
{
    return lines_find(&codes[nodes[node].code_id].lines, nodes[node].lasti);
}

EXPORT const char *harness_name(uint32_t code_id) { return codes[code_id].name; }
EXPORT const char *harness_filename(uint32_t code_id) { return codes[code_id].filename; }
EXPORT int32_t harness_first_line(uint32_t code_id) { return codes[code_id].lines.first_line; }

/* lines_find at each of a table's instructions: lines[0] is before the first, the others follow. */
EXPORT void harness_lines_find_all(const uint8_t *bytes, uint32_t n, int kind, int32_t first_line,
                                   int32_t count, int32_t *lines)
{
    struct line_table table = {bytes, n, first_line, (enum line_table_kind)kind};
    lines[0] = lines_find(&table, -1);
    for (int32_t i = 0; i < count; i++)
        lines[i + 1] = lines_find(&table, 2 * i);
}

/* What the interpreter says of the same: `ask` is its PyCode_Addr2Line. The caller holds the GIL.
 */
EXPORT void harness_ask_all(void *code, int (*ask)(void *, int), int32_t count, int32_t *lines)
{
    for (int32_t i = 0; i <= count; i++) {
        int line = ask(code, i ? 2 * i - 2 : -1);
        lines[i] = line > 0 ? line : 0;
    }
}

/* The cost of one walk from here, in ns: the least of several runs, quick or whole. */
EXPORT double harness_cost(int whole)
{
    double least = 1e9;
    for (int run = 0; run < 20; run++) {
        struct timespec a, b;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
        for (int i = 0; i < 1000; i++) {
            if (whole)
                other_walker.depth = 0;
            walk_current(whole ? &other_walker : &walker);
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
        double ns = ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 1000;
        if (ns < least)
            least = ns;
    }
    return least;
}
