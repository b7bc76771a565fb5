/* Reading of binaries that is played: the path says what happens, what is seen in the process that
 * reads stands in shared memory, and what is asked of the kernel there is noted. Not here: what is
 * tried with it (test_symboliser.c, test_symboliser_process.c). */
#ifndef TESTS_SYMBOLISER_STAGE_H
#define TESTS_SYMBOLISER_STAGE_H

#include "tests/unit/starve.h"

#include "replay/symboliser.h"

#include "format/error.h"
#include "format/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { OFFSETS = 3000, FRAMES = 5, DESCRIPTORS = 256, LIST = 0, DONE = 1 };

/* What is seen in the processes that read, in memory that they share. */
struct seen {
    int readers, ignored_signals, death_signal, devices;
    bool lived_on;
    unsigned seconds, rests; /* until it is woken; how often it was let sleep, before this module */
    struct rlimit cpu, core;
};
static struct seen *seen;
static bool open_before[DESCRIPTORS];

/* What is asked of the kernel there: noted alone, since whoever runs this test has limits, too. A
 * sanitizer asks while it starts. */
static time_t used_seconds;
static bool no_socket, late;
static unsigned rests;

int getrusage(__rusage_who_t who, struct rusage *usage)
{
    (void)who;
    *usage = (struct rusage){.ru_utime.tv_sec = used_seconds / 3,
                             .ru_stime.tv_sec = used_seconds - used_seconds / 3};
    return 0;
}

__attribute__((no_sanitize("address", "undefined"))) int setrlimit(__rlimit_resource_t resource,
                                                                   const struct rlimit *limit)
{
    if (!seen)
        return (int)syscall(SYS_setrlimit, resource, limit);
    *(resource == RLIMIT_CPU ? &seen->cpu : &seen->core) = *limit;
    return 0;
}

unsigned alarm(unsigned seconds)
{
    if (seconds)
        seen->seconds = seconds;
    rests += !seconds;
    return 0;
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
    errno = EMFILE;
    return no_socket ? -1 : (int)syscall(SYS_socketpair, domain, type, protocol, ends);
}

/* Where the process that reads speaks into: a socket that was not there before. */
static inline int speaking_end(void)
{
    struct stat st;
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        if (!open_before[fd] && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
            return fd;
    _exit(1);
}

/* Says what cannot be, of module `number`, and waits to be killed for it. */
static inline void lie(char kind, uint32_t number)
{
    static const uint8_t garbage[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    const struct {
        uint32_t module, kind, value, more;
    } lies[] = {{number + 1, DONE, SYMBOLISE_READ, 0},
                {number, 2, 0, 0},
                {number, DONE, SYMBOLISE_STATUSES, 0},
                {number, LIST, NAMES_MAX_BYTES + 1, 5},
                {number, LIST, 5, 5},
                {number, LIST, 6, 5}};
    uint8_t message[12];
    int fd = speaking_end();
    put_u32(message, lies[kind - '0'].module);
    put_u32(message + 4, lies[kind - '0'].kind);
    put_u32(message + 8, lies[kind - '0'].value);
    if (write(fd, message, sizeof message) < 0 || write(fd, garbage, lies[kind - '0'].more) < 0 ||
        kind == '5')
        _exit(0);
    sleep(100);
    seen->lived_on = true;
    _exit(0);
}

static inline void look_around(void)
{
    static const int defaults[] = {SIGPIPE, SIGALRM, SIGXCPU, SIGSEGV, SIGBUS,
                                   SIGABRT, SIGINT,  SIGTERM, SIGHUP};
    struct sigaction action;
    struct stat st;
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        seen->ignored_signals += sigaction(defaults[i], 0, &action) || action.sa_handler != SIG_DFL;
    for (int fd = 0; fd < 3; fd++)
        seen->devices += !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
    prctl(PR_GET_PDEATHSIG, &seen->death_signal);
    seen->rests = rests;
}

/* Stands in for the one that opens files; the path says what happens. */
int symbolise_module(const struct symbolise_ask *ask, symbolise_take *take, void *context,
                     enum symbolise_status *status)
{
    char long_name[900];
    struct names_frame frames[FRAMES];
    seen->readers++;
    if (!strcmp(ask->path, "crash"))
        raise(SIGSEGV);
    if (!strncmp(ask->path, "lie ", 4))
        lie(ask->path[4], (uint32_t)ask->recorded_at_ns);
    look_around();
    if (!strcmp(ask->path, "abort"))
        abort();
    if (!strcmp(ask->path, "leave"))
        _exit(0);
    if (!strcmp(ask->path, "early") && late)
        abort();
    if (!strcmp(ask->path, "known") && (strcmp(ask->build_id, "abc") || ask->recorded_at_ns != 7))
        abort();
    *status = strcmp(ask->path, "missing") ? SYMBOLISE_READ : SYMBOLISE_MISSING;
    if (!strcmp(ask->path, "no memory"))
        return -ERR_NOMEM;
    for (uint32_t i = 0; *status == SYMBOLISE_READ && i < ask->count; i++) {
        memset(long_name, 'a' + (int)(ask->offsets[i] % 26), sizeof long_name - 1);
        long_name[sizeof long_name - 1] = 0;
        for (int k = 0; k < FRAMES; k++)
            frames[k] = (struct names_frame){{long_name + 100 * k, 899u - 100u * (unsigned)k},
                                             {"file.c", 6},
                                             ask->offsets[i] + (unsigned)k};
        if (ask->offsets[i] % 3 && take(context, i, frames, 1 + i % FRAMES))
            return -ERR_IO;
    }
    static struct names_frame many[NAMES_MAX_FRAMES + 1];
    return strcmp(ask->path, "too many") ? 0 : take(context, 0, many, NAMES_MAX_FRAMES + 1);
}

struct heard {
    uint32_t module[16], named[16];
    uint64_t next[16];
};

static inline int hear(void *context, uint32_t module, uint64_t offset,
                       const struct names_frame *frames, uint32_t count)
{
    struct heard *h = context;
    assert_int_equal(offset, h->next[module]++);
    assert_int_equal(count, offset % 3 ? 1 + offset % FRAMES : 0);
    for (uint32_t k = 0; k < count; k++) {
        assert_int_equal(frames[k].function.length, 899 - 100 * k);
        assert_int_equal(frames[k].function.bytes[0], 'a' + (int)(offset % 26));
        assert_memory_equal(frames[k].file.bytes, "file.c", 6);
        assert_int_equal(frames[k].line, offset + k);
    }
    h->named[module] += count > 0;
    return 0;
}

static uint64_t offsets[OFFSETS];

static inline void play(const char *const *paths, uint32_t count, struct symboliser_module *modules,
                        struct heard *heard)
{
    for (uint64_t i = 0; i < OFFSETS; i++)
        offsets[i] = i;
    for (uint32_t i = 0; i < count; i++)
        modules[i] = (struct symboliser_module){
            .ask = {.path = paths[i], .build_id = "", .offsets = offsets, .count = OFFSETS}};
    for (uint32_t i = 0; i < count; i++)
        modules[i].ask.recorded_at_ns = i;
    *heard = (struct heard){0};
    struct symboliser symboliser = {0};
    long held = starve_held;
    assert_int_equal(symboliser_run(&symboliser, modules, count, hear, heard), 0);
    symboliser_stop(&symboliser);
    assert_int_equal(starve_held, held);
}

static inline int start(void **state)
{
    seen = mmap(0, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED)
        return -1;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    *seen = (struct seen){0};
    used_seconds = 0;
    no_socket = late = false;
    starve_after = -1;
    rests = 0;
    *state = seen;
    return 0;
}

/* Nothing of it may be left: no process, no descriptor. */
static inline int stop(void **state)
{
    int left = waitpid(-1, 0, WNOHANG) >= 0 || errno != ECHILD;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        left += open_before[fd] != (fcntl(fd, F_GETFD) >= 0);
    left += seen->lived_on;
    munmap(*state, sizeof *seen);
    return left ? -1 : 0;
}

static inline int refuse(void *context, uint32_t module, uint64_t offset,
                         const struct names_frame *frames, uint32_t count)
{
    (void)context, (void)module, (void)offset, (void)frames, (void)count;
    return -ERR_NOMEM;
}

#endif
