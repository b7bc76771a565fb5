"""Native stacks through Fortran: an ALLOCATE below callbacks from Fortran into Python and back, whose chain is known by construction."""
import json
import os
import shutil

import pytest

import binaries
from test_native import NATIVE, needs_unwinder
from test_native_stacks import loops_left_over, native_losses, told_blocks

pytestmark = [pytest.mark.release_only, needs_unwinder, pytest.mark.soak]  # gfortran is large, and set-up doesn't bring it
DOWN = ["outer", "inside", "deeper", "deeper", "deeper", "deeper"]


@pytest.fixture
def fortran():
    found = shutil.which(os.environ.get("FC", "gfortran"))
    if not found:
        pytest.skip("no gfortran here (the package gfortran, or FC)")
    return found


def parts(frames, library):
    """The Python functions, and the last parts of the names of the library's, outermost first."""
    return [frame["function"].rsplit(".", 1)[-1] if frame["kind"] == "python" else frame["function"].split(".")[0].rsplit("_", 1)[-1]
            for frame in frames if frame["kind"] == "python" or frame["module"] == str(library)]


@pytest.mark.parametrize("flags", ["-O0", "-O1", "-O2", "-O2 -fno-omit-frame-pointer", "-O3", "-Os"])
def test_fortran__chains_are_those_of_the_source(record, python, fortran, tmp_path, flags):
    library = binaries.program(tmp_path / "chain.so", "-g", "-shared", "-fPIC", f"-J{tmp_path}", *flags.split(), NATIVE / "chain.f90", compiler=fortran)
    recording = record(f"""
        import ctypes, json
        library = ctypes.CDLL({str(library)!r})
        called = ctypes.CFUNCTYPE(None)
        def enter(size, callback):
            library.outer(ctypes.c_size_t(size), callback)
        def plain(size):
            enter(size, None)
        def again(size, times):
            enter(1, called(lambda: again(size, times - 1) if times else plain(size)))
        plain(3_000_000)
        for times in range(4):
            again(4_000_000 + 1_000_000 * times, times)
        print(json.dumps({{3_000_000: -1, 4_000_000: 0, 5_000_000: 1, 6_000_000: 2, 7_000_000: 3}}))
        """, python=python, options=["--native"])
    told, found = told_blocks(recording)
    for size, times in told.items():
        expected = ["<module>", *["again", "enter", *DOWN, "back", "<lambda>"] * (times + 1), "plain", "enter", *DOWN, "hold"]
        assert parts(found[size], library) == expected
        assert found[size][-1]["function"].split(".")[0].endswith("hold") and not loops_left_over(found[size])
    assert not native_losses(recording)
