"""Programs in the tree that are not recorded: nothing that they could notice but two variables and the library (recorded ones: test_portrait.py)."""
import os
import shutil
import stat

import pytest

from conftest import BUILD, run
from test_refusals import HELLO, SMALL_32, compiled
from trees import BLANK, assert_nothing_lost, held, pids

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
