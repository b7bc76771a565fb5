/* Functions by address, out of symbol tables that are played here. */
#include "tests/unit/starve.h"

#include "replay/elf_symbols.h"

#include "format/error.h"
#include "replay/libdw.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { CODE = 1, MANY = 3000 };

/* A symbol as a file has it. */
struct played {
    const char *name;
    uint64_t start, size;
    int type, binding, section;
};

static const struct played *table;
static int table_count;

static int play_count(Dwfl_Module *module)
{
    (void)module;
    return table_count;
}

static const char *play_symbol(Dwfl_Module *module, int index, GElf_Sym *symbol, GElf_Addr *start,
                               GElf_Word *section, Elf **elf, Dwarf_Addr *bias)
{
    (void)module, (void)section, (void)elf, (void)bias;
    const struct played *p = &table[index];
    *symbol = (GElf_Sym){.st_info = GELF_ST_INFO(p->binding, p->type),
                         .st_shndx = (GElf_Section)p->section,
                         .st_size = p->size};
    *start = p->start;
    return p->name;
}

static int read_table(struct elf_symbols *s, const struct played *symbols, int count)
{
    table = symbols;
    table_count = count;
    libdw.dwfl_module_getsymtab = play_count;
    libdw.dwfl_module_getsym_info = play_symbol;
    return elf_symbols_read(s, 0);
}

static void assert_name(const struct elf_symbols *s, uint64_t address, const char *name)
{
    const char *found = elf_symbols_find(s, address);
    if (!found || !name)
        assert_ptr_equal(found, name);
    else
        assert_string_equal(found, name);
}

static void test_elf_symbols__a_name_is_for_the_bytes_of_its_symbol(void **state)
{
    (void)state;
    static const struct played symbols[] = {
        {"second", 0x200, 0x10, STT_FUNC, STB_GLOBAL, CODE},
        {"first", 0x100, 0x80, STT_FUNC, STB_GLOBAL, CODE},
        {"third", 0x210, 1, STT_FUNC, STB_GLOBAL, CODE},
    };
    struct elf_symbols s;
    assert_int_equal(read_table(&s, symbols, 3), 0);
    assert_int_equal(s.count, 3);
    assert_name(&s, 0, 0);
    assert_name(&s, 0xFF, 0);
    assert_name(&s, 0x100, "first");
    assert_name(&s, 0x17F, "first");
    assert_name(&s, 0x180, 0);
    assert_name(&s, 0x1FF, 0);
    assert_name(&s, 0x200, "second");
    assert_name(&s, 0x20F, "second");
    assert_name(&s, 0x210, "third");
    assert_name(&s, 0x211, 0);
    assert_name(&s, UINT64_MAX, 0);
    elf_symbols_release(&s);
    assert_null(s.items);
}

static void test_elf_symbols__the_innermost_of_symbols_in_each_other(void **state)
{
    (void)state;
    static const struct played symbols[] = {
        {"whole", 0x100, 0x1000, STT_FUNC, STB_GLOBAL, CODE},
        {"part", 0x100, 0x40, STT_FUNC, STB_GLOBAL, CODE},
        {"inner", 0x200, 0x100, STT_FUNC, STB_GLOBAL, CODE},
        {"core", 0x240, 0x10, STT_FUNC, STB_GLOBAL, CODE},
        {"last", 0x400, 0x10, STT_FUNC, STB_GLOBAL, CODE},
        {"behind", 0x2000, 0x10, STT_FUNC, STB_GLOBAL, CODE},
    };
    struct elf_symbols s;
    assert_int_equal(read_table(&s, symbols, 6), 0);
    assert_name(&s, 0x100, "part");
    assert_name(&s, 0x13F, "part");
    assert_name(&s, 0x140, "whole");
    assert_name(&s, 0x23F, "inner");
    assert_name(&s, 0x240, "core");
    assert_name(&s, 0x250, "inner");
    assert_name(&s, 0x300, "whole");
    assert_name(&s, 0x410, "whole");
    assert_name(&s, 0x10FF, "whole");
    assert_name(&s, 0x1100, 0);
    assert_name(&s, 0x1FFF, 0);
    assert_name(&s, 0x2000, "behind");
    elf_symbols_release(&s);
}

static void test_elf_symbols__what_is_no_function_names_nothing(void **state)
{
    (void)state;
    static const struct played symbols[] = {
        {"without a size", 0x100, 0, STT_FUNC, STB_GLOBAL, CODE},
        {"data", 0x100, 8, STT_OBJECT, STB_GLOBAL, CODE},
        {"file", 0x100, 8, STT_FILE, STB_LOCAL, CODE},
        {"elsewhere", 0x100, 8, STT_FUNC, STB_GLOBAL, SHN_UNDEF},
        {"number", 0x100, 8, STT_FUNC, STB_GLOBAL, SHN_ABS},
        {"common", 0x100, 8, STT_FUNC, STB_GLOBAL, SHN_COMMON},
        {"", 0x100, 8, STT_FUNC, STB_GLOBAL, CODE},
        {0, 0x100, 8, STT_FUNC, STB_GLOBAL, CODE},
        {"around the end", UINT64_MAX - 1, 8, STT_FUNC, STB_GLOBAL, CODE},
        {"to the end", UINT64_MAX - 7, 8, STT_FUNC, STB_GLOBAL, CODE},
        {"chosen at start", 0x200, 8, STT_GNU_IFUNC, STB_GLOBAL, CODE},
        {"by hand", 0x300, 8, STT_NOTYPE, STB_GLOBAL, CODE},
    };
    struct elf_symbols s;
    assert_int_equal(read_table(&s, symbols, 12), 0);
    assert_int_equal(s.count, 2);
    assert_name(&s, 0x100, 0);
    assert_name(&s, UINT64_MAX, 0);
    assert_name(&s, 0x200, "chosen at start");
    assert_name(&s, 0x300, "by hand");
    elf_symbols_release(&s);
}

/* Of two names for the same bytes the first one here is taken, in whatever order they come. */
static void test_elf_symbols__the_name_that_programs_use(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int binding;
    } pairs[][2] = {
        {{"_long_and_global", STB_GLOBAL}, {"local", STB_LOCAL}},
        {{"weak_too", STB_WEAK}, {"local", STB_LOCAL}},
        {{"fputs", STB_WEAK}, {"_IO_fputs", STB_GLOBAL}},
        {{"_one", STB_GLOBAL}, {"__two", STB_GLOBAL}},
        {{"strong_name", STB_GLOBAL}, {"weak", STB_WEAK}},
        {{"short", STB_GLOBAL}, {"longer", STB_GLOBAL}},
        {{"abc", STB_GLOBAL}, {"abd", STB_GLOBAL}},
        {{"short", STB_LOCAL}, {"longer", STB_LOCAL}},
        {{"short", STB_WEAK}, {"longer", STB_WEAK}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (int first = 0; first < 2; first++) {
            struct played symbols[3];
            struct elf_symbols s;
            for (int k = 0; k < 2; k++)
                symbols[k] = (struct played){pairs[i][k ^ first].name,    0x100, 8, STT_FUNC,
                                             pairs[i][k ^ first].binding, CODE};
            symbols[2] = (struct played){"other", 0x100, 4, STT_FUNC, STB_LOCAL, CODE};
            assert_int_equal(read_table(&s, symbols, 3), 0);
            assert_int_equal(s.count, 2);
            assert_name(&s, 0x106, pairs[i][0].name);
            assert_name(&s, 0x102, "other");
            elf_symbols_release(&s);
        }
}

static void test_elf_symbols__no_table_is_no_error(void **state)
{
    (void)state;
    struct elf_symbols s;
    assert_int_equal(read_table(&s, 0, -1), 0);
    assert_name(&s, 0, 0);
    elf_symbols_release(&s);
}

static struct played many[MANY];
static char names[MANY][16];

static void make_many(void)
{
    for (uint32_t i = 0; i < MANY; i++) {
        uint64_t seed = i * UINT64_C(0x9E3779B97F4A7C15);
        snprintf(names[i], sizeof names[i], "f%u", i);
        many[i] = (struct played){
            names[i], (seed >> 40) % 6000 * 10, 1 + (seed >> 20) % 40, STT_FUNC, STB_GLOBAL, CODE};
        many[i].size *= i % 50 ? 1 : 100;
        if (i % 5 == 4) { /* another name for one before it */
            many[i].start = many[i / 2].start;
            many[i].size = many[i / 2].size;
        }
    }
}

/* The one that starts last, of these the shortest, of these the best name: by going through all. */
static const char *brute(uint64_t address)
{
    const struct played *best = 0;
    for (const struct played *p = many; p < many + MANY; p++) {
        if (address < p->start || address >= p->start + p->size)
            continue;
        if (best && (p->start < best->start || (p->start == best->start && p->size > best->size)))
            continue;
        bool same = best && p->start == best->start && p->size == best->size;
        size_t more = same ? strlen(p->name) : 0, less = same ? strlen(best->name) : 0;
        if (!same || more < less || (more == less && strcmp(p->name, best->name) < 0))
            best = p;
    }
    return best ? best->name : 0;
}

static void test_elf_symbols__thousands_in_any_order(void **state)
{
    (void)state;
    struct elf_symbols s;
    make_many();
    assert_int_equal(read_table(&s, many, MANY), 0);
    for (uint64_t address = 0; address < 61000; address++)
        assert_name(&s, address, brute(address));
    elf_symbols_release(&s);
}

static void test_elf_symbols__out_of_memory_is_said(void **state)
{
    (void)state;
    struct elf_symbols s;
    int rc = -ERR_NOMEM, tried = 0;
    if (!STARVE_WORKS)
        skip();
    make_many();
    long held = starve_held;
    for (; tried < 3; tried++) { /* room for 1,024, 2,048, 4,096 */
        starve_after = tried;
        rc = read_table(&s, many, MANY);
        starve_after = -1;
        assert_int_equal(rc, -ERR_NOMEM);
        elf_symbols_release(&s);
        assert_int_equal(starve_held, held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elf_symbols__a_name_is_for_the_bytes_of_its_symbol),
        cmocka_unit_test(test_elf_symbols__the_innermost_of_symbols_in_each_other),
        cmocka_unit_test(test_elf_symbols__what_is_no_function_names_nothing),
        cmocka_unit_test(test_elf_symbols__the_name_that_programs_use),
        cmocka_unit_test(test_elf_symbols__no_table_is_no_error),
        cmocka_unit_test(test_elf_symbols__thousands_in_any_order),
        cmocka_unit_test(test_elf_symbols__out_of_memory_is_said),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
