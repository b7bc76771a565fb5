/* The encoder: one running state for ids, times and indices of the whole trace, and the columns of
 * the open block. Why fixed columns: room is made certain for many ops at a time by the worst case,
 * so the fast paths need one check (8 MiB in all, touched as used). Invariants: what
 * is appended can be decoded, whatever the caller passes (ids, indices are checked); a failed call
 * changes nothing. Not here: fields of records (record.c), predictions (predict.c). */
#include "format/encode.h"
#include "format/crc32.h"
#include "format/encode_state.h"
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX         (BLOCK_SEAL_BYTES + RECORD_MAX_BYTES + 4 * VARINT_MAX_BYTES)
#define DIRECTORY_MAX_BYTES (VARINT_MAX_BYTES * (COLUMN_COUNT + 1))
#define OP_MAX_BYTES                                                                               \
    17u /* of an op but in `records`: itself, a page, a stack of 5 bytes, a size                   \
         */
#define COLUMN_MAX_BYTES (BLOCK_SEAL_BYTES + 2 * OP_MAX_BYTES) /* ADDRESS stays with its ALLOC */
#define ROOM_MIN         16u                                   /* with less left a block is full */

_Static_assert(COLUMN_MAX_BYTES + RECORDS_MAX + DIRECTORY_MAX_BYTES <= PAYLOAD_MAX_BYTES,
               "a block's payload fits its limit");

static size_t column_bytes(const struct encoder *e)
{
    size_t total = 0;
    for (int i = 0; i < COLUMN_COUNT; i++)
        total += (size_t)(e->columns[i].at - e->columns[i].start);
    return total;
}

/* How many ops the open block takes in all, as far as is certain now. */
static uint32_t certain_ops(const struct encoder *e)
{
    uint32_t ops = op_count(e);
    size_t bytes = column_bytes(e);
    size_t more = bytes < BLOCK_SEAL_BYTES ? (BLOCK_SEAL_BYTES - bytes) / OP_MAX_BYTES : 0;
    if (more < ROOM_MIN || ops >= BLOCK_EVENTS)
        return ops;
    return more < BLOCK_EVENTS - ops ? ops + (uint32_t)more : BLOCK_EVENTS;
}

bool encoder_find_room(struct encoder *e)
{
    e->op_limit = certain_ops(e);
    return op_count(e) < e->op_limit;
}

static void start_block(struct encoder *e, uint32_t sequence)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        e->columns[i].at = e->columns[i].start;
    encoder_find_room(e);
    predictor_reset(&e->predictor);
    places_reset(&e->places);
    e->last_freed = e->next.alloc;
    e->last_address = 0;
    e->last_node = (struct node){0};
    e->open = (struct block_info){
        .sequence = sequence,
        .first_event = e->events,
        .first_alloc = e->next.alloc,
        .start_ns = e->time_ns,
        .first_function = e->next.function,
        .first_stack = e->next.stack,
        .first_process = e->next.process,
        .first_thread = e->next.thread,
        .thread = e->thread,
        .coding = CODING_2,
    };
}

struct encoder *encoder_new(void)
{
    struct encoder *e = calloc(1, sizeof *e);
    const size_t total = (size_t)(COLUMN_COUNT - 1) * COLUMN_MAX_BYTES + RECORDS_MAX;
    if (!e || !(e->memory = malloc(total)) || predictor_init(&e->predictor)) {
        encoder_free(e);
        return NULL;
    }
    uint8_t *start = e->memory;
    for (int i = 0; i < COLUMN_COUNT; i++) {
        e->columns[i].start = start;
        start += i == COLUMN_RECORDS ? RECORDS_MAX : COLUMN_MAX_BYTES;
    }
    e->next = (struct ids){.function = FUNCTION_FIRST, .stack = STACK_FIRST};
    e->thread = ID_NONE;
    start_block(e, 0);
    return e;
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    predictor_release(&e->predictor);
    free(e->memory);
    free(e);
}

static inline bool records_full(struct encoder *e)
{
    const struct column *records = &e->columns[COLUMN_RECORDS];
    return ops_full(e) || records->at - records->start >= (ptrdiff_t)BLOCK_SEAL_BYTES;
}

static inline void put_op(struct encoder *e, unsigned op)
{
    *e->columns[COLUMN_OPS].at++ = (uint8_t)op;
}

static inline void put_number(struct encoder *e, enum column_id column, uint64_t value)
{
    e->columns[column].at = put_varint(e->columns[column].at, value);
}

static inline void put_signed(struct encoder *e, enum column_id column, uint64_t difference)
{
    put_number(e, column, zigzag((int64_t)difference));
}

/* An address that was not expected: from the last one of its page, or of a page that was new. */
static void put_address(struct encoder *e, uint64_t address)
{
    unsigned page = place_slot(address);
    uint64_t difference = address - e->places.pages[page];
    if (!places_near(&e->places, address)) {
        page = PAGE_NEW;
        difference = address - e->last_address;
        e->last_address = address;
    }
    if (difference % 16)
        page |= PAGE_EXACT;
    else
        difference = (uint64_t)((int64_t)difference / 16);
    *e->columns[COLUMN_PAGES].at++ = (uint8_t)page;
    put_signed(e, COLUMN_ADDRESSES, difference);
    places_use(&e->places, address);
}

static void put_alloc_address(struct encoder *e, uint64_t size_bytes, uint64_t address)
{
    unsigned class = place_class(size_bytes);
    if (places_expected(&e->places, class) == address) {
        put_op(e, OP_ADDRESS_EXPECTED);
    } else {
        put_op(e, OP_ADDRESS);
        put_address(e, address);
    }
    places_allocated(&e->places, class, address);
}

static void put_free_address(struct encoder *e, uint64_t address)
{
    unsigned distance = places_newest(&e->places, address);
    if (distance < PLACE_NEWEST) {
        put_op(e, OP_FREE_NEWEST + distance);
        if (places_near(&e->places, address))
            places_use(&e->places, address);
    } else {
        put_op(e, OP_FREE_ADDRESS);
        put_address(e, address);
    }
    places_freed(&e->places, address);
}

/* Writes one ALLOC op; there is room for two ops. Returns 0, -ERR_LIMIT, -ERR_NOMEM. address: NULL
 * when coded by index. */
static inline int put_alloc(struct encoder *e, unsigned allocator, uint32_t stack,
                            uint64_t size_bytes, const uint64_t *address)
{
    if (allocator >= ALLOCATOR_LIMIT || stack >= e->next.stack)
        return -ERR_LIMIT;
    struct predictor *p = &e->predictor;
    unsigned op = allocator;
    uint32_t slot = predictor_expected(p);
    if (p->slots[slot].stack != stack) {
        if (predictor_find(p, stack, &slot))
            return -ERR_NOMEM;
        op |= OP_STACK_GIVEN;
        uint32_t previous = p->slots[p->last].stack;
        struct stack_base *base = &p->bases[allocator];
        put_signed(e, COLUMN_STACKS, (uint64_t)stack - base_stack(base, previous));
        base_learn(base, previous, stack);
    }
    if (p->slots[slot].size_bytes != size_bytes) {
        op |= OP_SIZE_GIVEN;
        put_number(e, COLUMN_SIZES, size_bytes);
    }
    predictor_note(p, slot, allocator, size_bytes);
    if (address)
        put_alloc_address(e, size_bytes, *address);
    put_op(e, op);
    e->events++;
    return 0;
}

int encoder_alloc(struct encoder *e, unsigned allocator, uint32_t stack, uint64_t size_bytes)
{
    if (ops_full(e))
        return -ERR_FULL;
    int result = put_alloc(e, allocator, stack, size_bytes, NULL);
    if (result == 0)
        e->next.alloc++;
    return result;
}

int encoder_free_index(struct encoder *e, uint64_t index)
{
    if (ops_full(e))
        return -ERR_FULL;
    if (index >= e->next.alloc)
        return -ERR_LIMIT;
    uint64_t distance = e->next.alloc - 1 - index;
    uint64_t near = index - e->last_freed + OP_NEAR_BIAS;
    if (distance < OP_FREE_SPAN) {
        put_op(e, OP_FREE_RECENT + (unsigned)distance);
    } else if (near < OP_FREE_SPAN) {
        put_op(e, OP_FREE_NEAR + (unsigned)near);
    } else {
        put_op(e, OP_FREE_FAR);
        put_signed(e, COLUMN_FREES, index - e->last_freed);
    }
    e->last_freed = index;
    e->events++;
    return 0;
}

static int append_address_op(struct encoder *e, const struct event *ev)
{
    if (ops_full(e))
        return -ERR_FULL;
    if (ev->kind == EVENT_ALLOC_ADDRESS)
        return put_alloc(e, ev->allocator, ev->stack, ev->size_bytes, &ev->address);
    put_free_address(e, ev->address);
    e->events++;
    return 0;
}

/* UNFREE takes back a free that was counted: the sum of events stays. */
static int append_unfree(struct encoder *e)
{
    if (ops_full(e))
        return -ERR_FULL;
    put_op(e, OP_UNFREE);
    return 0;
}

static int append_thread(struct encoder *e, uint32_t thread)
{
    if (thread == e->thread)
        return 0;
    if (thread >= e->next.thread)
        return -ERR_LIMIT;
    if (records_full(e))
        return -ERR_FULL;
    put_op(e, OP_THREAD);
    put_number(e, COLUMN_RECORDS, thread);
    e->thread = thread;
    return 0;
}

static int append_time(struct encoder *e, uint64_t time_ns)
{
    if (time_ns <= e->time_ns)
        return 0;
    if (time_ns > INT64_MAX)
        return -ERR_LIMIT;
    if (records_full(e))
        return -ERR_FULL;
    uint64_t advance_ns = time_ns - e->time_ns;
    bool coarse = advance_ns % TIME_COARSE_NS == 0;
    put_op(e, coarse ? OP_TIME_COARSE : OP_TIME);
    put_number(e, COLUMN_RECORDS, coarse ? advance_ns / TIME_COARSE_NS : advance_ns);
    e->time_ns = time_ns;
    return 0;
}

static int append_stack(struct encoder *e, const struct event *ev, uint32_t *id)
{
    if (ev->parent >= e->next.stack || ev->function >= e->next.function || e->next.stack == ID_NONE)
        return -ERR_LIMIT;
    if (records_full(e))
        return -ERR_FULL;
    put_op(e, OP_STACK);
    put_signed(e, COLUMN_RECORDS, (uint64_t)ev->parent - e->last_node.parent);
    put_signed(e, COLUMN_RECORDS, (uint64_t)ev->function - e->last_node.function);
    put_signed(e, COLUMN_RECORDS, ev->line - e->last_node.line);
    e->last_node = (struct node){ev->parent, ev->function, ev->line};
    uint32_t defined = e->next.stack++;
    if (id)
        *id = defined;
    return 0;
}

/* The body is written first, behind the room that its length may take, and moved up when the length
 * is known. */
static int append_record(struct encoder *e, const struct record *record, uint32_t *id)
{
    int result = record_check(record, &e->next);
    if (result)
        return result;
    if (records_full(e))
        return -ERR_FULL;
    uint32_t defined;
    result = record_define(record->type, &e->next, &defined);
    if (result)
        return result;
    put_op(e, OP_RECORD);
    put_number(e, COLUMN_RECORDS, record->type);
    struct column *records = &e->columns[COLUMN_RECORDS];
    uint8_t *body = records->at + VARINT_MAX_BYTES;
    size_t length = (size_t)(record_put(record, body) - body);
    records->at = put_varint(records->at, length);
    memmove(records->at, body, length);
    records->at += length;
    e->events += record_counts(record->type);
    if (id)
        *id = defined;
    return 0;
}

int encoder_append(struct encoder *e, const struct event *ev, uint32_t *id)
{
    switch ((enum event_kind)ev->kind) {
    case EVENT_ALLOC: return encoder_alloc(e, ev->allocator, ev->stack, ev->size_bytes);
    case EVENT_FREE: return encoder_free_index(e, ev->index);
    case EVENT_ALLOC_ADDRESS:
    case EVENT_FREE_ADDRESS: return append_address_op(e, ev);
    case EVENT_UNFREE: return append_unfree(e);
    case EVENT_THREAD: return append_thread(e, ev->thread);
    case EVENT_TIME: return append_time(e, ev->time_ns);
    case EVENT_STACK: return append_stack(e, ev, id);
    case EVENT_RECORD: return append_record(e, ev->record, id);
    case EVENT_LOST: break;
    }
    return -ERR_USAGE;
}

uint64_t encoder_next_alloc(const struct encoder *e) { return e->next.alloc; }

uint64_t encoder_events(const struct encoder *e) { return e->events; }

bool encoder_empty(const struct encoder *e) { return op_count(e) == 0; }

bool encoder_full(const struct encoder *e)
{
    return (op_count(e) >= e->op_limit && op_count(e) >= certain_ops(e)) ||
           column_bytes(e) >= BLOCK_SEAL_BYTES;
}

size_t encoder_bound(const struct encoder *e) { return DIRECTORY_MAX_BYTES + column_bytes(e); }

/* Writes the directory and the columns. Returns the byte after them. */
static uint8_t *put_columns(const struct encoder *e, uint8_t *out)
{
    out = put_varint(out, COLUMN_COUNT);
    for (int i = 0; i < COLUMN_COUNT; i++)
        out = put_varint(out, (uint64_t)(e->columns[i].at - e->columns[i].start));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        size_t length = (size_t)(e->columns[i].at - e->columns[i].start);
        memcpy(out, e->columns[i].start, length);
        out += length;
    }
    return out;
}

int encoder_seal(struct encoder *e, uint8_t *out, size_t capacity, struct block_info *info)
{
    if (capacity < encoder_bound(e))
        return -ERR_FULL;
    *info = e->open;
    info->payload_bytes = (uint32_t)(put_columns(e, out) - out);
    info->op_count = op_count(e);
    info->event_count = (uint32_t)(e->events - e->open.first_event);
    info->alloc_count = (uint32_t)(e->next.alloc - e->open.first_alloc);
    info->payload_crc32 = crc32_update(0, out, info->payload_bytes);
    start_block(e, e->open.sequence + 1);
    return 0;
}
