"""Native stacks: the walk against libgcc's unwinder on hostile code, and what a recording tells of C programs."""
import re
import shutil

import pytest

from conftest import BUILD, ROOT, run

pytestmark = pytest.mark.release_only  # what lives in a foreign process is never sanitized
UNWIND = ROOT / "build" / "unwind" / "unwind.o"
needs_unwinder = pytest.mark.skipif(not UNWIND.exists(), reason="built without the unwinder (tools/setup-unwind)")
NATIVE = ROOT / "tests" / "native"
WALK = BUILD / "tests" / "walk" / "native.so"
COMPILERS = [("gcc", "g++"), ("clang", "clang++")]
LEVELS = ["-O0", "-O1", "-O2", "-O2 -fno-omit-frame-pointer", "-O2 -fomit-frame-pointer", "-O3 -fcf-protection", "-Os"]


def compiled(folder, compilers, flags, *sources, libraries=()):
    """A program of these sources; skips where there is no such compiler."""
    objects = []
    for source in sources:
        tool = compilers[source.suffix == ".cc"]
        if not shutil.which(tool):
            pytest.skip(f"no {tool}")
        objects.append(folder / f"{source.name}.o")
        done = run([tool, "-w", "-g", "-fexceptions", *flags.split(), "-c", source, "-o", objects[-1]])
        assert done.status == 0, done.err
    done = run([compilers[1], "-o", folder / "program", *objects, *libraries])
    assert done.status == 0, done.err
    return folder / "program"


def adversary(folder, compilers, flags):
    sources = NATIVE / "adversary.c", NATIVE / "throwing.cc"
    return compiled(folder, compilers, flags, *sources, libraries=[WALK, f"-Wl,-rpath,{WALK.parent}"])


def counts(line):
    return {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", line)}


@needs_unwinder
@pytest.mark.parametrize("flags", LEVELS)
@pytest.mark.parametrize("compilers", COMPILERS, ids=lambda pair: pair[0])
def test_native__frames_are_those_of_libgcc_over_hostile_code(tmp_path, compilers, flags):
    done = run([adversary(tmp_path, compilers, flags), "400"])
    told = counts(done.out)
    assert (told["wrong"], told["shorter"], told["disagreeing"], told["cut"], told["lost"]) == (0, 0, 0, 0, 0), done.err
    assert done.status == 0 and told["checks"] > 8000 and told["frames"] > 10 * told["checks"]


@needs_unwinder
def test_native__frames_are_right_where_a_signal_interrupts(tmp_path):
    """In the middle of setcontext there is no way out: such a walk ends, and says so."""
    told = counts(run([adversary(tmp_path, COMPILERS[0], "-O2"), "40000", "prof"]).out)
    assert (told["wrong"], told["disagreeing"], told["lost"]) == (0, 0, 0)
    assert told["checks"] >= 10 and 2 * told["shorter"] <= told["cut"] <= 2 * told["checks"]
