/* Stacks that are hard to read, against libgcc's unwinder (tests/e2e/test_native.py builds this at
 * every level of optimisation, with both compilers, with build/tests/walk/native.so).
 *
 *   adversary ROUNDS        random chains of frames with and without frame pointers, alloca, locals
 *                           aligned beyond the stack, callbacks from libc, signals, longjmp,
 *                           switched stacks, exceptions (throwing.cc); at every leaf all frames are
 *                           compared with libgcc's, and the remembered stack with none
 *   adversary ROUNDS prof   the same at random instants, from a handler of SIGPROF
 *
 * The last part leaves inner frames and stale return addresses exactly where they were, so that
 * only words further out tell that the stack is another one.
 * Prints one line; ends with 1 where anything was wrong. */
#define _GNU_SOURCE
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unwind.h>

int native_probe(uintptr_t *frames, int max, int *agree);
void native_probe_losses(unsigned long *cut, unsigned long *lost);
int go(int depth);
int throwing(int depth);
void leaf(void);

#define FRAMES   2048
#define KEPT     __attribute__((noinline))
#define POINTER  __attribute__((noinline, optimize("no-omit-frame-pointer")))
#define OMITTED  __attribute__((noinline, optimize("omit-frame-pointer")))
#define AFTER()  __asm__ volatile("" ::: "memory")
#define CONTEXTS 60

static long checks, frames_seen, wrong, shorter, disagreeing, shown;
static volatile int asynchronous, in_handler;
static uint64_t seed = 88172645463325252ull;

static uint32_t pick(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

/* ---- the comparison */

struct told {
    uintptr_t at[FRAMES];
    int count;
};

static _Unwind_Reason_Code take(struct _Unwind_Context *context, void *out)
{
    struct told *t = out;
    int before;
    uintptr_t ip = _Unwind_GetIPInfo(context, &before);
    if (ip && t->count < FRAMES)
        t->at[t->count++] = ip - !before;
    return _URC_NO_REASON;
}

static void show(const uintptr_t *ours, int count, const struct told *theirs)
{
    if (shown++ > 2)
        return;
    for (int i = 0; i < count || i < theirs->count; i++)
        fprintf(stderr, "  %2d %16lx %16lx\n", i, i < count ? ours[i] : 0,
                i < theirs->count ? theirs->at[i] : 0);
}

/* libgcc believes its tables, and they do not hold at every instruction of a function that aligns
 * its locals beyond the stack: at random instants it may fall over them. Then there is nothing to
 * compare with. */
static sigjmp_buf fell;
static volatile sig_atomic_t falls;

static void on_fall(int number)
{
    if (falls)
        siglongjmp(fell, 1);
    signal(number, SIG_DFL);
}

/* libgcc's frames. Returns whether there are any. */
KEPT bool ask_libgcc(struct told *theirs)
{
    theirs->count = 0;
    if (asynchronous && sigsetjmp(fell, 1)) {
        falls = 0;
        return false;
    }
    falls = asynchronous;
    _Unwind_Backtrace(take, theirs);
    falls = 0;
    for (int i = 1; i < theirs->count; i++) /* without this frame */
        theirs->at[i - 1] = theirs->at[i];
    theirs->count--;
    return true;
}

/* Compares the frames outside of its own. */
KEPT void leaf(void)
{
    static __thread uintptr_t ours[FRAMES];
    static __thread struct told theirs;
    int agree;
    if (asynchronous && !in_handler)
        return;
    int count = native_probe(ours, FRAMES, &agree);
    if (!ask_libgcc(&theirs))
        return;
    checks++;
    frames_seen += count;
    disagreeing += !agree;
    bool equal = count <= theirs.count;
    shorter += count < theirs.count;
    for (int i = 1; equal && i < count; i++)
        equal = ours[i] == theirs.at[i];
    if (!equal) {
        wrong++;
        show(ours, count, &theirs);
    }
    AFTER();
}

/* ---- frames of all kinds */

OMITTED static int without_pointer(int d)
{
    volatile char p[40];
    p[0] = 1;
    return go(d) + p[0];
}

POINTER static int with_pointer(int d)
{
    volatile char p[72];
    p[0] = 1;
    return go(d) + p[0];
}

KEPT static int variable(int d)
{
    volatile char *p = alloca(pick(200) + 16);
    p[0] = 1;
    return go(d) + p[0];
}

KEPT static int aligned(int d)
{
    volatile char p[64] __attribute__((aligned(64)));
    p[0] = 1;
    int r = go(d);
    return r + p[0];
}

KEPT static int aligned_variable(int d)
{
    volatile char p[64] __attribute__((aligned(64)));
    volatile char *q = alloca(pick(100) + 16);
    q[0] = p[0] = 1;
    return go(d) + p[0] + q[0];
}

static __thread int callback_depth;
static int compare(const void *a, const void *b)
{
    int d = callback_depth;
    (void)a;
    (void)b;
    callback_depth = 0;
    if (d > 0)
        go(d);
    return 0;
}

KEPT static int callback(int d)
{
    int v[2] = {1, 2}, before = callback_depth;
    callback_depth = d;
    qsort(v, 2, sizeof v[0], compare);
    callback_depth = before;
    return v[0];
}

static __thread int signal_depth;
static void on_signal(int number)
{
    int d = signal_depth;
    (void)number;
    signal_depth = 0;
    if (d > 0)
        go(d);
}

KEPT static int interrupted(int d)
{
    signal_depth = d;
    raise(SIGUSR1);
    return 1;
}

KEPT static int jumping(int d)
{
    jmp_buf back;
    volatile int depth = d;
    if (setjmp(back) == 0) {
        go(depth);
        leaf();
        longjmp(back, 1);
    }
    leaf();
    return 1;
}

static ucontext_t contexts[CONTEXTS], callers[CONTEXTS];
static char *stacks[CONTEXTS];
static int context_count, context_depths[CONTEXTS];
static void on_context(int i) { go(context_depths[i]); }

KEPT static int switching(int d)
{
    enum { BYTES = 1 << 18 };
    if (context_count == CONTEXTS)
        return go(d);
    int i = context_count++;
    if (!stacks[i])
        stacks[i] = malloc(BYTES);
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = stacks[i];
    contexts[i].uc_stack.ss_size = BYTES;
    contexts[i].uc_link = &callers[i];
    context_depths[i] = d;
    makecontext(&contexts[i], (void (*)(void))on_context, 1, i);
    swapcontext(&callers[i], &contexts[i]);
    context_count--;
    return 1;
}

KEPT int go(int d)
{
    static int (*const kinds[])(int) = {without_pointer, with_pointer,     variable,
                                        aligned,         aligned_variable, callback,
                                        interrupted,     jumping,          switching};
    if (pick(4) == 0)
        leaf();
    if (d <= 0) {
        leaf();
        return 1;
    }
    int r = kinds[pick(sizeof kinds / sizeof *kinds)](d - 1);
    if (pick(6) == 0)
        leaf();
    return r;
}

/* ---- inner frames that stay as they were while something further out changes */

static uint32_t bits;

KEPT static void aside(void)
{
    volatile char p[24];
    p[0] = 1;
    leaf();
    AFTER();
}

/* Two leaves in turn: whichever is the first was the other's neighbour on the last stack. */
KEPT static void leaves(void)
{
    if (pick(2))
        leaf();
    aside();
    leaf();
}

/* Two places to call from each: a word differs in one slot, anywhere. */
KEPT static void ladder(int k)
{
    if (k == 0)
        leaves();
    else if (bits >> k & 1) {
        ladder(k - 1);
        __asm__ volatile("nop");
    } else {
        ladder(k - 1);
        __asm__ volatile("nop;nop");
    }
    AFTER();
}

POINTER static void inner(void)
{
    ladder(3);
    AFTER();
}

/* Stands where its caller's alloca leaves it, and takes the rest: what is inside stands still. */
POINTER static void compensated(int n)
{
    volatile char *p = alloca((size_t)n);
    __asm__ volatile("" ::"r"(p) : "memory");
    inner();
    AFTER();
}

#define TWICE(name, call, code)                                                                    \
    KEPT static void name(int n)                                                                   \
    {                                                                                              \
        volatile char *p = alloca((size_t)n);                                                      \
        __asm__ volatile("" ::"r"(p) : "memory");                                                  \
        call;                                                                                      \
        __asm__ volatile(code ::: "memory");                                                       \
    }
TWICE(outer_a, compensated(1024 - n), "nop")
TWICE(outer_b, compensated(1024 - n), "nop;nop")

KEPT static void far_aligned(void)
{
    volatile char a[128] __attribute__((aligned(256)));
    volatile char *q = alloca(bits % 1 + 16);
    q[0] = a[0] = 1;
    __asm__ volatile("" ::"r"(a), "r"(q) : "memory");
    inner();
    AFTER();
}
TWICE(shifted_a, far_aligned(), "nop")
TWICE(shifted_b, far_aligned(), "nop;nop")

static void deceive(int kind, uint32_t r)
{
    void (*volatile f)(int);
    bits = kind == 0 ? r : 0;
    if (kind == 0) {
        ladder(16);
    } else if (kind == 1) {
        f = r & 1 ? outer_a : outer_b;
        f(16 + (int)(r >> 1 & 7) * 64);
    } else {
        f = r & 1 ? shifted_a : shifted_b;
        f(16 + (int)(r >> 1 & 7) * 16);
    }
}

static void on_profile(int number)
{
    (void)number;
    if (in_handler)
        return;
    in_handler = 1;
    leaf();
    in_handler = 0;
}

static void be_interrupted(void)
{
    struct sigaction action = {.sa_handler = on_profile, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 500}, {0, 500}};
    asynchronous = 1;
    signal(SIGSEGV, on_fall);
    sigaction(SIGPROF, &action, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};
    unsigned long cut, lost;
    int rounds = argc > 1 ? atoi(argv[1]) : 1000;
    sigaction(SIGUSR1, &action, NULL);
    if (argc > 2)
        be_interrupted();
    for (int i = 0; i < rounds; i++) {
        context_count = 0;
        if (pick(3) == 0)
            throwing(1 + (int)pick(25));
        else
            go((int)pick(25));
        for (int k = 0; k < 12; k++)
            deceive(k / 4, pick(1u << 20));
    }
    native_probe_losses(&cut, &lost);
    printf("checks %ld frames %ld wrong %ld shorter %ld disagreeing %ld cut %lu lost %lu\n", checks,
           frames_seen, wrong, shorter, disagreeing, cut, lost);
    return wrong || shorter || disagreeing || cut || lost;
}
