/* Code objects: an id for life, a new one at a reused address, under threads that intern while
 * others let code die. */
#include "tests/unit/preload/fake.h"

#include <stdatomic.h>
#include <stdio.h>

static int setup(void **state)
{
    (void)state;
    fake_start(12, false);
    return 0;
}

static void test_code__keeps_its_id_for_life(void **state)
{
    (void)state;
    uintptr_t a = fake_code("a"), b = fake_code("b");
    uint32_t id = code_intern(a);
    assert_true(id >= 1);
    assert_int_equal(code_intern(a), id);
    assert_int_not_equal(code_intern(b), id);
    assert_string_equal(fake_names[id], "a");
}

static void test_code__an_heir_of_the_address_is_another(void **state)
{
    (void)state;
    uintptr_t code = fake_code("old");
    uint32_t old = code_intern(code), deallocated = fake_deallocated;
    uint64_t epoch = code_epoch();
    fake_code_dies(code);
    assert_true(code_epoch() != epoch);
    assert_int_equal(fake_deallocated, deallocated + 1); /* the original runs */
    fake_code_at(code, "new");
    uint32_t new = code_intern(code);
    assert_int_not_equal(new, old);
    assert_string_equal(fake_names[new], "new");
}

static void test_code__the_death_of_an_unknown_one_moves_nothing(void **state)
{
    (void)state;
    uint64_t epoch = code_epoch();
    fake_code_dies(fake_code("never walked"));
    assert_true(code_epoch() == epoch);
}

static void test_code__what_is_no_code_object_is_refused(void **state)
{
    (void)state;
    uintptr_t code = fake_code("not code");
    fake_put(code, interp.layout.object_type, interp.text_type);
    assert_int_equal(code_intern(code), 0);
}

static void test_code__a_refused_definition_is_asked_for_again(void **state)
{
    (void)state;
    uintptr_t code = fake_code("refused");
    fake_refuse_codes = true;
    assert_int_equal(code_intern(code), 0);
    fake_refuse_codes = false;
    assert_true(code_intern(code) >= 1);
}

/* Many more lives than the map first has room for, so that it is swept and grows. */
static void test_code__the_living_keep_their_ids_among_the_dying(void **state)
{
    (void)state;
    enum { SPARED = 6000, LIVES = 40000 };
    static uintptr_t living[SPARED];
    static uint32_t ids[SPARED];
    uintptr_t mortal[50];
    char name[32];
    for (int i = 0; i < 50; i++)
        mortal[i] = fake_code("mortal");
    for (int i = 0, n = 0; i < LIVES; i++) {
        uintptr_t code = mortal[i % 50];
        snprintf(name, sizeof name, "life %d", i);
        fake_put(code, interp.layout.code_qualname, fake_text(name));
        uint32_t id = code_intern(code);
        assert_string_equal(fake_names[id], name);
        fake_code_dies(code);
        if (i % 6 == 0 && n < SPARED) {
            living[n] = fake_code("living");
            ids[n] = code_intern(living[n]);
            n++;
        }
    }
    for (int n = 0; n < SPARED; n++)
        assert_int_equal(code_intern(living[n]), ids[n]);
}

/* ---- threads */

enum { THREADS = 4, ADDRESSES = 12000, BATCH = 300, ROUNDS = 60 };
static _Atomic uint32_t wrong;

/* Each thread has its own addresses, asks for a batch of them and lets it die, while others make
 * the map sweep itself: so many addresses come by that it must. The heirs of the next round are
 * others. */
static void *live_and_die(void *argument)
{
    uintptr_t *codes = argument;
    uint32_t newest = 0;
    for (int batch = 0; batch < ROUNDS * ADDRESSES / BATCH; batch++) {
        uintptr_t *code = codes + batch * BATCH % ADDRESSES;
        uint32_t oldest = newest;
        for (int i = 0; i < BATCH; i++) {
            uint32_t id = code_intern(code[i]);
            wrong += id <= oldest || code_intern(code[i]) != id;
            newest = id > newest ? id : newest;
        }
        for (int i = 0; i < BATCH; i++)
            fake_code_dies(code[i]);
    }
    return NULL;
}

static void test_code__threads_never_get_a_dead_ones_id(void **state)
{
    (void)state;
    static uintptr_t codes[THREADS][ADDRESSES];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS * ADDRESSES; i++)
        codes[i / ADDRESSES][i % ADDRESSES] = fake_code("threads");
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live_and_die, codes[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code__keeps_its_id_for_life),
        cmocka_unit_test(test_code__an_heir_of_the_address_is_another),
        cmocka_unit_test(test_code__the_death_of_an_unknown_one_moves_nothing),
        cmocka_unit_test(test_code__what_is_no_code_object_is_refused),
        cmocka_unit_test(test_code__a_refused_definition_is_asked_for_again),
        cmocka_unit_test(test_code__the_living_keep_their_ids_among_the_dying),
        cmocka_unit_test(test_code__threads_never_get_a_dead_ones_id),
    };
    return cmocka_run_group_tests_name("code", tests, setup, NULL);
}
