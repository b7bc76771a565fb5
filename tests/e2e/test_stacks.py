"""Stacks: function, file and line of every frame, as the interpreter itself has them at that instruction.

tests/programs/stacks.py allocates at each of its points a block of a size of its own and says under which frames. Each point is
one test on each interpreter; the recording is made once for all of them."""
import json
import re

import pytest

from conftest import ROOT

SCRIPT = ROOT / "tests" / "programs" / "stacks.py"
SOURCE = SCRIPT.read_text()
MARKERS = {name: number for number, line in enumerate(SOURCE.splitlines(), 1) for name in re.findall(r"at: (\w+)", line) if "# " in line}
POINTS = sorted((set(re.findall(r"""Point\(\s*["'](\w+)["']\s*\)""", SOURCE)) | set(MARKERS) | {"line_300", "line_40000", "line_70000"})
                - {"name", "multi_line_operator_is_freed"})
REUSED = [f"reused_code_{i}" for i in range(99, 3000, 100)]


class Run:
    """What one interpreter said, and what the recording tells."""

    def __init__(self, recording, told, free_threaded):
        self.recording, self.free_threaded = recording, free_threaded
        self.truth = json.loads(told.read_text())
        self.by_bytes = {}
        for stack in recording.peak()["stacks"]:
            if stack["allocator"].startswith("PyObject_Malloc") and stack["bytes"] >= 1000:
                self.by_bytes.setdefault(stack["bytes"], []).append(stack)

    def held(self, size):
        """Stacks that may be the block's. Free-threaded builds serve every size from pools, small neighbours on the same line included."""
        if not self.free_threaded:
            return [stack for stack in self.by_bytes.get(size, []) if stack["allocations"] == 1]
        return [stack for total in range(size, size + 900) for stack in self.by_bytes.get(total, [])]


@pytest.fixture(scope="module")
def runs(record_once, tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("truth"), {}

    def run_of(interpreter):
        if interpreter.path not in made:
            told = folder / f"{len(made)}.json"
            made[interpreter.path] = Run(record_once([interpreter.path, SCRIPT, told]), told, interpreter.free_threaded)
        return made[interpreter.path]

    return run_of


@pytest.fixture
def stacks(interpreter, runs):
    return runs(interpreter)


def frames_of(stack):
    return [[frame["function"], frame["file"], frame["line"]] for frame in stack["frames"]]


def assert_told(point, stacks):
    """One block of that size stands under exactly the frames that the interpreter named."""
    size, chain = stacks.truth[point]["bytes"], stacks.truth[point]["chain"]
    held = stacks.held(size)
    assert chain in [frames_of(stack) for stack in held], \
        f"{size} bytes at {chain[-3:]}; told: {[frames_of(stack)[-3:] for stack in held]}"


@pytest.mark.parametrize("point", POINTS)
def test_stacks__tell(point, stacks):
    assert_told(point, stacks)
    if point in MARKERS:
        assert stacks.truth[point]["chain"][-1][2] == MARKERS[point]


def test_stacks__every_point_was_reached(stacks):
    assert set(stacks.truth) == set(POINTS) | set(REUSED) | {"multi_line_operator_is_freed"}


def test_stacks__code_at_a_reused_address_is_told_apart(stacks):
    for point in REUSED:
        assert_told(point, stacks)
        number = int(point.rsplit("_", 1)[1])
        assert stacks.truth[point]["chain"][-1] == [f"made_{number}", f"<made {number}>", 2 + number % 7]


def test_stacks__recursion_deeper_than_1000_is_whole(stacks):
    assert len(stacks.truth["recursion_3000"]["chain"]) == 3002
    assert_told("recursion_3000", stacks)


def test_stacks__names_are_qualified_where_the_interpreter_knows_them(interpreter, stacks):
    expected = "Whole.Nested.method" if interpreter.minor >= (3, 11) else "method"
    assert stacks.truth["nested_class_method"]["chain"][-1][0] == expected


def test_stacks__nothing_is_lost(stacks):
    assert stacks.recording.finished.out == ""
    summary = stacks.recording.summary()
    assert summary["trace"]["lost_events"] == 0 and summary["trace"]["complete"]
    assert [loss for loss in summary["losses"] if loss["reason"] != "unknown_free"] == []
