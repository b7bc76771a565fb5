/* Starting, waiting, ending (launch.h). Why the program waits at a gate before its exec: its pid
 * must be known to the collector before its first question. */
#define _GNU_SOURCE
#include "recorder/collector/launch.h"
#include "recorder/collector/clock.h"
#include "recorder/collector/collect.h"
#include "recorder/collector/control.h"
#include "recorder/collector/farewell.h"
#include "recorder/collector/proc.h"
#include "recorder/collector/signals.h"
#include "recorder/collector/trace_name.h"
#include "recorder/collector/unwinder.h"
#include "recorder/failpoint.h"
#include "recorder/rendezvous.h"
#include "recorder/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX      256u /* of the command, as the trace's header keeps it */
#define WORD_MAX_BYTES 4096u

/* A collector that is stopped is waited for so long; one that neither reads nor writes, because its
 * file system does not answer, so much longer. */
#define WORD_STEP_MS        250
#define STOPPED_LIMIT_STEPS 20u
#define STUCK_LIMIT_STEPS   120u
#define IO_BYTES            512

struct launch {
    const struct options *options;
    const struct target *target;
    char trace[PATH_MAX];
    char socket_name[RENDEZVOUS_SOCKET_BYTES];
    int control; /* our end of the pair */
    pid_t program, collector;
    bool refused, told_memory; /* told_memory: the guard's words are said */
    bool stuck;                /* the collector was given up: its file system does not answer */
    char refusal[512];
    uint32_t stopped[CONTROL_PIDS]; /* by the collector, which is about to end them */
    uint32_t stopped_count;
};

/* An abstract socket with a random name, listening. Returns -1. */
static int open_listener(char *name)
{
    uint64_t random[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (FAILPOINT(listener_random, getrandom(random, sizeof random, 0), -1) != sizeof random)
        return -1;
    int length = snprintf(name, RENDEZVOUS_SOCKET_BYTES, RENDEZVOUS_SOCKET_PREFIX "%016llx%016llx",
                          (unsigned long long)random[0], (unsigned long long)random[1]);
    memcpy(address.sun_path + 1, name, (size_t)length);
    int fd = FAILPOINT(listener_socket, socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), -1);
    if (fd < 0)
        return -1;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (FAILPOINT(listener_bind, bind(fd, (struct sockaddr *)&address, bytes), -1) == 0 &&
        FAILPOINT(listener_listen, listen(fd, 128), -1) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Will there be native frames? Not known for sure before the program runs. */
static bool native_expected(const struct launch *l)
{
    const char *slash = strrchr(l->target->path, '/');
    return l->options->native == NATIVE_ALL ||
           (l->options->native == NATIVE_OTHERS && !unwinder_hindrance() &&
            l->options->form == RUN_PROGRAM &&
            strncmp(slash ? slash + 1 : l->target->path, "python", 6) != 0);
}

/* Would there be native frames in programs without Python, if they could be had? */
static bool native_missed(const struct options *o)
{
    return o->native == NATIVE_OTHERS && unwinder_hindrance();
}

static uint32_t shared_flags(const struct options *o)
{
    static const uint32_t native[] = {
        [NATIVE_OTHERS] = SHM_NATIVE_OTHERS, [NATIVE_ALL] = SHM_NATIVE, [NATIVE_NO] = 0};
    return (o->objects ? SHM_OBJECTS : 0u) | (o->stacks ? SHM_STACKS : 0u) |
           (o->children == 'n' ? SHM_ROOT_ONLY : 0u) | (native_missed(o) ? 0 : native[o->native]);
}

static void fill_header(const struct launch *l, struct trace_header *header, struct text *words)
{
    uint32_t count = 0;
    for (char **word = l->target->arguments; *word && count < WORDS_MAX; word++) {
        size_t length = strnlen(*word, WORD_MAX_BYTES);
        words[count++] = (struct text){*word, (uint32_t)length};
    }
    *header = (struct trace_header){.version = TRACE_VERSION,
                                    .flags = (l->options->objects ? TRACE_OBJECTS : 0) |
                                             (l->options->stacks ? TRACE_STACKS : 0) |
                                             (native_expected(l) ? TRACE_NATIVE : 0) |
                                             (native_missed(l->options) ? TRACE_NATIVE_MISSED : 0),
                                    .started_unix_ns = clock_ns(CLOCK_REALTIME),
                                    .started_mono_ns = clock_ns(CLOCK_MONOTONIC),
                                    .page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
                                    .argument_count = count,
                                    .arguments = words};
    if (FAILPOINT(trace_id_random, getrandom(&header->trace_id, sizeof header->trace_id, 0), -1) <
        0)
        header->trace_id = header->started_mono_ns;
}

/* Closes everything but the descriptors given (ascending). */
static void keep_only(const int *keep, unsigned count)
{
    unsigned from = 3;
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)keep[i] > from)
            syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    syscall(SYS_close_range, from, ~0u, 0);
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* The program's limits are not the collector's: its shared memory alone is larger than many a limit
 * on address space or file size. The trace itself stays below the limit on files (trace_limit).
 * What may not be lifted is told when something fails. */
static void lift_limits(void)
{
    static const int kinds[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_NOFILE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rlimit limit, none = {RLIM_INFINITY, RLIM_INFINITY};
        if (kinds[i] != RLIMIT_NOFILE &&
            FAILPOINT(limits_lift, setrlimit((__rlimit_resource_t)kinds[i], &none), -1) == 0)
            continue;
        if (getrlimit((__rlimit_resource_t)kinds[i], &limit) != 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        setrlimit((__rlimit_resource_t)kinds[i], &limit);
    }
}

/* The smaller of what was asked for and the limit on the size of files. */
static uint64_t trace_limit(const struct options *o)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return o->max_bytes;
    uint64_t files = limit.rlim_cur ? limit.rlim_cur : 1;
    return o->max_bytes && o->max_bytes < files ? o->max_bytes : files;
}

/* In the collector process: cut every tie to the terminal and to whoever started us, then collect.
 */
static void become_collector(struct collect *c)
{
    setsid();
    signals_restore();
    static const int deaf_to[] = {SIGPIPE, SIGXFSZ, SIGINT,  SIGQUIT,
                                  SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof deaf_to / sizeof deaf_to[0]; i++)
        signal(deaf_to[i], SIG_IGN); /* it ends when there is nothing left to record */
    lift_limits();
    int keep[] = {c->control, c->listener, c->trace};
    qsort(keep, 3, sizeof keep[0], by_number);
    int null = FAILPOINT(null_open, open("/dev/null", O_RDWR), -1);
    for (int fd = 0; fd < 3; fd++)
        if (null >= 0)
            dup2(null, fd);
    keep_only(keep, 3);
    _exit(collect_run(c));
}

/* Moves a descriptor out of the range of the standard ones, in case those were closed. */
static int above_standard(int fd)
{
    int moved = fd >= 0 && fd < 3 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
    if (moved != fd)
        close(fd);
    return moved;
}

/* Has the collector read or written anything since the last look, `seen`? Yes also where that is
 * not to be known. */
static bool gets_on(const struct launch *l, char seen[IO_BYTES])
{
    char now[IO_BYTES] = "";
    bool known = proc_read((uint32_t)l->collector, "io", now, sizeof now - 1) > 0;
    bool moved = !known || strcmp(now, seen) != 0;
    memcpy(seen, now, sizeof now);
    return moved;
}

/* Waits for a word of the collector, but not for ever for one that cannot say any. */
static bool await_word(struct launch *l)
{
    struct pollfd watch = {.fd = l->control, .events = POLLIN};
    char seen[IO_BYTES] = "";
    unsigned stopped = 0, stuck = 0;
    while (stopped < STOPPED_LIMIT_STEPS && stuck < STUCK_LIMIT_STEPS) {
        if (poll(&watch, 1, WORD_STEP_MS) > 0)
            return true;
        stopped = proc_state((uint32_t)l->collector) == 'T' ? stopped + 1 : 0;
        stuck = gets_on(l, seen) ? 0 : stuck + 1;
    }
    l->stuck = stuck == STUCK_LIMIT_STEPS;
    return false;
}

static int hear(struct launch *l, struct control *message)
{
    ssize_t got;
    if (!await_word(l))
        return -1;
    do {
        got = recv(l->control, message, sizeof *message, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *message ? 0 : -1;
}

static int start_collector(struct launch *l, int trace, struct err *err)
{
    int pair[2], listener = above_standard(open_listener(l->socket_name));
    struct text words[WORDS_MAX];
    struct collect c = {.trace = trace,
                        .listener = listener,
                        .limits = {.max_bytes = trace_limit(l->options)},
                        .oom_reserve_bytes = l->options->oom_reserve_bytes};
    struct control message = {0};
    if (listener < 0 ||
        FAILPOINT(control_pair, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), -1) !=
            0)
        return err_set(err, ERR_SYSTEM, "no socket can be made for the recording: %s",
                       strerror(errno));
    fill_header(l, &c.header, words);
    c.flags = shared_flags(l->options);
    l->control = above_standard(pair[0]);
    c.control = above_standard(pair[1]);
    l->collector = FAILPOINT(collector_fork, fork(), -1);
    if (l->collector == 0) {
        close(l->control); /* or our own end would keep the pair open */
        become_collector(&c);
    }
    close(c.control);
    close(listener);
    close(trace);
    if (l->collector < 0)
        return err_set(err, ERR_SYSTEM, "the collector cannot be started: %s", strerror(errno));
    if (hear(l, &message) == 0 && message.kind == CONTROL_READY)
        return 0;
    kill(l->collector, SIGKILL); /* in case it is stopped */
    return err_set(err, ERR_SYSTEM, "the collector cannot start: %.400s",
                   message.kind == CONTROL_FAILED ? message.text : "it ended at once");
}

static void set_environment(const struct launch *l)
{
    char preload[2 * PATH_MAX], variable[128];
    const char *others = getenv("LD_PRELOAD");
    snprintf(preload, sizeof preload, "%s%s%s", l->target->library, others && *others ? ":" : "",
             others ? others : "");
    snprintf(variable, sizeof variable, "%s,%c,%u,%c", l->socket_name, l->options->children,
             (unsigned)getpid(), l->target->any || l->options->children == 'a' ? '1' : '0');
    setenv("LD_PRELOAD", preload, 1);
    setenv(RENDEZVOUS_VARIABLE, variable, 1);
}

/* In the child: wait until the collector knows us, then become the program. A failed exec is told
 * through `report`. */
static void become_program(const struct launch *l, const int gate[2], int report)
{
    char go;
    close(gate[1]); /* or our own end would keep it open, and we waited for ever */
    set_environment(l);
    if (read(gate[0], &go, 1) != 1)
        _exit(EXIT_OUR_FAILURE);
    signals_restore();
    FAILPOINT(program_exec, execv(l->target->path, l->target->arguments), -1);
    int why = errno;
    ssize_t told = write(report, &why, sizeof why);
    _exit(told == sizeof why ? EXIT_NOT_EXECUTABLE : EXIT_OUR_FAILURE);
}

static int exec_failure(const struct launch *l, int report, struct err *err)
{
    int why;
    if (read(report, &why, sizeof why) != sizeof why)
        return 0;
    err_set(err, ERR_SYSTEM, "%s cannot be started: %s", l->target->path, strerror(why));
    waitpid(l->program, NULL, 0);
    return why == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Starts the program. Returns 0, or an exit status with err filled. */
static int start_program(struct launch *l, struct err *err)
{
    int gate[2], report[2];
    if (FAILPOINT(gate_pipe, pipe2(gate, O_CLOEXEC), -1) != 0 ||
        FAILPOINT(report_pipe, pipe2(report, O_CLOEXEC), -1) != 0 ||
        (l->program = FAILPOINT(program_fork, fork(), -1)) < 0) {
        err_set(err, ERR_SYSTEM, "the program cannot be started: %s", strerror(errno));
        return EXIT_OUR_FAILURE;
    }
    if (l->program == 0)
        become_program(l, gate, report[1]);
    close(gate[0]);
    close(report[1]);
    signals_forward_to(l->program);
    struct control started = {.kind = CONTROL_STARTED, .pid = (uint32_t)l->program}, ready;
    bool known =
        FAILPOINT(started_send, send(l->control, &started, sizeof started, MSG_NOSIGNAL), -1) > 0 &&
        hear(l, &ready) == 0;
    bool gone = !known || FAILPOINT(gate_write, write(gate[1], "g", 1), -1) != 1;
    close(gate[1]); /* without a word the child ends by itself */
    int status = exec_failure(l, report[0], err);
    close(report[0]);
    if (!gone)
        return status;
    waitpid(l->program, NULL, 0);
    err_set(err, ERR_SYSTEM, "the collector ended before the program could start");
    return EXIT_OUR_FAILURE;
}

/* The collector ended with the program stopped: what it would have ended goes on. */
static void continue_stopped(struct launch *l)
{
    for (uint32_t i = 0; i < l->stopped_count; i++)
        kill((pid_t)l->stopped[i], SIGCONT);
    l->stopped_count = 0;
}

static void tell_memory(struct launch *l, const struct control *message)
{
    struct control go = {.kind = CONTROL_GO};
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* nobody may be reading */
    farewell_guard(l->target, l->trace, message, l->options->quiet);
    signal(SIGPIPE, before);
    l->told_memory = true;
    send(l->control, &go, sizeof go, MSG_NOSIGNAL);
}

/* What the collector says while the program runs, one message. Returns false when there is none;
 * *gone: it has ended. */
static bool take_message(struct launch *l, bool *gone)
{
    struct control message;
    ssize_t got = recv(l->control, &message, sizeof message, MSG_DONTWAIT);
    *gone = got == 0;
    if (got != (ssize_t)sizeof message)
        return false;
    if (message.kind != CONTROL_STOPPING)
        message.text[sizeof message.text - 1] = 0;
    if (message.kind == CONTROL_REFUSED) {
        l->refused = true;
        memcpy(l->refusal, message.text, sizeof l->refusal);
        kill(l->program, SIGKILL);
    } else if (message.kind == CONTROL_STOPPING && message.living <= CONTROL_PIDS) {
        memcpy(l->stopped, message.pids, sizeof l->stopped);
        l->stopped_count = message.living;
    } else if (message.kind == CONTROL_GUARD) {
        tell_memory(l, &message);
    }
    return true;
}

/* All that it has said. Returns false when the collector is gone. */
static bool take_messages(struct launch *l)
{
    bool gone;
    while (take_message(l, &gone))
        ;
    if (gone)
        continue_stopped(l);
    return !gone;
}

/* Takes what children have to tell; as PID 1 also of those who were orphaned to us. Returns whether
 * the program has ended, *status how. */
static bool reap(struct launch *l, int *status)
{
    pid_t pid, whom = getpid() == 1 ? -1 : l->program;
    while ((pid = waitpid(whom, status, WNOHANG | WUNTRACED)) > 0) {
        if (pid == l->program && !WIFSTOPPED(*status))
            return true;
        take_messages(l); /* was it the collector that stopped it? */
        if (pid == l->program && !l->stopped_count)
            signals_stop_too(WSTOPSIG(*status));
    }
    return false;
}

/* Waits for the program's end. Returns its raw wait status. */
static int wait_program(struct launch *l)
{
    int status;
    bool control_open = true;
    while (!reap(l, &status)) {
        struct pollfd watch = {.fd = control_open ? l->control : -1, .events = POLLIN};
        signals_poll(&watch, 1, -1);
        if (watch.revents)
            control_open = take_messages(l);
    }
    signals_forward_to(0);
    return status;
}

/* Our end as PID 1 would be the end of everybody: what is recorded may end by itself, and the trace
 * with it. */
static void outlive_recorded(const struct launch *l)
{
    pid_t pid;
    signals_forward_to(-1);
    do {
        pid = waitpid(-1, NULL, 0);
    } while (pid != l->collector && (pid > 0 || errno == EINTR));
}

static int exit_status(int status, const struct control *done)
{
    if (done->oom != OOM_NO)
        return 53;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Tells the collector how it ended and hears what became of the trace. */
static void close_recording(struct launch *l, int status, struct control *done)
{
    struct control ended = {.kind = CONTROL_ENDED, .status = (uint32_t)status};
    memset(done, 0, sizeof *done);
    if (FAILPOINT(ended_send, send(l->control, &ended, sizeof ended, MSG_NOSIGNAL), -1) <= 0)
        return;
    while (FAILPOINT(done_hear, hear(l, done), -1) == 0 && done->kind != CONTROL_DONE)
        ;
    if (done->kind == CONTROL_DONE && !done->living)
        waitpid(l->collector, NULL, 0);
    else if (done->kind == CONTROL_DONE && getpid() == 1) {
        outlive_recorded(l);
        done->living = 0;
    }
}

static int refusal(struct launch *l, struct err *err)
{
    unlink(l->trace);
    err_set(err, ERR_USAGE,
            "this Python cannot be recorded with its stacks: %.250s; supported are CPython 3.9 to "
            "3.15; record sizes without stacks with --no-python-stacks",
            l->refusal);
    return EXIT_OUR_FAILURE;
}

int launch_run(const struct options *o, const struct target *t, struct err *err)
{
    struct launch l = {.options = o, .target = t, .control = -1};
    int trace = above_standard(trace_name_open(o, t, l.trace, err));
    if (trace < 0)
        return EXIT_OUR_FAILURE;
    signals_take();
    int status = start_collector(&l, trace, err) ? EXIT_OUR_FAILURE : start_program(&l, err);
    if (status) {
        unlink(l.trace);
        return status;
    }
    struct control done;
    int ended = wait_program(&l);
    signal(SIGPIPE, SIG_IGN); /* nobody may be reading our last words */
    if (l.refused)
        return refusal(&l, err);
    close_recording(&l, ended, &done);
    if (o->quiet)
        farewell_failure(&done);
    else
        farewell(t, l.trace, ended, &done, l.told_memory || l.stuck);
    return exit_status(ended, &done);
}
