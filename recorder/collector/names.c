/* Two open-addressing tables (names.h). A function is told apart by a 128-bit hash of its texts:
 * the texts themselves aren't kept, for the collector's memory is the program's too; two functions
 * with one hash are not to be expected before 2^60 of them. */
#include "recorder/collector/names.h"

#include <stdlib.h>
#include <string.h>

struct function_key {
    uint64_t a, b;
    uint32_t id; /* 0: empty place */
};

struct node_key {
    uint32_t parent, function, line;
    uint32_t id; /* 0: empty place */
};

struct names {
    uint32_t (*sink)(void *context, const struct event *ev);
    void *context;
    struct function_key *functions;
    struct node_key *nodes;
    size_t function_count, function_places, node_count, node_places; /* places are powers of two */
};

#define FIRST_PLACES 1024

struct names *names_new(uint32_t (*sink)(void *, const struct event *), void *context)
{
    struct names *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    *n = (struct names){.sink = sink,
                        .context = context,
                        .function_places = FIRST_PLACES,
                        .node_places = FIRST_PLACES};
    n->functions = calloc(FIRST_PLACES, sizeof *n->functions);
    n->nodes = calloc(FIRST_PLACES, sizeof *n->nodes);
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
    free(n->nodes);
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

static struct node_key *node_place(const struct names *n, uint32_t parent, uint32_t function,
                                   uint32_t line)
{
    size_t mask = n->node_places - 1, at = hash_node(parent, function, line) & mask;
    while (n->nodes[at].id && (n->nodes[at].parent != parent || n->nodes[at].function != function ||
                               n->nodes[at].line != line))
        at = (at + 1) & mask;
    return &n->nodes[at];
}

static bool grow_functions(struct names *n)
{
    struct names old = *n;
    struct function_key *fresh = calloc(n->function_places * 2, sizeof *fresh);
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

static bool grow_nodes(struct names *n)
{
    struct names old = *n;
    struct node_key *fresh = calloc(n->node_places * 2, sizeof *fresh);
    if (!fresh)
        return false;
    n->nodes = fresh;
    n->node_places *= 2;
    for (size_t i = 0; i < old.node_places; i++)
        if (old.nodes[i].id)
            *node_place(n, old.nodes[i].parent, old.nodes[i].function, old.nodes[i].line) =
                old.nodes[i];
    free(old.nodes);
    return true;
}

uint32_t names_function(struct names *n, enum function_kind kind, struct text name,
                        struct text file, uint32_t first_line)
{
    uint64_t a = hash_text(hash_text(mix(first_line * 4u + kind), name), file);
    uint64_t b = hash_text(hash_text(~a, file), name);
    if (n->function_count * 4 >= n->function_places * 3 && !grow_functions(n))
        return FUNCTION_UNKNOWN;
    struct function_key *place = function_place(n, a, b);
    if (place->id)
        return place->id;
    struct record record = {.type = RECORD_FUNCTION};
    record.function.kind = (uint8_t)kind;
    record.function.name = name;
    record.function.file = file;
    record.function.first_line = first_line;
    struct event ev = {.kind = EVENT_RECORD, .record = &record};
    uint32_t id = n->sink(n->context, &ev);
    if (id) {
        *place = (struct function_key){a, b, id};
        n->function_count++;
    }
    return id;
}

uint32_t names_stack(struct names *n, uint32_t parent, uint32_t function, uint32_t line)
{
    if (n->node_count * 4 >= n->node_places * 3 && !grow_nodes(n))
        return STACK_UNKNOWN;
    struct node_key *place = node_place(n, parent, function, line);
    if (place->id)
        return place->id;
    struct event ev = {.kind = EVENT_STACK, .parent = parent, .function = function, .line = line};
    uint32_t id = n->sink(n->context, &ev);
    if (!id)
        return STACK_UNKNOWN;
    *place = (struct node_key){parent, function, line, id};
    n->node_count++;
    return id;
}
