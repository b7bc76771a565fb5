/* Who was recorded: what records say about processes, threads and the recording, and what they
 * cannot say because nobody defined it. */
#include "replay/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { PROCESS = 3, THREAD = 5, UNKNOWN = 9 };

static struct text text(const char *bytes) { return (struct text){bytes, (uint32_t)strlen(bytes)}; }

static int start(void **state)
{
    static struct model m;
    struct record process = {.type = RECORD_PROCESS}, thread = {.type = RECORD_THREAD};
    *state = &m;
    process.process.id = PROCESS;
    process.process.pid = 77;
    process.process.parent = ID_NONE;
    process.process.flags = PROCESS_OBJECTS;
    process.process.python = text("3.11.0");
    process.process.executable = text("/usr/bin/python3");
    thread.thread.id = THREAD;
    thread.thread.process = PROCESS;
    thread.thread.tid = 78;
    thread.thread.name = text("main");
    return model_init(&m) || model_define_process(&m, &process, 40) ||
           model_define_thread(&m, &thread);
}

static int stop(void **state)
{
    model_release(*state);
    return 0;
}

static int note_python(struct model *m, uint32_t process, bool walked, const char *version)
{
    struct record r = {.type = RECORD_PYTHON};
    r.python.process = process;
    r.python.walked = walked;
    r.python.version = text(version);
    return model_note(m, &r, 50);
}

static void test_model__an_interpreter_that_was_verified_is_its_process_s(void **state)
{
    struct model *m = *state;
    const struct process *p = model_process(m, PROCESS);
    assert_false(p->walked);
    assert_int_equal(note_python(m, PROCESS, true, "3.12.4"), 0);
    assert_true(p->walked);
    assert_string_equal(p->python->bytes, "3.12.4");
    assert_int_equal(note_python(m, PROCESS, false, ""), 0); /* of no version: the one before */
    assert_false(p->walked);
    assert_string_equal(p->python->bytes, "3.12.4");
}

static void test_model__what_is_said_of_nobody_known_is_nobody_s(void **state)
{
    struct model *m = *state;
    struct record name = {.type = RECORD_NAME};
    name.name.thread = UNKNOWN;
    name.name.name = text("worker");
    assert_int_equal(note_python(m, UNKNOWN, true, "3.12.4"), 0);
    assert_int_equal(model_note(m, &name, 50), 0);
    assert_string_equal(model_process(m, UNKNOWN)->python->bytes, "");
    assert_false(model_process(m, UNKNOWN)->walked);
    assert_string_equal(model_thread(m, UNKNOWN)->name->bytes, "");
    assert_string_equal(model_process(m, PROCESS)->python->bytes, "3.11.0");
    assert_string_equal(model_thread(m, THREAD)->name->bytes, "main");
}

static void test_model__a_thread_has_the_name_that_was_set_last(void **state)
{
    struct model *m = *state;
    struct record name = {.type = RECORD_NAME};
    name.name.thread = THREAD;
    name.name.name = text("worker");
    assert_int_equal(model_note(m, &name, 50), 0);
    assert_string_equal(model_thread(m, THREAD)->name->bytes, "worker");
    assert_ptr_equal(model_thread(m, THREAD)->process, model_process(m, PROCESS));
    assert_int_equal(model_thread(m, THREAD)->tid, 78);
}

static void name_thread(struct model *m, const char *name)
{
    struct record record = {.type = RECORD_NAME};
    record.name.thread = THREAD;
    record.name.name = text(name);
    assert_int_equal(model_note(m, &record, 50), 0);
}

static bool is_named(struct model *m, const char *name)
{
    return model_thread_named(model_thread(m, THREAD), name, strlen(name));
}

/* The name that it began with was its creator's. */
static void test_model__a_thread_is_found_by_the_names_that_it_was_given(void **state)
{
    struct model *m = *state;
    assert_true(is_named(m, "main"));
    name_thread(m, "first");
    assert_false(is_named(m, "main"));
    name_thread(m, "second");
    name_thread(m, "second");
    name_thread(m, "first");
    assert_true(is_named(m, "first"));
    assert_true(is_named(m, "second"));
    assert_false(is_named(m, "secon"));
    assert_false(is_named(m, "second "));
    assert_int_equal(model_thread(m, THREAD)->former_count, 2);
}

static void test_model__the_last_names_are_kept(void **state)
{
    struct model *m = *state;
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "step %u", i);
        name_thread(m, name);
    }
    assert_true(is_named(m, "step 99"));
    assert_true(is_named(m, "step 98"));
    assert_true(is_named(m, "step 91"));
    assert_false(is_named(m, "step 90"));
}

/* What a program's main thread begins with is its own, but not a forked child's. */
static void test_model__a_main_thread_s_first_name_is_its_own(void **state)
{
    struct model *m = *state;
    struct record record = {.type = RECORD_PROCESS};
    for (uint32_t how = PROCESS_ROOT; how <= PROCESS_FORK; how++) {
        record.process = (typeof(record.process)){.id = 20 + how, .pid = 500, .how = (uint8_t)how};
        record.type = RECORD_PROCESS;
        assert_int_equal(model_define_process(m, &record, 0), 0);
        record.type = RECORD_THREAD;
        record.thread = (typeof(record.thread)){.id = 30 + how, .process = 20 + how, .tid = 500};
        record.thread.name = text("own");
        assert_int_equal(model_define_thread(m, &record), 0);
        record.type = RECORD_NAME;
        record.name = (typeof(record.name)){30 + how, text("later")};
        assert_int_equal(model_note(m, &record, 50), 0);
        assert_int_equal(model_thread_named(model_thread(m, 30 + how), "own", 3),
                         how == PROCESS_ROOT);
    }
}

static void note_lost(struct model *m, uint32_t process, uint8_t reason, uint64_t count)
{
    struct record r = {.type = RECORD_LOST};
    r.lost.process = process;
    r.lost.reason = reason;
    r.lost.count = count;
    assert_int_equal(model_note(m, &r, 50), 0);
}

/* By five reasons (FORMAT.md 7) events are lost; by the others a stack, or nothing that was begun.
 */
static void test_model__losses_add_up_by_process_and_reason(void **state)
{
    struct model *m = *state;
    note_lost(m, PROCESS, REASON_RING_FULL, 1);
    note_lost(m, ID_NONE, REASON_RING_FULL, 10);
    note_lost(m, PROCESS, REASON_RING_FULL, 100);
    note_lost(m, PROCESS, REASON_REENTERED, 1000);
    note_lost(m, PROCESS, REASON_NO_RING, 10000);
    note_lost(m, PROCESS, REASON_CORRUPT_RING, 100000);
    note_lost(m, PROCESS, REASON_QUEUE_FULL, 1000000);
    assert_int_equal(m->loss_count, 6);
    assert_int_equal(m->losses[0].process, PROCESS);
    assert_int_equal(m->losses[0].count, 101);
    assert_int_equal(m->losses[1].process, ID_NONE);
    assert_int_equal(m->losses[1].count, 10);
    assert_int_equal(m->lost_by_reason[REASON_RING_FULL], 111);
    assert_int_equal(model_lost_events(m), 1111111);
    note_lost(m, PROCESS, REASON_STACK_UNKNOWN, 5);
    note_lost(m, PROCESS, REASON_COUNT, 7); /* of a later version: of no known reason */
    assert_int_equal(model_lost_events(m), 1111111);
    assert_int_equal(m->lost_by_reason[REASON_NONE], 7);
}

static void test_model__the_recording_s_end_is_kept(void **state)
{
    struct model *m = *state;
    struct record end = {.type = RECORD_EXIT}, early = {.type = RECORD_STOP};
    end.exit.status = 9;
    end.exit.oom = 1;
    early.stop.reason = REASON_FILE_LIMIT;
    assert_false(m->has_exit);
    assert_int_equal(model_note(m, &early, 60), 0);
    assert_int_equal(model_note(m, &end, 70), 0);
    assert_true(m->has_exit);
    assert_int_equal(m->exit_status, 9);
    assert_int_equal(m->exit_oom, 1);
    assert_int_equal(m->stop_reason, REASON_FILE_LIMIT);
    assert_int_equal(m->stop_ns, 60);
}

static void test_model__an_id_is_defined_once(void **state)
{
    struct model *m = *state;
    struct record process = {.type = RECORD_PROCESS}, thread = {.type = RECORD_THREAD};
    process.process.id = PROCESS;
    process.process.pid = 99;
    thread.thread.id = THREAD;
    thread.thread.tid = 99;
    assert_int_equal(model_define_process(m, &process, 90), 0);
    assert_int_equal(model_define_thread(m, &thread), 0);
    assert_int_equal(model_process(m, PROCESS)->pid, 77);
    assert_int_equal(model_process(m, PROCESS)->started_ns, 40);
    assert_int_equal(model_thread(m, THREAD)->tid, 78);
    assert_ptr_equal(model_root(m), model_process(m, PROCESS));
    assert_null(model_process_at(m, UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_model__an_interpreter_that_was_verified_is_its_process_s, start, stop),
        cmocka_unit_test_setup_teardown(test_model__what_is_said_of_nobody_known_is_nobody_s, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            test_model__a_thread_is_found_by_the_names_that_it_was_given, start, stop),
        cmocka_unit_test_setup_teardown(test_model__the_last_names_are_kept, start, stop),
        cmocka_unit_test_setup_teardown(test_model__a_main_thread_s_first_name_is_its_own, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_model__a_thread_has_the_name_that_was_set_last, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_model__losses_add_up_by_process_and_reason, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_model__the_recording_s_end_is_kept, start, stop),
        cmocka_unit_test_setup_teardown(test_model__an_id_is_defined_once, start, stop),
    };
    return cmocka_run_group_tests(tests, 0, 0);
}
