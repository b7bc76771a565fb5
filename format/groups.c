/* Finding control groups' folders (groups.h): line by line, and in each path from its end. Why two
 * roots: v1 mounts each controller by itself, below its name. */
#define _GNU_SOURCE
#include "format/groups.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool names_memory(const char *controllers)
{
    return !strcmp(controllers, "memory") || strstr(controllers, "memory,") ||
           strstr(controllers, ",memory");
}

/* The group at `path` below `root`, and all above it. */
static bool visit_upward(const char *root, char *path, bool v1, groups_visit *visit, void *context)
{
    char folder[PATH_MAX];
    for (;;) {
        if (snprintf(folder, sizeof folder, "%s%s", root, path) < (int)sizeof folder &&
            visit(context, folder, v1))
            return true;
        char *last = strrchr(path, '/');
        if (!last)
            return false;
        *last = 0;
    }
}

/* One line: "id:controllers:path"; v2 names no controllers. */
static bool visit_line(const char *groups, char *line, groups_visit *visit, void *context)
{
    char root[PATH_MAX];
    char *controllers = strchr(line, ':'),
         *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path)
        return false;
    *path++ = 0;
    path[strcspn(path, "\n")] = 0;
    if (!*++controllers)
        return visit_upward(groups, path, false, visit, context);
    snprintf(root, sizeof root, "%s/memory", groups);
    return names_memory(controllers) && visit_upward(root, path, true, visit, context);
}

bool groups_each(const char *membership, const char *groups, groups_visit *visit, void *context)
{
    char line[PATH_MAX];
    FILE *file = fopen(membership, "re");
    bool over = false;
    if (!file)
        return false;
    while (!over && fgets(line, sizeof line, file))
        over = visit_line(groups, line, visit, context);
    fclose(file);
    return true;
}

bool groups_number(const char *text, const char *name, uint64_t *number)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) || (line[length] != ' ' && line[length] != ':'))
            continue;
        *number = strtoull(line + length + 1, NULL, 10);
        return true;
    }
    return false;
}

uint64_t groups_limit(const char *text)
{
    uint64_t limit = strtoull(text, NULL, 10);                            /* "max": 0 */
    return limit && limit < INT64_MAX / 4096 * 4096 ? limit : UINT64_MAX; /* v1's way to say none */
}
