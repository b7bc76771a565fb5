"""Allocators that never call malloc, inside libraries: what they reserve counts what is resident, with the allocator's name."""
import pytest

import binaries
from conftest import BUILD, ROOT

MIB = 1 << 20
MIMALLOC, JEMALLOC, EITHER, UNKNOWN = "mmap by mimalloc", "mmap by jemalloc", "mmap by a hidden allocator", "mmap"
TEXT_OF = {"mimalloc": r'"mimalloc: warning: \n"', "jemalloc": r'"<jemalloc>: Error\n"', "both": r'"mimalloc: error: <jemalloc>: Error\n"', "none": r'"Error\n"'}

# A mark is answered when everything before it was read: with the library still there. The round of samples that is due by then is made before the next mark's.
WATCHED = f"""
import ctypes, os, subprocess, time
def looked():
    time.sleep(0.3)
    return not os.environ.get("MEMREC") or not any([subprocess.run([{str(BUILD / "memrec")!r}, "mark", "-q", "looked"]).returncode for _ in range(4)])
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """library(mapper, text, stripped) -> path"""
    folder = tmp_path_factory.mktemp("hidden")

    def build(mapper, text, stripped):
        return binaries.library(folder / f"lib{mapper}-{text}-{stripped}.so", "-O1", f"-DMAPPER={mapper}", f"-DTEXT={TEXT_OF[text]}",
                                *(["-s"] if stripped else []), ROOT / "tests" / "programs" / "hidden" / "library.c")
    return build


def reserved(report):
    """The one stack of a reservation of which much is resident."""
    stack, = [stack for stack in report["stacks"] if stack["bytes"] >= 70 * MIB]
    return stack


@pytest.mark.parametrize("mapper, text, stripped, allocator", [
    ("unix_mmap_prim", "both", False, MIMALLOC), ("je_arrow_private_je_pages_map", "both", False, JEMALLOC), ("map", "both", False, EITHER),
    ("unix_mmap_prim", "both", True, EITHER), ("map", "mimalloc", True, MIMALLOC), ("map", "jemalloc", True, JEMALLOC), ("map", "none", False, UNKNOWN)])
def test_reservation__is_resident_and_has_its_allocator_s_name(record, python, memreplay, library, mapper, text, stripped, allocator):
    path = library(mapper, text, stripped)
    recording = record(WATCHED + f"""
def held():
    ctypes.CDLL({str(path)!r}).hold(ctypes.c_size_t(80 << 20))
held()
assert looked()
""", python=python)
    stack = reserved(recording.peak())
    assert (stack["bytes"], stack["resident_bytes"], stack["allocator"]) == (80 * MIB, 80 * MIB, allocator)
    names = [frame["function"] for frame in stack["frames"]]
    if allocator == UNKNOWN:
        assert names == ["<module>", "held"]
        return
    inside = {MIMALLOC: "mimalloc", JEMALLOC: "jemalloc", EITHER: "an allocator"}[allocator] + " (inside unknown)"
    assert names == ["<module>", "held", inside]
    assert (stack["frames"][-1]["kind"], stack["frames"][-1]["file"]) == ("native", str(path))
    assert inside in memreplay("peak", "--no-color", recording.trace).out


def test_mimalloc__loaded_for_one_library_alone(record, python):
    mimalloc = binaries.installed("libmimalloc.so.2*")
    stack = reserved(record(WATCHED + f"""
def held():
    library = ctypes.CDLL({mimalloc!r})
    library.mi_malloc.restype, library.mi_malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    ctypes.memset(library.mi_malloc(80_000_000), 1, 80_000_000)
held()
assert looked()
""", python=python).peak())
    assert stack["allocator"] == MIMALLOC and 80_000_000 <= stack["bytes"] <= 85 * MIB
    assert [frame["function"] for frame in stack["frames"]] == ["<module>", "held", "mimalloc (inside unknown)"]


@pytest.mark.slow
def test_pyarrow__s_80_megabytes_are_80_megabytes(record, python, packages):
    folder = packages(python, "pyarrow")
    recording = record(WATCHED + """
import pyarrow
def held():
    buffer = pyarrow.allocate_buffer(80_000_000)
    ctypes.memset(buffer.address, 1, 80_000_000)
    return buffer
kept = held()
assert looked()
print(pyarrow.default_memory_pool().backend_name)
""", python=python, env={"PYTHONPATH": str(folder)})
    stack = reserved(recording.peak())
    assert recording.finished.out == "mimalloc\n"
    assert stack["allocator"] == MIMALLOC and 80_000_000 <= stack["bytes"] <= 85 * MIB
    assert [frame["function"] for frame in stack["frames"]] == ["<module>", "held", "mimalloc (inside unknown)"]
    assert "libarrow.so" in stack["frames"][-1]["file"]
