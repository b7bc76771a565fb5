"""How programs end, and what the status, the closing words and the trace say of it; memory that runs out above all."""
import signal
import textwrap

import pytest

from conftest import BUILD, Recording, run
from trees import BLANK, held

MEMREC = str(BUILD / "memrec")
MB = 1_000_000


@pytest.fixture
def ended(tmp_path, python):
    """ended(source, interpreter) -> (bare, recorded, its trace's JSON head)."""
    def run_both(source, interpreter=python, prefix=(), options=("-q",)):
        script = tmp_path / "job.py"
        script.write_text("def hold(): return bytes(20_000_000)\nheld = hold()\n" + textwrap.dedent(source))
        argv = [*prefix, interpreter.path, script]
        bare = run(argv)
        recorded = run([MEMREC, "run", *options, "-f", "-o", tmp_path / "t.lz4", "--", *argv])
        recording = Recording(tmp_path / "t.lz4", recorded)
        peak = recording.peak()
        assert peak["trace"]["complete"] and peak["trace"]["damaged_blocks"] == 0
        assert held(peak, "hold") > 20 * MB
        return bare, recorded, peak["trace"]["exit"]
    return run_both


STATUSES = {
    "end-of-script": ("pass", 0),
    "sys.exit": ("import sys; sys.exit(7)", 7),
    "sys.exit-with-text": ("import sys; sys.exit('sorry')", 1),
    "os._exit": ("import os; os._exit(5)", 5),
    "uncaught": ("{}['x']", 1),
    "uncaught-in-thread": ("import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()", 0),
    "atexit": ("import atexit, os; atexit.register(lambda: os._exit(8))", 8),
    "libc-exit": ("import ctypes; ctypes.CDLL(None).exit(9)", 9),
    "quick_exit": ("import ctypes; ctypes.CDLL(None)._exit(300 & 0xff)", 44),
    "from-a-thread": ("import os, threading\nt = threading.Thread(target=lambda: os._exit(4))\nt.start(); t.join()", 4),
    "255": ("import os; os._exit(255)", 255),
    "53-of-its-own": ("import os; os._exit(53)", 53),
}


@pytest.mark.parametrize("how", STATUSES)
def test_status__is_the_programs(ended, how):
    source, status = STATUSES[how]
    bare, recorded, exit = ended(source)
    assert recorded == bare and bare.status == status
    assert exit == {"status": status, "signal": None, "oom": False}


SIGNALS = {
    "segfault": ("import ctypes; ctypes.string_at(16)", signal.SIGSEGV),
    "abort": ("import os; os.abort()", signal.SIGABRT),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", signal.SIGKILL),
    "SIGTERM": ("import os; os.kill(os.getpid(), 15)", signal.SIGTERM),
    "bus-error": ("import mmap, os\nf = open(__file__ + 'x', 'w+b'); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096); f.truncate(0); m[0]", signal.SIGBUS),
}


@pytest.mark.parametrize("how", SIGNALS)
def test_signal__is_128_and_its_number(ended, how):
    source, number = SIGNALS[how]
    bare, recorded, exit = ended(source)
    assert (recorded.status, recorded.out) == (128 + number, bare.out) and bare.status == -number
    assert recorded.err == bare.err
    assert exit == {"status": None, "signal": number, "oom": False}


# ---- memory that runs out ----

UNCAUGHT = {
    "one-large": "bytes(1 << 60)",
    "bytearray": "bytearray(1 << 60)",
    "list": "[0] * (1 << 58)",
    "mmap": "import mmap; mmap.mmap(-1, 1 << 60)",
    "deep-down": "def deep(n): return deep(n - 1) if n else bytes(1 << 60)\ndeep(50)",
    "with-clean-up": "try:\n    bytes(1 << 60)\nfinally:\n    print(sum(len(str(i)) for i in range(1000)))",
    "re-raised": "try:\n    bytes(1 << 60)\nexcept MemoryError as told:\n    raise RuntimeError('no memory') from told",
    "limit": "import resource\nresource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))\nkept = []\nwhile True: kept.append(bytes(10_000_000))",
}


@pytest.mark.parametrize("how", UNCAUGHT)
def test_out_of_memory__uncaught_is_status_53(ended, how):
    bare, recorded, exit = ended(UNCAUGHT[how])
    if how == "mmap" and "OSError" in bare.err:
        pytest.skip("mmap tells its failure as OSError on this interpreter")
    assert bare.status == 1 and recorded.status == 53
    assert (recorded.out, recorded.err) == (bare.out, bare.err)  # the traceback is the program's own
    assert exit == {"status": 1, "signal": None, "oom": True}


def test_out_of_memory__uncaught_on_every_interpreter(ended, interpreter):
    bare, recorded, exit = ended("bytes(1 << 60)", interpreter)
    assert (bare.status, recorded.status, exit["oom"]) == (1, 53, True)
    assert recorded.err == bare.err


GAVE_UP = {
    "sys.exit": "import sys\ntry:\n    bytes(1 << 60)\nexcept MemoryError:\n    sys.exit(1)",
    "sys.exit-with-text": "import sys\ntry:\n    bytes(1 << 60)\nexcept MemoryError:\n    sys.exit('no memory')",
    "os._exit": "import os\ntry:\n    bytes(1 << 60)\nexcept MemoryError:\n    os._exit(1)",
}


def assert_gave_up(ended, how, interpreter):
    """It looks like an error that nobody caught, so no more is claimed than what is known."""
    bare, recorded, exit = ended(GAVE_UP[how], interpreter, options=())
    assert (bare.status, recorded.status, exit["oom"]) == (1, 53, True)
    assert recorded.err.startswith(bare.err)
    words = recorded.err[len(bare.err):].splitlines()[0]
    assert words == "memrec: the program ended with status 1; just before, an allocation failed for lack of memory"


@pytest.mark.parametrize("how", GAVE_UP)
def test_out_of_memory__answered_with_status_1(ended, python, how):
    assert_gave_up(ended, how, python)


def test_out_of_memory__answered_with_status_1_on_every_interpreter(ended, interpreter):
    assert_gave_up(ended, "sys.exit", interpreter)


def test_out_of_memory__is_said_at_the_end(ended):
    _, recorded, _ = ended("bytes(1 << 60)", options=())
    assert recorded.status == 53 and "memory" in recorded.err.split("memrec: ", 1)[1].splitlines()[0]


HANDLED = {
    "goes-on": ("try:\n    bytes(1 << 60)\nexcept MemoryError:\n    print('handled')", 0),
    "retries-with-less": ("n = 1 << 60\nwhile True:\n    try:\n        x = bytes(n)\n        break\n    except MemoryError:\n        n >>= 4\nprint('ok', n > 1000)", 0),
    "thousand-times": ("for _ in range(1000):\n    try:\n        bytes(1 << 60)\n    except MemoryError:\n        pass", 0),
    "another-status": ("import sys\ntry:\n    bytes(1 << 60)\nexcept MemoryError:\n    sys.exit(3)", 3),
    "long-before-another-error": ("try:\n    bytes(1 << 60)\nexcept MemoryError:\n    pass\nx = [str(i) for i in range(200_000)]\n1 / 0", 1),
}


@pytest.mark.parametrize("how", HANDLED)
def test_out_of_memory__handled_leaves_the_program_unharmed(ended, how):
    source, status = HANDLED[how]
    bare, recorded, exit = ended(source)
    assert recorded == bare and bare.status == status
    assert exit == {"status": status, "signal": None, "oom": False}


def test_out_of_memory__abort_after_a_failed_allocation_is_status_53(ended):
    """As C++'s operator new without a handler, or glib's g_malloc."""
    bare, recorded, exit = ended("import ctypes\nc = ctypes.CDLL(None)\nc.malloc.restype = ctypes.c_void_p\n"
                                 "assert not c.malloc(ctypes.c_size_t(1 << 60))\nc.abort()")
    assert (bare.status, recorded.status) == (-signal.SIGABRT, 53)
    assert exit == {"status": None, "signal": signal.SIGABRT, "oom": True}


def test_out_of_memory__of_a_child_is_the_childs(record, python):
    recording = record(f"""
        import subprocess
        print(subprocess.run([{python.path!r}, "-c", "bytes(1 << 60)"], capture_output=True).returncode)
    """)
    assert recording.finished.out == "1\n"
    assert recording.peak()["trace"]["exit"] == {"status": 0, "signal": None, "oom": False}


def test_failed_allocation__is_recorded_and_changes_nothing(record):
    recording = record("""
        def fails():
            try:
                return bytes(1 << 60)
            except MemoryError:
                return bytes(20_000_000)
        x = fails()
    """)
    assert held(recording.peak(), "fails") == 20 * MB + BLANK
    assert recording.summary()["totals"]["failed"] == 1


def test_end__with_threads_still_running(record):
    recording = record("""
        import threading, time
        def in_thread():
            block = bytes(20_000_000)
            started.set()
            time.sleep(60)
        started = threading.Event()
        threading.Thread(target=in_thread, daemon=True).start()
        started.wait()
    """)
    assert held(recording.leaks(), "in_thread", allocator="PyObject_Malloc") >= 20 * MB
    assert recording.peak()["trace"]["complete"]


def test_end__of_a_program_that_allocates_up_to_its_last_instruction(record, programs):
    """exit_group while four threads exchange blocks: what was written is whole."""
    recording = record([programs / "exchange", "4", "0", "64", "1"], status=0)
    summary = recording.summary()
    assert summary["trace"]["complete"] and [loss["reason"] for loss in summary["losses"]] == []
    assert summary["totals"]["unknown_frees"] == summary["totals"]["impossible"] == summary["totals"]["replaced"] == 0
