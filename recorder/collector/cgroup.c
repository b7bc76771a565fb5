/* The OOM-kill counter (cgroup.h), read from whichever of the three files this system has.
 * Why all three: older systems have only v1. Why also by shortened paths: in a container our
 * group's path is the host's, while its files stand at the top of what is mounted. */
#define _GNU_SOURCE
#include "recorder/collector/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The number behind "oom_kill " in a file of such lines. Returns -1 where there is none. */
static int64_t read_counter(const char *path)
{
    char line[256];
    long long count = -1;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "oom_kill %lld", &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}

/* The counter of the group at `path`, or of the nearest above it that has one; -1: none. */
static int64_t nearest_counter(const char *root, char *path, const char *name)
{
    char file[PATH_MAX];
    for (;;) {
        int64_t count = -1;
        if (snprintf(file, sizeof file, "%s%s/%s", root, path, name) < (int)sizeof file)
            count = read_counter(file);
        char *last = strrchr(path, '/');
        if (count >= 0 || !last)
            return count;
        *last = 0;
    }
}

/* One line of /proc/self/cgroup: "id:controllers:path". Returns its counter or -1. */
static int64_t line_counter(const char *groups, char *line)
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

uint64_t cgroup_oom_kills_of(const char *proc, const char *groups, const char *membership)
{
    char line[PATH_MAX], vmstat[PATH_MAX];
    int64_t count = -1;
    FILE *file = fopen(membership, "re");
    while (file && count < 0 && fgets(line, sizeof line, file))
        count = line_counter(groups, line);
    if (file)
        fclose(file);
    snprintf(vmstat, sizeof vmstat, "%s/vmstat", proc);
    if (count < 0)
        count = read_counter(vmstat);
    return count < 0 ? 0 : (uint64_t)count;
}

uint64_t cgroup_oom_kills(void)
{
    return cgroup_oom_kills_of("/proc", "/sys/fs/cgroup", "/proc/self/cgroup");
}
