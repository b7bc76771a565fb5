"""Every interpreter: recorded with its stacks, under its own version, however it is started."""
import re
import subprocess
import textwrap

import pytest

from conftest import ROOT, held_by, run

SIZE = 10_000_000
SCRIPT = f"""
def holder():
    return bytearray({SIZE})


kept = holder()
print(len(kept), __name__, __file__.rsplit("/", 1)[-1])
"""


def assert_held(recording, interpreter, function="holder", file="job.py"):
    report = recording.peak()
    assert report["trace"]["python"] == interpreter.version
    assert report["trace"]["complete"] and report["trace"]["lost_events"] == 0
    assert SIZE <= held_by(report, function, file) <= SIZE + 5_000


def test_interpreter__runs_a_script(interpreter, record):
    recording = record(SCRIPT, python=interpreter)
    assert recording.finished.out == f"{SIZE} __main__ job.py\n"
    assert_held(recording, interpreter)


@pytest.mark.parametrize("flags", [["-I", "-OO", "-u", "-W", "error"], ["-E", "-s", "-S", "-B", "-X", "utf8"]], ids=["isolated", "bare"])
def test_interpreter__takes_its_own_options(flags, interpreter, record, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(SCRIPT)
    recording = record([interpreter.path, *flags, script])
    assert recording.finished.out == f"{SIZE} __main__ job.py\n"
    assert_held(recording, interpreter)


def test_interpreter__runs_a_module_of_a_package(interpreter, record, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "job.py").write_text(SCRIPT)
    recording = record([interpreter.path, "-m", "package.job"])
    assert recording.finished.out == f"{SIZE} __main__ job.py\n"
    assert_held(recording, interpreter)


def test_interpreter__runs_code_of_the_command_line(interpreter, record):
    recording = record([interpreter.path, "-c", SCRIPT.replace("__file__", "'none'")])
    assert_held(recording, interpreter, file="<string>")


def test_interpreter__runs_code_of_standard_input(interpreter, record):
    recording = record([interpreter.path, "-"], stdin=SCRIPT.replace("__file__", "'none'").encode())
    assert_held(recording, interpreter, file="<stdin>")


def test_interpreter__runs_compiled_code(interpreter, record, tmp_path):
    (tmp_path / "job.py").write_text(SCRIPT)
    subprocess.run([interpreter.path, "-m", "compileall", "-b", "-q", "job.py"], cwd=tmp_path, check=True)
    recording = record([interpreter.path, tmp_path / "job.pyc"])
    assert_held(recording, interpreter)


def test_interpreter__of_a_virtual_environment(interpreter, record, tmp_path):
    made = subprocess.run([interpreter.path, "-m", "venv", "--without-pip", tmp_path / "venv"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    script = tmp_path / "job.py"
    script.write_text(SCRIPT + "import sys\nassert sys.prefix != sys.base_prefix\n")
    assert_held(record([tmp_path / "venv" / "bin" / "python", script]), interpreter)


def test_interpreter__through_a_script_line(interpreter, record, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(f"#!{interpreter.path} -B\n{SCRIPT}")
    script.chmod(0o755)
    assert_held(record([script]), interpreter)


def test_interpreter__across_greenlets(interpreter, packages, record):
    """A greenlet has a chain of frames of its own; its blocks are told there, whoever switches."""
    folder = packages(interpreter, "greenlet")
    recording = record("""
        import greenlet
        kept = []

        def one():
            kept.append(bytearray(1_000_000))
            other.switch()
            deeper_one()

        def deeper_one():
            kept.append(bytearray(2_000_000))
            other.switch()

        def two():
            kept.append(bytearray(4_000_000))
            greenlet.getcurrent().parent.switch()
            assert False

        def main():
            global first, other
            first, other = greenlet.greenlet(one), greenlet.greenlet(two)
            first.switch()
            kept.append(bytearray(8_000_000))

        main()
    """, python=interpreter, env={"PYTHONPATH": str(folder)})
    told = {}
    for stack in recording.peak()["stacks"]:
        if stack["bytes"] >= 1_000_000:
            told[round(stack["bytes"], -6)] = [frame["function"] for frame in stack["frames"]]
    assert told[1_000_000] == ["one"] and told[4_000_000] == ["two"] and told[8_000_000] == ["<module>", "main"]


def test_interpreter__with_subinterpreters(interpreter, record):
    """Code of a second interpreter in the same process has its own stack, too."""
    recording = record("""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters

        source = (
            "def inside():\\n"
            "    return bytearray(9_000_000)\\n"
            "kept = inside()\\n"
            "other = bytearray(20_000_000)\\n")

        def outside():
            made = interpreters.create()
            getattr(interpreters, "run_string", getattr(interpreters, "exec", None))(made, source)
            interpreters.destroy(made)

        outside()
        print("done")
    """, python=interpreter)
    assert recording.finished.out == "done\n"
    assert 9_000_000 <= held_by(recording.peak(), "inside") <= 9_010_000


@pytest.mark.since(3, 14)
def test_interpreter__with_the_jit_names_the_functions(interpreter, record):
    """Lines may be one off there: the instruction pointer is stale for some instructions."""
    recording = record(f"""
        def holder(i):
            return bytearray(10_000) if i % 3 else None

        def loop():
            return [holder(i) for i in range(30_000)]

        kept = loop()
    """, python=interpreter, env={"PYTHON_JIT": "1"})
    assert held_by(recording.peak(), "holder") >= 20_000 * 10_000


def test_interpreter__dies_with_everything_told(interpreter, record):
    """What daemon threads and __del__ do while the interpreter ends is recorded without harm."""
    recording = record("""
        import sys
        import threading

        class Late:
            def __del__(self):
                global late
                late = bytearray(1_000_000)

        def forever():
            while True:
                bytearray(100_000)

        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        sys.late = Late()
        kept = bytearray(5_000_000)
        print("end")
    """, python=interpreter)
    assert (recording.finished.out, recording.finished.status) == ("end\n", 0)
    report = recording.summary()
    assert report["trace"]["complete"] and report["trace"]["lost_events"] == 0


OWN_GILS = """
import threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

SOURCE = '''
def inside():
    return bytearray(3_000_000)

def churn():
    for number in range(20_000):
        each = [bytes(100 + number % 50), {number: str(number)}]

kept = inside()
churn()
'''
made = [interpreters.create() for _ in range(4)]
if hasattr(interpreters, "get_config"):
    assert [interpreters.get_config(each).gil for each in made] == ["own"] * 4
told = []

def work(number):
    told.append(getattr(interpreters, "run_string", getattr(interpreters, "exec", None))(made[number], SOURCE))

threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
for each in threads: each.start()
for each in threads: each.join()
for each in made: interpreters.destroy(each)
print(told)
"""


@pytest.mark.since(3, 12)
@pytest.mark.fault("four interpreters of one process, each with a GIL of its own, allocate at the same time", kind="Reentry",
                   program="its result as without us",
                   trace="every block of the program with its stack; the frees of pymalloc's own tables without their allocation, counted")
def test_interpreter__with_subinterpreters_that_have_their_own_gil(interpreter, record, tmp_path):
    (tmp_path / "bare.py").write_text(OWN_GILS)
    bare = run([interpreter.path, tmp_path / "bare.py"])
    assert bare == (0, "[None, None, None, None]\n", "")
    recording = record(OWN_GILS, python=interpreter, options=["-q"])
    assert recording.finished == bare
    summary = recording.summary()
    lost = {loss["reason"]: loss["count"] for loss in summary["losses"]}
    assert summary["trace"]["complete"] and set(lost) <= {"unknown_free"}
    # Newer ones free pymalloc's tables (arenas, the two levels of its map), which it had asked for beneath other allocations.
    assert lost.get("unknown_free", 0) <= 4 * 6
    held = [stack for stack in recording.peak()["stacks"] if stack["frames"] and stack["frames"][-1]["function"] == "inside"]
    blocks = sum(stack["allocations"] for stack in held if stack["bytes"] >= 3_000_000)
    assert blocks == 4 and 4 * 3_000_000 <= sum(stack["bytes"] for stack in held) <= 4 * 3_000_000 + 4 * 500


@pytest.mark.fault("threads of C allocate while the interpreter and the process end, with and without the GIL", kind="Reentry",
                   program="its output and status as without us", trace="every block; nothing is lost")
def test_interpreter__ends_while_threads_of_c_go_on(interpreter, record, programs, tmp_path):
    source = f"""
        import ctypes
        assert ctypes.CDLL({str(programs / "cdaemon.so")!r}).start(3, 2) == 0
        print("end")
    """
    (tmp_path / "bare.py").write_text(textwrap.dedent(source))
    bare = run([interpreter.path, tmp_path / "bare.py"])
    assert bare == (0, "end\n", "")
    recording = record(source, python=interpreter, options=["-q"])
    assert recording.finished == bare
    summary = recording.summary()
    assert summary["trace"]["complete"] and summary["losses"] == []
    kept = sum(stack["bytes"] for stack in recording.leaks()["stacks"] if stack["allocator"] == "malloc" and stack["bytes"] > 1_000_000)
    assert 5 * 1_000_001 <= kept <= 5 * (1_000_001 + 150)  # with what each has in its hands just then


def test_refusal__names_the_version_and_the_way_round(memrec, tmp_path):
    """Interpreters older than those we know end before their first line."""
    old = subprocess.run([ROOT / "tools" / "interpreters", "--unsupported"], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in old:
        version, path, _ = line.split(None, 2)
        done = memrec("run", "-o", tmp_path / f"{version}.lz4", "--", path, "-c", "print('ran')")
        assert (done.status, done.out) == (125, "")
        assert version in done.err and "--no-python-stacks" in done.err
        again = memrec("run", "-q", "-f", "--no-python-stacks", "-o", tmp_path / f"{version}.lz4", "--", path, "-c", "print('ran')")
        assert (again.status, again.out) == (0, "ran\n")
    if not old:
        pytest.skip("no Python older than 3.9 here")


def test_versions__are_told_as_the_interpreter_tells_them(interpreter, record):
    recording = record("import platform\nprint(platform.python_version())", python=interpreter)
    assert re.sub(r"[+]$", "", recording.finished.out.strip()) == recording.summary()["trace"]["python"].rstrip("t")
