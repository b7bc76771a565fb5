/* Signals of the launcher: those sent to it alone go on to the program; those of the terminal reach
 * the program by themselves; and when the program stops, we stop, so that the shell sees its job as
 * it is (a program may ignore Ctrl-Z, or stop itself). Not here: who waits for whom (launch.h). One
 * thread. */
#ifndef RECORDER_COLLECTOR_SIGNALS_H
#define RECORDER_COLLECTOR_SIGNALS_H

#include <poll.h>
#include <sys/types.h>

/* Takes over SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGTSTP: nothing ends or stops
 * the launcher before the program; and SIGCHLD, which only signals_poll lets through. */
void signals_take(void);
/* From now on they are handed on to this process (-1: to everybody, as PID 1; 0: to nobody). */
void signals_forward_to(pid_t program);
/* In a child, before exec: dispositions and mask as they were before signals_take.
 * Async-signal-safe. */
void signals_restore(void);
/* poll(2) that also ends when a child has ended or stopped. */
void signals_poll(struct pollfd *watch, nfds_t count, int timeout_ms);
/* The program was stopped by `number`: stops this process likewise, if a terminal's shell is there
 * to go on with us; then continues the program. */
void signals_stop_too(int number);

#endif
