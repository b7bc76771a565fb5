/* What is usual costs little: of a stack that has moved by a few frames, the chain is not read
 * whole, and what a thread has told lately is not asked of the interner again. Both can be seen in
 * the walker: a whole walk writes its chain, an answer of the interner is remembered as recent. */
#include "tests/unit/preload/walked.h"

enum { CALLS = 4, TALL = 100, ROUNDS = 40 };

static struct {
    struct chain base; /* "leaf@40 b@30 a@20 root@10" */
    uintptr_t frames[TALL], codes[TALL];
    int depth, whole, asked, walks;
} stack;

static uintptr_t stack_top(void)
{
    return stack.depth ? stack.frames[stack.depth - 1] : stack.base.frames[3];
}

static void stack_start(int version, int depth)
{
    stack.base = chain_of(versions[version].minor, versions[version].free_threaded);
    stack.depth = 0;
    for (int i = 0; i < TALL; i++) {
        stack.codes[i] = fake_code("called");
        stack.frames[i] = (uintptr_t)fake_memory(256);
    }
    for (; stack.depth < depth; stack.depth++)
        fake_frame_at(stack.frames[stack.depth], stack_top(), stack.codes[stack.depth], 12);
    fake_set_top(stack_top());
    walk_current(&walker);
}

static void calls(int n, int lasti)
{
    for (; n--; stack.depth++)
        fake_frame_at(stack.frames[stack.depth], stack_top(), stack.codes[stack.depth], lasti);
    fake_set_top(stack_top());
}

/* Where a frame is marked, the interpreter moves the mark to the caller. */
static void returns(int n)
{
    const struct layout *l = &interp.layout;
    while (n--) {
        uintptr_t ended = stack_top(), *tstate = (uintptr_t *)fake_remembered;
        stack.depth--;
        if (l->tstate_mark != LAYOUT_NONE && tstate[l->tstate_mark / 8] == ended) {
            tstate[l->tstate_mark / 8] = stack_top();
            tstate[l->tstate_mark_pops / 8]++;
        }
    }
    fake_set_top(stack_top());
}

static void run_to(int lasti) { fake_frame_ip(stack_top(), stack.codes[stack.depth - 1], lasti); }

/* Walk, and see what it took. */
static void watch(void)
{
    walker.chain[0] = 1;
    walker.recent = 0;
    uint32_t node = walk_current(&walker);
    assert_true(node != NODE_NONE && node != NODE_LOST);
    stack.whole += walker.chain[0] != 1;
    stack.asked += walker.recent != 0;
    stack.walks++;
}

static void walk_unseen(void) { walk_current(&walker); }

/* The innermost frame goes round, as a loop does that allocates in several places. */
static void loop(void (*look)(void))
{
    for (int round = 0; round < ROUNDS; round++) {
        run_to(12 + 2 * (round % 4));
        look();
    }
}

/* The innermost frame calls from four places, `deep` frames at once. */
static void call_and_return(void (*look)(void), int deep)
{
    for (int round = 0; round < ROUNDS; round++) {
        run_to(12 + 2 * (round % 4));
        calls(deep, 20 + 2 * (round % 3));
        look();
        returns(deep);
        run_to(12 + 2 * (round % 4));
        if (deep < CALLS)
            look();
    }
}

static void usual_walks(int version, int depth)
{
    stack_start(version, depth);
    loop(walk_unseen);
    loop(watch);
    for (int deep = 1; deep <= CALLS; deep++) {
        call_and_return(walk_unseen, deep);
        loop(walk_unseen);
        call_and_return(watch, deep);
    }
    fake_attach(0); /* without the interpreter's lock, a thread still knows its state */
    loop(walk_unseen);
    loop(watch);
    fake_attach(fake_remembered);
    assert_int_equal(stack.whole, 0);
}

/* A place in the table of what was told serves many frames in turn, so now and then one is asked
 * for again; with thread-local bytecode nothing is told from there. */
static void test_walk__a_few_calls_and_returns_are_cheap(void **state)
{
    (void)state;
    for (int version = 0; version < VERSIONS; version++) {
        stack.whole = stack.asked = stack.walks = 0;
        for (int depth = 1; depth < 60; depth += depth < 4 || (depth > 14 && depth < 26) ? 1 : 7)
            usual_walks(version, depth);
        if (interp.layout.frame_tlbc == LAYOUT_NONE)
            assert_true(stack.asked * 3 < stack.walks);
    }
}

/* From a mark on, any number of calls up to 64 is few. */
static void test_walk__many_calls_on_a_marked_frame_are_cheap(void **state)
{
    (void)state;
    stack_start(VERSIONS - 2, 10);
    for (int deep = 1; deep <= 64; deep++) {
        call_and_return(walk_unseen, deep);
        stack.whole = 0;
        for (int round = 0; round < 4; round++) {
            loop(walk_unseen);
            calls(deep, 20);
            watch();
            returns(deep);
            loop(walk_unseen);
        }
        assert_int_equal(stack.whole, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk__a_few_calls_and_returns_are_cheap),
        cmocka_unit_test(test_walk__many_calls_on_a_marked_frame_are_cheap),
    };
    return cmocka_run_group_tests_name("walk_usual", tests, NULL, NULL);
}
