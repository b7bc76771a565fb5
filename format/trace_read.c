/* Reading parts from a stream, with recovery (FORMAT.md 1 and 2).
 * A part is looked at before it is consumed: what turns out bad is one damaged region that reaches
 * to the next block header or trailer that is right. Invariants: sequence numbers that were given
 * out only grow, and so do the counters of the headers that are accepted; memory is bounded by
 * PAYLOAD_MAX_BYTES and the frame of such a payload, and by the bytes that the file really has. */
#include "format/crc32.h"
#include "format/grow.h"
#include "format/names.h"
#include "format/part.h"
#include "format/payload.h"
#include "format/source.h"
#include "format/wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX_BYTES                                                                            \
    (PAYLOAD_MAX_BYTES + (64u << 10)) /* incompressible, its headers and checksums */
#define BLOCK_PART_BYTES (SKIPPABLE_BYTES + BLOCK_TABLE_BYTES)
/* Of parts with names; what is beyond is passed over. */
#define NAMES_KEPT_BYTES ((size_t)64 << 20)
#define CRC_WITH_ITSELF  0x2144DF1Cu /* the CRC of any bytes with their own CRC behind them */

enum part_search { PART_FOUND = 1, PART_PASSED = 100 };

struct trace_reader {
    struct source source;
    const char *name;
    struct trace_header header;
    uint8_t *argument_bytes; /* what header.arguments point into */
    struct text *arguments;
    struct payload_reader payload;
    struct block_info expected; /* sequence and lowest counters of the next block */
    bool gap;                   /* blocks were lost since the last good one: counters may jump */
    bool trailer;               /* a good one was given out */
    bool trailing;              /* and something came after it */
    bool ended;
    uint32_t passed_crc; /* of what was passed over */
    uint64_t cut;
    uint8_t *names; /* parts with names, as they stand in the file */
    size_t names_bytes, names_capacity;
};

static int io_error(struct trace_reader *r, int result, struct err *err)
{
    if (result == -ERR_NOMEM)
        return err_set(err, ERR_NOMEM, "%s: out of memory", r->name);
    return err_set(err, ERR_IO, "%s: reading failed at byte %llu: %s", r->name,
                   (unsigned long long)(r->source.offset + source_available(&r->source)),
                   strerror(r->source.error));
}

/* Copies the arguments and points texts at them. args: of a part that is about to be consumed. */
static int keep_arguments(struct trace_reader *r, const uint8_t *args, uint32_t args_bytes,
                          struct err *err)
{
    r->argument_bytes = malloc(args_bytes + 1u);
    r->arguments = calloc(RECORD_ARGUMENT_LIMIT, sizeof *r->arguments);
    if (!r->argument_bytes || !r->arguments)
        return err_set(err, ERR_NOMEM, "%s: out of memory", r->name);
    memcpy(r->argument_bytes, args, args_bytes);
    r->header.arguments = r->arguments;
    if (!part_get_arguments(r->argument_bytes, args_bytes, r->arguments, &r->header.argument_count))
        return err_set(err, ERR_DAMAGED, "%s: the command in the file header is damaged", r->name);
    return 0;
}

/* Does the source start as a trace does? The bytes that are there are compared. */
static int check_magic(struct trace_reader *r, struct err *err)
{
    uint8_t expected[SKIPPABLE_BYTES + TAG_BYTES] = {0};
    part_put_frame(expected, 0);
    put_u32(expected + SKIPPABLE_BYTES, TAG_HEADER);
    int result = source_need(&r->source, sizeof expected);
    if (result < 0)
        return io_error(r, result, err);
    size_t available = source_available(&r->source);
    if (available == 0)
        return err_set(err, ERR_NOT_A_TRACE, "%s: is empty", r->name);
    const uint8_t *in = source_at(&r->source);
    for (size_t i = 0; i < sizeof expected && i < available; i++)
        if (in[i] != expected[i] && !(i >= 4 && i < SKIPPABLE_BYTES))
            return err_set(err, ERR_NOT_A_TRACE, "%s: is not a memrec trace", r->name);
    if (result == 0)
        return err_set(err, ERR_TRUNCATED, "%s: ends inside the file header", r->name);
    return 0;
}

static int read_header(struct trace_reader *r, struct err *err)
{
    int result = check_magic(r, err);
    if (result)
        return result;
    uint32_t size = get_u32(source_at(&r->source) + 4), args_bytes;
    if (size < HEADER_TABLE_BYTES || size > UINT16_MAX + RECORD_MAX_BYTES)
        return err_set(err, ERR_DAMAGED, "%s: the file header is damaged (its size)", r->name);
    result = source_need(&r->source, SKIPPABLE_BYTES + (size_t)size);
    if (result < 0)
        return io_error(r, result, err);
    if (result == 0)
        return err_set(err, ERR_TRUNCATED, "%s: ends inside the file header", r->name);
    const uint8_t *args;
    struct err detail;
    result = part_get_header(&r->header, source_at(&r->source) + SKIPPABLE_BYTES, size, &args,
                             &args_bytes, &detail);
    if (result)
        return err_set(err, (enum err_code) - result, "%s: %s", r->name, detail.text);
    result = keep_arguments(r, args, args_bytes, err);
    source_consume(&r->source, SKIPPABLE_BYTES + (size_t)size);
    return result;
}

int trace_reader_open(struct trace_reader **reader, int fd, const char *name, struct err *err)
{
    struct trace_reader *r = calloc(1, sizeof *r);
    *reader = NULL;
    if (!r)
        return err_set(err, ERR_NOMEM, "%s: out of memory", name);
    r->name = name;
    source_init(&r->source, fd);
    int result = 0;
    if (payload_reader_init(&r->payload))
        result = err_set(err, ERR_NOMEM, "%s: out of memory", name);
    if (result == 0)
        result = read_header(r, err);
    if (result)
        trace_reader_close(r);
    else
        *reader = r;
    return result;
}

void trace_reader_close(struct trace_reader *r)
{
    if (!r)
        return;
    payload_reader_release(&r->payload);
    source_release(&r->source);
    free(r->argument_bytes);
    free(r->arguments);
    free(r->names);
    free(r);
}

const uint8_t *trace_reader_names(const struct trace_reader *r, size_t *bytes)
{
    *bytes = r->names_bytes;
    return r->names;
}

const struct trace_header *trace_reader_header(const struct trace_reader *r) { return &r->header; }

bool trace_reader_complete(const struct trace_reader *r) { return r->trailer && !r->trailing; }

uint64_t trace_reader_cut(const struct trace_reader *r) { return r->cut; }

uint64_t trace_reader_offset(const struct trace_reader *r) { return r->source.offset; }

/* Do counters go on from what was read? Exactly where no block is missing, else not backwards. */
static bool counters_fit(const struct trace_reader *r, uint32_t sequence, uint64_t events,
                         uint64_t allocs)
{
    if (sequence == r->expected.sequence && !r->gap)
        return events == r->expected.first_event && allocs == r->expected.first_alloc;
    return sequence >= r->expected.sequence && events >= r->expected.first_event &&
           allocs >= r->expected.first_alloc;
}

/* Do the counters stay in their types over the block? */
static bool counters_last(const struct block_info *info)
{
    return info->sequence < UINT32_MAX && info->first_event <= UINT64_MAX - info->event_count &&
           info->first_alloc <= UINT64_MAX - info->alloc_count;
}

/* Is this the header of a block of this trace that may come now? in: a part's table of `size`
 * bytes, BLOCK_TABLE_BYTES of them there. */
static bool block_fits(const struct trace_reader *r, const uint8_t *in, uint32_t size,
                       struct block_info *info, struct block_frame *frame)
{
    const struct block_info *expected = &r->expected;
    uint64_t trace_id;
    return part_get_block(in, size, &trace_id, info, frame) && trace_id == r->header.trace_id &&
           frame->bytes <= FRAME_MAX_BYTES && info->coding < CODING_LIMIT &&
           frame->packed_bytes < info->payload_bytes && info->payload_bytes > 0 &&
           info->payload_bytes <= PAYLOAD_MAX_BYTES && info->op_count <= info->payload_bytes &&
           info->event_count <= info->op_count && info->alloc_count <= info->event_count &&
           counters_fit(r, info->sequence, info->first_event, info->first_alloc) &&
           counters_last(info) && info->start_ns >= expected->start_ns &&
           info->first_function >= expected->first_function &&
           info->first_stack >= expected->first_stack &&
           info->first_process >= expected->first_process &&
           info->first_thread >= expected->first_thread;
}

static bool trailer_fits(const struct trace_reader *r, const uint8_t *in, uint32_t size,
                         struct trace_trailer *t)
{
    return part_get_trailer(in, size, t) && counters_fit(r, t->blocks, t->events, t->allocs);
}

/* Is a block header or trailer at the source's start that is right? Returns 1, 0 or a negative
 * error; *sequence is the block's, or the trailer's number of blocks. */
static int part_fits(struct trace_reader *r, uint32_t *sequence)
{
    int result = source_need(&r->source, TRACE_TRAILER_BYTES);
    if (result <= 0)
        return result;
    const uint8_t *in = source_at(&r->source);
    if (get_u32(in + SKIPPABLE_BYTES) == TAG_TRAILER) {
        struct trace_trailer trailer;
        bool fits = trailer_fits(r, in + SKIPPABLE_BYTES, get_u32(in + 4), &trailer);
        *sequence = fits ? trailer.blocks : 0;
        return fits;
    }
    if (get_u32(in + SKIPPABLE_BYTES) != TAG_BLOCK)
        return 0;
    result = source_need(&r->source, BLOCK_PART_BYTES);
    if (result <= 0)
        return result;
    struct block_info info;
    struct block_frame frame;
    in = source_at(&r->source);
    bool fits = block_fits(r, in + SKIPPABLE_BYTES, get_u32(in + 4), &info, &frame);
    *sequence = fits ? info.sequence : 0;
    return fits;
}

/* Consumes bytes that nobody looks at; passed_crc goes over them. */
static void pass(struct trace_reader *r, size_t bytes)
{
    if (bytes == 0)
        return;
    r->passed_crc = crc32_update(r->passed_crc, source_at(&r->source), bytes);
    source_consume(&r->source, bytes);
}

/* Consumes up to the next good part that starts before the file offset `limit`, or else up to
 * there. Returns PART_FOUND, PART_PASSED (at the limit), 0 at the end, or a negative error. */
static int find_part(struct trace_reader *r, uint64_t limit, uint32_t *sequence)
{
    static const uint8_t magic[4] = {SKIPPABLE_MAGIC & 0xFF, SKIPPABLE_MAGIC >> 8 & 0xFF,
                                     SKIPPABLE_MAGIC >> 16 & 0xFF, SKIPPABLE_MAGIC >> 24};
    struct source *s = &r->source;
    while (s->offset < limit) {
        uint64_t left = limit - s->offset;
        size_t window = source_available(s) < left ? source_available(s) : (size_t)left;
        const uint8_t *hit = window ? memmem(source_at(s), window, magic, sizeof magic) : NULL;
        if (hit) {
            pass(r, (size_t)(hit - source_at(s)));
            int result = part_fits(r, sequence);
            if (result)
                return result;
            pass(r, 1);
            continue;
        }
        pass(r, window == left ? window : window < sizeof magic ? 0 : window - (sizeof magic - 1));
        int result = s->offset < limit ? source_more(s) : 1;
        if (result <= 0) {
            pass(r, source_available(s));
            return result;
        }
    }
    return PART_PASSED;
}

static void tell_gap(struct trace_reader *r, uint32_t sequence, struct trace_damage *damage)
{
    damage->blocks = sequence - r->expected.sequence;
    r->gap = r->gap || damage->blocks > 0;
    r->expected.sequence = sequence;
}

/* One damaged region from here on, of at least `skip` available bytes; known_blocks of it are known
 * to be lost. */
static int recover(struct trace_reader *r, size_t skip, uint32_t known_blocks, const char *what,
                   struct trace_damage *damage, struct err *err)
{
    *damage = (struct trace_damage){.offset = r->source.offset, .blocks = known_blocks};
    snprintf(damage->what, sizeof damage->what, "%s", what);
    source_consume(&r->source, skip);
    uint32_t sequence;
    int result = find_part(r, UINT64_MAX, &sequence);
    if (result < 0)
        return io_error(r, result, err);
    damage->length = r->source.offset - damage->offset;
    if (result > 0)
        tell_gap(r, sequence, damage);
    return TRACE_DAMAGE;
}

/* Blocks that are missing though nothing between the parts looks damaged. */
static int missing_blocks(struct trace_reader *r, uint32_t sequence, struct trace_damage *damage)
{
    *damage = (struct trace_damage){.offset = r->source.offset};
    tell_gap(r, sequence, damage);
    snprintf(damage->what, sizeof damage->what, "%u blocks are missing", damage->blocks);
    return TRACE_DAMAGE;
}

/* The source ended inside a part that began at this offset, or between parts. */
static int end_at(struct trace_reader *r, uint64_t part_offset)
{
    r->cut = r->source.offset + source_available(&r->source) - part_offset;
    r->ended = true;
    return TRACE_END;
}

static void note_block(struct trace_reader *r, const struct block_info *info)
{
    r->expected = *info;
    r->expected.sequence++;
    r->expected.first_event += info->event_count;
    r->expected.first_alloc += info->alloc_count;
    r->gap = false;
}

/* A part with the tag of a block header; *info is filled from it. */
static int read_block(struct trace_reader *r, struct block_info *info, const uint8_t **payload,
                      struct trace_damage *damage, struct err *err)
{
    struct source *s = &r->source;
    struct block_frame frame;
    const char *what = NULL;
    int result = source_need(s, BLOCK_PART_BYTES);
    if (result <= 0)
        return result < 0 ? io_error(r, result, err) : end_at(r, s->offset);
    uint32_t size = get_u32(source_at(s) + 4);
    if (!block_fits(r, source_at(s) + SKIPPABLE_BYTES, size, info, &frame))
        return recover(r, 1, 0, "a block header is damaged", damage, err);
    if (info->sequence != r->expected.sequence)
        return missing_blocks(r, info->sequence, damage);
    size_t part_bytes = SKIPPABLE_BYTES + (size_t)size;
    result = source_need(s, part_bytes + frame.bytes);
    if (result == 0)
        return end_at(r, s->offset);
    if (result > 0)
        result = payload_read(&r->payload, source_at(s) + part_bytes, &frame, info, &what);
    if (result == -ERR_DAMAGED)
        return recover(r, part_bytes, 1, what, damage, err);
    if (result < 0)
        return io_error(r, result, err);
    source_consume(s, part_bytes + frame.bytes);
    note_block(r, info);
    *payload = r->payload.bytes;
    return TRACE_BLOCK;
}

static int read_trailer(struct trace_reader *r, struct trace_trailer *trailer,
                        struct trace_damage *damage, struct err *err)
{
    struct source *s = &r->source;
    if (get_u32(source_at(s) + 4) != TRAILER_TABLE_BYTES)
        return recover(r, 1, 0, "the trailer is damaged", damage, err);
    int result = source_need(s, TRACE_TRAILER_BYTES);
    if (result <= 0)
        return result < 0 ? io_error(r, result, err) : end_at(r, s->offset);
    if (!trailer_fits(r, source_at(s) + SKIPPABLE_BYTES, TRAILER_TABLE_BYTES, trailer))
        return recover(r, 1, 0, "the trailer is damaged", damage, err);
    if (trailer->blocks != r->expected.sequence)
        return missing_blocks(r, trailer->blocks, damage);
    source_consume(s, TRACE_TRAILER_BYTES);
    r->trailer = true;
    return TRACE_TRAILER;
}

/* A part that readers need not understand: the index, a checkpoint, one with an unknown tag. It is
 * passed over, but not what turns out to be the next block: then its size was wrong. As
 * trace_reader_next, or PART_PASSED. */
static int read_other(struct trace_reader *r, uint32_t tag, uint32_t size,
                      struct trace_damage *damage, struct err *err)
{
    struct source *s = &r->source;
    uint64_t offset = s->offset;
    uint32_t sequence = r->expected.sequence;
    source_consume(s, SKIPPABLE_BYTES);
    r->passed_crc = 0;
    int result = find_part(r, s->offset + size, &sequence);
    if (result < 0)
        return io_error(r, result, err);
    if (result == 0)
        return end_at(r, offset);
    bool checked = tag == TAG_INDEX || tag == TAG_CHECKPOINT || tag == TAG_NAMES;
    if (result == PART_PASSED && !(checked && r->passed_crc != CRC_WITH_ITSELF))
        return PART_PASSED;
    *damage = (struct trace_damage){.offset = offset, .length = s->offset - offset};
    snprintf(damage->what, sizeof damage->what, "%s is damaged",
             tag == TAG_INDEX   ? "the index"
             : tag == TAG_NAMES ? "a list of names"
             : checked          ? "a checkpoint"
                                : "a part");
    if (result == PART_FOUND)
        tell_gap(r, sequence, damage);
    return TRACE_DAMAGE;
}

/* Bytes after the trailer are no trace; they are read to the end, so that a pipe's writer is not
 * cut off. */
static int read_trailing(struct trace_reader *r, struct trace_damage *damage, struct err *err)
{
    struct source *s = &r->source;
    *damage = (struct trace_damage){.offset = s->offset};
    int result;
    do {
        source_consume(s, source_available(s));
        result = source_more(s);
    } while (result > 0);
    if (result < 0)
        return io_error(r, result, err);
    damage->length = s->offset - damage->offset;
    if (damage->length == 0)
        return TRACE_END;
    r->trailing = true;
    snprintf(damage->what, sizeof damage->what, "there is something after the trailer");
    return TRACE_DAMAGE;
}

/* Keeps a whole part with names, which is then consumed: PART_PASSED. 0 for what is no such part,
 * or too much: it is passed over like one that nobody knows. */
static int keep_names(struct trace_reader *r, uint32_t size)
{
    size_t whole = SKIPPABLE_BYTES + (size_t)size;
    if (size > NAMES_MAX_BYTES || NAMES_KEPT_BYTES - r->names_bytes < whole)
        return 0;
    int result = source_need(&r->source, whole);
    if (result <= 0 ||
        crc32_update(0, source_at(&r->source) + SKIPPABLE_BYTES, size) != CRC_WITH_ITSELF)
        return result < 0 ? result : 0;
    while (r->names_capacity - r->names_bytes < whole)
        if (!GROW(r->names, r->names_capacity, (size_t)65536))
            return -ERR_NOMEM;
    memcpy(r->names + r->names_bytes, source_at(&r->source), whole);
    r->names_bytes += whole;
    source_consume(&r->source, whole);
    return PART_PASSED;
}

static bool index_size_fits(uint32_t size)
{
    return size >= INDEX_FIXED_BYTES && (size - INDEX_FIXED_BYTES) % INDEX_ENTRY_BYTES == 0 &&
           (size - INDEX_FIXED_BYTES) / INDEX_ENTRY_BYTES <= INDEX_COUNT_MAX;
}

/* The part at the source's start. As trace_reader_next, or PART_PASSED. */
static int read_part(struct trace_reader *r, struct block_info *info, const uint8_t **payload,
                     struct trace_damage *damage, struct trace_trailer *trailer, struct err *err)
{
    struct source *s = &r->source;
    int result = source_need(s, SKIPPABLE_BYTES + TAG_BYTES);
    if (result <= 0)
        return result < 0 ? io_error(r, result, err) : end_at(r, s->offset);
    const uint8_t *in = source_at(s);
    uint32_t size = get_u32(in + 4), tag = get_u32(in + SKIPPABLE_BYTES);
    if (get_u32(in) != SKIPPABLE_MAGIC || size < TAG_BYTES)
        return recover(r, 1, 0, "the start of a part is damaged", damage, err);
    if (tag == TAG_BLOCK)
        return read_block(r, info, payload, damage, err);
    if (tag == TAG_TRAILER)
        return read_trailer(r, trailer, damage, err);
    if (tag == TAG_HEADER)
        return recover(r, 1, 0, "a second trace begins inside", damage, err);
    if (tag == TAG_INDEX && !index_size_fits(size))
        return recover(r, 1, 0, "the index is damaged", damage, err);
    if (tag == TAG_NAMES && (result = keep_names(r, size)))
        return result < 0 ? io_error(r, result, err) : result;
    return read_other(r, tag, size, damage, err);
}

int trace_reader_next(struct trace_reader *r, struct block_info *info, const uint8_t **payload,
                      struct trace_damage *damage, struct trace_trailer *trailer, struct err *err)
{
    if (r->trailer)
        return read_trailing(r, damage, err);
    int result;
    if (r->ended)
        return TRACE_END;
    do
        result = read_part(r, info, payload, damage, trailer, err);
    while (result == PART_PASSED);
    return result;
}
