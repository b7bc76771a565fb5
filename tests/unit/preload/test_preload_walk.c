/* The walker on an interpreter made of bytes, in each of its three ways to tell an instruction:
 * 3.9 (a number), 3.12 (an address in the code), 3.14t (an address in thread-local bytecode). */
#include "tests/unit/preload/walked.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_walk__tells_frames_and_instructions(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        uint32_t node = walk_current(&walker);
        assert_int_equal(walk_current(&walker), node);
        fake_frame_ip(c.frames[3], c.codes[3], 42);
        assert_stack("leaf@42 b@30 a@20 root@10");
        fake_frame_ip(c.frames[3], c.codes[3], 40);
        assert_int_equal(walk_current(&walker), node);
    }
}

static void test_walk__notices_a_caller_that_moved_below_unchanged_frames(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        fake_frame_ip(c.frames[1], c.codes[1], 22);
        assert_stack("leaf@40 b@30 a@22 root@10");
        fake_frame_ip(c.frames[0], c.codes[0], 12);
        assert_stack("leaf@40 b@30 a@22 root@12");
    }
}

static void test_walk__notices_that_all_callers_have_moved_on(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        for (int by = 2; by >= -2; by -= 4) {
            for (int i = 0; i < 3; i++)
                fake_frame_ip(c.frames[i], c.codes[i], 10 * (i + 1) + by);
            assert_stack(by > 0 ? "leaf@40 b@32 a@22 root@12" : "leaf@40 b@28 a@18 root@8");
        }
    }
}

static void test_walk__notices_other_code_in_the_same_frame(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        uintptr_t other = fake_code("other");
        fake_put(c.frames[2], interp.layout.frame_code, other);
        fake_frame_ip(c.frames[2], other, 30);
        assert_stack("leaf@40 other@30 a@20 root@10");
    }
}

static void test_walk__notices_a_frame_that_is_linked_elsewhere(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        uintptr_t between = fake_frame(c.frames[1], fake_code("between"), 6);
        fake_put(c.frames[2], interp.layout.frame_previous, between);
        assert_stack("leaf@40 b@30 between@6 a@20 root@10");
        fake_put(c.frames[2], interp.layout.frame_previous, c.frames[0]);
        assert_stack("leaf@40 b@30 root@10");
    }
}

static void test_walk__a_code_that_died_gives_its_name_to_no_other(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++)
        for (int walked_between = 0; walked_between < 2; walked_between++) {
            struct chain c = chain_start(family);
            fake_set_top(c.frames[2]);
            if (walked_between)
                assert_stack("b@30 a@20 root@10");
            fake_code_dies(c.codes[3]);
            fake_code_at(c.codes[3], "heir");
            fake_set_top(c.frames[3]); /* the same address, frame and instruction */
            assert_stack("heir@40 b@30 a@20 root@10");
        }
}

static void test_walk__frames_that_do_not_count_are_passed_over(void **state)
{
    (void)state;
    for (int family = 2; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        uintptr_t shim = fake_shim(c.frames[1]);
        fake_put(c.frames[2], interp.layout.frame_previous, shim);
        assert_stack("leaf@40 b@30 a@20 root@10");
        fake_frame_ip(c.frames[2], c.codes[2], 2 * FAKE_TRACEABLE - 2);
        assert_stack("leaf@40 a@20 root@10");
        ((uint8_t *)c.frames[2])[interp.layout.frame_owner] = 1; /* a generator's */
        fake_frame_ip(c.frames[2], c.codes[2], -2);
        assert_stack("leaf@40 b@-1 a@20 root@10");
        fake_frame_ip(c.frames[3], c.codes[3], 0);
        assert_stack("b@-1 a@20 root@10");
        fake_set_top(fake_frame(shim, c.codes[2], -2)); /* the same, but no generator's */
        assert_stack("a@20 root@10");
    }
}

static void test_walk__a_chain_in_which_no_frame_counts_is_no_stack(void **state)
{
    (void)state;
    for (int family = 2; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        for (int i = 0; i < 4; i++)
            fake_frame_ip(c.frames[i], c.codes[i], 2 * FAKE_TRACEABLE - 2);
        for (int walks = 0; walks < 3; walks++)
            assert_int_equal(walk_current(&walker), NODE_NONE);
        fake_frame_ip(c.frames[1], c.codes[1], 20);
        assert_stack("a@20");
        assert_stack("a@20");
    }
}

static void test_walk__a_frame_not_begun_is_at_minus_one_where_numbers_tell(void **state)
{
    (void)state;
    for (int family = 0; family < 2; family++) {
        struct chain c = chain_start(family);
        fake_frame_ip(c.frames[3], c.codes[3], -1);
        assert_stack("leaf@-1 b@30 a@20 root@10");
    }
}

static void test_walk__thread_local_bytecode_has_its_own_base(void **state)
{
    (void)state;
    struct chain c = chain_start(FAMILIES - 1);
    const struct layout *l = &interp.layout;
    uintptr_t copy = (uintptr_t)fake_memory(2 * FAKE_UNITS), array = (uintptr_t)calloc(1, 64);
    fake_put(c.codes[3], l->code_tlbc, array);
    fake_put(array, l->tlbc_entries + 8 * 3, copy);
    fake_put_int(c.frames[3], l->frame_tlbc, 3);
    fake_put(c.frames[3], l->frame_ip, copy + 16);
    assert_stack("leaf@16 b@30 a@20 root@10");
}

static void test_walk__no_stack_without_thread_state_or_frame(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        fake_set_top(0);
        assert_int_equal(walk_current(&walker), NODE_NONE);
        fake_set_top(c.frames[3]);
        assert_stack("leaf@40 b@30 a@20 root@10");
        uintptr_t mine = fake_remembered;
        fake_attach(0); /* detached: the thread state that it remembers */
        assert_stack("leaf@40 b@30 a@20 root@10");
        fake_remembered = 0;
        assert_int_equal(walk_current(&walker), NODE_NONE);
        fake_remembered = mine;
    }
}

static void test_walk__the_holder_of_the_lock_is_another_thread(void **state)
{
    (void)state;
    for (int family = 0; family < 3; family++) {
        chain_start(family);
        uintptr_t other = fake_tstate();
        fake_put(other, interp.layout.tstate_thread, 0x7000);
        fake_put(other, interp.layout.tstate_frame, 0x1000); /* nothing may be read there */
        fake_attach(other);
        assert_stack("leaf@40 b@30 a@20 root@10");
        fake_put(fake_remembered, interp.layout.tstate_thread, 0x7001); /* reused by another */
        fake_attach(fake_remembered);
        fake_remembered = 0;
        assert_int_equal(walk_current(&walker), NODE_NONE);
    }
}

/* A thread state that the thread doesn't remember, with a frame of its own. */
static uintptr_t other_tstate(void)
{
    uintptr_t mine = fake_remembered, other = fake_tstate();
    fake_remembered = other;
    fake_set_top(fake_frame(0, fake_code("sub"), 8));
    fake_remembered = mine;
    return other;
}

/* Whichever of the interpreters has the lower address. */
static void test_walk__in_a_subinterpreter_the_holder_is_asked(void **state)
{
    (void)state;
    static const uintptr_t heads[] = {0x2000, 0x4000};
    for (int family = 0; family < 3; family++) {
        const struct layout *l = &interp.layout;
        chain_start(family);
        uintptr_t other = other_tstate();
        fake_put(interp.runtime, l->runtime_interp_main, 0x3000);
        fake_put(interp.runtime, l->runtime_interp_head, 0x3000);
        fake_attach(other);
        assert_stack("leaf@40 b@30 a@20 root@10"); /* no subinterpreter: it cannot be mine */
        for (int i = 0; i < 2; i++) {
            fake_put(interp.runtime, l->runtime_interp_head, heads[i]);
            walker.tstate = 0;
            assert_stack("sub@8");
        }
    }
}

static void test_walk__what_is_refused_is_lost_and_told_later(void **state)
{
    (void)state;
    struct walk_losses before, after;
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        walk_losses(&before);
        fake_refuse_nodes = true;
        fake_frame_ip(c.frames[1], c.codes[1], 24);
        assert_int_equal(walk_current(&walker), NODE_LOST);
        fake_refuse_nodes = false;
        fake_refuse_codes = true;
        assert_stack("leaf@40 b@30 a@24 root@10");
        fake_put(c.frames[3], interp.layout.frame_code, fake_code("new"));
        assert_int_equal(walk_current(&walker) == NODE_LOST, interp.layout.ip_kind != IP_POINTER);
        fake_refuse_codes = false;
        walk_losses(&after);
        assert_true(after.lost > before.lost);
    }
}

static void test_walk__errno_stays(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        errno = EXDEV;
        struct chain c = chain_start(family);
        assert_int_equal(errno, EXDEV);
        walker_release(&walker);
        walk_current(&walker);
        assert_int_equal(errno, EXDEV);
        fake_frame_ip(c.frames[1], c.codes[1], 50 + 2 * family);
        walk_current(&walker);
        assert_int_equal(errno, EXDEV);
        uintptr_t new = fake_code("new");
        fake_set_top(fake_frame(c.frames[3], new, 4));
        errno = EXDEV;
        walk_current(&walker);
        assert_int_equal(errno, EXDEV);
    }
}

static void test_walk__a_chain_beyond_the_limit_keeps_its_outermost_frames(void **state)
{
    (void)state;
    struct walk_losses before, after;
    struct chain c = chain_start(0);
    uintptr_t code = fake_code("deep"), previous = c.frames[3];
    for (int i = 0; i < WALK_DEPTH_MAX + 100; i++)
        previous = fake_frame(previous, code, i % 2 ? 4 : 6);
    fake_set_top(previous);
    walk_losses(&before);
    uint32_t depth = 0, id = walk_current(&walker);
    for (uint32_t at = id; at; at = fake_nodes[at].parent)
        depth++;
    walk_losses(&after);
    assert_int_equal(depth, WALK_DEPTH_MAX);
    assert_int_equal(after.truncated, before.truncated + 1);
    assert_int_equal(walk_current(&walker), id);
    fake_set_top(c.frames[3]);
    assert_stack("leaf@40 b@30 a@20 root@10");
}

/* Below the limit again by single steps: every frame that counts is told, none that is gone. */
static void test_walk__a_chain_that_shrinks_back_below_the_limit_is_told_whole(void **state)
{
    (void)state;
    enum { OVER = 40 };
    static uintptr_t frames[WALK_DEPTH_MAX + OVER];
    struct chain c = chain_start(0);
    uintptr_t code = fake_code("deep"), previous = c.frames[3];
    for (int i = 0; i < WALK_DEPTH_MAX + OVER; i++)
        frames[i] = previous = fake_frame(previous, code, i % 2 ? 4 : 6);
    fake_set_top(previous);
    uint32_t cut = walk_current(&walker);
    for (int i = WALK_DEPTH_MAX + OVER - 2; i >= WALK_DEPTH_MAX - 60; i--) {
        fake_set_top(frames[i]);
        uint32_t depth = 0, id = walk_current(&walker);
        for (uint32_t at = id; at; at = fake_nodes[at].parent)
            depth++;
        int frames_below = i + 5;
        assert_int_equal(depth, frames_below < WALK_DEPTH_MAX ? frames_below : WALK_DEPTH_MAX);
        assert_true(frames_below < WALK_DEPTH_MAX || id == cut);
    }
    fake_set_top(c.frames[3]);
    assert_stack("leaf@40 b@30 a@20 root@10");
}

/* Random calls, returns, jumps, code that dies between walks and comes back under another name:
 * what is told is what a list says. */
static void test_walk__agrees_with_a_list_over_random_histories(void **state)
{
    (void)state;
    enum { DEPTH = 60, CODES = 7 };
    for (int family = 0; family < FAMILIES; family++) {
        struct chain c = chain_start(family);
        uintptr_t frames[DEPTH], codes[CODES];
        int lasti[DEPTH], code_of[DEPTH], name_of[CODES], depth = 0;
        char expected[4096], name[16];
        for (int i = 0; i < CODES; i++) {
            snprintf(name, sizeof name, "c%d", i);
            codes[i] = fake_code(name);
            name_of[i] = i;
        }
        for (int i = 0; i < DEPTH; i++)
            frames[i] = (uintptr_t)fake_memory(256);
        srand(7 + (unsigned)family);
        for (int step = 0; step < 20000; step++) {
            int pops = rand() % 8 == 0 ? rand() % (depth + 1) : rand() % 3;
            int pushes = rand() % 8 == 0 ? rand() % 20 : rand() % 3;
            depth = depth > pops ? depth - pops : 0;
            int mortal = rand() % CODES, used = 0;
            for (int i = 0; i < depth; i++)
                used += code_of[i] == mortal;
            if (!used && rand() % 4 == 0) {
                name_of[mortal] = CODES + step;
                snprintf(name, sizeof name, "c%d", name_of[mortal]);
                fake_code_dies(codes[mortal]);
                fake_code_at(codes[mortal], name);
            }
            for (; pushes-- && depth < DEPTH; depth++) {
                code_of[depth] = rand() % CODES;
                lasti[depth] = 2 * (FAKE_TRACEABLE + rand() % (step % 2 ? 5 : 90));
                fake_frame_at(frames[depth], depth ? frames[depth - 1] : c.frames[3],
                              codes[code_of[depth]], lasti[depth]);
            }
            for (int moves = rand() % 3; moves-- && depth;) {
                int i = rand() % 2 ? depth - 1 : rand() % depth;
                lasti[i] = 2 * (FAKE_TRACEABLE + rand() % (step % 2 ? 5 : 90));
                fake_frame_ip(frames[i], codes[code_of[i]], lasti[i]);
            }
            fake_set_top(depth ? frames[depth - 1] : c.frames[3]);
            int n = 0;
            for (int i = depth - 1; i >= 0; i--)
                n += snprintf(expected + n, sizeof expected - (size_t)n, "c%d@%d ",
                              name_of[code_of[i]], lasti[i]);
            snprintf(expected + n, sizeof expected - (size_t)n, "leaf@40 b@30 a@20 root@10");
            assert_stack(expected);
        }
    }
}

/* Before the layout is trusted, nothing is read but through the kernel. */
static void test_walk__frames_that_cannot_be_refuse_the_layout(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        for (uintptr_t junk = 0x1000; junk; junk = junk == 0x1000 ? (uintptr_t)&walker + 3 : 0) {
            walker_release(&walker);
            fake_start(families[family].minor, families[family].free_threaded);
            fake_set_top(junk);
            fake_verdict = INTERP_NONE;
            assert_int_equal(walk_current(&walker), NODE_NONE);
            assert_int_equal(fake_verdict, INTERP_FRAMES_MISMATCH);
            fake_set_top(fake_frame(0, fake_code("late"), 4));
            assert_int_equal(walk_current(&walker), NODE_NONE); /* off for good */
        }
    }
}

static bool mapped(const void *memory)
{
    unsigned char in_core;
    return mincore((void *)((uintptr_t)memory & ~UINT64_C(4095)), 1, &in_core) == 0;
}

static void test_walk__a_released_walker_keeps_no_memory(void **state)
{
    (void)state;
    struct chain c = chain_start(0);
    const void *shadow = walker.shadow, *recalls = walker.recalls;
    assert_true(mapped(shadow) && mapped(recalls));
    walker_release(&walker);
    assert_false(mapped(shadow) || mapped(recalls));
    assert_stack("leaf@40 b@30 a@20 root@10");
    fake_set_top(c.frames[0]);
    assert_stack("root@10");
}

static void finalise(int family)
{
    struct chain c = chain_start(family);
    uintptr_t other = fake_tstate();
    fake_put(interp.runtime, interp.layout.runtime_finalizing, fake_remembered);
    assert_stack("leaf@40 b@30 a@20 root@10");
    fake_put(interp.runtime, interp.layout.runtime_finalizing, other);
    assert_int_equal(walk_current(&walker), NODE_NONE);
    fake_attach(0);
    assert_int_equal(walk_current(&walker), NODE_NONE);
    fake_put(interp.runtime, interp.layout.runtime_finalizing, 0);
    assert_int_equal(walk_current(&walker), NODE_NONE); /* detached: nobody vouches */
    fake_attach(fake_remembered);
    fake_set_top(c.frames[0]);
    assert_stack("root@10"); /* attached again: a new interpreter */
    walk_stop();
    assert_int_equal(walk_current(&walker), NODE_NONE);
}

/* While the interpreter finalises, thread states may be freed under any thread but the one that
 * finalises. */
static void test_walk__only_the_finalising_thread_is_walked_to_the_end(void **state)
{
    (void)state;
    for (int family = 0; family < FAMILIES; family++) {
        pid_t child = fork(); /* each family needs a process that has seen no end yet */
        if (!child) {
            finalise(family);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk__tells_frames_and_instructions),
        cmocka_unit_test(test_walk__notices_a_caller_that_moved_below_unchanged_frames),
        cmocka_unit_test(test_walk__notices_that_all_callers_have_moved_on),
        cmocka_unit_test(test_walk__notices_other_code_in_the_same_frame),
        cmocka_unit_test(test_walk__notices_a_frame_that_is_linked_elsewhere),
        cmocka_unit_test(test_walk__a_code_that_died_gives_its_name_to_no_other),
        cmocka_unit_test(test_walk__frames_that_do_not_count_are_passed_over),
        cmocka_unit_test(test_walk__a_chain_in_which_no_frame_counts_is_no_stack),
        cmocka_unit_test(test_walk__a_frame_not_begun_is_at_minus_one_where_numbers_tell),
        cmocka_unit_test(test_walk__thread_local_bytecode_has_its_own_base),
        cmocka_unit_test(test_walk__no_stack_without_thread_state_or_frame),
        cmocka_unit_test(test_walk__the_holder_of_the_lock_is_another_thread),
        cmocka_unit_test(test_walk__in_a_subinterpreter_the_holder_is_asked),
        cmocka_unit_test(test_walk__what_is_refused_is_lost_and_told_later),
        cmocka_unit_test(test_walk__errno_stays),
        cmocka_unit_test(test_walk__a_chain_beyond_the_limit_keeps_its_outermost_frames),
        cmocka_unit_test(test_walk__a_chain_that_shrinks_back_below_the_limit_is_told_whole),
        cmocka_unit_test(test_walk__agrees_with_a_list_over_random_histories),
        cmocka_unit_test(test_walk__frames_that_cannot_be_refuse_the_layout),
        cmocka_unit_test(test_walk__a_released_walker_keeps_no_memory),
        cmocka_unit_test(test_walk__only_the_finalising_thread_is_walked_to_the_end),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
