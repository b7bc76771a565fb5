"""memreplay on traces whose every byte and sum is known: reports, options, exit statuses, damage. What real recordings come to is
tested beside the recorder."""
import json
import os
import re
import subprocess

import pytest

from memreplay_traces import CALLOC, MALLOC, MMAP, OBJECT_POOLED, Trace

MIB = 1 << 20
SITE = "/home/ana/.venv/lib/python3.11/site-packages/"
pytestmark = pytest.mark.san


def job():
    """A job in one process: the peak of 30 MiB + 4000 B + 3 × 1 MiB at 2 s of 10 s, then 5 MiB live at its end."""
    t = Trace(("python3", "job.py", "--fast"))
    process = t.process()
    thread = t.new_thread(process)
    module = t.function("<module>", "/home/ana/job/job.py")
    main = t.function("main", "/home/ana/job/job.py", 5)
    read = t.function("read_csv", SITE + "pandas/io/readers.py", 9)
    at_main = t.stack(t.stack(0, module, 88), main, 12)
    at_read = t.stack(at_main, read, 330)
    t.on(thread)
    t.time(10**9)
    big = t.alloc(at_read, 30 * MIB)
    small = t.alloc(at_main, 4000, CALLOC)
    t.rss(process, 12 * MIB)
    ones = [t.alloc(at_main, MIB) for _ in range(3)]
    t.time(2 * 10**9)
    t.resident_block(big, 10 * MIB)
    t.mark("loaded")
    t.free(big)
    for _ in range(10):
        t.free(t.alloc(at_read, 100))
    t.free(small)
    t.seal()
    t.time(8 * 10**9)
    t.alloc(at_read, 2 * MIB)
    t.time(10 * 10**9)
    t.process_end(process)
    t.exit(3 << 8)
    return t


PEAK = 30 * MIB + 4000 + 3 * MIB


def family():
    """A parent and a child; each alone peaks higher than what it holds at the tree's peak of 1,500 B."""
    t = Trace()
    parent, child = t.process(100), None
    one = t.new_thread(parent, 100)
    outer = t.function("work", "/srv/work.py")
    stack = t.stack(0, outer, 7)
    t.on(one)
    t.free(t.alloc(stack, 1000))
    t.alloc(stack, 700)
    child = t.process(200, parent, 1, argv=("python3", "-c", "child"))
    two = t.new_thread(child, 200, "worker")
    t.on(two)
    t.alloc(stack, 800)
    t.time(10**9)
    t.process_end(child)
    t.on(one)
    t.time(2 * 10**9)
    t.process_end(parent)
    t.exit()
    return t


@pytest.fixture
def look(memreplay, tmp_path):
    """look(bytes or Trace, command, options…) -> Finished; .json for parsed output."""

    def run(trace, *args, name="trace.lz4", **how):
        path = tmp_path / name
        path.write_bytes(trace if isinstance(trace, bytes) else trace.finish())
        environment = {"LC_ALL": "C.UTF-8", "COLUMNS": None, "NO_COLOR": None, **how.pop("env", {})}
        return memreplay(*args, path, env=environment, **how)

    return run


def parsed(finished, status=0):
    assert finished.status == status, finished.err
    return json.loads(finished.out)


def test_the_hand_made_trace_is_whole_lz4(look, tmp_path):
    (tmp_path / "t.lz4").write_bytes(job().finish())
    if subprocess.run(["lz4", "-t", "-q", tmp_path / "t.lz4"]).returncode:
        pytest.fail("lz4 -t refuses the trace")


def test_peak_json_has_the_contract_s_fields(look):
    report = parsed(look(job(), "peak", "--json"))
    assert report["schema"] == "memreplay.peak/1"
    assert report["trace"] == {
        "command": ["python3", "job.py", "--fast"], "pid": 100, "python": "3.11.7", "started": "2026-01-01T00:00:00.000000Z",
        "duration_ns": 10**10, "complete": True, "damaged_blocks": 0, "events": 28, "lost_events": 0, "objects": True,
        "native": False, "sample_bytes": 0, "exit": {"status": 3, "signal": None, "oom": False}}
    peak = report["peak"]
    assert (peak["bytes"], peak["allocations"], peak["time_ns"]) == (PEAK, 5, 10**9)
    assert peak["resident_bytes"] == PEAK - 20 * MIB
    assert peak["rss_bytes"] == 12 * MIB
    assert (peak["mapped_bytes"], peak["shared_bytes"], peak["python_retained_bytes"]) == (0, 0, 0)
    assert report["processes"] == [{"pid": 100, "parent": None, "command": ["python3", "job.py"], "bytes": PEAK, "peak_bytes": PEAK}]


def test_every_stack_is_listed_outermost_first_and_adds_up(look):
    report = parsed(look(job(), "peak", "--json"))
    assert sum(stack["bytes"] for stack in report["stacks"]) == PEAK
    assert sum(stack["resident_bytes"] for stack in report["stacks"]) == report["peak"]["resident_bytes"]
    assert sum(stack["allocations"] for stack in report["stacks"]) == 5
    first = report["stacks"][0]
    assert (first["bytes"], first["allocator"], first["pid"], first["thread"]) == (30 * MIB, "malloc", 100, "MainThread")
    assert first["frames"] == [
        {"function": "<module>", "file": "/home/ana/job/job.py", "line": 88, "kind": "python"},
        {"function": "main", "file": "/home/ana/job/job.py", "line": 12, "kind": "python"},
        {"function": "read_csv", "file": SITE + "pandas/io/readers.py", "line": 330, "kind": "python"}]
    assert [stack["allocator"] for stack in report["stacks"][1:]] == ["malloc", "calloc"]


@pytest.mark.parametrize("at, bytes_, time_ns", [
    ("peak", PEAK, 10**9), ("end", 5 * MIB, 10**10), ("start", 0, 0), ("2s", 3 * MIB, 2 * 10**9), ("1999ms", PEAK, 1999 * 10**6),
    ("0.5s", 0, 5 * 10**8), ("50%", 3 * MIB, 5 * 10**9), ("85%", 5 * MIB, 85 * 10**8), ("loaded", PEAK, 2 * 10**9)])
def test_at_names_a_moment(look, at, bytes_, time_ns):
    report = parsed(look(job(), "peak", "--json", "--at", at))
    assert report["at"] == at
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (bytes_, time_ns)
    assert sum(stack["bytes"] for stack in report["stacks"]) == bytes_


def test_a_window_s_maximum_includes_older_blocks(look):
    report = parsed(look(job(), "peak", "--json", "--from", "3s"))
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (5 * MIB, 8 * 10**9)
    report = parsed(look(job(), "peak", "--json", "--from", "3s", "--to", "40%"))
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (3 * MIB, 3 * 10**9)
    report = parsed(look(job(), "peak", "--json", "--from", "1500ms", "--to", "1600ms"))
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (PEAK, 15 * 10**8)


def test_leaks_are_what_lived_at_the_end(look):
    report = parsed(look(job(), "leaks", "--json"))
    assert report["schema"] == "memreplay.leaks/1"
    assert report["total"] == {"bytes": 5 * MIB, "allocations": 4}
    assert sorted(stack["bytes"] for stack in report["stacks"]) == [2 * MIB, 3 * MIB]
    assert parsed(look(job(), "leaks", "--json", "--at", "3s"))["total"] == {"bytes": 3 * MIB, "allocations": 3}


def test_temporary_counts_by_threshold(look):
    report = parsed(look(job(), "temporary", "--json"))
    assert report["total"] == {"bytes": 1000, "allocations": 10}
    assert len(report["stacks"]) == 1
    assert parsed(look(job(), "temporary", "--json", "--threshold", "4"))["total"] == {"bytes": 1000, "allocations": 10}
    assert parsed(look(job(), "temporary", "--json", "--threshold", "5"))["total"] == {"bytes": 1000 + 30 * MIB, "allocations": 11}
    assert parsed(look(job(), "temporary", "--json", "--threshold=15"))["total"] == {"bytes": 1000 + 30 * MIB + 4000, "allocations": 12}
    assert parsed(look(job(), "temporary", "--json", "--from", "5s"))["total"]["bytes"] == 0


def test_summary_has_peak_processes_and_totals(look):
    report = parsed(look(job(), "summary", "--json"))
    assert report["peak"]["bytes"] == PEAK
    assert len(report["processes"]) == 1
    assert report["totals"]["allocations"] == 16
    assert report["totals"]["allocated_bytes"] == PEAK + 1000 + 2 * MIB
    assert {row["allocator"]: row["allocations"] for row in report["allocators"]} == {"malloc": 15, "calloc": 1}
    assert {(row["least_bytes"], row["allocations"]) for row in report["sizes"]} == {
        (64, 10), (2048, 1), (MIB, 3), (2 * MIB, 1), (16 * MIB, 1)}
    assert report["marks"] == [{"name": "loaded", "time_ns": 2 * 10**9}]


def test_the_tree_s_peak_is_simultaneous_and_pid_is_a_process_s_own(look):
    report = parsed(look(family(), "peak", "--json"))
    assert report["peak"]["bytes"] == 1500
    assert [(p["pid"], p["parent"], p["bytes"], p["peak_bytes"]) for p in report["processes"]] == [
        (100, None, 700, 1000), (200, 100, 800, 800)]
    own = parsed(look(family(), "peak", "--json", "--pid", "100"))
    assert own["peak"]["bytes"] == 1000
    assert [p["pid"] for p in own["processes"]] == [100]
    assert {stack["pid"] for stack in own["stacks"]} == {100}


def test_a_thread_s_share_at_the_moment_of_all(look):
    for wanted in ("worker", "200"):
        report = parsed(look(family(), "peak", "--json", "--thread", wanted))
        assert report["peak"]["bytes"] == 800
        assert [stack["thread"] for stack in report["stacks"]] == ["worker"]


def test_leaks_of_an_ended_child_are_its_own(look):
    report = parsed(look(family(), "leaks", "--json"))
    assert {(stack["pid"], stack["bytes"]) for stack in report["stacks"]} == {(100, 700), (200, 800)}


def test_mappings_and_arenas(look):
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    stack = t.stack(0, t.function("f", "/srv/f.py"), 1)
    t.map(0x100000, 4 * MIB, 0, stack)
    t.map(0x900000, MIB, 3, stack)
    t.map(0xA00000, 2 * MIB, 4, stack)
    t.map(0x10000000, 512 * MIB, 2, stack)
    t.map(0xC00000, MIB, 5, stack)
    t.alloc(stack, 1000, OBJECT_POOLED)
    t.unmap(0x200000, MIB)
    peak = parsed(look(t, "peak", "--json"))["peak"]
    assert peak["bytes"] == 4 * MIB + 1000
    assert (peak["mapped_bytes"], peak["shared_bytes"]) == (MIB, 2 * MIB)
    assert peak["python_retained_bytes"] == MIB - 1000
    assert peak["unsampled_bytes"] == 512 * MIB + 4 * MIB
    assert parsed(look(t, "leaks", "--json"))["total"]["bytes"] == 3 * MIB + 1000


def test_allocations_coded_by_address(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    stack = t.stack(0, t.function("f", "/srv/f.py"), 1)
    t.alloc_at(0x5000, stack, 64)
    t.alloc_at(0x6000, stack, 32)
    t.free_at(0x5000)
    t.free_at(0x7000)
    assert parsed(look(t, "peak", "--json"))["peak"]["bytes"] == 96
    report = parsed(look(t, "summary", "--json"))
    assert report["totals"]["unknown_frees"] == 1
    assert report["totals"]["leaked_bytes"] == 32


def test_unknown_records_are_passed_over(look):
    t = job()
    t.unknown_record()
    t.unknown_record()
    assert parsed(look(t, "peak", "--json"))["peak"]["bytes"] == PEAK


def test_no_stack_and_unknown_stack(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    t.alloc(0, 10)
    t.alloc(1, 5)
    report = parsed(look(t, "peak", "--json"))
    assert [(stack["bytes"], stack["frames"], stack.get("outer_frames_unknown")) for stack in report["stacks"]] == [
        (10, [], None), (5, [], True)]
    shown = look(t, "peak").out
    assert "(no Python stack)" in shown and "(stack unknown)" in shown


def test_a_deep_chain_of_stacks_does_not_blow_up_the_json(look):
    """6,000 stacks of one chain, each allocating: written out whole, they would be 18 million frames."""
    t = Trace()
    t.on(t.new_thread(t.process()))
    function, stack = t.function("f", "/srv/f.py"), 0
    for _ in range(6_000):
        stack = t.stack(stack, function, 1)
        t.alloc(stack, 8)
    finished = look(t, "peak", "--json", timeout=60)
    report = parsed(finished)
    assert sum(row["bytes"] for row in report["stacks"]) == report["peak"]["bytes"] == 48_000
    assert len(report["stacks"]) == 6_000
    assert any(row.get("outer_frames_left_out") for row in report["stacks"])
    assert all(len(row["frames"]) >= 64 or not row.get("outer_frames_left_out") for row in report["stacks"])


def test_a_stack_as_deep_as_python_allows_is_written_whole(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    function, stack = t.function("f", "/srv/f.py"), 0
    for depth in range(1000):
        stack = t.stack(stack, function, depth + 1)
    t.alloc(stack, 8)
    [row] = parsed(look(t, "peak", "--json"))["stacks"]
    assert [frame["line"] for frame in row["frames"]] == list(range(1, 1001))


def test_names_that_are_no_utf8_and_control_characters_are_escaped(look):
    t = Trace(("python3", b"\xff\x1b[31m.py"))
    t.on(t.new_thread(t.process(), name=b"\x07bell"))
    t.alloc(t.stack(0, t.function(b"evil\x1b]0;\xfe\xc3\xa9", "/srv/\u202e.py"), 1), 10)
    finished = look(t, "peak")
    assert finished.status == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", finished.out)
    assert "evil\\x1b]0;\\xfeé" in finished.out and "\\u202e.py" in finished.out
    report = parsed(look(t, "peak", "--json"))
    assert report["trace"]["command"][1] == "\\xff\x1b[31m.py"
    assert report["stacks"][0]["frames"][0]["function"] == "evil\x1b]0;\\xfeé"
    assert "é" not in look(t, "peak", env={"LC_ALL": "C"}).out


TREE_80 = """\
python3 job.py --fast  Python 3.11.7, pid 100

 33.0 MiB  live at the peak, 1.00 s into 10.0 s, in 5 blocks
 13.0 MiB  of it resident: 20.0 MiB of this was never touched
 3.00 MiB  was never sampled: blocks count as requested, reservations 0
 12.0 MiB  RSS as the kernel counted it then

    bytes   share  function and line
 33.0 MiB  100.0%  <module> job.py:88
                   main job.py:12
 30.0 MiB   90.9%  ├─ read_csv pandas/io/readers.py:330
 3.00 MiB    9.1%  └─ (allocated here)
"""
TREE_120 = """\
python3 job.py --fast  Python 3.11.7, pid 100

 33.0 MiB  live at the peak, 1.00 s into 10.0 s, in 5 blocks
 13.0 MiB  of it resident: 20.0 MiB of this was never touched
 3.00 MiB  was never sampled: blocks count as requested, reservations 0
 12.0 MiB  RSS as the kernel counted it then

    bytes   share              function and line
 33.0 MiB  100.0%  ██████████  <module> job.py:88
                               main job.py:12
 30.0 MiB   90.9%  █████████▏  ├─ read_csv pandas/io/readers.py:330
 3.00 MiB    9.1%  ▉           └─ (allocated here)
"""


@pytest.mark.parametrize("columns, expected", [("80", TREE_80), ("120", TREE_120)])
def test_the_tree_in_a_terminal_s_width(look, columns, expected):
    assert look(job(), "peak", env={"COLUMNS": columns}).out == expected


def test_no_row_is_wider_than_the_terminal_and_none_has_colours(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    stack = 0
    for depth in range(30):
        stack = t.stack(stack, t.function(f"a_rather_long_function_name_{depth}" * 2, f"/srv/deep/{'folder/' * depth}file.py"), depth + 1)
        t.alloc(stack, 1000)
    for columns in (40, 60, 80, 120):
        for command in (["peak"], ["peak", "--table"], ["summary"], ["leaks", "--full"]):
            shown = look(t, *command, env={"COLUMNS": str(columns)}).out
            assert max(map(len, shown.splitlines())) <= columns
            assert "\x1b" not in shown


def test_ascii_where_the_locale_is_not_utf8(look):
    shown = look(job(), "peak", env={"LC_ALL": "C"}).out
    assert shown.isascii()
    assert "|- read_csv pandas/io/readers.py:330" in shown


def test_the_table_counts_a_recursive_function_once(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    fib = t.function("fib", "/srv/fib.py", 3)
    stack = 0
    for depth in range(5):
        stack = t.stack(stack, fib, 4)
        t.alloc(stack, 1024)
    shown = look(t, "peak", "--table").out
    assert re.search(r"5\.00 KiB +100\.0% +5\.00 KiB +100\.0% +5  fib /srv/fib\.py:3$", shown, re.M), shown


def test_small_siblings_fold_into_their_sum(look):
    t = Trace()
    t.on(t.new_thread(t.process()))
    root = t.stack(0, t.function("root", "/srv/r.py"), 1)
    t.alloc(t.stack(root, t.function("big", "/srv/r.py"), 2), 1024 * 1000)
    for number in range(14):
        t.alloc(t.stack(root, t.function(f"small{number}", "/srv/r.py"), 3 + number), 1024)
    shown = look(t, "peak").out
    assert re.search(r"14\.0 KiB +1\.4%.*… 14 others", shown), shown
    assert "small3" not in shown
    assert "small3" in look(t, "peak", "--full").out


def test_output_goes_to_a_file_and_never_over_one(look, tmp_path):
    out = tmp_path / "out.json"
    assert look(job(), "peak", "--json", "-o", out).out == ""
    assert json.loads(out.read_text())["peak"]["bytes"] == PEAK
    refused = look(job(), "leaks", "--json", "-o", out)
    assert refused.status == 2 and str(out) in refused.err and "-f" in refused.err
    assert look(job(), "leaks", "--json", "-f", "-o", out).status == 0
    assert json.loads(out.read_text())["schema"] == "memreplay.leaks/1"


def test_stdin_is_a_trace(memreplay):
    finished = memreplay("peak", "--json", "-", stdin=job().finish())
    assert parsed(finished)["peak"]["bytes"] == PEAK
    refused = memreplay("peak", "--at", "50%", "-", stdin=job().finish())
    assert refused.status == 2 and "pipe" in refused.err


@pytest.mark.parametrize("args, word", [
    ([], "command"), (["nonsense", "x"], "nonsense"), (["peak"], "trace"), (["peak", "a", "b"], "one trace"),
    (["peak", "--nonsense", "a"], "--nonsense"), (["verify", "--at", "1s", "a"], "--at"), (["peak", "--pid", "x", "a"], "number"),
    (["peak", "--at", "101%", "a"], "100%"), (["peak", "--threshold", "2", "a"], "--threshold"), (["temporary", "--threshold", "0", "a"], "1"),
    (["peak", "--at", "1s", "--from", "2s", "a"], "window"), (["peak", "--from", "end", "a"], "nothing follows"), (["peak", "-o"], "FILE"),
    (["diff", "a"], "second trace"), (["flamegraph", "-"], "-o"), (["flamegraph"], "trace"), (["flamegraph", "--json", "a"], "--json"), (["flamegraph", "a", "b"], "one trace"),
    (["timeline", "--thread", "x", "a"], "--thread"), (["sqlite", "a"], "sqlite"),
    (["export", "a"], "export"), (["check", "a"], "check")])
def test_wrong_usage_exits_2_with_a_sentence(memreplay, args, word):
    finished = memreplay(*args)
    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith("memreplay: ") and word in finished.err and finished.err.count("\n") == 1


@pytest.mark.parametrize("options, word", [
    (["--pid", "7"], "100"), (["--thread", "nobody"], "nobody"), (["--at", "11s"], "10.000 s"), (["--at", "nosuchmark"], "loaded"),
    (["--from", "20s"], "10.000 s")])
def test_what_the_trace_does_not_have_exits_2(look, options, word):
    finished = look(job(), "peak", *options)
    assert (finished.status, finished.out) == (2, "") and word in finished.err


def test_help_is_on_stdout_with_an_example(memreplay):
    for args in (["--help"], *([command, "--help"] for command in ("summary", "peak", "leaks", "temporary", "verify"))):
        finished = memreplay(*args)
        assert (finished.status, finished.err) == (0, "")
        assert "Example" in finished.out
    finished = memreplay("--version")
    assert finished.status == 0 and re.fullmatch(r"memreplay \d+\.\d+\S*\n", finished.out)


def test_what_is_no_trace_exits_3_with_a_way_out(memreplay, look, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello\n" * 100)
    for path, word in ((tmp_path / "missing", "no such file"), (tmp_path, "folder"), (tmp_path / "empty", "empty"),
                       (tmp_path / "text", "not a memrec trace")):
        finished = memreplay("peak", path)
        assert (finished.status, finished.out) == (3, "")
        assert str(path) in finished.err and word in finished.err
    (tmp_path / "db").write_bytes(b"SQLite format 3\0" + bytes(100))
    finished = memreplay("peak", tmp_path / "db")
    assert finished.status == 3 and "memreplay sqlite" in finished.err


def test_a_newer_version_is_refused(look):
    bytes_ = bytearray(job().finish())
    bytes_[12] = 2
    finished = look(bytes(bytes_), "peak")
    assert finished.status == 3 and finished.out == ""


def test_an_unfinished_trace_is_read_and_told(look):
    finished = look(job().finish(trailer=False), "peak", "--json")
    report = parsed(finished)
    assert report["trace"]["complete"] is False
    assert report["peak"]["bytes"] == PEAK
    assert "incomplete" in finished.err
    assert look(job().finish(trailer=False), "verify").status == 0


def damaged():
    """Three blocks; the middle one, which frees a and allocates c, has a flipped byte."""
    t = Trace()
    t.on(t.new_thread(t.process()))
    stack = t.stack(0, t.function("f", "/srv/f.py"), 1)
    a, b = t.alloc(stack, 100), t.alloc(stack, 10)
    t.seal()
    t.free(a)
    c = t.alloc(stack, 1000)
    lost_stack = t.stack(stack, t.function("lost", "/srv/f.py"), 2)
    middle = bytearray(t.seal())
    t.free(b)
    t.free(c)
    t.alloc(lost_stack, 7)
    whole = bytearray(t.finish())
    at = whole.index(middle) + len(middle) - 8
    whole[at] ^= 0x40
    return bytes(whole)


def test_damage_costs_a_block_and_is_told(look):
    finished = look(damaged(), "peak", "--json")
    report = parsed(finished, 3)
    assert report["trace"]["damaged_blocks"] == 1
    assert report["trace"]["lost_events"] == 2
    assert report["peak"]["bytes"] == 110
    assert "damaged" in finished.err
    summary = parsed(look(damaged(), "summary", "--json"), 3)
    assert summary["totals"]["lost_frees"] == 1
    leaks = parsed(look(damaged(), "leaks", "--json"), 3)
    assert sorted((stack["bytes"], stack.get("outer_frames_unknown")) for stack in leaks["stacks"]) == [(7, True), (100, None)]


def test_verify_names_the_place_of_the_damage(look):
    finished = look(damaged(), "verify")
    assert finished.status == 3 and "damaged" in finished.out and "1 block lost" in finished.out
    report = parsed(look(damaged(), "verify", "--json"), 3)
    assert report["whole"] is False and len(report["damage"]) == 1
    assert 0 < report["damage"][0]["offset"] < len(damaged())
    assert (report["lost_allocations"], report["lost_blocks"], report["blocks"]) == (1, 1, 2)
    assert parsed(look(job(), "verify", "--json"))["whole"] is True


@pytest.mark.parametrize("trace", [lambda: job().finish(), lambda: job().finish(trailer=False), lambda: job().finish()[:-200], damaged])
@pytest.mark.parametrize("command", ["peak", "summary", "verify"])
def test_one_processor_tells_the_same_as_two(look, trace, command):
    """Where there are two, a second thread reads ahead."""
    usual = os.sched_getaffinity(0)
    here = look(trace(), command)
    os.sched_setaffinity(0, {min(usual)})
    try:
        alone = look(trace(), command)
    finally:
        os.sched_setaffinity(0, usual)
    assert (alone.status, alone.out, alone.err) == (here.status, here.out, here.err)


def test_a_block_cut_out_cleanly_is_missed(look):
    t = job()
    whole = t.finish()
    second = t.parts[2]
    finished = look(whole.replace(second, b""), "peak", "--json")
    assert parsed(finished, 3)["trace"]["damaged_blocks"] == 1


def test_cut_at_every_byte_is_never_a_crash(look, memreplay, tmp_path):
    whole = job().finish()
    for cut in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:cut])
        finished = memreplay("peak", "--json", tmp_path / "cut")
        assert finished.status in (0, 3), (cut, finished.err)
        if finished.status == 0 and cut < len(whole):
            assert json.loads(finished.out)["trace"]["complete"] is False


def test_lost_events_are_told_by_reason(look):
    t = job()
    t.lost(0, 1, 5)
    t.lost(0, 2, 3)
    t.lost(0, 11, 2)
    finished = look(t, "summary", "--json")
    report = parsed(finished)
    assert report["trace"]["lost_events"] == 5
    assert "lost 5 events" in finished.err
    assert {(row["reason"], row["count"], row["pid"]) for row in report["losses"]} == {
        ("ring_full", 5, 100), ("stack_unknown", 3, 100), ("deep_stack", 2, 100)}
    assert "did not keep up" in look(t, "summary").out


def test_how_it_ended(look):
    def ended(status, oom=0):
        t = Trace()
        t.process()
        t.exit(status, oom)
        return t

    assert parsed(look(ended(9, 1), "summary", "--json"))["trace"]["exit"] == {"status": None, "signal": 9, "oom": True}
    assert "signal 9" in look(ended(9, 1), "summary").out and "lack of memory" in look(ended(9, 1), "summary").out
    assert "exit status 4" in look(ended(4 << 8), "summary").out
    assert "exit status 1: just before, an allocation failed for lack of memory" in look(ended(1 << 8, 2), "summary").out
    t = Trace()
    t.process()
    assert parsed(look(t, "summary", "--json"))["trace"]["exit"] == {"status": None, "signal": None, "oom": None}


def test_a_terminal_gets_colours_unless_told_otherwise(tmp_path, memreplay):
    """Through a pseudo-terminal."""
    import pty
    from conftest import BUILD

    path = tmp_path / "t.lz4"
    path.write_bytes(job().finish())

    def shown(*options, **variables):
        master, slave = pty.openpty()
        environment = dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm", COLUMNS="80", **variables)
        process = subprocess.Popen([BUILD / "memreplay", "peak", *options, path], stdout=slave, stdin=subprocess.DEVNULL, env=environment)
        os.close(slave)
        out = b""
        try:
            while chunk := os.read(master, 4096):
                out += chunk
        except OSError:
            pass
        assert process.wait() == 0
        return out.decode()

    assert "\x1b[" in shown()
    assert "\x1b[" not in shown("--no-color") and "\x1b[" not in shown(NO_COLOR="1")
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown()).replace("\r\n", "\n") == TREE_80
