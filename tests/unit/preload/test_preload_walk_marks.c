/* The walker where CPython (3.15) marks a frame and counts the ends of marked ones: what lies below
 * the mark is not read, and all the same the stack is what a list says. */
#include "tests/unit/preload/walked.h"

/* The interpreter's part: the marked frame ends, and the mark goes to its caller. */
static void pop_marked(const struct chain *c, int i)
{
    const struct layout *l = &interp.layout;
    fake_put(fake_remembered, l->tstate_mark, c->frames[i - 1]);
    fake_put(fake_remembered, l->tstate_mark_pops,
             *(uintptr_t *)(fake_remembered + (uintptr_t)l->tstate_mark_pops) + 1);
    fake_set_top(c->frames[i - 1]);
}

static void test_walk__the_mark_vouches_for_what_lies_below_it(void **state)
{
    (void)state;
    struct chain c = chain_of(15, false);
    assert_stack("leaf@40 b@30 a@20 root@10"); /* marked from here on */
    fake_frame_ip(c.frames[3], c.codes[3], 44);
    assert_stack("leaf@44 b@30 a@20 root@10");
    pop_marked(&c, 3);
    fake_frame_ip(c.frames[2], c.codes[2], 32);
    assert_stack("b@32 a@20 root@10");
    pop_marked(&c, 2);
    pop_marked(&c, 1);
    fake_frame_ip(c.frames[0], c.codes[0], 12);
    uintptr_t next = fake_frame(c.frames[0], fake_code("next"), 2);
    fake_set_top(next);
    assert_stack("next@2 root@12");
    fake_frame_ip(c.frames[0], c.codes[0], 14); /* not while a frame stands on it */
    assert_stack("next@2 root@12");
}

/* A profiler outside of the process sets the mark to its own purposes: the count of pops tells. */
static void test_walk__a_foreign_mark_vouches_for_nothing(void **state)
{
    (void)state;
    struct chain c = chain_of(15, false);
    assert_stack("leaf@40 b@30 a@20 root@10");
    for (int i = 3; i; i--)
        pop_marked(&c, i);
    fake_frame_ip(c.frames[0], c.codes[0], 16);
    fake_set_top(c.frames[3]); /* called anew, in the same places */
    fake_put(fake_remembered, interp.layout.tstate_mark, c.frames[2]);
    assert_stack("leaf@40 b@30 a@20 root@16");
    fake_frame_ip(c.frames[1], c.codes[1], 26);
    fake_put(fake_remembered, interp.layout.tstate_mark, 0);
    assert_stack("leaf@40 b@30 a@26 root@16");
}

/* A frame of the interpreter's own ends without moving the mark. */
static void test_walk__a_mark_on_a_shim_vouches_for_nothing(void **state)
{
    (void)state;
    struct chain c = chain_of(15, false);
    uintptr_t shim = fake_shim(c.frames[3]), above = fake_frame(shim, fake_code("above"), 2);
    fake_set_top(above);
    assert_stack("above@2 leaf@40 b@30 a@20 root@10");
    fake_put(fake_remembered, interp.layout.tstate_mark, shim);
    fake_put(fake_remembered, interp.layout.tstate_mark_pops, 1);
    fake_frame_ip(c.frames[3], c.codes[3], 46); /* the shim has ended, and stands there anew */
    assert_stack("above@2 leaf@46 b@30 a@20 root@10");
}

enum { DEEPEST = 200, TALLEST = 1100 };

/* What a list says, as the interpreter would have it. */
static struct {
    struct chain base; /* below frame 0 */
    uintptr_t frames[TALLEST], codes[8];
    int lasti[TALLEST], code_of[TALLEST], depth;
    int lowest; /* no frame below this one has run since the mark was set */
} model;

static uintptr_t model_top(void)
{
    return model.depth ? model.frames[model.depth - 1] : model.base.frames[3];
}

static uintptr_t mark_word(int32_t offset)
{
    return *(uintptr_t *)(fake_remembered + (uintptr_t)offset);
}

static void model_return(void)
{
    const struct layout *l = &interp.layout;
    uintptr_t ended = model_top();
    model.depth--;
    if (model.lowest >= model.depth)
        model.lowest = model.depth - 1;
    if (l->tstate_mark == LAYOUT_NONE || mark_word(l->tstate_mark) != ended)
        return;
    fake_put(fake_remembered, l->tstate_mark, model_top());
    fake_put(fake_remembered, l->tstate_mark_pops, mark_word(l->tstate_mark_pops) + 1);
}

static void model_call(void)
{
    int i = model.depth;
    uintptr_t below = model_top();
    model.code_of[i] = rand() % 8;
    model.lasti[i] = 2 * (FAKE_TRACEABLE + rand() % 20);
    fake_frame_at(model.frames[i], below, model.codes[model.code_of[i]], model.lasti[i]);
    model.depth++;
}

static void model_run(int i)
{
    model.lasti[i] = 2 * (FAKE_TRACEABLE + rand() % 20);
    fake_frame_ip(model.frames[i], model.codes[model.code_of[i]], model.lasti[i]);
}

static void assert_model(void)
{
    fake_set_top(model_top());
    uint32_t id = walk_current(&walker);
    for (int i = model.depth - 1; i >= 0; i--, id = fake_nodes[id].parent) {
        assert_int_not_equal(id, NODE_LOST);
        assert_int_equal(atoi(fake_names[fake_nodes[id].code_id]), model.code_of[i]);
        assert_int_equal(fake_nodes[id].lasti, model.lasti[i]);
    }
    assert_string_equal(fake_names[fake_nodes[id].code_id], "leaf");
    model.lowest = model.depth - 1;
}

/* A step of the program between two allocations: it returns and calls, a few frames or many, and
 * callers move on before they call. */
static void model_step(void)
{
    int returns = rand() % 16 == 0 ? rand() % (model.depth + 1) : rand() % 3;
    int calls = rand() % 16 == 0 ? rand() % 90 : rand() % 3;
    while (returns-- > 0 && model.depth)
        model_return();
    int lowest = model.lowest < 0 ? 0 : model.lowest;
    if (model.depth && rand() % 2)
        model_run(model.depth - 1);
    while (calls-- > 0 && model.depth < DEEPEST)
        model_call();
    if (model.depth && rand() % 4 == 0)
        model_run(lowest + rand() % (model.depth - lowest));
    if (rand() % 64 == 0)
        fake_put(fake_remembered, interp.layout.tstate_mark, 0); /* somebody else's purpose */
    fake_set_top(model_top());
}

static void model_begin(const struct version *version)
{
    static bool made;
    model.base = chain_of(version->minor, version->free_threaded);
    model.depth = model.lowest = 0;
    for (int i = 0; i < 8; i++)
        model.codes[i] = fake_code((const char[]){(char)('0' + i), 0});
    for (int i = 0; i < TALLEST && !made; i++)
        model.frames[i] = (uintptr_t)fake_memory(256);
    made = true;
    srand(11);
}

/* So many frames are pushed at once where the memory for them ends; some return, then nearly all.
 */
static void outgrow(const struct version *version, int calls)
{
    for (int depth = 1024 - 80; depth < 1030; depth++) {
        model_begin(version);
        while (model.depth < depth)
            model_call();
        assert_model();
        while (model.depth < depth + calls)
            model_call();
        assert_model();
        while (model.depth >= depth)
            model_return();
        model_run(model.depth - 1);
        assert_model();
        while (model.depth > 5)
            model_return();
        model_run(model.depth - 1);
        assert_model();
    }
}

static void test_walk__a_chain_outgrows_its_memory(void **state)
{
    (void)state;
    for (int v = 0; v < VERSIONS; v++)
        for (int calls = 4; calls < 80; calls += 56)
            outgrow(&versions[v], calls);
}

static void test_walk__agrees_with_a_list_where_frames_are_marked(void **state)
{
    (void)state;
    model_begin(&(struct version){15, false});
    for (int walks = 0; walks < 30000; walks++) {
        for (int steps = 1 + rand() % 3; steps--;)
            model_step();
        assert_model();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk__the_mark_vouches_for_what_lies_below_it),
        cmocka_unit_test(test_walk__a_foreign_mark_vouches_for_nothing),
        cmocka_unit_test(test_walk__a_mark_on_a_shim_vouches_for_nothing),
        cmocka_unit_test(test_walk__a_chain_outgrows_its_memory),
        cmocka_unit_test(test_walk__agrees_with_a_list_where_frames_are_marked),
    };
    return cmocka_run_group_tests_name("walk_marks", tests, NULL, NULL);
}
