"""Python's allocators: objects one by one, arenas and frame stacks, and every setting under which they work otherwise.

tests/programs/allocators.py makes objects of known sizes and calls the allocators themselves; under whatever setting it runs, the
same sizes are expected, and the program says what it says without us."""
import ast
import textwrap

import pytest

from conftest import ROOT, held_by, run

SCRIPT = ROOT / "tests" / "programs" / "allocators.py"
COUNT = 20_000
OBJECTS = ["bytes_of_1000", "bytes_of_100", "plain_objects", "slotted_objects"]
CALLS = {"call_raw": 5_001, "call_mem": 6_001, "call_object": 7_001, "call_calloc": 9_009, "call_realloc": 11_001,
         "realloc_fails": 13_001, "global_malloc": 15_000_001}

SLACK = 500  # where small objects come from the same allocator as large ones, or a tracer keeps notes beside each block

SETTINGS = {  # name: (the interpreter's options, environment, arguments of the script)
    "default": ([], {}, ["pause"]),
    "malloc": ([], {"PYTHONMALLOC": "malloc"}, []),
    "debug": ([], {"PYTHONMALLOC": "debug"}, []),
    "dev": (["-X", "dev"], {}, []),
    "tracemalloc": (["-X", "tracemalloc"], {}, []),
    "tracemalloc_in_the_middle": ([], {}, ["start_tracing"]),
}
OTHERS = [name for name in SETTINGS if name != "default"]


class Run:
    """What the script said, and what the recording tells of it."""

    def __init__(self, recording):
        self.out, self.err = recording.finished.out, recording.finished.err
        self.said = ast.literal_eval(self.out)
        self.summary = recording.summary()
        report = recording.peak()
        self.peak = report["peak"]
        self.stacks = [(stack["allocator"], stack["bytes"], stack["allocations"], {frame["function"] for frame in stack["frames"]})
                       for stack in report["stacks"]]

    def held(self, function, least=0, allocator=""):
        """(allocations, bytes) of a function by allocators whose name begins so, the stacks with blocks smaller than `least` on
        average left out."""
        chosen = [(count, size) for kind, size, count, functions in self.stacks
                  if count and size / count >= least and function in functions and kind.startswith(allocator)]
        return sum(count for count, _ in chosen), sum(size for _, size in chosen)


@pytest.fixture(scope="module")
def runs(record_once):
    made = {}

    def run_of(interpreter, setting, options=()):
        key = interpreter.path, setting, options
        if key not in made:
            flags, env, args = SETTINGS[setting]
            made[key] = Run(record_once([interpreter.path, "-S", *flags, SCRIPT, *args], env=env, options=options))
        return made[key]

    return run_of


@pytest.fixture
def plain(interpreter, runs):
    return runs(interpreter, "default")


def assert_objects(now, function):
    """So many objects of what getsizeof says; the list that holds them is one object and one block more."""
    size = now.said[function]
    count, total = now.held(function, allocator="PyObject_Malloc")
    assert COUNT <= count <= COUNT + 1
    assert COUNT * size <= total <= COUNT * size + 600  # and up to 3.10 the code keeps its last frame
    count, total = now.held(function, 10_000, "PyMem_Malloc")
    assert count == 1
    assert COUNT * 8 <= total <= COUNT * 9 + 5_000


def assert_block(now, function, size, slack):
    """One stack beneath that function holds a block of this size, with at most `slack` bytes of small ones beside it."""
    beside = [total - size for _, total, _, functions in now.stacks if function in functions and total >= 4000]
    assert len(beside) == 1 and 0 <= beside[0] <= slack, (function, beside)


def assert_known(now, slack=0):
    """Everything in the script whose size is known."""
    for function in OBJECTS:
        assert_objects(now, function)
    for function, size in CALLS.items():
        assert_block(now, function, size, slack)
    for function in ("one_list", "byte_array"):
        assert_block(now, function, now.said[function], slack + 64)
    assert_block(now, "end", 100_000_000 + now.said["bytes_of_100"] - 100, slack)
    assert_block(now, "anonymous_map", 30 << 20, 0)
    assert_block(now, "private_map", 10 << 20, 0)
    assert now.held("realloc_to_zero_and_free", 4000) == (0, 0)


# ---- objects one by one ----

@pytest.mark.parametrize("function", OBJECTS)
def test_objects__count_one_by_one_what_getsizeof_says(function, plain):
    assert_objects(plain, function)


def test_arrays__and_maps_have_the_size_that_was_asked_for(interpreter, plain):
    assert_known(plain, SLACK if interpreter.free_threaded else 0)


def test_realloc__of_python_to_nothing_is_a_live_block(plain):
    """200 blocks of 50,000 bytes, each made nothing: 200 blocks live, of no bytes (the list that holds them has some)."""
    count, total = plain.held("realloc_to_zero", allocator="PyMem_Malloc")
    assert 200 <= count <= 202
    assert total < 5_000


def test_malloc__through_the_global_namespace_of_ctypes_is_seen(plain):
    assert plain.held("global_malloc", 10_000, "malloc") == (1, 15_000_001)


# ---- settings ----

@pytest.mark.parametrize("setting", OTHERS)
def test_settings__change_neither_sizes_nor_the_program(setting, interpreter, runs, plain):
    flags, env, args = SETTINGS[setting]
    bare = run([interpreter.path, "-S", *flags, SCRIPT, *args], env=env)
    if interpreter.free_threaded and setting == "malloc":
        assert bare.status != 0  # the interpreter itself refuses
        return
    now = runs(interpreter, setting)
    assert (bare.status, bare.out, bare.err) == (0, now.out, "")
    assert_known(now, SLACK)
    totals, losses = now.summary["totals"], [loss["reason"] for loss in now.summary["losses"]]
    assert (totals["replaced"], totals["impossible"], now.summary["trace"]["lost_events"]) == (0, 0, 0)
    assert totals["unknown_frees"] < 1000 and set(losses) <= {"unknown_free"}
    own = 60_000_000 if "tracemalloc" in setting else 3_000_000  # what tracemalloc keeps of its own is memory, too
    assert abs(now.peak["bytes"] - plain.peak["bytes"]) < own


# ---- arenas ----

def test_arenas__hold_what_objects_count_one_by_one(interpreter, runs, plain):
    """Without objects the arenas count whole; with them the objects count, and what arenas hold beyond them is told beside.
    Both ways the sum is the same but for what the pools themselves need."""
    whole = runs(interpreter, "default", ("--no-objects",))
    objects, retained = plain.peak["bytes"], plain.peak["python_retained_bytes"]
    assert whole.peak["python_retained_bytes"] == 0
    assert abs(objects + retained - whole.peak["bytes"]) < (0.06 if interpreter.free_threaded else 0.03) * whole.peak["bytes"]
    assert retained < 0.05 * objects
    assert retained > 0 or interpreter.free_threaded  # there untouched objects lie in arenas, too, and outweigh what is left over


def test_no_objects__records_what_reaches_malloc_and_mmap(interpreter, runs):
    whole = runs(interpreter, "default", ("--no-objects",))
    assert not whole.summary["trace"]["objects"]
    assert {allocator for allocator, *_ in whole.stacks} <= {"malloc", "calloc", "realloc", "mmap", "mmap by mimalloc", "posix_memalign", "sbrk", "mremap"}
    assert whole.held("global_malloc", 10_000) == (1, 15_000_001)
    assert whole.held("anonymous_map", 1 << 20)[1] == 30 << 20
    if not interpreter.free_threaded:  # whose own mimalloc serves what malloc serves elsewhere
        assert whole.held("byte_array", 10_000) == (1, whole.said["byte_array"])


def test_peak__resident_is_no_more_than_the_kernel_saw(interpreter, plain):
    """100 MB of zeroes, 40 MiB of maps and a malloc of 15 MB are never touched; all the rest is. Were anything counted twice, the
    resident sum would exceed the RSS, which the interpreter itself is part of."""
    untouched = (0 if interpreter.free_threaded else 100_000_000) + (40 << 20) + 15_000_001  # its allocator clears them itself
    assert plain.peak["resident_bytes"] <= plain.peak["rss_bytes"]
    assert abs(plain.peak["bytes"] - plain.peak["resident_bytes"] - untouched) < 3 << 20


@pytest.mark.since(3, 11)
def test_frame_stack__chunks_of_deep_recursion_count(interpreter, record):
    """5,000 frames of at least 12 words each lie in chunks that the arena allocator maps; they count, once, and not as retained."""
    depth = 5_000
    peak = record(textwrap.dedent(f"""
        import sys
        sys.setrecursionlimit(1_000_000)
        turns = iter([True] * {depth})
        def down():  # nothing is allocated on the way
            return down() if next(turns, False) else bytearray(50_000_000)
        down()
    """), python=interpreter).peak()
    chunks = sum(stack["bytes"] for stack in peak["stacks"] if stack["allocator"] == "mmap"
                 and any(frame["function"] == "down" for frame in stack["frames"]))
    assert depth * 12 * 8 <= chunks <= 3 * depth * 12 * 8
    assert held_by(peak, "down") >= 50_000_000 + chunks
