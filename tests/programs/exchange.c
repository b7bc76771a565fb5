/* exchange THREADS ROUNDS SLOTS SEED: threads that free each other's blocks. Each round puts a
 * fresh block into a random slot and frees what was there; so almost every free is in another
 * thread, as soon after the allocation as can be. Small random pauses shift the threads against
 * each other. At the end prints "BLOCKS BYTES" of what still stands in the slots and leaves it
 * there. ROUNDS 0: the first thread ends the process after 100 ms while the others go on. Blocks
 * come from malloc, realloc, posix_memalign and aligned_alloc, and nothing else does (the C
 * library's own for a thread: calloc). */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLOTS_MAX 4096

struct slot {
    _Atomic(size_t *) block; /* its first word is its size */
};

static struct slot slots[SLOTS_MAX];
static unsigned slot_count;
static uint64_t rounds, seed;

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void *make(size_t bytes, unsigned how)
{
    void *block = NULL;
    if (how == 0)
        return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (how == 1)
        return realloc(malloc(bytes / 2), bytes);
    if (how == 2)
        return posix_memalign(&block, 64, bytes) ? NULL : block;
    return malloc(bytes);
}

static void pause_a_little(uint64_t random)
{
    if (random % 4096 == 0)
        usleep(random >> 12 & 127);
    else if (random % 64 == 0)
        sched_yield();
    else
        for (volatile unsigned i = random >> 6 & 31; i; i--)
            ;
}

static void *exchange(void *number)
{
    uint64_t state = seed * 977 + (uintptr_t)number * 131 + 1;
    for (uint64_t round = 0; !rounds || round < rounds; round++) {
        uint64_t random = next(&state);
        size_t bytes = 16 + (random >> 32 & 1023);
        unsigned how = random >> 16 & 15;
        size_t *block = make(bytes, how);
        *block = how ? bytes : (bytes + 63) & ~(size_t)63;
        free(atomic_exchange(&slots[(random >> 20) % slot_count].block, block));
        pause_a_little(random >> 8);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    if (argc < 5)
        return 2;
    int count = atoi(argv[1]);
    rounds = strtoull(argv[2], NULL, 10);
    slot_count = (unsigned)atoi(argv[3]);
    seed = strtoull(argv[4], NULL, 10);
    for (intptr_t i = 1; i <= count; i++)
        pthread_create(&threads[i], NULL, exchange, (void *)i);
    if (!rounds) {
        usleep(100000);
        _exit(0);
    }
    for (int i = 1; i <= count; i++)
        pthread_join(threads[i], NULL);
    size_t blocks = 0, bytes = 0;
    for (unsigned i = 0; i < slot_count; i++)
        if (slots[i].block) {
            blocks++;
            bytes += *slots[i].block;
        }
    dprintf(1, "%zu %zu\n", blocks, bytes);
    _exit(0);
}
