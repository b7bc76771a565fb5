/* Texts in chunks under a hash set, functions and stack nodes by id (symbols.h). Why chunks:
 * texts never move, so their pointers can stand for them. */
#include "replay/symbols.h"

#include "format/error.h"
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (256u << 10)

struct name_slot {
    const struct name *name;
    uint64_t hash;
};

struct function_slot {
    uint32_t id; /* 0: empty */
};

struct text_chunk {
    struct text_chunk *next;
    size_t used_bytes, capacity_bytes;
    char bytes[];
};

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static uint64_t text_hash(const char *bytes, uint32_t length)
{
    uint64_t h = 0xCBF29CE484222325u ^ length;
    for (uint32_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)bytes[i]) * 0x100000001B3u;
    return mix(h);
}

static void *chunk_take(struct symbols *s, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (!s->chunks || s->chunks->capacity_bytes - s->chunks->used_bytes < bytes) {
        size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct text_chunk *chunk = malloc(sizeof *chunk + capacity);
        if (!chunk)
            return 0;
        *chunk = (struct text_chunk){.next = s->chunks, .capacity_bytes = capacity};
        s->chunks = chunk;
    }
    s->chunks->used_bytes += bytes;
    return s->chunks->bytes + s->chunks->used_bytes - bytes;
}

static int names_grow(struct symbols *s)
{
    uint64_t mask = s->names ? s->name_mask * 2 + 1 : 1023;
    struct name_slot *slots = calloc(mask + 1, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint64_t i = 0; s->names && i <= s->name_mask; i++) {
        if (!s->names[i].name)
            continue;
        uint64_t at = s->names[i].hash & mask;
        while (slots[at].name)
            at = (at + 1) & mask;
        slots[at] = s->names[i];
    }
    free(s->names);
    s->names = slots;
    s->name_mask = mask;
    return 0;
}

static const struct name *name_new(struct symbols *s, struct text text)
{
    struct name *name = chunk_take(s, sizeof *name + text.length + 1);
    if (!name)
        return 0;
    name->length = text.length;
    if (text.length)
        memcpy(name->bytes, text.bytes, text.length);
    name->bytes[text.length] = 0;
    return name;
}

const struct name *symbols_name(struct symbols *s, struct text text)
{
    if ((!s->names || (s->name_count + 1) * 2 > s->name_mask) && names_grow(s))
        return 0;
    uint64_t hash = text_hash(text.bytes, text.length), at = hash & s->name_mask;
    for (; s->names[at].name; at = (at + 1) & s->name_mask)
        if (s->names[at].hash == hash && name_is(s->names[at].name, text))
            return s->names[at].name;
    const struct name *name = name_new(s, text);
    if (name) {
        s->names[at] = (struct name_slot){name, hash};
        s->name_count++;
    }
    return name;
}

int symbols_init(struct symbols *s)
{
    *s = (struct symbols){0};
    sparse_init(&s->functions, sizeof(struct function), 8);
    sparse_init(&s->stacks, sizeof(struct stack_node), 10);
    s->empty = symbols_name(s, (struct text){"", 0});
    return s->empty ? 0 : -ERR_NOMEM;
}

void symbols_release(struct symbols *s)
{
    while (s->chunks) {
        struct text_chunk *next = s->chunks->next;
        free(s->chunks);
        s->chunks = next;
    }
    free(s->names);
    free(s->equals);
    free(s->frames);
    free(s->frame_slots);
    sparse_release(&s->functions);
    sparse_release(&s->stacks);
    s->names = 0;
    s->equals = 0;
    s->frames = 0;
    s->frame_slots = 0;
}

static uint64_t function_hash(const struct function *f)
{
    uint64_t where = mix((uintptr_t)f->module * 31 + mix((uintptr_t)f->build_id));
    return mix((uintptr_t)f->name * 31 + mix(where + (uintptr_t)f->file + f->kind));
}

static bool function_equal(const struct function *a, const struct function *b)
{
    return a->name == b->name && a->file == b->file && a->kind == b->kind &&
           a->module == b->module && a->build_id == b->build_id;
}

static void equals_place(const struct symbols *s, struct function_slot *slots, uint64_t mask,
                         uint32_t id)
{
    uint64_t at = function_hash(sparse_get(&s->functions, id)) & mask;
    while (slots[at].id)
        at = (at + 1) & mask;
    slots[at].id = id;
}

static int equals_grow(struct symbols *s)
{
    uint64_t mask = s->equals ? s->equal_mask * 2 + 1 : 1023;
    struct function_slot *slots = calloc(mask + 1, sizeof *slots);
    if (!slots)
        return -ERR_NOMEM;
    for (uint64_t i = 0; s->equals && i <= s->equal_mask; i++)
        if (s->equals[i].id)
            equals_place(s, slots, mask, s->equals[i].id);
    free(s->equals);
    s->equals = slots;
    s->equal_mask = mask;
    return 0;
}

/* The slot of the first equal function, or the empty one where it belongs; NULL: out of memory. */
static struct function_slot *equal_slot(struct symbols *s, const struct function *f)
{
    if ((!s->equals || (s->equal_count + 1) * 2 > s->equal_mask) && equals_grow(s))
        return 0;
    uint64_t at = function_hash(f) & s->equal_mask;
    while (s->equals[at].id && !function_equal(sparse_get(&s->functions, s->equals[at].id), f))
        at = (at + 1) & s->equal_mask;
    return &s->equals[at];
}

/* A function of such words, without an id yet. False: out of memory. */
static bool function_of(struct symbols *s, const struct native_function *words, struct function *f)
{
    *f = (struct function){.first_line = words->first_line,
                           .kind = words->kind,
                           .is_address = words->is_address,
                           .offset = words->offset};
    return (f->name = symbols_name(s, words->name)) && (f->file = symbols_name(s, words->file)) &&
           (f->module = symbols_name(s, words->module)) &&
           (f->build_id = symbols_name(s, words->build_id));
}

static int function_put(struct symbols *s, uint32_t id, struct function *f)
{
    struct function *item = sparse_put(&s->functions, id);
    struct function_slot *slot = item ? equal_slot(s, f) : 0;
    if (!slot)
        return -ERR_NOMEM;
    if (!slot->id) {
        slot->id = id;
        s->equal_count++;
    }
    f->same = slot->id;
    *item = *f;
    s->defined_functions++;
    s->has_native |= f->kind != FUNCTION_PYTHON;
    return 0;
}

int symbols_native(struct symbols *s, const struct native_function *native, uint32_t *id)
{
    struct function f;
    const struct function_slot *slot = function_of(s, native, &f) ? equal_slot(s, &f) : 0;
    if (!slot)
        return -ERR_NOMEM;
    *id = slot->id;
    if (*id)
        return 0;
    *id = s->functions.limit > FUNCTION_FIRST ? s->functions.limit : FUNCTION_FIRST;
    return *id == ID_NONE ? -ERR_NOMEM : function_put(s, *id, &f);
}

int symbols_define_function(struct symbols *s, uint32_t id, uint8_t kind, struct text name,
                            struct text file, uint32_t first_line)
{
    struct native_function words = {
        .kind = kind, .name = name, .file = file, .first_line = first_line};
    return symbols_define_native(s, id, &words);
}

int symbols_define_native(struct symbols *s, uint32_t id, const struct native_function *native)
{
    struct function f;
    if (id < FUNCTION_FIRST || id == ID_NONE || symbols_function(s, id))
        return 0;
    return function_of(s, native, &f) ? function_put(s, id, &f) : -ERR_NOMEM;
}

static uint32_t *frame_slot(const struct symbols *s, uint32_t function, uint64_t line)
{
    uint64_t at = mix((uint64_t)function << 32 ^ line) & s->frame_mask;
    for (; s->frame_slots[at]; at = (at + 1) & s->frame_mask) {
        const struct frame *f = &s->frames[s->frame_slots[at] - 1];
        if (f->function == function && f->line == line)
            break;
    }
    return &s->frame_slots[at];
}

/* Makes room for twice as many frames, which fill half of their slots at most. */
static int frames_grow(struct symbols *s)
{
    uint64_t capacity = s->frame_capacity ? s->frame_capacity * UINT64_C(2) : 512;
    uint32_t *slots = capacity < UINT32_MAX ? calloc(capacity * 2, sizeof *slots) : 0;
    struct frame *frames = slots ? realloc(s->frames, capacity * sizeof *frames) : 0;
    if (!frames) {
        free(slots);
        return -ERR_NOMEM;
    }
    free(s->frame_slots);
    s->frames = frames;
    s->frame_slots = slots;
    s->frame_capacity = (uint32_t)capacity;
    s->frame_mask = capacity * 2 - 1;
    for (uint32_t i = 0; i < s->frame_count; i++)
        *frame_slot(s, frames[i].function, frames[i].line) = i + 1;
    return 0;
}

int symbols_intern_frame(struct symbols *s, uint32_t function, uint64_t line, uint32_t *frame)
{
    if (s->frame_count == s->frame_capacity && frames_grow(s))
        return -ERR_NOMEM;
    uint32_t *slot = frame_slot(s, function, line);
    if (!*slot) {
        s->frames[s->frame_count++] = (struct frame){function, line};
        *slot = s->frame_count;
    }
    *frame = *slot - 1;
    return 0;
}

int symbols_define_stack(struct symbols *s, uint32_t id, uint32_t parent, uint32_t function,
                         uint64_t line)
{
    if (id < STACK_FIRST || id == ID_NONE || symbols_stack(s, id))
        return 0;
    struct stack_node *node = sparse_put(&s->stacks, id);
    uint32_t frame;
    if (!node || symbols_intern_frame(s, function, line, &frame))
        return -ERR_NOMEM;
    *node = (struct stack_node){(parent < id ? parent : STACK_UNKNOWN) + 1, frame};
    s->defined_stacks++;
    return 0;
}

const struct function *symbols_function(const struct symbols *s, uint32_t id)
{
    const struct function *f = sparse_get(&s->functions, id);
    return f && f->name ? f : 0;
}
