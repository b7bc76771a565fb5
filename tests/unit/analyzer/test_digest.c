/* SHA-256 by the examples that its standard gives (FIPS 180-4 and NIST's example values). */
#include "analyzer/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *hex_of(const char *text, size_t length, size_t piece)
{
    static char out[2 * DIGEST_BYTES + 1];
    uint8_t bytes[DIGEST_BYTES];
    struct digest d;
    digest_init(&d);
    for (size_t at = 0; at < length; at += piece)
        digest_add(&d, text + at, length - at < piece ? length - at : piece);
    digest_end(&d, bytes);
    for (int i = 0; i < DIGEST_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return out;
}

static void test_digest__of_nothing(void **state)
{
    (void)state;
    assert_string_equal(hex_of("", 0, 1),
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_digest__of_one_block(void **state)
{
    (void)state;
    assert_string_equal(hex_of("abc", 3, 3),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_digest__whose_length_needs_a_block_of_its_own(void **state)
{
    const char *text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const char *wanted = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
    (void)state;
    assert_string_equal(hex_of(text, strlen(text), 56), wanted);
    assert_string_equal(hex_of(text, strlen(text), 5), wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest__of_nothing),
        cmocka_unit_test(test_digest__of_one_block),
        cmocka_unit_test(test_digest__whose_length_needs_a_block_of_its_own),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
