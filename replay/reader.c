/* A trace as a stream of events: see reader.h. Recovery is FORMAT.md 2. */
#include "replay/reader.h"

#include "format/grow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No block defines more ids than its payload has bytes. */
#define BLOCK_MAX_IDS PAYLOAD_MAX_BYTES
/* And no damage costs so many: what a file says is missing takes memory, and it may lie. */
#define LOST_MAX_IDS (UINT64_C(1) << 24)

int reader_open(struct reader *r, int fd, const char *name, struct err *err)
{
    *r = (struct reader){0};
    r->expected = (struct block_info){.first_function = FUNCTION_FIRST, .first_stack = STACK_FIRST};
    int rc = trace_reader_open(&r->trace, fd, name, err);
    if (rc)
        return rc;
    r->decoder = decoder_new();
    return r->decoder ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

void reader_close(struct reader *r)
{
    if (r->trace)
        trace_reader_close(r->trace);
    if (r->decoder)
        decoder_free(r->decoder);
    free(r->damage);
    r->trace = 0;
    r->decoder = 0;
    r->damage = 0;
}

static int add_damage(struct reader *r, const struct trace_damage *damage)
{
    if (r->damage_count == r->damage_capacity && !GROW(r->damage, r->damage_capacity, 16))
        return -ERR_NOMEM;
    r->damage[r->damage_count++] = *damage;
    r->after_loss = true;
    return 0;
}

static int add_block_damage(struct reader *r, uint64_t length, uint32_t blocks, const char *what)
{
    struct trace_damage damage = {.offset = r->block_offset, .length = length, .blocks = blocks};
    snprintf(damage.what, sizeof damage.what, "block %u: %.140s", r->block.sequence, what);
    return add_damage(r, &damage);
}

static void put_event(struct batch *batch, struct event ev) { batch->events[batch->count++] = ev; }

static void put_lost(struct batch *batch, uint64_t first, uint64_t end)
{
    if (first < end)
        put_event(batch, (struct event){.kind = EVENT_LOST, .index = first, .end_index = end});
}

/* Blocks that are missing before the one just read are told with the damage that stands before it,
 * or on their own. */
static int count_missing(struct reader *r, uint32_t missing)
{
    r->lost_blocks += missing;
    struct trace_damage *last = r->damage_count ? &r->damage[r->damage_count - 1] : 0;
    if (r->after_loss && last) {
        if (last->blocks < missing)
            last->blocks = missing;
        return 0;
    }
    struct trace_damage damage = {.offset = r->block_offset, .blocks = missing};
    snprintf(damage.what, sizeof damage.what, "%u block%s missing", missing,
             missing == 1 ? "" : "s");
    return add_damage(r, &damage);
}

static bool id_continues(uint32_t first, uint32_t expected, bool loss, uint64_t jump)
{
    return first == expected || (loss && first >= expected && first - expected <= jump);
}

/* Ids that nothing defines, of all kinds, if the block's header is right. */
static uint64_t lost_ids(const struct reader *r)
{
    const struct block_info *b = &r->block, *e = &r->expected;
    return r->lost_ids + (uint64_t)(b->first_function - e->first_function) +
           (b->first_stack - e->first_stack) + (b->first_process - e->first_process) +
           (b->first_thread - e->first_thread);
}

/* What is wrong with the header of the block just read, or NULL. */
static const char *header_fault(const struct reader *r)
{
    const struct block_info *b = &r->block, *e = &r->expected;
    if (b->sequence < e->sequence)
        return "stands a second time or out of order";
    bool loss = r->after_loss || b->sequence > e->sequence;
    uint64_t jump = (uint64_t)(b->sequence - e->sequence + 1) * BLOCK_MAX_IDS;
    if (!id_continues(b->first_function, e->first_function, loss, jump) ||
        !id_continues(b->first_stack, e->first_stack, loss, jump) ||
        !id_continues(b->first_process, e->first_process, loss, jump) ||
        !id_continues(b->first_thread, e->first_thread, loss, jump))
        return "its ids do not follow those before it";
    if (lost_ids(r) > LOST_MAX_IDS)
        return "more is missing before it than can be";
    if (loss ? b->first_alloc < e->first_alloc : b->first_alloc != e->first_alloc)
        return "its allocations do not follow those before it";
    return 0;
}

/* Takes the block over as the current one; the events of its header come first. */
static int enter_block(struct reader *r, struct batch *batch)
{
    const struct block_info *b = &r->block;
    if (b->sequence > r->expected.sequence && count_missing(r, b->sequence - r->expected.sequence))
        return -ERR_NOMEM;
    put_lost(batch, r->expected.first_alloc, b->first_alloc);
    r->lost_ids = lost_ids(r);
    r->expected = *b;
    r->expected.sequence++;
    r->expected.first_alloc += b->alloc_count;
    r->expected.first_event += b->event_count;
    r->in_block = true;
    r->after_loss = false;
    r->blocks++;
    r->payload_bytes += b->payload_bytes;
    put_event(batch, (struct event){.kind = EVENT_THREAD, .thread = b->thread});
    put_event(batch, (struct event){.kind = EVENT_TIME, .time_ns = b->start_ns});
    return 1;
}

static int open_block(struct reader *r, const uint8_t *payload, struct batch *batch)
{
    struct err err = {0};
    const char *fault = header_fault(r);
    if (fault) {
        r->lost_blocks++;
        return add_block_damage(r, trace_reader_offset(r->trace) - r->block_offset, 1, fault);
    }
    int rc = decoder_open(r->decoder, &r->block, payload, &err);
    if (rc == -ERR_DAMAGED) {
        r->lost_blocks++;
        return add_block_damage(r, trace_reader_offset(r->trace) - r->block_offset, 1, err.text);
    }
    return rc ? rc : enter_block(r, batch);
}

static int end_at_trailer(struct reader *r, const struct trace_trailer *trailer)
{
    r->trailer = *trailer;
    r->has_trailer = true;
    if (trailer->blocks <= r->expected.sequence)
        return 0;
    return count_missing(r, trailer->blocks - r->expected.sequence);
}

/* Reads parts until a block is open. Returns 1 with the block's first events, 0 at the end, or an
 * error. */
static int next_block(struct reader *r, struct batch *batch, struct err *err)
{
    for (;;) {
        const uint8_t *payload = 0;
        struct trace_damage damage = {0};
        struct trace_trailer trailer = {0};
        r->block_offset = trace_reader_offset(r->trace);
        int rc = trace_reader_next(r->trace, &r->block, &payload, &damage, &trailer, err);
        if (rc == TRACE_BLOCK)
            rc = open_block(r, payload, batch);
        else if (rc == TRACE_DAMAGE)
            rc = add_damage(r, &damage);
        else if (rc == TRACE_TRAILER)
            rc = end_at_trailer(r, &trailer);
        else
            return rc;
        if (rc)
            return rc;
    }
}

/* The block ends here, and with it what it defined. */
static void leave_block(struct reader *r)
{
    r->in_block = false;
    decoder_next_ids(r->decoder, &r->expected);
}

/* The block cannot be read further: what it still held is lost. */
static int abandon_block(struct reader *r, struct batch *batch, const struct err *err)
{
    leave_block(r);
    put_lost(batch, r->block.first_alloc, r->expected.first_alloc);
    return add_block_damage(r, trace_reader_offset(r->trace) - r->block_offset, 0, err->text);
}

/* Adds events of the current block until the batch is full or the block ends. */
static int read_events(struct reader *r, struct batch *batch)
{
    struct err err = {0};
    while (!batch_full(batch)) {
        int room = batch->capacity - batch->count;
        int n = decoder_read(r->decoder, batch->events + batch->count, room, &err);
        if (n == -ERR_NOMEM)
            return n;
        if (n < 0)
            return abandon_block(r, batch, &err);
        if (n == 0) {
            leave_block(r);
            return 0;
        }
        batch->count += n;
        if (batch->events[batch->count - 1].kind == EVENT_RECORD && batch_keep_record(batch))
            return -ERR_NOMEM;
    }
    return 0;
}

int reader_read(struct reader *r, struct batch *batch, struct err *err)
{
    int rc = 1;
    batch_clear(batch);
    while (rc >= 0 && !batch->count) {
        if (!r->in_block && (rc = next_block(r, batch, err)) == 0)
            return 0;
        if (rc > 0)
            rc = read_events(r, batch) ? -ERR_NOMEM : 1;
    }
    batch->file_bytes = trace_reader_offset(r->trace);
    return rc == -ERR_NOMEM ? err_set(err, ERR_NOMEM, "out of memory") : rc;
}

bool reader_complete(const struct reader *r) { return trace_reader_complete(r->trace); }

uint64_t reader_declared_events(const struct reader *r)
{
    uint64_t seen = r->expected.first_event;
    return r->has_trailer && r->trailer.events > seen ? r->trailer.events : seen;
}
