/* build-flags: -pthread
 * Threads that get names while they run, each holding a number of bytes that no other one holds.
 *
 * named short: 300 threads, one after another; thread i calls itself "short-i", holds 1,000 + i and
 * is gone at once; the odd ones hold 500 of it before they have the name.
 * named others: one holds 2,000, gets the name "by-main" from the main thread, holds 2,001, ends.
 * named main: the main thread holds 2,999, is "first-name", holds 3,000, is "second-name", holds
 * 3,001.
 * named forked: the main thread is "parent-name" and forks. One child holds 4,000 and keeps the
 * name, one holds 4,001 and is "late-child", one is "early-child" and holds 4,002.
 * named vforked: the main thread is "before", its vfork child "vforked"; then it holds 5,000.
 * named bytes: the main thread's name is BYTES; holds 6,000.
 * named inherited: the main thread is "creator"; a thread holds 7,000 and is gone at once.
 * named past FILE ARG...: a thread names itself past libc, holds 8,000 and waits until FILE has
 * ended, which is run with ARG...
 * named storm: a timer's handler names the main thread while it allocates; at last it is "calm" and
 * holds 9,000.
 * named told: prints what calls return, those that fail too, and what becomes of errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES "\033[1m\xff=;\xc3\xa4\n"

extern char **environ;
static void *volatile kept[1000];
static volatile int next, ticks;
static sem_t holds, goes_on;

static void hold(size_t bytes) { kept[next++] = memset(malloc(bytes), 1, bytes); }

static void in_a_thread(void *(*work)(void *), void *argument, int at_once)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, argument))
        exit(1);
    if (!at_once) {
        sem_wait(&holds);
        pthread_setname_np(thread, "by-main");
        sem_post(&goes_on);
    }
    pthread_join(thread, NULL);
}

static void *be_short(void *number)
{
    char name[16];
    size_t bytes = 1000 + (size_t)number;
    snprintf(name, sizeof name, "short-%zu", (size_t)number);
    if ((size_t)number % 2)
        hold(500);
    pthread_setname_np(pthread_self(), name);
    hold((size_t)number % 2 ? bytes - 500 : bytes);
    return NULL;
}

static void *be_named(void *unused)
{
    hold(2000);
    sem_post(&holds);
    sem_wait(&goes_on);
    hold(2001);
    return unused;
}

static void *only_hold(void *bytes)
{
    hold((size_t)bytes);
    return NULL;
}

static void be_main(void)
{
    hold(2999);
    prctl(PR_SET_NAME, "first-name");
    hold(3000);
    prctl(PR_SET_NAME, "second-name", 0, 0, 0);
    hold(3001);
}

static void a_child(const char *early, size_t bytes, const char *late)
{
    pid_t child = fork();
    if (child == 0) {
        if (early)
            prctl(PR_SET_NAME, early);
        hold(bytes);
        if (late)
            pthread_setname_np(pthread_self(), late);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void forked(void)
{
    prctl(PR_SET_NAME, "parent-name");
    a_child(NULL, 4000, NULL);
    a_child(NULL, 4001, "late-child");
    a_child("early-child", 4002, NULL);
}

static void vforked(void)
{
    prctl(PR_SET_NAME, "before");
    pid_t child = vfork();
    if (child == 0) {
        prctl(PR_SET_NAME, "vforked");
        pthread_setname_np(pthread_self(), "vforked, too");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    hold(5000);
}

static char **to_run;

static void *past(void *unused)
{
    pid_t child;
    syscall(SYS_prctl, PR_SET_NAME, "past-libc", 0, 0, 0);
    hold(8000);
    if (posix_spawn(&child, to_run[0], NULL, NULL, to_run, environ))
        exit(1);
    waitpid(child, NULL, 0);
    return unused;
}

static void on_timer(int number)
{
    char name[] = "tick 0";
    (void)number;
    name[5] = (char)('0' + ticks++ % 10);
    prctl(PR_SET_NAME, name);
}

static void storm(void)
{
    struct itimerval soon = {{0, 200}, {0, 200}};
    signal(SIGALRM, on_timer);
    setitimer(ITIMER_REAL, &soon, 0);
    while (ticks < 300)
        for (int i = 0; i < 1000; i++)
            free((void *)(kept[0] = malloc(16)));
    signal(SIGALRM, SIG_IGN);
    prctl(PR_SET_NAME, "calm");
    hold(9000);
}

static void told(void)
{
    char name[17] = "";
    long back;
#define TELL(call) (errno = 77, back = (call), printf("%s: %ld %d\n", #call, back, errno))
    TELL(prctl(PR_SET_NAME, "a name that is too long"));
    TELL(prctl(PR_GET_NAME, name) || strcmp(name, "a name that is "));
    TELL(prctl(PR_SET_NAME, (char *)1));
    TELL(prctl(PR_SET_NAME, ""));
    TELL(prctl(-1, 0, 0, 0, 0));
    TELL(prctl(PR_SET_PDEATHSIG, 12L));
    TELL(prctl(PR_GET_PDEATHSIG, name));
    TELL(name[0]);
    TELL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    TELL(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
    TELL(pthread_setname_np(pthread_self(), "sixteen letters!"));
    TELL(pthread_setname_np(pthread_self(), "fifteen letters"));
    TELL(pthread_getname_np(pthread_self(), name, 16) || strcmp(name, "fifteen letters"));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    sem_init(&holds, 0, 0);
    sem_init(&goes_on, 0, 0);
    if (!strcmp(what, "short"))
        for (size_t i = 0; i < 300; i++)
            in_a_thread(be_short, (void *)i, 1);
    else if (!strcmp(what, "others"))
        in_a_thread(be_named, NULL, 0);
    else if (!strcmp(what, "main"))
        be_main();
    else if (!strcmp(what, "forked"))
        forked();
    else if (!strcmp(what, "vforked"))
        vforked();
    else if (!strcmp(what, "bytes"))
        prctl(PR_SET_NAME, BYTES), hold(6000);
    else if (!strcmp(what, "inherited"))
        prctl(PR_SET_NAME, "creator"), in_a_thread(only_hold, (void *)7000, 1);
    else if (!strcmp(what, "past"))
        to_run = argv + 2, in_a_thread(past, NULL, 1);
    else if (!strcmp(what, "storm"))
        storm();
    else
        told();
    return 0;
}
