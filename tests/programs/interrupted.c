/* interrupted SCENARIO [STRIDE]: signal handlers that allocate, between any two instructions of
 * an allocator's call.
 *   blocks   malloc, calloc, realloc, failing realloc and free, single-stepped; each step's
 *            handler mallocs and frees
 *   maps     the same, and each step's handler maps and unmaps
 *   forks    one round of it, once everything has its place: at every STRIDE-th step the
 *            handler forks, and the child goes on to its end
 *   storm    timers interrupt four threads that allocate; each handler mallocs and frees
 * To be run with signalsafe.so preloaded (but for maps). First line: a result that does not
 * depend on how often the handler ran.
 * Second line: how many blocks the handler made. */
#include "interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 40

static _Atomic unsigned long made, wrong;
static volatile int child, forking;
static unsigned long steps, stride = 1;

static void makes_block(int number)
{
    int saved = errno;
    (void)number;
    char *volatile block = malloc(24);
    if (block)
        memset(block, 7, 24);
    else
        wrong++;
    free(block);
    made++;
    errno = saved;
}

static void makes_map(int number)
{
    (void)number;
    wrong += !interrupt_maps();
    made++;
}

static void forks(int number)
{
    int saved = errno, status = 0;
    (void)number;
    if (child || !forking || ++steps % stride)
        return;
    pid_t pid = fork();
    if (pid == 0)
        child = 1;
    else if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        wrong++;
    else
        made++;
    errno = saved;
}

/* What is interrupted: 7 blocks a round, none left, and a sum of what they held. */
static unsigned long allocates(int rounds)
{
    unsigned long sum = 0;
    for (int i = 0; i < rounds; i++) {
        unsigned char *volatile block = malloc(100), *volatile zeroed = calloc(10, 10),
                                *volatile aligned = NULL;
        memset(block, i, 100);
        errno = 0;
        void *volatile none = realloc(block, SIZE_MAX / 4);
        sum += none == NULL && errno == ENOMEM;
        errno = EDOM;
        block = realloc(block, 5000);
        sum += block[99] + zeroed[50] + (errno == EDOM);
        sum += posix_memalign((void **)&aligned, 64, 200) == 0 && (uintptr_t)aligned % 64 == 0;
        free(block);
        free(zeroed);
        free(aligned);
        sum += errno == EDOM;
    }
    return sum;
}

static unsigned long stepped(void (*handler)(int), int rounds)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGTRAP, &action, NULL);
    interrupt_on();
    unsigned long sum = allocates(rounds);
    interrupt_off();
    return sum;
}

static void *allocates_long(void *argument)
{
    unsigned long sum = 0;
    for (int i = 0; i < 300; i++)
        sum += allocates(ROUNDS);
    *(unsigned long *)argument = sum;
    return NULL;
}

static unsigned long storm(void)
{
    struct sigaction action = {.sa_handler = makes_block, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
    struct itimerspec often = {{0, 30000}, {0, 30000}};
    pthread_t threads[4];
    unsigned long sums[4], sum = 0;
    timer_t timer;
    sigaction(SIGRTMIN + 3, &action, NULL);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &often, NULL);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, allocates_long, &sums[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    timer_delete(timer);
    for (int i = 0; i < 4; i++)
        sum += sums[i];
    return sum;
}

int main(int argc, char **argv)
{
    const char *scenario = argc > 1 ? argv[1] : "";
    unsigned long sum;
    if (argc > 2)
        stride = strtoul(argv[2], NULL, 10);
    if (!INTERRUPT_POSSIBLE)
        return 77;
    if (!strcmp(scenario, "blocks"))
        sum = stepped(makes_block, ROUNDS);
    else if (!strcmp(scenario, "maps"))
        sum = stepped(makes_map, ROUNDS);
    else if (!strcmp(scenario, "forks"))
        allocates(1), forking = 1, sum = stepped(forks, 1);
    else if (!strcmp(scenario, "storm"))
        sum = storm();
    else
        return 2;
    if (child)
        _exit(wrong != 0);
    char line[80]; /* and not printf, which would malloc */
    int length = snprintf(line, sizeof line, "%lu %lu\n%lu\n", sum, wrong, made);
    return write(1, line, (size_t)length) != length;
}
