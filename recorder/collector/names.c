/* Two open-addressing tables (names.h). A function is told apart by a 128-bit hash of its texts:
 * the texts themselves aren't kept, for the collector's memory is the program's too; two functions
 * with one hash are not to be expected before 2^60 of them.
 *
 * A node stands in one of NODE_WINDOW places from where its hash falls. The table of nodes grows up
 * to a limit; from then on a window without an empty place gives up its oldest node that was not
 * asked for since, or its oldest: what others have asked for they will ask for again. */
#define _GNU_SOURCE
#include "recorder/collector/names.h"
#include "recorder/failpoint.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct function_key {
    uint64_t a, b;
    uint32_t id; /* 0: empty place */
};

struct node_key {
    uint32_t parent, function, line;
    uint32_t id : 31;   /* 0: empty place */
    uint32_t asked : 1; /* again, after its definition */
};

struct names {
    uint32_t (*sink)(void *context, const struct event *ev);
    void *context;
    struct function_key *functions;
    struct node_key *nodes;
    size_t function_count, function_places, node_count, node_places; /* places are powers of two */
    size_t node_places_max;
};

#define FIRST_PLACES  1024
#define NODE_WINDOW   16
#define FUNCTIONS_MAX (1u << 20) /* known at a time: what comes later is defined at each use */
#define NODE_ID_MAX   0x7FFFFFFFu
#define HUGE_BYTES    (2u << 20)

/* A large table is hit at random places all over, so large pages spare most misses of the TLB; it
 * fills whatever pages it has. */
static struct node_key *nodes_new(size_t places)
{
    size_t bytes = places * sizeof(struct node_key);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_BYTES)
        madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

static void nodes_free(struct node_key *nodes, size_t places)
{
    if (nodes)
        munmap(nodes, places * sizeof *nodes);
}

struct names *names_new(uint32_t (*sink)(void *, const struct event *), void *context,
                        size_t nodes_max)
{
    struct names *n = FAILPOINT(names_memory, calloc(1, sizeof *n), NULL);
    if (!n)
        return NULL;
    *n = (struct names){.sink = sink,
                        .context = context,
                        .function_places = FIRST_PLACES,
                        .node_places = FIRST_PLACES,
                        .node_places_max = nodes_max};
    n->functions = FAILPOINT(names_functions, calloc(FIRST_PLACES, sizeof *n->functions), NULL);
    n->nodes = FAILPOINT(names_stacks, nodes_new(FIRST_PLACES), NULL);
    if (n->functions && n->nodes)
        return n;
    names_free(n);
    return NULL;
}

void names_free(struct names *n)
{
    if (!n)
        return;
    free(n->functions);
    nodes_free(n->nodes, n->node_places);
    free(n);
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    h *= UINT64_C(0xD6E8FEB86659FD93);
    return h ^ h >> 32;
}

static uint64_t hash_text(uint64_t h, struct text t)
{
    h = mix(h ^ t.length);
    for (uint32_t i = 0; i < t.length; i += 8) {
        uint64_t piece = 0;
        memcpy(&piece, t.bytes + i, t.length - i < 8 ? t.length - i : 8);
        h = mix(h ^ piece);
    }
    return h;
}

static uint64_t hash_node(uint32_t parent, uint32_t function, uint32_t line)
{
    return mix(((uint64_t)parent << 32 | function) * UINT64_C(0x9E3779B97F4A7C15) + line);
}

static struct function_key *function_place(const struct names *n, uint64_t a, uint64_t b)
{
    size_t mask = n->function_places - 1, at = a & mask;
    while (n->functions[at].id && (n->functions[at].a != a || n->functions[at].b != b))
        at = (at + 1) & mask;
    return &n->functions[at];
}

static bool is_node(const struct node_key *k, uint32_t parent, uint32_t function, uint32_t line)
{
    return k->parent == parent && k->function == function && k->line == line;
}

/* The node's place, or the first empty one of its window; NULL: it has neither. */
static struct node_key *node_place(const struct names *n, uint32_t parent, uint32_t function,
                                   uint32_t line)
{
    size_t mask = n->node_places - 1, home = hash_node(parent, function, line);
    for (size_t i = 0; i < NODE_WINDOW; i++) {
        struct node_key *k = &n->nodes[(home + i) & mask];
        if (!k->id || is_node(k, parent, function, line))
            return k;
    }
    return NULL;
}

/* The place of its window that a node takes from another. Ids are in order of definition. */
static struct node_key *node_to_forget(const struct names *n, uint32_t parent, uint32_t function,
                                       uint32_t line)
{
    size_t mask = n->node_places - 1, home = hash_node(parent, function, line);
    struct node_key *best = &n->nodes[home & mask];
    for (size_t i = 1; i < NODE_WINDOW; i++) {
        struct node_key *k = &n->nodes[(home + i) & mask];
        if (k->asked < best->asked || (k->asked == best->asked && k->id < best->id))
            best = k;
    }
    return best;
}

static bool grow_functions(struct names *n)
{
    struct names old = *n;
    struct function_key *fresh =
        FAILPOINT(function_memory, calloc(n->function_places * 2, sizeof *fresh), NULL);
    if (!fresh)
        return false;
    n->functions = fresh;
    n->function_places *= 2;
    for (size_t i = 0; i < old.function_places; i++)
        if (old.functions[i].id)
            *function_place(n, old.functions[i].a, old.functions[i].b) = old.functions[i];
    free(old.functions);
    return true;
}

/* Twice as many places. A node that finds no place among them, which is rare, is forgotten. */
static bool grow_nodes(struct names *n)
{
    struct names old = *n;
    struct node_key *fresh = FAILPOINT(stack_memory, nodes_new(n->node_places * 2), NULL);
    if (!fresh)
        return false;
    n->nodes = fresh;
    n->node_places *= 2;
    n->node_count = 0;
    for (size_t i = 0; i < old.node_places; i++) {
        const struct node_key *k = &old.nodes[i];
        struct node_key *place = k->id ? node_place(n, k->parent, k->function, k->line) : NULL;
        if (place) {
            *place = *k;
            n->node_count++;
        }
    }
    nodes_free(old.nodes, old.node_places);
    return true;
}

/* Where the node stands, or where a new one may: an empty place, or one that others must leave. */
static struct node_key *node_find(struct names *n, uint32_t parent, uint32_t function,
                                  uint32_t line)
{
    struct node_key *place = node_place(n, parent, function, line);
    bool crowded = !place || (!place->id && n->node_count * 4 >= n->node_places * 3);
    if (crowded && n->node_places < n->node_places_max && grow_nodes(n))
        place = node_place(n, parent, function, line);
    return place ? place : node_to_forget(n, parent, function, line);
}

/* The function's id; a and b: the hash of what it is told apart by. */
static uint32_t define_function(struct names *n, const struct record *record, uint64_t a,
                                uint64_t b)
{
    if (n->function_count * 4 >= n->function_places * 3 && n->function_count < FUNCTIONS_MAX &&
        !grow_functions(n))
        return FUNCTION_UNKNOWN;
    struct function_key *place = function_place(n, a, b);
    if (place->id)
        return place->id;
    struct event ev = {.kind = EVENT_RECORD, .record = record};
    uint32_t id = n->sink(n->context, &ev);
    if (id && n->function_count < FUNCTIONS_MAX) {
        *place = (struct function_key){a, b, id};
        n->function_count++;
    }
    return id;
}

uint32_t names_function(struct names *n, enum function_kind kind, struct text name,
                        struct text file, uint32_t first_line)
{
    struct record record = {.type = RECORD_FUNCTION};
    record.function.kind = (uint8_t)kind;
    record.function.name = name;
    record.function.file = file;
    record.function.first_line = first_line;
    uint64_t a = hash_text(hash_text(mix(first_line * 4u + kind), name), file);
    return define_function(n, &record, a, hash_text(hash_text(~a, file), name));
}

uint32_t names_native(struct names *n, const char *name, const char *file)
{
    return names_function(n, FUNCTION_NATIVE, (struct text){name, (uint32_t)strlen(name)},
                          (struct text){file, (uint32_t)strlen(file)}, 0);
}

static struct text base_name(struct text path)
{
    const char *slash = path.length ? memrchr(path.bytes, '/', path.length) : NULL;
    uint32_t skipped = slash ? (uint32_t)(slash + 1 - path.bytes) : 0;
    return (struct text){path.bytes + skipped, path.length - skipped};
}

uint32_t names_module(struct names *n, struct text path, struct text build_id)
{
    struct record record = {.type = RECORD_FUNCTION};
    record.function.kind = FUNCTION_MODULE;
    record.function.name = base_name(path);
    record.function.file = path;
    record.function.build_id = build_id;
    uint64_t a = hash_text(hash_text(mix(FUNCTION_MODULE), build_id), path);
    return define_function(n, &record, a, hash_text(hash_text(~a, path), build_id));
}

uint32_t names_stack(struct names *n, uint32_t parent, uint32_t function, uint32_t line)
{
    struct node_key *place = node_find(n, parent, function, line);
    if (place->id && is_node(place, parent, function, line)) {
        place->asked = 1;
        return place->id;
    }
    struct event ev = {.kind = EVENT_STACK, .parent = parent, .function = function, .line = line};
    uint32_t id = n->sink(n->context, &ev);
    if (!id)
        return STACK_UNKNOWN;
    if (id > NODE_ID_MAX) /* not to be told from `asked`: each definition is a new one */
        return id;
    n->node_count += !place->id;
    *place = (struct node_key){.parent = parent, .function = function, .line = line, .id = id};
    return id;
}
