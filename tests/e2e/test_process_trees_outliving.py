"""Children that outlive the program: daemons, orphans, and how memrec and the trace end then."""
import os
import textwrap

import pytest

from conftest import BUILD, Recording, run
from trees import BLANK, SEEN, assert_nothing_lost, held, is_gone, pids, process, wait_until

MB = 1_000_000
MEMREC = str(BUILD / "memrec")

# A daemon as the books say: forked twice, a session of its own, at home nowhere, with no descriptor that it had. It works until the file `go` exists.
DAEMON = """
    import os, sys, time
    def in_parent(): return bytes(20_000_000)
    def in_daemon(): return bytes(50_000_000)
    go, note = sys.argv[1:3]
    held = in_parent()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            os.umask(0)
            os.closerange(0, 4096)
            with open(note, "w") as file:
                file.write(str(os.getpid()))
            while not os.path.exists(go):
                time.sleep(0.01)
            del held
            mine = in_daemon()
            import json, decimal, ctypes  # works on
            os._exit(0)
        os._exit(0)
    os.wait()
    while not os.path.exists(note) or not os.path.getsize(note):
        time.sleep(0.01)
    print("parent", os.getpid(), flush=True)
    sys.exit(3)
"""


@pytest.fixture
def daemon(tmp_path, python):
    """daemon(source, *options) -> (how memrec ended, the daemon's pid, finish); finish() lets it go and gives the whole recording."""
    go, note, script, trace = (tmp_path / name for name in ("go", "note", "job.py", "t.lz4"))

    def start(source, *options, around=lambda argv: argv):
        script.write_text(textwrap.dedent(source))
        done = run(around([MEMREC, "run", *options, "-o", str(trace), "--", python.path, str(script), str(go), str(note)]))

        def finish():
            go.touch()
            wait_until(lambda: is_gone(int(note.read_text())))
            wait_until(lambda: run([BUILD / "memreplay", "peak", trace]).err == "")
            return Recording(trace, done)

        return done, int(note.read_text()), finish

    start.trace = trace
    yield start
    go.touch()


def test_daemon__is_in_the_trace_which_is_whole_when_it_has_ended(daemon):
    done, pid, finish = daemon(DAEMON)
    assert done.status == 3 and done.out.startswith("parent ")
    assert "1 recorded process" in done.err and "background" in done.err
    assert not is_gone(pid)
    recording = finish()
    peak = recording.peak()
    assert peak["trace"]["complete"] and peak["trace"]["exit"] == {"status": 3, "signal": None, "oom": False}
    assert (held(peak, "in_parent"), held(peak, "in_daemon", pid)) == (0, 50 * MB + BLANK)
    assert held(recording.leaks(), "in_daemon", pid) == 50 * MB + BLANK
    assert_nothing_lost(recording.summary())


def test_daemon__the_trace_is_readable_while_it_lives(daemon):
    done, pid, finish = daemon(DAEMON, "-q")
    peak = Recording(daemon.trace, done).peak()
    assert held(peak, "in_parent") == 20 * MB + BLANK
    finish()


def test_daemon__does_not_hold_up_a_command_substitution(daemon):
    """The daemon has closed its descriptors, and the collector has none of the program's: `$(…)` ends with memrec."""
    done, pid, finish = daemon(DAEMON, "-q", around=lambda argv: ["sh", "-c", 'out=$("$@" 2>&1); echo "[$out] $?"', "sh", *argv])
    assert done.out.startswith("[parent ") and done.out.endswith("] 3\n") and done.err == ""
    assert not is_gone(pid)
    finish()


def test_daemon__leaves_no_process_of_ours_behind(daemon):
    done, pid, finish = daemon(DAEMON, "-q")

    def collectors():
        found = []
        for each in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{each}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if os.fsencode(MEMREC) in command and os.fsencode(str(daemon.trace)) in command:
                found.append(int(each))
        return found

    assert len(collectors()) == 1
    assert [os.readlink(f"/proc/{collectors()[0]}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3
    finish()
    wait_until(lambda: not collectors())


def test_orphan__that_ends_after_the_program_is_recorded_to_its_end(daemon):
    done, pid, finish = daemon("""
        import os, sys, time
        def before(): return bytes(20_000_000)
        def after(): return bytes(30_000_000)
        go, note = sys.argv[1:3]
        if os.fork() == 0:
            first = before()
            open(note, "w").write(str(os.getpid()))
            os.closerange(0, 3)
            while not os.path.exists(go):
                time.sleep(0.01)
            second = after()
            os._exit(0)
        while not os.path.exists(note) or not os.path.getsize(note):
            time.sleep(0.01)
        os.kill(os.getpid(), 15)
    """)
    assert done.status == 128 + 15
    peak = finish().peak()
    assert peak["trace"]["exit"]["signal"] == 15
    assert (held(peak, "before", pid), held(peak, "after", pid)) == (20 * MB + BLANK, 30 * MB + BLANK)


def test_orphan__several_generations_and_a_new_image(daemon, python):
    """The daemon starts a Python that starts a Python: all find the collector, though the program and memrec are gone."""
    done, pid, finish = daemon(f"""
        import os, subprocess, sys, time
        go, note = sys.argv[1:3]
        if os.fork() == 0:
            os.setsid()
            open(note, "w").write(str(os.getpid()))
            null = os.open("/dev/null", os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            while not os.path.exists(go):
                time.sleep(0.01)
            inner = "def in_second(): return bytes(30_000_000)\\nx = in_second()"
            outer = f"def in_first(): return bytes(20_000_000)\\nx = in_first()\\nimport subprocess\\nsubprocess.run([{python.path!r}, '-c', {{inner!r}}])"
            subprocess.run([{python.path!r}, "-c", outer])
            os._exit(0)
        while not os.path.exists(note) or not os.path.getsize(note):
            time.sleep(0.01)
    """, "-q")
    recording = finish()
    peak = recording.peak()
    assert (held(peak, "in_first"), held(peak, "in_second")) == (20 * MB + BLANK, 30 * MB + BLANK)
    assert len(pids(peak)) == 4 and process(peak, pid)["parent"] == pids(peak)[0]
    assert_nothing_lost(recording.summary())


def test_memrec__ends_with_the_program_although_children_of_others_live(tmp_path, python, programs):
    """A child that is not recorded is nobody's business: memrec ends, the trace is whole."""
    go = tmp_path / "go"
    script = tmp_path / "job.py"
    script.write_text(f"import subprocess\nsubprocess.Popen([{str(programs / 'hold')!r}, '1000', {str(go)!r}], stdin=-3, stdout=-3, stderr=-3)\n")
    done = run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", python.path, script])
    assert done == (0, "", "")
    assert Recording(tmp_path / "t.lz4", done).peak()["trace"]["complete"]
    go.touch()


def test_parent__that_ends_before_its_child_begins_is_out_of_the_peak(record):
    """A worker that waits for its parent's end: its bytes and its parent's never stood together."""
    recording = record(SEEN + textwrap.dedent("""
        import os, time
        def in_middle(): return bytes(50_000_000)
        def in_worker(): return bytes(30_000_000)
        done = os.pipe()
        middle = os.fork()
        if middle == 0:
            held, mine = in_middle(), os.getpid()
            if os.fork():
                os._exit(0)
            while os.getppid() == mine:
                time.sleep(0.01)
            seen()
            del held
            more = in_worker()
            os.write(done[1], b"d")
            os._exit(0)
        os.waitpid(middle, 0)
        os.read(done[0], 1)
    """))
    peak = recording.peak()
    assert (held(peak, "in_middle"), held(peak, "in_worker")) == (50 * MB + BLANK, 0)
    assert len(pids(peak)) == 3
    assert held(recording.leaks(), "in_worker") == 30 * MB + BLANK


def test_collector__is_no_child_that_the_program_could_wait_for(record):
    recording = record("""
        import os
        try:
            os.wait()
        except ChildProcessError:
            print("no children")
    """)
    assert recording.finished.out == "no children\n"
