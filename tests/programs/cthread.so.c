/* A library for Python scripts to call: threads made by C code, and memory asked for in ways that
 * Python does not know. hold_in_thread(bytes): a C thread of its own mallocs that much and keeps
 * it. hold(bytes), give(pointer): malloc and free. call_back(f): f from a C thread.
 * hold_deep(bytes, depth): malloc beneath that many C frames. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *volatile held;

static void *keeper(void *argument)
{
    size_t size = *(size_t *)argument;
    held = memset(malloc(size), 1, size);
    return held;
}

static void *grandparent(void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, keeper, argument) == 0)
        pthread_join(thread, NULL);
    return NULL;
}

static int run(void *(*routine)(void *), void *argument)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, routine, argument) || pthread_join(thread, NULL);
}

int hold_in_thread(size_t size) { return run(keeper, &size); }
int hold_in_thread_of_thread(size_t size) { return run(grandparent, &size); }

static void *caller(void *argument)
{
    ((void (*)(void))argument)();
    return NULL;
}

int call_back(void (*function)(void)) { return run(caller, (void *)function); }

void *hold(size_t size) { return memset(malloc(size), 1, size); }
void give(void *block) { free(block); }

void *hold_deep(size_t size, int depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    void *block = depth ? hold_deep(size, depth - 1) : hold(size);
    return frame[0] == (char)depth ? block : NULL;
}
