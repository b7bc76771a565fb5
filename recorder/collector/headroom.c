/* Reading what is left (headroom.h). Why every group on the way up: the tightest need not be the
 * innermost. Why descriptors are kept: this is read often. */
#define _GNU_SOURCE
#include "recorder/collector/headroom.h"
#include "format/groups.h"
#include "recorder/collector/descriptor.h"
#include "recorder/failpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_BYTES 8192

static const char *const v1[] = {"memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"};
static const char *const v2[] = {"memory.max", "memory.current", "memory.stat"};

static int open_in(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return length < (int)sizeof path ? descriptor_hold(open(path, O_RDONLY | O_CLOEXEC)) : -1;
}

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_group(const struct headroom_group *group)
{
    close_one(group->limit);
    close_one(group->usage);
    close_one(group->stat);
}

static bool take_group(void *context, const char *folder, bool is_v1)
{
    struct headroom *h = context;
    const char *const *names = is_v1 ? v1 : v2;
    struct headroom_group group = {open_in(folder, names[0]), open_in(folder, names[1]),
                                   open_in(folder, names[2])};
    if (group.limit >= 0 && group.usage >= 0 && h->count < HEADROOM_GROUPS)
        h->groups[h->count++] = group;
    else
        close_group(&group);
    return false;
}

void headroom_open(struct headroom *h, const char *proc, const char *groups, const char *membership)
{
    *h = (struct headroom){.meminfo = FAILPOINT(meminfo_open, open_in(proc, "meminfo"), -1)};
    groups_each(membership, groups, take_group, h);
}

void headroom_close(struct headroom *h)
{
    for (unsigned i = 0; i < h->count; i++)
        close_group(&h->groups[i]);
    close_one(h->meminfo);
    *h = (struct headroom){.meminfo = -1};
}

/* The file's text, from its beginning. Returns false: nothing to be read. */
static bool read_text(int fd, char *text, size_t capacity)
{
    ssize_t length = fd >= 0 ? pread(fd, text, capacity - 1, 0) : -1;
    text[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* What the kernel would give back before it kills: file cache, whole groups' figures in v1. */
static uint64_t reclaimable(const struct headroom_group *group)
{
    static const char *const names[2][2] = {{"total_inactive_file", "total_active_file"},
                                            {"inactive_file", "active_file"}};
    char text[STAT_BYTES];
    if (!read_text(group->stat, text, sizeof text))
        return 0;
    for (unsigned version = 0; version < 2; version++) {
        uint64_t inactive, active;
        if (groups_number(text, names[version][0], &inactive) &&
            groups_number(text, names[version][1], &active))
            return inactive + active;
    }
    return 0;
}

static void look_at_group(const struct headroom_group *group, struct headroom_left *left)
{
    char limit_text[64], usage_text[64];
    if (!read_text(group->limit, limit_text, sizeof limit_text) ||
        !read_text(group->usage, usage_text, sizeof usage_text))
        return;
    uint64_t limit = groups_limit(limit_text), usage = strtoull(usage_text, NULL, 10);
    if (limit == UINT64_MAX)
        return;
    uint64_t below = usage < limit ? limit - usage : 0;
    if (below >= left->left_bytes)
        return; /* the cache would only make it more */
    uint64_t cache = reclaimable(group), unused = below + (cache < usage ? cache : usage);
    if (unused >= left->left_bytes)
        return;
    left->left_bytes = unused;
    left->whole_bytes = limit;
    left->of_group = true;
}

bool headroom_read(const struct headroom *h, struct headroom_left *left)
{
    char text[4096];
    uint64_t total, available, swap = 0, swap_free = 0;
    if (!read_text(h->meminfo, text, sizeof text) || !groups_number(text, "MemTotal", &total) ||
        !groups_number(text, "MemAvailable", &available))
        return false;
    if (groups_number(text, "SwapTotal", &swap) && groups_number(text, "SwapFree", &swap_free))
        swap -= swap_free < swap ? swap_free : swap;
    *left = (struct headroom_left){
        .left_bytes = available << 10, .whole_bytes = total << 10, .swap_used_bytes = swap << 10};
    for (unsigned i = 0; i < h->count; i++)
        look_at_group(&h->groups[i], left);
    return true;
}
