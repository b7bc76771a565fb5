/* Signals of the launcher: those sent to it alone go on to the program; those of the terminal reach the program by themselves.
 * Not here: job control, which is left to the defaults, so that Ctrl-Z stops us with the program. */
#ifndef RECORDER_COLLECTOR_SIGNALS_H
#define RECORDER_COLLECTOR_SIGNALS_H

#include <sys/types.h>

/* Takes over SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH-free: nothing ends the launcher before the program has ended. */
void signals_take(void);
/* From now on they are handed on to this process. */
void signals_forward_to(pid_t program);
/* In a child, before exec: dispositions and mask as they were before signals_take. Async-signal-safe. */
void signals_restore(void);

#endif
