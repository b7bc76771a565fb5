/* A trace built in memory, and a trace read back: what the tests of format/ share.
 * Why per block: a reader may lose blocks, but what it gives of one must be what was written.
 * Not here: expectations. */
#ifndef TESTS_FORMAT_BUILT_H
#define TESTS_FORMAT_BUILT_H

#include "format/decode.h"
#include "format/trace_file.h"
#include "tests/unit/format/words.h"
#include <sys/mman.h>
#include <unistd.h>

#define BUILT_BLOCKS_MAX 64
#define BUILT_TRACE_ID   0x1122334455667788u

static inline void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "# cannot: %s\n", what);
        abort();
    }
}

struct built {
    struct encoder *encoder;
    struct compressor *compressor;
    uint8_t *bytes; /* the file so far */
    size_t length;
    uint32_t block_count;
    struct trace_index_entry blocks[BUILT_BLOCKS_MAX];
    struct block_info infos[BUILT_BLOCKS_MAX];
    struct words words[BUILT_BLOCKS_MAX]; /* events of each block */
    uint64_t index_offset, trailer_offset;
};

static inline uint8_t *built_room(struct built *b, size_t bytes)
{
    b->bytes = realloc(b->bytes, b->length + bytes);
    must(b->bytes != NULL, "memory");
    return b->bytes + b->length;
}

static inline void built_start(struct built *b)
{
    static const struct text command[] = {{"python3", 7}, {"job.py", 6}, {"", 0}};
    struct trace_header header = {
        .flags = TRACE_OBJECTS | TRACE_STACKS,
        .started_unix_ns = 1700000000123456789u,
        .started_mono_ns = 5000000000u,
        .trace_id = BUILT_TRACE_ID,
        .root_pid = 4242,
        .page_bytes = 4096,
        .argument_count = 3,
        .arguments = command,
    };
    *b = (struct built){.encoder = encoder_new(), .compressor = compressor_new()};
    must(b->encoder && b->compressor, "memory");
    size_t bound = trace_header_bound(&header);
    int written = trace_header_write(&header, built_room(b, bound), bound);
    must(written > 0, "write the header");
    b->length += (size_t)written;
}

static inline void built_seal(struct built *b)
{
    must(b->block_count < BUILT_BLOCKS_MAX - 1, "so many blocks");
    struct block_info *info = &b->infos[b->block_count];
    size_t bound = encoder_bound(b->encoder);
    uint8_t *payload = malloc(bound);
    must(payload && encoder_seal(b->encoder, payload, bound, info) == 0, "seal");
    b->blocks[b->block_count++] = (struct trace_index_entry){
        .offset = b->length,
        .start_ns = info->start_ns,
        .first_event = info->first_event,
        .first_alloc = info->first_alloc,
    };
    size_t room = trace_block_bound(info->payload_bytes);
    int64_t written =
        trace_block_write(b->compressor, BUILT_TRACE_ID, info, payload, built_room(b, room), room);
    must(written > 0, "write a block");
    b->length += (size_t)written;
    free(payload);
}

/* Appends an event that writes an op; ids and indices of ev and its record need not be set. */
static inline uint32_t built_append(struct built *b, struct event ev)
{
    uint32_t id = 0;
    uint64_t index = encoder_next_alloc(b->encoder);
    int result = encoder_append(b->encoder, &ev, &id);
    if (result == -ERR_FULL) {
        built_seal(b);
        result = encoder_append(b->encoder, &ev, &id);
    }
    must(result == 0, "append");
    struct record record;
    if (ev.kind == EVENT_ALLOC)
        ev.index = index;
    if (ev.kind == EVENT_STACK)
        ev.stack = id;
    if (ev.kind == EVENT_RECORD) {
        record = *ev.record;
        if (record.type == RECORD_FUNCTION)
            record.function.id = id;
        if (record.type == RECORD_PROCESS)
            record.process.id = id;
        if (record.type == RECORD_THREAD)
            record.thread.id = id;
        ev.record = &record;
    }
    words_event(&b->words[b->block_count], &ev);
    return id;
}

static inline uint32_t built_record(struct built *b, struct record record)
{
    return built_append(b, (struct event){.kind = EVENT_RECORD, .record = &record});
}

/* Seals what is open and ends the trace with index and trailer. */
static inline void built_finish(struct built *b)
{
    if (!encoder_empty(b->encoder))
        built_seal(b);
    b->index_offset = b->length;
    size_t room = trace_index_bound(b->block_count);
    int64_t written = trace_index_write(b->blocks, b->block_count, built_room(b, room), room);
    must(written > 0, "write the index");
    b->length += (size_t)written;
    struct trace_trailer trailer = {
        .index_offset = b->index_offset,
        .events = encoder_events(b->encoder),
        .allocs = encoder_next_alloc(b->encoder),
        .end_ns = 123456,
        .blocks = b->block_count,
    };
    b->trailer_offset = b->length;
    written =
        trace_trailer_write(&trailer, built_room(b, TRACE_TRAILER_BYTES), TRACE_TRAILER_BYTES);
    must(written == TRACE_TRAILER_BYTES, "write the trailer");
    b->length += (size_t)written;
}

static inline void built_release(struct built *b)
{
    encoder_free(b->encoder);
    compressor_free(b->compressor);
    free(b->bytes);
    for (uint32_t i = 0; i < BUILT_BLOCKS_MAX; i++)
        free(b->words[i].text);
}

/* What reading gave. */
struct seen {
    int open;    /* of trace_reader_open */
    int decoded; /* first error of a decoder, else 0 */
    struct err err;
    uint32_t block_count, damage_count, lost_blocks;
    uint32_t sequences[BUILT_BLOCKS_MAX];
    struct words words[BUILT_BLOCKS_MAX];
    struct trace_damage damages[BUILT_BLOCKS_MAX];
    struct trace_trailer trailer;
    bool complete;
    int end; /* the last result of trace_reader_next */
    uint64_t cut;
};

static inline void seen_block(struct seen *s, struct decoder *decoder,
                              const struct block_info *info, const uint8_t *payload)
{
    struct event events[7]; /* a window that does not divide anything */
    struct words *words = &s->words[s->block_count];
    int count = decoder_open(decoder, info, payload, &s->err);
    while (count == 0 && (count = decoder_read(decoder, events, 7, &s->err)) > 0) {
        for (int i = 0; i < count; i++)
            words_event(words, &events[i]);
        count = 0;
    }
    if (count < 0 && s->decoded == 0)
        s->decoded = count;
    s->sequences[s->block_count++] = info->sequence;
}

static inline void seen_parts(struct seen *s, struct trace_reader *reader)
{
    struct decoder *decoder = decoder_new();
    must(decoder != NULL, "memory");
    struct block_info info;
    const uint8_t *payload;
    struct trace_damage damage;
    while ((s->end = trace_reader_next(reader, &info, &payload, &damage, &s->trailer, &s->err)) >
           0) {
        must(s->block_count < BUILT_BLOCKS_MAX && s->damage_count < BUILT_BLOCKS_MAX, "so many");
        if (s->end == TRACE_BLOCK)
            seen_block(s, decoder, &info, payload);
        if (s->end == TRACE_DAMAGE) {
            s->damages[s->damage_count++] = damage;
            s->lost_blocks += damage.blocks;
        }
    }
    s->complete = trace_reader_complete(reader);
    s->cut = trace_reader_cut(reader);
    must(trace_reader_next(reader, &info, &payload, &damage, &s->trailer, &s->err) == s->end &&
             trace_reader_cut(reader) == s->cut,
         "hear of the end twice");
    decoder_free(decoder);
}

static inline void seen_read_fd(struct seen *s, int fd)
{
    struct trace_reader *reader;
    *s = (struct seen){0};
    s->open = trace_reader_open(&reader, fd, "a trace", &s->err);
    if (s->open == 0) {
        seen_parts(s, reader);
        trace_reader_close(reader);
    }
}

static inline void seen_read(struct seen *s, const uint8_t *bytes, size_t length)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && lseek(fd, 0, SEEK_SET) == 0,
         "keep a trace in memory");
    seen_read_fd(s, fd);
    close(fd);
}

static inline void seen_release(struct seen *s)
{
    for (uint32_t i = 0; i < BUILT_BLOCKS_MAX; i++)
        free(s->words[i].text);
}

/* Are the events of every block that was read those that were written in it? */
static inline bool seen_blocks_right(const struct seen *s, const struct built *b)
{
    for (uint32_t i = 0; i < s->block_count; i++) {
        uint32_t sequence = s->sequences[i];
        if (sequence >= b->block_count || (i && sequence <= s->sequences[i - 1]))
            return false;
        const struct words *was = &b->words[sequence], *is = &s->words[i];
        if (was->length != is->length || (is->length && memcmp(was->text, is->text, is->length)))
            return false;
    }
    return s->decoded == 0;
}

/* And was all of it read, with nothing to report? */
static inline bool seen_whole(const struct seen *s, const struct built *b)
{
    return s->open == 0 && seen_blocks_right(s, b) && s->block_count == b->block_count &&
           s->damage_count == 0 && s->complete && s->end == TRACE_END && s->cut == 0;
}

#endif
