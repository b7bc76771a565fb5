/* The offsets of modules that frames stand at: each once, sorted, and found again. */
#include "tests/unit/starve.h"

#include "replay/asked.h"

#include "format/error.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct text text(const char *bytes) { return (struct text){bytes, (uint32_t)strlen(bytes)}; }

static void module(struct symbols *s, uint32_t id, const char *path)
{
    struct native_function f = {
        .kind = FUNCTION_MODULE, .name = text(path), .file = text(path), .module = text(path)};
    assert_int_equal(symbols_define_native(s, id, &f), 0);
}

static uint32_t frame(struct symbols *s, uint32_t function, uint64_t line)
{
    uint32_t made;
    assert_int_equal(symbols_intern_frame(s, function, line, &made), 0);
    return made;
}

/* Functions 1 and 4 are the same module, 3 is another, 2 is Python's, 5 has a name. Frames by
 * index: 0 to 8. */
static int start(void **state)
{
    static struct symbols s;
    symbols_init(&s);
    module(&s, 1, "a.so");
    symbols_define_function(&s, 2, FUNCTION_PYTHON, text("main"), text("job.py"), 1);
    module(&s, 3, "b.so");
    module(&s, 4, "a.so");
    symbols_define_function(&s, 5, FUNCTION_NATIVE, text("known"), text("a.so"), 0);
    frame(&s, 3, 7);
    frame(&s, 1, 0x30);
    frame(&s, 2, 0x30);
    frame(&s, 1, 0x10);
    frame(&s, 4, 0x30); /* 4: as frame 1 */
    frame(&s, 5, 0x10);
    frame(&s, 1, 0x20);
    frame(&s, 9, 1); /* 7: of a function that nothing defines */
    frame(&s, 4, 0x40);
    *state = &s;
    return 0;
}

static int stop(void **state)
{
    symbols_release(*state);
    return 0;
}

static void test_asked__each_offset_stands_there_once_and_sorted(void **state)
{
    struct asked a;
    assert_int_equal(asked_init(&a, *state, 0), 0);
    const uint64_t offsets[] = {0x10, 0x20, 0x30, 0x40, 7};
    const uint32_t of_frame[] = {5, 3, 0, 1, 3, 0, 2, 0, 4};
    assert_int_equal(a.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(a.items[i].offset, offsets[i]);
        assert_int_equal(a.items[i].module, i == 4);
        assert_int_equal(a.items[i].count, 0);
        assert_false(a.items[i].answered);
    }
    assert_int_equal(a.module_count, 2);
    assert_int_equal(a.modules[0].function, 1);
    assert_int_equal(a.modules[0].first, 0);
    assert_int_equal(a.modules[0].count, 4);
    assert_int_equal(a.modules[1].function, 3);
    assert_int_equal(a.modules[1].first, 4);
    assert_int_equal(a.modules[1].count, 1);
    assert_int_equal(a.frame_count, 9);
    assert_memory_equal(a.of_frame, of_frame, sizeof of_frame);
    asked_release(&a);
    assert_null(a.items);
    assert_int_equal(a.count, 0);
}

static void test_asked__only_the_frames_that_are_wanted(void **state)
{
    struct asked a;
    const uint8_t wanted[9] = {[3] = 1, [2] = 1, [4] = 1};
    const uint32_t of_frame[] = {0, 0, 0, 1, 2, 0, 0, 0, 0};
    assert_int_equal(asked_init(&a, *state, wanted), 0);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.module_count, 1);
    assert_int_equal(a.modules[0].count, 2);
    assert_memory_equal(a.of_frame, of_frame, sizeof of_frame);
    asked_release(&a);
    const uint8_t none[9] = {0};
    assert_int_equal(asked_init(&a, *state, none), 0);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.module_count, 0);
    asked_release(&a);
}

static void test_asked__an_offset_is_found_in_its_own_module_alone(void **state)
{
    struct asked a;
    assert_int_equal(asked_init(&a, *state, 0), 0);
    for (uint32_t i = 0; i < a.count; i++) {
        assert_ptr_equal(asked_find(&a, a.items[i].module, a.items[i].offset), &a.items[i]);
        assert_null(asked_find(&a, !a.items[i].module, a.items[i].offset));
        assert_null(asked_find(&a, a.items[i].module, a.items[i].offset + 1));
        assert_null(asked_find(&a, a.items[i].module, a.items[i].offset - 1));
    }
    assert_null(asked_find(&a, 0, 0));
    assert_null(asked_find(&a, 1, UINT64_MAX));
    asked_release(&a);
}

static void test_asked__answers_stand_one_behind_the_other(void **state)
{
    struct asked a;
    assert_int_equal(asked_init(&a, *state, 0), 0);
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t k = 0; k < 200 * i; k++)
            assert_int_equal(asked_add_frame(&a, &a.items[i], 1000 * i + k), 0);
    assert_int_equal(a.answer_frames, 2000);
    for (uint32_t i = 1, first = 0; i < 5; first += 200 * i, i++) {
        assert_int_equal(a.items[i].first, first);
        assert_int_equal(a.items[i].count, 200 * i);
        for (uint32_t k = 0; k < 200 * i; k++)
            assert_int_equal(a.frames[first + k], 1000 * i + k);
    }
    assert_int_equal(a.items[0].count, 0);
    asked_release(&a);
}

/* The order in which frames came does not matter. */
static void test_asked__thousands_of_frames_in_any_order(void **state)
{
    enum { MODULES = 7, OFFSETS = 500 };
    struct symbols s;
    struct asked a;
    (void)state;
    symbols_init(&s);
    for (uint32_t m = 0; m < MODULES; m++)
        module(&s, 1 + m, (char[]){(char)('a' + m), 0});
    for (uint32_t i = 0; i < MODULES * OFFSETS; i++) {
        uint32_t mixed = i * 1999 % (MODULES * OFFSETS);
        frame(&s, 1 + mixed % MODULES, mixed / MODULES * UINT64_C(0x100000001));
    }
    assert_int_equal(asked_init(&a, &s, 0), 0);
    assert_int_equal(a.count, MODULES * OFFSETS);
    assert_int_equal(a.module_count, MODULES);
    for (uint32_t i = 0; i < a.count; i++) {
        assert_int_equal(a.items[i].module, i / OFFSETS);
        assert_true(a.items[i].offset == i % OFFSETS * UINT64_C(0x100000001));
    }
    for (uint32_t i = 0; i < a.frame_count; i++) {
        const struct asked_offset *item = &a.items[a.of_frame[i] - 1];
        assert_true(item->offset == s.frames[i].line);
        assert_int_equal(a.modules[item->module].function, s.frames[i].function);
    }
    asked_release(&a);
    symbols_release(&s);
}

static void test_asked__out_of_memory_is_said_and_leaves_nothing(void **state)
{
    struct asked a;
    int rc = -ERR_NOMEM, tried = 0;
    if (!STARVE_WORKS)
        skip();
    long held = starve_held;
    for (; rc; tried++) {
        starve_after = tried;
        rc = asked_init(&a, *state, 0);
        for (uint32_t i = 0; !rc && i < 300; i++)
            rc = asked_add_frame(&a, &a.items[0], i);
        bool met = starve_after < 0;
        starve_after = -1;
        assert_int_equal(rc, met ? -ERR_NOMEM : 0);
        asked_release(&a);
        assert_int_equal(starve_held, held);
    }
    assert_int_equal(tried, 4 + 2 + 1); /* its arrays, twice room for answers, and none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_asked__each_offset_stands_there_once_and_sorted, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_asked__only_the_frames_that_are_wanted, start, stop),
        cmocka_unit_test_setup_teardown(test_asked__an_offset_is_found_in_its_own_module_alone,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_asked__answers_stand_one_behind_the_other, start,
                                        stop),
        cmocka_unit_test(test_asked__thousands_of_frames_in_any_order),
        cmocka_unit_test_setup_teardown(test_asked__out_of_memory_is_said_and_leaves_nothing, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
