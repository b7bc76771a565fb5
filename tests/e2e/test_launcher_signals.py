"""Signals, terminals, and what is left when somebody is killed: memrec, its collector, or the program."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from conftest import BUILD, Recording, run
from trees import BLANK, collector_of, held, is_gone, is_stopped, memrecs, wait_until

MEMREC = str(BUILD / "memrec")
COUNTING = """
    import os, signal, sys, time
    def hold(): return bytes(20_000_000)
    held, got = hold(), []
    number = signal.Signals[sys.argv[1]]
    signal.signal(number, lambda n, f: got.append(n))
    print(os.getpid(), flush=True)
    while not got:
        time.sleep(0.01)
    time.sleep(0.3)  # would a second one come?
    print([signal.Signals(each).name for each in got])
    sys.exit(len(got))
"""


@pytest.fixture
def started(tmp_path, python):
    """started(source, *args, options=[]) -> the memrec that runs it, with .trace; stdout is a pipe. Killed at the end of the test."""
    running = []

    def start(source, *args, options=("-q",), prefix=(), **how):
        script = tmp_path / f"job{len(running)}.py"
        script.write_text(textwrap.dedent(source))
        trace = tmp_path / f"t{len(running)}.lz4"
        how.setdefault("stdout", subprocess.PIPE)
        child = subprocess.Popen([*prefix, MEMREC, "run", *options, "-o", trace, "--", python.path, script, *args], stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, **how)
        child.trace = trace
        running.append(child)
        return child

    yield start
    for child in running:
        if child.poll() is None:
            for pid in open(f"/proc/{child.pid}/task/{child.pid}/children").read().split():
                os.kill(int(pid), signal.SIGKILL)
            child.kill()
            child.wait()


# ---- forwarding ----

@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_signal__to_memrec_reaches_the_program_once(started, name):
    memrec = started(COUNTING, name)
    memrec.stdout.readline()
    memrec.send_signal(signal.Signals[name])
    out, err = memrec.communicate(timeout=60)
    assert (out, err, memrec.returncode) == (f"['{name}']\n", "", 1)
    assert held(Recording(memrec.trace, None).peak(), "hold") == 20_000_000 + BLANK


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL", "SIGSEGV", "SIGABRT", "SIGUSR1", "SIGPIPE", "SIGALRM", "SIGXCPU"])
def test_signal__that_ends_the_program_is_its_status(started, name):
    memrec = started("import os, signal, time\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
                     "print(os.getpid(), flush=True)\ntime.sleep(60)")
    os.kill(int(memrec.stdout.readline()), signal.Signals[name])
    out, err = memrec.communicate(timeout=60)
    assert (out, err, memrec.returncode) == ("", "", 128 + signal.Signals[name])
    trace = Recording(memrec.trace, None).peak()["trace"]
    assert trace["complete"] and trace["exit"]["signal"] == signal.Signals[name] and trace["exit"]["status"] is None


def test_signal__that_is_ignored_outside_stays_ignored_in_the_program(started):
    """nohup's way: the shell ignores SIGHUP; neither memrec nor the program may die of it."""
    memrec = started("""
        import os, signal, time
        print(signal.getsignal(signal.SIGHUP), flush=True)
        time.sleep(0.5)
    """, prefix=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    assert memrec.stdout.readline() in ("1\n", "Handlers.SIG_IGN\n")
    memrec.send_signal(signal.SIGHUP)
    assert memrec.communicate(timeout=60)[1] == "" and memrec.returncode == 0


def test_timeout__ends_the_program_as_it_would_bare(tmp_path, python):
    argv = [python.path, "-c", "import time; time.sleep(60)"]
    done = run(["timeout", "1", MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", *argv])
    assert done == run(["timeout", "1", *argv]) and done.status == 124
    exit = Recording(tmp_path / "t.lz4", None).peak()["trace"]["exit"]
    assert exit["signal"] == signal.SIGTERM


# ---- a terminal ----

class Terminal:
    """A program under a terminal of its own: .write(text), .until(pattern) -> what came up to there, .end() -> wait status."""

    def __init__(self, argv, env=None):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], [os.fspath(part) for part in argv], dict(os.environ, PS1="$ ", TERM="dumb", **(env or {})))

    def write(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.seen)):
            ready = select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]
            assert ready, f"no {pattern!r} in {self.seen!r}"
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                raise AssertionError(f"ended without {pattern!r}: {self.seen!r}") from None
        before, self.seen = self.seen[:match.end()], self.seen[match.end():]
        return before

    def end(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def opener(argv, **how):
        opened.append(Terminal(argv, **how))
        return opened[-1]

    yield opener
    for each in opened:
        os.close(each.fd)
        try:
            os.kill(each.pid, signal.SIGKILL)
            os.waitpid(each.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def script(tmp_path, source, name="job.py"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(source))
    return path


def test_terminal__is_the_programs(terminal, tmp_path, python):
    job = script(tmp_path, """
        import os, sys
        print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(0) == os.ttyname(2))
        print("said:", input("say: "))
    """)
    shown = terminal([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", python.path, job])
    assert "True True True True True" in shown.until("say: ")
    shown.write("hello\n")
    shown.until("said: hello")
    assert shown.end() == 0


# Counts deliveries to the process, not calls of Python's handler: two in a row may be one call.
EACH_KEY = """
    import os, signal, sys
    got, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.Signals[sys.argv[1]], lambda *_: None)
    print("ready", flush=True)
    while input() != "end":
        os.set_blocking(got, False)
        try:
            print("delivered", len(os.read(got, 1000)), flush=True)
        except BlockingIOError:
            print("delivered 0", flush=True)
"""


@pytest.mark.parametrize("key, name", [("\x03", "SIGINT"), ("\x1c", "SIGQUIT")], ids=["Ctrl-C", "Ctrl-backslash"])
def test_terminal__a_key_reaches_the_program_once(terminal, tmp_path, python, key, name):
    shown = terminal([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", python.path, script(tmp_path, EACH_KEY), name])
    shown.until("ready")
    for _ in range(10):
        shown.write(key)
        time.sleep(0.05)  # a second delivery would come by now
        shown.write("go\n")
        shown.until("delivered 1\r\n")
    shown.write("end\n")
    assert shown.end() == 0


def test_terminal__ctrl_c_ends_an_ordinary_program_and_the_trace_is_whole(terminal, tmp_path, python):
    job = script(tmp_path, "import time\ndef hold(): return bytes(20_000_000)\nx = hold()\nprint('ready', flush=True)\ntime.sleep(60)\n")
    shown = terminal([MEMREC, "run", "-o", tmp_path / "t.lz4", "--", python.path, job])
    shown.until("ready")
    shown.write("\x03")
    said = shown.until("memreplay peak ")
    assert said.count("KeyboardInterrupt") == 1 and "signal 2" in said
    assert shown.end() == 130
    peak = Recording(tmp_path / "t.lz4", None).peak()
    assert peak["trace"]["complete"] and held(peak, "hold") == 20_000_000 + BLANK


STOPPABLE = """
    import sys
    print("ready", flush=True)
    print("said:", input())
    sys.exit(6)
"""


def test_terminal__ctrl_z_and_fg_stop_and_go_on(terminal, tmp_path, python):
    job = script(tmp_path, STOPPABLE)
    shell = terminal(["bash", "--norc", "--noprofile", "-i"])
    shell.write(f"{MEMREC} run -q -o {tmp_path}/t.lz4 -- {python.path} {job}\n")
    shell.until("ready")
    shell.write("\x1a")
    shell.until("Stopped")
    shell.write("fg\n")
    shell.until("memrec run")
    shell.write("hello\n")
    shell.until("said: hello")
    shell.write("echo status=$?.\n")
    shell.until(r"status=6\.")
    shell.write("exit\n")
    assert shell.end() == 0
    assert Recording(tmp_path / "t.lz4", None).peak()["trace"]["complete"]


def test_terminal__a_program_that_stops_itself_stops_the_job(terminal, tmp_path, python):
    """As vim's or ipython's suspend: the shell must see the job stop, and fg must continue it."""
    job = script(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('went on', flush=True)\n")
    shell = terminal(["bash", "--norc", "--noprofile", "-i"])
    shell.write(f"{MEMREC} run -q -o {tmp_path}/t.lz4 -- {python.path} {job}\n")
    shell.until("Stopped")
    shell.write("fg\n")
    shell.until("went on")
    shell.write("echo status=$?.\n")
    shell.until(r"status=0\.")


def test_terminal__ctrl_z_that_the_program_ignores_has_no_effect(terminal, tmp_path, python):
    job = script(tmp_path, "import signal\nsignal.signal(signal.SIGTSTP, signal.SIG_IGN)\n" + textwrap.dedent(STOPPABLE))
    shell = terminal(["bash", "--norc", "--noprofile", "-i"])
    shell.write(f"{MEMREC} run -q -o {tmp_path}/t.lz4 -- {python.path} {job}\n")
    shell.until("ready")
    shell.write("\x1a")
    time.sleep(0.3)
    shell.write("hello\n")
    shell.until("said: hello")
    shell.write("echo status=$?.\n")
    shell.until(r"status=6\.")


def test_terminal__a_background_job_may_write_and_is_told_as_done(terminal, tmp_path, python):
    job = script(tmp_path, "import time\ntime.sleep(0.2)\nprint('from behind', flush=True)\n")
    shell = terminal(["bash", "--norc", "--noprofile", "-i"])
    shell.write(f"{MEMREC} run -q -o {tmp_path}/t.lz4 -- {python.path} {job} &\n")
    shell.until("from behind")
    shell.write("wait; echo status=$?.\n")
    shell.until(r"status=0\.")


def test_parent__that_ignores_its_childrens_ends_is_no_trap(tmp_path, python):
    """Started with SIGCHLD ignored, the kernel reaps by itself: memrec must still learn how the program ended, and the program see what it would."""
    job = script(tmp_path, "import signal, sys\nprint(signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN, signal.pthread_sigmask(0, []))\nsys.exit(5)\n")
    argv = [python.path, job]
    ignoring = ["bash", "-c", 'trap "" CHLD; exec "$@"', "bash"]
    bare, recorded = run([*ignoring, *argv]), run([*ignoring, MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", *argv])
    assert recorded == bare == (5, "True set()\n", "")


# ---- killed ----

# Works until the file `enough` is there, and for so many rounds (8,000 bytes in a ring or more each) after that.
WORKING = """
    import os, sys
    def hold(): return bytes(20_000_000)
    def churn(): return [bytes(600 + i % 1000) for i in range(500)]
    held = hold()
    print(os.getpid(), flush=True)
    while not os.path.exists(sys.argv[1]):
        churn()
    for _ in range(int(sys.argv[3])):
        churn()
    open(sys.argv[2], "w").write(f"unharmed {len(held)}")
"""


class Working:
    """The program WORKING, which holds what it holds by now: .memrec, .pid, and .ends_unharmed(), which lets it."""

    def __init__(self, started, folder, options=("-q",), more=0):
        self.enough, self.result = folder / "enough", folder / "result"
        self.memrec = started(WORKING, str(self.enough), str(self.result), str(more), options=options)
        self.pid = int(self.memrec.stdout.readline())
        self.collector = collector_of(self.memrec.pid)

    def ends_unharmed(self):
        self.enough.touch()
        wait_until(lambda: self.result.exists() and self.result.read_text() == "unharmed 20000000")


@pytest.mark.fault("memrec itself is killed (SIGKILL)", kind="Somebody kills or stops us",
                   program="goes on as bare", trace="readable; says that memrec was killed")
def test_memrec_killed__the_program_goes_on_and_a_readable_trace_stays(started, tmp_path, memreplay):
    working = Working(started, tmp_path)
    memrec = working.memrec
    memrec.kill()
    memrec.wait()
    wait_until(lambda: is_gone(working.collector))
    assert not is_gone(working.pid)
    working.ends_unharmed()
    wait_until(lambda: is_gone(working.pid))
    assert memrecs(memrec.trace) == []
    assert held(Recording(memrec.trace, None).peak(), "hold") == 20_000_000 + BLANK
    assert memreplay("verify", memrec.trace).status == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["enough", "job0.py", "result", "t0.lz4"]


@pytest.mark.fault("the collector is killed (SIGKILL)", kind="Somebody kills or stops us",
                   program="goes on as bare", trace="readable up to its last block; memrec says so")
def test_collector_killed__the_program_goes_on_and_memrec_says_so(started, tmp_path, memreplay):
    working = Working(started, tmp_path, options=[])
    memrec = working.memrec
    wait_until(lambda: memrec.trace.stat().st_size > 10_000)
    os.kill(working.collector, signal.SIGKILL)
    working.ends_unharmed()
    out, err = memrec.communicate(timeout=60)
    assert memrec.returncode == 0 and "collector" in err and "early" in err
    done = memreplay("peak", "--json", memrec.trace)
    assert done.status == 0 and '"complete": false' in done.out


@pytest.mark.fault("the collector is stopped (SIGSTOP)", kind="Somebody kills or stops us",
                   program="waits 2 s at most, then goes on as bare", trace="readable up to its last block")
def test_collector_stopped__costs_the_program_two_seconds_at_most(started, tmp_path):
    """A collector that stands still is waited for, but not for ever; it fills no memory and breaks nothing."""
    working = Working(started, tmp_path, more=1000)  # several rings full
    os.kill(working.collector, signal.SIGSTOP)
    wait_until(lambda: is_stopped(working.collector))
    working.ends_unharmed()
    os.kill(working.collector, signal.SIGCONT)
    assert working.memrec.wait(timeout=60) == 0
    summary = Recording(working.memrec.trace, None).summary()
    assert summary["trace"]["complete"] and [loss["reason"] for loss in summary["losses"]] == ["ring_full"]


def test_collector_stopped__again_and_again_but_getting_on_loses_nothing(started, tmp_path):
    """Pauses of half a second, with four threads waiting through each: no single one is two seconds, whatever their sum."""
    memrec = started("""
        import os, sys, threading
        def work():
            while not os.path.exists(sys.argv[1]):
                for _ in range(20_000): bytes(600)
        threads = [threading.Thread(target=work) for _ in range(4)]
        print("working", flush=True)
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """, str(tmp_path / "enough"))
    memrec.stdout.readline()
    collector = collector_of(memrec.pid)
    for _ in range(6):
        os.kill(collector, signal.SIGSTOP)
        time.sleep(0.6)
        before = memrec.trace.stat().st_size
        os.kill(collector, signal.SIGCONT)
        time.sleep(0.2)
        wait_until(lambda: memrec.trace.stat().st_size > before)  # it gets on
    (tmp_path / "enough").touch()
    assert memrec.wait(timeout=60) == 0
    summary = Recording(memrec.trace, None).summary()
    assert summary["trace"]["complete"] and summary["losses"] == []


def test_program_killed__at_any_moment_leaves_a_whole_trace(started, tmp_path, memreplay):
    """Twenty kills at random instants: every block that the program had counted is in the trace, at most one more, and the file verifies."""
    import random
    for _ in range(20):
        memrec = started("""
            import ctypes, mmap, os
            def kept(): return bytes(5_000)
            with open(__file__ + ".count", "w+b") as file:
                file.truncate(8)
                counted = ctypes.c_int64.from_buffer(mmap.mmap(file.fileno(), 8))
            blocks = []
            print(os.getpid(), flush=True)
            while True:
                blocks.append(kept())
                counted.value = len(blocks)
        """)
        pid = int(memrec.stdout.readline())
        time.sleep(random.random() * 0.25)
        os.kill(pid, signal.SIGKILL)
        assert memrec.communicate(timeout=60) == ("", "") and memrec.returncode == 137
        name = memrec.args[-1]
        counted = int.from_bytes(open(f"{name}.count", "rb").read(), "little")
        recording = Recording(memrec.trace, None)
        leaks = recording.leaks()
        inside = held(leaks, "kept", allocator="PyObject_Malloc")
        assert inside % (5_000 + BLANK) == 0 and counted <= inside // (5_000 + BLANK) <= counted + 1
        assert leaks["trace"]["complete"] and leaks["trace"]["exit"] == {"status": None, "signal": 9, "oom": False}
        assert recording.summary()["losses"] == []
        assert memreplay("verify", memrec.trace).status == 0


# ---- PID 1 ----

def test_pid_1__of_a_container_waits_for_recorded_children(tmp_path, python):
    if run(["unshare", "-pf", "--mount-proc", "true"]).status != 0:
        pytest.skip("no pid namespaces here (unshare -pf --mount-proc)")
    job = script(tmp_path, """
        import os, sys, time
        def in_parent(): return bytes(20_000_000)
        def in_child(): return bytes(30_000_000)
        held = in_parent()
        if os.fork() == 0:
            os.setsid()
            while os.getppid() != 1:
                time.sleep(0.01)
            time.sleep(1.5)  # longer than anybody is waited for in passing
            del held
            mine = in_child()
            print("child", os.getpid(), flush=True)
            os._exit(0)
        print("parent", os.getpid(), os.getppid(), flush=True)
        sys.exit(3)
    """)
    done = run(["unshare", "-pf", "--mount-proc", MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", python.path, job])
    assert done.status == 3 and "parent" in done.out and "child" in done.out
    recording = Recording(tmp_path / "t.lz4", done)
    peak = recording.peak()
    assert peak["trace"]["complete"]
    assert (held(peak, "in_parent"), held(peak, "in_child")) == (0, 30_000_000 + BLANK)
    assert held(recording.leaks(), "in_child") == 30_000_000 + BLANK


def test_pid_1__program_in_a_namespace_of_its_own_is_recorded(record, python):
    """unshare below memrec: the program's pids are not the collector's."""
    if run(["unshare", "-pf", "true"]).status != 0:
        pytest.skip("no pid namespaces here (unshare -pf)")
    recording = record(f"""
        import subprocess
        code = "import os\\ndef in_child(): return bytes(30_000_000)\\nx = in_child()\\nprint(os.getpid())\\nos.fork() or os._exit(0)\\nos.wait()"
        print(subprocess.run(["unshare", "-pf", {python.path!r}, "-c", code], capture_output=True, text=True))
    """)
    assert "returncode=0, stdout='1\\n', stderr=''" in recording.finished.out
    peak = recording.peak()
    assert held(peak, "in_child") == 30_000_000 + BLANK
    assert peak["trace"]["complete"]
