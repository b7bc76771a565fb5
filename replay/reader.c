/* A trace as a stream of events: see reader.h. Recovery is FORMAT.md 2. */
#include "replay/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No block defines more ids than its payload has bytes. */
#define BLOCK_MAX_IDS PAYLOAD_MAX_BYTES

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
    free(r->lost);
    r->trace = 0;
    r->decoder = 0;
    r->damage = 0;
    r->lost = 0;
}

/* Makes room for one more item; items, count and capacity belong together. */
static int reserve(void **items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 16;
    void *grown = realloc(*items, wanted * item_bytes);
    if (!grown)
        return -ERR_NOMEM;
    *items = grown;
    *capacity = wanted;
    return 0;
}

static int add_damage(struct reader *r, const struct trace_damage *damage)
{
    if (reserve((void **)&r->damage, r->damage_count, &r->damage_capacity, sizeof *r->damage))
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

static int add_lost(struct reader *r, uint64_t first, uint64_t end)
{
    if (first >= end)
        return 0;
    if (reserve((void **)&r->lost, r->lost_count, &r->lost_capacity, sizeof *r->lost))
        return -ERR_NOMEM;
    r->lost[r->lost_count++] = (struct lost_range){first, end};
    return 0;
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
    if (loss ? b->first_alloc < e->first_alloc : b->first_alloc != e->first_alloc)
        return "its allocations do not follow those before it";
    return 0;
}

/* Ids that the block's definitions will have used up are counted as they are decoded. */
static void count_definition(struct block_info *e, const struct event *ev)
{
    if (ev->kind == EVENT_STACK) {
        e->first_stack++;
    } else if (ev->kind == EVENT_RECORD) {
        e->first_function += ev->record->type == RECORD_FUNCTION;
        e->first_process += ev->record->type == RECORD_PROCESS;
        e->first_thread += ev->record->type == RECORD_THREAD;
    }
}

/* Takes the block over as the current one; the events of its header come first. */
static int enter_block(struct reader *r, struct batch *batch)
{
    const struct block_info *b = &r->block;
    int rc = 0;
    if (b->sequence > r->expected.sequence)
        rc = count_missing(r, b->sequence - r->expected.sequence);
    if (!rc)
        rc = add_lost(r, r->expected.first_alloc, b->first_alloc);
    r->expected = *b;
    r->expected.sequence++;
    r->expected.first_alloc += b->alloc_count;
    r->expected.first_event += b->event_count;
    r->in_block = true;
    r->after_loss = false;
    r->blocks++;
    r->payload_bytes += b->payload_bytes;
    r->window[0] = (struct event){.kind = EVENT_THREAD, .thread = b->thread};
    r->window[1] = (struct event){.kind = EVENT_TIME, .time_ns = b->start_ns};
    *batch = (struct batch){r->window, 2};
    return rc ? rc : 1;
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

/* Reads parts until a block is open. Returns 1 with the block's first batch, 0 at the end, or an
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

/* The block cannot be read further: what it still held is lost. */
static int abandon_block(struct reader *r, const struct err *err)
{
    r->in_block = false;
    if (add_lost(r, r->block.first_alloc, r->expected.first_alloc))
        return -ERR_NOMEM;
    return add_block_damage(r, trace_reader_offset(r->trace) - r->block_offset, 0, err->text);
}

static int read_window(struct reader *r, struct batch *batch, struct err *err)
{
    int n = decoder_read(r->decoder, r->window, READER_WINDOW, err);
    for (int i = 0; i < n; i++)
        if (r->window[i].kind >= EVENT_STACK)
            count_definition(&r->expected, &r->window[i]);
    *batch = (struct batch){r->window, n > 0 ? n : 0};
    return n;
}

int reader_read(struct reader *r, struct batch *batch, struct err *err)
{
    for (;;) {
        struct err inner = {0};
        int rc = r->in_block ? read_window(r, batch, &inner) : next_block(r, batch, err);
        if (rc > 0)
            return 1;
        if (rc == -ERR_NOMEM)
            return err_set(err, ERR_NOMEM, "out of memory");
        if (!r->in_block)
            return rc;
        if (rc < 0 && abandon_block(r, &inner))
            return err_set(err, ERR_NOMEM, "out of memory");
        r->in_block = false;
    }
}

bool reader_complete(const struct reader *r) { return trace_reader_complete(r->trace); }

bool reader_lost(const struct reader *r, uint64_t index)
{
    size_t low = 0, high = r->lost_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (index >= r->lost[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    return low < r->lost_count && index >= r->lost[low].first;
}

uint64_t reader_declared_events(const struct reader *r)
{
    uint64_t seen = r->expected.first_event;
    return r->has_trailer && r->trailer.events > seen ? r->trailer.events : seen;
}
