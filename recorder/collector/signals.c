/* Handing signals on (signals.h). A handler calls kill(2) and nothing else. */
#define _GNU_SOURCE
#include "recorder/collector/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

static const int taken[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
#define TAKEN (sizeof taken / sizeof taken[0])

static struct sigaction before[TAKEN];
static volatile sig_atomic_t program;
static volatile sig_atomic_t early; /* a signal that came before there was a program */

static void hand_on(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)context;
    if (!program)
        early = number;
    else if (info->si_code <= 0 || info->si_code == SI_USER) /* from a process; the terminal's own come from the kernel */
        kill((pid_t)program, number);
    errno = saved;
}

void signals_take(void)
{
    for (size_t i = 0; i < TAKEN; i++) {
        struct sigaction action = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigfillset(&action.sa_mask);
        sigaction(taken[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) /* nohup's and the like stay ignored, in the program too */
            sigaction(taken[i], &action, NULL);
    }
}

void signals_forward_to(pid_t pid)
{
    program = (sig_atomic_t)pid;
    if (early)
        kill(pid, early);
}

void signals_restore(void)
{
    for (size_t i = 0; i < TAKEN; i++)
        sigaction(taken[i], &before[i], NULL);
}
