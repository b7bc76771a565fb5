/* A fuzz target: any text as the file of `memreplay check --limits`, which has a reader of TOML of
 * its own (analyzer/toml.h). Not here: what holds and what does not (tests/e2e/test_check.py). */
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char path[INPUT_PATH];
    input_file(0, bytes, size, path);
    command_check(path);
    return 0;
}
