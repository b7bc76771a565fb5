"""Programs without Python: whatever they link, they run as bare, and what they ask for is told to the byte."""
import glob
import os

import pytest

from conftest import run

FAULT_KIND = "Ends"


# ---- programs that bring an allocator of their own in malloc's place ----

@pytest.mark.fault("the program has an allocator of its own in malloc's place, which maps memory under its locks before our constructor runs", program="what it is without us", trace="what that allocator maps")
def test_own_allocator__maps_memory_before_us_under_its_lock(record, programs):
    """Looking up the real mmap there would ask the loader, which allocates, by that allocator: it waited for itself for ever."""
    bare = run([programs / "own_malloc"])
    recording = record([programs / "own_malloc"], timeout=60)
    assert (bare.status, bare.out) == (0, recording.finished.out) == (0, "5 pieces, every block whole: 1\n")
    assert {stack["allocator"] for stack in recording.leaks()["stacks"]} == {"mmap"}


def test_rust_compiler__whose_allocator_is_jemalloc_starts(record):
    """What showed it: rustc is linked with jemalloc, which a constructor of its LLVM calls first."""
    found = sorted(glob.glob(os.path.expanduser("~/.rustup/toolchains/*/bin/rustc")))
    if not found:
        pytest.skip("no rustc here (rustup brings it)")
    bare = run([found[0], "--version"])
    recording = record([found[0], "--version"], timeout=60)
    assert (bare.status, bare.out, bare.err) == (0, recording.finished.out, "")
    assert recording.summary()["trace"]["lost_events"] == 0
