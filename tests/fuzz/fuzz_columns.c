/* A fuzz target: sound blocks of hostile columns (recipe.h) through any command of memreplay. The
 * first byte says which. Why: here mutations reach replay and reports instead of ending at a
 * checksum or at a size. Not here: hostile files (fuzz_replay.c). */
#include "tests/fuzz/recipe.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[INPUT_PATH];
    size_t trace_size;
    if (size < 2)
        return 0;
    uint8_t *trace = recipe_cook(bytes + 1, size - 1, &trace_size);
    input_file(0, trace, trace_size, path);
    free(trace);
    command_run(bytes[0], path);
    return 0;
}
