/* memreplay inside the process (input.h). Why stdout and stderr are other streams for the run: what
 * it says is looked at, and a fuzzer's own words are not in it. */
#include "tests/fuzz/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define main memreplay_main
#include "replay/main.c"
#undef main

enum { WORDS = 12 };

#define TRACE  "@"  /* what is fuzzed */
#define WHOLE  "="  /* a sound trace */
#define OUTPUT "@o" /* a file to write */

static const char *const table[][WORDS] = {
    {"peak", TRACE},
    {"verify", TRACE},
    {"sqlite", "-f", "-o", OUTPUT, TRACE},
    {"diff", WHOLE, TRACE},
    {"summary", TRACE},
    {"summary", "--json", TRACE},
    {"peak", "--json", TRACE},
    {"peak", "--table", "--full", TRACE},
    {"peak", "--full", "--at", "50%", TRACE},
    {"leaks", "--json", "--from", "20%", "--to", "peak", TRACE},
    {"leaks", "--table", TRACE},
    {"temporary", "--threshold", "5", TRACE},
    {"temporary", "--json", "--thread", "MainThread", TRACE},
    {"timeline", TRACE},
    {"timeline", "--json", "--from", "10%", TRACE},
    {"closing", TRACE},
    {"verify", "--json", TRACE},
    {"summary", "--from", "peak", "--to", "90%", TRACE},
    {"flamegraph", "-o", "-", TRACE},
    {"flamegraph", "--leaks", "--inverted", "-o", "-", TRACE},
    {"flamegraph", "--svg", "-o", "-", TRACE},
    {"export", "--format", "pprof", "-o", "-", TRACE},
    {"export", "--format", "speedscope", "-o", "-", TRACE},
    {"export", "--format", "folded", "-o", "-", TRACE},
    {"export", "--format", "csv", "-o", "-", TRACE},
    {"diff", TRACE, WHOLE},
    {"diff", "--json", "--totals", TRACE, TRACE},
    {"diff", "--markdown", WHOLE, TRACE},
    {"diff", "--html", "-o", "-", WHOLE, TRACE},
    {"diff", "--leaks", "--full", "--from", "10%", TRACE},
    {"check", "--max-peak", "1", "--max-leaks", "1", "--max-rss", "1", "--limit", "main=1", TRACE},
    {"check", "--json", "--max-temporary", "1", "--baseline", WHOLE, "--max-growth", "1%", TRACE},
    {"peak", "--frames", "python", TRACE},
    {"leaks", "--json", "--frames", "all", TRACE},
    {"flamegraph", "--svg", "--frames", "all", "-o", "-", TRACE},
    {"export", "--format", "pprof", "--frames", "all", "-o", "-", TRACE},
    {"diff", "--frames", "python", TRACE, TRACE},
    {"pack", "-f", "-o", OUTPUT, TRACE},
    {"peak", "--frames", "all", TRACE},
    {"export", "--format", "folded", "--frames", "all", "-o", "-", TRACE},
};

static const char *const check_limits[WORDS] = {"check", "--limits", TRACE, WHOLE};
static const char *const read_database[WORDS] = {"summary", "--json", OUTPUT};

unsigned command_count(void) { return sizeof table / sizeof *table; }

static char folder[] = "/dev/shm/memrec-fuzz-XXXXXX", database[sizeof folder + 8];

static void remove_folder(void)
{
    unlink(database);
    rmdir(folder);
}

static const char *output_path(void)
{
    if (!*database) {
        must(mkdtemp(folder) != NULL);
        snprintf(database, sizeof database, "%s/run.db", folder);
        atexit(remove_folder);
    }
    return database;
}

/* A character that steers a terminal: a control, but for line ends (CSV's too) and tabs; what turns
 * the direction of text; U+2028 and U+2029. */
static bool steers(const unsigned char *at, size_t left)
{
    if (*at == '\n' || *at == '\t' || (left > 1 && at[0] == '\r' && at[1] == '\n'))
        return false;
    if (*at < 0x20 || *at == 0x7F)
        return true;
    if (left > 1 && at[0] == 0xC2 && at[1] < 0xA0)
        return true;
    if (left > 2 && at[0] == 0xE2 && at[1] == 0x80)
        return (at[2] >= 0xA8 && at[2] <= 0xAE) || at[2] == 0x8E || at[2] == 0x8F;
    if (left > 2 && at[0] == 0xE2 && at[1] == 0x81)
        return at[2] >= 0xA6 && at[2] <= 0xA9;
    return left > 1 && at[0] == 0xD8 && at[1] == 0x9C;
}

static void look_at(const char *said, size_t length)
{
    for (size_t i = 0; i < length; i++)
        must(!steers((const unsigned char *)said + i, length - i));
}

static bool is_binary(const char *const *words) { return words[2] && !strcmp(words[2], "pprof"); }

static int run_words(const char *const *words, const char *trace)
{
    char *argv[WORDS + 2] = {"memreplay"}, *said[2] = {0};
    size_t length[2];
    int argc = 1;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)(!strcmp(words[argc - 1], TRACE)    ? trace
                              : !strcmp(words[argc - 1], WHOLE)  ? "tests/golden/v2.lz4"
                              : !strcmp(words[argc - 1], OUTPUT) ? output_path()
                                                                 : words[argc - 1]);
    FILE *real[2] = {stdout, stderr};
    stdout = open_memstream(&said[0], &length[0]);
    stderr = open_memstream(&said[1], &length[1]);
    int status = memreplay_main(argc, argv);
    fclose(stdout);
    fclose(stderr);
    stdout = real[0];
    stderr = real[1];
    must(status >= 0 && status <= 3);
    if (!is_binary(words))
        look_at(said[0], length[0]);
    look_at(said[1], length[1]);
    if (getenv("FUZZ_SHOW"))
        fprintf(stderr, "memreplay %s: %d\n%s%s", words[0], status, said[0], said[1]);
    free(said[0]);
    free(said[1]);
    return status;
}

void command_run(unsigned which, const char *path)
{
    const char *const *words = table[which % command_count()];
    int status = run_words(words, path);
    bool writes = !strcmp(words[0], "sqlite") || !strcmp(words[0], "pack");
    if (writes && status != 2 && access(output_path(), F_OK) == 0) {
        run_words(read_database, path);
        unlink(database);
    }
}

void command_check(const char *limits_path) { run_words(check_limits, limits_path); }
