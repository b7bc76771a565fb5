"""Programs in the tree that are not recorded, and the recorded ones as they see themselves: nothing that they could notice but two variables."""
import os
import shutil
import stat

import pytest

from conftest import BUILD, run
from test_refusals import HELLO, SMALL_32, compiled
from trees import BLANK, assert_nothing_lost, held, pids

MEMREC = str(BUILD / "memrec")
MB = 1_000_000


@pytest.fixture
def below(record, python, tmp_path):
    """below(argv, setup) -> (what argv does when a Python starts it, the same with that Python recorded): status, stdout, stderr."""
    def ran(argv, setup="", **how):
        source = f"""
import os, subprocess, sys
def in_parent(): return bytes(20_000_000)
held = in_parent()
{setup}
done = subprocess.run({[os.fspath(part) for part in argv]!r}, capture_output=True, text=True)
print((done.returncode, done.stdout, done.stderr))
"""
        (tmp_path / "bare.py").write_text(source)
        bare = run([python.path, tmp_path / "bare.py"], cwd=tmp_path, **how)
        recording = record(source, options=["-q"], **how)
        assert bare.status == 0 and recording.finished.err == bare.err == ""
        assert held(recording.peak(), "in_parent") == 20 * MB + BLANK
        return eval(bare.out), eval(recording.finished.out), recording
    return ran


SHELL = {
    "limits": "echo $0; ulimit -a; umask; trap; type ls",
    "descriptors": "ls /proc/self/fd; ls /proc/$$/fd",
    "threads": 'grep -E "^(Threads|SigBlk|SigIgn|SigCgt|CapEff)" /proc/self/status',
    "pipelines": "seq 100000 | sort -n | tail -n 1; false | true; echo $?; (exit 5); echo $?",
    "errors": "no-such-program; cat /no/such/file; exit 9",
    "signals": "kill -TERM $$; echo never",
    "subshells": "for i in 1 2 3; do (echo $i; exec echo $i); done; x=$(echo a); echo $x; exec echo end",
}


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_shell__behaves_the_same_and_is_not_recorded(below, shell):
    """One shell that runs all of them in shells."""
    whole = "\n".join(f"echo {name}; {shell} -c '{SHELL[name]}' a; echo $?" for name in SHELL)
    bare, recorded, recording = below([shell, "-c", whole])
    assert recorded[1].splitlines() == bare[1].splitlines()
    assert recorded == bare
    assert len(pids(recording.peak())) == 1
    assert_nothing_lost(recording.summary())


def test_shell__has_our_two_variables_and_nothing_else(below):
    bare, recorded, _ = below(["sh", "-c", "env | grep -v -e ^_= -e ^PYTEST | sort"])
    more = set(recorded[1].splitlines()) - set(bare[1].splitlines())
    assert sorted(line.split("=")[0] for line in more) == ["LD_PRELOAD", "MEMREC"]
    assert set(bare[1].splitlines()) <= set(recorded[1].splitlines())


def test_inert__program_has_the_library_and_no_ring(below, programs):
    bare, recorded, _ = below([programs / "environ"])
    assert bare == (3, "preload=no library=no rings=no\n", "")
    assert recorded == (3, "preload=yes library=yes rings=no\n", "")


def test_inert__program_maps_nothing_beyond_the_library(below):
    bare, recorded, _ = below(["sh", "-c", "sed 's/.* //' /proc/self/maps | grep / | sort -u"])
    more = set(recorded[1].splitlines()) - set(bare[1].splitlines())
    assert {os.path.basename(path) for path in more} == {"libmemrec.so"}


def test_inert__program_waits_for_no_collector(record, programs, python, tmp_path):
    """Its socket is never asked for: an inert program starts also where nobody answers any more."""
    done = run([programs / "environ"], env={"LD_PRELOAD": os.path.realpath(BUILD / "libmemrec.so"), "MEMREC": "memrec-0123456789abcdef,p,1,0"})
    assert done == (3, "preload=yes library=yes rings=no\n", "")
    done = run([python.path, "-c", "print(1)"], env={"LD_PRELOAD": os.path.realpath(BUILD / "libmemrec.so"), "MEMREC": "memrec-0123456789abcdef,p,1,0"})
    assert done == (0, "1\n", "")


@pytest.mark.parametrize("told", ["", ",", "x", "memrec-1", "memrec-1,p", "memrec-1,p,", "memrec-1,p,x,1", ",,,", "a" * 5000, "memrec-1,,1,1", "a" * 63 + ",p,1,1"])
def test_inert__a_variable_that_makes_no_sense_is_no_invitation(python, told):
    done = run([python.path, "-c", "print(1)"], env={"LD_PRELOAD": os.path.realpath(BUILD / "libmemrec.so"), "MEMREC": told})
    assert done == (0, "1\n", "")


def test_static_program__is_as_it_was(below, programs):
    bare, recorded, _ = below([programs / "static_environ", "x"])
    assert recorded == bare == (3, "static 2 x home\n", "")


def test_set_uid_program__is_as_it_was(below, programs, tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs root to make a set-uid program")
    path = shutil.copy(programs / "environ", tmp_path / "setuid")
    os.chown(path, 65534, 65534)
    os.chmod(path, 0o6755)
    for each in (tmp_path, *tmp_path.parents):
        if not each.stat().st_mode & stat.S_IXOTH:
            break
    bare, recorded, _ = below([path])
    assert bare == (3, "preload=no library=no rings=no\n", "")
    assert recorded[0] == 3 and "library=no rings=no" in recorded[1] and recorded[2] == ""


def test_musl_program__starts_without_the_preload(below, tmp_path):
    """A loader that is named as musl's (it is glibc's, so that the program runs): our library must not be named to it."""
    loader = tmp_path / "ld-musl-x86_64.so.1"
    shutil.copy(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
    path = compiled(tmp_path, "musl", HELLO, f"-Wl,--dynamic-linker={loader}")
    bare, recorded, _ = below([path])
    assert recorded == bare == (3, "program ran\n-\n", "")


def test_musl_program__of_real_musl_starts_and_prints_nothing_extra(below, tmp_path):
    if not shutil.which("musl-gcc"):
        pytest.skip("no musl-gcc here (Debian: musl-tools)")
    bare, recorded, _ = below([compiled(tmp_path, "musl", HELLO, compiler="musl-gcc")])
    assert recorded == bare == (3, "program ran\n-\n", "")


def test_32_bit_program__starts(below, tmp_path):
    path = compiled(tmp_path, "small32", SMALL_32, "-m32", "-nostdlib", "-static", "-ffreestanding")
    if run(["sh", "-c", f"{path}"]).status != 3:
        pytest.skip("this kernel runs no 32-bit programs")
    bare, recorded, _ = below([path])
    assert recorded == bare == (3, "", "")


@pytest.mark.parametrize("flags", [["-fsanitize=address"], ["-fsanitize=address", "-static-libasan"], ["-fsanitize=undefined"]], ids=" ".join)
def test_sanitized_program__starts_and_prints_nothing_extra(below, tmp_path, flags):
    path = compiled(tmp_path, "sanitized", '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts("program ran"); free(malloc(100)); return 3; }\n', *flags)
    bare, recorded, _ = below([path])
    assert recorded == bare == (3, "program ran\n", "")


def test_sanitized_program__through_a_shell(below, tmp_path):
    path = compiled(tmp_path, "sanitized", HELLO, "-fsanitize=address")
    bare, recorded, _ = below(["sh", "-c", f"{path}; exec {path}"])
    assert recorded == bare and bare[0] == 3 and bare[1].count("program ran") == 2


def test_chroot__starts_without_what_is_not_there(below, tmp_path, programs):
    if os.getuid() != 0:
        pytest.skip("needs root to chroot")
    root = tmp_path / "root"
    told = run(["ldd", programs / "environ"]).out
    for path in {word for word in told.split() if word.startswith("/")} | {"/lib64/ld-linux-x86-64.so.2"}:
        place = root / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(path), place)
    shutil.copy(programs / "environ", root / "environ")
    bare, recorded, _ = below(["/environ"], setup=f"os.chroot({str(root)!r}); os.chdir('/')")
    assert bare == recorded == (3, "preload=no library=no rings=no\n", "")


def test_native_program__between_two_pythons_is_not_recorded(record, python, programs, tmp_path):
    recording = record(f"""
        import os, subprocess
        def in_parent(): return bytes(20_000_000)
        held = in_parent()
        code = "def in_child(): return bytes(30_000_000)\\nx = in_child()"
        subprocess.run(["sh", "-c", '"$@"; true', "sh", {python.path!r}, "-c", code], check=True)
    """)
    peak = recording.peak()
    assert (held(peak, "in_parent"), held(peak, "in_child")) == (20 * MB + BLANK, 30 * MB + BLANK)
    assert len(pids(peak)) == 2


# ---- a recorded Python's picture of itself ----

PORTRAIT = """
import faulthandler, gc, os, resource, signal, sys, threading, warnings
def handler(number):
    try:
        return str(signal.getsignal(number)).split(" at ")[0]
    except ValueError:
        return None
print("threads", threading.active_count(), len(os.listdir("/proc/self/task")), threading.stack_size())
print("descriptors", sorted((int(fd), os.readlink(f"/proc/self/fd/{fd}").split(":")[0]) for fd in os.listdir("/proc/self/fd")
                            if os.path.lexists(f"/proc/self/fd/{fd}")))
print("signals", [handler(number) for number in range(1, 65)], signal.pthread_sigmask(0, []), signal.getitimer(signal.ITIMER_REAL))
print("flags", sys.flags, sys.warnoptions, sys._xoptions, sys.orig_argv if hasattr(sys, "orig_argv") else 0)
print("hooks", sys.gettrace(), sys.getprofile(), sys.excepthook.__name__, sys.getswitchinterval(), sys.getrecursionlimit(), faulthandler.is_enabled())
print("modules", sorted(sys.modules), sys.path, sys.prefix, sys.executable)
print("environment", sorted(name for name in os.environ if name not in ("MEMREC", "LD_PRELOAD")), os.getcwd(), os.umask(0o22))
print("collector", gc.isenabled(), gc.get_threshold(), gc.callbacks)
print("limits", [resource.getrlimit(number) for number in range(16)], os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0))
print("identity", os.getuid(), os.getgroups(), os.getsid(0) == os.getsid(os.getppid()), os.ttyname(0) if os.isatty(0) else None)
if hasattr(sys, "monitoring"):
    print("monitoring", [sys.monitoring.get_tool(number) for number in range(6)])
import tracemalloc
print("tracemalloc", tracemalloc.is_tracing())
def raises():
    raise ValueError("told")
try:
    raises()
except ValueError as told:
    import traceback
    print("traceback", traceback.format_exc())
with warnings.catch_warnings():
    warnings.simplefilter("error")  # 3.12+: DeprecationWarning at a fork with threads
    pid = os.fork()
    if pid == 0:
        os._exit(threading.active_count() + len(os.listdir("/proc/self/task")))
    print("fork", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no other children")
"""


@pytest.mark.parametrize("flags", [[], ["-X", "dev"]], ids=["plain", "dev"])
def test_portrait__of_a_recorded_python_is_that_of_a_bare_one(interpreter, tmp_path, flags):
    script = tmp_path / "portrait.py"
    script.write_text(PORTRAIT)
    argv = [interpreter.path, *flags, "-W", "error::DeprecationWarning", script, "a"]
    env = {"MEMREC": None, "LD_PRELOAD": None, "PYTHONHASHSEED": "0"}
    bare, recorded = run(argv, env=env), run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", *argv], env=env)
    assert recorded.out.splitlines() == bare.out.splitlines()
    assert recorded == bare and bare.status == 0 and "no other children" in bare.out


def test_portrait__object_counts_are_the_same(interpreter, tmp_path):
    """Recording makes no Python object: the interpreter counts as many blocks and objects as it would."""
    script = tmp_path / "count.py"
    script.write_text("import gc, sys\ngc.disable()\nx = [str(i) for i in range(1000)]\n"
                      "print(len(gc.get_objects()), sys.getallocatedblocks() if not hasattr(sys, '_is_gil_enabled') or sys._is_gil_enabled() else 0)\n")
    env = {"PYTHONHASHSEED": "0", "MEMREC": None, "LD_PRELOAD": None}
    bare = run([interpreter.path, "-S", "-I", script], env=env)
    recorded = run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", interpreter.path, "-S", "-I", script], env=env)
    counts = [[int(word) for word in each.out.split()] for each in (bare, recorded)]
    assert counts[0][0] == counts[1][0]
    assert abs(counts[0][1] - counts[1][1]) <= 20  # two more variables of the environment
