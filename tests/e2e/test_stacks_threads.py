"""Who holds what, when threads hold it: each size is one of tests/programs/threads.py or tests/programs/threads.c."""
import functools
import re

import pytest

from conftest import ROOT

SCRIPT = ROOT / "tests" / "programs" / "threads.py"
LINES = {name: number for number, line in enumerate(SCRIPT.read_text().splitlines(), 1) for name in re.findall(r"# at: (\w+)", line)}


@pytest.fixture(scope="module")
def peaks(record_once, programs):
    @functools.lru_cache(maxsize=None)
    def peak_of(path):
        return record_once([path, SCRIPT, programs / "cthread.so"]).peak()
    return peak_of


@pytest.fixture
def peak(interpreter, peaks):
    return peaks(interpreter.path)


def holders(peak, size):
    """Whoever holds that block, with little else on the same line."""
    return [stack for stack in peak["stacks"] if size <= stack["bytes"] < size + 10_000]


def innermost(stack):
    frame = stack["frames"][-1]
    return frame["function"], frame["line"]


@pytest.mark.parametrize("name, size", [("first", 1_000_001), ("second", 2_000_001), ("third", 3_000_001), ("fourth", 4_000_001)])
def test_threads__each_holds_its_own_with_its_own_stack(name, size, peak):
    stack, = holders(peak, size)
    functions = [frame["function"].rsplit(".", 1)[-1] for frame in stack["frames"]]
    assert innermost(stack) == (name, LINES[name])
    assert functions[0] == "_bootstrap" and functions[-2:] == ["work", name]
    assert "<module>" not in functions


def test_threads__have_threads_of_their_own(peak):
    threads = {holders(peak, size)[0]["tid"] for size in (1_000_001, 2_000_001, 3_000_001, 4_000_001, 50_000_001)}
    assert len(threads) == 5


def test_c_threads__belong_to_the_python_stack_that_created_them(peak):
    stack, = holders(peak, 5_000_002)
    assert [frame["function"] for frame in stack["frames"]] == ["<module>", "make_c_thread"]
    assert innermost(stack) == ("make_c_thread", LINES["make_c_thread"])
    assert stack["tid"] != stack["pid"]


def test_c_threads__of_c_threads_belong_to_the_same_stack(peak):
    stack, = holders(peak, 6_000_002)
    assert [frame["function"] for frame in stack["frames"]] == ["<module>", "make_c_thread_of_thread"]


def test_c_threads__that_call_python_have_the_stack_of_that_python(peak):
    stack, = holders(peak, 7_000_001)
    assert innermost(stack) == ("called_back", LINES["called_back"])


def test_threads__freeing_what_another_allocated_frees_it(peak):
    assert holders(peak, 8_000_000) == []


def test_stacks__below_deep_c_recursion_are_found(peak):
    stack, = holders(peak, 9_000_001)
    assert innermost(stack) == ("deep", LINES["deep"])


def test_temporary__is_counted_in_the_thread_that_allocated(record, programs):
    """tests/programs/threads.c: one thread allocates and frees 1,000 × 100 bytes while another allocates between, which does not
    count; 500 × 70 bytes are freed by another thread than allocated them, which is never temporary."""
    recording = record([programs / "threads", "temporary"])
    by_size = recording.temporary()
    assert by_size["total"] == {"bytes": 1000 * 100, "allocations": 1000}
    assert recording.temporary("--threshold", "1000000")["total"] == {"bytes": 1000 * 100, "allocations": 1000}


def test_peak__over_threads_is_of_one_moment(record, programs):
    """Two threads hold 1 MB each in turn, never together, then 600 kB each together: the peak is 1.2 MB, not 2."""
    peak = record([programs / "threads", "in_turn"]).peak()
    assert sum(stack["bytes"] for stack in peak["stacks"] if stack["allocator"] == "malloc") == 1_200_000


def test_frees__in_another_thread_at_the_same_address_keep_their_order(record, programs):
    """Four threads hand 100,000 blocks to each other; whoever freed and allocated at one address in between, nothing is left and
    nothing is unknown, and never are more than 64 alive."""
    recording = record([programs / "threads", "exchange"])
    totals = recording.summary()["totals"]
    assert recording.leaks()["total"]["bytes"] == 0 or all(stack["allocator"] != "malloc" for stack in recording.leaks()["stacks"] if stack["bytes"])
    assert (totals["replaced"], totals["unknown_frees"], totals["lost_frees"]) == (0, 0, 0)
    assert sum(stack["bytes"] for stack in recording.peak()["stacks"] if stack["allocator"] == "malloc") <= 64 * 1000
