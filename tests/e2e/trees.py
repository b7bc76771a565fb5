"""What tests of whole process trees share: blocks of known size, and who held them.

A test's program holds bytes objects made in functions with telling names; a bytes object of n bytes is one block of
n + blank(interpreter) bytes, whatever else the interpreter allocates around it."""
import os
import time

from conftest import BUILD, run

BLANK = 33  # sys.getsizeof(b"") of a build with the GIL

# For a recorded program's source: processes that don't wait for each other are aligned by when the collector looks, which on a busy machine may take its time.
# A mark is answered when all that was done before it is read; a third one, when whoever had ended or become another program by the first one is so in the trace.
SEEN = f"""
def seen():
    import os
    for _ in range(3):
        child = os.posix_spawn({str(BUILD / "memrec")!r}, ["memrec", "mark", "-q", "--pid", str(os.getpid()), "seen"], os.environ)
        assert os.waitpid(child, 0)[1] == 0
"""


def blank(interpreter):
    return 49 if interpreter.free_threaded else BLANK


def held(report, function, pid=None, allocator=None):
    """Bytes of the stacks in which `function` stands, of one process or of all, from one allocator or from any."""
    return sum(stack["bytes"] for stack in report["stacks"]
               if pid in (None, stack["pid"]) and allocator in (None, stack["allocator"]) and any(frame["function"] == function for frame in stack["frames"]))


def blocks(report, function, pid=None):
    """How many blocks that is."""
    return sum(stack["allocations"] for stack in report["stacks"]
               if pid in (None, stack["pid"]) and any(frame["function"] == function for frame in stack["frames"]))


def of(report, allocator, pid=None):
    """Bytes that came from one allocator."""
    return sum(stack["bytes"] for stack in report["stacks"] if stack["allocator"] == allocator and pid in (None, stack["pid"]))


def pids(report):
    """The recorded processes' pids, in order of appearance; an exec'd image counts once more."""
    return [process["pid"] for process in report["processes"]]


def process(report, pid):
    """The only process with that pid."""
    found = [each for each in report["processes"] if each["pid"] == pid]
    assert len(found) == 1, report["processes"]
    return found[0]


def losses(summary):
    """{reason: count} over all processes."""
    told = {}
    for loss in summary["losses"]:
        told[loss["reason"]] = told.get(loss["reason"], 0) + loss["count"]
    return told


def assert_nothing_lost(summary):
    """What forked children free of their parents' is counted as unknown, and is no loss."""
    assert {reason: count for reason, count in losses(summary).items() if reason != "unknown_free"} == {}
    assert summary["trace"]["lost_events"] == 0
    assert [summary["totals"][each] for each in ("lost_frees", "replaced", "impossible")] == [0, 0, 0]


def wait_until(condition, seconds=60):
    """The condition's value as soon as it is true; a test that waits for longer has failed."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def settled(recording):
    """The recording once its trace is complete: what outlives the program (a resource tracker, say) has ended by then."""
    wait_until(lambda: '"complete": true' in run([BUILD / "memreplay", "verify", "--json", recording.trace]).out)
    return recording


def memrecs(trace, build=BUILD):
    """The pids of a build's memrec and collector that record into this trace, by their command: a child that is about to become the program has it, too."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                words = command.read().split(b"\0")
        except OSError:
            continue
        if os.fsencode(build / "memrec") in words and os.fsencode(trace) in words:
            found.append(int(pid))
    return found


def leads_session(pid):
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def collector_of(memrec):
    """The pid of the collector of the memrec with that pid: its child that leads a session of its own. Waits until it is there."""
    def children():
        with open(f"/proc/{memrec}/task/{memrec}/children") as listed:
            return map(int, listed.read().split())
    return wait_until(lambda: [pid for pid in children() if leads_session(pid)])[0]


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def state_of(pid):
    """As /proc has it: "T" where it is stopped; None where it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return None


def is_stopped(pid):
    return state_of(pid) == "T"
