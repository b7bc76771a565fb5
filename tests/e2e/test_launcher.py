"""The command line of `memrec run`: what the program sees, what comes back, where the trace goes. Signals and terminals: test_launcher_signals.py."""
import os
import re
import shutil
import subprocess
import textwrap

import pytest

from conftest import BUILD, run
from trees import BLANK, held

MEMREC = str(BUILD / "memrec")


@pytest.fixture
def job(tmp_path, python):
    """job(source) -> the argv that runs it; written to tmp_path/job.py."""
    def written(source, name="job.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return [python.path, str(path)]
    return written


@pytest.fixture
def both(tmp_path):
    """both(argv) -> (bare, recorded), each run in tmp_path."""
    def ran(argv, **how):
        how.setdefault("cwd", tmp_path)
        return run(argv, **how), run([MEMREC, "run", "-q", "-f", "-o", tmp_path / "t.lz4", "--", *argv], **how)
    return ran


# ---- what the program sees ----

def test_streams__pass_through(both, job):
    bare, recorded = both(job("""
        import sys
        text = sys.stdin.read()
        sys.stdout.write(text * 3)
        sys.stderr.write(text[::-1])
        sys.stdout.buffer.write(bytes(range(256)))
    """), stdin="abc\ndef\n".encode())
    assert recorded == bare and bare.status == 0 and bare.err == "\nfed\ncba"


def test_streams__without_standard_descriptors(tmp_path, job):
    """<&- >&- 2>&-: nothing of ours may sit on 0, 1 or 2."""
    argv = job("""
        import os, sys
        open(sys.argv[1], "w").write(" ".join(sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                                                      if os.path.lexists(f"/proc/self/fd/{fd}"))))
    """)
    for name, prefix in ("bare", []), ("recorded", [MEMREC, "run", "-f", "-o", str(tmp_path / "t.lz4"), "--"]):
        done = run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *prefix, *argv, str(tmp_path / name)])
        assert done == (0, "", "")
    seen = [re.sub(r"/proc/\d+", "/proc/self", (tmp_path / name).read_text()).replace("bare", "recorded") for name in ("bare", "recorded")]
    assert seen[0] == seen[1]


def test_arguments_and_folder__are_the_programs(both, job, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    bare, recorded = both([*job("""
        import os, sys
        print(sys.argv, os.getcwd(), sys.executable, sys.orig_argv, __name__, __file__, sys.flags, sys.path)
    """), "--max-size", "-o", "", "ü\udcff", "a b", "--", "-q"], cwd=folder)
    assert recorded == bare and "--max-size" in bare.out


def test_environment__is_the_same_but_for_preload_and_ours(both, job, memrec, tmp_path):
    argv = job("""
        import os
        print({name: os.environ[name] for name in sorted(os.environ) if name not in ("MEMREC", "LD_PRELOAD")})
        print(sorted(name for name in os.environ if name.startswith(("MEMREC", "LD_"))))
    """)
    ours = {name: None for name in os.environ if name.startswith(("MEMREC", "LD_"))}
    bare, recorded = both(argv, env={**ours, "A": "1\n2"})
    assert bare.out.splitlines()[0] == recorded.out.splitlines()[0]
    assert recorded.out.splitlines()[1] == "['LD_PRELOAD', 'MEMREC']" and bare.out.splitlines()[1] == "[]"


@pytest.mark.release_only  # a sanitizer's runtime wants to be the first library
def test_environment__keeps_the_users_own_preload(job, programs, tmp_path):
    other = shutil.copy(BUILD / "libmemrec.so", tmp_path / "other.so")  # any library will do
    argv = job("import os\nprint(os.environ['LD_PRELOAD'])")
    done = run([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--", *argv], env={"LD_PRELOAD": str(other)})
    assert done.out.split(":")[1:] == [f"{other}\n"] and done.out.startswith(os.path.realpath(BUILD / "libmemrec.so"))


def test_process__has_the_group_session_limits_and_signal_state_of_its_starter(both, job):
    bare, recorded = both(["sh", "-c", 'trap "" USR1; ulimit -n 100; umask 027; exec nice -n 3 "$@"', "sh", *job("""
        import os, resource, signal
        state = dict(line.split(":\\t", 1) for line in open("/proc/self/status"))
        print({name: state[name].strip() for name in ("SigBlk", "SigIgn", "SigCgt", "Threads", "Umask", "Uid", "Gid", "Groups", "Seccomp",
                                                       "CapEff", "NoNewPrivs")})
        print(resource.getrlimit(resource.RLIMIT_NOFILE), os.nice(0), os.getpgrp() == os.getpid(), os.getsid(0) == os.getpid())
        print(sorted(os.listdir("/proc/self/fd")))
    """)])
    assert recorded == bare and "Threads" in bare.out


def test_process__is_a_child_in_the_group_of_memrec(job, tmp_path):
    child = subprocess.Popen([MEMREC, "run", "-q", "-o", tmp_path / "t.lz4", "--",
                              *job("import os\nprint(os.getppid(), os.getpgrp(), os.getsid(0))")], stdout=subprocess.PIPE, text=True)
    assert [int(word) for word in child.communicate()[0].split()] == [child.pid, os.getpgrp(), os.getsid(0)]


def test_traceback__of_an_uncaught_error_is_the_same(both, job):
    bare, recorded = both(job("""
        def deeper(n):
            return 1 / n if n == 0 else deeper(n - 1)
        deeper(3)
    """))
    assert recorded == bare and bare.status == 1 and "ZeroDivisionError" in bare.err


# ---- what is run ----

def first_on_path(python, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "python3").unlink(missing_ok=True)
    (folder / "python3").symlink_to(python.path)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_script__runs_with_the_first_python3_on_path(memrec, python, tmp_path):
    (tmp_path / "job.py").write_text("import sys\nprint(sys.argv, __name__, __file__, sys.orig_argv, sys.path[0])\n")
    env = first_on_path(python, tmp_path)
    bare = run(["python3", "job.py", "-a", "b"], env=env, cwd=tmp_path)
    done = memrec("run", "-q", "-o", "t.lz4", "job.py", "-a", "b", env=env, cwd=tmp_path)
    assert done == bare and bare.status == 0
    assert (tmp_path / "t.lz4").stat().st_mode & 0o777 == 0o600


def test_module__runs_as_python_m(memrec, python, tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("import sys\nprint(sys.argv, __name__, __package__)\nsys.exit(9)\n")
    env = first_on_path(python, tmp_path)
    bare = run(["python3", "-m", "package.module", "-x", "1"], env=env, cwd=tmp_path)
    done = memrec("run", "-q", "-o", "t.lz4", "-m", "package.module", "-x", "1", env=env, cwd=tmp_path)
    assert done == bare and bare.status == 9


def test_code__runs_as_python_c(memrec, memreplay, python, tmp_path):
    env = first_on_path(python, tmp_path)
    code = "import sys\ndef hold(): return bytes(20_000_000)\nx = hold()\nprint(sys.argv, __name__)"
    bare = run(["python3", "-c", code, "-o", "y"], env=env, cwd=tmp_path)
    done = memrec("run", "-q", "-o", "t.lz4", "-c", code, "-o", "y", env=env, cwd=tmp_path)
    assert done == bare and bare.status == 0
    assert "hold" in memreplay("peak", tmp_path / "t.lz4").out


def test_program__with_an_interpreter_line_and_a_venv(memrec, tmp_path, python, memreplay):
    script = tmp_path / "tool"
    script.write_text(f"#!{python.path} -B\nimport sys\ndef hold(): return bytes(20_000_000)\nx = hold()\nprint(sys.argv, sys.prefix)\n")
    script.chmod(0o755)
    bare, done = run([script, "1"]), memrec("run", "-q", "-o", tmp_path / "t.lz4", "--", script, "1")
    assert done == bare and bare.status == 0
    assert "hold" in memreplay("peak", tmp_path / "t.lz4").out


def test_program__is_found_on_path(memrec, programs, tmp_path):
    done = memrec("run", "-q", "-o", tmp_path / "t.lz4", "--", "hold", "20000000", env={"PATH": f"{programs}:{os.environ['PATH']}"})
    assert done == (0, "", "")


def test_program__that_is_no_python_is_recorded_as_root(record, programs):
    peak = record([programs / "hold", "20000000"]).peak()
    assert (peak["peak"]["bytes"], peak["peak"]["allocations"]) == (20_000_000, 1)
    assert peak["trace"]["python"] is None


# ---- where the trace goes ----

@pytest.mark.parametrize("argv, name", [
    (["job.py"], "job"), (["-m", "json.tool", "--help"], "json.tool"), (["-c", "pass"], "python-c"), (["--", "python3", "job.py"], "python3"),
    (["folder/job.py"], "job")])
def test_output__has_a_name_of_the_program_in_the_current_folder(memrec, python, tmp_path, argv, name):
    for place in (tmp_path, tmp_path / "folder"):
        place.mkdir(exist_ok=True)
        (place / "job.py").write_text("pass\n")
    done = memrec("run", *argv, env=first_on_path(python, tmp_path), cwd=tmp_path)
    made = [each.name for each in tmp_path.iterdir() if each.name.startswith("memrec-")]
    assert done.status == 0 and len(made) == 1 and re.fullmatch(rf"memrec-{re.escape(name)}\.\d+\.lz4", made[0]), (made, done.err)
    assert made[0] in done.err  # the closing block says where the trace is


def test_output__appends_a_number_where_the_default_name_exists(python, tmp_path):
    (tmp_path / "job.py").write_text("pass\n")
    done = run(["sh", "-c", f'echo 1 > memrec-job.$$.lz4; echo 2 > memrec-job.$$.lz4.1; exec {MEMREC} run -q job.py'], cwd=tmp_path,
               env=first_on_path(python, tmp_path))
    made = sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("memrec-"))
    assert done == (0, "", "") and len(made) == 3 and made[2] == made[0] + ".2"
    assert [(tmp_path / each).read_text() for each in made[:2]] == ["1\n", "2\n"]


def refused(memrec, tmp_path, *argv, env=None, cwd=None, status=125):
    """memrec must end with `status`, one sentence, and before the program has begun."""
    done = memrec("run", *argv, env=env, cwd=cwd or tmp_path)
    assert done.status == status, done
    assert done.out == "" and done.err.startswith("memrec: ") and "program ran" not in done.err
    return done.err


@pytest.fixture
def noisy(job):
    return job("print('program ran', flush=True)")


def test_output__that_exists_is_refused_without_force(memrec, noisy, tmp_path):
    (tmp_path / "t.lz4").write_text("precious")
    told = refused(memrec, tmp_path, "-o", "t.lz4", "--", *noisy)
    assert "t.lz4" in told and "-f" in told
    assert (tmp_path / "t.lz4").read_text() == "precious"
    assert memrec("run", "-q", "-f", "-o", "t.lz4", "--", *noisy, cwd=tmp_path) == (0, "program ran\n", "")
    assert (tmp_path / "t.lz4").read_bytes()[:8] != b"precious"


def test_output__that_exists_survives_a_program_that_does_not(memrec, tmp_path):
    (tmp_path / "t.lz4").write_text("precious")
    refused(memrec, tmp_path, "-f", "-o", "t.lz4", "--", "./no-such-program", status=127)
    refused(memrec, tmp_path, "-f", "-o", "t.lz4", "no-such-script.py", status=127)
    assert (tmp_path / "t.lz4").read_text() == "precious"


def test_output__that_cannot_be_is_told_before_the_start(memrec, noisy, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for place in ("no/such/folder/t.lz4", "/proc/nowhere/t.lz4", "file/t.lz4", "/dev/full/t.lz4"):
        assert place in refused(memrec, tmp_path, "-o", place, "--", *noisy)
    for options in (["-o", "folder"], ["-f", "-o", "folder"], ["-f", "-o", "/dev/null"], ["-o", "/dev/null"]):
        assert options[-1] in refused(memrec, tmp_path, *options, "--", *noisy)
    assert (tmp_path / "folder").is_dir() and os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_output__in_a_folder_that_is_not_ours_to_write(python, tmp_path):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv to run as somebody else")
    if run(["setpriv", "--reuid=65534", "--clear-groups", MEMREC, "--version"]).status != 0:
        pytest.skip("the build is not readable for other users here")
    for argv in (["-o", "/root/t.lz4"], []):
        done = run(["setpriv", "--reuid=65534", "--clear-groups", MEMREC, "run", *argv, "--", "/bin/echo", "program ran"], cwd="/")
        assert done.status == 125 and done.out == "" and done.err.startswith("memrec: ")


def test_output__leaves_no_file_behind_where_nothing_was_recorded(memrec, tmp_path):
    script = tmp_path / "tool"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = memrec("run", "-o", "t.lz4", "--", "./tool", cwd=tmp_path)
    assert done.status in (126, 127) and done.err.startswith("memrec: ")
    assert not (tmp_path / "t.lz4").exists()


# ---- statuses of our own ----

def test_status__127_where_nothing_is_found(memrec, python, tmp_path):
    for argv in (["--", "no-such-program"], ["--", "./no-such-program"], ["--", "/no/such/program"], ["no-such-script.py"]):
        assert argv[-1] in refused(memrec, tmp_path, *argv, env=first_on_path(python, tmp_path), status=127)
    told = refused(memrec, tmp_path, "job.py", env={"PATH": str(tmp_path / "empty")}, status=127)
    assert "python3" in told


def test_status__126_where_it_cannot_be_executed(memrec, tmp_path):
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "folder").mkdir()
    for name in ("text", "folder"):
        assert name in refused(memrec, tmp_path, "--", f"./{name}", status=126)


@pytest.mark.parametrize("argv", [
    [], ["-o"], ["--no-such-option", "job.py"], ["-x", "job.py"], ["--children", "some", "job.py"], ["--max-size", "lots", "job.py"],
    ["--max-size", "0", "job.py"], ["--max-size", "-5", "job.py"], ["--max-size", "1XB", "job.py"], ["--sample", "job.py"],
    ["--sample=1MiB", "job.py"], ["-m"], ["-c"], ["--"], ["--output="]], ids=" ".join)
def test_status__125_for_wrong_usage(memrec, tmp_path, argv):
    (tmp_path / "job.py").write_text("print('program ran')")
    told = refused(memrec, tmp_path, *argv)
    if len(argv) > 1:
        assert argv[0].split("=")[0] in told


@pytest.mark.parametrize("argv", [[], ["record"], ["mark"]], ids=["nothing", "unknown", "mark"])
def test_status__125_for_an_unknown_command(memrec, argv):
    done = memrec(*argv)
    assert done.status == 125 and done.out == "" and done.err.startswith("memrec: ")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["run", "--help"], ["run", "-h"], ["--version"], ["run", "--help", "--", "x"]], ids=" ".join)
def test_help__goes_to_stdout_with_status_0(memrec, argv):
    done = memrec(*argv)
    assert done.status == 0 and done.err == "" and "memrec" in done.out
    if "run" in argv:
        for option in ("--output", "--force", "--max-size", "--objects", "--no-objects", "--children", "--no-python-stacks",
                       "--disable-oom-detection", "--quiet"):
            assert option in done.out


# ---- options ----

def test_closing_block__is_on_stderr_alone_and_quiet_omits_it(memrec, job, tmp_path):
    argv = job("""
        def hold(): return bytes(20_000_000)
        x = hold()
        print("out")
    """)
    done = memrec("run", "-o", tmp_path / "t.lz4", "--", *argv)
    assert done.status == 0 and done.out == "out\n"
    assert all(word in done.err for word in ("hold", f"{tmp_path}/t.lz4", "memreplay peak", "status 0", "MiB")), done.err
    assert len(done.err.splitlines()) < 15
    assert memrec("run", "-q", "-o", tmp_path / "q.lz4", "--", *argv) == (0, "out\n", "")


@pytest.mark.fault("the trace reaches --max-size", kind="Refused by the machine",
                   program="runs as bare", trace="ends there and says so")
def test_max_size__stops_the_recording_and_not_the_program(memrec, memreplay, job, tmp_path):
    argv = job("""
        import random
        def hold(): return bytes(20_000_000)
        kept = hold()
        blocks = []
        for i in range(150_000):
            blocks.append(bytes(random.randrange(600, 3000)))
            if len(blocks) > 1000:
                blocks[random.randrange(1000)] = blocks.pop()
        print("to the end")
    """)
    done = memrec("run", "-o", tmp_path / "t.lz4", "--max-size", "150KB", "--", *argv)
    assert (done.status, done.out) == (0, "to the end\n")
    assert "stopped early" in done.err and "limit" in done.err
    assert 50_000 < (tmp_path / "t.lz4").stat().st_size <= 150_000
    assert memreplay("verify", tmp_path / "t.lz4").status == 0
    summary = memreplay("summary", tmp_path / "t.lz4")
    assert summary.status == 0 and "size limit" in summary.out
    assert "hold" in memreplay("peak", tmp_path / "t.lz4").out


def test_max_size__is_no_matter_where_it_is_not_reached(record):
    recording = record("def hold(): return bytes(20_000_000)\nx = hold()", options=["--max-size", "1GB"])
    assert recording.peak()["trace"]["complete"] and held(recording.peak(), "hold") == 20_000_000 + BLANK
    assert "early" not in recording.finished.err


def test_no_objects__records_what_reaches_malloc(record):
    source = """
        def small(): return [object() for _ in range(20_000)]
        def large(): return bytes(20_000_000)
        x = small(), large()
    """
    whole, coarse = record(source).peak(), record(source, options=["--no-objects"]).peak()
    assert held(whole, "large") == 20_000_000 + BLANK <= held(coarse, "large")
    assert held(whole, "small") >= 20_000 * 16 > 0
    assert (whole["trace"]["objects"], coarse["trace"]["objects"]) == (True, False)
    assert len(coarse["stacks"]) < len(whole["stacks"]) / 4


def test_no_python_stacks__records_sizes_alone(record):
    peak = record("def hold(): return bytes(20_000_000)\nx = hold()", options=["--no-python-stacks"]).peak()
    assert all(stack["frames"] == [] for stack in peak["stacks"])
    assert 20_000_000 + BLANK in [stack["bytes"] for stack in peak["stacks"]] or peak["peak"]["bytes"] > 20_000_000 + BLANK


def test_disable_oom_detection__is_taken(record):
    record("pass", options=["--disable-oom-detection"])


# ---- company ----

def test_company__command_substitution_pipeline_timeout_nice_xargs(python, tmp_path, job):
    argv = " ".join(job("import os, sys\nprint('ran', os.nice(0), *sys.argv[1:])"))
    here = os.nice(0)
    memrec = f"{MEMREC} run -q -f -o {tmp_path}/t.lz4 -- {argv}"
    assert run(["sh", "-c", f'echo "[$({memrec} 1)]"']).out == f"[ran {here} 1]\n"
    assert run(["bash", "-c", f"set -o pipefail; {memrec} 2 | cat | tr a-z A-Z"]).out == f"RAN {here} 2\n"
    assert run(["sh", "-c", f"timeout 60 {memrec} 3"]).out == f"ran {here} 3\n"
    assert run(["sh", "-c", f"nice -n 7 {memrec} 4"]).out == f"ran {min(here + 7, 19)} 4\n"
    assert run(["sh", "-c", f"echo 5 6 | xargs {memrec}"]).out == f"ran {here} 5 6\n"
    assert run(["sh", "-c", f"setsid -w {memrec} 7"]).out == f"ran {here} 7\n"
    assert run(["sh", "-c", f"nohup {memrec} 8 2>/dev/null"]).out == f"ran {here} 8\n"


def test_company__a_pipe_that_closes_early_is_the_programs_matter(tmp_path, job):
    argv = " ".join(job("""
        import sys
        for i in range(1_000_000):
            print(i)
    """))
    bare = run(["bash", "-c", f"{argv} | head -n 2; echo ${{PIPESTATUS[0]}}"])
    recorded = run(["bash", "-c", f"{MEMREC} run -q -f -o {tmp_path}/t.lz4 -- {argv} | head -n 2; echo ${{PIPESTATUS[0]}}"])
    assert recorded == bare and bare.out.startswith("0\n1\n")


def test_company__two_recordings_at_once(tmp_path, job):
    argv = " ".join(job("import sys\ndef hold(): return bytes(int(sys.argv[1]))\nx = hold()"))
    run(["sh", "-c", f"{MEMREC} run -q -o {tmp_path}/a.lz4 -- {argv} 20000000 & {MEMREC} run -q -o {tmp_path}/b.lz4 -- {argv} 30000000; wait"])
    from conftest import Recording
    sizes = [held(Recording(tmp_path / name, None).peak(), "hold", allocator="PyObject_Malloc") for name in ("a.lz4", "b.lz4")]
    assert sizes == [20_000_000 + BLANK, 30_000_000 + BLANK]


def test_company__a_recording_inside_a_recording_is_its_own(record, python, tmp_path):
    """memrec under memrec: the inner one records its program, the outer one what is left to it; both end."""
    recording = record(f"""
        import subprocess
        done = subprocess.run([{MEMREC!r}, "run", "-q", "-o", {str(tmp_path / "inner.lz4")!r}, "--", {python.path!r}, "-c",
                               "def hold(): return bytes(20_000_000)\\nx = hold()\\nprint('inner')"], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "inner\\n", ""), done
    """)
    from conftest import Recording
    assert held(Recording(tmp_path / "inner.lz4", None).peak(), "hold") == 20_000_000 + BLANK
    assert recording.peak()["trace"]["complete"]


@pytest.mark.fault("the shell has limits on address space, data, descriptors, time or stack", kind="Refused by the machine",
                   program="runs as bare", trace="whole")
@pytest.mark.parametrize("limit", [pytest.param("-v 700000", marks=pytest.mark.release_only), "-n 16", "-c 0", "-s 1024", "-u 4000"])
def test_limits__of_the_shell_are_no_obstacle(tmp_path, job, limit):
    argv = " ".join(job("def hold(): return bytes(20_000_000)\nx = hold()\nprint('ran')"))
    done = run(["bash", "-c", f"ulimit {limit} && exec {MEMREC} run -q -o {tmp_path}/t.lz4 -- {argv}"])
    assert done == (0, "ran\n", "")
    from conftest import Recording
    peak = Recording(tmp_path / "t.lz4", done).peak()
    assert peak["trace"]["complete"] and held(peak, "hold") == 20_000_000 + BLANK


@pytest.mark.fault("RLIMIT_FSIZE is smaller than the trace", kind="Refused by the machine",
                   program="runs as bare", trace="ends there and says so")
def test_limits__on_file_sizes_end_the_recording_and_not_the_program(tmp_path, job, memreplay):
    """ulimit -f: SIGXFSZ is for whoever writes; the trace is readable up to there."""
    argv = " ".join(job("""
        import random
        for i in range(100_000):
            x = bytes(random.randrange(600, 3000))
        print("to the end")
    """))
    done = run(["bash", "-c", f"ulimit -S -f 64; exec {MEMREC} run -o {tmp_path}/t.lz4 -- {argv}"])
    assert (done.status, done.out) == (0, "to the end\n")
    assert "early" in done.err
    assert memreplay("peak", tmp_path / "t.lz4").status == 0
