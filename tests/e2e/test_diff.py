"""memreplay diff on traces whose every byte is known: what it matches, what adds up, what it calls noise, and on random ones
against a recomputation from their events."""
import collections
import json
import random

import pytest

from memreplay_traces import Trace

MIB = 1 << 20
pytestmark = pytest.mark.san


def path(*frames):
    """Frames as (name, file) or a bare name in the script; lines don't matter."""
    return tuple(frame if isinstance(frame, tuple) else (frame, "/home/ana/job/job.py") for frame in frames)


def held(blocks, python="3.11.7", argv=("python3", "job.py"), line=10, time_s=1, ran=(), **how):
    """A run whose peak at time_s is these blocks: (path, bytes), … all freed a second later. ran: paths that never held any."""
    t = Trace(argv, **how)
    process = t.process(python=python, argv=argv)
    thread = t.new_thread(process)
    functions, nodes = {}, {(): 0}
    t.function("<module>", "/home/ana/job/job.py")

    def stack(frames):
        if frames not in nodes:
            parent = stack(frames[:-1])
            if frames[-1] not in functions:
                functions[frames[-1]] = t.function(*frames[-1], line)
            nodes[frames] = t.stack(parent, functions[frames[-1]], line + len(frames))
        return nodes[frames]

    t.on(thread)
    for frames in ran:
        t.free(t.alloc(stack(path(*frames)), 1))
    t.time(time_s * 10**9)
    indices = [t.alloc(stack(path(*frames)), size) for frames, size in blocks]
    t.time((time_s + 1) * 10**9)
    for index in indices:
        t.free(index)
    t.process_end(process)
    t.exit()
    return t


@pytest.fixture
def diff(memreplay, tmp_path):
    """diff(before, after, options…): traces become files before.lz4 and after.lz4; lists of them several a side."""

    def run(before, after, *args, status=0, env=None):
        sides = []
        for name, side in (("before", before), ("after", after)):
            traces = side if isinstance(side, list) else [side]
            files = [tmp_path / f"{name}{i}.lz4" for i in range(len(traces))]
            for file, trace in zip(files, traces):
                file.write_bytes(trace if isinstance(trace, bytes) else trace.finish())
            sides.append(files)
        several = isinstance(before, list) or isinstance(after, list)
        operands = ["--before", *sides[0], "--after", *sides[1]] if several else [*sides[0], *sides[1]]
        done = memreplay("diff", *args, *operands, env={"LC_ALL": "C.UTF-8", "COLUMNS": "200", **(env or {})})
        assert done.status == status, done.err
        return json.loads(done.out) if "--json" in args else done.out

    return run


def functions(report):
    return {(each["function"], each["file"].rsplit("/", 1)[-1]): each for each in report["functions"]}


def adds_up(report):
    assert sum(each["delta_bytes"] for each in report["stacks"]) == report["after"]["bytes"] - report["before"]["bytes"]
    assert sum(each["before_bytes"] for each in report["stacks"]) == report["before"]["bytes"]
    assert sum(each["after_bytes"] for each in report["stacks"]) == report["after"]["bytes"]
    assert report["delta_bytes"] == report["after"]["bytes"] - report["before"]["bytes"]


def test_absolute_bytes_come_first(diff):
    text = diff(held([(["main", "load"], 1300 * MIB)], time_s=3), held([(["main", "load"], 838 * MIB)], time_s=4))
    assert "peak 1.27 GiB -> 838 MiB, -462 MiB (-35.5%)" in text
    assert "at 3.00 s of 4.00 s -> at 4.00 s of 5.00 s" in text


WHOLE = """\
before  before.lz4  python3 job.py, Python 3.11.7
after   after.lz4  python3 job.py, Python 3.11.7

peak 60.0 MiB -> 55.0 MiB, -5.02 MiB (-8.4%)
  at 1.00 s of 2.00 s -> at 2.00 s of 3.00 s
  in 3 -> 3 blocks

The peak moved from 1.00 s to 2.00 s: 30.0 MiB of what held it is no longer there, 25.0 MiB of other
things are.
What held the old one, and what that holds at the new one:
  40.0 MiB   10.0 MiB  -30.0 MiB  load job.py
What holds the new one, and what that held at the old one:
       0 B   25.0 MiB  +25.0 MiB  merge job.py  new

own before  own after own change     in all  function
  40.0 MiB   10.0 MiB  -30.0 MiB  -30.0 MiB  load job.py
       0 B   25.0 MiB  +25.0 MiB  +25.0 MiB  merge job.py  new
                       -20.0 KiB             in 1 more function
  60.0 MiB   55.0 MiB  -5.02 MiB             in all

    change     before      after  where, from the outermost caller
 -5.02 MiB   60.0 MiB   55.0 MiB  main job.py
 -30.0 MiB   40.0 MiB   10.0 MiB  ├─ load job.py
 +25.0 MiB        0 B   25.0 MiB  └─ merge job.py  new
 -20.0 KiB                        too small for a row
"""


def test_the_whole_report(memreplay, tmp_path):
    before = held([(["main", "load"], 40 * MIB), (["main", "sort"], 20 * MIB), (["main", "small"], 20 * 1024)])
    after = held([(["main", "load"], 10 * MIB), (["main", "sort"], 20 * MIB), (["main", "merge"], 25 * MIB)], time_s=2)
    (tmp_path / "before.lz4").write_bytes(before.finish())
    (tmp_path / "after.lz4").write_bytes(after.finish())
    done = memreplay("diff", "before.lz4", "after.lz4", cwd=tmp_path, env={"LC_ALL": "C.UTF-8", "COLUMNS": "100"})
    assert done.out == WHOLE


def test_json_has_the_contract_s_fields(diff):
    report = diff(held([(["main", "load"], 30), (["main"], 4)], time_s=3), held([(["main", "load"], 10)]), "--json")
    assert report["schema"] == "memreplay.diff/1"
    before = report["before"]
    assert (before["bytes"], before["time_ns"], before["trace"]["pid"]) == (34, 3 * 10**9, 100)
    assert report["after"]["trace"]["command"] == ["python3", "job.py"]
    assert "trace" not in report
    main = functions(report)["main", "job.py"]
    assert (main["before_bytes"], main["after_bytes"], main["delta_bytes"], main["self_delta_bytes"]) == (34, 10, -24, -4)
    assert report["stacks"][0]["delta_bytes"] == -20
    assert [frame["function"] for frame in report["stacks"][0]["frames"]] == ["main", "load"]
    adds_up(report)


def test_lines_that_move_don_t_matter(diff):
    blocks = [(["main", "load"], 30 * MIB)]
    text = diff(held(blocks, line=10), held(blocks, line=99))
    assert "no difference" in text and "every call path holds the same" in text


def test_a_trace_and_itself_differ_in_nothing(diff):
    trace = held([(["main", "load"], 30 * MIB), (["main"], 5)]).finish()
    report = diff(trace, trace, "--json")
    assert report["delta_bytes"] == 0 and report["noise"] is True
    assert all(each["delta_bytes"] == 0 for each in report["stacks"] + report["functions"])
    assert "peak 30.0 MiB -> 30.0 MiB, no difference" in diff(trace, trace)


@pytest.mark.parametrize("before, after", [
    ("/home/ana/.venv/lib/python3.11/site-packages/pandas/io/x.py", "/opt/lib/python3.13/site-packages/pandas/io/x.py"),
    ("/usr/lib/python3/dist-packages/yaml/reader.py", "/srv/venv/lib/python3.12/site-packages/yaml/reader.py"),
    ("/usr/lib/python3.11/json/decoder.py", "/usr/local/lib/python3.12/json/decoder.py"),
    ("<frozen posixpath>", "/usr/lib/python3.11/posixpath.py"),
])
def test_installations_don_t_matter(diff, before, after):
    report = diff(held([([("f", before)], 30)]), held([([("f", after)], 20)]), "--json")
    assert len(report["functions"]) == 1
    assert report["functions"][0]["delta_bytes"] == -10
    assert (report["functions"][0]["before_file"], report["functions"][0]["after_file"]) == (before, after)


def test_the_script_s_folder_and_name_don_t_matter(diff):
    old, new = "/home/ana/v1/job.py", "/srv/v2/job_fast.py"
    before = held([([("<module>", old), ("load", "/home/ana/v1/lib/load.py")], 30 * MIB)], argv=("python3", "v1/job.py"))
    after = held([([("<module>", new), ("load", "/srv/v2/lib/load.py")], 20 * MIB)], argv=("python3", "./job_fast.py"))
    report = diff(before, after, "--json")
    assert [each["delta_bytes"] for each in report["stacks"]] == [-10 * MIB]
    assert "job.py and job_fast.py are compared as one" in diff(before, after)


def test_equal_names_in_different_files_stay_apart(diff):
    before = held([([("load", "/srv/a.py")], 30), ([("load", "/srv/b.py")], 7)])
    after = held([([("load", "/srv/a.py")], 30), ([("load", "/srv/b.py")], 9)])
    found = functions(diff(before, after, "--json"))
    assert found["load", "a.py"]["delta_bytes"] == 0
    assert found["load", "b.py"]["delta_bytes"] == 2


def test_a_package_is_not_a_folder_of_the_script_s(diff):
    before = held([(["<module>", ("load", "/home/ana/job/yaml/reader.py")], 30)])
    after = held([(["<module>", ("load", "/usr/lib/python3/dist-packages/yaml/reader.py")], 30)])
    assert len([each for each in diff(before, after, "--json")["functions"] if each["function"] == "load"]) == 2


@pytest.mark.parametrize("once, often", [
    (["main", "walk", "leaf"], ["main"] + ["walk"] * 9 + ["leaf"]),
    (["main", "node", "list", "leaf"], ["main"] + ["node", "list"] * 5 + ["leaf"]),
    (["a", "b", "c", "leaf"], ["a", "b", "c"] * 3 + ["leaf"]),
])
def test_recursion_of_any_depth_is_the_same_path(diff, once, often):
    report = diff(held([(once, 30)]), held([(often, 30)]), "--json")
    assert [each["delta_bytes"] for each in report["stacks"]] == [0]
    assert [frame["function"] for frame in report["stacks"][0]["frames"]] == once
    assert all((each["before_bytes"], each["after_bytes"]) == (30, 30) for each in report["functions"])


def test_bare_names_where_one_side_knows_no_others(diff):
    new = [([("Reader.load", "/srv/a.py"), ("Reader.load.<locals>.one", "/srv/a.py")], 30 * MIB)]
    old = [([("load", "/srv/a.py"), ("one", "/srv/a.py")], 30 * MIB)]
    text = diff(held(old, python="3.10.2"), held(new))
    assert "no difference" in text and "bare names" in text and "every call path" in text
    report = diff(held(new), held(old, python="3.9.18"), "--json")
    assert sorted(each["function"] for each in report["functions"]) == ["load", "one"]
    assert [each["delta_bytes"] for each in report["stacks"]] == [0]
    report = diff(held(new), held(new), "--json")
    assert sorted(each["function"] for each in report["functions"]) == ["Reader.load", "Reader.load.<locals>.one"]


def test_comprehensions_where_one_side_has_none(diff):
    old = [([("main", "/srv/a.py"), ("main.<locals>.<listcomp>", "/srv/a.py")], 30 * MIB)]
    new = [([("main", "/srv/a.py")], 30 * MIB)]
    assert "every call path" in diff(held(old), held(new, python="3.12.1"))
    assert len(diff(held(old), held(old), "--json")["functions"]) == 2


def test_what_is_new_and_what_is_gone_is_said(diff):
    text = diff(held([(["main", "parse_rows"], 30 * MIB)]), held([(["main", "xyz"], 40 * MIB)]))
    assert any("parse_rows" in line and line.endswith("gone") for line in text.splitlines())
    assert any("xyz" in line and line.endswith("new") for line in text.splitlines())


def test_what_ran_but_held_nothing_is_not_new(diff):
    text = diff(held([(["main"], 30 * MIB)], ran=[["main", "other"]]), held([(["main", "other"], 40 * MIB)]))
    assert not any("other" in line and line.endswith("new") for line in text.splitlines())


def test_a_renamed_function_is_proposed_and_not_merged(diff):
    before, after = held([(["main", "load", "parse"], 30 * MIB)]), held([(["main", "load_all", "parse"], 28 * MIB)])
    report = diff(before, after, "--json")
    proposal, = report["proposals"]
    assert (proposal["kind"], proposal["before"]["function"], proposal["after"]["function"]) == ("renamed", "load", "load_all")
    assert functions(report)["load", "job.py"]["after_bytes"] == 0
    assert "load may be load_all now (job.py): 30.0 MiB -> 28.0 MiB, -2.00 MiB" in diff(before, after)
    assert "another name: `load` `job.py` *gone* and `load_all` `job.py` *new*." in diff(before, after, "--markdown")


def test_a_moved_function_is_proposed_and_not_merged(diff):
    before = held([(["main", ("load", "/home/ana/job/a.py")], 30 * MIB)])
    after = held([(["main", ("load", "/home/ana/job/b.py")], 28 * MIB)])
    proposal, = diff(before, after, "--json")["proposals"]
    assert (proposal["kind"], proposal["before"]["file"][-4:], proposal["after"]["file"][-4:]) == ("moved", "a.py", "b.py")
    assert "load may have moved from" in diff(before, after)


def test_what_still_runs_was_not_renamed(diff):
    before = held([(["main", "load"], 30 * MIB)], ran=[["main", "load_all"]])
    assert diff(before, held([(["main", "load_all"], 28 * MIB)]), "--json")["proposals"] == []
    before, after = held([(["main", "load"], 30 * MIB)]), held([(["main", "load"], 2 * MIB), (["main", "load_all"], 28 * MIB)])
    assert diff(before, after, "--json")["proposals"] == []


def test_a_peak_that_moved_is_said(diff):
    before = held([(["main", "load"], 500 * MIB), (["main", "sort"], 400 * MIB)], time_s=3)
    after = held([(["main", "load"], 500 * MIB), (["main", "merge"], 300 * MIB), (["main", "sort"], 10 * MIB)], time_s=8)
    text = diff(before, after)
    assert "The peak moved from 3.00 s to 8.00 s" in text
    report = diff(before, after, "--json")
    assert report["moved"] is True
    assert [(each["function"], each["before_bytes"], each["after_bytes"]) for each in report["old_holders"]] == \
        [("sort", 400 * MIB, 10 * MIB)]
    assert [(each["function"], each["before_bytes"], each["after_bytes"]) for each in report["new_holders"]] == \
        [("merge", 0, 300 * MIB)]


def test_a_peak_that_only_shrank_did_not_move(diff):
    before, after = held([(["main", "load"], 500 * MIB)]), held([(["main", "load"], 300 * MIB)])
    assert diff(before, after, "--json")["moved"] is False
    assert "moved" not in diff(before, after)


def phases(*blocks):
    """One function after another holds its bytes for a second: (name, bytes)."""
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    t.function("<module>", "/home/ana/job/job.py")
    for i, (name, size) in enumerate(blocks):
        t.time((2 * i + 1) * 10**9)
        index = t.alloc(t.stack(0, t.function(name, "/home/ana/job/job.py"), 7), size)
        t.time((2 * i + 2) * 10**9)
        t.free(index)
    t.exit()
    return t


@pytest.mark.parametrize("kind", ["trace", "database"])
def test_an_old_holder_that_is_hardly_lower_is_told(diff, memreplay, tmp_path, kind):
    before, after = phases(("load", 500 * MIB), ("merge", 300 * MIB)), phases(("load", 290 * MIB), ("merge", 300 * MIB))
    text = diff(before, after)
    if kind == "database":
        for name in ("before", "after"):
            assert memreplay("sqlite", "-o", tmp_path / f"{name}.db", tmp_path / f"{name}0.lz4").status == 0
        text = memreplay("diff", tmp_path / "before.db", tmp_path / "after.db", env={"COLUMNS": "200"}).out
    rows = [" ".join(line.split()) for line in text.splitlines()]
    lost = next(i for i, row in enumerate(rows) if row.startswith("500 MiB 0 B -500 MiB load"))
    assert rows[lost + 1].startswith("but after the change it reached 290 MiB, at 1.")
    gained = next(i for i, row in enumerate(rows) if row.startswith("0 B 300 MiB +300 MiB merge"))
    assert rows[gained + 1].startswith("before the change it reached 300 MiB, at 3.")
    holder, = diff(before, after, "--json")["old_holders"]
    assert (holder["before_highest_bytes"], holder["after_highest_bytes"]) == (500 * MIB, 290 * MIB)
    assert 10**9 <= holder["after_highest_ns"] <= 2 * 10**9


def test_a_renamed_holder_moves_no_peak(diff):
    report = diff(held([(["main", "load"], 300 * MIB)]), held([(["main", "load_all"], 280 * MIB)]), "--json")
    assert len(report["proposals"]) == 1 and report["moved"] is False


def test_small_differences_are_noise(diff):
    before, after = held([(["main", "load"], 500 * MIB)]), held([(["main", "load"], 500 * MIB + 400 * 1024)])
    assert "noise" in diff(before, after)
    assert diff(before, after, "--json")["noise"] is True
    assert diff(before, after, "--json", "--noise", "100KiB")["noise"] is False
    assert diff(before, after, "--json", "--noise", "0.01%")["noise"] is False


def test_64_kib_are_noise_however_small_the_peak(diff):
    assert diff(held([(["main"], 1000)]), held([(["main"], 1000 + 65536)]), "--json")["noise"] is True
    assert diff(held([(["main"], 1000)]), held([(["main"], 1000 + 65537)]), "--json")["noise"] is False


def runs(*sizes):
    return [held([(["main", "load"], size * MIB), (["main", "other"], (100 + 3 * i) * MIB)]) for i, size in enumerate(sizes)]


def test_several_runs_a_side_give_medians(diff):
    report = diff(runs(300, 310, 305), runs(200, 190, 999), "--json")
    adds_up(report)
    assert [run["bytes"] // MIB for run in report["before"]["runs"]] == [400, 413, 411]
    assert (report["before"]["bytes"], report["after"]["bytes"]) == (411 * MIB, 300 * MIB)
    load = functions(report)["load", "job.py"]
    assert (load["before_bytes"], load["after_bytes"]) == (305 * MIB, 200 * MIB)
    assert (load["before_spread_bytes"], load["after_spread_bytes"]) == (10 * MIB, 809 * MIB)
    assert load["noise"] is True and report["noise"] is True


def test_a_change_beyond_the_spread_is_none_of_noise(diff):
    text = diff(runs(300, 310, 305), runs(200, 190, 195))
    assert "3 runs before differ by 13.0 MiB, 3 runs after differ by 8.00 MiB: the change exceeds their spread" in text
    text = diff(runs(300, 310), runs(305, 302))
    assert "does not exceed their spread" in text and "noise" in text


def test_moments(diff, memreplay, tmp_path):
    def steps(*sizes):
        t = Trace()
        process = t.process()
        t.on(t.new_thread(process))
        node = t.stack(0, t.function("grow", "/srv/a.py"), 7)
        for i, size in enumerate(sizes):
            t.time((i + 1) * 10**9)
            t.alloc(node, size * MIB)
            t.mark(f"step{i + 1}")
        t.time(10 * 10**9)
        t.exit()
        return t

    at = lambda *args: diff(steps(1, 2, 4), steps(10, 20, 40), "--json", *args)
    assert (at("--at", "1.5s")["before"]["bytes"], at("--at", "1.5s")["after"]["bytes"]) == (MIB, 10 * MIB)
    assert (at("--at", "step2")["before"]["bytes"], at("--at", "end")["after"]["bytes"]) == (3 * MIB, 70 * MIB)
    assert [at("--from", "1.5s", "--to", "2.5s")[side]["bytes"] // MIB for side in ("before", "after")] == [1, 30]
    file = tmp_path / "before0.lz4"
    done = memreplay("diff", "--json", "--from", "1.5s", "--to", "2.5s", file)
    assert json.loads(done.out)["delta_bytes"] == 2 * MIB


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_databases_answer_as_their_traces_do(diff, memreplay, tmp_path, seed):
    chance = random.Random(seed)
    told = diff(Naive(chance).trace, Naive(chance).trace, "--json")
    files = []
    for name in ("before", "after"):
        files.append(tmp_path / f"{name}.db")
        assert memreplay("sqlite", "-o", files[-1], tmp_path / f"{name}0.lz4").status == 0
    again = json.loads(memreplay("diff", "--json", *files).out)
    for report in (told, again):
        for side in ("before", "after"):
            report[side].pop("name")
            report[side].pop("runs")
    assert again == told


def test_other_measures(diff):
    def run(kept, temporary):
        t = Trace()
        t.on(t.new_thread(t.process()))
        node = t.stack(0, t.function("f", "/srv/a.py"), 7)
        for _ in range(temporary):
            t.free(t.alloc(node, 100))
        t.alloc(node, kept)
        t.exit()
        return t

    got = {what: diff(run(10, 3), run(40, 5), "--json", f"--{what}") for what in ("leaks", "totals", "temporary")}
    assert {what: (each["before"]["bytes"], each["after"]["bytes"]) for what, each in got.items()} == \
        {"leaks": (10, 40), "totals": (310, 540), "temporary": (300, 500)}
    assert got["totals"]["before"]["time_ns"] is None
    for report in got.values():
        adds_up(report)


def test_markdown_is_a_table_whose_cells_names_cannot_end(diff):
    before = held([(["main", "lo`ad|x"], 300 * MIB)])
    text = diff(before, held([(["main", "other"], 100 * MIB)]), "--markdown")
    assert text.startswith("**peak 300 MiB -> 100 MiB, -200 MiB** (-66.7%)\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and all(row.count("|") == 6 for row in rows)


def test_the_other_way_round_is_asked(diff):
    early, late = held([(["main"], 30 * MIB)], started_ns=10**18), held([(["main"], 20 * MIB)], started_ns=10**18 + 90 * 10**9)
    assert "other way round" not in diff(early, late)
    assert "was recorded 90.0 s later" in diff(late, early)


def test_a_page_is_written_where_it_is_said(diff, memreplay, tmp_path):
    before, after = held([(["main", "<script>alert(1)</script>"], 30 * MIB)]), held([(["main"], 20 * MIB)])
    page = tmp_path / "page.html"
    diff(before, after, "--html", "-o", page)
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and "alert(1)" not in text and "http" not in text.replace("http-equiv", "").replace(
        "http://www.w3.org/2000/svg", "")
    files = [tmp_path / "before0.lz4", tmp_path / "after0.lz4"]
    again = memreplay("diff", "--html", "-o", page, *files)
    assert again.status == 2 and "-f" in again.err
    assert memreplay("diff", "--html", *files).status == 2
    assert memreplay("diff", "--html", "-o", "-", *files).out == text


@pytest.mark.parametrize("width", [80, 120])
def test_no_row_passes_the_width(diff, width):
    deep = ["main"] + [(f"a_rather_long_function_name_{i}", f"/srv/package/some/module_{i}.py") for i in range(30)]
    wide = [(deep[:i + 1], 3 * MIB * i) for i in range(1, 30)]
    text = diff(held(wide), held(wide[:15]), env={"COLUMNS": str(width)})
    assert max(map(len, text.splitlines())) <= width


def test_hostile_names_are_data(diff):
    text = diff(held([(["main", "\x1b[31mred\n"], 300 * MIB)]), held([(["main"], 1)]))
    assert "\x1b" not in text and "\\x1b[31mred\\x0a" in text


def test_one_damaged_side_is_said(diff, memreplay, tmp_path):
    whole = held([(["main"], 30 * MIB)])
    broken = bytearray(held([(["main"], 30 * MIB)]).finish())
    broken[-60] ^= 0xFF
    (tmp_path / "whole.lz4").write_bytes(whole.finish())
    (tmp_path / "broken.lz4").write_bytes(broken)
    for order in (["whole.lz4", "broken.lz4"], ["broken.lz4", "whole.lz4"]):
        done = memreplay("diff", *(tmp_path / name for name in order))
        assert done.status == 3
        assert "broken.lz4 is damaged" in done.err and "whole.lz4" not in done.err
        assert done.out.startswith("before ")


@pytest.mark.parametrize("args, words", [
    (["a"], "give a second trace"),
    (["a", "b", "c"], "takes two traces"),
    (["--before", "a"], "belong together"),
    (["--leaks", "--totals", "a", "b"], "exclude each other"),
    (["--leaks", "--from", "1s", "a", "b"], "whole runs"),
    (["--totals", "--at", "1s", "a", "b"], "whole runs"),
    (["--json", "--markdown", "a", "b"], "exclude each other"),
    (["--at", "1s", "--from", "1s", "a", "b"], "give one of them"),
    (["-", "--from", "1s"], "twice"),
    (["-", "-"], "twice"),
    (["--before", "-", "a", "--after", "b", "-"], "twice"),
    (["--html", "a", "b"], "-o"),
])
def test_wrong_usage(memreplay, args, words):
    done = memreplay("diff", *args)
    assert done.status == 2 and words in done.err and not done.out


def test_a_file_that_is_not_there(memreplay, tmp_path):
    (tmp_path / "a.lz4").write_bytes(held([(["main"], 1)]).finish())
    done = memreplay("diff", tmp_path / "a.lz4", tmp_path / "b.lz4")
    assert done.status == 3 and "b.lz4" in done.err


class Naive:
    """A random run, and what it came to, from its events alone."""

    def __init__(self, chance):
        names = [(name, file) for name in "abcd" for file in ("/srv/x.py", "/srv/y.py")]
        self.trace, blocks, live, best = Trace(), {}, collections.Counter(), (0, collections.Counter())
        t = self.trace
        t.on(t.new_thread(t.process()))
        ids = {name: t.function(*name) for name in names}
        stacks = [(0, ())]
        for _ in range(chance.randrange(1, 60)):
            parent, frames = chance.choice(stacks)
            name = chance.choice(names[:chance.choice([2, 8])])
            stacks.append((t.stack(parent, ids[name], chance.randrange(1, 90)), (*frames, name)))
        for _ in range(chance.randrange(0, 200)):
            t.time(t.now + chance.randrange(3))
            if blocks and chance.random() < 0.45:
                index = chance.choice(list(blocks))
                frames, size = blocks.pop(index)
                t.free(index)
                live[frames] -= size
            else:
                node, frames = chance.choice(stacks)
                size = chance.choice([0, 1, 100, chance.randrange(MIB)])
                blocks[t.alloc(node, size)] = frames, size
                live[frames] += size
            if sum(live.values()) > best[0]:
                best = sum(live.values()), live.copy()
        t.exit()
        self.bytes, self.peak = best

    def own(self, function):
        return sum(size for frames, size in self.peak.items() if frames[-1:] == (function,))

    def all(self, function):
        return sum(size for frames, size in self.peak.items() if function in frames)

    def paths(self):
        found = collections.Counter()
        for frames, size in self.peak.items():
            found[collapsed(frames)] += size
        return +found


def collapsed(frames):
    """A cycle that repeats at once stands once."""
    kept = []
    for frame in frames:
        kept.append(frame)
        for length in range(1, len(kept) // 2 + 1):
            if kept[-length:] == kept[-2 * length:-length]:
                del kept[-length:]
                break
    return tuple(kept)


@pytest.mark.parametrize("seed", range(25))
def test_random_runs_equal_a_recomputation(diff, seed):
    chance = random.Random(seed)
    before, after = Naive(chance), Naive(chance)
    report = diff(before.trace, after.trace, "--json")
    back = diff(after.trace, before.trace, "--json")
    assert (report["before"]["bytes"], report["after"]["bytes"]) == (before.bytes, after.bytes)
    adds_up(report)
    told = {(each["function"], each["file"]): each for each in report["functions"] if each["file"]}
    everything = {frame for run in (before, after) for frames in run.peak for frame in frames}
    for function in everything:
        if before.all(function) or after.all(function):
            each = told.pop(function)
            assert (each["before_bytes"], each["after_bytes"]) == (before.all(function), after.all(function))
            assert each["delta_bytes"] == after.all(function) - before.all(function)
            assert each["self_delta_bytes"] == after.own(function) - before.own(function)
    assert not told
    stacks = {tuple((frame["function"], frame["file"]) for frame in each["frames"]): each for each in report["stacks"]}
    assert {frames: each["before_bytes"] for frames, each in stacks.items() if each["before_bytes"]} == before.paths()
    assert {frames: each["after_bytes"] for frames, each in stacks.items() if each["after_bytes"]} == after.paths()
    swapped = {tuple((frame["function"], frame["file"]) for frame in each["frames"]): each for each in back["stacks"]}
    assert {key: -each["delta_bytes"] for key, each in swapped.items()} == {key: each["delta_bytes"] for key, each in stacks.items()}
    assert sum(each["self_delta_bytes"] for each in report["functions"]) == report["delta_bytes"]
