/* A fuzz target: any bytes as a trace through any command of memreplay. The first byte, which of a
 * trace is known, says by its difference which command. Why checksums are made right first: see
 * input.h. Not here: reader and decoder alone (fuzz_reader.c), which this does slowly. */
#include "tests/fuzz/input.h"

#include "format/part.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[INPUT_PATH];
    if (size < SKIPPABLE_BYTES)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    copy[0] = SKIPPABLE_MAGIC & 0xFF;
    mend_checksums(copy, size);
    input_file(0, copy, size, path);
    free(copy);
    command_run(bytes[0] ^ (SKIPPABLE_MAGIC & 0xFF), path);
    return 0;
}
