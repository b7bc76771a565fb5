/* A folder of a test's own below /tmp, with files in it as the kernel writes them. Not here: what
 * the files say. */
#ifndef TESTS_UNIT_COLLECTOR_FOLDER_H
#define TESTS_UNIT_COLLECTOR_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

/* Writes "<folder>/<name>" to path[256]. */
static inline void in_folder(char *path, const char *name)
{
    snprintf(path, 256, "%s/%s", folder, name);
}

/* Makes or replaces the file, and the folders above it. */
static inline void write_file(const char *name, const char *text)
{
    char path[256];
    in_folder(path, name);
    for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A test's setup. */
static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test_collector.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* A test's teardown. */
static inline int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#endif
