"""One trace of a whole process tree: forked and exec'd processes, their blocks, and the peak of all together."""
import textwrap

import pytest

from trees import BLANK, SEEN, assert_nothing_lost, blank, blocks, held, losses, of, pids, process

MB = 1_000_000


def numbers(recording):
    """The integers that the program printed last."""
    return [int(word) for word in recording.finished.out.split("\n")[-2].split()]


FORK = """
    import os
    def in_parent(): return bytes(20_000_000)
    def in_child(): return bytes(30_000_000)
    held = in_parent()
    pid = os.fork()
    if pid == 0:
        mine = in_child()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print(os.getpid(), pid)
"""


def test_fork__peak_is_what_parent_and_child_held_together(record, interpreter):
    recording = record(FORK, python=interpreter)
    parent, child = numbers(recording)
    peak, own = recording.peak(), recording.peak("--pid", str(child))
    size = 20 * MB + blank(interpreter), 30 * MB + blank(interpreter)
    assert (held(peak, "in_parent"), held(peak, "in_child")) == size
    assert (held(peak, "in_parent", parent), held(peak, "in_child", child)) == size
    assert sum(each["bytes"] for each in peak["processes"]) == peak["peak"]["bytes"]
    assert pids(peak) == [parent, child]
    assert (process(peak, parent)["parent"], process(peak, child)["parent"]) == (None, parent)
    # the child starts with nothing of its own: an interpreter has over a megabyte
    assert {stack["pid"] for stack in own["stacks"]} == {child}
    assert (held(own, "in_parent"), held(own, "in_child")) == (0, size[1])
    assert 0 <= own["peak"]["bytes"] - size[1] < 100_000
    assert own["peak"]["bytes"] == process(peak, child)["peak_bytes"]
    assert_nothing_lost(recording.summary())


def test_exec__silent_callers_hold_up_nobody(record):
    """Forty that connect to the collector and never ask keep no new image from its place."""
    recording = record("""
        import os, socket, subprocess, sys
        def call():
            caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            caller.connect(b"\\0" + os.environ["MEMREC"].split(",")[0].encode())
            return caller
        silent = [call() for _ in range(40)]
        subprocess.run([sys.executable, "-S", "-c", "def in_child(): return bytes(30_000_000)\\nheld = in_child()"], check=True)
    """)
    told = recording.summary()
    assert len(told["processes"]) == 2
    assert held(recording.peak(), "in_child") == 30 * MB + BLANK


def test_fork__a_child_has_its_parents_command(record):
    """Also one that has ended before anybody could look."""
    recording = record("""
        import os
        for _ in range(10):
            if not os.fork():
                os._exit(0)
            os.wait()
        os._exit(0)
    """)
    told = recording.summary()
    assert [process["command"] for process in told["processes"]] == [told["trace"]["command"]] * 11


def test_trace__names_the_program_by_its_pid(record):
    told = record("import os\nprint(os.getpid())").summary()
    assert told["trace"]["pid"] == told["processes"][0]["pid"]


def test_fork__each_process_has_its_own_peak(record):
    recording = record("""
        import os
        def early(): return bytes(50_000_000)
        def late(): return bytes(10_000_000)
        def in_child(): return bytes(15_000_000)
        held = early()
        del held
        held = late()
        pid = os.fork()
        if pid == 0:
            mine = in_child()
            os._exit(0)
        os.waitpid(pid, 0)
        print(os.getpid(), pid)
    """)
    parent, child = numbers(recording)
    peak = recording.peak()
    assert [held(peak, each) for each in ("early", "late", "in_child")] == [50 * MB + BLANK, 0, 0]
    assert process(peak, parent)["peak_bytes"] == peak["peak"]["bytes"]
    assert held(recording.peak("--pid", str(child)), "in_child") == 15 * MB + BLANK
    assert held(recording.peak("--pid", str(parent)), "early") == 50 * MB + BLANK


def test_fork__what_a_child_frees_of_its_parent_stays_the_parents(record):
    recording = record("""
        import mmap, os
        def in_parent(): return bytes(20_000_000), mmap.mmap(-1, 8 << 20)
        def in_child(): return bytes(5_000_000)
        block, mapping = in_parent()
        pid = os.fork()
        if pid == 0:
            mapping.close()
            del block, mapping
            mine = in_child()
            os._exit(0)
        os.waitpid(pid, 0)
        late = in_child()
        print(os.getpid(), pid)
    """)
    parent, child = numbers(recording)
    peak, summary = recording.peak(), recording.summary()
    assert held(peak, "in_parent", parent, "PyObject_Malloc") == 20 * MB + BLANK
    assert held(peak, "in_parent", parent, "mmap") == 8 << 20
    assert held(peak, "in_child", parent) + held(peak, "in_child", child) == 5 * MB + BLANK
    assert losses(summary).get("unknown_free", 0) >= 1
    assert_nothing_lost(summary)


def test_fork__grandchildren_count_with_their_parents(record):
    recording = record("""
        import os, sys
        def hold(): return bytes(10_000_000)
        mine, written = [], os.pipe()
        for generation in range(4):
            mine.append(hold())
            if generation < 3:
                pid = os.fork()
                if pid:
                    os.waitpid(pid, 0)
                    os._exit(0) if generation else sys.exit(0)
        os._exit(0)
    """)
    peak = recording.peak()
    line = pids(peak)
    assert len(line) == 4
    assert [process(peak, pid)["parent"] for pid in line] == [None, *line[:3]]
    assert [held(peak, "hold", pid) for pid in line] == [10 * MB + BLANK] * 4


def test_fork__sequential_children_do_not_add_up(record, interpreter):
    """What ended is gone before the waiter goes on: twenty children that follow one another at once."""
    recording = record("""
        import os
        def in_child(): return bytes(40_000_000)
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                mine = in_child()
                os._exit(0)
            os.waitpid(pid, 0)
    """, python=interpreter)
    peak = recording.peak()
    assert held(peak, "in_child") == 40 * MB + blank(interpreter)
    assert len(pids(peak)) == 21
    assert held(recording.leaks(), "in_child") == 20 * (40 * MB + blank(interpreter))
    assert_nothing_lost(recording.summary())


def test_fork__a_parent_that_waits_goes_on_after_its_child(record):
    """What a parent holds around fork and wait stood together with the child's, however short the whole was."""
    recording = record("""
        import os
        def in_parent(): return bytes(20_000_000)
        def in_child(): return bytes(30_000_000)
        for _ in range(20):
            held = in_parent()
            pid = os.fork()
            if pid == 0:
                mine = in_child()
                os._exit(0)
            os.waitpid(pid, 0)
            del held
    """)
    peak = recording.peak()
    assert (held(peak, "in_parent"), held(peak, "in_child")) == (20 * MB + BLANK, 30 * MB + BLANK)


def test_fork__simultaneous_children_add_up(record):
    recording = record(SEEN + textwrap.dedent("""
        import os
        def in_child(): return bytes(10_000_000)
        ready, done = os.pipe(), os.pipe()
        children = []
        for _ in range(6):
            children.append(os.fork())
            if not children[-1]:
                mine = in_child()
                os.write(ready[1], b"r")
                os.close(done[1])
                os.read(done[0], 1)
                os._exit(0)
        for _ in children:
            os.read(ready[0], 1)
        seen()
        os.close(done[1])
        for child in children:
            os.waitpid(child, 0)
        print(*children)
    """))
    peak = recording.peak()
    assert [held(peak, "in_child", pid) for pid in numbers(recording)] == [10 * MB + BLANK] * 6


def test_leak__is_what_lives_at_the_end_of_its_own_process(record):
    recording = record("""
        import os
        def in_parent(): return bytes(20_000_000)
        def leaked(): return bytes(30_000_000)
        def freed(): return bytes(30_000_000)
        held = in_parent()
        pid = os.fork()
        if pid == 0:
            mine, other = leaked(), freed()
            del other
            os._exit(0)
        os.waitpid(pid, 0)
        del held
        print(os.getpid(), pid)
    """)
    parent, child = numbers(recording)
    leaks = recording.leaks()
    assert [held(leaks, each) for each in ("in_parent", "leaked", "freed")] == [0, 30 * MB + BLANK, 0]
    assert held(leaks, "leaked", child) == 30 * MB + BLANK
    assert held(recording.leaks("--pid", str(parent)), "leaked") == 0


def test_fork__from_a_program_with_busy_threads(record, interpreter):
    """Every child of a program whose threads allocate all the time knows its stacks and disturbs nobody's."""
    recording = record("""
        import os, sys, threading
        def in_child(): return bytes(1_000_000)
        def churn():
            while not ending.is_set():
                x = [bytes(600 + i) for i in range(50)]
                eval("lambda: [1, 2, 3]")
        sys.setswitchinterval(1e-4)
        ending = threading.Event()
        threads = [threading.Thread(target=churn) for _ in range(4)]
        for thread in threads:
            thread.start()
        import warnings
        warnings.simplefilter("ignore")
        children = []
        for _ in range(10):
            children.append(os.fork())
            if not children[-1]:
                mine = in_child()
                os._exit(0)
            assert os.waitpid(children[-1], 0)[1] == 0
        ending.set()
        for thread in threads:
            thread.join()
        print(os.getpid(), *children)
    """, python=interpreter)
    parent, *children = numbers(recording)
    leaks, summary = recording.leaks(), recording.summary()
    assert [held(leaks, "in_child", pid) for pid in children] == [MB + blank(interpreter)] * 10
    assert {loss["reason"] for loss in summary["losses"] if loss["pid"] == parent} == set()
    assert_nothing_lost(summary)


@pytest.mark.parametrize("call", ["syscall(57)", "syscall(56, 17, 0, 0, 0, 0)"], ids=["SYS_fork", "SYS_clone"])
def test_raw_fork__is_noticed_by_the_child_itself(record, call):
    """A fork past every handler: the child must not write into its parent's ring."""
    recording = record(f"""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        def in_parent(): return bytes(20_000_000)
        def in_child(): return bytes(10_000_000)
        children = []
        for _ in range(50):
            children.append(libc.{call})
            if children[-1] == 0:
                mine = in_child()
                os._exit(0)
            held = in_parent()
            os.waitpid(children[-1], 0)
            del held
        print(os.getpid(), *children)
    """)
    parent, *children = numbers(recording)
    leaks, summary = recording.leaks(), recording.summary()
    assert [held(leaks, "in_child", pid) for pid in children] == [10 * MB + BLANK] * 50
    assert held(leaks, "in_parent") == held(leaks, "in_child", parent) == 0
    assert {loss["reason"] for loss in summary["losses"] if loss["pid"] == parent} == set()
    assert_nothing_lost(summary)


EXEC = """
    import os, sys
    def first(): return bytes(20_000_000)
    def second(): return bytes(30_000_000)
    if len(sys.argv) == 1:
        held = first()
        os.execv(sys.executable, [sys.executable, __file__, "again"])
    held = second()
    print(os.getpid())
    sys.exit(7)
"""


def test_exec__of_the_program_over_itself_takes_the_first_image_out_of_the_sum(record, interpreter):
    recording = record(EXEC, python=interpreter, status=7)
    peak = recording.peak()
    assert held(peak, "first") == 0
    assert held(peak, "second") == 30 * MB + blank(interpreter)
    assert pids(peak) == numbers(recording) * 2
    assert [each["command"][-1] for each in peak["processes"]] == [peak["trace"]["command"][-1], "again"]
    assert_nothing_lost(recording.summary())


def test_exec__the_first_image_can_be_the_peak(record):
    recording = record(EXEC.replace("20_000_000", "60_000_000"), status=7)
    peak = recording.peak()
    assert (held(peak, "first"), held(peak, "second")) == (60 * MB + BLANK, 0)
    assert held(recording.peak("--at", "end"), "first") == 0


def test_exec__that_fails_changes_nothing(record):
    recording = record("""
        import os, sys
        def first(): return bytes(20_000_000)
        def second(): return bytes(30_000_000)
        held = first()
        for attempt in (lambda: os.execv("/nonexistent/program", ["x"]), lambda: os.execvp("no-such-program", ["x"]),
                        lambda: os.execve(__file__, ["x"], {"A": "1"})):
            try:
                attempt()
            except OSError as told:
                print(type(told).__name__)
        more = second()
        print(os.getpid())
    """)
    peak = recording.peak()
    assert recording.finished.out.split()[:3] == ["FileNotFoundError", "FileNotFoundError", "PermissionError"]
    assert pids(peak) == numbers(recording)
    assert (held(peak, "first"), held(peak, "second")) == (20 * MB + BLANK, 30 * MB + BLANK)


def test_exec__of_a_program_that_is_not_recorded_ends_the_old_image(record, programs, tmp_path):
    """The child's bytes leave the sum when it becomes a native program, not when that one ends."""
    recording = record(SEEN + textwrap.dedent(f"""
        import os, time
        def in_child(): return bytes(30_000_000)
        def in_parent(): return bytes(40_000_000)
        program, go = {str(programs / "hold")!r}, {str(tmp_path / "go")!r}
        pid = os.fork()
        if pid == 0:
            mine = in_child()
            os.execv(program, [program, "1000", go])
        while os.readlink(f"/proc/{{pid}}/exe") != program:
            time.sleep(0.01)
        seen()
        held = in_parent()
        open(go, "w").close()
        os.waitpid(pid, 0)
    """))
    peak = recording.peak()
    assert (held(peak, "in_child"), held(peak, "in_parent")) == (0, 40 * MB + BLANK)
    assert len(pids(peak)) == 2
    assert_nothing_lost(recording.summary())


def test_forks__a_thousand_and_more_leave_no_slot_taken(record, programs):
    """More children than there are slots (1,024), one after the other: each gets a place."""
    recording = record([programs / "family", "forks", "1300", "1000"])
    leaks, summary = recording.leaks(), recording.summary()
    assert len(summary["processes"]) == 1301
    assert of(leaks, "malloc") == 1300 * 1000
    assert_nothing_lost(summary)


def test_forks__two_hundred_short_lived_pythons(record):
    recording = record("""
        import os
        def in_child(): return bytes(100_000)
        children = []
        for _ in range(200):
            children.append(os.fork())
            if not children[-1]:
                mine = in_child()
                os._exit(0)
            if len(children) % 8 == 0:
                for child in children[-8:]:
                    os.waitpid(child, 0)
        print(*children)
    """)
    leaks, summary = recording.leaks(), recording.summary()
    assert [held(leaks, "in_child", pid) for pid in numbers(recording)] == [100_000 + BLANK] * 200
    assert 100_000 + BLANK <= held(recording.peak(), "in_child") <= 8 * (100_000 + BLANK)
    assert len(summary["processes"]) == 201
    assert_nothing_lost(summary)


def test_programs__that_end_at_once_keep_their_names(record):
    """`true` has ended before the collector looks at its slot: what it is was learnt while it waited for its answer."""
    recording = record("""
        import os, subprocess
        for i in range(200):
            subprocess.run(["true", str(i)], check=True)
        print(os.getpid())
    """, options=["--children", "all"])
    first, *others = recording.summary()["processes"]
    assert [each["command"] for each in others] == [["true", str(i)] for i in range(200)]
    assert {each["parent"] for each in others} == {first["pid"]} == set(numbers(recording))


def test_threads__five_thousand_that_come_and_go_share_the_rings(record, programs):
    """More threads than there are rings (4,096). Each allocates a block that the first thread frees; every tenth stays."""
    recording = record([programs / "family", "threads", "5000", "700"])
    leaks, summary = recording.leaks(), recording.summary()
    assert of(leaks, "malloc") == 500 * 700
    assert losses(summary) == {}
    assert_nothing_lost(summary)


def test_threads__two_thousand_of_python_come_and_go(record):
    recording = record("""
        import threading
        kept = []
        def made(): return bytes(5_000)
        def work():
            block = made()
            if not i % 20:
                kept.append(block)
        for i in range(2000):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        import os
        os._exit(0)
    """)
    leaks, summary = recording.leaks(), recording.summary()
    assert (held(leaks, "made"), blocks(leaks, "made")) == (100 * (5_000 + BLANK), 100)
    assert_nothing_lost(summary)


def test_vfork__of_a_native_child_is_no_event_and_no_harm(record, programs):
    """The child of vfork runs on its parent's memory until it execs: what the parent holds stays, what the new image holds adds."""
    recording = record([programs / "family", "vfork", "20000000", str(programs / "hold"), "30000000"], options=["--children", "all"])
    peak = recording.peak()
    assert [of(peak, "malloc", pid) for pid in pids(peak)] == [20 * MB, 30 * MB]
    assert_nothing_lost(recording.summary())
    alone = record([programs / "family", "vfork", "20000000", str(programs / "hold"), "30000000"]).peak()
    assert of(alone, "malloc") == 20 * MB and len(pids(alone)) == 1


def test_environment__of_a_child_without_ours_leaves_it_alone(record, python):
    """env={}: the child cannot find the collector; it runs as it would, and the tree's trace is sound without it."""
    recording = record(f"""
        import os, subprocess, sys
        def in_parent(): return bytes(20_000_000)
        held = in_parent()
        done = subprocess.run([{python.path!r}, "-c", "x = bytes(30_000_000); import os; print(sorted(os.environ))"], env={{}},
                              capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "LD_PRELOAD" not in done.stdout and "MEMREC" not in done.stdout
        print(os.getpid())
    """)
    peak = recording.peak()
    assert pids(peak) == numbers(recording)
    assert held(peak, "in_parent") == 20 * MB + BLANK
    assert 0 <= peak["peak"]["bytes"] - held(peak, "in_parent") < 15 * MB
    assert_nothing_lost(recording.summary())


def family(python, programs):
    return f"""
        import os, subprocess
        def in_root(): return bytes(5_000_000)
        def in_fork(): return bytes(10_000_000)
        held = in_root()
        pid = os.fork()
        if pid == 0:
            mine = in_fork()
            os._exit(0)
        os.waitpid(pid, 0)
        code = "def in_python(): return bytes(20_000_000)\\nx = in_python()"
        subprocess.run([{python.path!r}, "-c", code], check=True)
        subprocess.run([{str(programs / "hold")!r}, "30000000"], check=True)
        subprocess.run("{programs / "hold"} 40000000; true", shell=True, check=True)
        os._exit(0)
    """


@pytest.mark.parametrize("children, count, forked, fresh, native", [
    ("none", 1, 0, 0, 0), ("python", 3, 10, 20, 0), ("all", 6, 10, 20, 70)])
def test_children__chooses_who_is_recorded(record, python, programs, children, count, forked, fresh, native):
    recording = record(family(python, programs), options=["--children", children])
    leaks, summary = recording.leaks(), recording.summary()
    assert held(leaks, "in_root") == 5 * MB + BLANK
    assert held(leaks, "in_fork") == forked * MB + BLANK * bool(forked)
    assert held(recording.peak(), "in_python") == fresh * MB + BLANK * bool(fresh) or children == "all"
    assert sum(stack["bytes"] for stack in leaks["stacks"] if stack["bytes"] > MB and all(frame["kind"] != "python" for frame in stack["frames"])) == native * MB
    assert len(summary["processes"]) == count, summary["processes"]
    assert_nothing_lost(summary)


@pytest.mark.parametrize("children", ["none", "python", "all"])
def test_children__every_program_runs_the_same(record, python, programs, children):
    recording = record(f"""
        import subprocess
        print(subprocess.run("echo one; {python.path} -c 'print(2)'; exit 3", shell=True, capture_output=True))
    """, options=["--children", children])
    assert "returncode=3, stdout=b'one\\n2\\n', stderr=b''" in recording.finished.out
