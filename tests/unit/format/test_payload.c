/* What reading a block's payload says when memory is out. */
#include "format/payload.h"
#include "format/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { FITS = 64 };

/* As one wishes, with 1 GiB of address space. */
static int read_of(uint32_t payload_bytes, uint32_t packed_bytes)
{
    struct payload_reader reader;
    struct rlimit before, small;
    assert_int_equal(payload_reader_init(&reader), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    small = (struct rlimit){1u << 30, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    const uint8_t frame_bytes[FITS] = {0};
    struct block_frame frame = {.bytes = FITS, .packed_bytes = packed_bytes};
    struct block_info info = {.payload_bytes = payload_bytes};
    const char *what;
    int result = payload_read(&reader, frame_bytes, &frame, &info, &what);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    payload_reader_release(&reader);
    return result;
}

static void test_payload__without_memory_is_no_damage(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* it reserves more than any limit */
    assert_int_equal(read_of(UINT32_MAX, FITS), -ERR_NOMEM);
    assert_int_equal(read_of(FITS, UINT32_MAX), -ERR_NOMEM);
    assert_int_equal(read_of(FITS, FITS), -ERR_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload__without_memory_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
