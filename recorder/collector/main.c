/* memrec: the command line's first word, and the only place that prints errors and exits.
 * Not here: anything that is done. */
#define _GNU_SOURCE
#include "recorder/collector/launch.h"
#include "recorder/collector/mark.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MEMREC_VERSION
#    define MEMREC_VERSION "0.1.0"
#endif

static void print_help(void)
{
    printf(
        "memrec records every allocation of a program with the Python stack behind it.\n\n"
        "usage: memrec run [options] job.py [args…]\n"
        "       memrec run [options] -m package.module [args…]\n"
        "       memrec run [options] -c 'code' [args…]\n"
        "       memrec run [options] -- PROGRAM [args…]\n"
        "       memrec mark [--pid PID] NAME             names a moment of a recording that runs\n"
        "       memrec --help | --version\n\n");
}

static void print_run_help(void)
{
    printf("usage: memrec run [options] job.py [args…]      the first python3 on PATH runs it\n"
           "       memrec run [options] -m package.module [args…]\n"
           "       memrec run [options] -c 'code' [args…]\n"
           "       memrec run [options] -- PROGRAM [args…]  any program, such as "
           "/opt/py312/bin/python job.py\n\n"
           "Records every allocation and free into a trace that memreplay reads.\n\n");
    options_print();
    printf("\nexit status: the program's own; 128+N where signal N ended it; 53 where it ended for "
           "lack of memory;\n"
           "125 where memrec itself failed before the start, 126 not executable, 127 not found\n\n"
           "example: memrec run -o before.lz4 job.py --rows 1000 && memreplay peak before.lz4\n");
}

static int fail(const struct err *err, int status)
{
    fprintf(stderr, "memrec: %s\n", err->text);
    return status;
}

static int run(int argc, char **argv)
{
    struct options options;
    struct target target;
    struct err err = {0};
    if (options_read(&options, argc, argv, &err) != 0) {
        fprintf(stderr, "memrec: %s\nmemrec: see memrec run --help\n", err.text);
        return EXIT_OUR_FAILURE;
    }
    if (options.help) {
        print_run_help();
        return 0;
    }
    int status = target_find(&target, &options, &err);
    if (!status)
        status = launch_run(&options, &target, &err);
    target_release(&target);
    return err.code ? fail(&err, status) : status;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (getuid() != geteuid() || getgid() != getegid()) { /* files would be another's */
        fputs("memrec: runs neither set-uid nor set-gid; take the bit from its file\n", stderr);
        return EXIT_OUR_FAILURE;
    }
    if (!strcmp(word, "run"))
        return run(argc - 1, argv + 1);
    if (!strcmp(word, "--version")) {
        printf("memrec %s\n", MEMREC_VERSION);
        return 0;
    }
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
        print_help();
        return 0;
    }
    if (!strcmp(word, "mark"))
        return mark_run(argc - 1, argv + 1);
    fprintf(stderr, "memrec: %s%s; see memrec --help\n",
            *word ? "unknown command " : "give a command", word);
    return EXIT_OUR_FAILURE;
}
