/* A malloc storm without Python: `storm scale=1 count=4` allocates and frees from `count` threads
 * at once; blocks=N makes it exactly N blocks. Why in C: no interpreter's lock orders the threads,
 * so what a recorder serialises is seen here alone. The work is shared out: with one thread or
 * eight, the same number of blocks. Each thread keeps 512 blocks of 16 to 2,063 bytes, chosen by a
 * generator of its own, replaces one at a time and writes it whole, as a program would. The last
 * line is that of workloads.py: "bench {json}". */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 512, THREADS_MOST = 64 };
static const double blocks_at_scale_1 = 50e6;

struct worker {
    pthread_t thread;
    uint64_t blocks;
    uint64_t seed;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    uint64_t state = worker->seed;
    void *kept[KEPT] = {0};
    for (uint64_t block = 0; block < worker->blocks; block++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        void **place = &kept[state >> 33 & (KEPT - 1)];
        size_t bytes = 16 + (state >> 50 & 2047);
        free(*place);
        *place = malloc(bytes);
        if (!*place)
            abort();
        memset(*place, (int)state, bytes);
    }
    for (int place = 0; place < KEPT; place++)
        free(kept[place]);
    return NULL;
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long most_resident_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

int main(int argc, char **argv)
{
    static struct worker workers[THREADS_MOST];
    double scale = 1, blocks = 0;
    int count = 4;
    for (int number = 1; number < argc; number++)
        if (sscanf(argv[number], "scale=%lf", &scale) != 1 &&
            sscanf(argv[number], "count=%d", &count) != 1 &&
            sscanf(argv[number], "blocks=%lf", &blocks) != 1)
            return 2;
    if (count < 1 || count > THREADS_MOST)
        return 2;
    if (blocks == 0)
        blocks = blocks_at_scale_1 * scale;
    double began = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (int number = 0; number < count; number++) {
        workers[number].blocks = (uint64_t)blocks / (uint64_t)count;
        workers[number].seed = (uint64_t)number + 1;
        if (pthread_create(&workers[number].thread, NULL, work, &workers[number]))
            return 1;
    }
    for (int number = 0; number < count; number++)
        pthread_join(workers[number].thread, NULL);
    printf("bench {\"pid\": %d, \"body_s\": %.6f, \"body_cpu_s\": %.6f, \"rss_bytes\": %ld}\n",
           (int)getpid(), seconds(CLOCK_MONOTONIC) - began, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
           most_resident_kib() * 1024);
    return 0;
}
