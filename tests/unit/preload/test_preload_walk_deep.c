/* The walker over towers: chains of any depth in which one frame, anywhere, has moved on, runs
 * other code or stands on another frame; and chains past memory that is gone. In every version. */
#include "tests/unit/preload/walked.h"

#include <sys/mman.h>

#include "recorder/preload/layout.h"
#include "recorder/preload/quick.h"
#include "recorder/preload/shadow.h"
#include "recorder/ring.h"

enum { TALLEST = 75, PAGE = 4096 };

static struct {
    struct chain base; /* "leaf@40 b@30 a@20 root@10", below frame 0 */
    uintptr_t frames[TALLEST + 1], codes[TALLEST + 1];
    int lasti[TALLEST + 1], names[TALLEST + 1];
    bool gone[TALLEST + 1]; /* the chain passes it by */
    int depth;
} tower;

static uintptr_t codes[TALLEST + 2];

static void tower_start(int version)
{
    tower.base = chain_of(versions[version].minor, versions[version].free_threaded);
    tower.depth = 0;
    for (int i = 0; i < TALLEST + 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        codes[i] = fake_code(name);
    }
}

static uintptr_t frame_below(int i) { return i ? tower.frames[i - 1] : tower.base.frames[3]; }

static void tower_push(uintptr_t at)
{
    int i = tower.depth++;
    tower.frames[i] = at;
    tower.codes[i] = codes[i];
    tower.names[i] = i;
    tower.lasti[i] = 10 + 2 * (i % 30);
    tower.gone[i] = false;
    fake_frame_at(at, frame_below(i), codes[i], tower.lasti[i]);
}

static void move(int i, int by)
{
    tower.lasti[i] += by;
    fake_frame_ip(tower.frames[i], tower.codes[i], tower.lasti[i]);
}

static void run_code(int i, int name)
{
    tower.codes[i] = codes[tower.names[i] = name];
    fake_put(tower.frames[i], interp.layout.frame_code, tower.codes[i]);
    move(i, 0);
}

/* The walk of 3.11 where native frames are recorded, while it is meant; else NULL. */
static walk_function *with_entries;

static void entries_begin(void)
{
    struct layout row;
    assert_int_equal(interp.minor, 11);
    assert_true(layout_find(&row, 11, false));
    interp.native = true;
    interp.layout.frame_entry = row.frame_entry;
    with_entries = quick_find(11, false);
}

static void entries_end(void)
{
    interp.native = false;
    with_entries = NULL;
}

/* Where frames are marked, the mark vouches for all below it; here everything changes, so somebody
 * else has taken it away. */
static uint32_t walk_from(int top)
{
    fake_set_top(tower.frames[top]);
    if (interp.layout.tstate_mark != LAYOUT_NONE)
        fake_put(fake_remembered, interp.layout.tstate_mark, 0);
    return with_entries ? with_entries(&walker) : walk_current(&walker);
}

/* Walked from frame `top`, it is told as it is. */
static void assert_tower(int top)
{
    uint32_t id = walk_from(top);
    for (int i = top; i >= 0; i--) {
        if (tower.gone[i])
            continue;
        assert_int_not_equal(id, NODE_LOST);
        assert_int_equal(atoi(fake_names[fake_nodes[id].code_id]), tower.names[i]);
        assert_int_equal(fake_nodes[id].lasti, tower.lasti[i]);
        id = fake_nodes[id].parent;
    }
    assert_string_equal(fake_names[fake_nodes[id].code_id], "leaf");
}

enum change { MOVED, OTHER_CODE, PASSED_BY, CHANGES };

static void change(enum change how, int i)
{
    if (how == MOVED)
        move(i, 2);
    else if (how == OTHER_CODE)
        run_code(i, TALLEST + 1);
    else if (i > 0) {
        fake_put(tower.frames[i], interp.layout.frame_previous, frame_below(i - 1));
        tower.gone[i - 1] = true;
    }
}

static void change_back(enum change how, int i)
{
    if (how == MOVED)
        move(i, -2);
    else if (how == OTHER_CODE)
        run_code(i, i);
    else if (i > 0) {
        fake_put(tower.frames[i], interp.layout.frame_previous, frame_below(i));
        tower.gone[i - 1] = false;
    }
}

/* Each frame of the tower changes and changes back; between two walks the innermost frame stays,
 * moves too, or has ended. */
static void change_each(void)
{
    int top = tower.depth - 1;
    for (enum change how = 0; how < CHANGES; how++)
        for (int i = 0; i <= top; i++)
            for (int pops = 0; pops < 3 && top - pops >= i; pops++) {
                assert_tower(top);
                change(how, i);
                assert_tower(top - pops);
                move(top, 4);
                change_back(how, i);
                assert_tower(top);
                move(top, -4);
            }
}

static void changes_are_told(int version)
{
    uintptr_t memory = (uintptr_t)fake_memory(TALLEST * 256 + PAGE);
    tower_start(version);
    for (int depth = 1; depth <= TALLEST; depth++) {
        tower_push(memory + 256 * (uintptr_t)(depth - 1));
        if (depth < 10 || (depth > 18 && depth < 32) || depth == TALLEST)
            change_each();
    }
}

static void test_walk__tells_a_change_anywhere_in_a_chain_of_any_depth(void **state)
{
    (void)state;
    for (int version = 0; version < VERSIONS; version++)
        changes_are_told(version);
    setenv("MEMREC_NO_MARKS", "1", 1);
    for (int version = 0; version < VERSIONS; version++)
        if (versions[version].minor == 15)
            changes_are_told(version);
    unsetenv("MEMREC_NO_MARKS");
}

/* 3.11 with native frames: where the loop of a frame begins, that is told; of each frame anew. */
static void assert_begins(uintptr_t memory, int begins)
{
    if (begins >= 0)
        ((char *)memory)[256 * begins + interp.layout.frame_entry] = 1;
    uint32_t id = walk_from(tower.depth - 1);
    for (int i = tower.depth - 1; i >= 0; i--) {
        assert_int_not_equal(id, NODE_LOST);
        assert_int_equal(atoi(fake_names[fake_nodes[id].code_id]), tower.names[i]);
        id = fake_nodes[id].parent;
        assert_int_equal(fake_nodes[id].code_id == CODE_ENTRY, i == begins);
        if (i == begins)
            id = fake_nodes[id].parent;
    }
    if (begins >= 0)
        ((char *)memory)[256 * begins + interp.layout.frame_entry] = 0;
}

static void test_walk__tells_anew_of_each_frame_whether_a_loop_begins_with_it(void **state)
{
    (void)state;
    uintptr_t memory = (uintptr_t)fake_memory(TALLEST * 256);
    tower_start(2);
    entries_begin();
    for (int depth = 1; depth <= TALLEST; depth++) {
        tower_push(memory + 256 * (uintptr_t)(depth - 1));
        for (int begins = 0; begins < depth; begins++) {
            assert_begins(memory, begins);
            if (begins % 3 == 0)
                assert_begins(memory, -1);
        }
    }
    entries_end();
}

/* A run is as long as its page allows, also where frames were pushed on one that was known: each
 * run costs a branch. */
static void test_walk__a_run_of_frames_goes_on_to_the_end_of_the_page(void **state)
{
    (void)state;
    for (int version = 0; version < VERSIONS; version++) {
        uintptr_t page = ((uintptr_t)fake_memory(TALLEST * 256 + PAGE) + PAGE - 1) & ~0xFFFul;
        tower_start(version);
        while (tower.depth < 62) {
            tower_push(page + 256 * (uintptr_t)tower.depth);
            if (tower.depth < 55 || tower.depth == 58)
                continue;
            move(tower.depth - 1, 2);
            assert_tower(tower.depth - 1);
            move(tower.depth - 1, 2);
            assert_tower(tower.depth - 1);
        }
        uint32_t near = walker.depth - 4; /* three before it are looked at one by one */
        assert_int_equal(walker.details[near].run, 62 - 3 - 48); /* 16 frames a page */
    }
}

/* Does a frame that begins at `at` lie in the page, as far as anybody reads of it? */
static bool in_page(uintptr_t at, uintptr_t page, uintptr_t bytes)
{
    return at >= page && at + bytes <= page + PAGE;
}

/* The frames of the second page of four, and what reaches into it, end while nobody walks, and the
 * page is unmapped. */
static void one_page_goes(uintptr_t offset, uintptr_t bytes)
{
    uintptr_t pages =
        (uintptr_t)mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t end = pages + 4 * PAGE - 256;
    tower.depth = 0;
    for (uintptr_t at = pages + offset; at < end && tower.depth < TALLEST; at += bytes)
        tower_push(at);
    int top = tower.depth - 1, above = top;
    assert_tower(top);
    move(top, 2);
    assert_tower(top);
    while (tower.frames[above] >= pages + 2 * PAGE)
        above--;
    int below = above++;
    while (below >= 0 && !in_page(tower.frames[below], pages, bytes))
        tower.gone[below--] = true;
    fake_put(tower.frames[above], interp.layout.frame_previous, frame_below(below + 1));
    munmap((void *)(pages + PAGE), PAGE);
    move(top, 2);
    assert_tower(top);
    fake_set_top(tower.base.frames[3]);
    assert_stack("leaf@40 b@30 a@20 root@10");
    munmap((void *)pages, PAGE);
    munmap((void *)(pages + 2 * PAGE), 2 * PAGE);
}

static void pages_go(void)
{
    static const uintptr_t sizes[] = {264, 520, 1352};
    for (int size = 0; size < 3; size++)
        for (uintptr_t offset = 0; offset < sizes[size]; offset += 8)
            one_page_goes(offset, sizes[size]);
}

static void test_walk__reads_no_frame_whose_memory_is_gone(void **state)
{
    (void)state;
    for (int version = 0; version < VERSIONS; version++) {
        tower_start(version);
        pages_go();
    }
    tower_start(2);
    entries_begin();
    assert_true(shadow_one_page(PAGE, 2 * PAGE - 72, &interp.layout));
    assert_false(shadow_one_page(PAGE, 2 * PAGE - 64, &interp.layout)); /* but for its last byte */
    pages_go();
    entries_end();
}

/* More frames than the shadow has room for: one walk in so many looks at them, the others say that
 * they cannot tell. */
static void test_walk__a_chain_beyond_all_bounds_is_told_now_and_then(void **state)
{
    (void)state;
    enum { FRAME = 128, FRAMES = WALK_SHADOW_MAX + 10, PASSED = 1000 };
    struct chain c = chain_of(11, false);
    uintptr_t code = fake_code("deep"), previous = c.frames[3];
    char *memory = mmap(NULL, (size_t)FRAMES * FRAME, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    for (size_t i = 0; i < FRAMES; i++) {
        uintptr_t frame = (uintptr_t)(memory + i * FRAME);
        fake_put(frame, interp.layout.frame_previous, previous);
        fake_put(frame, interp.layout.frame_code, code);
        fake_frame_ip(frame, code, 6);
        previous = frame;
    }
    fake_set_top(previous);
    struct walk_losses before, after;
    walk_losses(&before);
    uint32_t told[3] = {0}, count = 0;
    for (int walks = 0; walks <= 2 * PASSED; walks++) {
        uint32_t id = walk_current(&walker);
        if (id == NODE_LOST)
            continue;
        assert_true(count < 3);
        told[count++] = id;
    }
    walk_losses(&after);
    assert_int_equal(count, 3);
    assert_true(told[0] == told[1] && told[1] == told[2]);
    assert_int_equal(after.lost - before.lost, 2 * PASSED + 1 - 3);
    fake_set_top(c.frames[3]);
    while (walk_current(&walker) == NODE_LOST) /* what was to be passed is passed */
        ;
    assert_stack("leaf@40 b@30 a@20 root@10");
    munmap(memory, (size_t)FRAMES * FRAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk__tells_a_change_anywhere_in_a_chain_of_any_depth),
        cmocka_unit_test(test_walk__tells_anew_of_each_frame_whether_a_loop_begins_with_it),
        cmocka_unit_test(test_walk__a_run_of_frames_goes_on_to_the_end_of_the_page),
        cmocka_unit_test(test_walk__reads_no_frame_whose_memory_is_gone),
        cmocka_unit_test(test_walk__a_chain_beyond_all_bounds_is_told_now_and_then),
    };
    return cmocka_run_group_tests_name("walk_deep", tests, NULL, NULL);
}
