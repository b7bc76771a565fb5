"""Rings, merge, interner and the other tables that threads share, under ThreadSanitizer: the unit tests of these, again and again.

Whole recordings can't run there: the sanitizer's own malloc and ours would stand in for the same functions. It is `make soak`
that builds them (SAN=thread, build/tsan)."""
import os
import shutil
import time

import pytest

from conftest import ROOT, run

BUILT = ROOT / "build" / "tsan" / "tests" / "unit"
TESTS = ["preload/test_preload_ring", "preload/test_preload_emit", "preload/test_preload_intern", "preload/test_preload_code", "preload/test_preload_big",
         "preload/test_preload_mark", "collector/test_merge", "collector/test_writer"]


@pytest.mark.soak
@pytest.mark.parametrize("name", TESTS)
def test_threads__race_nowhere(name, soak_seconds):
    """With addresses that are not random: gcc 12's runtime knows no kernel that takes more than 28 bits for that."""
    if not os.access(BUILT / name, os.X_OK):
        pytest.skip("not built: make unit SAN=thread")
    apart = ["setarch", "-R"] if shutil.which("setarch") else []
    end, rounds = time.monotonic() + soak_seconds / len(TESTS), 0
    while not rounds or time.monotonic() < end:
        done = run([*apart, BUILT / name], env={"CMOCKA_MESSAGE_OUTPUT": "tap", "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:die_after_fork=0"}, timeout=1200)
        assert done.status == 0 and "\nok 1 - " in done.out and "\nnot ok" not in done.out and "WARNING: ThreadSanitizer" not in done.err, done
        rounds += 1
