/* The least of all limits above us (ceiling.h). Why every group on the way up: the tightest need
 * not be the innermost. */
#define _GNU_SOURCE
#include "replay/ceiling.h"

#include "format/groups.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

static bool take_limit(void *context, const char *folder, bool v1)
{
    uint64_t *least = context;
    char path[PATH_MAX], text[64];
    if (snprintf(path, sizeof path, "%s/memory.%s", folder, v1 ? "limit_in_bytes" : "max") >=
        (int)sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    uint64_t limit = fgets(text, sizeof text, file) ? groups_limit(text) : UINT64_MAX;
    fclose(file);
    *least = limit < *least ? limit : *least;
    return false;
}

uint64_t ceiling_bytes(const char *membership, const char *groups, uint64_t machine_bytes)
{
    uint64_t least = machine_bytes;
    groups_each(membership, groups, take_limit, &least);
    least = least / 4 * 3;
    return least > CEILING_LEAST_BYTES ? least : CEILING_LEAST_BYTES;
}
