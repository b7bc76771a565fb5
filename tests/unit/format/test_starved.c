/* Writing and reading where one allocation fails: it is told, nothing is left over, and what is
 * given is right. Not here: a decoder under a limit of the kernel's (test_decode_memory.c). */
#include "tests/unit/starve.h"

#include "format/payload.h"
#include "format/ranges.h"
#include "tests/unit/format/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { STACKS = 3000, PIECES = 100, PAGE = 4096 };

/* Lets one allocation after the other fail; `make` returns whether it could do without, and gives
 * back whatever it took. Returns how many there were. */
static long starve_each(bool (*make)(void *context), void *context)
{
    long held = starve_held;
    for (long allocations = 0;; allocations++) {
        starve_after = allocations;
        bool made = make(context);
        bool starved = starve_after < 0;
        starve_after = -1;
        assert_int_equal(starve_held, held);
        if (starved)
            continue;
        assert_true(made);
        return allocations;
    }
}

static bool make_encoder(void *context)
{
    struct encoder *e = encoder_new();
    (void)context;
    encoder_free(e);
    return e;
}

static bool make_decoder(void *context)
{
    struct decoder *d = decoder_new();
    (void)context;
    decoder_free(d);
    return d;
}

static bool make_compressor(void *context)
{
    struct compressor *c = compressor_new();
    (void)context;
    compressor_free(c);
    return c;
}

static void test_starved__what_cannot_be_made_is_not_half_made(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    assert_int_equal(starve_each(make_encoder, NULL), 4); /* it, its columns, two of guesses */
    assert_int_equal(starve_each(make_decoder, NULL), 3);
    assert_int_equal(starve_each(make_compressor, NULL), 2);
}

/* Events of a block whose columns are worth packing. */
static void append_many(struct built *b)
{
    uint32_t function =
        built_record(b, (struct record){.type = RECORD_FUNCTION, .function = {.name = {"f", 1}}});
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t stack = built_append(
            b, (struct event){.kind = EVENT_STACK, .function = function, .line = i / 7});
        built_append(
            b, (struct event){.kind = EVENT_ALLOC, .stack = stack, .size_bytes = 64 + i % 50});
    }
}

/* An encoder without memory for a guess refuses the event, which can be appended then. */
static bool encode_all(void *context)
{
    struct encoder *e = encoder_new();
    bool whole = true;
    (void)context;
    for (uint32_t i = 0; e && i < STACKS; i++) {
        struct event ev = {.kind = EVENT_ALLOC, .stack = 2 + i, .size_bytes = 64};
        struct event stack = {.kind = EVENT_STACK, .line = i};
        uint32_t id;
        assert_int_equal(encoder_append(e, &stack, &id), 0);
        int rc = encoder_append(e, &ev, &id);
        if (!rc)
            continue;
        whole = false;
        assert_int_equal(rc, -ERR_NOMEM);
        assert_int_equal(encoder_append(e, &ev, &id), 0);
    }
    whole = whole && e;
    assert_true(!e || encoder_next_alloc(e) == STACKS);
    encoder_free(e);
    return whole;
}

static void test_starved__an_event_that_found_no_room_is_appended_later(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    assert_true(starve_each(encode_all, NULL) > 4);
}

struct written {
    struct block_info info;
    uint8_t *payload, *bytes, *back;
    size_t room;
};

/* Writes a block. What was written without an allocation reads back all the same. */
static bool write_block(void *context)
{
    struct written *w = context;
    struct compressor *c = compressor_new();
    int64_t n = c ? trace_block_write(c, 1, &w->info, w->payload, w->bytes, w->room) : -ERR_NOMEM;
    if (n < 0)
        assert_int_equal(n, -ERR_NOMEM);
    compressor_free(c);
    if (n < 0)
        return false;
    long later = starve_after;
    struct payload_reader r;
    struct block_info info;
    struct block_frame frame;
    uint64_t trace_id;
    const char *what;
    uint8_t *table = w->bytes + SKIPPABLE_BYTES;
    starve_after = -1;
    assert_true(part_get_block(table, BLOCK_TABLE_BYTES, &trace_id, &info, &frame));
    assert_int_equal(SKIPPABLE_BYTES + BLOCK_TABLE_BYTES + frame.bytes, n);
    assert_int_equal(payload_reader_init(&r), 0);
    assert_int_equal(payload_read(&r, table + BLOCK_TABLE_BYTES, &frame, &info, &what), 0);
    assert_memory_equal(r.bytes, w->payload, info.payload_bytes);
    payload_reader_release(&r);
    starve_after = later;
    return true;
}

/* Reads a block that was written. */
static bool read_block(void *context)
{
    struct written *w = context;
    struct payload_reader r;
    struct block_info info;
    struct block_frame frame;
    uint64_t trace_id;
    const char *what;
    uint8_t *table = w->bytes + SKIPPABLE_BYTES;
    assert_true(part_get_block(table, BLOCK_TABLE_BYTES, &trace_id, &info, &frame));
    int rc = payload_reader_init(&r);
    if (!rc)
        rc = payload_read(&r, table + BLOCK_TABLE_BYTES, &frame, &info, &what);
    if (rc)
        assert_int_equal(rc, -ERR_NOMEM); /* and not: damaged */
    else
        assert_memory_equal(r.bytes, w->payload, info.payload_bytes);
    payload_reader_release(&r);
    return !rc;
}

static void test_starved__a_block_is_written_and_read_right_or_not_at_all(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    struct built b;
    struct written w;
    built_start(&b);
    append_many(&b);
    size_t bound = encoder_bound(b.encoder);
    w.payload = malloc(bound);
    assert_int_equal(encoder_seal(b.encoder, w.payload, bound, &w.info), 0);
    w.room = trace_block_bound(w.info.payload_bytes);
    w.bytes = malloc(w.room);
    assert_true(starve_each(write_block, &w) > 4);
    assert_true(starve_each(read_block, &w) > 4);
    free(w.payload);
    free(w.bytes);
    built_release(&b);
}

static void count_change(void *context, const struct range *before, const struct range *after)
{
    (void)before;
    (void)after;
    ++*(int *)context;
}

/* What a failed change leaves is what there was. */
static int once_more(int rc, const struct ranges *r, size_t count, int changes)
{
    if (!rc)
        return 0;
    assert_int_equal(rc, -ERR_NOMEM);
    assert_int_equal(ranges_count(r), count);
    assert_int_equal(changes, 0);
    return 1;
}

/* Maps one page in two, then cuts, moves and makes writable what is there; each change that found
 * no memory is made once more. */
static bool change_ranges(void *context)
{
    struct ranges r;
    int failed = 0;
    (void)context;
    ranges_init(&r);
    for (uint64_t i = 1; i <= PIECES; i++) {
        uint64_t at = i * 8 * PAGE, to = (i + 1000) * 8 * PAGE;
        for (int step = 0; step < 4; step++) {
            int rc, again = 0;
            do {
                size_t count = ranges_count(&r);
                int n = 0;
                rc = step == 0
                         ? ranges_map(&r, at, 6 * PAGE, MAP_KIND_RESERVED, i, count_change, &n)
                     : step == 1 ? ranges_protect(&r, at + PAGE, PAGE, true, count_change, &n)
                     : step == 2
                         ? ranges_unmap(&r, at + 3 * PAGE, PAGE, count_change, &n)
                         : ranges_remap(&r, at, 6 * PAGE, to, 6 * PAGE, i, true, count_change, &n);
                if (rc)
                    again += once_more(rc, &r, count, n);
            } while (rc && again < 2);
            assert_int_equal(rc, 0);
            failed += again;
        }
    }
    assert_int_equal(ranges_count(&r), PIECES * 8);
    ranges_release(&r);
    return !failed;
}

static void test_starved__ranges_without_room_stay_as_they_are(void **state)
{
    (void)state;
    if (!STARVE_WORKS)
        skip();
    assert_true(starve_each(change_ranges, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starved__what_cannot_be_made_is_not_half_made),
        cmocka_unit_test(test_starved__an_event_that_found_no_room_is_appended_later),
        cmocka_unit_test(test_starved__a_block_is_written_and_read_right_or_not_at_all),
        cmocka_unit_test(test_starved__ranges_without_room_stay_as_they_are),
    };
    return cmocka_run_group_tests_name("starved", tests, NULL, NULL);
}
