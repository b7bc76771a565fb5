"""Every failpoint of recorder/failpoints.def fires, and harms nobody.

A program with threads, a forked child, a Python below it, errors and an exit status of its own runs bare and recorded by the
build with failpoints (`make FAIL=1`), with one failpoint armed (or those that lead to it). Whatever fails in the recorder:
stdout, what the program says on stderr, and its exit status are those of the bare run; or it is never started, and memrec
says why in one sentence. A mark proves that the failpoint has fired. What is lost is told twice, with counts: on stderr and
by the trace. ROWS has one line for each failpoint; a failpoint without one fails.
"""
import json
import os
import re
import select
import signal
import subprocess
import time
import typing

import pytest

from binaries import NO_UNWINDER, UNWINDER
from conftest import ROOT, Recording, run
from trees import BLANK, collector_of, is_gone, is_stopped, memrecs, wait_until

FAIL = ROOT / "build" / "failpoints"
KINDS = {"memrec, before": "Failpoints: memrec and the collector, before the program starts", "the collector, before": None,
         "the collector, while": "Failpoints: the collector, while the program runs", "the file": "Failpoints: the file",
         "the library, at": "Failpoints: the library, at its start", "the library, while": "Failpoints: the library, while the program runs",
         "the end": "Failpoints: the end"}
HANG_SECONDS = 120  # a bound for hangs, not for time

# What a row needs of it: more than 8 threads at once (a second chunk of rings), a block of 20 MB that is held and blocks of 4 MB
# that are freed, a mapping made with MAP_NORESERVE, more than 512 functions and stacks (tables that grow), enough calls for several blocks of the trace.
JOB = """
import mmap, os, sys, threading
def hold(): return bytes(20_000_000)
held, reserved = hold(), mmap.mmap(-1, 1 << 20, 0x4022)
def work(n): return sum(len(str(i)) for i in range(n))
def deep(n): return deep(n - 1) if n else work(200)
kept = [str(i) * 3 for i in range(5_000)]
ready = threading.Barrier(12)
def thread():
    ready.wait(); work(300); ready.wait()
threads = [threading.Thread(target=thread) for _ in range(12)]
for each in threads: each.start()
for each in threads: each.join()
print("deep", deep(100), open(__file__ + ".begun", "w").close())
for n in range(900): exec(f"def f{n}(): return [str(x) for x in range(5)]\\nf{n}()")
try:
    bytes(1 << 60)
except MemoryError:
    print("MemoryError")
wait, go = os.pipe()
pid = os.fork()
if pid == 0:
    child = bytes(3_000_000)
    os.close(go)
    os.read(wait, 1)
    os._exit(work(1000) % 7)
sys.stdout.flush()
python = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", "x = bytes(2_000_000); print(len(x))"], os.environ)
print("python", os.waitpid(python, 0)[1])
os.close(go)
print("child", os.waitpid(pid, 0)[1])
for _ in range(4): bytearray(4_000_000)
print("sum", work(400_000), len(kept), len(held))
sys.stderr.write("to stderr\\n")
sys.exit(7)
"""


class Row(typing.NamedTuple):
    outcome: str  # refused, whole, lost, stopped, cut, died: a function below
    arm: str = ""  # MEMREC_FAIL; by default the failpoint's name
    told: str = ""  # lost: the reason in the trace. Others: what memrec's words contain
    stderr: str = ""  # lost: what memrec's words contain
    status: int = 125
    options: tuple = ()


PROGRAM = {"refused": "is not started; memrec says why and exits with 125"}
TRACE = {"refused": "no file is left", "whole": "whole, nothing is lost", "lost": "whole, with the loss and its count: ",
         "stopped": "ends there and says so", "cut": "readable up to its last block; memrec says so", "died": "readable up to its last block; memrec says so",
         "gone": "whole; memrec says that the collector ended early",
         "unreached": "whole and empty; memrec says that nothing was recorded"}
NO_PLACE = dict(outcome="lost", told="no_place", stderr="could not join the recording")
NO_STACK = dict(outcome="lost", told="stack_unknown", stderr="allocations have no stack")
CUT_SHORT = "processes stopped recording before their end"
NATIVE = ("--native",)
NO_NATIVE = dict(outcome="lost", told="native_unknown", options=NATIVE)

ROWS = {
    "libc_version": Row("whole"),
    "arguments_memory": Row("refused", told="out of memory"),
    "trace_create": Row("refused", told="cannot be created"),
    "listener_random": Row("refused", told="no socket"),
    "listener_socket": Row("refused", told="no socket"),
    "listener_bind": Row("refused", told="no socket"),
    "listener_listen": Row("refused", told="no socket"),
    "control_pair": Row("refused", told="no socket"),
    "collector_fork": Row("refused", told="the collector cannot be started"),
    "trace_id_random": Row("whole"),
    "limits_lift": Row("whole"),
    "null_open": Row("whole"),
    "gate_pipe": Row("refused", told="the program cannot be started"),
    "report_pipe": Row("refused", told="the program cannot be started"),
    "program_fork": Row("refused", told="the program cannot be started"),
    "program_exec": Row("refused", told="cannot be started", status=126),
    "started_send": Row("refused", told="the collector ended before the program could start"),
    "gate_write": Row("refused", told="the collector ended before the program could start"),
    "collector_begins": Row("refused", "collector_begins:1:kill", told="the collector cannot start"),
    "memfd": Row("whole"),
    "shm_file": Row("whole", "memfd,shm_file"),
    "tmp_file": Row("refused", "memfd,shm_file,tmp_file", told="no shared memory can be had"),
    "shared_size": Row("refused", told="no shared memory can be had"),
    "shared_map": Row("refused", told="no shared memory can be had"),
    "shared_back": Row("lost", "memfd,shared_back:2+", told="no_ring", stderr="events were lost"),
    "shared_stat": Row("whole"),
    "writer_memory": Row("refused", told="no memory"),
    "compressor_memory": Row("refused", told="no memory"),
    "header_write": Row("refused", told="could not be written"),
    "writer_thread": Row("refused", told="writing thread"),
    "encoder_memory": Row("refused", told="no memory"),
    "names_memory": Row("refused", told="no memory"),
    "names_functions": Row("refused", told="no memory"),
    "names_stacks": Row("refused", told="no memory"),
    "serve_memory": Row("refused", told="no memory"),
    "serve_pipe": Row("refused", told="no memory"),
    "serve_thread": Row("refused", told="rendezvous thread"),
    "merge_memory": Row("refused", told="no memory"),
    "meminfo_open": Row("whole"),
    "before_drain": Row("died", "before_drain:3:kill"),
    "in_drain": Row("died", "in_drain:3:kill"),
    "after_drain": Row("died", "after_drain:3:kill"),
    "at_end": Row("died", "at_end:1:kill"),
    "clock_back": Row("whole", "clock_back:4"),
    "serve_accept": Row("unreached"),
    "serve_peer": Row(**NO_PLACE),
    "serve_question": Row(**NO_PLACE),
    "serve_slot": Row(**NO_PLACE),
    "serve_reply": Row(**NO_PLACE),
    "process_memory": Row(**NO_PLACE),
    "inherit_memory": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "code_memory": Row("lost", "code_memory:200+", told="corrupt_ring", stderr=CUT_SHORT),
    "chain_nodes": Row("lost", told="corrupt_ring", stderr=CUT_SHORT, options=NATIVE),
    "chain_frames": Row("whole", "chain_frames:1", options=NATIVE),
    "chain_levels": Row("whole", "chain_levels:1", options=NATIVE),
    "chain_memo": Row("whole", options=NATIVE),
    "chain_copy": Row("lost", told="corrupt_ring", stderr=CUT_SHORT, options=NATIVE),
    "module_places": Row("lost", told="corrupt_ring", stderr=CUT_SHORT, options=NATIVE),
    "module_copy": Row("lost", told="corrupt_ring", stderr=CUT_SHORT, options=NATIVE),
    "node_memory": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "node_stacks": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "node_outermosts": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "node_pages": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "node_array": Row("lost", told="corrupt_ring", stderr=CUT_SHORT),
    "code_places": Row("lost", "code_places:3+", told="corrupt_ring", stderr=CUT_SHORT),
    "code_text": Row("lost", "code_text:200+", told="corrupt_ring", stderr=CUT_SHORT),
    "command_memory": Row("whole"),
    "command_fit": Row("whole"),
    "function_memory": Row("whole"),
    "stack_memory": Row("whole"),
    "address_memory": Row("whole"),
    "address_directory": Row(**NO_PLACE),
    "address_table": Row("whole"),
    "big_memory": Row("whole"),
    "encode_memory": Row("stopped", "encode_memory:300+"),
    "head_wrong": Row("lost", "head_wrong:5+", told="corrupt_ring", stderr=CUT_SHORT),
    "pidfd": Row("whole"),
    "proc_read": Row("whole"),
    "statm_read": Row("whole"),
    "pagemap_scan": Row("whole"),
    "pagemap_read": Row("whole", "pagemap_scan,pagemap_read"),
    "others_maps": Row("whole"),
    "hidden_maps": Row("whole"),
    "hidden_open": Row("whole"),
    "signature_read": Row("whole"),
    "trace_write": Row("cut", "trace_write:3+"),
    "trace_short": Row("whole"),
    "disk_tell": Row("whole"),
    "disk_full": Row("stopped"),
    "stop_memory": Row("cut", "disk_full,stop_memory"),
    "index_memory": Row("whole"),
    "out_memory": Row("cut", "out_memory:2+"),
    "room_memory": Row("cut"),
    "queue_full": Row("stopped"),
    "attach_socket": Row("unreached"),
    "attach_limit": Row("unreached"),
    "attach_connect": Row("unreached"),
    "attach_send": Row(**NO_PLACE),
    "attach_receive": Row(**NO_PLACE),
    "attach_descriptor": Row(**NO_PLACE),
    "attach_control": Row(**NO_PLACE),
    "attach_version": Row(**NO_PLACE),
    "chunk_map": Row(**NO_PLACE),
    "chunk_ask": Row("lost", told="no_ring", stderr="events were lost"),
    "attach_key": Row(**NO_PLACE),
    "attach_atfork": Row(**NO_PLACE),
    "gate_map": Row("lost", told="no_ring", stderr=CUT_SHORT),
    "gate_wipe": Row("lost", told="no_ring", stderr=CUT_SHORT),
    "interp_symbols": Row("refused", told="--no-python-stacks"),
    "interp_layout": Row("refused", told="--no-python-stacks"),
    "frames_wrong": Row("refused", told="--no-python-stacks"),
    "peek_call": Row("whole"),
    "peek_copy": Row("refused", "peek_call,peek_copy", told="--no-python-stacks"),
    "slot_claim": Row("lost", told="no_ring", stderr="events were lost"),
    "ring_claim": Row("lost", told="no_ring", stderr="events were lost"),
    "ring_wait": Row("whole", "ring_full:1,ring_wait"),  # full once in each process, so that it surely waits
    "ring_full": Row("lost", told="ring_full", stderr=CUT_SHORT),
    "place_lost": Row("lost", "place_lost:2+", told="corrupt_ring", stderr=CUT_SHORT),
    "native_memory": Row(**NO_NATIVE),
    "rules_memory": Row(**NO_NATIVE),
    "modules_memory": Row(**NO_NATIVE),
    "walker_memory": Row(**NO_STACK),
    "intern_full": Row(**NO_STACK),
    "intern_chunk": Row(**NO_STACK),
    "intern_index": Row(**NO_STACK),
    "intern_held": Row(**NO_STACK),
    "codes_memory": Row(**NO_STACK),
    "threads_full": Row("whole"),
    "resident_ask": Row("whole"),
    "ended_send": Row("gone"),
    "done_hear": Row("gone"),
    "index_write": Row("cut", told="incomplete"),
    "replay_fork": Row("whole"),
}


def failpoints():
    """(name, what fails, kind) of each line of the list, which is what the code is made from."""
    kind = None
    for line in (ROOT / "recorder" / "failpoints.def").read_text().splitlines():
        heading = re.match(r"/\* (.*) \*/$", line)
        if heading:
            kind = next(name for begin, name in KINDS.items() if heading[1].startswith(begin)) or kind
        entry = re.match(r'FAILPOINT_ENTRY\((\w+), \w+, "(.*)"\)', line)
        if entry:
            yield entry[1], entry[2], kind


def cases():
    for name, what, kind in failpoints():
        row = ROWS.get(name)
        marks = [] if row is None else [pytest.mark.fault(what, program=PROGRAM.get(row.outcome, "runs as bare").replace("125", str(row.status)),
                                                          trace=TRACE[row.outcome] + (f"`{row.told}`" if row.outcome == "lost" else ""), kind=kind)]
        yield pytest.param(name, id=name, marks=[pytest.mark.release_only, *marks])


def assert_whole(end):
    assert end.trace["complete"] and end.trace["damaged_blocks"] == 0 and end.trace["lost_events"] == 0
    assert set(end.losses) <= {"unknown_free"} and "lost" not in end.words
    assert len(end.summary["processes"]) == 3 and end.held("hold") == 20_000_033


def assert_lost(end):
    assert end.trace["complete"] and end.trace["damaged_blocks"] == 0
    assert end.losses.get(end.row.told, 0) >= 1 and end.row.stderr in end.words


def assert_unreached(end):
    assert end.trace["complete"] and end.summary["processes"] == [] and "nothing was recorded" in end.words


def assert_stopped(end):
    assert end.trace["complete"] and end.trace["damaged_blocks"] == 0
    assert "recording stopped" in end.notes and "recording stopped early" in end.words


def assert_cut(end):
    assert not end.trace["complete"] and end.trace["damaged_blocks"] == 0
    assert "incomplete" in end.notes and (end.row.told or "recording stopped early") in end.words


def assert_gone(end):
    assert end.trace["damaged_blocks"] == 0 and end.trace["complete"] and "the collector ended early" in end.words


def assert_died(end):
    assert end.trace["damaged_blocks"] == 0 and not end.trace["complete"] and "the collector ended early" in end.words


class End:
    """What memrec and the trace said of a run."""

    def __init__(self, row, words, trace):
        self.row, self.words, self.path = row, words, trace
        summary, self.notes = self.report("summary")
        self.summary, self.trace, self.losses = summary, summary["trace"], {}
        for loss in summary["losses"]:
            self.losses[loss["reason"]] = self.losses.get(loss["reason"], 0) + loss["count"]

    def report(self, command):
        done = run([FAIL / "memreplay", command, "--json", self.path])
        assert done.status == 0, done.err
        return json.loads(done.out), done.err

    def held(self, function):
        return sum(stack["bytes"] for stack in self.report("peak")[0]["stacks"] if any(frame["function"] == function for frame in stack["frames"]))


@pytest.fixture(scope="module")
def job(tmp_path_factory, python):
    if not (FAIL / "memrec").exists():
        pytest.skip("no build with failpoints here (make FAIL=1)")
    script = tmp_path_factory.mktemp("job") / "job.py"
    script.write_text(JOB)
    argv = [python.path, "-I", "-S", script]
    return argv, run(argv)


def end_stopped(trace):
    """Ends the collector that the test has stopped."""
    for pid in memrecs(trace, FAIL):
        os.kill(pid, signal.SIGKILL)


def fired(marks):
    return set(marks.read_text().split()) if marks.exists() else set()


@pytest.fixture
def failing(job, tmp_path):
    """failing(MEMREC_FAIL, options of memrec run) -> (bare, recorded, trace, whether the program has begun)."""
    def recorded(arm, options=()):
        argv, bare = job
        begun = argv[-1].with_name("job.py.begun")
        begun.unlink(missing_ok=True)
        trace, marks = tmp_path / "t.lz4", tmp_path / "marks"
        done = run([FAIL / "memrec", "run", "-o", trace, *options, "--", *argv], timeout=HANG_SECONDS, env={"MEMREC_FAIL": arm, "MEMREC_FAIL_MARKS": str(marks)})
        assert fired(marks) == {each.split(":")[0] for each in arm.split(",")}, "not all have fired"
        return bare, done, trace, begun.exists()
    return recorded


@pytest.mark.parametrize("name", cases())
def test_failpoint__harms_nobody(failing, name):
    assert name in ROWS, f"the failpoint {name} has no line in ROWS: what is expected of it?"
    row = ROWS[name]
    if row.options == NATIVE and not UNWINDER.exists():
        pytest.skip(NO_UNWINDER)
    bare, done, trace, begun = failing(row.arm or name, row.options)
    if row.outcome == "refused":
        assert (done.status, done.out) == (row.status, "") and not trace.exists() and not begun
        assert done.err.startswith("memrec: ") and len(done.err.splitlines()) == 1 and row.told in done.err, done.err
        return
    assert begun and (done.status, done.out) == (bare.status, bare.out), done.err
    assert done.err.startswith(bare.err)
    globals()[f"assert_{row.outcome}"](End(row, done.err[len(bare.err):], trace))


def test_failpoints__every_line_of_rows_is_one():
    assert set(ROWS) == {name for name, _, _ in failpoints()}


STOPPED = ["before_drain:3:stop", "at_end:1:stop", pytest.param("in_drain:3:stop", marks=pytest.mark.soak), pytest.param("after_drain:3:stop", marks=pytest.mark.soak)]


@pytest.mark.release_only
@pytest.mark.fault("the collector is stopped (SIGSTOP) before, in or after a drain, or at the end", kind=KINDS["the collector, while"],
                   program="runs as bare; waits 2 s at most, and memrec 5 s at its end", trace="readable up to its last block; memrec says so")
@pytest.mark.parametrize("arm", STOPPED)
def test_stopped_collector__harms_nobody(failing, arm):
    bare, done, trace, begun = failing(arm)
    try:
        assert begun and (done.status, done.out) == (bare.status, bare.out), done.err
        assert_died(End(Row("died"), done.err[len(bare.err):], trace))
    finally:
        end_stopped(trace)


@pytest.mark.release_only
@pytest.mark.soak
@pytest.mark.fault("the trace's file system does not answer any more", kind=KINDS["the file"],
                   program="runs as bare; memrec waits 30 s at its end", trace="readable up to its last block; memrec says so")
def test_blocked_file__is_not_waited_for_without_end(failing):
    bare, done, trace, begun = failing("trace_write:2:hang")
    try:
        assert begun and (done.status, done.out) == (bare.status, bare.out), done.err
        assert_died(End(Row("died"), done.err[len(bare.err):], trace))
        assert "at the peak" not in done.err  # memrec reads nothing there either
    finally:
        end_stopped(trace)


@pytest.mark.release_only
@pytest.mark.fault("the collector is stopped (SIGSTOP) before it can record", kind=KINDS["memrec, before"],
                   program="is not started; memrec waits 5 s, says why and exits with 125", trace="no file is left")
def test_stopped_collector__before_the_start_is_told(failing):
    _, done, trace, begun = failing("collector_begins:1:stop")
    assert (done.status, begun, trace.exists()) == (125, False, False) and "the collector cannot start" in done.err


@pytest.mark.release_only
@pytest.mark.fault("the collector gets no time for seconds when the program starts", kind=KINDS["memrec, before"],
                   program="begins when it is answered, at most 10 s late", trace="whole")
def test_collector_without_time__is_waited_for_by_the_program(python, tmp_path):
    trace = tmp_path / "t.lz4"
    memrec = subprocess.Popen([FAIL / "memrec", "run", "-q", "-o", trace, "--", python.path, "-I", "-S", "-c", "held = bytes(20_000_000)"],
                              env={**os.environ, "MEMREC_FAIL": "serve_accept:1:stop"})
    collector = collector_of(memrec.pid)
    wait_until(lambda: is_stopped(collector))
    time.sleep(3)
    os.kill(collector, signal.SIGCONT)
    assert memrec.wait(60) == 0
    peak = Recording(trace, None).peak()
    assert [stack["bytes"] for stack in peak["stacks"]][:1] == [20_000_000 + BLANK] and peak["trace"]["lost_events"] == 0


@pytest.mark.release_only
@pytest.mark.parametrize("point, told", [("attach_connect", "nothing was recorded"), ("after_drain:1:kill", "the collector ended early"),
                                         ("trace_write:3+", "recording stopped early")])
def test_quiet__leaves_out_no_failure(point, told, python, tmp_path):
    writes_much = "import random\nkept = [bytes(random.randrange(2000)) for _ in range(200_000)]"
    done = run([FAIL / "memrec", "run", "-q", "-o", tmp_path / "t.lz4", "--", python.path, "-I", "-S", "-c", writes_much],
               env={"MEMREC_FAIL": point})
    assert (done.status, done.out, done.err.count("\n")) == (0, "", 1) and done.err.startswith(f"memrec: {told}")


WRITES_LATE = """
import os, sys
def hold(): return bytes(20_000_000)
print("ready", flush=True)
sys.stdin.readline()
held = hold()
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.release_only
def test_memrec_killed__what_was_written_after_the_last_drain_is_kept(job, python, tmp_path):
    """The collector stops itself after each drain; the test lets it go on until the program's last block comes between two."""
    trace = tmp_path / "t.lz4"
    memrec = subprocess.Popen([FAIL / "memrec", "run", "-q", "-o", trace, "--", python.path, "-I", "-S", "-c", WRITES_LATE], text=True, bufsize=1,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "MEMREC_FAIL": "after_drain:1+:stop"})
    try:
        collector = collector_of(memrec.pid)

        def drained_until(condition):
            def look():
                if is_stopped(collector):
                    os.kill(collector, signal.SIGCONT)
                return condition()
            wait_until(look)

        drained_until(lambda: select.select([memrec.stdout], [], [], 0)[0])
        assert memrec.stdout.readline() == "ready\n"
        wait_until(lambda: is_stopped(collector))
        memrec.stdin.write("go\n")
        assert memrec.stdout.readline() == "held\n"
        memrec.kill()
        memrec.wait()
        drained_until(lambda: is_gone(collector))
    finally:
        memrec.stdin.close()
        end_stopped(trace)
    assert End(None, "", trace).held("hold") == 20_000_033
