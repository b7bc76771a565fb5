/* The table of all records' fields and the loops that write and read by it (FORMAT.md 3.2).
 * A field of a record is one line here; a new one comes at the end of its list. */
#include "format/record.h"
#include "format/error.h"
#include "format/text.h"
#include <string.h>

enum field_kind {
    U8 = 1,      /* uint8_t, <= 255 */
    FLAGS,       /* uint8_t, bits above are dropped */
    U32,         /* uint32_t */
    U64,         /* uint64_t */
    TEXT,        /* struct text, <= TEXT_LIMIT bytes */
    ALLOCATOR,   /* uint8_t, < ALLOCATOR_LIMIT */
    MAP_KIND,    /* uint8_t, < MAP_KIND_COUNT */
    STATUS,      /* int64_t, value + 1 on the wire, -1 unknown */
    PROCESS,     /* uint32_t, a defined process */
    ANY_PROCESS, /* as PROCESS, + 1 on the wire, ID_NONE for 0 */
    THREAD,      /* uint32_t, a defined thread */
    STACK,       /* uint32_t, a defined stack */
    FUNCTION,    /* uint32_t, a defined function */
    ALLOC,       /* uint64_t, an allocation index that was given out */
    ARGUMENTS,   /* the texts of a process */
};

struct field {
    uint8_t kind; /* enum field_kind; 0 ends the list */
    uint8_t offset;
};

#define FIELDS_MAX 8
#define FIELD(kind, member)                                                                        \
    {                                                                                              \
        kind, offsetof(struct record, member)                                                      \
    }

static const struct field fields_of[RECORD_LIMIT][FIELDS_MAX + 1] = {
    [RECORD_FUNCTION] = {FIELD(U8, function.kind), FIELD(TEXT, function.name),
                         FIELD(TEXT, function.file), FIELD(U32, function.first_line),
                         FIELD(TEXT, function.build_id)},
    [RECORD_PROCESS] = {FIELD(U32, process.pid), FIELD(ANY_PROCESS, process.parent),
                        FIELD(U8, process.how), FIELD(FLAGS, process.flags),
                        FIELD(TEXT, process.python), FIELD(TEXT, process.executable),
                        FIELD(ARGUMENTS, process.argument_count)},
    [RECORD_PROCESS_END] = {FIELD(PROCESS, process_end.process), FIELD(U8, process_end.reason),
                            FIELD(STATUS, process_end.status)},
    [RECORD_THREAD] = {FIELD(PROCESS, thread.process), FIELD(U32, thread.tid),
                       FIELD(STACK, thread.origin_stack), FIELD(TEXT, thread.name)},
    [RECORD_THREAD_END] = {FIELD(THREAD, thread_end.thread)},
    [RECORD_MAP] = {FIELD(U64, map.address), FIELD(U64, map.length), FIELD(MAP_KIND, map.kind),
                    FIELD(STACK, map.stack), FIELD(ALLOCATOR, map.allocator)},
    [RECORD_UNMAP] = {FIELD(U64, unmap.address), FIELD(U64, unmap.length)},
    [RECORD_REMAP] = {FIELD(U64, remap.old_address), FIELD(U64, remap.old_length),
                      FIELD(U64, remap.new_address), FIELD(U64, remap.new_length),
                      FIELD(STACK, remap.stack), FIELD(FLAGS, remap.flags)},
    [RECORD_PROTECT] = {FIELD(U64, protect.address), FIELD(U64, protect.length),
                        FIELD(U8, protect.writable)},
    [RECORD_DISCARD] = {FIELD(U64, discard.address), FIELD(U64, discard.length)},
    [RECORD_RESIDENT_BLOCK] = {FIELD(ALLOC, resident_block.index),
                               FIELD(U64, resident_block.resident_bytes)},
    [RECORD_RESIDENT_RANGE] = {FIELD(PROCESS, resident_range.process),
                               FIELD(U64, resident_range.address),
                               FIELD(U64, resident_range.length),
                               FIELD(U64, resident_range.resident_bytes)},
    [RECORD_RSS] = {FIELD(PROCESS, rss.process), FIELD(U64, rss.rss_bytes)},
    [RECORD_FAILED] = {FIELD(ALLOCATOR, failed.allocator), FIELD(U64, failed.size_bytes),
                       FIELD(STACK, failed.stack)},
    [RECORD_MARK] = {FIELD(TEXT, mark.name)},
    [RECORD_LOST] = {FIELD(ANY_PROCESS, lost.process), FIELD(U8, lost.reason),
                     FIELD(U64, lost.count)},
    [RECORD_EXIT] = {FIELD(U32, exit.status), FIELD(U8, exit.oom)},
    [RECORD_STOP] = {FIELD(U8, stop.reason)},
    [RECORD_MODULE] = {FIELD(PROCESS, module.process), FIELD(TEXT, module.path),
                       FIELD(TEXT, module.build_id), FIELD(U64, module.address),
                       FIELD(U64, module.length), FIELD(U64, module.file_offset),
                       FIELD(FUNCTION, module.function)},
    [RECORD_NAME] = {FIELD(THREAD, name.thread), FIELD(TEXT, name.name)},
    [RECORD_PYTHON] = {FIELD(PROCESS, python.process), FIELD(U8, python.walked),
                       FIELD(TEXT, python.version)},
    [RECORD_MODULE_GONE] = {FIELD(PROCESS, module_gone.process), FIELD(U64, module_gone.address)},
};

_Static_assert(sizeof(struct record) <= UINT8_MAX, "a field's offset is a byte");

bool record_known(uint64_t type) { return type > 0 && type < RECORD_LIMIT; }

bool record_counts(enum record_type type)
{
    switch (type) {
    case RECORD_MAP:
    case RECORD_UNMAP:
    case RECORD_REMAP:
    case RECORD_PROTECT:
    case RECORD_DISCARD:
    case RECORD_FAILED: return true;
    default: return false;
    }
}

/* The value of a field as it stands on the wire; not for TEXT and ARGUMENTS. */
static uint64_t field_value(const struct record *record, struct field field)
{
    const void *member = (const char *)record + field.offset;
    switch ((enum field_kind)field.kind) {
    case U8:
    case FLAGS:
    case ALLOCATOR:
    case MAP_KIND: return *(const uint8_t *)member;
    case U64:
    case ALLOC: return *(const uint64_t *)member;
    case STATUS: return (uint64_t) * (const int64_t *)member + 1;
    case ANY_PROCESS: return (uint32_t)(*(const uint32_t *)member + 1);
    default: return *(const uint32_t *)member;
    }
}

static void field_store(struct record *record, struct field field, uint64_t value)
{
    void *member = (char *)record + field.offset;
    switch ((enum field_kind)field.kind) {
    case U8:
    case FLAGS:
    case ALLOCATOR:
    case MAP_KIND: *(uint8_t *)member = (uint8_t)value; break;
    case U64:
    case ALLOC: *(uint64_t *)member = value; break;
    case STATUS: *(int64_t *)member = (int64_t)(value - 1); break;
    case ANY_PROCESS: *(uint32_t *)member = (uint32_t)value - 1; break;
    default: *(uint32_t *)member = (uint32_t)value; break;
    }
}

/* Is a wire value within its field's limit? */
static bool value_fits(enum field_kind kind, uint64_t value, const struct ids *ids)
{
    switch (kind) {
    case U8: return value <= UINT8_MAX;
    case U32: return value <= UINT32_MAX;
    case ALLOCATOR: return value < ALLOCATOR_LIMIT;
    case MAP_KIND: return value < MAP_KIND_COUNT;
    case STATUS: return value <= (uint64_t)INT64_MAX + 1;
    case PROCESS: return value < ids->process;
    case ANY_PROCESS: return value <= ids->process;
    case THREAD: return value < ids->thread;
    case STACK: return value < ids->stack;
    case FUNCTION: return value < ids->function;
    case ALLOC: return value < ids->alloc;
    default: return true;
    }
}

static const struct text *field_text(const struct record *record, struct field field)
{
    return (const struct text *)((const char *)record + field.offset);
}

/* Bytes of a field, at most; SIZE_MAX when a text or list is beyond its limit. */
static size_t field_bound(const struct record *record, struct field field)
{
    if (field.kind == TEXT) {
        const struct text *text = field_text(record, field);
        return text->length > TEXT_LIMIT ? SIZE_MAX : VARINT_MAX_BYTES + (size_t)text->length;
    }
    size_t total = VARINT_MAX_BYTES;
    if (field.kind != ARGUMENTS)
        return total;
    if (record->process.argument_count > RECORD_ARGUMENT_LIMIT)
        return SIZE_MAX;
    for (uint32_t i = 0; i < record->process.argument_count; i++) {
        if (record->process.arguments[i].length > TEXT_LIMIT)
            return SIZE_MAX;
        total += VARINT_MAX_BYTES + record->process.arguments[i].length;
    }
    return total;
}

size_t record_bound(const struct record *record)
{
    size_t total = 0;
    for (const struct field *field = fields_of[record->type]; field->kind; field++)
        total += field_bound(record, *field);
    return total;
}

int record_check(const struct record *record, const struct ids *ids)
{
    if (!record_known(record->type))
        return -ERR_USAGE;
    size_t total = 0;
    for (const struct field *field = fields_of[record->type]; field->kind; field++) {
        size_t bound = field_bound(record, *field);
        if (bound > RECORD_MAX_BYTES - total)
            return -ERR_LIMIT;
        total += bound;
        if (field->kind != TEXT && field->kind != ARGUMENTS &&
            !value_fits(field->kind, field_value(record, *field), ids))
            return -ERR_LIMIT;
    }
    return 0;
}

static uint8_t *put_arguments(uint8_t *out, const struct record *record)
{
    out = put_varint(out, record->process.argument_count);
    for (uint32_t i = 0; i < record->process.argument_count; i++)
        out = put_text(out, record->process.arguments[i]);
    return out;
}

uint8_t *record_put(const struct record *record, uint8_t *out)
{
    for (const struct field *field = fields_of[record->type]; field->kind; field++) {
        if (field->kind == TEXT)
            out = put_text(out, *field_text(record, *field));
        else if (field->kind == ARGUMENTS)
            out = put_arguments(out, record);
        else
            out = put_varint(out, field_value(record, *field));
    }
    return out;
}

static const uint8_t *get_arguments(struct record *record, const uint8_t *in, const uint8_t *end,
                                    struct text *arguments)
{
    uint64_t count;
    in = get_varint(in, end, &count);
    if (!in || count > RECORD_ARGUMENT_LIMIT)
        return NULL;
    for (uint64_t i = 0; in && i < count; i++)
        in = get_text(in, end, &arguments[i]);
    record->process.argument_count = (uint32_t)count;
    record->process.arguments = arguments;
    return in;
}

/* Reads one field. Returns the byte after it, NULL when it is damaged. */
static const uint8_t *get_field(struct record *record, struct field field, const uint8_t *in,
                                const uint8_t *end, const struct ids *ids, struct text *arguments)
{
    if (field.kind == TEXT)
        return get_text(in, end, (struct text *)((char *)record + field.offset));
    if (field.kind == ARGUMENTS)
        return get_arguments(record, in, end, arguments);
    uint64_t value;
    in = get_varint(in, end, &value);
    if (!in || !value_fits(field.kind, value, ids))
        return NULL;
    field_store(record, field, value);
    return in;
}

int record_get(struct record *record, enum record_type type, const uint8_t *in, const uint8_t *end,
               const struct ids *ids, struct text *arguments)
{
    memset(record, 0, sizeof *record);
    record->type = type;
    for (const struct field *field = fields_of[type]; field->kind; field++) {
        if (in == end) {
            if (field->kind == STATUS || field->kind == ANY_PROCESS)
                field_store(record, *field, 0);
            else if (field->kind != TEXT && field->kind != ARGUMENTS &&
                     !value_fits(field->kind, 0, ids))
                return -ERR_DAMAGED;
            continue;
        }
        in = get_field(record, *field, in, end, ids, arguments);
        if (!in)
            return -ERR_DAMAGED;
    }
    return 0;
}

size_t record_copy_bytes(const struct record *record)
{
    size_t total = 0;
    for (const struct field *field = fields_of[record->type]; field->kind; field++) {
        if (field->kind == TEXT)
            total += field_text(record, *field)->length;
        if (field->kind != ARGUMENTS)
            continue;
        total += record->process.argument_count * sizeof(struct text);
        for (uint32_t i = 0; i < record->process.argument_count; i++)
            total += record->process.arguments[i].length;
    }
    return total;
}

/* Moves a text's bytes to out. Returns the byte after them. */
static char *move_text(struct text *text, char *out)
{
    if (text->length)
        memcpy(out, text->bytes, text->length);
    text->bytes = out;
    return out + text->length;
}

void record_copy(struct record *to, const struct record *from, void *room)
{
    char *out = room;
    *to = *from;
    if (to->type == RECORD_PROCESS) { /* the list first: it needs alignment */
        struct text *arguments = room;
        uint32_t count = from->process.argument_count;
        to->process.arguments = arguments;
        out += count * sizeof *arguments;
        for (uint32_t i = 0; i < count; i++) {
            arguments[i] = from->process.arguments[i];
            out = move_text(&arguments[i], out);
        }
    }
    for (const struct field *field = fields_of[to->type]; field->kind; field++)
        if (field->kind == TEXT)
            out = move_text((struct text *)((char *)to + field->offset), out);
}

static int take_id(uint32_t *next, uint32_t *id)
{
    if (*next == ID_NONE)
        return -ERR_LIMIT;
    *id = (*next)++;
    return 0;
}

int record_define(enum record_type type, struct ids *ids, uint32_t *id)
{
    *id = 0;
    switch (type) {
    case RECORD_FUNCTION: return take_id(&ids->function, id);
    case RECORD_PROCESS: return take_id(&ids->process, id);
    case RECORD_THREAD: return take_id(&ids->thread, id);
    default: return 0;
    }
}
