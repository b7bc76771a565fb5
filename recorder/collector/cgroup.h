/* How often the kernel has killed for lack of memory where a process runs: the counter of its
 * cgroup (v2 memory.events, v1 memory.oom_control), else the machine's (/proc/vmstat). Why: it is
 * the only way to tell an out-of-memory kill from any other SIGKILL. Why the file is kept open: the
 * process may be gone when it is read again. Not here: limits (headroom.h). Not thread-safe. */
#ifndef RECORDER_COLLECTOR_CGROUP_H
#define RECORDER_COLLECTOR_CGROUP_H

#include <stdint.h>

struct cgroup_kills {
    int fd;          /* the counter's file; -1: nothing tells */
    uint64_t before; /* the count when it was opened */
};

/* Finds the counter of the cgroup that a process is in now, and opens it. To be closed. */
void cgroup_kills_open(struct cgroup_kills *k, uint32_t pid);
/* The same in other folders than /proc and /sys/fs/cgroup; process: the one's name in proc. */
void cgroup_kills_open_in(struct cgroup_kills *k, const char *proc, const char *groups,
                          const char *process);
/* How many kills since it was opened; 0 also where nothing tells, or its group has been removed. */
uint64_t cgroup_kills_since(const struct cgroup_kills *k);
/* Closes the file; a second time does nothing. */
void cgroup_kills_close(struct cgroup_kills *k);

#endif
