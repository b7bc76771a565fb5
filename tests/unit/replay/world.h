/* Random histories of a small world, written as a trace, and what each event left behind, added up
 * from scratch by a model that is too simple to be wrong: arrays of blocks and pages.
 * Not here: comparing with the replay (test_replay_random.c). */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "tests/unit/replay/maker.h"

enum {
    STACKS = 6,
    ALLOCATORS = 3,
    THREADS = 6,
    PROCESSES = 3,
    PAGES = 48,
    BLOCKS = 1200,
    STEPS = 700,
    MARKS = 100
};
#ifndef TESTS_SCENE_H
enum { PAGE = 4096 };
#endif
enum { BIG = 1 << 20 };

struct life {
    uint64_t size, key, born_alloc, sample; /* born_alloc: its thread's allocations then */
    int stack, allocator, thread;
    int born, died; /* event numbers; died 0: lives */
    bool by_address, sampled, temporary, leaked;
    bool again; /* a free was taken back: no new allocation */
    uint64_t born_ns;
    int allocated; /* the event that made it, before any free that was taken back */
};

struct page {
    int kind; /* -1: not mapped */
    int stack, thread;
};

/* One site's values, added up. */
struct cell {
    uint64_t bytes, blocks, resident;
};

struct snapshot {
    uint64_t bytes, time_ns;
    int event;
    struct cell cells[STACKS][ALLOCATORS][THREADS];
};

/* Set after this event. */
struct stood {
    char name[4];
    int event;
};

struct world {
    struct maker maker;
    uint64_t seed, now_ns;
    int events, thread;
    struct life blocks[BLOCKS];
    int block_count;
    struct page pages[PROCESSES][PAGES];
    uint32_t stacks[STACKS], threads[THREADS], processes[PROCESSES];
    int thread_process[THREADS];
    uint64_t thread_allocs[THREADS];
    int last_freed[THREADS];
    bool ended[PROCESSES];
    int marks[MARKS], mark_count;         /* the event before each */
    struct snapshot at_event[STEPS + 40]; /* only bytes and time */
    uint64_t process_bytes[STEPS + 40][PROCESSES];
    struct stood stood[MARKS]; /* the same, with their names */
};

static inline uint64_t draw(struct world *w, uint64_t limit)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % limit;
}

static inline bool alive_at(const struct life *b, int event)
{
    return b->born <= event && (!b->died || b->died > event);
}

/* Adds everything up from scratch and remembers it as the state after this event. */
static inline void note(struct world *w)
{
    int e = ++w->events;
    memset(w->process_bytes[e], 0, sizeof w->process_bytes[e]);
    for (int i = 0; i < w->block_count; i++)
        if (!w->blocks[i].died)
            w->process_bytes[e][w->thread_process[w->blocks[i].thread]] += w->blocks[i].size;
    for (int p = 0; p < PROCESSES; p++)
        for (int i = 0; i < PAGES; i++)
            if (w->pages[p][i].kind == MAP_KIND_ANONYMOUS)
                w->process_bytes[e][p] += PAGE;
    w->at_event[e].bytes = 0;
    for (int p = 0; p < PROCESSES; p++)
        w->at_event[e].bytes += w->process_bytes[e][p];
    w->at_event[e].time_ns = w->now_ns;
    w->at_event[e].event = e;
}

static inline uint64_t random_size(struct world *w)
{
    switch (draw(w, 8)) {
    case 0: return 0;
    case 1: return BIG + draw(w, 4) * BIG / 2;
    default: return draw(w, 5000);
    }
}

static inline void do_alloc(struct world *w)
{
    struct life *b = &w->blocks[w->block_count++];
    *b = (struct life){.size = random_size(w),
                       .stack = (int)draw(w, STACKS),
                       .thread = w->thread,
                       .born = w->events + 1,
                       .allocator = (int)draw(w, ALLOCATORS),
                       .by_address = draw(w, 4) == 0};
    b->born_alloc = ++w->thread_allocs[w->thread];
    b->born_ns = w->now_ns;
    b->allocated = b->born;
    if (b->by_address) {
        b->key = 0x10000 + draw(w, 40) * 16;
        for (int i = 0; i < w->block_count - 1; i++) {
            struct life *old = &w->blocks[i];
            bool same = w->thread_process[old->thread] == w->thread_process[b->thread];
            if (old->by_address && !old->died && old->key == b->key && same)
                old->died = w->events + 1;
        }
        maker_alloc_at(&w->maker, (unsigned)b->allocator, w->stacks[b->stack], b->size, b->key);
    } else {
        b->key = maker_alloc(&w->maker, (unsigned)b->allocator, w->stacks[b->stack], b->size);
    }
    note(w);
}

/* A live block of the current thread's process, or -1. */
static inline int pick_block(struct world *w)
{
    int start = w->block_count ? (int)draw(w, (uint64_t)w->block_count) : 0;
    for (int n = 0; n < w->block_count; n++) {
        int i = draw(w, 2) ? w->block_count - 1 - n : (start + n) % w->block_count;
        if (!w->blocks[i].died &&
            w->thread_process[w->blocks[i].thread] == w->thread_process[w->thread])
            return i;
    }
    return -1;
}

static inline void do_free(struct world *w)
{
    int i = pick_block(w);
    w->last_freed[w->thread] = i;
    if (i < 0) {
        maker_free_at(&w->maker, 0x999990);
        note(w);
        return;
    }
    struct life *b = &w->blocks[i];
    b->died = w->events + 1;
    b->temporary = b->thread == w->thread && w->thread_allocs[w->thread] - b->born_alloc < 2;
    if (b->by_address)
        maker_free_at(&w->maker, b->key);
    else
        maker_free(&w->maker, b->key);
    note(w);
}

static inline void do_unfree(struct world *w)
{
    int i = w->last_freed[w->thread];
    if (i < 0 || !w->blocks[i].died)
        return;
    for (int k = 0; k < w->block_count; k++) /* nobody can have had the address meanwhile */
        if (w->blocks[k].by_address && w->blocks[i].by_address && !w->blocks[k].died &&
            w->blocks[k].key == w->blocks[i].key)
            return;
    w->last_freed[w->thread] = -1;
    maker_unfree(&w->maker);
    /* A second life of the same block: the first one ended at the free. */
    struct life again = w->blocks[i];
    w->blocks[i].temporary = false;
    w->blocks[i].sample = again.sample;
    again.born = w->events + 1;
    again.died = 0;
    again.temporary = false;
    again.again = true;
    w->blocks[w->block_count++] = again;
    note(w);
}

static inline void do_map(struct world *w)
{
    static const int kinds[] = {MAP_KIND_ANONYMOUS, MAP_KIND_ANONYMOUS, MAP_KIND_RESERVED,
                                MAP_KIND_FILE, MAP_KIND_ARENA};
    int p = w->thread_process[w->thread], first = (int)draw(w, PAGES - 8),
        count = 1 + (int)draw(w, 8), stack = (int)draw(w, STACKS);
    int kind = kinds[draw(w, 5)];
    for (int i = first; i < first + count; i++)
        w->pages[p][i] = (struct page){kind, stack, w->thread};
    maker_map(&w->maker, (uint64_t)first * PAGE, (uint64_t)count * PAGE, (uint8_t)kind,
              w->stacks[stack]);
    note(w);
}

static inline void do_unmap(struct world *w)
{
    int p = w->thread_process[w->thread], first = (int)draw(w, PAGES - 8),
        count = 1 + (int)draw(w, 8);
    for (int i = first; i < first + count; i++)
        w->pages[p][i].kind = -1;
    maker_unmap(&w->maker, (uint64_t)first * PAGE, (uint64_t)count * PAGE);
    note(w);
}

static inline void do_time(struct world *w)
{
    w->now_ns += 1 + draw(w, 1000);
    maker_time(&w->maker, w->now_ns);
}

static inline void do_sample(struct world *w)
{
    int i = pick_block(w);
    if (i < 0 || w->blocks[i].by_address || w->blocks[i].size < BIG)
        return;
    struct life *b = &w->blocks[i];
    uint64_t bytes = draw(w, 3 * BIG);
    b->sample = b->sampled && b->sample > bytes ? b->sample : bytes;
    b->sampled = true;
    maker_resident_block(&w->maker, b->key, bytes);
}

static inline void do_switch(struct world *w)
{
    int t = (int)draw(w, THREADS);
    if (w->ended[w->thread_process[t]])
        return;
    w->thread = t;
    maker_on(&w->maker, w->threads[t]);
}

/* The end of a process is an event here, because it changes the sum. Process 0 stays. */
static inline void do_end(struct world *w)
{
    int p = 1 + (int)draw(w, PROCESSES - 1);
    bool execed = draw(w, 2);
    if (w->ended[p] || draw(w, 20) || w->thread_process[w->thread] == p)
        return;
    w->ended[p] = true;
    for (int i = 0; i < w->block_count; i++) {
        struct life *b = &w->blocks[i];
        if (w->thread_process[b->thread] != p || b->died)
            continue;
        b->died = w->events + 1;
        b->leaked = !execed;
    }
    for (int i = 0; i < PAGES; i++)
        w->pages[p][i].kind = -1;
    maker_process_end(&w->maker, w->processes[p], execed ? PROCESS_EXECED : PROCESS_EXITED, 0);
    note(w);
}

/* Names come again; the first of each counts. */
static inline void do_mark(struct world *w)
{
    if (w->mark_count == MARKS)
        return;
    struct stood *m = &w->stood[w->mark_count];
    w->marks[w->mark_count++] = w->events;
    *m = (struct stood){{'m', (char)('0' + draw(w, 8)), 0}, w->events};
    maker_mark(&w->maker, m->name);
}

static inline void step(struct world *w)
{
    switch (draw(w, 16)) {
    case 0 ... 4: do_alloc(w); break;
    case 5 ... 8: do_free(w); break;
    case 9: do_unfree(w); break;
    case 10: do_map(w); break;
    case 11: do_unmap(w); break;
    case 12: do_sample(w); break;
    case 13: do_switch(w); break;
    case 14: do_end(w); break;
    default: do_time(w);
    }
    if (draw(w, 40) == 0)
        do_mark(w);
    if (draw(w, 60) == 0)
        maker_seal(&w->maker);
}

static inline void begin(struct world *w, uint64_t seed)
{
    static const char *const command[] = {"python3", "random.py", 0};
    memset(w, 0, sizeof *w);
    w->seed = seed * 0x9E3779B97F4A7C15u + 1;
    maker_init(&w->maker, command, 100);
    for (int p = 0; p < PROCESSES; p++) {
        w->processes[p] = maker_process(&w->maker, 100 + (uint32_t)p, p ? 0 : ID_NONE,
                                        p ? PROCESS_FORK : PROCESS_ROOT, "3.11.7");
        for (int i = 0; i < PAGES; i++)
            w->pages[p][i].kind = -1;
    }
    for (int t = 0; t < THREADS; t++) {
        w->thread_process[t] = t % PROCESSES;
        w->threads[t] = maker_thread(&w->maker, w->processes[t % PROCESSES], 100 + (uint32_t)t, "");
        w->last_freed[t] = -1;
    }
    w->stacks[0] = STACK_EMPTY;
    for (int s = 1; s < STACKS; s++)
        w->stacks[s] = maker_stack(&w->maker, s > 1 ? w->stacks[s / 2] : 0,
                                   maker_function(&w->maker, "f", "f.py", 1), (uint64_t)s);
    maker_on(&w->maker, w->threads[0]);
}

static inline void live_history(struct world *w)
{
    for (int i = 0; i < STEPS && w->block_count < BLOCKS - 2; i++)
        step(w);
    for (int i = 0; i < w->block_count; i++)
        w->blocks[i].leaked |= !w->blocks[i].died;
    maker_finish(&w->maker, true);
}

#endif
