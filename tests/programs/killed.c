/* killed FILE PROCESSES THREADS SEED: allocates without end, to be killed, and keeps its own truth.
 * killed FILE truth: what the threads told in FILE, replayed: one line a thread,
 *   PID TID DONE  BYTES BLOCKS PEAK  BYTES BLOCKS PEAK  BYTES BLOCKS PEAK
 * after DONE calls, in the middle of the next one where that frees and allocates (realloc), and
 * after it. killed FILE find TID BYTES BLOCKS: "CALLS DONE", how many calls of that thread lead to
 * this state; -1: none, up to one more than had returned.
 *
 * Each thread goes through a sequence of malloc, calloc, realloc, posix_memalign, free, mmap and
 * munmap that its seed determines, and adds one to its counter in FILE, which is mapped shared,
 * after each call has returned. So whatever instant a kill hits, FILE says which calls had
 * returned. The threads that do this allocate nothing else. */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS       2048
#define MAP_BYTES   65536
#define WORKERS_MAX 64
#define PAUSE_ROUNDS                                                                               \
    256 /* calls between two short pauses, so that a file of any length can be replayed */

struct worker {
    volatile uint64_t done; /* calls that have returned */
    uint64_t seed;
    uint32_t pid, tid;
    char pad[104]; /* two lines each */
};

struct state {
    uint64_t random, bytes, blocks, peak;
    uint64_t sizes[SLOTS]; /* 0: empty */
    void *at[SLOTS];
};

enum what { MAKE, MAKE_ZERO, MAKE_ALIGNED, MAKE_MAP, CHANGE, DROP, DROP_MAP };
struct call {
    enum what what;
    unsigned slot;
    uint64_t size;
};

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static bool is_map(uint64_t size) { return size == MAP_BYTES; }

static struct call next_call(struct state *s)
{
    uint64_t random = next(&s->random);
    struct call c = {.slot = random % SLOTS, .size = 1 + (random >> 16) % 4000};
    unsigned dice = random >> 40 & 255;
    uint64_t old = s->sizes[c.slot];
    if (old)
        c.what = is_map(old) ? DROP_MAP : dice < 64 ? CHANGE : DROP;
    else if (dice < 4)
        c = (struct call){MAKE_MAP, c.slot, MAP_BYTES};
    else
        c.what = dice < 40 ? MAKE_ZERO : dice < 70 ? MAKE_ALIGNED : MAKE;
    if (c.what == DROP || c.what == DROP_MAP)
        c.size = 0;
    return c;
}

static void drop(struct state *s, unsigned slot)
{
    s->bytes -= s->sizes[slot];
    s->blocks -= s->sizes[slot] != 0;
    s->sizes[slot] = 0;
}

static void apply(struct state *s, const struct call *c)
{
    drop(s, c->slot);
    s->sizes[c->slot] = c->size;
    s->bytes += c->size;
    s->blocks += c->size != 0;
    if (s->bytes > s->peak)
        s->peak = s->bytes;
}

static void perform(struct state *s, const struct call *c)
{
    void **at = &s->at[c->slot];
    switch (c->what) {
    case MAKE: *at = malloc(c->size); break;
    case MAKE_ZERO: *at = calloc(1, c->size); break;
    case MAKE_ALIGNED:
        if (posix_memalign(at, 64, c->size))
            _exit(3);
        break;
    case MAKE_MAP:
        *at = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        break;
    case CHANGE: *at = realloc(*at, c->size); break;
    case DROP: free(*at); break;
    case DROP_MAP: munmap(*at, MAP_BYTES); break;
    }
}

static void *work(void *context)
{
    struct worker *w = context;
    static __thread struct state s;
    s.random = w->seed;
    w->tid = (uint32_t)syscall(SYS_gettid);
    for (uint64_t i = 0;; i++) {
        struct call c = next_call(&s);
        perform(&s, &c);
        w->done = i + 1;
        apply(&s, &c);
        if (i % PAUSE_ROUNDS == 0)
            usleep(50);
    }
    return NULL;
}

static void run_threads(struct worker *w, unsigned threads)
{
    pthread_t thread;
    for (unsigned i = 0; i < threads; i++) {
        w[i].pid = (uint32_t)getpid();
        if (pthread_create(&thread, NULL, work, &w[i]))
            _exit(4);
    }
    for (;;)
        pause();
}

static void print_state(const struct state *s)
{
    printf("  %lu %lu %lu", s->bytes, s->blocks, s->peak);
}

static void tell(const struct worker *w)
{
    static struct state s;
    s = (struct state){.random = w->seed};
    for (uint64_t i = 0; i < w->done; i++) {
        struct call c = next_call(&s);
        apply(&s, &c);
    }
    printf("%u %u %lu", w->pid, w->tid, w->done);
    print_state(&s);
    struct call c = next_call(&s);
    if (c.what == CHANGE)
        drop(&s, c.slot);
    print_state(&s);
    apply(&s, &c);
    print_state(&s);
    printf("\n");
}

/* The middle of a realloc counts as the calls before it. */
static int64_t find(const struct worker *w, uint64_t bytes, uint64_t blocks)
{
    static struct state s;
    s = (struct state){.random = w->seed};
    for (uint64_t i = 0; i <= w->done + 1; i++) {
        if (s.bytes == bytes && s.blocks == blocks)
            return (int64_t)i;
        struct call c = next_call(&s);
        if (c.what == CHANGE && s.bytes - s.sizes[c.slot] == bytes && s.blocks - 1 == blocks)
            return (int64_t)i;
        apply(&s, &c);
    }
    return -1;
}

static int tell_found(const struct worker *workers, char **argv)
{
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        if (workers[i].tid && workers[i].tid == (uint32_t)atoi(argv[3])) {
            int64_t calls =
                find(&workers[i], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
            printf("%ld %lu\n", calls, workers[i].done);
            return 0;
        }
    return 1;
}

int main(int argc, char **argv)
{
    bool truth = argc == 3 && !strcmp(argv[2], "truth");
    int fd = argc < 3 || (argc < 5 && !truth) ? -1 : open(argv[1], O_RDWR | O_CREAT, 0600);
    size_t bytes = WORKERS_MAX * sizeof(struct worker);
    if (fd < 0 || ftruncate(fd, (off_t)bytes))
        return 2;
    struct worker *workers = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (truth) {
        for (unsigned i = 0; i < WORKERS_MAX && workers[i].seed; i++)
            tell(&workers[i]);
        return 0;
    }
    if (argc == 6 && !strcmp(argv[2], "find"))
        return tell_found(workers, argv);
    unsigned processes = (unsigned)atoi(argv[2]), threads = (unsigned)atoi(argv[3]);
    if (processes * threads > WORKERS_MAX)
        return 2;
    for (unsigned i = 0; i < processes * threads; i++)
        workers[i].seed = strtoull(argv[4], NULL, 10) * 1000003 + i * 7919 + 1;
    for (unsigned i = 1; i < processes; i++)
        if (fork() == 0)
            run_threads(workers + i * threads, threads);
    run_threads(workers, threads);
}
