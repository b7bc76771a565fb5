/* Functions by name and key, nodes by parent and function, both behind hashes (paths.h). Why the
 * texts' pointers are hashed: they are interned, so equal texts are the same pointer. */
#include "analyzer/paths.h"

#include "analyzer/frame.h"
#include "analyzer/glyph.h"
#include "format/error.h"
#include "format/grow.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CYCLE_MOST 32 /* functions of a recursion that is collapsed */

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static const struct text nothing = {"", 0};

int paths_init(struct paths *p)
{
    *p = (struct paths){0};
    int rc = symbols_init(&p->texts);
    if (rc || paths_function(p, nothing, nothing, FUNCTION_PYTHON, 0, 0) == PATH_NONE)
        return -ERR_NOMEM;
    p->nodes = calloc(64, sizeof *p->nodes);
    p->node_capacity = p->nodes ? 64 : 0;
    p->node_count = PATH_UNKNOWN + 1;
    return p->nodes ? 0 : -ERR_NOMEM;
}

void paths_release(struct paths *p)
{
    symbols_release(&p->texts);
    free(p->functions);
    free(p->nodes);
    free(p->function_slots);
    free(p->node_slots);
    *p = (struct paths){0};
}

static uint64_t function_hash(const struct path_function *f)
{
    return mix(mix((uintptr_t)f->name) ^ (uintptr_t)f->key ^ (uint64_t)f->kind << 56);
}

static uint64_t node_hash(const struct path_node *n)
{
    return mix((uint64_t)n->parent << 32 | n->function);
}

static int grow_function_slots(struct paths *p)
{
    uint32_t mask = p->function_slots ? p->function_mask * 2 + 1 : 1023;
    uint32_t *slots = calloc(mask + 1ul, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint32_t id = 0; id < p->function_count; id++) {
        uint32_t at = (uint32_t)function_hash(&p->functions[id]) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = id + 1;
    }
    free(p->function_slots);
    p->function_slots = slots;
    p->function_mask = mask;
    return 0;
}

static int grow_node_slots(struct paths *p)
{
    uint32_t mask = p->node_slots ? p->node_mask * 2 + 1 : 4095;
    uint32_t *slots = calloc(mask + 1ul, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint32_t id = PATH_UNKNOWN + 1; id < p->node_count; id++) {
        uint32_t at = (uint32_t)node_hash(&p->nodes[id]) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = id + 1;
    }
    free(p->node_slots);
    p->node_slots = slots;
    p->node_mask = mask;
    return 0;
}

static uint32_t find_function(struct paths *p, const struct path_function *wanted)
{
    uint32_t at = (uint32_t)function_hash(wanted) & p->function_mask;
    for (; p->function_slots[at]; at = (at + 1) & p->function_mask) {
        const struct path_function *f = &p->functions[p->function_slots[at] - 1];
        if (f->name == wanted->name && f->key == wanted->key && f->kind == wanted->kind)
            return p->function_slots[at] - 1;
    }
    if (p->function_count == p->function_capacity && !GROW(p->functions, p->function_capacity, 256))
        return PATH_NONE;
    p->functions[p->function_count] = *wanted;
    p->function_slots[at] = ++p->function_count;
    return p->function_count - 1;
}

uint32_t paths_function(struct paths *p, struct text name, struct text key, uint8_t kind,
                        unsigned side, const struct name *file)
{
    struct path_function wanted = {.kind = kind};
    wanted.name = symbols_name(&p->texts, name);
    wanted.key = symbols_name(&p->texts, key);
    if (!wanted.name || !wanted.key)
        return PATH_NONE;
    if (p->function_count * 2ul >= p->function_mask && grow_function_slots(p))
        return PATH_NONE;
    uint32_t id = find_function(p, &wanted);
    if (id == PATH_NONE || !file || p->functions[id].files[side])
        return id;
    const struct name *kept = symbols_name(&p->texts, name_text(file));
    p->functions[id].files[side] = kept;
    return kept ? id : PATH_NONE;
}

/* Would the path that ends in function repeat its last `length` functions? at: the ancestor that is
 * `length` above. */
static bool repeats(const struct paths *p, uint32_t parent, uint32_t at, unsigned length)
{
    uint32_t upper = p->nodes[at].parent;
    for (unsigned i = 1; i < length; i++) {
        if (upper <= PATH_UNKNOWN || p->nodes[upper].function != p->nodes[parent].function)
            return false;
        upper = p->nodes[upper].parent;
        parent = p->nodes[parent].parent;
    }
    return true;
}

/* The end of the cycle that function would begin again, or PATH_NONE. */
static uint32_t cycle_end(const struct paths *p, uint32_t parent, uint32_t function)
{
    uint32_t at = parent;
    for (unsigned length = 1; length <= CYCLE_MOST && at > PATH_UNKNOWN; length++) {
        if (p->nodes[at].function == function && repeats(p, parent, at, length))
            return at;
        at = p->nodes[at].parent;
    }
    return PATH_NONE;
}

uint32_t paths_node(struct paths *p, uint32_t parent, uint32_t function)
{
    uint32_t cycle = cycle_end(p, parent, function);
    if (cycle != PATH_NONE)
        return cycle;
    if (p->node_count * 2ul >= p->node_mask && grow_node_slots(p))
        return PATH_NONE;
    struct path_node wanted = {parent, function};
    uint32_t at = (uint32_t)node_hash(&wanted) & p->node_mask;
    for (; p->node_slots[at]; at = (at + 1) & p->node_mask) {
        const struct path_node *n = &p->nodes[p->node_slots[at] - 1];
        if (n->parent == parent && n->function == function)
            return p->node_slots[at] - 1;
    }
    if (p->node_count == p->node_capacity && !GROW(p->nodes, p->node_capacity, 256))
        return PATH_NONE;
    p->nodes[p->node_count] = wanted;
    p->node_slots[at] = ++p->node_count;
    return p->node_count - 1;
}

/* `Reader.load.<locals>.one` is `one` to an interpreter before 3.11. */
static struct text bare_name(const struct name *name)
{
    const char *dot = memrchr(name->bytes, '.', name->length);
    const char *from = dot ? dot + 1 : name->bytes;
    return (struct text){from, name->length - (uint32_t)(from - name->bytes)};
}

static bool comprehension(const struct path_function *f)
{
    struct text bare = bare_name(f->name);
    static const char *const names[] = {"<listcomp>", "<dictcomp>", "<setcomp>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (f->kind == FUNCTION_PYTHON && bare.length == strlen(names[i]) &&
            !memcmp(bare.bytes, names[i], bare.length))
            return true;
    return false;
}

static uint32_t agree_function(struct paths *out, const struct path_function *f, bool bare)
{
    uint32_t id = 0;
    struct text name = bare && f->kind == FUNCTION_PYTHON ? bare_name(f->name) : name_text(f->name);
    for (unsigned side = 0; side < PATH_SIDES && id != PATH_NONE; side++)
        id = paths_function(out, name, name_text(f->key), f->kind, side, f->files[side]);
    return id;
}

int paths_agree(struct paths *out, const struct paths *p, struct paths_agreement agreement,
                uint32_t *map)
{
    uint32_t *functions = malloc(p->function_count * sizeof *functions);
    int rc = functions ? 0 : -ERR_NOMEM;
    map[PATH_ROOT] = PATH_ROOT;
    map[PATH_UNKNOWN] = PATH_UNKNOWN;
    for (uint32_t id = 0; id < p->function_count && !rc; id++) {
        functions[id] = agree_function(out, &p->functions[id], agreement.bare);
        rc = functions[id] == PATH_NONE ? -ERR_NOMEM : 0;
    }
    for (uint32_t id = PATH_UNKNOWN + 1; id < p->node_count && !rc; id++) {
        const struct path_node *n = &p->nodes[id];
        const struct path_function *f = &p->functions[n->function];
        bool left_out = agreement.no_comprehension && n->parent > PATH_UNKNOWN &&
                        comprehension(f) &&
                        p->functions[p->nodes[n->parent].function].key == f->key;
        map[id] =
            left_out ? map[n->parent] : paths_node(out, map[n->parent], functions[n->function]);
        rc = map[id] == PATH_NONE ? -ERR_NOMEM : 0;
    }
    free(functions);
    return rc;
}

/* Downwards: a path's holder is its parent's unless it is the program's own code itself. */
uint32_t *paths_holders(const struct paths *p)
{
    uint32_t *own = calloc(p->node_count + 1ul, sizeof *own);
    for (uint32_t node = PATH_UNKNOWN + 1; own && node < p->node_count; node++) {
        uint32_t function = p->nodes[node].function;
        own[node] =
            path_function_own(&p->functions[function]) ? function : own[p->nodes[node].parent];
    }
    for (uint32_t node = PATH_ROOT; own && node < p->node_count; node++)
        own[node] = own[node] ? own[node] : p->nodes[node].function;
    return own;
}

void path_function_name(char *out, size_t capacity, const struct path_function *f, bool ascii)
{
    size_t used = 0;
    out[0] = 0;
    if (f->name->length)
        glyph_append(out, capacity, &used, f->name->bytes, f->name->length, ascii);
    else
        snprintf(out, capacity, "%s",
                 f->kind == FUNCTION_MODULE ? "(machine code)" : "(unknown function)");
}

void path_file_base(char *out, size_t capacity, const struct name *file, bool ascii)
{
    struct text base = frame_base(file);
    size_t used = 0;
    out[0] = 0;
    glyph_append(out, capacity, &used, base.bytes, base.length, ascii);
}

void path_function_file(char *out, size_t capacity, const struct path_function *f, bool ascii)
{
    const struct name *file = f->files[1] ? f->files[1] : f->files[0];
    size_t used = 0;
    out[0] = 0;
    if (!f->key->length)
        return;
    if (f->key->bytes[0] == ORIGIN_SCRIPT && file)
        path_file_base(out, capacity, file, ascii);
    else
        glyph_append(out, capacity, &used, f->key->bytes + 1, f->key->length - 1, ascii);
}

void path_function_package(char *out, size_t capacity, const struct path_function *f, bool ascii)
{
    size_t used = 0;
    out[0] = 0;
    bool native = f->kind != FUNCTION_PYTHON;
    if (f->key->length && (native || f->key->bytes[0] == ORIGIN_LIBRARY))
        glyph_append(out, capacity, &used, f->key->bytes + 1, strcspn(f->key->bytes + 1, "/."),
                     ascii);
}
