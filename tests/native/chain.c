/* Chains that are known by construction: each block's size tells through which functions it was
 * asked for (tests/e2e/test_native.py). Frames are kept by what follows each call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT    __attribute__((noinline))
#define AFTER() __asm__ volatile("" ::: "memory")

static void *volatile kept;

KEPT static void leaf(size_t bytes)
{
    kept = malloc(bytes);
    AFTER();
}

KEPT static void middle(size_t bytes)
{
    leaf(bytes);
    AFTER();
}

KEPT static void outer(size_t bytes)
{
    middle(bytes);
    AFTER();
}

static int compare(const void *a, const void *b)
{
    (void)a;
    (void)b;
    leaf(300003);
    return 0;
}

static void *on_thread(void *bytes)
{
    middle((size_t)bytes);
    AFTER();
    return NULL;
}

/* One library after another at the same place, each with a function `work`. */
static void go_through(char **libraries)
{
    for (int i = 0; *libraries && libraries[i]; i++) {
        void *library = dlopen(libraries[i], RTLD_NOW);
        void (*work)(size_t) = library ? (void (*)(size_t))dlsym(library, "work") : NULL;
        if (work)
            work(400000 + (size_t)i);
        if (library)
            dlclose(library);
    }
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int v[2] = {1, 2};
    (void)argc;
    outer(100001);
    for (int i = 0; i < 50; i++)
        middle(200002);
    qsort(v, 2, sizeof v[0], compare);
    pthread_create(&thread, NULL, on_thread, (void *)500005);
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        outer(600006);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    go_through(argv + 1);
    return 0;
}
