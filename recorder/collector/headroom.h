/* How much memory is left before the kernel has to kill: the least of what the machine says is
 * available and of what each control group above us (v1 or v2) has left below its limit. A group's
 * file cache does not count as used, as in the machine's own figure: the kernel gives it back
 * before it kills. Swap does not count as memory. Invariants: what cannot be read limits nothing;
 * where descriptors are few the innermost groups are read. Not thread-safe. Not here: what is done
 * about it (guard.h), kills so far (cgroup.h). */
#ifndef RECORDER_COLLECTOR_HEADROOM_H
#define RECORDER_COLLECTOR_HEADROOM_H

#include <stdbool.h>
#include <stdint.h>

#define HEADROOM_GROUPS 16u

/* One control group's files, open; stat may be -1. */
struct headroom_group {
    int limit, usage, stat;
};

struct headroom {
    int meminfo; /* -1: not to be had */
    unsigned count;
    struct headroom_group groups[HEADROOM_GROUPS];
};

struct headroom_left {
    uint64_t left_bytes;      /* the least of all */
    uint64_t whole_bytes;     /* what it is left of: the machine's memory or a group's limit */
    uint64_t swap_used_bytes; /* on the whole machine */
    bool of_group;            /* whole_bytes is a group's limit */
};

/* Opens the files. proc: "/proc"; groups: "/sys/fs/cgroup"; membership: "/proc/self/cgroup". */
void headroom_open(struct headroom *h, const char *proc, const char *groups,
                   const char *membership);
/* Reads them. Returns false where the machine does not tell; *left is unchanged then. */
bool headroom_read(const struct headroom *h, struct headroom_left *left);
/* Closes them. */
void headroom_close(struct headroom *h);

#endif
