/* A fuzz target: a recorded program that scribbles over everything it shares with the collector:
 * slots, ring entries, heads, turn words, events; between drains and while one is under way. What
 * must hold: nothing breaks, a drain ends, and what the collector keeps stays within its limits.
 *
 * The input is a list of deeds, a byte each with what it needs. "While a drain is under way" is
 * done at each event that it writes: the linker leads output_event here first, and one deed is
 * taken from the input. So a run is the same each time, as no second thread's could be.
 *
 * Processes are this one, one that has ended and waits, pid 1, and none. Not here: real programs
 * and real time (tests/e2e/test_hostile.py). */
#include "tests/fuzz/input.h"

#include "recorder/collector/merge.h"
#include "recorder/collector/sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 6, RINGS = 8, DEEDS = 4000, DRAINS = 40, POOL_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
bool __real_output_event(struct output *o, const struct event *ev, uint32_t *id);
bool __wrap_output_event(struct output *o, const struct event *ev, uint32_t *id);
DIR *__real_opendir(const char *name);
DIR *__wrap_opendir(const char *name);

static struct {
    struct shared shared;
    struct output output;
    struct serve *serve;
    struct processes processes;
    struct merge *merge;
    struct input in;
    int control[2];
    unsigned deeds;
    bool draining;
} all;

/* Looking for a namesake reads all of /proc: not at each input. */
DIR *__wrap_opendir(const char *name)
{
    return strcmp(name, "/proc") ? __real_opendir(name) : NULL;
}

static uint32_t some_pid(void)
{
    static pid_t ended;
    if (!ended && (ended = fork()) == 0)
        _exit(0);
    const uint32_t pids[] = {(uint32_t)getpid(), (uint32_t)ended, 1, 0, UINT32_MAX, 4000000};
    return pids[input_number(&all.in, 1) % 6];
}

/* A number that may be what is expected, or at an edge, or anything. */
static uint64_t some_number(void)
{
    static const uint64_t edges[] = {0,          8,          RING_BYTES, RING_BYTES + 8,
                                     UINT64_MAX, 1ull << 47, 1ull << 32, UINT32_MAX,
                                     7,          0x7FFFFFF0, 0x100000,   INT64_MAX};
    unsigned form = (unsigned)input_number(&all.in, 1);
    if (form < 200)
        return form;
    return form < 224   ? edges[form % 12]
           : form < 236 ? input_number(&all.in, 2)
           : form < 246 ? input_number(&all.in, 4)
                        : input_number(&all.in, 8);
}

static struct ring *some_ring(void)
{
    return shared_ring(&all.shared, (uint32_t)input_number(&all.in, 1) % RINGS);
}

/* A slot and a ring as a program would claim them. */
static void claim(void)
{
    struct shm_control *c = all.shared.control;
    uint32_t form = (uint32_t)input_number(&all.in, 1), slot = form % SLOTS,
             ring = form / 8 % RINGS;
    struct process_slot *s = &c->slots[slot];
    if (form & 128) {
        s->pid = some_pid();
        s->serial = slot + 1;
        s->parent_serial = form & 64 ? 1 : (uint32_t)some_number();
        if (form & 4) {
            struct introduction intro = {.pid = s->pid, .serial = s->serial, .flags = 3};
            serve_introduce(all.serve, slot, &intro, (struct proc_image){0});
        }
        atomic_store(&s->state, SLOT_LIVE);
    }
    c->entries[ring].slot = slot;
    c->entries[ring].serial = s->serial;
    atomic_store(&c->entries[ring].state, form & 2 ? RING_STATE_CLOSED : RING_STATE_LIVE);
    shm_raise(&c->header.slot_high, SLOTS);
    shm_raise(&c->header.ring_high, RINGS);
}

/* One event behind the head of a ring, as it should look or nearly so. */
static void put_event(void)
{
    struct ring *ring = some_ring();
    uint8_t kind = (uint8_t)(input_number(&all.in, 1) % (RING_KIND_COUNT + 1)),
            aux = (uint8_t)input_number(&all.in, 1), words = aux >> 5;
    uint64_t head = atomic_load(&ring->head), low = some_number();
    if (kind == RING_ALLOC || kind == RING_FREE || kind == RING_ALLOC_BIG)
        low *= 16;
    if (kind == RING_WAITED)
        low = some_pid();
    for (unsigned i = 0; i <= words; i++, head += 8)
        ring->words[head / 8 % RING_WORDS] =
            i ? some_number() | some_number() << 32 : RING_WORD(kind, aux & 31, low);
    atomic_store(&ring->head, head);
}

/* Anything anywhere in what is shared, but for what only makes time pass. */
static void scribble(void)
{
    struct shm_control *c = all.shared.control;
    uint64_t what = input_number(&all.in, 1), value = some_number();
    struct process_slot *slot = &c->slots[what % SLOTS];
    struct ring_entry *entry = &c->entries[what % RINGS];
    struct ring *ring = shared_ring(&all.shared, what % RINGS);
    switch (what / 8 % 16) {
    case 0: slot->pid = (uint32_t)value; break;
    case 1: slot->serial = (uint32_t)value; break;
    case 2: slot->parent_serial = (uint32_t)value; break;
    case 3: atomic_store(&slot->state, (uint32_t)value % 5); break;
    case 4: atomic_store(&slot->forks_open, (uint32_t)value); break;
    case 5: atomic_store(&slot->turn, value << 16 | (uint16_t)some_number()); break;
    case 6: atomic_store(&slot->reentered, value); break;
    case 7: entry->slot = (uint32_t)value; break;
    case 8: entry->serial = (uint32_t)value; break;
    case 9: atomic_store(&entry->state, (uint32_t)value % 5); break;
    case 10: atomic_store(&ring->head, value); break;
    case 11: atomic_store(&ring->tail, value); break;
    case 12: ring->words[value % RING_WORDS] = some_number(); break;
    case 13: c->header.ring_high = (uint32_t)value; break;
    case 14: c->header.slot_high = (uint32_t)value; break;
    default: atomic_store(&ring->head, atomic_load(&ring->head) + 8 * value); break;
    }
}

static bool do_one(void)
{
    unsigned deed = (unsigned)input_number(&all.in, 1);
    if (all.deeds++ == DEEDS || all.in.at == all.in.end)
        return false;
    if (deed < 24)
        claim();
    else if (deed < 160)
        put_event();
    else
        scribble();
    return true;
}

bool __wrap_output_event(struct output *o, const struct event *ev, uint32_t *id)
{
    if (all.draining)
        do_one();
    return __real_output_event(o, ev, id);
}

static void open_all(void)
{
    struct err err;
    struct trace_header header = {.version = TRACE_VERSION, .trace_id = 7, .page_bytes = 4096};
    struct writer_limits limits = {.max_bytes = 1 << 20};
    if (!all.serve) {
        must(shared_make(&all.shared, 0, &err) == 0);
        all.shared.chunks = 1; /* what is behind is never touched */
        must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, all.control) == 0);
        int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        must(serve_start(&all.serve, &all.shared, listener, all.control[0], NULL, &err) == 0);
    }
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must(output_start(&all.output, fd, &header, &limits, &err) == 0);
    processes_init(&all.processes, &all.shared, &all.output, all.serve, POOL_BYTES);
    all.processes.allowance.max_bytes = POOL_BYTES;
    all.processes.root_pid = (uint32_t)getpid();
    all.merge = malloc(sizeof *all.merge);
    merge_init(all.merge, &all.shared, &all.processes, &all.output);
    all.deeds = 0;
}

static void close_all(void)
{
    struct introduction intro;
    struct proc_image image;
    merge_release(all.merge);
    free(all.merge);
    output_finish(&all.output);
    processes_release(&all.processes);
    must(all.processes.allowance.used_bytes == 0);
    for (uint32_t i = 0; i < SLOTS; i++)
        if (serve_take(all.serve, i, &intro, &image))
            proc_image_release(&image);
    must(fallocate(all.shared.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                   (off_t)(CONTROL_BYTES + CHUNK_BYTES)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    all.in = (struct input){bytes, bytes + size};
    open_all();
    for (unsigned drains = 0; drains < DRAINS && all.in.at < all.in.end; drains++) {
        for (unsigned left = (unsigned)input_number(&all.in, 1); left && do_one(); left--)
            ;
        all.draining = true;
        merge_drain(all.merge);
        sample_tick(&all.processes);
        all.draining = false;
        must(all.processes.allowance.used_bytes <= 2 * POOL_BYTES);
    }
    close_all();
    return 0;
}
