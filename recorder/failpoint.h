/* Failpoints: named places where what can fail, or be starved, does fail when a test asks for it.
 *
 * Only the build variant FAIL=1 (build/failpoints) has them. In every other build the macros are
 * the bare call: no symbol, string or instruction of this is in what people get, which
 * tools/check/failpoints proves over the linked files. Why our own and no library that is
 * preloaded: most of these calls are made past libc, by a library that is preloaded itself, and a
 * name says which of twenty mmaps is meant.
 *
 *   MEMREC_FAIL=name[:when[:how]][,name…]
 *       when  3 (the third time only), 3+ (from then on); by default 1+
 *       how   an error's number, by default the list's; stop, kill: SIGSTOP, SIGKILL to the process
 *       how   hang: the thread never returns from there
 *   MEMREC_FAIL_MARKS=FILE   a line with its name is appended when a failpoint fires: how a test
 *       knows that the path it means has run
 *
 * Invariants: every name of failpoints.def stands in the code exactly once (checked), and has an
 * expectation in tests/e2e/test_failpoints.py (checked). Firing allocates nothing, takes no lock
 * and keeps errno but for the error that it makes. Not here: what is expected of each. */
#ifndef RECORDER_FAILPOINT_H
#define RECORDER_FAILPOINT_H

#ifdef MEMREC_FAILPOINTS

#    include <stdbool.h>

enum failpoint {
#    define FAILPOINT_ENTRY(name, error, text) FAILPOINT_##name,
#    include "recorder/failpoints.def"
#    undef FAILPOINT_ENTRY
    FAILPOINT_COUNT
};

/* Counts a passage. Returns true, with errno set, where it is to fail; does not return where the
 * process is to be killed. Async-signal-safe; any thread. */
__attribute__((visibility("hidden"))) bool failpoint_fires(enum failpoint id);

/* The call's value; where the failpoint fires the call is not made, and the value is `failed`. */
#    define FAILPOINT(name, call, failed)                                                          \
        (failpoint_fires(FAILPOINT_##name) ? (__typeof__(call))(failed) : (call))
/* A place where the process may be stopped or killed. */
#    define FAILPOINT_HERE(name) ((void)failpoint_fires(FAILPOINT_##name))

#else

#    define FAILPOINT(name, call, failed) (call)
#    define FAILPOINT_HERE(name)          ((void)0)

#endif
#endif
