"""Programs without Python: whatever they are written in, they run as bare, and what they ask for is told to the byte.

The truth is tests/programs/counting.so.c, a preload that counts in another run of the same program; and heaptrack, where
it is installed."""
import glob
import os
import re
import shutil
import struct

import pytest

from conftest import PROGRAMS, ROOT, run

FAULT_KIND = "Ends"
KINDS = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "valloc", "pvalloc"]
KEPT = 3_000_017
MIB = 1 << 20


@pytest.fixture
def counted(tmp_path):
    """counted(argv) -> ({kind: (calls, bytes)}, frees, failures) of a run that is not recorded."""
    def count(argv):
        counts = tmp_path / "counts"
        counts.write_bytes(bytes(4096))
        done = run(argv, env={"LD_PRELOAD": str(PROGRAMS / "counting.so"), "COUNTING": str(counts)})
        assert done.status == 0, done.err
        words = struct.unpack("<18Q", counts.read_bytes()[:144])
        return {kind: words[2 * i:2 * i + 2] for i, kind in enumerate(KINDS) if words[2 * i]}, words[16], words[17]
    return count


def told(recording):
    """The same, of a recording."""
    summary = recording.summary()
    kinds = {each["allocator"]: (each["allocations"], each["bytes"]) for each in summary["allocators"] if each["allocator"] in KINDS}
    totals, events = summary["totals"], summary["events"]
    assert [totals[each] for each in ("unknown_frees", "lost_frees", "replaced", "impossible")] == [0, 0, 0, 0]
    # Go's own stacks say nowhere how they are left: the C frames on them are there, what is outside is counted as cut.
    assert {loss["reason"] for loss in summary["losses"]} <= {"native_cut"} and summary["trace"]["lost_events"] == 0
    return kinds, events["frees"] - events["frees_taken_back"], events["failed"]


def by_malloc(report):
    return sum(stack["bytes"] for stack in report["stacks"] if stack["allocator"] in KINDS)


# ---- counts and bytes ----

@pytest.fixture(scope="session")
def rust(tmp_path_factory):
    found = shutil.which("rustc") or shutil.which(os.path.expanduser("~/.cargo/bin/rustc"))
    if not found:
        pytest.skip("no rustc here")
    built = tmp_path_factory.mktemp("rust") / "holds"
    done = run([found, "-O", "-o", built, ROOT / "tests" / "programs" / "holds.rs"], timeout=300)
    assert done.status == 0, done.err
    return built


@pytest.fixture(scope="session")
def cgo(tmp_path_factory):
    found = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if not found:
        pytest.skip("no go here")
    built = tmp_path_factory.mktemp("go") / "cgo"
    done = run([found, "build", "-o", built, "."], cwd=ROOT / "tests" / "programs" / "cgo", env={"CGO_ENABLED": "1", "GOFLAGS": "-mod=mod"}, timeout=600)
    assert done.status == 0, done.err
    return built


def assert_exact(argv, record, counted):
    bare, recording = run(argv), record(argv)
    assert (recording.finished.status, recording.finished.out) == (bare.status, bare.out)
    assert told(recording) == counted(argv)
    return recording


@pytest.mark.parametrize("scenario", ["nothing", "kept", "deleted"])
def test_cxx__is_counted_to_the_byte_from_the_first_constructor_on(record, counted, programs, scenario):
    """libstdc++ takes its reserve for exceptions before our constructor runs."""
    recording = assert_exact([programs / "new", scenario], record, counted)
    assert by_malloc(recording.leaks()) >= 72_704


@pytest.mark.parametrize("argv", [["threads", "temporary"], ["threads", "in_turn"], ["blocks", "churn"]], ids="-".join)
def test_c__is_counted_to_the_byte(record, counted, programs, argv):
    assert_exact([programs / argv[0], *argv[1:]], record, counted)


@pytest.mark.parametrize("scenario", ["together", "in_turn"])
def test_rust__is_counted_to_the_byte(record, counted, rust, scenario):
    recording = assert_exact([rust, scenario], record, counted)
    assert KEPT <= by_malloc(recording.leaks()) <= KEPT + 10_000


def test_go__is_counted_where_it_calls_c(record, counted, cgo):
    """Go starts more or fewer threads, each with a calloc and a small malloc, which the thread frees when it begins: the last ones may never. The rest is
    the same. Its own heap is what it has mapped."""
    bare, recording, (kinds, frees, failures) = run([cgo]), record([cgo]), counted([cgo])
    assert (recording.finished.status, recording.finished.out) == (bare.status, bare.out) == (0, "2000 kept by C 1000\n")
    ours, our_frees, our_failures = told(recording)
    threads = ours["calloc"][0] - kinds["calloc"][0]
    assert [ours["malloc"][i] - kinds["malloc"][i] for i in (0, 1)] == [threads, 24 * threads]
    assert (our_failures, failures) == (0, 0)
    not_begun = sum(stack["allocations"] for stack in recording.leaks()["stacks"] if stack["allocator"] == "malloc" and stack["bytes"] == 24 * stack["allocations"])
    left, ours_left = (sum(calls for calls, _ in each.values()) - freed for each, freed in ((kinds, frees), (ours, our_frees)))
    assert 0 <= left + threads - (ours_left - not_begun) <= kinds["calloc"][0]  # the calloc stays
    assert KEPT <= by_malloc(recording.leaks()) <= KEPT + 10_000


def test_node__holds_what_its_c_side_asks_for(record):
    """A buffer outside of V8's heap is a calloc; what V8 maps for itself are mappings. Node's own threads make the rest of the counts vary."""
    if not shutil.which("node"):
        pytest.skip("no node here")
    argv = ["node", "-e", f"const kept = Buffer.allocUnsafeSlow({KEPT}).fill(1); console.log(kept.length)"]
    bare, recording = run(argv), record(argv)
    assert (recording.finished.status, recording.finished.out) == (bare.status, bare.out) == (0, f"{KEPT}\n")
    peak = recording.peak()
    assert peak["trace"]["lost_events"] == 0 and by_malloc(peak) >= KEPT
    assert peak["peak"]["resident_bytes"] <= peak["peak"]["rss_bytes"] + 10 * MIB  # what runs before a sample is reckoned as touched


@pytest.mark.parametrize("argv", [["git", "--version"], ["xz", "--version"], ["clang-format", "--version"], ["g++", "--version"]], ids=lambda argv: argv[0])
def test_what_is_installed__is_counted_to_the_byte(record, counted, argv):
    """clang-format's libraries make 4,000 allocations in their constructors."""
    if not shutil.which(argv[0]):
        pytest.skip(f"no {argv[0]} here")
    assert_exact(argv, record, counted)


# ---- against heaptrack ----

@pytest.fixture
def heaptracked(tmp_path):
    """heaptracked(argv) -> {cost: sum} for allocations, leaked bytes and peak bytes."""
    if not shutil.which("heaptrack"):
        pytest.skip("no heaptrack here (apt-get install heaptrack)")

    def track(argv):
        done = run(["heaptrack", "-o", tmp_path / "heap", *argv])
        file, = glob.glob(str(tmp_path / "heap*"))
        sums = {}
        for cost in ("allocations", "leaked", "peak"):
            folded = tmp_path / cost
            run(["heaptrack_print", "-f", file, "-p", "0", "-a", "0", "-T", "0", "-l", "0", "-F", folded, "--flamegraph-cost-type", cost])
            sums[cost] = sum(int(line.rsplit(" ", 1)[1]) for line in folded.read_text().splitlines())
        assert done.status == 0
        return sums
    return track


@pytest.mark.parametrize("what", ["clang-format", "rust"])
def test_heaptrack__tells_the_same(record, heaptracked, request, what):
    """It is written in C++ itself: where the program isn't, its libstdc++ brings the reserve for exceptions, and one small block with it. What LLVM's
    libraries free when they are unloaded it doesn't see any more."""
    if what == "clang-format" and not shutil.which(what):
        pytest.skip("no clang-format here")
    argv = [what, "--version"] if what == "clang-format" else [request.getfixturevalue("rust"), "in_turn"]
    theirs, recording = heaptracked(argv), record(argv)
    totals, leaked, peak = recording.summary()["totals"], by_malloc(recording.leaks()), by_malloc(recording.peak())
    reserve = 72_704 if what == "rust" else 0
    assert 0 <= theirs["allocations"] - totals["allocations"] <= 2
    assert 0 <= theirs["leaked"] - leaked <= (100 if what == "rust" else leaked)
    assert 0 <= theirs["peak"] - peak - reserve <= 100


# ---- programs that bring an allocator of their own in malloc's place ----

@pytest.mark.fault("the program has an allocator of its own in malloc's place, which maps memory under its locks before our constructor runs", program="what it is without us", trace="what that allocator maps")
def test_own_allocator__maps_memory_before_us_under_its_lock(record, programs):
    """Looking up the real mmap there would ask the loader, which allocates, by that allocator: it waited for itself for ever."""
    bare = run([programs / "own_malloc"])
    recording = record([programs / "own_malloc"], timeout=60)
    assert (bare.status, bare.out) == (0, recording.finished.out) == (0, "5 pieces, every block whole: 1\n")
    leaks = recording.leaks()
    assert {stack["allocator"] for stack in leaks["stacks"]} == {"mmap", "mremap"}
    assert leaks["total"]["bytes"] == 5 * 2 * MIB


def test_rust_compiler__whose_allocator_is_jemalloc_starts(record):
    """What showed it: rustc is linked with jemalloc, which a constructor of its LLVM calls first."""
    found = sorted(glob.glob(os.path.expanduser("~/.rustup/toolchains/*/bin/rustc")))
    if not found:
        pytest.skip("no rustc here (rustup brings it)")
    bare = run([found[0], "--version"])
    recording = record([found[0], "--version"], timeout=60)
    assert (bare.status, bare.out, bare.err) == (0, recording.finished.out, "")
    assert recording.summary()["trace"]["lost_events"] == 0
