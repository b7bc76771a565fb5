"""Workers of native thread pools in a recording with native stacks: their own frames stand under the Python line, and the native
frames below it, that created the pool, and --thread finds them by name."""
import os
import shutil
import sys

import pytest

import binaries
from conftest import ROOT, run
from test_native import NATIVE

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


CALLED_TWICE = """
    import ctypes
    library = ctypes.CDLL({!r})
    def first():
        library.pool(ctypes.c_size_t(1_000_000))
    def second():
        library.pool(ctypes.c_size_t(2_000_000))
    first()
    second()
    """


def called_twice(record, library):
    """({thread: [functions]} of what each worker holds of both calls, the recording); all of it under the first one's line."""
    recording = record(CALLED_TWICE.format(str(library)), options=["--native"])
    held = {}
    for stack in workers(recording.leaks("--frames", "all")):
        functions, native = split(stack)
        if stack["bytes"] >= 1_000_000:
            assert functions == ["<module>", "first"], functions
            held.setdefault(stack["tid"], []).append((stack["thread"], stack["bytes"], native))
    assert not [loss for loss in recording.summary()["losses"] if "native" in loss["reason"]]
    return held, recording


@pytest.fixture(scope="session")
def tbb():
    """The folder that has TBB's include/ and lib/."""
    folder = ROOT / "build" / "site" / "tbb"
    if not (folder / ".ready").exists():
        done = run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--ignore-installed", "--prefix", folder,
                    "tbb==2023.2.0", "tbb-devel==2023.2.0"])
        if done.status:
            pytest.skip("no TBB here (pip)")
        (folder / ".ready").touch()
    return folder


@pytest.mark.soak  # packages
@pytest.mark.parametrize("level", ["-O0 -g", "-O2"])
def test_tbb__workers_show_their_frames_under_the_line_that_created_them(record, tbb, tmp_path, level):
    """A worker of TBB's starts others: those stand under its frames, which stand under the caller's."""
    library = binaries.program(tmp_path / "tbb_pool.so", "-shared", "-fPIC", *level.split(), f"-I{tbb}/include", NATIVE / "tbb_pool.cc",
                               f"-L{tbb}/lib", f"-Wl,-rpath,{tbb}/lib", "-l:libtbb.so.12", compiler="g++")
    held, _ = called_twice(record, library)
    assert len(held) == 3 and sum(bytes for stacks in held.values() for _, bytes, _ in stacks) in range(9_000_000, 9_000_013)
    for ((_, _, native),) in held.values():
        assert in_order(["pool", "task_arena_impl::execute", "private_worker::wake_or_launch", "(libc)", "private_worker::run", "start_for", "work"], native), native
        assert native[-1] == "work"


@pytest.mark.soak  # packages
def test_rayon__workers_show_their_frames_under_the_line_that_created_them(record, tmp_path):
    cargo = shutil.which("cargo") or shutil.which(os.path.expanduser("~/.cargo/bin/cargo"))
    if not cargo:
        pytest.skip("no cargo here")
    where = {"cwd": NATIVE / "rayon", "env": {"CARGO_TARGET_DIR": str(tmp_path)}}
    if run([cargo, "fetch", "--locked"], **where).status:
        pytest.skip("no Rayon here (crates.io)")
    binaries.done(cargo, "build", "-q", "--release", "--locked", "--offline", **where)
    held, recording = called_twice(record, tmp_path / "release" / "libpool.so")
    names = sorted(name for stacks in held.values() for name in {name for name, _, _ in stacks})
    assert names == ["ray-0", "ray-1", "ray-2", "ray-3"]
    for name, _, native in [stack for stacks in held.values() for stack in stacks]:
        assert in_order(["pool", "pool::start", "Registry::new", "(libc)", "registry::main_loop", "WorkerThread::execute", "pool::work"], native), native
    for i, name in enumerate(names):
        found = recording.leaks("--thread", name)["stacks"]
        assert {stack["thread"] for stack in found} == {name}
        assert sum(stack["bytes"] for stack in found if stack["bytes"] >= 1_000_000) == 3_000_000 + 2 * i


@pytest.mark.soak  # names of numpy's functions
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="OpenBLAS starts no workers on one processor")
def test_openblas__workers_allocate_nothing_and_what_they_work_in_stands_where_they_are_started(record, python):
    """The calling thread maps their buffers and cuts up their work: a worker has no stack to show, and is no thread of the trace."""
    recording = record("""
        import os
        import numpy
        def work():
            a = numpy.ones((900, 900)) + 900 * numpy.eye(900)
            numpy.linalg.solve(a, a), numpy.linalg.cholesky(a), numpy.linalg.svd(a[:200, :200]), numpy.linalg.eigh(a[:200, :200])
            return a @ a, a @ a[0]
        kept = work()
        print(len(os.listdir("/proc/self/task")))
        """, python=python, options=["--native", "--no-objects"], env={"OPENBLAS_NUM_THREADS": "2"})
    assert int(recording.finished.out) == 2
    peak = recording.peak("--frames", "all")
    assert workers(peak) == [] and workers(recording.leaks()) == [] and workers(recording.temporary()) == []
    buffers = [split(stack) for stack in peak["stacks"] if stack["allocator"] == "mmap" and stack["frames"][-1]["function"] == "alloc_mmap"]
    assert [functions for functions, native in buffers if in_order(["blas_thread_init", "blas_memory_alloc"], native)]
    assert all(functions[0] == "<module>" for functions, _ in buffers)
