"""Native stacks through Cython's C code, into Python and back: what each shows is known by construction."""
import os
import re

import pytest

import binaries
from conftest import run
from test_native import NATIVE, names, needs_unwinder
from test_native_stacks import light, native_losses, told_blocks

pytestmark = [pytest.mark.release_only, needs_unwinder]
LEVELS = ["-O0", "-O1", "-O2", "-O3", "-O2 -fomit-frame-pointer"]
INNER = ["leaf", "deeper", "deeper", "deeper", "innermost"]
USER = """
    import json
    import cython_chain
    def inner(size): cython_chain.leaf(size)
    def straight(size): return cython_chain.leaf(size)
    straight(1_000_000)
    cython_chain.outer(2_000_000, inner)
    cython_chain.Holder(3_000_000).method()
    next(cython_chain.Holder(4_000_000).generator())
    print(json.dumps({
        1_000_000: ["straight"],
        2_000_000: ["outer", "middle", "qsort", "compare", "inner"],
        3_000_000: ["method"],
        4_000_000: ["generator"],
    }))
    """


def compiled(python, folder, packages, flags):
    """Puts the module cython_chain for that interpreter into the folder."""
    told = run([python.path, "-c", "import sysconfig as s; print(s.get_path('include'), s.get_config_var('EXT_SUFFIX'))"]).out
    headers, suffix = told.split()
    if not os.path.exists(f"{headers}/Python.h"):
        pytest.skip(f"no headers of {python.version} here")
    source = folder / "cython_chain.c"
    cython = {"PYTHONPATH": str(packages(python, "cython"))}
    binaries.done(python.path, "-m", "cython", NATIVE / "cython_chain.pyx", "-o", source, env=cython)
    binaries.library(folder / f"cython_chain{suffix}", "-w", "-g", *flags.split(), f"-I{headers}", "-idirafter", f"{headers}/..", source)


def source_names(frames):
    """What the source calls Python's and Cython's functions (__pyx_pf_12cython_chain_6Holder_2method is method) and the C library's sort;
    a def, which Cython makes two functions of, is named once."""
    shown = []
    for frame in frames:
        name = frame["function"]
        if frame["kind"] == "python":
            shown.append(name.rsplit(".", 1)[-1])
        elif "cython_chain" in name:
            shown.append(re.search(r"_[0-9]*([a-z]+)$", name)[1])
        elif name.startswith("qsort"):
            shown.append("qsort")
    return [name for at, name in enumerate(shown) if name == "deeper" or name != shown[at - 1]]


def check(record, python, folder):
    recording = record(USER, python=python, options=light(python), env={"PYTHONPATH": str(folder)})
    told, found = told_blocks(recording)
    for size, own in told.items():
        assert source_names(found[size]) == ["<module>", *own, *INNER], names({"frames": found[size]})
    assert not native_losses(recording)


@pytest.mark.parametrize("flags", LEVELS)
def test_native__cythons_functions_stand_between_those_of_python(tmp_path, record, python, packages, flags):
    compiled(python, tmp_path, packages, flags)
    check(record, python, tmp_path)


def test_native__cythons_functions_stand_where_they_are_on_each_interpreter(tmp_path, record, interpreter, packages):
    compiled(interpreter, tmp_path, packages, "-O2")
    check(record, interpreter, tmp_path)
