/* A walker on an interpreter made of bytes (fake.h), in each of its ways to tell an instruction:
 * 3.9 and 3.10 (a number), 3.11 and 3.12 (an address in the code), 3.14t (an address in
 * thread-local bytecode). One chain of four frames to begin with, and stacks compared in words. */
#ifndef TESTS_UNIT_PRELOAD_WALKED_H
#define TESTS_UNIT_PRELOAD_WALKED_H

#include "tests/unit/preload/fake.h"

#include <stdio.h>

static struct walker walker;

static const struct version {
    int minor;
    bool free_threaded;
} families[] = {{9, false}, {10, false}, {11, false}, {12, false}, {14, true}};
enum { FAMILIES = sizeof families / sizeof *families };

/* Every version that has a walk of its own. */
static const struct version versions[] = {{9, false},  {10, false}, {11, false}, {12, false},
                                          {13, false}, {13, true},  {14, false}, {14, true},
                                          {15, false}, {15, true}};
enum { VERSIONS = sizeof versions / sizeof *versions };

/* Walk, and compare with names and instructions, innermost first: "leaf@12 caller@4". */
static inline void assert_stack(const char *expected)
{
    char told[4096] = "";
    size_t n = 0;
    for (uint32_t id = walk_current(&walker); id; id = fake_nodes[id].parent)
        n += (size_t)snprintf(told + n, sizeof told - n, "%s%s@%d", n ? " " : "",
                              id == NODE_LOST ? "?" : fake_names[fake_nodes[id].code_id],
                              fake_nodes[id].lasti);
    assert_string_equal(told, expected);
}

struct chain {
    uintptr_t codes[4], frames[4];
};

/* root@10 -> a@20 -> b@30 -> leaf@40, on a shim where the version has them; walked and trusted. */
static inline struct chain chain_of(int minor, bool free_threaded)
{
    static const char *const names[] = {"root", "a", "b", "leaf"};
    struct chain c;
    walker_release(&walker);
    fake_start(minor, free_threaded);
    uintptr_t previous = fake_shim(0);
    for (int i = 0; i < 4; i++) {
        c.codes[i] = fake_code(names[i]);
        previous = c.frames[i] = fake_frame(previous, c.codes[i], 10 * (i + 1));
    }
    fake_set_top(c.frames[3]);
    assert_stack("leaf@40 b@30 a@20 root@10");
    assert_int_equal(fake_verdict, INTERP_OK);
    return c;
}

static inline struct chain chain_start(int family)
{
    return chain_of(families[family].minor, families[family].free_threaded);
}

#endif
