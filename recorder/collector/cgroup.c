/* The OOM-kill counter (cgroup.h), read from whichever of the three files this system has.
 * Why all three: older systems have only v1. Why also by shortened paths: in a container our
 * group's path is the host's, while its files stand at the top of what is mounted. */
#define _GNU_SOURCE
#include "recorder/collector/cgroup.h"

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
    long long count;
    ssize_t got;
    while (length < sizeof text - 1 &&
           (got = pread(fd, text + length, sizeof text - 1 - length, (off_t)length)) > 0)
        length += (size_t)got;
    text[length] = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "oom_kill %lld", &count) == 1)
            return count;
    }
    return -1;
}

/* A descriptor of a file that has the counter; -1: it has none. */
static int open_counter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read_counter(fd) >= 0)
        return fd;
    close(fd);
    return -1;
}

/* The counter of the group at `path`, or of the nearest above it that has one; -1: none. */
static int nearest_counter(const char *root, char *path, const char *name)
{
    char file[PATH_MAX];
    for (;;) {
        int fd = -1;
        if (snprintf(file, sizeof file, "%s%s/%s", root, path, name) < (int)sizeof file)
            fd = open_counter(file);
        char *last = strrchr(path, '/');
        if (fd >= 0 || !last)
            return fd;
        *last = 0;
    }
}

/* One line of /proc/PID/cgroup: "id:controllers:path". Returns its counter or -1. */
static int line_counter(const char *groups, char *line)
{
    char root[PATH_MAX];
    char *controllers = strchr(line, ':'),
         *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return -1;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    controllers++;
    if (!*controllers)
        return nearest_counter(groups, path, "memory.events");
    if (!strstr(controllers, "memory"))
        return -1;
    snprintf(root, sizeof root, "%s/memory", groups);
    return nearest_counter(root, path, "memory.oom_control");
}

void cgroup_kills_open_in(struct cgroup_kills *k, const char *proc, const char *groups,
                          const char *process)
{
    char line[PATH_MAX], path[PATH_MAX];
    *k = (struct cgroup_kills){.fd = -1};
    snprintf(path, sizeof path, "%s/%s/cgroup", proc, process);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (k->fd < 0 && fgets(line, sizeof line, file))
        k->fd = line_counter(groups, line);
    fclose(file);
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
