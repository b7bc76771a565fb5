/* build-flags: -pthread
 * Blocks of known sizes between marks that the program sets itself, as its documentation says: the
 * symbol is weak, so the same binary runs unrecorded. Prints what each mark returned.
 *
 *   marks            1,000 B "one" 20,000 B (300 B freed at once) "two" 4,000 B
 *   marks threads    8 threads, each 100 times: a block of 64 B that stays, then a mark
 *   marks signals    marks from a timer's handler while the program allocates and frees
 *   marks wait       as the first, but each time waits for a line on stdin instead of marking */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

extern int memrec_mark(const char *name) __attribute__((weak));

static void *volatile kept[2000];
static volatile int set, tried;

static int mark(const char *name) { return memrec_mark ? memrec_mark(name) : -1; }

static void *work(void *first)
{
    for (long i = 0; i < 100; i++) {
        kept[(long)first + i] = malloc(64);
        mark("done");
    }
    return 0;
}

static void threads(void)
{
    pthread_t all[8];
    for (long i = 0; i < 8; i++)
        pthread_create(&all[i], 0, work, (void *)(i * 100));
    for (int i = 0; i < 8; i++)
        pthread_join(all[i], 0);
}

static void on_timer(int number)
{
    (void)number;
    tried++;
    set += mark("tick");
}

static void signals(void)
{
    struct itimerval soon = {{0, 200}, {0, 200}};
    signal(SIGALRM, on_timer);
    setitimer(ITIMER_REAL, &soon, 0);
    while (tried < 300)
        for (int i = 0; i < 1000; i++)
            free((void *)(kept[0] = malloc(16)));
    signal(SIGALRM, SIG_IGN);
    printf("%d\n", set);
}

static void wait_for_line(void)
{
    char line[1];
    puts("ready");
    do {
        if (read(0, line, 1) != 1)
            exit(1);
    } while (*line != '\n');
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    setvbuf(stdout, 0, _IONBF, 0);
    if (!strcmp(what, "threads"))
        return threads(), 0;
    if (!strcmp(what, "signals"))
        return signals(), 0;
    kept[0] = malloc(1000);
    if (!strcmp(what, "wait"))
        wait_for_line();
    else
        printf("%d\n", mark("one"));
    kept[1] = malloc(20000);
    free((void *)(kept[3] = malloc(300)));
    if (!strcmp(what, "wait"))
        wait_for_line();
    else
        printf("%d\n", mark("two"));
    kept[2] = malloc(4000);
    return 0;
}
