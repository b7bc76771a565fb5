"""Workers of thread pools made by C code: they stand under the Python stack that created the pool, and have their names."""
import os

import pytest

from conftest import BUILD

SOURCE = """
import ctypes, subprocess
library = ctypes.CDLL({library!r})
def first():
    library.pool(ctypes.c_size_t(1_000_000))
def second():
    library.pool(ctypes.c_size_t(2_000_000))
def start():
    assert library.named(ctypes.c_size_t(5_000_003)) == 0
first()
second()
start()
assert subprocess.run([{memrec!r}, "mark", "-q", "seen"]).returncode == 0  # the threads were there when their events were read
"""


@pytest.fixture(scope="module")
def recording(record_once, python, programs, tmp_path_factory):
    if not os.path.exists(programs / "pools.so"):
        pytest.skip("no OpenMP here")
    script = tmp_path_factory.mktemp("pools") / "job.py"
    script.write_text(SOURCE.format(library=str(programs / "pools.so"), memrec=str(BUILD / "memrec")))
    return record_once([python.path, script])


def test_openmp__workers_stand_under_what_created_the_pool(recording):
    """The main thread takes part under its own line; the three others were created by the first call, and are found again by the second."""
    stacks = [stack for stack in recording.leaks()["stacks"] if stack["bytes"] >= 1_000_000 and stack["frames"]]
    main = [stack for stack in stacks if stack["tid"] == stack["pid"]]
    workers = [stack for stack in stacks if stack["tid"] != stack["pid"] and stack["thread"] != "pool-worker"]
    assert sorted(stack["frames"][-1]["function"] for stack in main) == ["first", "second"]
    assert [[frame["function"] for frame in stack["frames"]] for stack in workers] == [["<module>", "first"]] * 3
    assert sorted(stack["bytes"] for stack in workers) == [3_000_002, 3_000_004, 3_000_006]
    assert len({stack["tid"] for stack in workers}) == 3


def test_threads__have_the_names_that_they_gave_themselves(recording):
    report = recording.leaks("--thread", "pool-worker")
    held = [(stack["bytes"], [frame["function"] for frame in stack["frames"]]) for stack in report["stacks"]]
    assert held == [(5_000_003, ["<module>", "start"])]
