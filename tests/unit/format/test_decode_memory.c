/* A decoder without memory says so: no event is made up, and it stays with what it said. */
#include "format/decode.h"
#include "format/encode.h"
#include "format/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* So many that what the decoder learns of them does not fit into what the heap has left. */
enum { STACKS = 100000, BATCH = 1000 };

/* A block in which each allocation has a stack of its own. */
static uint8_t *block(struct block_info *info)
{
    struct encoder *e = encoder_new();
    struct record record = {.type = RECORD_FUNCTION,
                            .function = {.name = {"f", 1}, .file = {"f.py", 4}}};
    uint32_t function, stack;
    assert_non_null(e);
    assert_int_equal(
        encoder_append(e, &(struct event){.kind = EVENT_RECORD, .record = &record}, &function), 0);
    for (uint32_t i = 0; i < STACKS; i++) {
        struct event ev = {.kind = EVENT_STACK, .function = function, .line = i};
        assert_int_equal(encoder_append(e, &ev, &stack), 0);
        assert_int_equal(encoder_alloc(e, 1, stack, 64), 0);
    }
    size_t bound = encoder_bound(e);
    uint8_t *payload = malloc(bound);
    assert_non_null(payload);
    assert_int_equal(encoder_seal(e, payload, bound, info), 0);
    encoder_free(e);
    return payload;
}

static int read_all(struct decoder *d, uint64_t *events)
{
    static struct event out[BATCH];
    struct err err = {0};
    int count;
    for (*events = 0; (count = decoder_read(d, out, BATCH, &err)) > 0; *events += (uint64_t)count)
        for (int i = 0; i < count; i++)
            assert_int_not_equal(out[i].kind, 0);
    assert_int_equal(err.code, count);
    return count;
}

static void test_decode__without_memory_is_no_damage_and_no_event(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* it reserves more than any limit */
    struct block_info info;
    struct rlimit before, small;
    struct err err = {0};
    uint64_t events, again;
    uint8_t *payload = block(&info);
    struct decoder *d = decoder_new();
    assert_non_null(d);
    assert_int_equal(decoder_open(d, &info, payload, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    small = (struct rlimit){1 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    int result = read_all(d, &events), later = read_all(d, &again);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(result, -ERR_NOMEM);
    assert_int_equal(later, -ERR_NOMEM);
    assert_true(events > 0 && events < info.event_count && again == 0);
    decoder_free(d);
    free(payload);
}

/* No block of this size or a larger one is left to anybody. */
static void **take_all(size_t bytes)
{
    void **last = NULL, **next;
    while ((next = malloc(bytes))) {
        *next = last;
        last = next;
    }
    return last;
}

static void test_decode__without_memory_there_is_no_decoder(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    small = (struct rlimit){1 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    void **taken = take_all(256), **next;
    struct decoder *d = decoder_new();
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    for (; taken; taken = next) {
        next = *taken;
        free(taken);
    }
    assert_null(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode__without_memory_is_no_damage_and_no_event),
        cmocka_unit_test(test_decode__without_memory_there_is_no_decoder),
    };
    return cmocka_run_group_tests_name("decode_memory", tests, NULL, NULL);
}
