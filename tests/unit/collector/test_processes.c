/* What the definitions of all processes may take together. */
#include "recorder/collector/processes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static void test_definitions__take_a_sixteenth_of_memory_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(processes_definitions_bytes(0), 256 * MIB);
    assert_int_equal(processes_definitions_bytes(512 * MIB), 256 * MIB);
    assert_int_equal(processes_definitions_bytes(8192 * MIB), 512 * MIB);
    assert_int_equal(processes_definitions_bytes(24576 * MIB), 1536 * MIB);
    assert_int_equal(processes_definitions_bytes(UINT64_MAX), 2048 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions__take_a_sixteenth_of_memory_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
