/* Names as people write them: C++ and Rust, what is neither, and names that would be endless. */
#include "replay/demangle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void expect(const char *name, const char *shown)
{
    char out[DEMANGLE_MAX_BYTES];
    assert_int_equal(demangle(name, out), strlen(shown));
    assert_string_equal(out, shown);
}

static void test_demangle__cxx_names_come_without_parameters(void **state)
{
    (void)state;
    expect("_Z3addii", "add");
    expect("_ZN5arrow6Buffer6resizeEl", "arrow::Buffer::resize");
    expect("_ZN4shop6basketIiE3addEi", "shop::basket<int>::add");
    expect("_ZN12_GLOBAL__N_16secretEv", "(anonymous namespace)::secret");
    expect("_ZNSt6vectorIiSaIiEED1Ev", "std::vector<int, std::allocator<int> >::~vector");
}

static void test_demangle__rust_names_of_both_styles(void **state)
{
    (void)state;
    expect("_ZN4core3vec12Vec$LT$T$GT$4push17h0123456789abcdefE", "core::vec::Vec<T>::push");
    expect("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
}

static void test_demangle__what_is_not_mangled_stays(void **state)
{
    (void)state;
    expect("main", "main");
    expect("_Z", "_Z");
    expect("_ZN", "_ZN");
    expect("_R", "_R");
    expect("", "");
    expect("_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault");
    expect("__libc_start_main@@GLIBC_2.34", "__libc_start_main");
    expect("@odd", "@odd");
}

/* Each level names the one before twice, so it has 2^40 names. */
static void test_demangle__a_name_that_doubles_itself_is_cut(void **state)
{
    (void)state;
    char name[4096], out[DEMANGLE_MAX_BYTES];
    size_t used = (size_t)sprintf(name, "_Z1fI1pIiiE");
    for (int i = 0; i < 40; i++)
        used += (size_t)sprintf(name + used, "S_IS%d_S%d_E", i, i);
    sprintf(name + used, "Evv");
    assert_true(demangle(name, out) < DEMANGLE_MAX_BYTES);
    assert_int_equal(strnlen(out, sizeof out), strlen(out));
}

static void test_demangle__long_and_deep_names_are_cut(void **state)
{
    (void)state;
    static char name[200000];
    char out[DEMANGLE_MAX_BYTES];
    memset(name, 'P', sizeof name - 1);
    memcpy(name, "_Z1f", 4);
    assert_int_equal(demangle(name, out), DEMANGLE_MAX_BYTES - 1);
    name[8000] = 0;
    assert_true(demangle(name, out) < DEMANGLE_MAX_BYTES);
    memset(name, 'x', 8000);
    assert_int_equal(demangle(name, out), DEMANGLE_MAX_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demangle__cxx_names_come_without_parameters),
        cmocka_unit_test(test_demangle__rust_names_of_both_styles),
        cmocka_unit_test(test_demangle__what_is_not_mangled_stays),
        cmocka_unit_test(test_demangle__a_name_that_doubles_itself_is_cut),
        cmocka_unit_test(test_demangle__long_and_deep_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
