/* Thread pools of C code, for Python scripts to call. pool(bytes): four threads of OpenMP, each
 * holding bytes + its number; the first call starts them, later ones find them. named(bytes): a
 * thread that calls itself pool-worker and then holds that much; it lives as long as the process.
 * build-flags: -fopenmp
 */
#include <omp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept[64];
static sem_t holds;

void pool(size_t bytes)
{
#pragma omp parallel num_threads(4)
    {
        int number = omp_get_thread_num();
        kept[number] = memset(malloc(bytes + number), 1, bytes + number);
    }
}

static void *worker(void *argument)
{
    size_t bytes = *(size_t *)argument;
    pthread_setname_np(pthread_self(), "pool-worker");
    kept[10] = memset(malloc(bytes), 1, bytes);
    sem_post(&holds);
    while (pause())
        ;
    return NULL;
}

int named(size_t bytes)
{
    pthread_t thread;
    sem_init(&holds, 0, 0);
    if (pthread_create(&thread, NULL, worker, &bytes) || pthread_detach(thread))
        return 1;
    return sem_wait(&holds);
}
