/* concurrent SCENARIO: what threads, forks and their ends do to an allocator's hooks.
 * Blocks come from malloc alone, so that a trace can be counted.
 *   forks      four threads fork 50 children each, at the same time, while two more allocate; a
 *              child keeps a block
 *   vforks     200 vforked children malloc, and free all but every tenth, on their parent's
 *              memory
 *   handlers   atfork handlers malloc in prepare and free in parent and child; 100 forks while
 *              two threads allocate
 *   keys       64 threads, whose key destructors malloc and free in all four rounds
 *   late       5000 threads that allocate nothing before the fourth round of destructors: a
 *              block each, which is kept
 *   storm      8 threads create 250 threads each, one after the other; each makes a block,
 *              which its creator frees
 *   line       4500 threads that are there at once, each with a block: each is begun when the one
 *              before it has its own
 *   crowd      the same, all begun at once
 *   unanswered 20 threads at once, while memrec's collector is stopped, if that is its parent's;
 *              then 1000 blocks more
 *   libraries  loads and unloads constructor.so 200 times, in two threads at once
 * Prints how many blocks of malloc were made and freed in the first process, and how many
 * things were found wrong. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 1000

static _Atomic unsigned long made, freed, wrong;
static _Atomic int stop;

static void *make(size_t bytes)
{
    char *volatile block = malloc(bytes);
    if (!block)
        wrong++;
    else
        memset(block, 5, bytes < 16 ? bytes : 16);
    made++;
    return block;
}

static void drop(void *block)
{
    if (((char *)block)[7] != 5)
        wrong++;
    free(block);
    freed++;
}

static void *allocates(void *unused)
{
    while (!stop) {
        for (int i = 0; i < 20; i++)
            drop(make(BLOCK));
        usleep(50);
    }
    return unused;
}

static void reap(pid_t pid)
{
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        wrong++;
}

/* Runs a routine in `count` threads, while `others` more allocate. */
static void in_threads(int count, void *(*routine)(void *), int others)
{
    pthread_t threads[64], busy[2];
    for (int i = 0; i < others; i++)
        pthread_create(&busy[i], NULL, allocates, NULL);
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, routine, (void *)(size_t)i);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    stop = 1;
    for (int i = 0; i < others; i++)
        pthread_join(busy[i], NULL);
}

static void *forks(void *unused)
{
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *volatile block = malloc(30000);
            _exit(block == NULL);
        }
        reap(pid);
    }
    return unused;
}

static void vforks(void)
{
    for (volatile int i = 0; i < 200; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            char *block = make(BLOCK);
            if (i % 10)
                drop(block);
            _exit(0);
        }
        reap(pid);
    }
}

static char *prepared;

static void prepare(void) { prepared = make(2 * BLOCK); }
static void done(void) { drop(prepared); }

static void *forks_with_handlers(void *unused)
{
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(wrong != 0);
        reap(pid);
    }
    return unused;
}

static pthread_key_t key;

static void destructor(void *rounds)
{
    drop(make(BLOCK));
    if ((size_t)rounds > 1)
        pthread_setspecific(key, (void *)((size_t)rounds - 1));
}

static void late_destructor(void *rounds)
{
    if ((size_t)rounds > 1)
        pthread_setspecific(key, (void *)((size_t)rounds - 1));
    else
        make(BLOCK);
}

static void *has_key(void *unused)
{
    pthread_setspecific(key, (void *)4);
    return unused;
}

static void late(void)
{
    pthread_t thread;
    for (int i = 0; i < 5000; i++)
        if (pthread_create(&thread, NULL, has_key, NULL) || pthread_join(thread, NULL))
            wrong++;
}

static void *makes_one(void *unused)
{
    (void)unused;
    return make(BLOCK);
}

static void *creates(void *unused)
{
    for (int i = 0; i < 250; i++) {
        pthread_t thread;
        void *block;
        if (pthread_create(&thread, NULL, makes_one, NULL) || pthread_join(thread, &block))
            wrong++;
        else
            drop(block);
    }
    return unused;
}

static sem_t made_it, go_on;

static void *stays(void *unused)
{
    void *block = make(BLOCK);
    sem_post(&made_it);
    sem_wait(&go_on);
    drop(block);
    return unused;
}

/* Threads that are there at once, each with a block; each is begun when the one before it has its
 * own, or all at once. */
static void crowd(int wanted, int in_turn)
{
    static pthread_t threads[4500];
    pthread_attr_t small;
    int count = 0;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    sem_init(&made_it, 0, 0);
    sem_init(&go_on, 0, 0);
    for (; count < wanted && pthread_create(&threads[count], &small, stays, NULL) == 0; count++)
        if (in_turn)
            sem_wait(&made_it);
    for (int i = 0; i < count && !in_turn; i++)
        sem_wait(&made_it);
    for (int i = 0; i < count; i++)
        sem_post(&go_on);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (count < wanted)
        wrong++;
}

static void read_text(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, text, bytes - 1);
    text[got < 0 ? 0 : got] = 0;
    close(fd);
}

/* The collector is memrec's first child; where memrec is not the parent there is none: 0. */
static pid_t collector(void)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)getppid());
    read_text(path, text, sizeof text);
    if (strcmp(text, "memrec\n"))
        return 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
    read_text(path, text, sizeof text);
    return (pid_t)strtol(text, NULL, 10);
}

static void halt(pid_t pid)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    kill(pid, SIGSTOP);
    do {
        usleep(50000); /* its other threads stop as soon as they are scheduled */
        read_text(path, text, sizeof text);
    } while (!strstr(text, ") T"));
}

static void unanswered(void)
{
    pid_t stopped = collector();
    if (stopped)
        halt(stopped);
    crowd(20, 0);
    for (int i = 0; i < 1000; i++)
        drop(make(BLOCK));
    if (stopped)
        kill(stopped, SIGCONT);
}

static const char *library;

static void *loads(void *unused)
{
    for (int i = 0; i < 100; i++) {
        void *handle = dlopen(library, RTLD_NOW);
        if (!handle || dlclose(handle))
            wrong++;
    }
    return unused;
}

int main(int argc, char **argv)
{
    const char *scenario = argc > 1 ? argv[1] : "";
    library = argc > 2 ? argv[2] : NULL;
    if (!strcmp(scenario, "forks")) {
        in_threads(4, forks, 2);
    } else if (!strcmp(scenario, "vforks")) {
        vforks();
    } else if (!strcmp(scenario, "handlers")) {
        pthread_atfork(prepare, done, done);
        in_threads(1, forks_with_handlers, 2);
    } else if (!strcmp(scenario, "keys")) {
        pthread_key_create(&key, destructor);
        in_threads(64, has_key, 0);
    } else if (!strcmp(scenario, "late")) {
        pthread_key_create(&key, late_destructor);
        late();
    } else if (!strcmp(scenario, "storm")) {
        in_threads(8, creates, 0);
    } else if (!strcmp(scenario, "crowd")) {
        crowd(4500, 0);
    } else if (!strcmp(scenario, "line")) {
        crowd(4500, 1);
    } else if (!strcmp(scenario, "unanswered")) {
        unanswered();
    } else if (!strcmp(scenario, "libraries")) {
        in_threads(2, loads, 0);
    } else {
        return 2;
    }
    char line[80]; /* and not printf, which would malloc */
    int length = snprintf(line, sizeof line, "%lu %lu %lu\n", made, freed, wrong);
    return write(1, line, (size_t)length) != length;
}
