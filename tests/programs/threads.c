/* threads SCENARIO: histories of blocks over threads, in a known order where the order matters.
 * malloc is the scenario's alone; what starting a thread needs comes from calloc. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static sem_t to_other, to_first;
static void *volatile handed, *volatile kept[3000];

static void pass(sem_t *to, sem_t *own)
{
    sem_post(to);
    sem_wait(own);
}

/* ---- temporary ---- */

static void *allocates_between(void *argument)
{
    for (int i = 0; i < 1000; i++) {
        sem_wait(&to_other);
        for (int k = 0; k < 3; k++) /* its count of allocations runs ahead of the other's */
            kept[3 * i + k] = malloc(30);
        sem_post(&to_first);
    }
    for (int i = 0; i < 500; i++) {
        sem_wait(&to_other);
        free(handed);
        sem_post(&to_first);
    }
    return argument;
}

static int temporary(void)
{
    pthread_t other;
    pthread_create(&other, NULL, allocates_between, NULL);
    for (int i = 0; i < 1000; i++) {
        void *volatile block = malloc(100);
        pass(&to_other, &to_first);
        free(block);
    }
    for (int i = 0; i < 500; i++) {
        handed = malloc(70);
        pass(&to_other, &to_first);
    }
    return pthread_join(other, NULL);
}

/* ---- in turn ---- */

static void *second_in_turn(void *argument)
{
    sem_wait(&to_other);
    void *volatile block = malloc(1000000);
    free(block);
    block = malloc(600000);
    pass(&to_first, &to_other);
    free(block);
    return argument;
}

static int in_turn(void)
{
    pthread_t other;
    pthread_create(&other, NULL, second_in_turn, NULL);
    void *volatile block = malloc(1000000);
    free(block);
    pass(&to_other, &to_first);
    block = malloc(600000);
    sem_post(&to_other);
    pthread_join(other, NULL);
    free(block);
    return 0;
}

/* ---- exchange ---- */

#define PLACES 60

static _Atomic(void *) places[PLACES];

static void *exchanger(void *argument)
{
    unsigned random = (unsigned)(size_t)argument;
    for (int i = 0; i < 25000; i++) {
        random = random * 1103515245 + 12345;
        free(atomic_exchange(&places[(random >> 16) % PLACES], malloc(1000)));
    }
    return NULL;
}

static int exchange(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, exchanger, (void *)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < PLACES; i++)
        free(places[i]);
    return 0;
}

int main(int argc, char **argv)
{
    sem_init(&to_other, 0, 0);
    sem_init(&to_first, 0, 0);
    if (argc == 2 && !strcmp(argv[1], "temporary"))
        return temporary();
    if (argc == 2 && !strcmp(argv[1], "in_turn"))
        return in_turn();
    if (argc == 2 && !strcmp(argv[1], "exchange"))
        return exchange();
    return 2;
}
