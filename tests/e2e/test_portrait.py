"""A recorded Python's picture of itself and of its process is a bare one's, but for what docs/reliability.md lists.

The picture is tests/programs/portrait.py's. What may differ is written in one place, the table of "What a program could notice" in
docs/reliability.md: the names in backquotes of its first column are read from there, "group fact" each. Anything else that
differs fails, and so does a row of the table that no longer tells a difference."""
import json
import re

import pytest

from conftest import BUILD, ROOT, run

MEMREC = str(BUILD / "memrec")
SCRIPT = ROOT / "tests" / "programs" / "portrait.py"
CLEAN = {"MEMREC": None, "LD_PRELOAD": None, "PYTHONHASHSEED": "0"}


def allowed():
    """The names of the table's first column."""
    section = (ROOT / "docs" / "reliability.md").read_text().split("\n## What a program could notice\n")[1].split("\n## ")[0]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def facts(finished):
    """{"group fact": value}"""
    assert finished.status == 0, finished
    return {f"{group} {fact}": value for group, told in json.loads(finished.out).items() for fact, value in told.items()}


@pytest.fixture
def pictures(tmp_path):
    """pictures(python, *flags) -> (bare facts, recorded facts), both made in the same empty folder."""
    def made(path, *flags, env=None):
        here, trace = tmp_path / "here", tmp_path / "t.lz4"
        here.mkdir()
        argv = [path, *flags, SCRIPT, "a"]
        how = {"env": {**CLEAN, **(env or {})}, "cwd": here}
        bare = run(argv, **how)
        recorded = run([MEMREC, "run", "-q", "-o", trace, "--", *argv], **how)
        assert bare.err == recorded.err
        return facts(bare), facts(recorded)
    return made


def differing(bare, recorded):
    return {name: (bare.get(name, "none"), recorded.get(name, "none")) for name in bare.keys() | recorded.keys() if bare.get(name, "none") != recorded.get(name, "none")}


def assert_only_listed(bare, recorded):
    found = differing(bare, recorded)
    assert {name: sides for name, sides in found.items() if name not in allowed()} == {}
    assert not any(name in bare for name in found if name.startswith(("environment", "initial_environment", "maps", "child_")))  # more, but nothing else
    assert recorded["parent name"] == "memrec"


@pytest.mark.parametrize("flags", [[], ["-X", "dev", "-W", "error::DeprecationWarning"]], ids=["plain", "dev"])
def test_portrait__of_a_recorded_python_is_that_of_a_bare_one(interpreter, pictures, flags):
    bare, recorded = pictures(interpreter.path, *flags)
    assert len(bare) > 300 and bare["child_forked others"] == "none"
    assert_only_listed(bare, recorded)


def test_portrait__with_variables_and_limits_of_its_own(python, pictures):
    """What was set already stays as it was."""
    bare, recorded = pictures(python.path, env={"LD_LIBRARY_PATH": "/nowhere", "PYTHONWARNINGS": "always", "MALLOC_ARENA_MAX": "2", "LANG": "C"})
    assert_only_listed(bare, recorded)


def test_portrait__shows_every_difference_of_the_list(python, pictures):
    """No row stands in the document that is not true; null is what this interpreter can't tell, and sizes may be equal by chance."""
    bare, recorded = pictures(python.path)
    executable = python.path.rsplit("/")[-1]  # one that takes a function's address itself is its home, recorded or not
    untold = {name for name in bare.keys() & recorded.keys()
              if bare[name] == recorded[name] and (bare[name] is None or name.startswith("library ") and executable in str(bare[name]))}
    assert allowed() - differing(bare, recorded).keys() - untold - {name for name in allowed() if name.startswith("status ")} == set()


def test_portrait__object_counts_are_the_same(interpreter, tmp_path):
    """Recording makes no Python object: the interpreter counts as many blocks and objects as it would."""
    script = tmp_path / "count.py"
    script.write_text("import gc, sys\ngc.disable()\nx = [str(i) for i in range(1000)]\n"
                      "print(len(gc.get_objects()), sys.getallocatedblocks() if not hasattr(sys, '_is_gil_enabled') or sys._is_gil_enabled() else 0)\n")
    bare = run([interpreter.path, "-S", "-I", script], env=CLEAN)
    recorded = run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", interpreter.path, "-S", "-I", script], env=CLEAN)
    counts = [[int(word) for word in each.out.split()] for each in (bare, recorded)]
    assert counts[0][0] == counts[1][0]
    assert abs(counts[0][1] - counts[1][1]) <= 20  # two more variables of the environment
