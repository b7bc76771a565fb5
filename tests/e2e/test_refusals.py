"""What cannot be recorded with its stacks is told before its first line, and deeper in the tree it runs all the same."""
import os
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT, run
from trees import BLANK, held, losses

MB = 1_000_000
JOB = "import sys\nopen(sys.argv[1], 'w').write('program ran')\nx = b'x' * 20000000\nsys.stdout.write('program ran\\n')\nsys.exit(4)\n"


def old_pythons():
    told = run([ROOT / "tools" / "interpreters", "--unsupported"]).out.splitlines()
    found = {line.split()[0]: line.split()[1] for line in told}
    second = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions", "2.7.18", "bin", "python2.7")
    if os.access(second, os.X_OK):
        found["2.7.18"] = second
    return found


OLD = old_pythons()


@pytest.fixture(params=["2.7.18", "3.6.15", "3.7.16", "3.8.18"])
def old(request):
    if request.param not in OLD:
        pytest.skip(f"no CPython {request.param} here")
    return request.param, OLD[request.param]


def refused(memrec, tmp_path, argv, env=None, status=125):
    done = memrec("run", "-o", tmp_path / "t.lz4", *argv, env=env)
    assert (done.status, done.out) == (status, "")
    assert not (tmp_path / "note").exists() and not (tmp_path / "t.lz4").exists()
    assert done.err.startswith("memrec: ") and len(done.err.splitlines()) == 1, done.err
    return done.err


def test_old_python__is_refused_before_its_first_line(memrec, tmp_path, old):
    version, path = old
    (tmp_path / "job.py").write_text(JOB)
    told = refused(memrec, tmp_path, ["--", path, tmp_path / "job.py", tmp_path / "note"])
    assert version in told and "3.9" in told and "--no-python-stacks" in told


def test_old_python__is_refused_as_the_first_on_path_too(memrec, tmp_path, old):
    version, path = old
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(path)
    (tmp_path / "job.py").write_text(JOB)
    assert version in refused(memrec, tmp_path, [tmp_path / "job.py", tmp_path / "note"], env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})


def test_old_python__records_sizes_without_stacks(record, tmp_path, old):
    version, path = old
    (tmp_path / "old.py").write_text(JOB)
    recording = record([path, tmp_path / "old.py", tmp_path / "note"], options=["--no-python-stacks"], status=4)
    peak = recording.peak()
    assert recording.finished.out == "program ran\n" and (tmp_path / "note").read_text() == "program ran"
    assert 20 * MB < peak["peak"]["bytes"] < 40 * MB + 10 * MB
    assert all(stack["frames"] == [] for stack in peak["stacks"])
    assert peak["trace"]["complete"] and peak["trace"]["exit"]["status"] == 4


def test_old_python__deeper_in_the_tree_runs_without_stacks_and_is_counted(record, tmp_path, python, old):
    version, path = old
    (tmp_path / "old.py").write_text(JOB)
    recording = record(f"""
        import subprocess
        def in_parent(): return bytes(20_000_000)
        held = in_parent()
        done = subprocess.run([{path!r}, {str(tmp_path / "old.py")!r}, {str(tmp_path / "note")!r}], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (4, "program ran\\n", ""), done
    """)
    assert "1 Python process" in recording.finished.err and "without stacks" in recording.finished.err
    peak, summary = recording.peak(), recording.summary()
    assert held(peak, "in_parent") == 20 * MB + BLANK
    assert losses(summary).get("not_recorded") == 1
    child = [stack for stack in peak["stacks"] if stack["pid"] != peak["processes"][0]["pid"]]
    assert sum(stack["bytes"] for stack in child) > 20 * MB and all(stack["frames"] == [] for stack in child)


@pytest.mark.parametrize("version", ["3.8.20", "3.16.0", "3.99.1", "4.0.0", "2.7.18"])
def test_fake_python__of_an_unknown_version_is_refused(memrec, tmp_path, programs, version):
    env = {"FAKE_VERSION": f"{version} (main, Jan  1 2030, 00:00:00) [GCC 99]"}
    told = refused(memrec, tmp_path, ["--", programs / "fake_python"], env=env)
    assert version in told and "3.9" in told and "--no-python-stacks" in told


@pytest.mark.parametrize("version", ["3.9.2", "3.10.13", "3.11.7", "3.12.1", "3.13.0", "3.14.2", "3.15.0b1",
                                     "3.13.0 experimental free-threading build"])
def test_fake_python__with_other_structs_than_its_version_is_refused(memrec, tmp_path, programs, version):
    env = {"FAKE_VERSION": f"{version} (main, Jan  1 2030, 00:00:00) [GCC 99]"}
    told = refused(memrec, tmp_path, ["--", programs / "fake_python"], env=env)
    assert version.split()[0] in told and "--no-python-stacks" in told
    assert "size" in told or "offset" in told or "_PyRuntime" in told  # what does not fit


def test_fake_python__runs_without_stacks_where_asked(record, programs):
    recording = record([programs / "fake_python"], options=["--no-python-stacks"], env={"FAKE_VERSION": "3.99.0 (x)"})
    assert recording.finished.out == "program ran\n"


def test_fake_python__deeper_in_the_tree_runs(record, programs):
    recording = record(f"""
        import os, subprocess
        done = subprocess.run([{str(programs / "fake_python")!r}], env=dict(os.environ, FAKE_VERSION="3.11.7 (x)"), capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "program ran\\n", ""), done
    """)
    assert losses(recording.summary()).get("not_recorded") == 1


# ---- programs that cannot carry a preload ----

def compiled(tmp_path, name, source, *flags, compiler="gcc"):
    path = tmp_path / name
    (tmp_path / f"{name}.c").write_text(source)
    done = subprocess.run([compiler, "-o", path, tmp_path / f"{name}.c", *flags], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{compiler} {' '.join(flags)} does not link here: {done.stderr.strip().splitlines()[-1]}")
    return path


HELLO = '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts("program ran"); printf("%s\\n", getenv("LD_PRELOAD") ? "preload" : "-"); return 3; }\n'


def test_root__static_program_is_refused(memrec, tmp_path, programs):
    assert "static" in refused(memrec, tmp_path, ["--", programs / "static_environ"])


def test_root__of_musl_is_refused(memrec, tmp_path):
    path = compiled(tmp_path, "musl", HELLO, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
    assert "musl" in refused(memrec, tmp_path, ["--", path])


def test_root__of_real_musl_is_refused(memrec, tmp_path):
    if not shutil.which("musl-gcc"):
        pytest.skip("no musl-gcc here (Debian: musl-tools)")
    assert "musl" in refused(memrec, tmp_path, ["--", compiled(tmp_path, "musl", HELLO, compiler="musl-gcc")])


SMALL_32 = "void _start(void) { __asm__ volatile(\"movl $1, %eax; movl $3, %ebx; int $0x80\"); }\n"


def test_root__of_another_architecture_is_refused(memrec, tmp_path):
    path = compiled(tmp_path, "small32", SMALL_32, "-m32", "-nostdlib", "-static", "-ffreestanding")
    assert "architecture" in refused(memrec, tmp_path, ["--", path])


def test_root__with_a_sanitizer_is_refused(memrec, tmp_path):
    assert "sanitizer" in refused(memrec, tmp_path, ["--", compiled(tmp_path, "asan", HELLO, "-fsanitize=address")])


def test_root__that_is_set_uid_is_refused(memrec, tmp_path, programs):
    path = shutil.copy(programs / "environ", tmp_path / "setuid")
    os.chmod(path, 0o4755)
    assert "set-uid" in refused(memrec, tmp_path, ["--", path])


def test_root__script_is_judged_by_its_interpreter(memrec, tmp_path, programs):
    script = tmp_path / "script"
    script.write_text(f"#!{programs / 'static_environ'}\n")
    script.chmod(0o755)
    assert "static" in refused(memrec, tmp_path, ["--", script])


def test_library__that_is_missing_is_told(memrec, tmp_path):
    alone = shutil.copy(BUILD / "memrec", tmp_path / "memrec")
    done = run([alone, "run", "-o", tmp_path / "t.lz4", "--", "/bin/echo", "program ran"])
    assert (done.status, done.out) == (125, "") and "libmemrec.so" in done.err
