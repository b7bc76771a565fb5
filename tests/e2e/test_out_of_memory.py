"""Memory that runs out: the guard that steps in before the kernel does, the kernel's own kills, and programs that see it coming.

The guard is made to step in by a reserve larger than the machine (--oom-reserve), so that nothing is used up for real; and for real in a
control group with a limit of its own, where one can be made. What status 53 means for MemoryErrors is shown in test_ends.py."""
import fcntl
import os
import pty
import select
import signal
import subprocess
import textwrap
import time

import pytest

from conftest import BUILD, Recording, run
from control_group import group  # noqa: F401 (a fixture)
from trees import collector_of, held, is_gone, state_of, wait_until

FAULT_KIND = "Out of memory"
MEMREC = str(BUILD / "memrec")
MB = 1_000_000
ALWAYS = ["--oom-reserve", "1000GiB"]  # less than that is left everywhere
EATER = """
    import os, sys, time
    def hold_less(): return bytearray(b"x" * 1_000_000)
    def hold_more(): return bytearray(b"x" * 3_000_000)
    open(sys.argv[2], "w").write(str(os.getpid()))
    kept = []
    for _ in range(int(sys.argv[1])):
        kept += [hold_less(), hold_more()]
        time.sleep(float(sys.argv[3]))
    while not os.path.exists(sys.argv[4]):
        time.sleep(0.01)
    print("ended by itself")
"""


@pytest.fixture
def eater(tmp_path, python):
    """eater(rounds, pause, until) -> argv of a Python that holds 4 MB more each round, pause in seconds, and writes its pid to tmp_path/pid; it ends when
    there is a file tmp_path/until."""
    script = tmp_path / "eater.py"
    script.write_text(textwrap.dedent(EATER))
    return lambda rounds, pause=0.001, until="pid": [python.path, script, str(rounds), tmp_path / "pid", str(pause), tmp_path / until]


@pytest.fixture
def recording(tmp_path):
    """recording(argv, *options, prefix=[]) -> a finished one."""
    def record(argv, *options, prefix=()):
        trace = tmp_path / "t.lz4"
        return Recording(trace, run([*prefix, MEMREC, "run", "-f", *options, "-o", trace, "--", *argv], cwd=tmp_path))
    return record


def assert_guarded(recording):
    """It was ended by the guard, and who held most stands before the end, on stderr and in the trace."""
    assert recording.finished.status == 53 and recording.finished.out == "", recording.finished
    lines = recording.finished.err.splitlines()
    why = next(i for i, line in enumerate(lines) if line.startswith("memrec: memory is nearly used up: "))
    end = next(i for i, line in enumerate(lines) if line.startswith("memrec: the program was ended by signal 9 "))
    assert lines[end].endswith("stopped before memory ran out")
    holders = [line.split()[2] for line in lines[why + 2:end]]
    assert holders[:2] == ["hold_more", "hold_less"], lines
    peak = recording.peak()
    assert peak["trace"]["complete"] and peak["trace"]["exit"] == {"status": None, "signal": 9, "oom": True}
    assert abs(held(peak, "hold_more") - 3 * held(peak, "hold_less")) <= 4 * MB


GUARDED = pytest.mark.fault("the machine's or the control group's memory is nearly used up",
                            program="is ended by SIGKILL just before the kernel would do it; memrec's status is 53",
                            trace="everything; who held the memory stands on stderr before the end")


@GUARDED
def test_guard__tells_who_held_the_memory_and_ends_the_program(recording, eater):
    assert_guarded(recording(eater(250, until="never"), *ALWAYS))


def test_guard__says_one_line_where_it_is_to_be_quiet(recording, eater):
    told = recording(eater(250, until="never"), "-q", *ALWAYS).finished
    assert told.status == 53 and len(told.err.splitlines()) == 1 and told.err.startswith("memrec: memory is nearly used up: ")


@pytest.mark.fault("memory is nearly used up by others, and the program is small", program="nothing", trace="everything")
def test_guard__spares_a_program_that_holds_little(recording, eater):
    assert recording(eater(10), *ALWAYS).finished[:2] == (0, "ended by itself\n")


def test_guard__never_steps_in_where_it_is_switched_off(recording, eater):
    for options in ([*ALWAYS, "--disable-oom-detection"], ["--disable-oom-detection", *ALWAYS]):
        assert recording(eater(60), *options).finished[:2] == (0, "ended by itself\n")


def test_guard__leaves_enough_memory_alone(recording, eater):
    assert recording(eater(60), "--oom-reserve", "1MB").finished[:2] == (0, "ended by itself\n")


@pytest.mark.parametrize("size", ["0", "much", "-1"])
def test_guard__a_reserve_that_is_no_size_is_wrong_usage(recording, eater, size):
    told = recording(eater(1), "--oom-reserve=" + size).finished
    assert told.status == 125 and "--oom-reserve" in told.err


@GUARDED
def test_guard__ends_the_whole_recorded_tree(recording, tmp_path, python):
    script = tmp_path / "family.py"
    script.write_text(textwrap.dedent("""
        import os, sys, time
        def hold(): return bytearray(b"x" * 60_000_000)
        for _ in range(3):
            if os.fork() == 0:
                break
        open(f"{sys.argv[1]}.{os.getpid()}", "w")
        while len([each for each in os.listdir() if each.startswith("pid.")]) < 4:
            time.sleep(0.01)
        kept = hold()
        time.sleep(60)
    """))
    done = recording([python.path, script, tmp_path / "pid"], *ALWAYS)
    assert done.finished.status == 53 and "hold" in done.finished.err
    pids = [int(each.suffix[1:]) for each in tmp_path.glob("pid.*")]
    assert len(pids) == 4
    wait_until(lambda: all(is_gone(pid) for pid in pids))


# ---- while the program stands ----

class Silent:
    """A recording whose stderr nobody reads, so that memrec cannot tell: the program stands stopped until .read()."""

    def __init__(self, argv, trace):
        self.read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(write_end, False)
        self.filled = os.write(write_end, b"." * 4096)
        os.set_blocking(write_end, True)
        self.trace = trace
        self.memrec = subprocess.Popen([MEMREC, "run", *ALWAYS, "-o", trace, "--", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=write_end, text=True)
        os.close(write_end)

    def read(self):
        text = b""
        while piece := os.read(self.read_end, 65536):
            text += piece
        return text[self.filled:].decode()


@pytest.fixture
def standing(tmp_path, eater):
    """standing(rounds) -> (Silent, pid of the stopped program, which ends after so many rounds if it is let)."""
    made = []

    def start(rounds):
        made.append(Silent(eater(rounds, until="go"), tmp_path / "t.lz4"))
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        pid = int((tmp_path / "pid").read_text())
        wait_until(lambda: state_of(pid) in ("T", None))
        assert state_of(pid) == "T"
        (tmp_path / "go").touch()
        return made[-1], pid

    yield start
    for each in made:
        each.memrec.kill()
        each.memrec.communicate()
        os.close(each.read_end)


def test_guard__has_everything_in_the_trace_before_the_program_ends(standing):
    silent, pid = standing(1000)
    wait_until(lambda: run([BUILD / "memreplay", "peak", silent.trace]).out.count("hold_more"))
    assert held(Recording(silent.trace, None).peak(), "hold_more") >= 50 * MB and state_of(pid) == "T"
    told = silent.read()
    assert silent.memrec.wait() == 53 and is_gone(pid)
    assert told.index("hold_more") < told.index("ended by signal 9")


@pytest.mark.fault("the collector dies while the guard holds the program", program="goes on to its own end and status", trace="ends there")
def test_guard__a_collector_that_dies_leaves_nothing_stopped(standing):
    silent, pid = standing(40)
    os.kill(collector_of(silent.memrec.pid), signal.SIGKILL)
    silent.read()
    out, _ = silent.memrec.communicate(timeout=60)
    assert (silent.memrec.returncode, out) == (0, "ended by itself\n")


@pytest.mark.fault("memrec dies while the guard holds the program", program="goes on to its own end", trace="ends there; readable")
def test_guard__a_launcher_that_dies_leaves_nothing_stopped(standing):
    silent, pid = standing(40)
    silent.memrec.kill()
    assert silent.memrec.stdout.read() == "ended by itself\n"  # its end is the program's end
    assert held(Recording(silent.trace, None).peak(), "hold_more") >= 50 * MB


def test_guard__on_a_terminal_is_no_stop_of_the_job(tmp_path, eater):
    """memrec stops with a program that stops itself, but not with one that the guard has stopped."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(MEMREC, [MEMREC, "run", *ALWAYS, "-o", str(tmp_path / "t.lz4"), "--", *map(str, eater(250, until="never"))])
    said = b""
    try:
        while select.select([fd], [], [], 60)[0] and (piece := os.read(fd, 4096)):
            said += piece
    except OSError:
        pass
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 53 and b"hold_more" in said


# ---- for real, in a control group ----

# The last 20 or 40 MB must last until the collector is scheduled: on a busy machine that is rather 100 ms than the 1 ms it looks ahead.
SLOWLY = 0.02

@GUARDED
@pytest.mark.release_only
@pytest.mark.parametrize("megabytes", [200, 400])
def test_guard__in_a_control_group_comes_before_the_kernel(recording, eater, group, megabytes):
    done = recording(eater(250, SLOWLY), prefix=group(megabytes).prefix)
    assert_guarded(done)
    assert "the control group's" in done.finished.err
    assert done.peak()["peak"]["bytes"] > megabytes * MB / 2  # not long before, either


@GUARDED
@pytest.mark.release_only
def test_guard__in_the_programs_own_control_group(recording, eater, group):
    """memrec stays outside: a shell, systemd-run or cgexec between the two has moved the program."""
    done = recording([*group(200).prefix, *eater(250, SLOWLY)])
    assert_guarded(done)
    assert "the control group's" in done.finished.err


KERNEL_KILLS = pytest.mark.fault("the kernel's OOM killer ends the program", program="what it would see without us; memrec's status is 53",
                                 trace="everything up to that instant, and the cause")


@KERNEL_KILLS
@pytest.mark.release_only
def test_kernel__kills_in_a_control_group_and_memrec_says_so(recording, eater, group):
    done = recording(eater(250), "--disable-oom-detection", prefix=group(200).prefix)
    assert done.finished.status == 53 and "the kernel killed it for lack of memory" in done.finished.err
    peak = done.peak()
    assert peak["trace"]["complete"] and peak["trace"]["exit"] == {"status": None, "signal": 9, "oom": True}
    assert peak["peak"]["bytes"] > 100 * MB and held(peak, "hold_more") > held(peak, "hold_less")


@KERNEL_KILLS
@pytest.mark.release_only
def test_kernel__kills_in_the_programs_own_control_group(recording, eater, group):
    """memrec stays outside: a shell, systemd-run or cgexec between the two has moved the program."""
    done = recording([*group(200).prefix, *eater(250)], "--disable-oom-detection")
    assert done.finished.status == 53 and "the kernel killed it for lack of memory" in done.finished.err
    assert done.peak()["trace"]["exit"] == {"status": None, "signal": 9, "oom": True}


def test_kernel__a_kill_by_somebody_else_is_none_of_its(recording, tmp_path, python, group):
    killed = [python.path, "-c", "import os; os.kill(os.getpid(), 9)"]
    done = recording(killed, prefix=group(200).prefix)
    assert done.finished.status == 128 + 9 and done.peak()["trace"]["exit"]["oom"] is False


@pytest.mark.fault("the control group's memory is full of file cache", program="nothing: the kernel gives that back", trace="everything")
@pytest.mark.release_only
def test_guard__is_not_frightened_by_file_cache(recording, tmp_path, python, group):
    script = tmp_path / "cache.py"
    script.write_text(textwrap.dedent("""
        kept = bytearray(b"x" * 60_000_000)
        with open("large", "wb") as file:
            for _ in range(300):
                file.write(bytes(1_000_000))
        with open("large", "rb") as file:
            while file.read(1_000_000):
                pass
        print("ended by itself")
    """))
    done = recording([python.path, script], prefix=group(200).prefix)
    assert done.finished[:2] == (0, "ended by itself\n"), done.finished
