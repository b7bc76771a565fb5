"""The walker against the interpreters: every stack as sys._getframe has it, every line as PyCode_Addr2Line has it.

The programs are in tests/walk; they run in each interpreter with the walker preloaded in a harness of its own."""
import json
import os
import subprocess
import sys

import pytest

from conftest import BUILD, ROOT, run

pytestmark = pytest.mark.release_only  # what lives in a foreign process is never sanitized
HARNESS = BUILD / "tests" / "walk" / "harness.so"
WALK = ROOT / "tests" / "walk"
# MEMREC_WALKS=3000000 for a long run.
COMPARISONS = os.environ.get("MEMREC_WALKS", "300000")


def walked(interpreter, program, *args, env=None):
    done = run([interpreter.path, WALK / program, HARNESS, *args], timeout=600, env=dict(env or {}, LD_PRELOAD=str(HARNESS)))
    assert done.status == 0, done.err
    return json.loads(done.out.splitlines()[-1])


def assert_exact(result):
    assert result["differences"] == []
    assert (result["differing"], result["lost"], result["errno_changed"]) == (0, 0, 0)
    assert result["verdicts"] == [1, 1]


def test_walk__is_what_getframe_says_over_hostile_code(interpreter):
    result = walked(interpreter, "hostile.py", COMPARISONS)
    assert_exact(result)
    assert result["compared"] >= int(COMPARISONS)
    assert result["forked"]
    assert result["reused"] > 500 or interpreter.free_threaded  # else the churn was none
    assert sum(result["places"].values()) > 5000
    if result["too_deep"]:
        told, truncated = result["too_deep"]
        assert 65500 <= told <= 65536 and truncated == 1


@pytest.mark.since(3, 15)
def test_walk__is_what_getframe_says_without_marks(interpreter):
    """With them, every frame below the mark is taken on the interpreter's word; without, each is verified."""
    result = walked(interpreter, "hostile.py", COMPARISONS, env={"MEMREC_NO_MARKS": "1"})
    assert_exact(result)
    assert result["compared"] >= int(COMPARISONS)


def test_walk__is_what_getframe_says_across_greenlets(interpreter, packages):
    folder = packages(interpreter, "greenlet")
    result = walked(interpreter, "hostile.py", "0", "greenlets", env={"PYTHONPATH": str(folder)})
    assert_exact(result)
    assert result["greenlets"] and result["places"]["greenlet"] == 40


@pytest.mark.since(3, 14)
def test_walk__finds_the_functions_under_the_jit(interpreter):
    """Instructions may be stale there (CPython keeps them lazily): names and depth are right, lines may be one off."""
    result = walked(interpreter, "hostile.py", COMPARISONS, env={"PYTHON_JIT": "1"})
    assert (result["differing"], result["lost"]) == (0, 0)
    for place, node, found_depth, expected_depth, i, found, expected in result["differences"]:
        assert found_depth == expected_depth and found[0][:3] == expected[0][:3], place


def test_lines__are_the_interpreters_own_for_the_standard_library(interpreter):
    result = walked(interpreter, "lines.py")
    assert result["differences"] == [] and result["differing"] == 0
    assert result["codes"] > 5000


def verdict(path, **env):
    done = run([path, WALK / "verdict.py", HARNESS], env=dict(env, LD_PRELOAD=str(HARNESS)))
    assert done.status == 0, done.err
    return json.loads(done.out)


# What interp_probe cannot compare, since the interpreter does not publish it; by the versions where that is so.
UNPUBLISHED = [("tstate_thread", 9, 12), ("tstate_frame", 9, 12), ("runtime_tstate", 9, 11), ("cframe_frame", 11, 12),
               ("frame_previous", 9, 12), ("frame_code", 9, 12), ("frame_ip", 9, 12), ("frame_owner", 12, 12),
               ("object_type", 9, 15), ("object_size", 9, 15), ("code_bytecode", 9, 10)]


def test_walk__refuses_each_offset_that_is_wrong(interpreter):
    """Live frames that are not where the table says are noticed before anything is read by it; the program goes on."""
    for fact, first, last in UNPUBLISHED:
        for moved in (8, -8) if first <= interpreter.minor[1] <= last else ():
            told = verdict(interpreter.path, HARNESS_DISTORT=f"{fact}:{moved}")
            assert told["distorted"], fact
            assert (told["verdicts"], told["node"]) == ([1, 4], 0), f"{fact} {moved:+}: {told['facts']}"


@pytest.mark.parametrize("symbol", ["PyCode_Type", "PyFrame_Type", "PyBytes_Type", "PyUnicode_Type", "_PyRuntime"])
def test_walk__refuses_a_build_with_other_structs(interpreter, symbol):
    """A debug, patched or unreleased build whose objects have another size, or (3.13+) whose debug offsets differ."""
    if symbol == "_PyRuntime" and interpreter.minor < (3, 13):
        pytest.skip("publishes no debug offsets")
    told = verdict(interpreter.path, HARNESS_GROW=symbol)
    assert (told["verdicts"], told["node"]) == ([3, 0], 0), told
    assert f"CPython {interpreter.version}: " in told["facts"][0] and ", expected " in told["facts"][0]


def test_walk__refuses_versions_without_a_row():
    told = subprocess.run([ROOT / "tools" / "interpreters", "--unsupported"], capture_output=True, text=True, check=True).stdout
    paths = [line.split(None, 2)[1] for line in told.splitlines()]
    if not paths:
        pytest.skip("no unsupported interpreter here")
    for path in paths:
        told = verdict(path)
        assert (told["verdicts"], told["node"]) == ([2, 0], 0), told
        assert "this version's layout is not known" in told["facts"][0]


def test_layouts__are_those_of_the_headers(interpreter):
    """The table against the real headers, where they are installed (a patch release could differ from the one it was made of)."""
    include = subprocess.run([interpreter.path, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.exists(os.path.join(include, "internal", "pycore_runtime.h")):
        pytest.skip(f"no internal headers of {interpreter.version}")
    done = run([sys.executable, ROOT / "tools" / "layouts", include])
    assert done.status == 0, done.out + done.err
