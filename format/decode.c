/* The decoder: cursors over the columns of one block, and the running state that its header
 * restarted. Invariants: a cursor never passes its end; every id and index that an event carries
 * lies below what the trace could have defined; after damage the decoder says so until the next
 * block is opened. Not here: fields of records (record.c), predictions (predict.c). */
#include "format/decode.h"
#include "format/op.h"
#include "format/place.h"
#include "format/predict.h"
#include "format/record.h"
#include "format/wire.h"
#include <stdlib.h>
#include <string.h>

struct cursor {
    const uint8_t *at, *end;
};

struct decoder {
    struct cursor columns[COLUMN_COUNT];
    struct predictor predictor;
    struct places places;
    struct ids next;
    uint64_t last_freed, last_address, time_ns;
    uint32_t last_parent, last_function;
    uint64_t last_line;
    uint32_t event_count; /* so far in the block */
    struct block_info info;
    struct record record;
    const char *wrong;  /* what is damaged in the op that failed */
    struct err failure; /* code 0: none */
    bool ended;         /* the block was read to its end and its counts held */
    struct text arguments[RECORD_ARGUMENT_LIMIT];
};

/* What decoding one op came to. */
enum step {
    STEP_DAMAGED = -ERR_DAMAGED,
    STEP_NOMEM = -ERR_NOMEM,
    STEP_SKIPPED = 0, /* no event */
    STEP_EVENT,
    STEP_LAST, /* an event that ends the batch */
};

struct decoder *decoder_new(void)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (d && predictor_init(&d->predictor)) {
        free(d);
        return NULL;
    }
    if (d)
        err_set(&d->failure, ERR_DAMAGED, "no block was opened");
    return d;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    predictor_release(&d->predictor);
    free(d);
}

static enum step damaged(struct decoder *d, const char *wrong)
{
    d->wrong = wrong;
    return STEP_DAMAGED;
}

/* Sets the cursors from the directory at the payload's start (FORMAT.md 3). Returns 0 or
 * -ERR_DAMAGED. */
static int open_columns(struct decoder *d, const uint8_t *payload)
{
    const uint8_t *end = payload + d->info.payload_bytes;
    uint64_t count, lengths[COLUMN_COUNT], total = 0;
    const uint8_t *at = get_varint(payload, end, &count);
    unsigned known = d->info.coding == CODING_1 ? COLUMN_COUNT_1 : COLUMN_COUNT;
    if (!at || count < known || count > d->info.payload_bytes)
        return damaged(d, "the number of columns");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t length;
        at = get_varint(at, end, &length);
        if (!at || length > d->info.payload_bytes)
            return damaged(d, "the length of a column");
        total += length;
        if (i < known)
            lengths[i] = length;
    }
    if (total != (uint64_t)(end - at))
        return damaged(d, "the sum of the columns' lengths");
    memset(d->columns, 0, sizeof d->columns);
    for (unsigned i = 0; i < known; at += lengths[i++])
        d->columns[i] = (struct cursor){at, at + lengths[i]};
    return 0;
}

/* Could a trace have such a block header? Later sums then cannot pass 64 bits. */
static int check_info(struct decoder *d)
{
    const struct block_info *info = &d->info;
    if (info->coding >= CODING_LIMIT)
        return damaged(d, "the block's coding");
    const uint64_t limit = (uint64_t)1 << 62;
    if (info->payload_bytes > PAYLOAD_MAX_BYTES || info->op_count > info->payload_bytes)
        return damaged(d, "the block's size");
    if (info->first_event > limit || info->first_alloc > limit || info->start_ns > INT64_MAX)
        return damaged(d, "the block's counters");
    if (info->first_function < FUNCTION_FIRST || info->first_stack < STACK_FIRST)
        return damaged(d, "the block's first ids");
    if (info->thread != ID_NONE && info->thread >= info->first_thread)
        return damaged(d, "the block's thread");
    return 0;
}

/* A block that follows the last one, which was read to its end, starts where that ended. */
static int check_continuity(struct decoder *d, const struct block_info *info)
{
    if (!d->ended || info->sequence != d->info.sequence + 1)
        return 0;
    if (info->first_function != d->next.function || info->first_stack != d->next.stack ||
        info->first_process != d->next.process || info->first_thread != d->next.thread ||
        info->first_alloc != d->next.alloc || info->start_ns != d->time_ns)
        return damaged(d, "the block does not continue the one before it");
    return 0;
}

static void restart(struct decoder *d)
{
    predictor_reset(&d->predictor);
    places_reset(&d->places);
    d->next = (struct ids){
        .function = d->info.first_function,
        .stack = d->info.first_stack,
        .process = d->info.first_process,
        .thread = d->info.first_thread,
        .alloc = d->info.first_alloc,
    };
    d->last_freed = d->info.first_alloc;
    d->last_address = 0;
    d->time_ns = d->info.start_ns;
    d->last_parent = d->last_function = 0;
    d->last_line = 0;
    d->event_count = 0;
}

int decoder_open(struct decoder *d, const struct block_info *info, const uint8_t *payload,
                 struct err *err)
{
    int result = check_continuity(d, info);
    d->info = *info;
    d->ended = false;
    d->failure.code = 0;
    if (result == 0)
        result = check_info(d);
    if (result == 0)
        result = open_columns(d, payload);
    if (result == 0) {
        const struct cursor *ops = &d->columns[COLUMN_OPS];
        if ((uint64_t)(ops->end - ops->at) != info->op_count)
            result = damaged(d, "the number of ops");
    }
    if (result == 0) {
        restart(d);
        return 0;
    }
    err_set(&d->failure, ERR_DAMAGED, "block %u: wrong: %s", info->sequence, d->wrong);
    if (err)
        *err = d->failure;
    return result;
}

/* Reads a varint of a column. Returns false at damage. */
static inline bool take(struct decoder *d, enum column_id column, uint64_t *value)
{
    struct cursor *cursor = &d->columns[column];
    const uint8_t *after = get_varint(cursor->at, cursor->end, value);
    if (__builtin_expect(!after, 0))
        return false;
    cursor->at = after;
    return true;
}

/* Reads a zigzag difference and adds it to base, modulo 2^64. */
static inline bool take_signed(struct decoder *d, enum column_id column, uint64_t base,
                               uint64_t *value)
{
    if (!take(d, column, value))
        return false;
    *value = base + (uint64_t)unzigzag(*value);
    return true;
}

/* An address as CODING_1 has it. */
static bool take_address_1(struct decoder *d, uint64_t *address)
{
    if (!take_signed(d, COLUMN_ADDRESSES, d->last_address, address))
        return false;
    d->last_address = *address;
    return true;
}

/* An address that was not expected. */
static bool take_address(struct decoder *d, uint64_t *address)
{
    struct cursor *pages = &d->columns[COLUMN_PAGES];
    uint64_t difference;
    if (d->info.coding == CODING_1)
        return take_address_1(d, address);
    if (pages->at == pages->end || !take_signed(d, COLUMN_ADDRESSES, 0, &difference))
        return false;
    unsigned page = *pages->at & ~PAGE_EXACT;
    if (!(*pages->at++ & PAGE_EXACT))
        difference *= 16;
    if (page > PAGE_NEW)
        return false;
    *address = difference + (page == PAGE_NEW ? d->last_address : d->places.pages[page]);
    if (page == PAGE_NEW)
        d->last_address = *address;
    places_use(&d->places, *address);
    return true;
}

/* The slot of an allocation's stack: given or predicted. */
static inline enum step take_stack(struct decoder *d, unsigned op, uint32_t *slot)
{
    struct predictor *p = &d->predictor;
    *slot = predictor_expected(p);
    if (!(op & OP_STACK_GIVEN))
        return STEP_EVENT;
    uint32_t previous = p->slots[p->last].stack;
    struct stack_base *base = &p->bases[op & OP_ALLOCATOR_MASK];
    uint32_t from = d->info.coding == CODING_1 ? previous : base_stack(base, previous);
    uint64_t stack;
    if (!take_signed(d, COLUMN_STACKS, from, &stack) || stack >= d->next.stack)
        return damaged(d, "an allocation's stack");
    base_learn(base, previous, (uint32_t)stack);
    if (p->slots[*slot].stack != stack && predictor_find(p, (uint32_t)stack, slot))
        return STEP_NOMEM;
    return STEP_EVENT;
}

/* A size that is not the stack's last, which *size holds. */
static inline bool take_size(struct decoder *d, uint64_t *size)
{
    if (d->info.coding == CODING_1)
        return take_signed(d, COLUMN_SIZES, *size, size);
    return take(d, COLUMN_SIZES, size);
}

/* The fields that both codings of an ALLOC share. */
static inline enum step take_alloc(struct decoder *d, unsigned op, struct event *out)
{
    struct predictor *p = &d->predictor;
    uint32_t slot;
    enum step step = take_stack(d, op, &slot);
    if (__builtin_expect(step != STEP_EVENT, 0))
        return step;
    uint64_t size = p->slots[slot].size_bytes;
    if ((op & OP_SIZE_GIVEN) && !take_size(d, &size))
        return damaged(d, "an allocation's size");
    out->allocator = op & OP_ALLOCATOR_MASK;
    predictor_note(p, slot, out->allocator, size);
    out->stack = p->slots[slot].stack;
    out->size_bytes = size;
    d->event_count++;
    return STEP_EVENT;
}

static inline enum step decode_alloc(struct decoder *d, unsigned op, struct event *out)
{
    out->kind = EVENT_ALLOC;
    out->index = d->next.alloc++;
    return take_alloc(d, op, out);
}

static inline enum step decode_free(struct decoder *d, unsigned op, struct event *out)
{
    uint64_t index;
    if (op < OP_FREE_NEAR)
        index = d->next.alloc - 1 - (op - OP_FREE_RECENT);
    else if (op < OP_FREE_FAR)
        index = d->last_freed + (op - OP_FREE_NEAR) - OP_NEAR_BIAS;
    else if (!take_signed(d, COLUMN_FREES, d->last_freed, &index))
        return damaged(d, "the index of a free");
    if (index >= d->next.alloc)
        return damaged(d, "a free of an allocation that is still to come");
    d->last_freed = index;
    d->event_count++;
    *out = (struct event){.kind = EVENT_FREE, .index = index};
    return STEP_EVENT;
}

/* An ALLOC by address behind its op ADDRESS, which is `expected` or has the address in a column. */
static enum step decode_alloc_address(struct decoder *d, bool expected, struct event *out)
{
    struct cursor *ops = &d->columns[COLUMN_OPS];
    if (ops->at == ops->end || *ops->at >= OP_ALLOC_LIMIT)
        return damaged(d, "an address without its allocation");
    out->kind = EVENT_ALLOC_ADDRESS;
    if (!expected && !take_address(d, &out->address))
        return damaged(d, "the address of an allocation");
    enum step step = take_alloc(d, *ops->at++, out);
    unsigned class = place_class(out->size_bytes);
    if (expected)
        out->address = places_expected(&d->places, class);
    if (step == STEP_EVENT && d->info.coding != CODING_1)
        places_allocated(&d->places, class, out->address);
    return step;
}

static enum step decode_free_address(struct decoder *d, struct event *out)
{
    out->kind = EVENT_FREE_ADDRESS;
    if (!take_address(d, &out->address))
        return damaged(d, "the address of a free");
    places_freed(&d->places, out->address);
    d->event_count++;
    return STEP_EVENT;
}

/* The free of one of the newest that are coded by address. */
static enum step decode_free_newest(struct decoder *d, unsigned distance, struct event *out)
{
    if (!places_has_newest(&d->places, distance))
        return damaged(d, "a free of an allocation before the block's first by address");
    out->kind = EVENT_FREE_ADDRESS;
    out->address = places_at(&d->places, distance);
    if (places_near(&d->places, out->address))
        places_use(&d->places, out->address);
    places_freed(&d->places, out->address);
    d->event_count++;
    return STEP_EVENT;
}

static enum step decode_thread(struct decoder *d, struct event *out)
{
    uint64_t thread;
    if (!take(d, COLUMN_RECORDS, &thread) || thread >= d->next.thread)
        return damaged(d, "a thread");
    out->kind = EVENT_THREAD;
    out->thread = (uint32_t)thread;
    return STEP_EVENT;
}

static enum step decode_time(struct decoder *d, unsigned unit_ns, struct event *out)
{
    uint64_t advance;
    if (!take(d, COLUMN_RECORDS, &advance) || advance > (INT64_MAX - d->time_ns) / unit_ns)
        return damaged(d, "a time");
    out->kind = EVENT_TIME;
    out->time_ns = d->time_ns += advance * unit_ns;
    return STEP_EVENT;
}

static enum step decode_stack(struct decoder *d, struct event *out)
{
    uint64_t parent, function, line;
    if (!take_signed(d, COLUMN_RECORDS, d->last_parent, &parent) ||
        !take_signed(d, COLUMN_RECORDS, d->last_function, &function) ||
        !take_signed(d, COLUMN_RECORDS, d->last_line, &line))
        return damaged(d, "a stack");
    if (d->next.stack == ID_NONE || parent >= d->next.stack || function >= d->next.function)
        return damaged(d, "the parent or the function of a stack");
    d->last_parent = out->parent = (uint32_t)parent;
    d->last_function = out->function = (uint32_t)function;
    d->last_line = out->line = line;
    out->kind = EVENT_STACK;
    out->stack = d->next.stack++;
    return STEP_EVENT;
}

_Static_assert(offsetof(struct record, function.id) == offsetof(struct record, process.id) &&
                   offsetof(struct record, function.id) == offsetof(struct record, thread.id),
               "one store sets the id of all that are defined");

static enum step decode_record(struct decoder *d, struct event *out)
{
    struct cursor *records = &d->columns[COLUMN_RECORDS];
    uint64_t type, length;
    if (!take(d, COLUMN_RECORDS, &type) || !take(d, COLUMN_RECORDS, &length) ||
        length > (uint64_t)(records->end - records->at))
        return damaged(d, "the length of a record");
    const uint8_t *body = records->at;
    records->at += length;
    if (!record_known(type))
        return STEP_SKIPPED;
    uint32_t id;
    if (record_get(&d->record, type, body, records->at, &d->next, d->arguments))
        return damaged(d, "the fields of a record");
    if (record_define(type, &d->next, &id))
        return damaged(d, "more records than ids");
    if (type == RECORD_FUNCTION || type == RECORD_PROCESS || type == RECORD_THREAD)
        d->record.function.id = id;
    d->event_count += record_counts(type);
    out->kind = EVENT_RECORD;
    out->record = &d->record;
    return STEP_LAST;
}

/* Everything but ALLOC and FREE by index. */
static enum step decode_rare(struct decoder *d, unsigned op, struct event *out)
{
    *out = (struct event){0};
    if (op >= OP_LIMIT_1 && d->info.coding == CODING_1)
        return damaged(d, "a reserved op");
    if (op >= OP_FREE_NEWEST && op < OP_ADDRESS_EXPECTED)
        return decode_free_newest(d, op - OP_FREE_NEWEST, out);
    switch ((enum op)op) {
    case OP_FREE_ADDRESS: return decode_free_address(d, out);
    case OP_ADDRESS: return decode_alloc_address(d, false, out);
    case OP_ADDRESS_EXPECTED: return decode_alloc_address(d, true, out);
    case OP_UNFREE: out->kind = EVENT_UNFREE; return STEP_EVENT;
    case OP_THREAD: return decode_thread(d, out);
    case OP_TIME: return decode_time(d, 1, out);
    case OP_TIME_COARSE: return decode_time(d, TIME_COARSE_NS, out);
    case OP_STACK: return decode_stack(d, out);
    case OP_RECORD: return decode_record(d, out);
    default: return damaged(d, "a reserved op");
    }
}

static inline enum step decode_op(struct decoder *d, struct event *out)
{
    unsigned op = *d->columns[COLUMN_OPS].at++;
    if (op < OP_ALLOC_LIMIT) {
        out->reserved = 0;
        return decode_alloc(d, op, out);
    }
    if (op <= OP_FREE_FAR)
        return decode_free(d, op, out);
    return decode_rare(d, op, out);
}

/* After the last op: every column is used up and the header's counts hold. */
static enum step check_end(struct decoder *d)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (d->columns[i].at != d->columns[i].end)
            return damaged(d, "bytes left over in a column");
    if (d->event_count != d->info.event_count ||
        d->next.alloc - d->info.first_alloc != d->info.alloc_count)
        return damaged(d, "the block's counts");
    d->ended = true;
    return STEP_SKIPPED;
}

/* Keeps the failure; tells it now, or after the events that were decoded before it. */
static int fail(struct decoder *d, enum step step, int count, struct err *err)
{
    if (step == STEP_NOMEM)
        err_set(&d->failure, ERR_NOMEM, "out of memory");
    else
        err_set(&d->failure, ERR_DAMAGED, "block %u: wrong: %s", d->info.sequence, d->wrong);
    if (count)
        return count;
    if (err)
        *err = d->failure;
    return d->failure.code;
}

int decoder_read(struct decoder *d, struct event *out, int max, struct err *err)
{
    if (d->failure.code) {
        if (err)
            *err = d->failure;
        return d->failure.code;
    }
    struct cursor *ops = &d->columns[COLUMN_OPS];
    enum step step = STEP_SKIPPED;
    int count = 0;
    while (count < max && step != STEP_LAST && ops->at != ops->end) {
        step = decode_op(d, &out[count]);
        if (__builtin_expect(step < 0, 0))
            return fail(d, step, count, err);
        count += step != STEP_SKIPPED;
    }
    if (ops->at == ops->end && !d->ended && check_end(d) < 0)
        return fail(d, STEP_DAMAGED, count, err);
    return count;
}

void decoder_next_ids(const struct decoder *d, struct block_info *info)
{
    info->first_function = d->next.function;
    info->first_stack = d->next.stack;
    info->first_process = d->next.process;
    info->first_thread = d->next.thread;
}
