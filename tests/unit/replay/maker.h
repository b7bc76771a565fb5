/* Makes traces for tests: events in, a trace file out, through the project's own encoder.
 * Why in a header: each unit test is one program, and several need it. Any failure ends the test
 * program. Not here: what the traces should come to (the tests). */
#ifndef TESTS_MAKER_H
#define TESTS_MAKER_H

#include "format/crc32.h"
#include "format/trace_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct maker {
    struct encoder *encoder;
    struct compressor *compressor;
    uint8_t *bytes; /* the file so far */
    size_t used, capacity;
    uint64_t end_ns;
    uint32_t blocks;
    uint64_t allocs;
    uint64_t spoil; /* not 0: a seed for wrong bytes in payloads, under right checksums */
};

#define MAKER_ID 0x1122334455667788u

static inline void maker_must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "maker: %s\n", what);
    exit(99);
}

static inline struct text maker_text(const char *text)
{
    return (struct text){text, (uint32_t)strlen(text)};
}

static inline uint8_t *maker_room(struct maker *m, size_t bytes)
{
    while (m->used + bytes > m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 1u << 16;
        m->bytes = realloc(m->bytes, m->capacity);
        maker_must(m->bytes, "out of memory");
    }
    return m->bytes + m->used;
}

static inline void maker_init(struct maker *m, const char *const *command, uint32_t pid)
{
    struct text arguments[16];
    *m = (struct maker){.encoder = encoder_new(), .compressor = compressor_new()};
    struct trace_header h = {.version = TRACE_VERSION,
                             .flags = TRACE_OBJECTS | TRACE_STACKS,
                             .started_unix_ns = 1767225600000000000u,
                             .trace_id = MAKER_ID,
                             .root_pid = pid,
                             .page_bytes = 4096,
                             .arguments = arguments};
    for (; command[h.argument_count]; h.argument_count++)
        arguments[h.argument_count] = maker_text(command[h.argument_count]);
    size_t bound = trace_header_bound(&h);
    int n = trace_header_write(&h, maker_room(m, bound), bound);
    maker_must(n > 0, "header");
    m->used += (size_t)n;
}

static inline void maker_spoil(struct maker *m, struct block_info *info, uint8_t *payload)
{
    for (uint32_t i = 0; i < 1 + info->payload_bytes / 500; i++) {
        m->spoil = m->spoil * 6364136223846793005u + 1442695040888963407u;
        payload[(m->spoil >> 20) % info->payload_bytes] = (uint8_t)(m->spoil >> 52);
    }
    info->payload_crc32 = crc32_update(0, payload, info->payload_bytes);
}

static inline void maker_seal(struct maker *m)
{
    if (encoder_empty(m->encoder))
        return;
    struct block_info info;
    size_t bound = encoder_bound(m->encoder);
    uint8_t *payload = malloc(bound);
    maker_must(payload && !encoder_seal(m->encoder, payload, bound, &info), "seal");
    if (m->spoil)
        maker_spoil(m, &info, payload);
    size_t room = trace_block_bound(info.payload_bytes);
    int64_t n =
        trace_block_write(m->compressor, MAKER_ID, &info, payload, maker_room(m, room), room);
    maker_must(n > 0, "block");
    m->used += (size_t)n;
    m->blocks++;
    free(payload);
}

static inline uint32_t maker_put(struct maker *m, const struct event *ev)
{
    uint32_t id = 0;
    int rc = encoder_append(m->encoder, ev, &id);
    if (rc == -ERR_FULL) {
        maker_seal(m);
        rc = encoder_append(m->encoder, ev, &id);
    }
    maker_must(!rc, "append");
    return id;
}

static inline uint32_t maker_record(struct maker *m, const struct record *record)
{
    return maker_put(m, &(struct event){.kind = EVENT_RECORD, .record = record});
}

static inline uint32_t maker_process(struct maker *m, uint32_t pid, uint32_t parent, uint8_t how,
                                     const char *python)
{
    struct text arguments[] = {maker_text("python3"), maker_text("job.py")};
    struct record r = {.type = RECORD_PROCESS};
    r.process.pid = pid;
    r.process.parent = parent;
    r.process.how = how;
    r.process.flags = PROCESS_OBJECTS | PROCESS_STACKS;
    r.process.python = maker_text(python);
    r.process.executable = maker_text("/usr/bin/python3");
    r.process.argument_count = 2;
    r.process.arguments = arguments;
    return maker_record(m, &r);
}

static inline uint32_t maker_thread(struct maker *m, uint32_t process, uint32_t tid,
                                    const char *name)
{
    struct record r = {.type = RECORD_THREAD};
    r.thread.process = process;
    r.thread.tid = tid;
    r.thread.name = maker_text(name);
    return maker_record(m, &r);
}

static inline uint32_t maker_function(struct maker *m, const char *name, const char *file,
                                      uint32_t first_line)
{
    struct record r = {.type = RECORD_FUNCTION};
    r.function.name = maker_text(name);
    r.function.file = maker_text(file);
    r.function.first_line = first_line;
    return maker_record(m, &r);
}

/* A module, loaded at an address of a process; its nodes' lines are offsets in it. */
static inline uint32_t maker_module(struct maker *m, uint32_t process, const char *path,
                                    const char *build_id, uint64_t address, uint64_t length)
{
    const char *slash = strrchr(path, '/');
    struct record r = {.type = RECORD_FUNCTION}, at = {.type = RECORD_MODULE};
    r.function.kind = FUNCTION_MODULE;
    r.function.name = maker_text(slash ? slash + 1 : path);
    r.function.file = at.module.path = maker_text(path);
    r.function.build_id = at.module.build_id = maker_text(build_id);
    uint32_t function = maker_record(m, &r);
    at.module.process = process;
    at.module.address = address;
    at.module.length = length;
    at.module.function = function;
    maker_record(m, &at);
    return function;
}

static inline uint32_t maker_stack(struct maker *m, uint32_t parent, uint32_t function,
                                   uint64_t line)
{
    return maker_put(
        m,
        &(struct event){.kind = EVENT_STACK, .parent = parent, .function = function, .line = line});
}

static inline void maker_on(struct maker *m, uint32_t thread)
{
    maker_put(m, &(struct event){.kind = EVENT_THREAD, .thread = thread});
}

static inline void maker_time(struct maker *m, uint64_t ns)
{
    maker_put(m, &(struct event){.kind = EVENT_TIME, .time_ns = ns});
    if (ns > m->end_ns)
        m->end_ns = ns;
}

/* Returns the allocation's index. */
static inline uint64_t maker_alloc(struct maker *m, unsigned allocator, uint32_t stack,
                                   uint64_t size)
{
    uint64_t index = encoder_next_alloc(m->encoder);
    maker_put(m, &(struct event){.kind = EVENT_ALLOC,
                                 .allocator = (uint8_t)allocator,
                                 .stack = stack,
                                 .size_bytes = size});
    m->allocs++;
    return index;
}

static inline void maker_alloc_at(struct maker *m, unsigned allocator, uint32_t stack,
                                  uint64_t size, uint64_t address)
{
    maker_put(m, &(struct event){.kind = EVENT_ALLOC_ADDRESS,
                                 .allocator = (uint8_t)allocator,
                                 .stack = stack,
                                 .size_bytes = size,
                                 .address = address});
}

static inline void maker_free(struct maker *m, uint64_t index)
{
    maker_put(m, &(struct event){.kind = EVENT_FREE, .index = index});
}

static inline void maker_free_at(struct maker *m, uint64_t address)
{
    maker_put(m, &(struct event){.kind = EVENT_FREE_ADDRESS, .address = address});
}

static inline void maker_unfree(struct maker *m)
{
    maker_put(m, &(struct event){.kind = EVENT_UNFREE});
}

static inline void maker_map(struct maker *m, uint64_t address, uint64_t length, uint8_t kind,
                             uint32_t stack)
{
    struct record r = {.type = RECORD_MAP};
    r.map.address = address;
    r.map.length = length;
    r.map.kind = kind;
    r.map.allocator = ALLOCATOR_MMAP;
    r.map.stack = stack;
    maker_record(m, &r);
}

static inline void maker_unmap(struct maker *m, uint64_t address, uint64_t length)
{
    struct record r = {.type = RECORD_UNMAP};
    r.unmap.address = address;
    r.unmap.length = length;
    maker_record(m, &r);
}

static inline void maker_remap(struct maker *m, uint64_t old_address, uint64_t old_length,
                               uint64_t new_address, uint64_t new_length, uint32_t stack)
{
    struct record r = {.type = RECORD_REMAP};
    r.remap.old_address = old_address;
    r.remap.old_length = old_length;
    r.remap.new_address = new_address;
    r.remap.new_length = new_length;
    r.remap.stack = stack;
    maker_record(m, &r);
}

static inline void maker_discard(struct maker *m, uint64_t address, uint64_t length)
{
    struct record r = {.type = RECORD_DISCARD};
    r.discard.address = address;
    r.discard.length = length;
    maker_record(m, &r);
}

static inline void maker_resident_block(struct maker *m, uint64_t index, uint64_t bytes)
{
    struct record r = {.type = RECORD_RESIDENT_BLOCK};
    r.resident_block.index = index;
    r.resident_block.resident_bytes = bytes;
    maker_record(m, &r);
}

static inline void maker_resident_range(struct maker *m, uint32_t process, uint64_t address,
                                        uint64_t length, uint64_t bytes)
{
    struct record r = {.type = RECORD_RESIDENT_RANGE};
    r.resident_range.process = process;
    r.resident_range.address = address;
    r.resident_range.length = length;
    r.resident_range.resident_bytes = bytes;
    maker_record(m, &r);
}

static inline void maker_rss(struct maker *m, uint32_t process, uint64_t bytes)
{
    struct record r = {.type = RECORD_RSS};
    r.rss.process = process;
    r.rss.rss_bytes = bytes;
    maker_record(m, &r);
}

static inline void maker_mark(struct maker *m, const char *name)
{
    struct record r = {.type = RECORD_MARK};
    r.mark.name = maker_text(name);
    maker_record(m, &r);
}

static inline void maker_lost(struct maker *m, uint32_t process, uint8_t reason, uint64_t count)
{
    struct record r = {.type = RECORD_LOST};
    r.lost.process = process;
    r.lost.reason = reason;
    r.lost.count = count;
    maker_record(m, &r);
}

static inline void maker_process_end(struct maker *m, uint32_t process, uint8_t reason,
                                     int64_t status)
{
    struct record r = {.type = RECORD_PROCESS_END};
    r.process_end.process = process;
    r.process_end.reason = reason;
    r.process_end.status = status;
    maker_record(m, &r);
}

static inline void maker_exit(struct maker *m, uint32_t status, uint8_t oom)
{
    struct record r = {.type = RECORD_EXIT};
    r.exit.status = status;
    r.exit.oom = oom;
    maker_record(m, &r);
}

/* Seals the last block; with a trailer the trace is complete. */
static inline void maker_finish(struct maker *m, bool trailer)
{
    maker_seal(m);
    if (!trailer)
        return;
    struct trace_trailer t = {.events = encoder_events(m->encoder),
                              .allocs = m->allocs,
                              .end_ns = m->end_ns,
                              .blocks = m->blocks};
    int n = trace_trailer_write(&t, maker_room(m, TRACE_TRAILER_BYTES), TRACE_TRAILER_BYTES);
    maker_must(n > 0, "trailer");
    m->used += (size_t)n;
}

/* The bytes as a descriptor at its start, for a reader. */
static inline int maker_open(const struct maker *m)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    maker_must(fd >= 0 && write(fd, m->bytes, m->used) == (ssize_t)m->used &&
                   !lseek(fd, 0, SEEK_SET),
               "memfd");
    return fd;
}

static inline void maker_save(const struct maker *m, const char *path)
{
    FILE *out = fopen(path, "wb");
    maker_must(out && fwrite(m->bytes, 1, m->used, out) == m->used && !fclose(out), path);
}

static inline void maker_release(struct maker *m)
{
    encoder_free(m->encoder);
    compressor_free(m->compressor);
    free(m->bytes);
}

#endif
