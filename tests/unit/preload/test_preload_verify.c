/* A layout is trusted only when live frames agree with it: one fault in the chain, and nothing is
 * walked; what the verdict says names the fault. */
#include "tests/unit/preload/walked.h"

#include <sys/mman.h>

enum { PAGE = 4096 };

/* An untrusted chain of three frames, in parts that a test can spoil. */
struct untrusted {
    uintptr_t code, frames[3];
};

static struct untrusted untrusted_chain(const struct version *version)
{
    struct untrusted u;
    walker_release(&walker);
    fake_start(version->minor, version->free_threaded);
    fake_verdict = INTERP_NONE;
    u.code = fake_code("f");
    uintptr_t previous = fake_shim(0);
    for (int i = 0; i < 3; i++)
        previous = u.frames[i] = fake_frame(previous, u.code, 10);
    fake_set_top(previous);
    return u;
}

static void assert_refused(const char *why)
{
    assert_int_equal(walk_current(&walker), NODE_NONE);
    assert_int_equal(fake_verdict, INTERP_FRAMES_MISMATCH);
    assert_non_null(strstr(fake_fact, why));
    assert_int_equal(walk_current(&walker), NODE_NONE);
}

static void assert_trusted(void)
{
    assert_int_not_equal(walk_current(&walker), NODE_NONE);
    assert_int_equal(fake_verdict, INTERP_OK);
}

static bool has_owner(void) { return interp.layout.frame_owner != LAYOUT_NONE; }
static bool has_shim(void) { return interp.layout.frame_owner_shim != LAYOUT_NONE; }

static void test_verify__a_sound_chain_is_trusted(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        untrusted_chain(&versions[v]);
        assert_trusted();
        assert_ptr_equal(strstr(fake_fact, "CPython "), fake_fact);
        assert_non_null(strstr(fake_fact, ": live frames agree"));
    }
}

/* Two frames convince nobody, but are walked. */
static void test_verify__a_short_chain_is_walked_and_not_trusted_yet(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        struct untrusted u = untrusted_chain(&versions[v]);
        fake_set_top(u.frames[1]);
        assert_int_not_equal(walk_current(&walker), NODE_NONE);
        assert_int_equal(fake_verdict, INTERP_NONE);
        fake_set_top(u.frames[2]);
        assert_trusted();
    }
}

static void test_verify__instructions_outside_of_the_code(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        const int wrong[] = {-4, -6, 2 * FAKE_UNITS + 2, 2 * FAKE_UNITS + 400, 1 << 20};
        for (int i = 0; i < 5; i++)
            for (int frame = 0; frame < 3; frame++) {
                struct untrusted u = untrusted_chain(&versions[v]);
                fake_frame_ip(u.frames[frame], u.code, wrong[i]);
                assert_refused("a frame's instruction is not in its code");
            }
        struct untrusted u = untrusted_chain(&versions[v]);
        fake_frame_ip(u.frames[2], u.code, interp.layout.ip_kind == IP_POINTER ? -2 : -1);
        assert_trusted(); /* not begun */
        u = untrusted_chain(&versions[v]);
        fake_frame_ip(u.frames[2], u.code, 2 * FAKE_UNITS - 2);
        assert_trusted(); /* the last one */
    }
}

/* A caller stands at a call, and that is never the first instruction; odd numbers are none. */
static void test_verify__numbers_that_no_instruction_has(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        struct untrusted u = untrusted_chain(&versions[v]);
        fake_frame_ip(u.frames[1], u.code, 0);
        assert_refused("a frame's instruction is not in its code");
        u = untrusted_chain(&versions[v]);
        fake_frame_ip(u.frames[2], u.code, 0);
        assert_trusted();
    }
    struct untrusted u = untrusted_chain(&versions[0]);
    fake_frame_ip(u.frames[2], u.code, 11);
    assert_refused("a frame's instruction is not in its code");
}

static void test_verify__codes_that_are_none(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        const struct layout *l = &interp.layout;
        for (int part = 0; part < 5; part++) {
            struct untrusted u = untrusted_chain(&versions[v]);
            const int32_t parts[] = {l->object_type, l->code_filename, l->code_name, l->code_table,
                                     l->code_qualname};
            if (parts[part] == LAYOUT_NONE)
                continue;
            fake_put(u.code, parts[part], (uintptr_t)fake_memory(256));
            assert_refused("a frame's code is no code object");
        }
        struct untrusted u = untrusted_chain(&versions[v]);
        uintptr_t table = fake_bytes(8);
        ((char *)table)[l->bytes_data + 8] = 1; /* where a NUL must be */
        fake_put(u.code, l->code_table, table);
        assert_refused("a frame's code is no code object");
        u = untrusted_chain(&versions[v]);
        fake_put(u.frames[1], l->frame_code, 0);
        assert_refused("a frame's code is no code object");
    }
}

static void test_verify__frames_that_are_none(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        struct untrusted u = untrusted_chain(&versions[v]);
        fake_set_top(u.frames[2] + 1);
        assert_refused("a frame's address is odd");
        u = untrusted_chain(&versions[v]);
        fake_put(u.frames[0], interp.layout.frame_previous, u.frames[2]); /* round and round */
        assert_refused("the chain of frames has no end");
        if (has_owner()) {
            u = untrusted_chain(&versions[v]);
            ((uint8_t *)u.frames[1])[interp.layout.frame_owner] = 5;
            assert_refused("a frame's owner is none that is known");
            u = untrusted_chain(&versions[v]);
            fake_put(u.frames[1], interp.layout.frame_previous, 0x10000);
            assert_refused("a frame cannot be read");
        }
        if (has_shim()) {
            u = untrusted_chain(&versions[v]);
            fake_put(u.frames[0], interp.layout.frame_previous, 0);
            assert_refused("the outermost frame is not the interpreter's own");
        }
    }
}

/* Memory of which the last page can't be read. */
static uintptr_t before_nothing(void)
{
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    return (uintptr_t)pages + PAGE;
}

/* A caller of whose frame all can be read but the instruction and what lies behind it. */
static void test_verify__an_instruction_that_cannot_be_read(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        struct untrusted u = untrusted_chain(&versions[v]);
        uintptr_t end = before_nothing(), frame = end - (uintptr_t)interp.layout.frame_ip;
        fake_frame_at(frame, u.frames[0], u.code, 10);
        fake_put(u.frames[2], interp.layout.frame_previous, frame);
        assert_int_equal(mprotect((void *)end, PAGE, PROT_NONE), 0);
        assert_refused("a frame");
        munmap((void *)(end - PAGE), 2 * PAGE);
    }
}

static void test_verify__thread_states_that_are_none(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++) {
        const struct layout *l = &interp.layout;
        untrusted_chain(&versions[v]);
        if (l->tstate_source == TSTATE_IN_RUNTIME) {
            fake_put(interp.runtime, l->runtime_tstate, 0); /* though it is attached */
            assert_refused("the runtime names another thread state");
        }
        untrusted_chain(&versions[v]);
        fake_put(fake_remembered, l->tstate_thread, 0x7000);
        assert_refused("the thread state is not this thread's");
        untrusted_chain(&versions[v]);
        fake_put(interp.code_type, l->object_size, 1);
        assert_refused("objects don't have their size where it should be");
        fake_put(interp.code_type, l->object_size, 0);
        if (l->cframe_frame == LAYOUT_NONE)
            continue;
        untrusted_chain(&versions[v]);
        fake_put(fake_remembered + 512, l->cframe_frame + 8, fake_remembered + 512);
        assert_refused("the thread state's C frames are none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify__a_sound_chain_is_trusted),
        cmocka_unit_test(test_verify__a_short_chain_is_walked_and_not_trusted_yet),
        cmocka_unit_test(test_verify__instructions_outside_of_the_code),
        cmocka_unit_test(test_verify__numbers_that_no_instruction_has),
        cmocka_unit_test(test_verify__codes_that_are_none),
        cmocka_unit_test(test_verify__frames_that_are_none),
        cmocka_unit_test(test_verify__an_instruction_that_cannot_be_read),
        cmocka_unit_test(test_verify__thread_states_that_are_none),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
