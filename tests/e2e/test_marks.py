"""Marks: `memrec mark` from a shell and memrec_mark() in a program, each exactly where it was set."""
import os
import subprocess
import sys

import pytest
from conftest import BUILD, PROGRAMS, Recording, held_by, run

MARKS = PROGRAMS / "marks"
MEMREC = BUILD / "memrec"
ONE_LINE = 'import ctypes; mark = getattr(ctypes.CDLL(None), "memrec_mark", lambda name: 0)'


def names(recording):
    return [mark["name"] for mark in recording.summary()["marks"]]


def total(recording, *options):
    found = recording.leaks(*options)["total"]
    return found["bytes"], found["allocations"]


def test_a_program_s_marks_stand_between_its_blocks(record):
    recording = record([MARKS])
    assert recording.finished.out == "1\n1\n"
    assert names(recording) == ["one", "two"]
    assert total(recording, "--to", "one") == (1000, 1)
    assert total(recording, "--from", "one", "--to", "two") == (20000, 1)
    assert total(recording, "--from", "two") == (4000, 1)
    assert recording.peak("--at", "two")["peak"]["bytes"] == 21000
    assert recording.peak("--from", "one", "--to", "two")["peak"]["bytes"] == 21300
    assert recording.temporary("--from", "one", "--to", "two")["total"] == {"bytes": 300, "allocations": 1}
    assert recording.summary("--from", "one", "--to", "two")["totals"]["allocated_bytes"] == 20300


def test_unrecorded_a_program_runs_as_without_marks(python):
    assert run([MARKS]).out == "-1\n-1\n"
    assert run([MARKS], env={"LD_PRELOAD": str(BUILD / "libmemrec.so") if (BUILD / "libmemrec.so").exists() else ""}).out in ("0\n0\n", "-1\n-1\n")
    assert run([python.path, "-c", ONE_LINE + "; print(mark(b'x'))"]).out == "0\n"


def test_python_marks_in_one_line(record, interpreter):
    if run([interpreter.path, "-c", "import ctypes"]).status:
        pytest.skip("no ctypes")
    recording = record(ONE_LINE + """
def before(): return bytes(300_000)
def inside(): return bytes(400_000)
def after(): return bytes(500_000)
a = before()
assert mark(b"loaded") == 1
b = inside()
assert mark("fertig ü".encode()) == 1
c = after()
assert mark(b"last") == 1
""", python=interpreter)
    assert names(recording) == ["loaded", "fertig ü", "last"]
    whole = recording.leaks("--from", "loaded", "--to", "fertig ü")
    assert 400_000 < held_by(whole, "inside") < 400_100
    assert held_by(whole, "before") == held_by(whole, "after") == 0
    assert 500_000 < held_by(recording.leaks("--from", "fertig ü", "--to", "last"), "after") < 500_100


def test_threads_set_marks_each_behind_its_own_blocks(record):
    recording = record([MARKS, "threads"])
    assert names(recording) == ["done"] * 800
    before = recording.peak("--at", "done")["peak"]
    assert before["bytes"] >= 64


def test_marks_from_signal_handlers_are_set_or_told_to_be_not(record):
    recording = record([MARKS, "signals"])
    assert 0 < int(recording.finished.out) == len(names(recording))


def test_a_forked_child_and_a_new_image_set_marks_too(record):
    recording = record(ONE_LINE + f"""
import os, subprocess
mark(b"parent")
child = os.fork()
if not child:
    mark(b"forked")
    os._exit(0)
os.waitpid(child, 0)
mark(b"waited")
subprocess.run({[str(sys.executable), "-c", ONE_LINE + "; mark(b'image')"]!r}, check=True)
mark(b"end of it")
""")
    assert names(recording) == ["parent", "forked", "waited", "image", "end of it"]


class Waiting:
    """The program `marks wait`, recorded: what it did until it said "ready" is done."""

    def __init__(self, folder, name="trace.lz4", *options):
        self.trace = folder / name
        self.child = subprocess.Popen([MEMREC, "run", "-o", self.trace, *options, "--", MARKS, "wait"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        self.child.stdout.readline()

    def go_on(self, last=False):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        if not last:
            self.child.stdout.readline()

    def finish(self):
        out, err = self.child.communicate(timeout=60)
        assert self.child.returncode == 0, err
        return Recording(self.trace, None)

    def pids(self):
        """(memrec's, the program's)."""
        task = f"/proc/{self.child.pid}/task/{self.child.pid}/children"
        with open(task) as file:
            children = file.read().split()
        return self.child.pid, next(int(pid) for pid in children if open(f"/proc/{pid}/cmdline").read().startswith(str(MARKS)))


def environment():
    return {name: value for name, value in os.environ.items() if name != "MEMREC"}


def mark(*args, **how):
    return run([MEMREC, "mark", *args], env={"MEMREC": None, **how.pop("env", {})}, **how)


def test_a_mark_from_a_shell_stands_behind_what_was_done_before(tmp_path):
    waiting = Waiting(tmp_path)
    launcher, program = waiting.pids()
    first = mark("--pid", str(launcher), "one")
    assert first.status == 0 and f"process {program}" in first.err and "wait" in first.err, first
    waiting.go_on()
    assert mark(f"--pid={program}", "-q", "two") == (0, "", "")
    waiting.go_on(last=True)
    recording = waiting.finish()
    assert names(recording) == ["one", "two"]
    block = recording.leaks("--from", "one", "--to", "two")
    assert held_by(block, "(no Python stack)") == 0
    assert total(recording, "--from", "one", "--to", "two") == (20000, 1)
    assert total(recording, "--from", "two") == (4000, 1)


def test_of_several_recordings_one_must_be_named(tmp_path):
    one, two = Waiting(tmp_path, "one.lz4"), Waiting(tmp_path, "two.lz4")
    refused = mark("x")
    assert refused.status == 125 and "--pid" in refused.err
    for each in (one, two):
        assert f"--pid {each.pids()[1]} x" in refused.err
        assert mark("--pid", str(each.pids()[1]), f"of {each.trace.name}").status == 0
    assert mark("--pid", "1", "x").status == 125
    for each in (one, two):
        each.go_on()
        each.go_on(last=True)
        assert names(each.finish()) == [f"of {each.trace.name}"]


def test_a_shell_below_the_program_marks_its_own_recording(record, tmp_path):
    other = Waiting(tmp_path, "other.lz4")
    recording = record(f"""
import subprocess
keep = bytearray(700_000)
subprocess.run(["sh", "-c", "{MEMREC} mark -q inner"], check=True)
""")
    assert names(recording) == ["inner"]
    other.go_on()
    other.go_on(last=True)
    assert names(other.finish()) == []


def test_a_shell_that_lost_its_environment_is_still_below_the_program(record, tmp_path):
    other = Waiting(tmp_path, "other.lz4")
    recording = record(f"""
import subprocess
subprocess.run(["env", "-i", "{MEMREC}", "mark", "-q", "inner"], check=True)
""")
    assert names(recording) == ["inner"]
    other.go_on()
    other.go_on(last=True)
    other.finish()


def test_a_shell_whose_recording_has_ended_is_told(record):
    recording = record(["sh", "-c", "echo $MEMREC"])
    late = run([MEMREC, "mark", "x"], env={"MEMREC": recording.finished.out.strip()})
    assert late.status == 125 and "ended" in late.err


@pytest.mark.parametrize("args, words", [
    ([], "which name"), ([""], "not empty"), (["a", "b"], "two"), (["--pid", "x", "n"], "--pid"), (["--pid"], "--pid"), (["--loud", "n"], "--loud"),
    (["n" * 256], "255"), (["a\nb"], "control character")])
def test_what_is_no_name_is_told(args, words):
    refused = mark(*args)
    assert (refused.status, refused.out) == (125, "") and words in refused.err


STEERING = "\x9b31m\u202egolden\u2028"  # no C0 control, and yet a terminal obeys it


def test_what_steers_a_terminal_is_not_echoed(tmp_path):
    one, two = Waiting(tmp_path, "one.lz4"), Waiting(tmp_path, "two.lz4")
    several = mark(STEERING)
    told = mark("--pid", str(one.pids()[1]), STEERING)
    assert several.status == 125 and several.err.count("golden") >= 2 and told.status == 0, (several, told)
    for said in (several.err, told.err):
        assert "golden" in said and not set(STEERING) - set("31mgolden") & set(said), said
    for each in (one, two):
        each.go_on()
        each.go_on(last=True)
    assert names(one.finish()) == [STEERING]
    two.finish()


def test_help_has_an_example():
    shown = mark("--help")
    assert shown.status == 0 and "example: memrec mark" in shown.out and shown.err == ""


def test_the_longest_name_and_any_bytes_are_kept(record):
    recording = record(ONE_LINE + """
assert mark(b"n" * 255) == 1
assert mark(b"\\xff\\x01 \\x1b[31m") == 1
assert mark(b"m" * 300) == 1
""")
    assert names(recording)[0] == "n" * 255 and names(recording)[2] == "m" * 255
    assert len(names(recording)) == 3
    shown = run([BUILD / "memreplay", "summary", recording.trace], env={"LC_ALL": "C.UTF-8"}).out
    assert "\x1b[31m" not in shown and "\\x1b[31m" in shown
