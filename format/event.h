/* The decoded form of everything a trace's payload can say (FORMAT.md, sections 3 to 7): one struct
 * for both directions. Why one: the encoder takes what the decoder gives, so a round trip is an
 * equality. Invariants: a kind uses the fields named beside it and leaves the others 0. Not here:
 * bytes (encode.h, decode.h), files (trace_file.h), meaning (replay/). */
#ifndef FORMAT_EVENT_H
#define FORMAT_EVENT_H

#include <stdint.h>

enum allocator {
#define ALLOCATOR(name, text, pooled) ALLOCATOR_##name,
#include "format/allocators.def"
#undef ALLOCATOR
    ALLOCATOR_COUNT
};
#define ALLOCATOR_LIMIT 32 /* FORMAT.md 3.1: five bits */

/* "malloc", …; "unknown allocator" out of range. Static storage. */
const char *allocator_name(unsigned allocator);
/* Is a block of this kind inside an ARENA mapping? */
int allocator_pooled(unsigned allocator);

enum event_kind {
    EVENT_ALLOC = 1,     /* allocator, stack, size, index */
    EVENT_ALLOC_ADDRESS, /* allocator, stack, size, address: coded by address, takes no index */
    EVENT_FREE,          /* index */
    EVENT_FREE_ADDRESS,  /* address */
    EVENT_UNFREE,        /* the current thread's latest free did not happen */
    EVENT_THREAD,        /* thread: from here on the current one */
    EVENT_TIME,          /* size: trace time in ns, absolute (the bytes hold the difference) */
    EVENT_STACK,         /* stack: the id defined; parent, function, line */
    EVENT_RECORD,        /* record: one of the records of section 3.2 */
    EVENT_LOST, /* index, end_index: of allocations that could not be read, end excluded; told
                   by a reader of damaged files, no op */
};

/* 24 bytes, so that a window of decoded events stays in the cache. */
struct event {
    uint8_t kind;      /* enum event_kind */
    uint8_t allocator; /* enum allocator, < ALLOCATOR_LIMIT */
    uint16_t reserved;
    uint32_t stack; /* stack node id: 0 empty, 1 unknown, from 2 on defined; STACK: the id it
                       defines */
    union {
        uint64_t size_bytes; /* ALLOC: requested bytes, 0..2^63 */
        uint64_t time_ns;    /* TIME */
        uint64_t end_index;  /* LOST */
        struct {
            uint32_t parent, function; /* STACK */
        };
        uint32_t thread;             /* THREAD */
        const struct record *record; /* RECORD: borrowed; from the decoder valid until its next call
                                      */
    };
    union {
        uint64_t index;   /* ALLOC, FREE, LOST: allocation index in the trace */
        uint64_t address; /* ALLOC_ADDRESS, FREE_ADDRESS: in the recorded process */
        uint64_t line;    /* STACK: source line, 0 unknown (an offset under a MODULE function) */
    };
};

#define MARK_NAME_BYTES 255 /* at most, of a mark that our recorder sets */

enum record_type {
    RECORD_FUNCTION = 1,
    RECORD_PROCESS,
    RECORD_PROCESS_END,
    RECORD_THREAD,
    RECORD_THREAD_END,
    RECORD_MAP,
    RECORD_UNMAP,
    RECORD_REMAP,
    RECORD_PROTECT,
    RECORD_DISCARD,
    RECORD_RESIDENT_BLOCK,
    RECORD_RESIDENT_RANGE,
    RECORD_RSS,
    RECORD_FAILED,
    RECORD_MARK,
    RECORD_LOST,
    RECORD_EXIT,
    RECORD_STOP,
    RECORD_MODULE,
    RECORD_NAME,
    RECORD_PYTHON,
    RECORD_MODULE_GONE,
    RECORD_LIMIT
};

enum function_kind { FUNCTION_PYTHON, FUNCTION_NATIVE, FUNCTION_MODULE };
enum process_how { PROCESS_ROOT, PROCESS_FORK, PROCESS_EXEC, PROCESS_NEW };
enum process_flag { PROCESS_OBJECTS = 1, PROCESS_STACKS = 2, PROCESS_ARENAS = 4 };
enum process_end { PROCESS_EXITED, PROCESS_EXECED, PROCESS_GIVEN_UP };
enum map_kind {
    MAP_KIND_ANONYMOUS,
    MAP_KIND_RESERVED,
    MAP_KIND_NORESERVE,
    MAP_KIND_FILE,
    MAP_KIND_SHARED,
    MAP_KIND_ARENA,
    MAP_KIND_BRK,
    MAP_KIND_COUNT
};
enum reason {
    REASON_NONE,
    REASON_RING_FULL,
    REASON_STACK_UNKNOWN,
    REASON_REENTERED,
    REASON_NO_RING,
    REASON_FILE_LIMIT,
    REASON_WRITE_ERROR,
    REASON_CORRUPT_RING,
    REASON_KILLED,
    REASON_UNKNOWN_FREE,
    REASON_LIVE_ADDRESS,
    REASON_DEEP_STACK,
    REASON_NOT_RECORDED,
    REASON_QUEUE_FULL,
    REASON_NO_PLACE,
    REASON_NATIVE_CUT,
    REASON_NATIVE_UNKNOWN,
    REASON_COUNT
};
enum oom_cause { OOM_NO, OOM_KERNEL, OOM_PROGRAM, OOM_GUARD };

/* A byte string that is not NUL-terminated. Borrowed from whoever made the record. */
struct text {
    const char *bytes;
    uint32_t length; /* <= TEXT_LIMIT */
};
#define TEXT_LIMIT            65536u
#define RECORD_ARGUMENT_LIMIT 1024u      /* arguments kept of a command */
#define RECORD_MAX_BYTES      (1u << 20) /* fields, ten bytes reckoned for a number or a length */
#define STACK_EMPTY           0u
#define STACK_UNKNOWN         1u
#define STACK_FIRST           2u
#define FUNCTION_UNKNOWN      0u
#define FUNCTION_FIRST        1u
#define ID_NONE               0xFFFFFFFFu /* no process, no thread */

/* One record. Fields as in FORMAT.md 3.2, in its order and units. Ids that a record defines are
 * given back by the codec. */
struct record {
    enum record_type type;
    union {
        struct {
            uint32_t id;
            uint8_t kind;
            struct text name, file;
            uint32_t first_line;
            struct text build_id; /* of a MODULE: hex, empty where it has none */
        } function;
        struct {
            uint32_t id;
            uint32_t pid;
            uint32_t parent; /* or ID_NONE */
            uint8_t how, flags;
            struct text python, executable;
            uint32_t argument_count;
            const struct text *arguments;
        } process;
        struct {
            uint32_t process;
            uint8_t reason;
            int64_t status; /* raw wait status, -1 unknown */
        } process_end;
        struct {
            uint32_t id;
            uint32_t process, tid, origin_stack;
            struct text name;
        } thread;
        struct {
            uint32_t thread;
        } thread_end;
        struct {
            uint64_t address, length;
            uint8_t kind, allocator;
            uint32_t stack;
        } map;
        struct {
            uint64_t address, length;
        } unmap;
        struct {
            uint64_t old_address, old_length, new_address, new_length;
            uint32_t stack;
            uint8_t flags;
        } remap;
        struct {
            uint64_t address, length;
            uint8_t writable;
        } protect;
        struct {
            uint64_t address, length;
        } discard;
        struct {
            uint64_t index, resident_bytes;
        } resident_block;
        struct {
            uint32_t process;
            uint64_t address, length, resident_bytes;
        } resident_range;
        struct {
            uint32_t process;
            uint64_t rss_bytes;
        } rss;
        struct {
            uint8_t allocator;
            uint64_t size_bytes;
            uint32_t stack;
        } failed;
        struct {
            struct text name;
        } mark;
        struct {
            uint32_t process; /* or ID_NONE */
            uint8_t reason;
            uint64_t count;
        } lost;
        struct {
            uint32_t status;
            uint8_t oom;
        } exit;
        struct {
            uint8_t reason;
        } stop;
        struct {
            uint32_t process;
            struct text path, build_id;
            uint64_t address, length, file_offset;
            uint32_t function; /* of kind MODULE, or FUNCTION_UNKNOWN */
        } module;
        struct {
            uint32_t process;
            uint64_t address;
        } module_gone;
        struct {
            uint32_t thread;
            struct text name;
        } name;
        struct {
            uint32_t process;
            uint8_t walked;
            struct text version;
        } python;
    };
};

#endif
