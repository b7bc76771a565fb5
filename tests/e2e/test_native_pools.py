"""Workers of native thread pools in a recording with native stacks: their own frames stand under the Python line, and the native
frames below it, that created the pool, and --thread finds them by name."""
import os

import pytest

import binaries

pytestmark = [pytest.mark.release_only, pytest.mark.skipif(not binaries.UNWINDER.exists(), reason=binaries.NO_UNWINDER)]


def workers(report):
    """Stacks of threads other than the first, those that hold most first."""
    return sorted((stack for stack in report["stacks"] if stack["tid"] != stack["pid"]), key=lambda stack: -stack["bytes"])


def split(stack):
    """(functions of the Python frames, of the native ones inside the innermost of them); libc's may have no names."""
    python = [i for i, frame in enumerate(stack["frames"]) if frame["kind"] == "python"]
    inside = stack["frames"][python[-1] + 1:] if python else stack["frames"]
    native = ["(libc)" if "/libc.so" in frame["module"] else frame["function"] for frame in inside]
    return [stack["frames"][i]["function"] for i in python], native


def in_order(wanted, functions):
    """Does a function with each of these words in its name stand there, from the outside in?"""
    at = iter(functions)
    return all(any(word in function for function in at) for word in wanted)


def test_openmp__workers_show_their_frames_under_the_line_that_created_them(record, python, programs):
    if not os.path.exists(programs / "pools.so"):
        pytest.skip("no OpenMP here")
    recording = record(f"""
        import ctypes
        library = ctypes.CDLL({str(programs / 'pools.so')!r})
        def first():
            library.pool(ctypes.c_size_t(1_000_000))
        def second():
            library.pool(ctypes.c_size_t(2_000_000))
        first()
        second()
        """, python=python, options=["--native"])
    big = [stack for stack in workers(recording.leaks("--frames", "all")) if stack["bytes"] >= 1_000_000]
    assert len(big) == 3
    for stack in big:
        functions, native = split(stack)
        assert functions == ["<module>", "first"]
        assert in_order(["pool", "GOMP_parallel", "(libc)", "pool"], native), native


def test_openmp__what_the_creator_itself_holds_has_its_own_frames(record, python, programs):
    if not os.path.exists(programs / "pools.so"):
        pytest.skip("no OpenMP here")
    recording = record(f"""
        import ctypes
        library = ctypes.CDLL({str(programs / 'pools.so')!r})
        def start():
            assert library.named(ctypes.c_size_t(5_000_003)) == 0
        start()
        """, python=python, options=["--native"])
    held = [stack for stack in recording.leaks("--frames", "all")["stacks"] if stack["bytes"] == 5_000_003]
    functions, native = split(held[0])
    assert len(held) == 1 and functions == ["<module>", "start"]
    assert in_order(["named", "(libc)", "worker"], native), native


ARROW = """
    import io
    import pyarrow, pyarrow.csv
    def read():
        text = b"a,b,c\\n" + b"1,2.5,word\\n" * 400_000
        return pyarrow.csv.read_csv(io.BytesIO(text), read_options=pyarrow.csv.ReadOptions(block_size=200_000))
    table = read()
"""


@pytest.mark.soak  # names of pyarrow's functions: half a minute on a busy machine
def test_arrow__workers_show_their_frames_under_the_line_that_created_them(record, python, packages):
    folder = packages(python, "pyarrow")
    recording = record(ARROW, python=python, options=["--native"], env={"PYTHONPATH": str(folder)})
    mine = [split(stack) for stack in workers(recording.leaks("--frames", "all")) if split(stack)[0] == ["<module>", "read"]]
    assert mine
    for functions, native in mine:
        assert in_order(["ThreadPool", "(libc)"], native), native
