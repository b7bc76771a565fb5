/* The OOM-kill counter (cgroup.h), read from whichever of the three files this system has.
 * Why all three: containers show their own cgroup at the root, older systems only v1. */
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

/* One line of /proc/self/cgroup: "id:controllers:path". Returns its counter or -1. */
static int64_t line_counter(char *line)
{
    char path[PATH_MAX];
    char *controllers = strchr(line, ':'),
         *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return -1;
    *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    controllers++;
    if (!*controllers)
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.events", group);
    else if (strstr(controllers, "memory"))
        snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.oom_control", group);
    else
        return -1;
    return read_counter(path);
}

uint64_t cgroup_oom_kills(void)
{
    char line[PATH_MAX];
    int64_t count = -1;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && count < 0 && fgets(line, sizeof line, file))
        count = line_counter(line);
    if (file)
        fclose(file);
    if (count < 0)
        count = read_counter("/proc/vmstat");
    return count < 0 ? 0 : (uint64_t)count;
}
