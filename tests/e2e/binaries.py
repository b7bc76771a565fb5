"""Programs and libraries that tests compile for themselves, or find on this machine; what is compiled once for all stands in
tests/programs. What does not compile fails the test and says why; where a compiler or a library may be missing, the test is skipped.
"""
import glob
import re

import pytest

from conftest import ROOT, run

UNWINDER = ROOT / "build" / "unwind" / "unwind.o"
NO_UNWINDER = "built without the unwinder (tools/setup-unwind)"


def done(*argv, **how):
    """What a compiler or another tool says on stdout; it must succeed."""
    finished = run(argv, **how)
    assert finished.status == 0, finished.err
    return finished.out


def program(path, *sources_and_flags, compiler="gcc"):
    """The path, at which there is a program now."""
    done(compiler, "-o", path, *sources_and_flags)
    return path


def library(path, *sources_and_flags):
    return program(path, "-shared", "-fPIC", *sources_and_flags)


def installed(pattern):
    """The first library of the system with such a name."""
    found = sorted(glob.glob(f"/usr/lib/*-linux-gnu/{pattern}") + glob.glob(f"/usr/lib/gcc/*/*/{pattern}") + glob.glob(f"/usr/lib*/{pattern}"))
    if not found:
        pytest.skip(f"no {pattern} here (tools/setup brings it on Debian)")
    return found[0]


def build_id(path):
    found = re.search(r"Build ID: (\w+)", done("readelf", "-n", path))
    return found[1] if found else ""


def symbols(path):
    """{name: (offset, size)} of all that have an offset; the size is 0 where none is told."""
    told = [line.split() for line in done("nm", "-S", path).splitlines()]
    return {words[-1]: (int(words[0], 16), int(words[1], 16) if len(words) == 4 else 0) for words in told if len(words) >= 3}
