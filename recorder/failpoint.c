/* Arming and firing (failpoint.h). Only in the variant FAIL=1; the Makefile leaves it out of all
 * others. Why raw system calls: this runs inside the recorded process too, beneath malloc. */
#define _GNU_SOURCE
#include "recorder/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STOP (-1)
#define KILL (-2)
#define HANG (-3)

static const struct {
    const char *name;
    int error;
} list[FAILPOINT_COUNT] = {
#define FAILPOINT_ENTRY(name, error, text) {#name, error},
#include "recorder/failpoints.def"
#undef FAILPOINT_ENTRY
};

/* What MEMREC_FAIL asks for; first 0: not armed. */
static struct armed {
    uint32_t first, last;
    int how;
    _Atomic uint32_t passed;
} armed[FAILPOINT_COUNT];

static _Atomic uint32_t state; /* 0 not read yet, 1 being read, 2 read */

static void arm(const char *text, size_t length)
{
    size_t name = strcspn(text, ":,");
    for (unsigned i = 0; i < FAILPOINT_COUNT; i++) {
        struct armed *a = &armed[i];
        if (strlen(list[i].name) != name || memcmp(list[i].name, text, name))
            continue;
        const char *at = text + name, *end = text + length;
        char *rest;
        a->first = 1;
        a->last = UINT32_MAX;
        a->how = list[i].error;
        if (at >= end)
            return;
        a->first = (uint32_t)strtoul(at + 1, &rest, 10);
        a->last = *rest == '+' ? UINT32_MAX : a->first;
        at = rest + (*rest == '+');
        if (at < end && at[1] >= '0' && at[1] <= '9')
            a->how = (int)strtol(at + 1, NULL, 10);
        else if (at < end)
            a->how = at[1] == 's' ? STOP : at[1] == 'h' ? HANG : KILL;
    }
}

static void read_environment(void)
{
    const char *text = getenv("MEMREC_FAIL");
    while (text && *text) {
        size_t length = strcspn(text, ",");
        arm(text, length);
        text += length + (text[length] == ',');
    }
}

static void mark(const char *name)
{
    const char *path = getenv("MEMREC_FAIL_MARKS");
    char line[64];
    size_t length = strlen(name);
    if (!path)
        return;
    memcpy(line, name, length);
    line[length] = '\n';
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    syscall(SYS_write, fd, line, length + 1);
    syscall(SYS_close, fd);
}

static void signal_self(int number) { syscall(SYS_kill, syscall(SYS_getpid), number); }

bool failpoint_fires(enum failpoint id)
{
    struct armed *a = &armed[id];
    int saved = errno;
    uint32_t unread = 0;
    if (atomic_load(&state) != 2) {
        if (!atomic_compare_exchange_strong(&state, &unread, 1))
            return false;
        read_environment();
        atomic_store(&state, 2);
    }
    if (!a->first)
        return false;
    uint32_t now = atomic_fetch_add(&a->passed, 1) + 1;
    if (now < a->first || now > a->last)
        return false;
    if (now - a->first < 16)
        mark(list[id].name);
    if (a->how == STOP || a->how == KILL)
        signal_self(a->how == STOP ? SIGSTOP : SIGKILL);
    while (a->how == HANG)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    errno = a->how > 0 ? a->how : saved;
    return true;
}
