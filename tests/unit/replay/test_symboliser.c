/* The process that reads binaries: what it says arrives, and whatever becomes of it costs one
 * module its names. The reading itself is played here. */
#include "replay/symboliser.h"

#include "format/error.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { OFFSETS = 3000, FRAMES = 5 };

static bool late;

/* Stands in for the one that opens files; the path says what happens. */
int symbolise_module(const struct symbolise_ask *ask, symbolise_take *take, void *context,
                     enum symbolise_status *status)
{
    char long_name[900];
    struct names_frame frames[FRAMES];
    if (!strcmp(ask->path, "crash"))
        raise(SIGSEGV);
    if (!strcmp(ask->path, "abort"))
        abort();
    if (!strcmp(ask->path, "leave"))
        _exit(0);
    if (!strcmp(ask->path, "early") && late)
        abort();
    if (!strcmp(ask->path, "known") && (strcmp(ask->build_id, "abc") || ask->recorded_at_ns != 7))
        abort();
    *status = strcmp(ask->path, "missing") ? SYMBOLISE_READ : SYMBOLISE_MISSING;
    if (!strcmp(ask->path, "no memory"))
        return -ERR_NOMEM;
    for (uint32_t i = 0; *status == SYMBOLISE_READ && i < ask->count; i++) {
        memset(long_name, 'a' + (int)(ask->offsets[i] % 26), sizeof long_name - 1);
        long_name[sizeof long_name - 1] = 0;
        for (int k = 0; k < FRAMES; k++)
            frames[k] = (struct names_frame){{long_name + 100 * k, 899u - 100u * (unsigned)k},
                                             {"file.c", 6},
                                             ask->offsets[i] + (unsigned)k};
        if (ask->offsets[i] % 3 && take(context, i, frames, 1 + i % FRAMES))
            return -ERR_IO;
    }
    return 0;
}

struct heard {
    uint32_t module[16], named[16];
    uint64_t next[16];
};

static int hear(void *context, uint32_t module, uint64_t offset, const struct names_frame *frames,
                uint32_t count)
{
    struct heard *h = context;
    assert_int_equal(offset, h->next[module]++);
    assert_int_equal(count, offset % 3 ? 1 + offset % FRAMES : 0);
    for (uint32_t k = 0; k < count; k++) {
        assert_int_equal(frames[k].function.length, 899 - 100 * k);
        assert_int_equal(frames[k].function.bytes[0], 'a' + (int)(offset % 26));
        assert_memory_equal(frames[k].file.bytes, "file.c", 6);
        assert_int_equal(frames[k].line, offset + k);
    }
    h->named[module] += count > 0;
    return 0;
}

static uint64_t offsets[OFFSETS];

static void play(const char *const *paths, uint32_t count, struct symboliser_module *modules,
                 struct heard *heard)
{
    for (uint64_t i = 0; i < OFFSETS; i++)
        offsets[i] = i;
    for (uint32_t i = 0; i < count; i++)
        modules[i] = (struct symboliser_module){
            .ask = {.path = paths[i], .build_id = "", .offsets = offsets, .count = OFFSETS}};
    *heard = (struct heard){0};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, modules, count, hear, heard), 0);
    symboliser_stop(&symboliser);
}

static void test_symboliser__all_answers_arrive_in_order(void **state)
{
    (void)state;
    const char *paths[] = {"a", "missing", "b"};
    struct symboliser_module modules[3];
    struct heard heard;
    play(paths, 3, modules, &heard);
    assert_int_equal(modules[0].status, SYMBOLISE_READ);
    assert_int_equal(modules[1].status, SYMBOLISE_MISSING);
    assert_int_equal(modules[2].status, SYMBOLISE_READ);
    assert_int_equal(heard.next[0], OFFSETS);
    assert_int_equal(heard.next[1], 0);
    assert_int_equal(heard.named[2], OFFSETS - OFFSETS / 3);
}

static void test_symboliser__what_it_dies_of_costs_one_module(void **state)
{
    (void)state;
    const char *paths[] = {"crash", "a", "abort", "leave", "b", "no memory", "crash"};
    struct symboliser_module modules[7];
    struct heard heard;
    play(paths, 7, modules, &heard);
    for (int i = 0; i < 7; i++) {
        bool good = i == 1 || i == 4;
        assert_int_equal(modules[i].status, good ? SYMBOLISE_READ : SYMBOLISE_FAILED);
        assert_int_equal(heard.next[i], good ? OFFSETS : 0);
    }
}

static int refuse(void *context, uint32_t module, uint64_t offset, const struct names_frame *frames,
                  uint32_t count)
{
    (void)context, (void)module, (void)offset, (void)frames, (void)count;
    return -ERR_NOMEM;
}

static void test_symboliser__who_takes_may_end_it(void **state)
{
    (void)state;
    struct symboliser_module module = {
        .ask = {.path = "a", .build_id = "", .offsets = offsets, .count = OFFSETS}};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, &module, 1, refuse, 0), -ERR_NOMEM);
    symboliser_stop(&symboliser);
    assert_int_equal(symboliser_run(&symboliser, &module, 0, refuse, 0), 0);
    assert_int_equal(symboliser.child, 0);
}

static enum symbolise_status status_of(struct symboliser *s, const struct symbolise_ask *ask)
{
    struct symboliser_module module = {.ask = *ask};
    struct heard heard = {0};
    assert_int_equal(symboliser_run(s, &module, 1, hear, &heard), 0);
    return module.status;
}

static void test_symboliser__what_is_asked_arrives(void **state)
{
    (void)state;
    struct symboliser symboliser = {0};
    struct symbolise_ask known = {"known", "abc", 7, offsets, 3}, other = {"known", "abd", 7, 0, 0};
    assert_int_equal(status_of(&symboliser, &known), SYMBOLISE_READ);
    assert_int_equal(status_of(&symboliser, &other), SYMBOLISE_FAILED);
    assert_int_equal(status_of(&symboliser, &known), SYMBOLISE_READ);
    symboliser_stop(&symboliser);
}

/* It has the memory of when it was started, and none of what came after. */
static void test_symboliser__may_be_started_early(void **state)
{
    (void)state;
    struct symboliser symboliser = {0};
    struct symbolise_ask early = {.path = "early", .build_id = ""};
    symboliser_start(&symboliser);
    late = true;
    assert_int_equal(status_of(&symboliser, &early), SYMBOLISE_READ);
    symboliser_stop(&symboliser);
    assert_int_equal(status_of(&symboliser, &early), SYMBOLISE_FAILED);
    late = false;
}

/* More crashes than it goes on after: the rest is given up without trying. */
static void test_symboliser__many_crashes_end_it(void **state)
{
    (void)state;
    static struct symboliser_module modules[2000];
    for (int i = 0; i < 2000; i++)
        modules[i] = (struct symboliser_module){
            .ask = {.path = "crash", .build_id = "", .offsets = offsets, .count = 1}};
    struct symboliser symboliser = {0};
    assert_int_equal(symboliser_run(&symboliser, modules, 2000, refuse, 0), 0);
    symboliser_stop(&symboliser);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(modules[i].status, SYMBOLISE_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symboliser__all_answers_arrive_in_order),
        cmocka_unit_test(test_symboliser__what_it_dies_of_costs_one_module),
        cmocka_unit_test(test_symboliser__who_takes_may_end_it),
        cmocka_unit_test(test_symboliser__what_is_asked_arrives),
        cmocka_unit_test(test_symboliser__may_be_started_early),
        cmocka_unit_test(test_symboliser__many_crashes_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
