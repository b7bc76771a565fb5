"""Real input: arrays, a data job, the tests of a real package; and moments, which need a program that takes its time."""
import datetime
import re
import textwrap

import pytest

from conftest import ROOT, held_by, run
from trees import SEEN

MIB = 1 << 20


def holding(peak, function):
    """The one stack of a function that holds a megabyte or more."""
    stack, = [stack for stack in peak["stacks"] if stack["bytes"] >= MIB and stack["frames"] and stack["frames"][-1]["function"] == function]
    return stack


# ---- numpy ----

def test_numpy__arrays_are_requested_and_resident(record, memreplay):
    recording = record(ROOT / "examples" / "arrays.py")
    assert recording.finished.out == f"{560 * MIB} bytes in three arrays\n"
    peak = recording.peak()
    big = holding(peak, "make_big_array")
    two = sorted((stack["bytes"], stack["resident_bytes"]) for stack in peak["stacks"]
                 if stack["bytes"] >= MIB and "make_two_arrays" in [frame["function"] for frame in stack["frames"]])
    assert big["bytes"] == 400 * MIB and big["resident_bytes"] < 3 * MIB  # the first page, a huge one at most
    assert [bytes_ for bytes_, _ in two] == [80 * MIB, 80 * MIB]
    assert two[0][1] < 3 * MIB and two[1][1] == 80 * MIB
    untouched = peak["peak"]["bytes"] - peak["peak"]["resident_bytes"]
    assert 474 * MIB <= untouched
    said = memreplay("peak", "--no-color", recording.trace).out
    assert "never touched" in said and "make_big_array" in said


def test_numpy__one_array_after_the_other_is_the_larger_alone(record):
    peak = record("""
        import numpy

        def first():
            numpy.ones(3_000_000)

        def second():
            numpy.ones(4_000_000)

        def third():
            numpy.ones(3_999_999)

        first(), second(), third()
    """).peak()
    assert (held_by(peak, "first"), held_by(peak, "third")) == (0, 0)
    assert 32_000_000 <= held_by(peak, "second") <= 32_010_000


def test_numpy__in_place_and_temporaries(record):
    """a + b + c needs one array beside the result at most; numpy reuses the temporary."""
    peak = record("""
        import numpy

        def made():
            return numpy.full(2_000_000, 1.5), numpy.full(2_000_000, 2.5), numpy.full(2_000_000, 3.5)

        def added(a, b, c):
            a += b
            return a + c

        result = added(*made())
    """).peak()
    assert 48_000_000 <= held_by(peak, "made") <= 48_010_000
    assert 16_000_000 <= held_by(peak, "added") <= 16_010_000


# ---- pandas ----

def test_pandas__read_csv_holds_resident_what_the_process_grew_by(record, tmp_path):
    data = tmp_path / "sales.csv"
    with open(data, "w") as file:
        file.write("shop,day,price,item\n")
        file.writelines(f"{i % 50},{i % 365},{i % 997 / 10},item{i % 1000}\n" for i in range(1_500_000))
    recording = record(ROOT / "examples" / "read_csv.py", args=[data])
    assert recording.finished.out.startswith("1500000 rows, mean prices")
    grown = int(re.search(r"grown by (\d+) bytes", recording.finished.err)[1])
    stacks = [stack for stack in recording.peak()["stacks"] if "load" in [frame["function"] for frame in stack["frames"]]]
    requested, resident = (sum(stack[key] for stack in stacks) for key in ("bytes", "resident_bytes"))
    assert abs(resident - grown) < 0.25 * grown
    assert requested > 1.5 * resident  # what the converters never touch


# ---- the tests of a real package ----

@pytest.mark.slow
def test_pytest__of_a_real_package_says_what_it_says_bare(record, python, tmp_path):
    """joblib carries its tests in its wheel: several hundred of its hashing alone. (One of them compares times, and fails by itself on a busy machine.)"""
    argv = [python.path, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-k", "not performance", "--pyargs", "joblib.test.test_hashing"]
    bare = run(argv, cwd=tmp_path)
    recording = record(argv)

    def timeless(said):
        return re.sub(r"in [\d.]+s.*|0x[0-9a-f]+", "", said)

    assert bare.status == 0 and int(re.search(r"(\d+) passed", bare.out)[1]) >= 300
    assert timeless(recording.finished.out) == timeless(bare.out)
    assert recording.finished.status == bare.status
    summary, peak = recording.summary(), recording.peak()
    assert summary["trace"]["complete"] and summary["trace"]["lost_events"] == 0 and summary["totals"]["replaced"] == 0
    assert [loss for loss in summary["losses"] if loss["reason"] != "unknown_free"] == []
    assert peak["peak"]["bytes"] == sum(stack["bytes"] for stack in peak["stacks"]) > 10 * MIB
    assert peak["peak"]["resident_bytes"] <= peak["peak"]["rss_bytes"]
    assert held_by(peak, "import_module") + held_by(peak, "_find_and_load") > MIB


# ---- moments ----

def test_peak__is_told_when_it_was(record):
    """Between the moment before the large block was made and the one before it went, by the wall clock, but for 10 ms. What `seen` takes for itself is
    on top of the block, so the peak has been read before it returns, however busy the machine is."""
    recording = record(SEEN + textwrap.dedent("""
        import time
        time.sleep(0.3)
        before = time.time_ns()
        block = bytearray(20_000_000)
        seen()
        after = time.time_ns()
        del block
        time.sleep(0.3)
        print(before, after)
    """))
    before, after = map(int, recording.finished.out.split())
    peak = recording.peak()
    started = datetime.datetime.fromisoformat(peak["trace"]["started"].replace("Z", "+00:00"))
    started_ns = int(started.timestamp()) * 10**9 + started.microsecond * 1000
    assert before - 10**7 <= started_ns + peak["peak"]["time_ns"] <= after + 10**7


def test_peak__of_tied_moments_is_the_earliest(record):
    """bytearrays of one size, one after the other: all peaks are equal, and the first of them is told."""
    peak = record("""
        def first():
            bytearray(40_000_000)

        def second():
            bytearray(40_000_000)

        first()
        second()
        second()
    """, options=["--no-objects"]).peak()
    assert held_by(peak, "first") == 40_000_001
    assert held_by(peak, "second") == 0


def test_leaks__are_what_lives_at_the_end(record):
    leaks = record("""
        import ctypes
        library = ctypes.CDLL(None)
        library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        library.free.argtypes = [ctypes.c_void_p]

        def lost():
            for i in range(10):
                library.malloc(100_001)

        def found():
            for i in range(10):
                library.free(library.malloc(200_001))

        lost()
        found()
        kept = bytearray(5_000_000)  # the interpreter frees it when it ends
    """).leaks()
    assert 1_000_010 <= held_by(leaks, "lost") <= 1_002_000
    assert held_by(leaks, "found") == 0
    assert all(stack["bytes"] < 2_000_000 for stack in leaks["stacks"])


def test_temporary__is_what_is_freed_before_the_next_allocation(record):
    temporary = record("""
        import ctypes
        library = ctypes.CDLL(None)
        library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        library.free.argtypes = [ctypes.c_void_p]
        library.realloc.restype, library.realloc.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]

        def churn():
            for i in range(100):
                bytearray(1_000_000)

        def kept():
            return [bytearray(1_000_000) for i in range(10)]

        churn()
        some = kept()
    """).temporary("--threshold", "10")
    assert 100 * 1_000_001 <= held_by(temporary, "churn") <= 100 * 1_000_001 + 50_000
    assert held_by(temporary, "kept") < 50_000
