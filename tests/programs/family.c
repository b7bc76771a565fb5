/* family forks COUNT BYTES            children one after the other; each leaks a block of that size
 * family threads COUNT BYTES          threads one after the other; each makes a block that the
 * first thread frees, but for every tenth family vfork BYTES PROGRAM ARG...   holds a block while a
 * vforked child is PROGRAM family swarm COUNT BYTES            all children at once, each with a
 * block, until all are there Blocks come from malloc, and nothing else does. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t bytes;

static int forks(int count)
{
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0)
            return 1;
        if (child == 0) {
            char *volatile block = malloc(bytes);
            _exit(block == NULL);
        }
        waitpid(child, NULL, 0);
    }
    return 0;
}

static int swarm(int count)
{
    int ready[2], done[2];
    char byte;
    if (pipe(ready) || pipe(done))
        return 1;
    for (int i = 0; i < count; i++) {
        if (fork() != 0)
            continue;
        char *volatile block = malloc(bytes);
        close(done[1]);
        if (!block || write(ready[1], "r", 1) != 1 || read(done[0], &byte, 1) != 0)
            _exit(1);
        _exit(0);
    }
    for (int i = 0; i < count; i++)
        if (read(ready[0], &byte, 1) != 1)
            return 1;
    close(done[1]);
    while (wait(NULL) > 0)
        ;
    return 0;
}

static void *make(void *unused)
{
    (void)unused;
    return malloc(bytes);
}

static int threads(int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        void *block;
        if (pthread_create(&thread, NULL, make, NULL) != 0)
            return 1;
        pthread_join(thread, &block);
        if (i % 10)
            free(block);
    }
    return 0;
}

static int spawn(char **program)
{
    char *volatile block = malloc(bytes);
    memset(block, 1, bytes);
    pid_t child = vfork();
    if (child == 0) {
        execv(program[0], program);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    return status != 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        _exit(2);
    if (!strcmp(argv[1], "vfork")) {
        bytes = strtoul(argv[2], NULL, 10);
        _exit(spawn(argv + 3));
    }
    int count = atoi(argv[2]);
    bytes = strtoul(argv[3], NULL, 10);
    _exit(!strcmp(argv[1], "forks")   ? forks(count)
          : !strcmp(argv[1], "swarm") ? swarm(count)
                                      : threads(count));
}
