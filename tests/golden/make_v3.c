/* Writes v3.lz4, the golden trace of format version 3: the scenario of version 2 and, before its
 * last block, one with native frames: modules with and without build id, one of them gone and
 * another at its place, a node whose offset takes more than 32 bits, a stack of both kinds. v3.txt
 * says in words what it holds. Once version 3 is released, the trace itself must never be written
 * anew. From the project's root: cc -std=gnu11 -D_GNU_SOURCE= -I. -o build/make_v3
 * tests/golden/make_v3.c build/libformat.a -llz4 && build/make_v3 tests/golden/v3.lz4 */
#define MAKE_V3
#include "tests/golden/make_v2.c"

static void module(uint32_t function, struct text path, struct text build_id, uint64_t address)
{
    record((struct record){.type = RECORD_MODULE,
                           .module = {0, path, build_id, address, 0x200000, 0, function}});
}

static void native_block(void)
{
    const uint64_t first = 0x7F2000000000, second = 0x555500000000;
    const struct text blas = TEXT("/opt/lib/libblas.so.3"), app = TEXT("/usr/bin/app \303\251");
    add((struct event){.kind = EVENT_THREAD, .thread = 0});
    record((struct record){
        .type = RECORD_FUNCTION,
        .function = {0, FUNCTION_MODULE, TEXT("libblas.so.3"), blas, 0, TEXT("00a1b2c3d4e5f6")}});
    record((struct record){.type = RECORD_FUNCTION,
                           .function = {0, FUNCTION_MODULE, TEXT("app \303\251"), app, 0}});
    record((struct record){.type = RECORD_FUNCTION,
                           .function = {0, FUNCTION_NATIVE, TEXT("[jit]"), TEXT(""), 0}});
    module(5, blas, (struct text)TEXT("00a1b2c3d4e5f6"), first);
    module(6, app, (struct text)TEXT(""), second);
    add((struct event){.kind = EVENT_STACK, .parent = 0, .function = 6, .line = 0x1139});
    add((struct event){.kind = EVENT_STACK, .parent = 5, .function = 2, .line = 14});
    add((struct event){.kind = EVENT_STACK, .parent = 6, .function = 7, .line = 0});
    add((struct event){.kind = EVENT_STACK, .parent = 7, .function = 5, .line = 0x1234567890});
    allocate(ALLOCATOR_MALLOC, 8, 4096);
    record((struct record){.type = RECORD_MODULE_GONE, .module_gone = {0, first}});
    module(6, app, (struct text)TEXT(""), first);
    allocate(ALLOCATOR_MALLOC, 5, 11);
    record((struct record){.type = RECORD_LOST, .lost = {0, REASON_NATIVE_CUT, 2}});
    record((struct record){.type = RECORD_LOST, .lost = {0, REASON_NATIVE_UNKNOWN, 1}});
    seal();
}

int main(int argc, char **argv)
{
    static void (*const scenario[])(void) = {first_block,  second_block, address_block,
                                             native_block, third_block,  NULL};
    return make(argc, argv, scenario);
}
