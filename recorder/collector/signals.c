/* Handing signals on (signals.h). A handler calls kill(2) and nothing else. */
#define _GNU_SOURCE
#include "recorder/collector/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static const int taken[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGTSTP};
#define TAKEN (sizeof taken / sizeof taken[0])

static struct sigaction before[TAKEN], child_before;
static sigset_t mask_before;
static volatile sig_atomic_t program;
static volatile sig_atomic_t early; /* a signal that came before there was a program */

static void hand_on(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    if (!program)
        early = number;
    else if (info->si_code <= 0) /* from a process; the terminal's own come from the kernel */
        kill((pid_t)program, number);
    errno = saved;
}

static void wake_up(int number) { (void)number; }

void signals_take(void)
{
    sigset_t children;
    struct sigaction child = {.sa_handler = wake_up};
    for (size_t i = 0; i < TAKEN; i++) {
        struct sigaction action = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigfillset(&action.sa_mask);
        sigaction(taken[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) /* nohup's and the like stay ignored, in the program
                                                too */
            sigaction(taken[i], &action, NULL);
    }
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &mask_before);
    sigaction(SIGCHLD, &child, &child_before);
}

void signals_forward_to(pid_t pid)
{
    int number = early;
    program = (sig_atomic_t)pid;
    if (!pid || !number)
        return;
    early = 0;
    kill(pid, number);
}

void signals_restore(void)
{
    for (size_t i = 0; i < TAKEN; i++)
        sigaction(taken[i], &before[i], NULL);
    sigaction(SIGCHLD, &child_before, NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void signals_poll(struct pollfd *watch, nfds_t count, int timeout_ms)
{
    struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    sigset_t mask = mask_before;
    sigdelset(&mask, SIGCHLD);
    ppoll(watch, count, timeout_ms < 0 ? NULL : &limit, &mask);
}

/* Does a terminal control us? Without one nobody would continue us, but perhaps the program. */
static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && getpid() != 1;
}

void signals_stop_too(int number)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    if (!has_terminal())
        return;
    if (number != SIGSTOP)
        sigaction(number, &usual, &ours);
    raise(number);
    if (number != SIGSTOP)
        sigaction(number, &ours, NULL);
    kill((pid_t)program, SIGCONT);
}
