/* Python texts as UTF-8, in every representation of PEP 393 and both layouts of its header. */
#include "tests/unit/preload/fake.h"

#include "recorder/preload/pystr.h"

/* A text of kind-byte characters; compact or with its characters elsewhere. */
static uintptr_t text_of(unsigned kind, bool compact, const uint32_t *characters, size_t n)
{
    const struct layout *l = &interp.layout;
    uintptr_t text = (uintptr_t)fake_memory(200 + 4 * n);
    uint8_t *data = compact ? (uint8_t *)text + l->text_compact_data : fake_memory(4 * n + 1);
    fake_put(text, l->text_length, n);
    fake_put_int(text, l->text_state,
                 (int32_t)(kind << l->text_kind_bit | (unsigned)compact << l->text_compact_bit));
    if (!compact)
        fake_put(text, l->text_data, (uintptr_t)data);
    for (size_t i = 0; i < n; i++)
        memcpy(data + kind * i, &characters[i], kind);
    return text;
}

static void assert_utf8(uintptr_t text, const char *expected)
{
    char out[64];
    size_t n = pystr_utf8(&interp.layout, text, out, sizeof out);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(out, expected, n);
}

/* The rows whose texts differ. */
static const struct {
    int minor;
    bool free_threaded;
} rows[] = {{9, false}, {12, false}, {13, true}, {14, true}};

static void test_pystr__reads_each_representation(void **state)
{
    (void)state;
    const uint32_t latin[] = {'h', 0xE9, 0xFF, 0x80}, two[] = {'a', 0x3B1, 0x20AC, 0x7FF, 0x800},
                   four[] = {0x1F600, 'x', 0x10FFFF, 0x20AC};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(layout_find(&interp.layout, rows[i].minor, rows[i].free_threaded));
        assert_utf8(fake_text("plain"), "plain");
        assert_utf8(fake_text(""), "");
        for (int compact = 0; compact < 2; compact++) {
            assert_utf8(text_of(1, compact, latin, 4), "h\xC3\xA9\xC3\xBF\xC2\x80");
            assert_utf8(text_of(2, compact, two, 5), "a\xCE\xB1\xE2\x82\xAC\xDF\xBF\xE0\xA0\x80");
            assert_utf8(text_of(4, compact, four, 4),
                        "\xF0\x9F\x98\x80x\xF4\x8F\xBF\xBF\xE2\x82\xAC");
        }
    }
}

static void test_pystr__a_lone_surrogate_is_spelled_out(void **state)
{
    (void)state;
    const uint32_t broken[] = {'a', 0xD800, 'b', 0xDFFF, 0xDC80};
    assert_utf8(text_of(2, true, broken, 5), "a\\ud800b\\udfff\\udc80");
}

static void test_pystr__is_cut_between_characters(void **state)
{
    (void)state;
    const uint32_t euros[] = {0x20AC, 0x20AC, 0x20AC}, surrogates[] = {'a', 0xD800};
    char out[16];
    for (size_t room = 0; room <= 9; room++)
        assert_int_equal(pystr_utf8(&interp.layout, text_of(2, true, euros, 3), out, room),
                         room / 3 * 3);
    assert_int_equal(pystr_utf8(&interp.layout, text_of(2, true, surrogates, 2), out, 6), 1);
    assert_int_equal(pystr_utf8(&interp.layout, text_of(2, true, surrogates, 2), out, 7), 7);
}

static void test_pystr__an_unknown_representation_is_empty(void **state)
{
    (void)state;
    const uint32_t any[] = {'a', 'b'};
    uintptr_t legacy = text_of(1, false, any, 2);
    fake_put_int(legacy, interp.layout.text_state, 0);
    assert_utf8(legacy, "");
    uintptr_t nowhere = text_of(1, false, any, 2);
    fake_put(nowhere, interp.layout.text_data, 0);
    assert_utf8(nowhere, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pystr__reads_each_representation),
        cmocka_unit_test(test_pystr__a_lone_surrogate_is_spelled_out),
        cmocka_unit_test(test_pystr__is_cut_between_characters),
        cmocka_unit_test(test_pystr__an_unknown_representation_is_empty),
    };
    return cmocka_run_group_tests_name("pystr", tests, NULL, NULL);
}
