/* What the fuzz targets share: numbers out of hostile bytes, hostile bytes as a file, checksums
 * made right, and a whole run of memreplay inside the process.
 * Why inside: a process a run would be a hundred times slower, and coverage would be lost. Why
 * checksums are made right: else no mutation would get past them. Not here: targets (fuzz_*.c), how
 * traces are made of columns (recipe.h). Not thread-safe; what must not be, aborts. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *at, *end;
};

/* The next `bytes` (at most 8) as a little-endian number; 0 where the input has ended. */
uint64_t input_number(struct input *in, unsigned bytes);
/* The next `wanted` bytes, or as many as there are; *got receives how many. */
const uint8_t *input_bytes(struct input *in, size_t wanted, size_t *got);

/* Aborts unless good. */
void must(bool good);

/* Makes the checksums of file headers, block headers and trailers right, wherever they stand. */
void mend_checksums(uint8_t *bytes, size_t size);

/* A nameless file of each number below INPUT_FILES. */
enum { INPUT_FILES = 3, INPUT_PATH = 40 };
/* Fills it with these bytes and goes back to its start; path (NULL: not wanted) receives a name for
 * it. Returns its descriptor. */
int input_file(unsigned number, const uint8_t *bytes, size_t size, char path[INPUT_PATH]);

/* How many command lines command_run knows. */
unsigned command_count(void);
/* Runs one of them on a trace or database (which: modulo command_count()), and a database that it
 * made through a report. It must end with 0 to 3, and what it writes for people must hold nothing
 * that steers a terminal. */
void command_run(unsigned which, const char *path);
/* `memreplay check --limits FILE` on a sound trace. */
void command_check(const char *limits_path);

#endif
