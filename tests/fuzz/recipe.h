/* A sound trace of hostile columns: what a mutator changes is what stands in the tables of a block,
 * while sizes, counts, checksums and compression around it are made right.
 * Why a text of its own and no mutator that takes traces apart: any fuzzer can change it,
 * libFuzzer, AFL++ or a loop that flips bits, and a shorter one is still a recipe.
 *
 *   recipe:  word flags u8 | block | block | …
 *   block:   flags u8 | length of each column u16 × 7 | the columns one after another
 *
 * Not here: what is done with the trace (fuzz_columns.c). Not thread-safe. */
#ifndef TESTS_FUZZ_RECIPE_H
#define TESTS_FUZZ_RECIPE_H

#include "tests/fuzz/input.h"

enum recipe_flag { RECIPE_SAMPLED = 1, RECIPE_NO_TRAILER = 2, RECIPE_ARGUMENTS = 4 };
enum recipe_block_flag {
    RECIPE_CODING_1 = 1, /* six columns, as version 1 has them */
    RECIPE_GAP = 2,      /* a block is missing before it */
    RECIPE_JUMP_IDS = 4, /* and defined 100 of everything */
    RECIPE_JUMP_ALLOCS = 8,
    RECIPE_LIE = 16, /* the header counts one event more than there is */
};

/* Makes the trace; the caller frees it. *size receives its bytes. */
uint8_t *recipe_cook(const uint8_t *recipe, size_t recipe_size, size_t *size);
/* The recipe of a trace in a file, as far as 64 KiB columns go; the caller frees it. NULL: it is no
 * sound trace. */
uint8_t *recipe_of(int fd, size_t *size);

#endif
