/* The closing block (farewell.h). Why memreplay prints the numbers: it alone knows how to count,
 * and what it says later must be the same. */
#define _GNU_SOURCE
#include "recorder/collector/farewell.h"
#include "recorder/collector/unwinder.h"
#include "format/event.h"
#include "format/plain.h"
#include "recorder/failpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_EVENTS                                                                                \
    100000000u /* more take seconds to read: memrec is to end when the program does */

static void print_ending(int status, const struct control *done)
{
    static const char *const causes[] = {"", "; the kernel killed it for lack of memory",
                                         "; just before, an allocation failed for lack of memory",
                                         "; stopped before memory ran out"};
    const char *cause = done->oom < 4 ? causes[done->oom] : "";
    if (WIFEXITED(status))
        fprintf(stderr, "memrec: the program ended with status %d%s\n", WEXITSTATUS(status), cause);
    else
        fprintf(stderr, "memrec: the program was ended by signal %d (%s)%s\n", WTERMSIG(status),
                strsignal(WTERMSIG(status)), cause);
}

/* Lets memreplay read the trace and print the peak and its holders; without its notes where it is
 * known that the trace goes on (cut). */
static void print_holders(const struct target *t, const char *trace, uint64_t events, bool cut)
{
    if (events > READ_EVENTS) {
        fprintf(stderr, "memrec: %llu events; who held the peak is not read here\n",
                (unsigned long long)events);
        return;
    }
    fflush(stderr);
    pid_t child = *t->replay ? FAILPOINT(replay_fork, fork(), -1) : -1;
    if (child == 0) {
        dup2(2, 1);
        int null = cut ? open("/dev/null", O_WRONLY) : -1;
        if (null >= 0)
            dup2(null, 2);
        execl(t->replay, "memreplay", "closing", trace, (char *)NULL);
        _exit(127);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}

void farewell_failure(const struct control *done)
{
    if (done->kind != CONTROL_DONE)
        fprintf(
            stderr,
            "memrec: the collector ended early, is stopped or cannot write; the trace holds what "
            "was written until then\n");
    else if (done->stopped == REASON_FILE_LIMIT)
        fprintf(stderr, "memrec: recording stopped early: the trace reached its size limit, or the "
                        "disk was nearly full\n");
    else if (done->stopped)
        fprintf(
            stderr,
            "memrec: recording stopped early: the trace could not be written in time or at all\n");
    else if (!done->met)
        fprintf(stderr, "memrec: nothing was recorded: no Python was started, or none could reach "
                        "the collector\n");
}

static void print_losses(const struct control *done)
{
    if (done->no_place)
        fprintf(stderr, "memrec: %u processes could not join the recording and ran without it\n",
                done->no_place);
    if (done->cut_short)
        fprintf(stderr,
                "memrec: %u processes stopped recording before their end; memreplay summary tells "
                "why\n",
                done->cut_short);
    if (done->lost_events)
        fprintf(stderr, "memrec: %llu events were lost; memreplay summary tells why\n",
                (unsigned long long)done->lost_events);
    if (done->lost_stacks)
        fprintf(stderr, "memrec: %llu allocations have no stack: it could not be taken\n",
                (unsigned long long)done->lost_stacks);
    if (done->not_recorded)
        fprintf(stderr,
                "memrec: %u Python processes ran without stacks: their interpreter is not known to "
                "this version\n",
                done->not_recorded);
    if (done->living)
        fprintf(stderr,
                "memrec: %u recorded processes live on; the trace is finished in the background "
                "when the last of them ends\n",
                done->living);
}

/* Native stacks that nobody asked for, but that are usual: told once, with the way to them. */
static void print_no_native(const struct control *done)
{
    const char *hindrance = unwinder_hindrance();
    if (done->no_native && hindrance)
        fprintf(stderr, "memrec: native stacks of %u program%s are not in the trace: %s\n",
                done->no_native, done->no_native == 1 ? "" : "s", hindrance);
}

void farewell_guard(const struct target *t, const char *trace, const struct control *guard,
                    bool quiet)
{
    fprintf(stderr, "memrec: %s; the program is ended here\n", guard->text);
    if (!quiet)
        print_holders(t, trace, guard->events, true);
}

void farewell(const struct target *t, const char *trace, int status, const struct control *done,
              bool held)
{
    print_ending(status, done);
    if (!held)
        print_holders(t, trace, done->events, false);
    farewell_failure(done);
    print_losses(done);
    print_no_native(done);
    char shown[PATH_MAX];
    snprintf(shown, sizeof shown, "%s", trace);
    plain_make(shown, '?');
    fprintf(stderr, "memrec: the trace is %s; next: memreplay peak %s\n", shown, shown);
}
