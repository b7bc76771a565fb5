/* Writes v1.lz4, the golden trace of format version 1: every op and every record, in three blocks.
 * v1.txt says in words what it holds and was written by hand from this scenario. Kept so that one
 * can see where the trace came from; once version 1 is released, the trace itself must never be
 * written anew. From the project's root: cc -std=gnu11 -D_GNU_SOURCE= -I. -o build/make_v1
 * tests/golden/make_v1.c build/libformat.a -llz4 && build/make_v1 tests/golden/v1.lz4 */
#include "format/decode.h"
#include "format/trace_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_ID 0x5645525349304E31u
#define TEXT(s)  ((struct text){s, sizeof s - 1})

static FILE *out;
static struct encoder *encoder;
static struct compressor *compressor;
static struct trace_index_entry blocks[8];
static uint32_t block_count;

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "make_v1: cannot %s\n", what);
        exit(1);
    }
}

static void put(const void *bytes, int64_t length)
{
    must(length > 0 && fwrite(bytes, (size_t)length, 1, out) == 1, "write");
}

static void add(struct event ev) { must(encoder_append(encoder, &ev, NULL) == 0, "append"); }

static void record(struct record r) { add((struct event){.kind = EVENT_RECORD, .record = &r}); }

static void allocate(unsigned allocator, uint32_t stack, uint64_t size_bytes)
{
    must(encoder_alloc(encoder, allocator, stack, size_bytes) == 0, "append");
}

static void release(uint64_t index) { must(encoder_free_index(encoder, index) == 0, "append"); }

static void seal(void)
{
    static uint8_t payload[PAYLOAD_MAX_BYTES], block[PAYLOAD_MAX_BYTES + 65536];
    struct block_info info;
    must(encoder_seal(encoder, payload, sizeof payload, &info) == 0, "seal");
    blocks[block_count++] = (struct trace_index_entry){.offset = (uint64_t)ftell(out),
                                                       .start_ns = info.start_ns,
                                                       .first_event = info.first_event,
                                                       .first_alloc = info.first_alloc};
    put(block, trace_block_write(compressor, TRACE_ID, &info, payload, block, sizeof block));
}

static void header(void)
{
    static const struct text command[] = {TEXT("python3"), TEXT("job.py"), TEXT("--rows=9")};
    uint8_t bytes[1000];
    struct trace_header h = {.flags = TRACE_OBJECTS | TRACE_NATIVE | TRACE_STACKS,
                             .started_unix_ns = 1700000000000000001,
                             .started_mono_ns = 987654321,
                             .sample_bytes = 0,
                             .trace_id = TRACE_ID,
                             .root_pid = 100,
                             .page_bytes = 4096,
                             .argument_count = 3,
                             .arguments = command};
    put(bytes, trace_header_write(&h, bytes, sizeof bytes));
}

static void definitions(void)
{
    static const struct text command[] = {TEXT("python3"), TEXT("job.py")};
    record((struct record){.type = RECORD_PROCESS,
                           .process = {.pid = 100,
                                       .parent = ID_NONE,
                                       .how = PROCESS_ROOT,
                                       .flags = PROCESS_OBJECTS | PROCESS_STACKS | PROCESS_ARENAS,
                                       .python = TEXT("3.11.7"),
                                       .executable = TEXT("/usr/bin/python3"),
                                       .argument_count = 2,
                                       .arguments = command}});
    record((struct record){.type = RECORD_PYTHON, .python = {0, 1, TEXT("3.11.7")}});
    record((struct record){.type = RECORD_THREAD,
                           .thread = {.process = 0, .tid = 100, .name = TEXT("MainThread")}});
    add((struct event){.kind = EVENT_THREAD, .thread = 0});
    record((struct record){.type = RECORD_FUNCTION,
                           .function = {0, FUNCTION_PYTHON, TEXT("<module>"), TEXT("job.py"), 1}});
    record(
        (struct record){.type = RECORD_FUNCTION,
                        .function = {0, FUNCTION_PYTHON, TEXT("lo\303\244d"), TEXT("job.py"), 10}});
    record((struct record){.type = RECORD_FUNCTION,
                           .function = {0, FUNCTION_NATIVE, TEXT("qsort"), TEXT("libc.so.6"), 0}});
    record((struct record){.type = RECORD_FUNCTION,
                           .function = {0, FUNCTION_MODULE, TEXT(""), TEXT("/lib/libz.so.1"), 0}});
    add((struct event){.kind = EVENT_STACK, .parent = 0, .function = 1, .line = 20});
    add((struct event){.kind = EVENT_STACK, .parent = 2, .function = 2, .line = 12});
    add((struct event){.kind = EVENT_STACK, .parent = 3, .function = 4, .line = 4660});
}

static void mappings(void)
{
    const uint64_t a = 0x7F0000010000, b = 0x7F0000800000;
    record((struct record){.type = RECORD_MAP,
                           .map = {a, 65536, MAP_KIND_ANONYMOUS, ALLOCATOR_MMAP, 3}});
    record((struct record){.type = RECORD_REMAP, .remap = {a, 65536, b, 131072, 3, 0}});
    record((struct record){.type = RECORD_MAP,
                           .map = {a, 1048576, MAP_KIND_RESERVED, ALLOCATOR_MMAP, 2}});
    record((struct record){.type = RECORD_PROTECT, .protect = {a, 4096, 1}});
    record((struct record){.type = RECORD_DISCARD, .discard = {b, 8192}});
    record((struct record){.type = RECORD_RESIDENT_RANGE,
                           .resident_range = {0, a + 4096, 1044480, 20480}});
    record((struct record){.type = RECORD_UNMAP, .unmap = {b, 131072}});
    record((struct record){
        .type = RECORD_MODULE,
        .module = {0, TEXT("/lib/libz.so.1"), TEXT("00ff17"), 0x7F1000000000, 81920, 4096}});
}

static void first_block(void)
{
    definitions();
    add((struct event){.kind = EVENT_TIME, .time_ns = 1000000});
    allocate(ALLOCATOR_MALLOC, 2, 100);
    allocate(ALLOCATOR_CALLOC, 3, 1048576);
    allocate(ALLOCATOR_PY_OBJ_POOLED, 3, 56);
    allocate(ALLOCATOR_MALLOC, 2, 100);
    release(3);
    release(0);
    add((struct event){.kind = EVENT_ALLOC_ADDRESS,
                       .allocator = ALLOCATOR_POSIX_MEMALIGN,
                       .stack = 4,
                       .size_bytes = 8192,
                       .address = 0x7F0000001000});
    add((struct event){.kind = EVENT_FREE_ADDRESS, .address = 0x7F0000001000});
    add((struct event){.kind = EVENT_FREE_ADDRESS, .address = 0xDEADBEEF});
    mappings();
    record((struct record){.type = RECORD_RESIDENT_BLOCK, .resident_block = {1, 4096}});
    record((struct record){.type = RECORD_RSS, .rss = {0, 12345344}});
    record((struct record){.type = RECORD_FAILED, .failed = {ALLOCATOR_MALLOC, 1ull << 50, 3}});
    record((struct record){.type = RECORD_MARK, .mark = {TEXT("loaded")}});
    record((struct record){.type = RECORD_NAME, .name = {0, TEXT("main \"2\"")}});
    seal();
}

static void second_block(void)
{
    for (int i = 0; i < 20; i++) {
        allocate(ALLOCATOR_PY_MEM, 2, 32);
        allocate(ALLOCATOR_PY_RAW, 3, 600);
    }
    release(43);
    release(4);
    release(5);
    release(10);
    add((struct event){.kind = EVENT_UNFREE});
    add((struct event){.kind = EVENT_TIME, .time_ns = 2500000});
    record((struct record){.type = RECORD_PROCESS,
                           .process = {.pid = 101,
                                       .parent = 0,
                                       .how = PROCESS_FORK,
                                       .flags = PROCESS_OBJECTS | PROCESS_STACKS,
                                       .python = TEXT("3.11.7"),
                                       .executable = TEXT("/usr/bin/python3")}});
    record(
        (struct record){.type = RECORD_THREAD,
                        .thread = {.process = 1, .tid = 101, .origin_stack = 3, .name = TEXT("")}});
    add((struct event){.kind = EVENT_THREAD, .thread = 1});
    allocate(ALLOCATOR_REALLOC, 3, 64);
    record((struct record){.type = RECORD_THREAD_END, .thread_end = {1}});
    record((struct record){.type = RECORD_PROCESS_END, .process_end = {1, PROCESS_EXITED, 9}});
    seal();
}

static void third_block(void)
{
    record((struct record){.type = RECORD_LOST, .lost = {ID_NONE, REASON_QUEUE_FULL, 3}});
    record((struct record){.type = RECORD_LOST, .lost = {0, REASON_REENTERED, 70000}});
    record((struct record){.type = RECORD_PROCESS_END, .process_end = {0, PROCESS_GIVEN_UP, -1}});
    record((struct record){.type = RECORD_STOP, .stop = {REASON_FILE_LIMIT}});
    record((struct record){.type = RECORD_EXIT, .exit = {256, OOM_PROGRAM}});
    seal();
}

static void ending(void)
{
    uint8_t bytes[1000];
    uint64_t index_offset = (uint64_t)ftell(out);
    put(bytes, trace_index_write(blocks, block_count, bytes, sizeof bytes));
    struct trace_trailer trailer = {.flags = 1,
                                    .index_offset = index_offset,
                                    .events = encoder_events(encoder),
                                    .allocs = encoder_next_alloc(encoder),
                                    .end_ns = 3000000,
                                    .blocks = block_count};
    put(bytes, trace_trailer_write(&trailer, bytes, sizeof bytes));
}

/* Writes a trace of these blocks, of which NULL is behind the last, into the file of the one
 * argument. */
static int make(int argc, char **argv, void (*const *block)(void))
{
    must(argc == 2 && (out = fopen(argv[1], "wb")) != NULL, "open the output");
    encoder = encoder_new();
    compressor = compressor_new();
    must(encoder && compressor, "get memory");
    header();
    for (; *block; block++)
        (*block)();
    ending();
    encoder_free(encoder);
    compressor_free(compressor);
    must(fclose(out) == 0, "write");
    return 0;
}

int main(int argc, char **argv)
{
    static void (*const scenario[])(void) = {first_block, second_block, third_block, NULL};
    return make(argc, argv, scenario);
}
