/* New threads, new processes, new images.
 * - A thread made by C code belongs to the stack that created it: the creator's node travels with
 * the start routine, and its name, which is the new thread's first.
 * - fork is announced by handlers (attach.c) so that no child inherits the interner half-way; a
 * fork past them is noticed at the gate.
 * - exec: the collector is told that the image goes; and where the new image cannot carry our
 * library (elf.h), it starts without it. This half is active in inert images too: a shell may stand
 * between two Pythons. vfork children run on their parent's memory and thread: they are told by
 * their pid and write nothing. */
#define _GNU_SOURCE
#include "recorder/elf.h"
#include "recorder/failpoint.h"
#include "recorder/preload/hooks.h"
#include "recorder/preload/real.h"
#include "recorder/rendezvous.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

/* ---- threads ---- */

#define STARTS 256

/* A thread that is about to start. A free place has routine NULL. */
static struct start {
    _Atomic uint32_t taken;
    uint32_t origin;
    uint64_t name[2];
    void *(*routine)(void *);
    void *argument;
} starts[STARTS];

static struct start *take_start(void)
{
    for (unsigned i = 0; i < STARTS; i++) {
        uint32_t expected = 0;
        if (atomic_compare_exchange_strong(&starts[i].taken, &expected, 1))
            return &starts[i];
    }
    return NULL;
}

static void *start_thread(void *context)
{
    struct start mine = *(struct start *)context;
    atomic_store(&((struct start *)context)->taken, 0);
    thread_self.walker.origin = mine.origin;
    memcpy(thread_self.name, mine.name, sizeof mine.name);
    return mine.routine(mine.argument);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*routine)(void *), void *argument)
{
    struct thread *t = &thread_self;
    struct start *start = NULL;
    if (!real.pthread_create)
        real_resolve();
    if (hook_enter(t)) {
        start = FAILPOINT(threads_full, take_start(), NULL);
        if (start) {
            start->origin = hook_node(t);
            memcpy(start->name, t->name, sizeof start->name);
            start->routine = routine;
            start->argument = argument;
        }
        hook_leave(t);
    }
    if (!start)
        return real.pthread_create(thread, attributes, routine, argument);
    int status = real.pthread_create(thread, attributes, start_thread, start);
    if (status != 0)
        atomic_store(&start->taken, 0);
    return status;
}

/* ---- processes ---- */

/* A child was waited for: what it held is gone before this thread goes on. */
static void tell_waited(pid_t pid, int status)
{
    struct thread *t = &thread_self;
    if (pid <= 0 || !(WIFEXITED(status) || WIFSIGNALED(status)) || !hook_enter(t))
        return;
    emit1(t, RING_WORD(RING_WAITED, 0, (uint32_t)pid));
    hook_leave(t);
}

EXPORT pid_t waitpid(pid_t which, int *status, int options)
{
    int own;
    if (!real.waitpid)
        real_resolve();
    int *out = status ? status : &own;
    pid_t pid = real.waitpid(which, out, options);
    if (pid > 0)
        tell_waited(pid, *out);
    return pid;
}

EXPORT pid_t wait4(pid_t which, int *status, int options, struct rusage *usage)
{
    int own;
    if (!real.wait4)
        real_resolve();
    int *out = status ? status : &own;
    pid_t pid = real.wait4(which, out, options, usage);
    if (pid > 0)
        tell_waited(pid, *out);
    return pid;
}

EXPORT pid_t wait(int *status) { return waitpid(-1, status, 0); }
EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
    return wait4(-1, status, options, usage);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    siginfo_t own;
    if (!real.waitid)
        real_resolve();
    siginfo_t *out = info ? info : &own;
    out->si_pid = 0;
    int result = real.waitid(type, id, out, options);
    bool ended =
        out->si_code == CLD_EXITED || out->si_code == CLD_KILLED || out->si_code == CLD_DUMPED;
    if (result == 0 && out->si_pid > 0 && ended)
        tell_waited(out->si_pid, 0);
    return result;
}

/* libc waits by itself for the shell of these two, and tells its pid to nobody. */
EXPORT int system(const char *command)
{
    if (!real.system)
        real_resolve();
    int status = real.system(command);
    if (command && status != -1)
        tell_waited(RING_WAITED_UNNAMED, status);
    return status;
}

EXPORT int pclose(FILE *stream)
{
    if (!real.pclose)
        real_resolve();
    int status = real.pclose(stream);
    if (status != -1)
        tell_waited(RING_WAITED_UNNAMED, status);
    return status;
}

/* ---- images ---- */

#define ENVIRONMENT_MAX 16384
#define LIBRARY_NAME    "libmemrec.so"

static void announce_exec(enum ring_kind kind)
{
    struct thread *t = &thread_self;
    if (process.open && t->fork_announced && atomic_load(process_gate) == 0) {
        t->fork_announced = false; /* a forked child that never recorded anything */
        atomic_fetch_sub(&process.slot->forks_open, 1);
    }
    if (t->busy || !process.open || (uint32_t)syscall(SYS_getpid) != process.pid || !hook_enter(t))
        return;
    emit1(t, RING_WORD(kind, 0, 0));
    hook_leave(t);
}

static bool is_ours(const char *entry, size_t length)
{
    size_t name = sizeof LIBRARY_NAME - 1;
    return length >= name && !memcmp(entry + length - name, LIBRARY_NAME, name);
}

/* The entry of LD_PRELOAD's value that is our library; *length its length. NULL: none. */
static const char *find_ours(const char *value, size_t *length)
{
    while (*value) {
        *length = strcspn(value, ": ");
        if (is_ours(value, *length))
            return value;
        value += *length;
        value += strspn(value, ": ");
    }
    return NULL;
}

static const char *preload_value(const char *variable)
{
    return !strncmp(variable, "LD_PRELOAD=", 11) ? variable + 11 : NULL;
}

/* Is the library still where LD_PRELOAD says (not so after chroot)? */
static bool library_reachable(const char *entry, size_t length)
{
    char path[1024];
    if (length >= sizeof path)
        return true;
    memcpy(path, entry, length);
    path[length] = 0;
    return access(path, R_OK) == 0;
}

/* Does this environment carry our library to a program that cannot take it? */
static bool must_strip(const char *path, char *const *environment, size_t *count)
{
    bool carried = false;
    *count = 0;
    if (!environment)
        return false;
    for (; environment[*count]; ++*count) {
        const char *value = preload_value(environment[*count]);
        size_t length;
        const char *entry = value ? find_ours(value, &length) : NULL;
        if (entry)
            carried = true;
        if (entry && (!library_reachable(entry, length) || preload_sanitizes(value)))
            path = NULL;
    }
    return carried && *count <= ENVIRONMENT_MAX && (!path || !program_carries(path));
}

/* Copies LD_PRELOAD without our entry to out (as long as the variable). Returns out, or NULL when
 * nothing is left of it. */
static char *without_ours(const char *variable, char *out)
{
    size_t length;
    const char *value = variable + 11, *entry = find_ours(value, &length);
    size_t before = (size_t)(entry - variable);
    const char *rest = entry + length + strspn(entry + length, ": ");
    memcpy(out, variable, before);
    strcpy(out + before, rest);
    return out[11] ? out : NULL;
}

/* Fills `fresh` (count + 1 places) with the environment but for our library and variable; `buffer`
 * takes the shortened LD_PRELOAD. */
static void strip(char *const *environment, char **fresh, char *buffer)
{
    size_t length;
    for (; *environment; environment++) {
        char *variable = *environment;
        const char *value = preload_value(variable);
        if (!strncmp(variable, RENDEZVOUS_VARIABLE "=", sizeof RENDEZVOUS_VARIABLE))
            continue;
        if (value && find_ours(value, &length) && !(variable = without_ours(variable, buffer)))
            continue;
        *fresh++ = variable;
    }
    *fresh = NULL;
}

static size_t longest(char *const *environment)
{
    size_t most = 0;
    for (; *environment; environment++)
        if (preload_value(*environment) && strlen(*environment) > most)
            most = strlen(*environment);
    return most;
}

/* The environment to use for `path`: as it is, or stripped into memory of the calling function's
 * frame. */
#define FITTING_ENVIRONMENT(path, environment)                                                     \
    ({                                                                                             \
        size_t count_;                                                                             \
        int saved_ = errno;                                                                        \
        char *const *fitting_ = (environment);                                                     \
        if (must_strip((path), fitting_, &count_)) {                                               \
            char **fresh_ = alloca((count_ + 1) * sizeof *fresh_);                                 \
            strip(fitting_, fresh_, alloca(longest(fitting_) + 1));                                \
            fitting_ = fresh_;                                                                     \
        }                                                                                          \
        errno = saved_;                                                                            \
        fitting_;                                                                                  \
    })

/* The file that a search of PATH finds for a name; the name itself where it has a slash or nothing
 * is found. */
static const char *search_path(const char *name, char *out, size_t capacity)
{
    const char *path = NULL;
    for (char **variable = environ; variable && *variable; variable++)
        if (!strncmp(*variable, "PATH=", 5))
            path = *variable + 5;
    if (strchr(name, '/') || !path)
        return name;
    while (*path) {
        size_t folder = strcspn(path, ":"), length = strlen(name);
        if (folder + length + 2 <= capacity) {
            memcpy(out, path, folder);
            out[folder] = '/';
            memcpy(out + folder + 1, name, length + 1);
            if (access(folder ? out : name, X_OK) == 0)
                return folder ? out : name;
        }
        path += folder + (path[folder] == ':');
    }
    return name;
}

EXPORT int execve(const char *path, char *const *arguments, char *const *environment)
{
    if (!real.execve)
        real_resolve();
    char *const *fitting = FITTING_ENVIRONMENT(path, environment);
    announce_exec(RING_EXEC);
    int status = real.execve(path, arguments, fitting);
    announce_exec(RING_EXEC_FAILED);
    return status;
}

EXPORT int execvpe(const char *name, char *const *arguments, char *const *environment)
{
    char found[1024];
    if (!real.execvpe)
        real_resolve();
    char *const *fitting = FITTING_ENVIRONMENT(search_path(name, found, sizeof found), environment);
    announce_exec(RING_EXEC);
    int status = real.execvpe(name, arguments, fitting);
    announce_exec(RING_EXEC_FAILED);
    return status;
}

EXPORT int fexecve(int fd, char *const *arguments, char *const *environment)
{
    char path[32] = "/proc/self/fd/";
    char digits[12];
    unsigned at = sizeof digits, rest = (unsigned)fd;
    if (!real.fexecve)
        real_resolve();
    digits[--at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
    } while (rest /= 10);
    strcat(path, digits + at);
    char *const *fitting = FITTING_ENVIRONMENT(path, environment);
    announce_exec(RING_EXEC);
    int status = real.fexecve(fd, arguments, fitting);
    announce_exec(RING_EXEC_FAILED);
    return status;
}

EXPORT int execv(const char *path, char *const *arguments)
{
    return execve(path, arguments, environ);
}
EXPORT int execvp(const char *name, char *const *arguments)
{
    return execvpe(name, arguments, environ);
}

/* Counts the arguments of an execl-like call, `first` and the closing NULL included. */
#define COUNT_ARGUMENTS(first, count)                                                              \
    do {                                                                                           \
        va_list rest_;                                                                             \
        va_start(rest_, first);                                                                    \
        for (count = 1; va_arg(rest_, const char *); count++)                                      \
            ;                                                                                      \
        va_end(rest_);                                                                             \
    } while (0)

#define EXECL_HOOK(name, run, has_environment)                                                     \
    EXPORT int name(const char *path, const char *first, ...)                                      \
    {                                                                                              \
        size_t count;                                                                              \
        va_list rest;                                                                              \
        COUNT_ARGUMENTS(first, count);                                                             \
        const char **arguments = alloca((count + 1) * sizeof *arguments);                          \
        va_start(rest, first);                                                                     \
        arguments[0] = first;                                                                      \
        for (size_t i = 1; i <= count; i++)                                                        \
            arguments[i] = va_arg(rest, const char *);                                             \
        char *const *environment = has_environment ? va_arg(rest, char *const *) : environ;        \
        va_end(rest);                                                                              \
        return run(path, (char *const *)arguments, environment);                                   \
    }

EXECL_HOOK(execl, execve, 0)
EXECL_HOOK(execlp, execvpe, 0)
EXECL_HOOK(execle, execve, 1)

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, char *const *arguments,
                       char *const *environment)
{
    if (!real.posix_spawn)
        real_resolve();
    return real.posix_spawn(pid, path, actions, attributes, arguments,
                            FITTING_ENVIRONMENT(path, environment));
}

EXPORT int posix_spawnp(pid_t *pid, const char *name, const posix_spawn_file_actions_t *actions,
                        const posix_spawnattr_t *attributes, char *const *arguments,
                        char *const *environment)
{
    char found[1024];
    if (!real.posix_spawnp)
        real_resolve();
    char *const *fitting = FITTING_ENVIRONMENT(search_path(name, found, sizeof found), environment);
    return real.posix_spawnp(pid, name, actions, attributes, arguments, fitting);
}
