"""`memreplay timeline`: the numbers against adding up the events, the plot against the terminal."""
import json
import os
import pty
import re
import subprocess
import unicodedata

import pytest
from conftest import BUILD
from memreplay_traces import Trace
from test_moments import History, job, look, parsed, stage  # noqa: F401  (look is a fixture)

MIB = 1 << 20


def lines(finished):
    assert finished.status == 0, finished.err
    return finished.out.splitlines()


def width(line):
    return sum(0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in line)


def test_json_has_a_row_for_every_interval(look):
    report = parsed(look(job(), "timeline", "--json"))
    assert report["schema"] == "memreplay.timeline/1"
    assert (report["peak"]["bytes"], report["peak"]["time_ns"]) == (11 * MIB + 500, 10**9)
    assert [mark["name"] for mark in report["marks"]] == ["loaded", "worked"]
    rows = report["timeline"]
    assert rows[0]["start_ns"] == 0 and all(a["time_ns"] == b["start_ns"] for a, b in zip(rows, rows[1:]))
    assert max(row["live_bytes"] for row in rows) == 11 * MIB + 500
    assert sum(row["events"] for row in rows) == report["trace"]["events"] == 9
    assert rows[-1]["end_live_bytes"] == 4 * MIB + 20 and rows[-1]["end_live_allocations"] == 3
    at_mark = [row for row in rows if row["time_ns"] == 10**9]
    assert at_mark[0]["end_live_bytes"] == 8 * MIB  # the mark `loaded` ends an interval


@pytest.mark.parametrize("seed", range(8))
def test_rows_equal_adding_up_the_events(look, seed):
    history = History(seed)
    report = parsed(look(history.trace, "timeline", "--json"))
    states = [(time, history.bytes_at(position + 1)) for position, time in enumerate(history.times)]
    rows = report["timeline"]
    for row in rows:
        inside = [size for time, size in states if row["start_ns"] < time <= row["time_ns"] or (row["start_ns"] == time == 0)]
        before = [size for time, size in states if time <= row["start_ns"]]
        assert row["live_bytes"] <= max(inside + before + [0])
        if row["start_ns"] < row["time_ns"] and not any(mark["time_ns"] in (row["start_ns"], row["time_ns"]) for mark in report["marks"]) \
                and report["peak"]["time_ns"] not in (row["start_ns"], row["time_ns"]):
            assert row["live_bytes"] == max(inside + before[-1:] + [0]), row
            assert row["end_live_bytes"] == (inside or before or [0])[-1], row
    assert max(row["live_bytes"] for row in rows) == report["peak"]["bytes"]
    assert sum(row["events"] for row in rows) == sum(event[0] != "mark" for event in history.events)


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 250, 400])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_no_row_is_wider_than_the_terminal(look, columns, locale):
    t = job()
    t.mark("a name that is much longer than there is room for it, and then some more of it still")
    t.mark("\x1b[31mrot\n")
    shown = lines(look(t, "timeline", env={"COLUMNS": str(columns), "LC_ALL": locale}))
    assert max(map(width, shown)) <= columns
    assert not any(ord(each) < 32 or (locale == "C" and ord(each) > 126) for line in shown for each in line)
    assert any("MiB" in line for line in shown)


def plot_rows(shown):
    return [line.partition("┤")[2] if "┤" in line else line.partition("│")[2] for line in shown if re.match(r"^.{9} [┤│]", line)]


def test_the_area_is_as_high_as_what_lived(look):
    t, load, work = stage()
    t.time(10**9)
    a = t.alloc(load, 10 * MIB)
    t.time(2 * 10**9)
    b = t.alloc(load, 10 * MIB)
    t.time(3 * 10**9)
    t.free(a)
    t.free(b)
    t.time(4 * 10**9)
    shown = lines(look(t, "timeline", env={"COLUMNS": "91"}))
    rows = plot_rows(shown)
    height = lambda column: sum(row[column:column + 1] == "█" for row in rows)
    assert [line.split()[0:2] for line in shown if "┤" in line] == [["20", "MiB"], ["15", "MiB"], ["10", "MiB"], ["5", "MiB"]]
    assert [height(column) for column in (5, 25, 50, 70)] == [0, len(rows) // 2, len(rows), 0]
    assert any("▼ peak 20.0 MiB" in line for line in shown)


def test_zooming_shows_the_interval_alone(look):
    whole = lines(look(job(), "timeline"))
    part = lines(look(job(), "timeline", "--from", "worked", "--to", "4.5s"))
    assert any("between mark worked (3.00 s) and 4.50 s" in line for line in part)
    assert any("4 MiB" in line and "┤" in line for line in part)  # the scale is the interval's
    assert not any("loaded" in line for line in part[5:]) and any("loaded" in line for line in whole)
    report = parsed(look(job(), "timeline", "--json", "--from", "worked", "--to", "4.5s"))
    assert (report["window"]["from_ns"], report["window"]["to_ns"]) == (3 * 10**9, 45 * 10**8)
    assert all(row["time_ns"] >= 3 * 10**9 and row["start_ns"] <= 45 * 10**8 for row in report["timeline"])
    assert report["peak"]["bytes"] == 4 * MIB + 220


def test_marks_stand_below_their_moment(look):
    shown = lines(look(job(), "timeline", env={"COLUMNS": "111"}))  # 100 columns for 5 s
    row = next(line for line in shown if "▲ loaded" in line)
    assert row.index("▲ loaded") == 11 + 19 and row.index("▲ worked") == 11 + 59
    assert "marks" in row


def test_very_many_marks_leave_the_plot_readable(look):
    t, load, work = stage()
    for i in range(3000):
        t.time(1 + i * 10**6)
        t.free(t.alloc(load, 1000))
        t.mark(f"lap {i}")
    shown = lines(look(t, "timeline"))
    assert len(shown) < 40
    assert any("lap 0" in line for line in shown)
    assert any(re.search(r"[\d,]+ more marks", line) for line in shown)


def test_a_trace_in_which_nothing_was_allocated_has_a_plot_too(look):
    t = Trace()
    t.process()
    t.time(10**6)
    shown = lines(look(t, "timeline"))
    assert any("0 B" in line for line in shown)
    assert parsed(look(t, "timeline", "--json"))["peak"]["bytes"] == 0


@pytest.mark.parametrize("end", [1, 999, 10**6, 10**12, 10**17, 2**62])
def test_any_duration_has_an_axis(look, end):
    t, load, work = stage()
    t.alloc(load, 1000)
    t.time(end // 2)
    t.mark("half")
    t.alloc(work, 2**46)
    t.time(end)
    shown = lines(look(t, "timeline"))
    assert any("half" in line for line in shown) and any("TiB" in line for line in shown)
    assert sum("┬" in line for line in shown) == 1
    lines(look(t, "timeline", "--from", "half"))
    parsed(look(t, "timeline", "--json", "--from", "99.9%"))


def test_one_process_of_several(record):
    recording = record("""
        import os, time
        mine = bytearray(3_000_000)
        child = os.fork()
        if not child:
            its = bytearray(9_000_000)
            time.sleep(0.05)
            os._exit(0)
        os.waitpid(child, 0)
    """)
    processes = recording.summary()["processes"]
    whole = recording.report("timeline")
    child = recording.report("timeline", "--pid", str(processes[1]["pid"]))
    assert max(row["live_bytes"] for row in child["timeline"]) == processes[1]["peak_bytes"] == child["peak"]["bytes"]
    assert whole["peak"]["bytes"] > 12_000_000 > child["peak"]["bytes"] > 9_000_000
    assert max(row["rss_bytes"] for row in whole["timeline"]) > 0


def test_a_terminal_has_colours_and_a_pipe_none(tmp_path):
    path = tmp_path / "t.lz4"
    path.write_bytes(job().finish())
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    for options, colours in (([], True), (["--no-color"], False)):
        master, slave = pty.openpty()
        process = subprocess.Popen([BUILD / "memreplay", "timeline", *options, path], stdout=slave, stdin=subprocess.DEVNULL, env=environment)
        os.close(slave)
        seen = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        assert process.wait() == 0
        assert (b"\x1b[" in seen) == colours
    piped = subprocess.run([BUILD / "memreplay", "timeline", path], capture_output=True, env=environment).stdout
    assert b"\x1b" not in piped


def test_stdin_and_files_tell_the_same(look, tmp_path, memreplay):
    whole = job().finish()
    from_file = look(whole, "timeline", "--json")
    piped = subprocess.run([BUILD / "memreplay", "timeline", "--json", "-"], input=whole, capture_output=True)
    assert json.loads(piped.stdout) == json.loads(from_file.out)
    out = tmp_path / "timeline.txt"
    assert memreplay("timeline", "-o", out, tmp_path / "trace.lz4", env={"LC_ALL": "C.UTF-8"}).status == 0
    assert "peak" in out.read_text()
