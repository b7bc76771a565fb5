/* Numbers that look random and are the same in every run, and random events that an encoder takes.
 * Not here: what becomes of them. */
#ifndef TESTS_FORMAT_RANDOM_H
#define TESTS_FORMAT_RANDOM_H

#include "tests/unit/format/built.h"

/* splitmix64; the seed is the state. */
static inline uint64_t random_bits(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 .. below - 1 */
static inline uint64_t random_below(uint64_t *seed, uint64_t below)
{
    return random_bits(seed) % below;
}

/* A number of random width, so that varints of every length come up. */
static inline uint64_t random_wide(uint64_t *seed)
{
    return random_bits(seed) >> random_below(seed, 64);
}

/* Ids that random events may name: how many there are. */
struct defined {
    uint32_t functions, stacks, processes, threads; /* the next ids */
    uint64_t allocs, time_ns;
    uint32_t thread;
};

static inline struct text random_text(uint64_t *seed, char *room, uint32_t below)
{
    struct text text = {room, (uint32_t)random_below(seed, below)};
    for (uint32_t i = 0; i < text.length; i++)
        room[i] = (char)random_bits(seed);
    return text;
}

/* Values for the fields of one random record; texts live in static storage until the next draw. */
struct draw {
    uint32_t process, thread, stack, function;
    uint64_t index, a, b, c, d;
    struct text text, other;
    const struct text *arguments; /* three */
};

static inline struct draw random_draw(uint64_t *seed, const struct defined *d)
{
    static char rooms[5][300];
    static struct text arguments[3];
    for (int i = 0; i < 3; i++)
        arguments[i] = random_text(seed, rooms[2 + i], 30);
    return (struct draw){
        .process = (uint32_t)random_below(seed, d->processes),
        .thread = (uint32_t)random_below(seed, d->threads),
        .stack = (uint32_t)random_below(seed, d->stacks),
        .function = (uint32_t)random_below(seed, d->functions),
        .index = random_below(seed, d->allocs),
        .a = random_wide(seed),
        .b = random_wide(seed),
        .c = random_wide(seed),
        .d = random_wide(seed),
        .text = random_text(seed, rooms[0], 300),
        .other = random_text(seed, rooms[1], 20),
        .arguments = arguments,
    };
}

static inline void random_definition_of(struct record *r, const struct draw *v)
{
    if (r->type == RECORD_FUNCTION) {
        r->function.kind = (uint8_t)v->a;
        r->function.name = v->text;
        r->function.file = v->other;
        r->function.first_line = (uint32_t)v->b;
        r->function.build_id = v->arguments[0];
    } else if (r->type == RECORD_PROCESS) {
        r->process.pid = (uint32_t)v->a;
        r->process.parent = v->b % 2 ? v->process : ID_NONE;
        r->process.how = (uint8_t)v->b;
        r->process.flags = (uint8_t)v->c;
        r->process.python = v->other;
        r->process.executable = v->text;
        r->process.argument_count = (uint32_t)(v->d % 4);
        r->process.arguments = v->arguments;
    } else if (r->type == RECORD_THREAD) {
        r->thread.process = v->process;
        r->thread.tid = (uint32_t)v->a;
        r->thread.origin_stack = v->stack;
        r->thread.name = v->other;
    }
}

static inline void random_mapping_of(struct record *r, const struct draw *v)
{
    if (r->type == RECORD_MAP) {
        r->map.address = v->a;
        r->map.length = v->b;
        r->map.kind = (uint8_t)(v->c % MAP_KIND_COUNT);
        r->map.allocator = (uint8_t)(v->d % ALLOCATOR_LIMIT);
        r->map.stack = v->stack;
    } else if (r->type == RECORD_UNMAP) {
        r->unmap.address = v->a;
        r->unmap.length = v->b;
    } else if (r->type == RECORD_REMAP) {
        r->remap.old_address = v->a;
        r->remap.old_length = v->b;
        r->remap.new_address = v->c;
        r->remap.new_length = v->d;
        r->remap.stack = v->stack;
        r->remap.flags = (uint8_t)v->a;
    } else if (r->type == RECORD_PROTECT) {
        r->protect.address = v->a;
        r->protect.length = v->b;
        r->protect.writable = v->c % 2;
    } else if (r->type == RECORD_DISCARD) {
        r->discard.address = v->a;
        r->discard.length = v->b;
    }
}

static inline void random_sample_of(struct record *r, const struct draw *v)
{
    if (r->type == RECORD_RESIDENT_BLOCK) {
        r->resident_block.index = v->index;
        r->resident_block.resident_bytes = v->a;
    } else if (r->type == RECORD_RESIDENT_RANGE) {
        r->resident_range.process = v->process;
        r->resident_range.address = v->a;
        r->resident_range.length = v->b;
        r->resident_range.resident_bytes = v->c;
    } else if (r->type == RECORD_RSS) {
        r->rss.process = v->process;
        r->rss.rss_bytes = v->a;
    } else if (r->type == RECORD_FAILED) {
        r->failed.allocator = (uint8_t)(v->a % ALLOCATOR_LIMIT);
        r->failed.size_bytes = v->b;
        r->failed.stack = v->stack;
    }
}

static inline void random_ending_of(struct record *r, const struct draw *v)
{
    if (r->type == RECORD_PROCESS_END) {
        r->process_end.process = v->process;
        r->process_end.reason = (uint8_t)v->a;
        r->process_end.status = v->b % 2 ? (int64_t)(v->c >> 1) : -1;
    } else if (r->type == RECORD_THREAD_END) {
        r->thread_end.thread = v->thread;
    } else if (r->type == RECORD_LOST) {
        r->lost.process = v->a % 2 ? v->process : ID_NONE;
        r->lost.reason = (uint8_t)v->b;
        r->lost.count = v->c;
    } else if (r->type == RECORD_EXIT) {
        r->exit.status = (uint32_t)v->a;
        r->exit.oom = (uint8_t)v->b;
    } else if (r->type == RECORD_STOP) {
        r->stop.reason = (uint8_t)v->a;
    }
}

static inline void random_name_of(struct record *r, const struct draw *v)
{
    if (r->type == RECORD_MARK) {
        r->mark.name = v->text;
    } else if (r->type == RECORD_MODULE) {
        r->module.process = v->process;
        r->module.path = v->text;
        r->module.build_id = v->other;
        r->module.address = v->a;
        r->module.length = v->b;
        r->module.file_offset = v->c;
        r->module.function = v->function;
    } else if (r->type == RECORD_MODULE_GONE) {
        r->module_gone.process = v->process;
        r->module_gone.address = v->a;
    } else if (r->type == RECORD_NAME) {
        r->name.thread = v->thread;
        r->name.name = v->other;
    } else if (r->type == RECORD_PYTHON) {
        r->python.process = v->process;
        r->python.walked = v->a % 2;
        r->python.version = v->other;
    }
}

/* A record of this type with random fields; its texts live until the next one. */
static inline struct record random_record(uint64_t *seed, enum record_type type,
                                          const struct defined *d)
{
    struct draw v = random_draw(seed, d);
    struct record r = {.type = type};
    random_definition_of(&r, &v);
    random_mapping_of(&r, &v);
    random_sample_of(&r, &v);
    random_ending_of(&r, &v);
    random_name_of(&r, &v);
    return r;
}

/* Defines one function, stack, process, thread and allocation, so that random records have some to
 * name. */
static inline void random_begin(struct built *b, struct defined *d)
{
    built_record(b, (struct record){.type = RECORD_FUNCTION, .function.name = {"f", 1}});
    built_record(b, (struct record){.type = RECORD_PROCESS, .process.parent = ID_NONE});
    built_record(b, (struct record){.type = RECORD_THREAD});
    built_append(b, (struct event){.kind = EVENT_THREAD, .thread = 0});
    built_append(b, (struct event){.kind = EVENT_STACK, .function = 1, .line = 7});
    built_append(b, (struct event){.kind = EVENT_ALLOC, .stack = 2, .size_bytes = 100});
    *d = (struct defined){2, 3, 1, 1, 1, 0, 0};
}

static inline void random_definition(struct built *b, struct defined *d, uint64_t *seed)
{
    struct record record = random_record(seed, 1 + random_below(seed, RECORD_LIMIT - 1), d);
    d->functions += record.type == RECORD_FUNCTION;
    d->processes += record.type == RECORD_PROCESS;
    d->threads += record.type == RECORD_THREAD;
    built_record(b, record);
}

/* A stack that often follows the last one, as in real programs. */
static inline uint32_t random_stack(const struct defined *d, uint64_t *seed)
{
    uint64_t among = random_below(seed, 4) ? (d->stacks < 8 ? d->stacks : 8) : d->stacks;
    return (uint32_t)random_below(seed, among);
}

/* Anywhere, or in a heap of a few pages, where places are used again. */
static inline uint64_t random_address(uint64_t *seed)
{
    if (random_below(seed, 3) == 0)
        return random_wide(seed);
    return 0x7F0000000000u + 48 * random_below(seed, random_below(seed, 2) ? 8 : 3000);
}

static inline void random_allocation(struct built *b, struct defined *d, uint64_t *seed)
{
    uint64_t size = random_below(seed, 3) ? 64 : random_wide(seed) >> 1;
    struct event ev = {.kind = random_below(seed, 8) ? EVENT_ALLOC : EVENT_ALLOC_ADDRESS,
                       .allocator = (uint8_t)random_below(seed, ALLOCATOR_LIMIT),
                       .stack = random_stack(d, seed),
                       .size_bytes = size};
    if (ev.kind == EVENT_ALLOC_ADDRESS)
        ev.address = random_address(seed);
    else
        d->allocs++;
    built_append(b, ev);
}

static inline void random_free(struct built *b, struct defined *d, uint64_t *seed)
{
    uint64_t span = random_below(seed, 2) && d->allocs > 40 ? 40 : d->allocs;
    built_append(
        b, (struct event){.kind = EVENT_FREE, .index = d->allocs - 1 - random_below(seed, span)});
}

/* Appends one event of a random kind. */
static inline void random_event(struct built *b, struct defined *d, uint64_t *seed)
{
    uint64_t die = random_below(seed, 100);
    if (die < 45) {
        random_allocation(b, d, seed);
    } else if (die < 80) {
        random_free(b, d, seed);
    } else if (die < 84) {
        built_append(b,
                     (struct event){.kind = EVENT_FREE_ADDRESS, .address = random_address(seed)});
    } else if (die < 85) {
        built_append(b, (struct event){.kind = EVENT_UNFREE});
    } else if (die < 88) {
        d->time_ns += 1 + (random_wide(seed) >> 34);
        d->time_ns +=
            random_below(seed, 2) ? 0 : TIME_COARSE_NS - 1 - (d->time_ns - 1) % TIME_COARSE_NS;
        built_append(b, (struct event){.kind = EVENT_TIME, .time_ns = d->time_ns});
    } else if (die < 91 && d->threads > 1) {
        d->thread = (d->thread + 1 + (uint32_t)random_below(seed, d->threads - 1)) % d->threads;
        built_append(b, (struct event){.kind = EVENT_THREAD, .thread = d->thread});
    } else if (die < 96) {
        built_append(b, (struct event){.kind = EVENT_STACK,
                                       .parent = (uint32_t)random_below(seed, d->stacks++),
                                       .function = (uint32_t)random_below(seed, d->functions),
                                       .line = random_wide(seed)});
    } else {
        random_definition(b, d, seed);
    }
}

/* A few blocks of random events, about 2 KiB. */
static inline void build_small(struct built *b)
{
    struct defined d;
    uint64_t seed = 11;
    built_start(b);
    random_begin(b, &d);
    for (int block = 0; block < 5; block++) {
        for (int i = 0; i < 15; i++)
            random_event(b, &d, &seed);
        built_seal(b);
    }
    built_finish(b);
}

#endif
