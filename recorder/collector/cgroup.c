/* The OOM-kill counter (cgroup.h), read from whichever of the three files this system has.
 * Why all three: older systems have only v1. */
#define _GNU_SOURCE
#include "recorder/collector/cgroup.h"
#include "format/groups.h"
#include "recorder/collector/descriptor.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNTER_BYTES 32768 /* /proc/vmstat has some 6,000 */

/* The number behind "oom_kill " in a file of such lines. Returns -1 where there is none, or its
 * group is gone. */
static int64_t read_counter(int fd)
{
    char text[COUNTER_BYTES];
    size_t length = 0;
    uint64_t count;
    ssize_t got;
    while (length < sizeof text - 1 &&
           (got = pread(fd, text + length, sizeof text - 1 - length, (off_t)length)) > 0)
        length += (size_t)got;
    text[length] = 0;
    return groups_number(text, "oom_kill", &count) ? (int64_t)count : -1;
}

/* A descriptor of a file that has the counter; -1: it has none. */
static int open_counter(const char *path)
{
    int fd = descriptor_hold(open(path, O_RDONLY | O_CLOEXEC));
    if (fd < 0 || read_counter(fd) >= 0)
        return fd;
    close(fd);
    return -1;
}

static bool take_counter(void *context, const char *folder, bool v1)
{
    struct cgroup_kills *k = context;
    char file[PATH_MAX];
    if (snprintf(file, sizeof file, "%s/memory.%s", folder, v1 ? "oom_control" : "events") <
        (int)sizeof file)
        k->fd = open_counter(file);
    return k->fd >= 0;
}

void cgroup_kills_open_in(struct cgroup_kills *k, const char *proc, const char *groups,
                          const char *process)
{
    char path[PATH_MAX];
    *k = (struct cgroup_kills){.fd = -1};
    snprintf(path, sizeof path, "%s/%s/cgroup", proc, process);
    if (!groups_each(path, groups, take_counter, k))
        return;
    snprintf(path, sizeof path, "%s/vmstat", proc);
    if (k->fd < 0)
        k->fd = open_counter(path);
    if (k->fd >= 0)
        k->before = (uint64_t)read_counter(k->fd);
}

void cgroup_kills_open(struct cgroup_kills *k, uint32_t pid)
{
    char process[16];
    snprintf(process, sizeof process, "%u", pid);
    cgroup_kills_open_in(k, "/proc", "/sys/fs/cgroup", process);
}

uint64_t cgroup_kills_since(const struct cgroup_kills *k)
{
    int64_t now = k->fd >= 0 ? read_counter(k->fd) : -1;
    return now > (int64_t)k->before ? (uint64_t)now - k->before : 0;
}

void cgroup_kills_close(struct cgroup_kills *k)
{
    if (k->fd >= 0)
        close(k->fd);
    k->fd = -1;
}
