/* A recorded program that turns against its recorder: writes over the memory that it shares with
 * the collector, in the way its argument names, for as many milliseconds as the second one says.
 *
 *   words    random words anywhere in the first rings and in the control area
 *   heads    heads and tails of its rings
 *   entries  whose a ring is, and turn words, beside threads that allocate
 *   slots    thousands of processes that never were
 *   bombs    definitions and blocks without end, as sound words
 *   cut      makes the shared file shorter, and punches holes into it
 *   asks     asks the collector's socket for everything, thousands of times, half-said
 *
 * It ends with 7 where its own sums are right.
 * build-flags: -I.
 */
#include "recorder/rendezvous.h"
#include "recorder/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct shm_control *control;
static struct ring *rings;
static size_t chunk_bytes;
static uint64_t state = 88172645463325252u;
static struct timespec until;

static uint64_t chance(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static int goes_on(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec);
}

/* Where the library has the shared file: the control area, and the first rings behind it. */
static void find_shared(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset;
        if (!strstr(line, "memfd:memrec") ||
            sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) != 3)
            continue;
        if (offset == 0)
            control = (struct shm_control *)start;
        else if (!rings) {
            rings = (struct ring *)start;
            chunk_bytes = end - start;
        }
    }
    fclose(maps);
    if (!control || !rings)
        exit(9);
}

static void words(void)
{
    uint64_t *in_control = (uint64_t *)control, *in_rings = (uint64_t *)rings;
    size_t near = sizeof(struct process_slot) / 8 * 16;
    in_control[4096 / 8 + chance() % near] = chance() >> chance() % 64;
    in_control[(offsetof(struct shm_control, entries)) / 8 + chance() % 128] = chance() % 4;
    in_rings[chance() % (chunk_bytes / 8)] = chance() % 24 << 56 | (chance() >> 16);
}

static void heads(void)
{
    struct ring *ring = &rings[chance() % 8];
    atomic_store(&ring->head, chance() % 3 ? chance() % (4 * RING_BYTES) & ~7ull : chance());
    atomic_store(&ring->tail, chance());
}

static void entries(void)
{
    struct ring_entry *entry = &control->entries[chance() % 8];
    entry->slot = (uint32_t)(chance() % 4);
    entry->serial = (uint32_t)(chance() % 6);
    atomic_store(&entry->state, (uint32_t)(chance() % 4));
    atomic_store(&control->slots[chance() % 4].turn, chance());
}

static void slots(void)
{
    static const uint32_t pids[] = {1, 0, UINT32_MAX, 4000000, 2};
    struct process_slot *slot = &control->slots[8 + chance() % 500];
    slot->pid = chance() % 2 ? pids[chance() % 5] : (uint32_t)(chance() % 40000);
    slot->serial = 100 + (uint32_t)(chance() % 1000);
    slot->parent_serial = (uint32_t)(chance() % 3);
    atomic_store(&slot->forks_open, 1);
    atomic_store(&slot->state, SLOT_LIVE);
    atomic_store(&control->header.slot_high, 600);
}

/* A ring of our own, claimed as a thread's. */
static void put(struct ring *ring, const uint64_t *list, unsigned count)
{
    uint64_t head = atomic_load(&ring->head);
    for (unsigned i = 0; head + 64 - atomic_load(&ring->tail) > RING_BYTES; i++)
        if (i == 200 || usleep(1000))
            return;
    for (unsigned i = 0; i < count; i++, head += 8)
        ring->words[head / 8 % RING_WORDS] = list[i];
    atomic_store(&ring->head, head);
}

static void bombs(void)
{
    static uint64_t number, thread_told;
    struct ring *ring = &rings[7];
    struct ring_entry *entry = &control->entries[7];
    if (!thread_told++) {
        entry->slot = 0;
        entry->serial = control->slots[0].serial;
        atomic_store(&entry->state, RING_STATE_LIVE);
        atomic_store(&control->header.ring_high, 8);
        put(ring, (uint64_t[]){RING_WORD(RING_THREAD, 0, 99), 0, 0}, 3);
    }
    for (unsigned i = 0; i < 100; i++, number++) {
        put(ring,
            (uint64_t[]){RING_WORD(RING_NODE, 0, number * 64),
                         number << 32 | chance() % (number + 1), number},
            3);
        put(ring, (uint64_t[]){RING_WORD(RING_ALLOC_BIG, 0, number << 20), 1 << 20, 0}, 3);
        put(ring, (uint64_t[]){RING_WORD(RING_ALLOC_BIG, 0, 0), 1 << 20, 0}, 3);
        put(ring, (uint64_t[]){RING_WORD(RING_MAP, 0, number << 13), 4096, 0, 0}, 4);
        put(ring, (uint64_t[]){RING_WORD(RING_ALLOC, 0, number << 31), 100}, 2);
        put(ring, (uint64_t[]){RING_WORD(RING_FREE, 0, number << 31)}, 1);
    }
}

/* The shared file by the collector's own descriptor of it. */
static void cut(void)
{
    char path[64];
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/%u/fd/%d", control->header.collector_pid, fd);
        int file = open(path, O_RDWR);
        if (file < 0)
            continue;
        char name[64] = "";
        if (readlink(path, name, sizeof name - 1) > 0 && strstr(name, "memrec (deleted)")) {
            if (ftruncate(file, 4096) == 0)
                exit(8);
            fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)CONTROL_BYTES,
                      2 * RING_BYTES);
        }
        close(file);
    }
}

static void asks(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rendezvous_ask ask = {
        RENDEZVOUS_MAGIC, (uint32_t)(chance() % 6), 1, {(uint32_t)(chance() % 2)}, "\033[31m"};
    const char *name = getenv(RENDEZVOUS_VARIABLE);
    size_t length = strcspn(name, ",");
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path + 1, name, length);
    if (fd >= 0 && connect(fd, (void *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)) == 0)
        send(fd, &ask, chance() % 8 ? sizeof ask : chance() % sizeof ask, MSG_NOSIGNAL);
    close(fd);
}

static const struct {
    const char *name;
    void (*deed)(void);
} deeds[] = {{"words", words}, {"heads", heads}, {"entries", entries}, {"slots", slots},
             {"bombs", bombs}, {"cut", cut},     {"asks", asks}};

static void *allocate(void *sum)
{
    while (goes_on()) {
        uint64_t *block = malloc(sizeof *block + chance() % 5000);
        *block = 3;
        *(uint64_t *)sum += *block;
        free(block);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[3];
    uint64_t sums[3] = {0};
    int done = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += argc > 2 ? atol(argv[2]) % 1000 * 1000000 : 0;
    until.tv_sec += (argc > 2 ? atol(argv[2]) / 1000 : 1) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    free(malloc(100));
    find_shared();
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, allocate, &sums[i]);
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++)
        while (argc > 1 && !strcmp(argv[1], deeds[i].name) && goes_on()) {
            deeds[i].deed();
            done = 1;
        }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return done && sums[0] % 3 + sums[1] % 3 + sums[2] % 3 == 0 ? 7 : 9;
}
