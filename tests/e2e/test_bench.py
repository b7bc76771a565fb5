"""The bench: what it measures of a process tree, how it judges, and that its check of instructions can fail.

The figures here are made up or counted by hand; none of them is a time that this machine has to reach.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH = ROOT / "tools" / "bench"
INSTRUCTIONS = BENCH / "instructions"


@pytest.fixture
def bench(monkeypatch):
    """bench("goals") -> that module of the bench."""
    monkeypatch.syspath_prepend(str(BENCH))
    return __import__


def metered(tmp_path, source, limit_s=60):
    """What meter.measure tells of a Python source, asked from a process of its own, which becomes the tree's reaper."""
    (tmp_path / "job.py").write_text(textwrap.dedent(source))
    (tmp_path / "folder").mkdir(exist_ok=True)
    ask = f"""
        import json, sys
        sys.path.insert(0, {str(BENCH)!r})
        import meter
        meter.become_reaper()
        told = meter.measure([sys.executable, {str(tmp_path / 'job.py')!r}], {str(tmp_path / 'folder')!r}, {str(tmp_path / 'said')!r}, limit_s={limit_s})
        print(json.dumps(told._asdict()))"""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(ask)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_meter_counts_a_helper_that_outlives_the_program(tmp_path):
    told = metered(tmp_path, """
        import os, time
        if os.fork() == 0 and os.fork() == 0:
            os.setsid()
            held = b"x" * 50_000_000
            while time.process_time() < 0.5:
                pass
        os._exit(3)""")
    assert told["status"] == 3
    assert told["cpu_s"] >= 0.5
    assert told["settled_s"] > told["wall_s"]
    assert max(rss for rss, _ in told["processes"].values()) >= 50_000_000


def test_meter_sees_what_lay_on_disk_meanwhile(tmp_path):
    told = metered(tmp_path, f"""
        import os, time
        path = {str(tmp_path / 'folder' / 'trace')!r}
        with open(path, "wb") as file:
            file.write(bytes(1_000_000))
        time.sleep(0.5)
        os.truncate(path, 10)""")
    assert told["status"] == 0
    assert told["disk_bytes"] == 1_000_000


def test_meter_ends_all_that_takes_too_long(tmp_path):
    told = metered(tmp_path, """
        import os, time
        if os.fork() == 0:
            os.setsid()
        time.sleep(100)""", limit_s=1)
    assert told["late"] and told["status"] == -signal.SIGKILL
    assert not any(os.path.exists(f"/proc/{pid}") for pid in told["processes"])


@pytest.mark.parametrize("lost, why", [(0, None), (2037662, "2,037,662 events were lost")])
def test_recording_that_is_not_whole_is_no_figure(bench, monkeypatch, tmp_path, lost, why):
    meter, rounds = bench("meter"), bench("rounds")

    def measure(command, output, words, **how):
        pathlib.Path(words).write_text('bench {"pid": 7, "body_s": 1.5, "body_cpu_s": 1.5, "rss_bytes": 9}\n')
        pathlib.Path(output, "trace").write_bytes(b"bytes")
        return meter.Measured(**dict.fromkeys(meter.Measured._fields, 0) | {"late": False, "processes": {}})

    monkeypatch.setattr(meter, "become_reaper", lambda: None)
    monkeypatch.setattr(meter, "measure", measure)
    monkeypatch.setattr(bench("peers"), "told_by", lambda recorder, out: {"events": 10, "lost": lost})
    run = bench("catalog").Run("main", "calls", "", "memrec --native")
    record = rounds.Bench(bench("results").Results(), limit_s=60, patience_s=60).record(run, 0, str(tmp_path))
    assert record["why"] == why and ("body_s" in record) == (why is None)


def results_with(bench, **bodies):
    """Results of two rounds of calls: recorder -> the seconds of its body in both (an underscore stands for a blank)."""
    results = bench("results").Results()
    results.facts = {"machine": {"cores": 2, "processor": "a", "memory_bytes": 1, "kernel": "k", "python": "3", "compiler": "c", "commit": "x"},
                     "started": "then", "took_s": 60, "finished": False, "scale": 1, "load": "0", "versions": {}}
    for recorder, seconds in bodies.items():
        for number, body in enumerate(seconds):
            results.runs.append({
                "part": "main", "workload": "calls", "variant": "", "recorder": recorder.replace("_", " "), "cores": 0, "round": number,
                "share": 1.0, "why": None if body else "took over 45 s", "wall_s": body or 45.0, "settled_s": body, "cpu_s": body, "body_s": body,
                "rss_bytes": 10_000_000, "threads": 1, "helper_bytes": 0, "disk_bytes": 100, "disk_most_bytes": 100, "events": 10, "stacks": 1, "live_blocks": 1})
    return results


def row_of_calls(bench, results):
    return next(three for workload, three in bench("goals").rows(results) if workload.name == "calls")


def test_goal_is_judged_by_the_ratio_of_the_same_round(bench):
    every, without, one_core = row_of_calls(bench, results_with(bench, bare=[1.0, 4.0], memrec=[1.3, 5.2]))
    assert (every.measured, every.reached) == ("1.30", True)
    assert without.reached is None and one_core.reached is None


def test_goal_is_missed_beyond_its_limit_and_by_what_fails(bench):
    assert row_of_calls(bench, results_with(bench, bare=[1.0], memrec=[1.36]))[0].reached is False
    assert row_of_calls(bench, results_with(bench, bare=[1.0], memrec=[None]))[0].reached is False


def test_goal_beside_peers_is_judged_by_the_cheapest(bench):
    cheap = bench("goals").peers_beaten(results_with(bench, bare=[1.0], memrec=[1.3], memray=[1.5], heaptrack=[1.2]))
    assert cheap.reached is False and "heaptrack" in cheap.measured


def storms(bench, *cells):
    """Results of storms: (threads, recorder, seconds of the body, CPU seconds)."""
    results = results_with(bench)
    for count, recorder, body, cpu in cells:
        results.runs.append({"part": "threads", "workload": "storm", "variant": count, "recorder": recorder, "cores": 0, "round": 0, "share": 1.0,
                             "why": None, "body_s": body, "cpu_s": cpu, "wall_s": body, "events": 10**8 if recorder == "memrec" else None})
    return results


def test_threads_are_judged_by_what_recording_takes_from_all_cores(bench):
    bare = ("1", "bare", 1.0, 1.0), ("1", "memrec", 1.1, 3.0), ("4", "bare", 0.5, 1.0)
    storm, free = bench("goals").convoys(storms(bench, *bare, ("4", "memrec", 1.5, 4.0)))
    assert (storm.measured, storm.reached) == ("30.0 against 20.0 ns (by wall time alone 20.0 against 1.0)", True)
    assert free.reached is None
    spinning, sleeping = ("4", "memrec", 1.5, 5.1), ("4", "memrec", 2.6, 2.0)
    assert next(bench("goals").convoys(storms(bench, *bare, spinning))).reached is False
    assert next(bench("goals").convoys(storms(bench, *bare, sleeping))).reached is False


def test_views_are_judged_by_time_and_memory_beside_memray_s(bench):
    results = results_with(bench, bare=[1.0])
    for title, wall, rss in (("memreplay flamegraph", 2.0, 40e6), ("memray flamegraph", 9.9, 120e6), ("memray flamegraph --temporal", 20.0, 100e6)):
        results.reports.append({"part": "views", "workload": "calls", "variant": "", "report": title, "cores": 0, "why": None, "wall_s": wall,
                                "rss_bytes": rss, "events": 10})
    found = {each.goal: (each.measured, each.reached) for each in bench("goals").views(results) if each.measured}
    assert found == {"time of memreplay flamegraph beside memray flamegraph": ("1/5.0 (calls)", False),
                     "memory of memreplay flamegraph beside memray flamegraph": ("1/3.0 (calls)", True),
                     "time of memreplay flamegraph beside memray flamegraph --temporal": ("1/10.0 (calls)", True),
                     "memory of memreplay flamegraph beside memray flamegraph --temporal": ("1/2.5 (calls)", False)}
    assert "memray flamegraph --temporal" in bench("tables").markdown(results)


def test_native_frames_are_judged_beside_the_same_mode_and_the_peers_that_have_them(bench):
    results = results_with(bench)
    for name, bodies in {"thirty": {"bare": 2.0, "memrec": 4.0, "memrec --native": 5.0, "memrec --no-objects": 3.0, "memrec --no-objects --native": 4.2},
                         "forest": {"bare": 1.0, "memrec --native": 1.5, "memrec --no-objects --native": 1.3, "memray --native": 2.0, "heaptrack": 1.4, "memrec": 1.1}}.items():
        for recorder, body in bodies.items():
            results.runs.append({"part": "native", "workload": name, "variant": "", "recorder": recorder, "cores": 0, "round": 0, "share": 1.0,
                                 "why": None, "body_s": body, "wall_s": body, "cpu_s": body, "helper_bytes": 0})
    results.reports.append({"part": "native", "workload": "forest", "variant": "", "report": "memreplay flamegraph, native", "cores": 0, "why": None,
                            "wall_s": 2.9, "rss_bytes": 301e6, "events": 10})
    found = [(each.measured, each.reached) for each in bench("goals").native(results)]
    assert found == [("1.40 (memrec --no-objects --native); 1 of 2 miss", False),
                     ("1.30 against 1.40 (forest, beside heaptrack)", True), ("1.50 against 1.40 (forest, beside heaptrack)", False),
                     ("2.90 s (forest)", True), ("301 MB (forest)", False), ("", None), ("", None)]
    assert "With native frames" in bench("tables").markdown(results)


def test_every_workload_is_one(bench):
    assert {each.__name__ for each in bench("workloads").ALL} | {"storm"} == set(bench("catalog").BOTH) | {"documents"}


def test_every_view_is_asked_beside_a_peer_s(bench):
    catalog, peers = bench("catalog"), bench("peers")
    asked = {report for group in catalog.views_part(["calls"], list(peers.ALL), 1.0) for run in group for report in run.reports}
    assert asked == {title for pair in peers.VIEWS for title in pair} and asked <= set(peers.REPORTS)


def test_tables_of_a_run_that_was_ended_keep_a_document_s_own_words(bench, tmp_path):
    tables = bench("tables")
    text = tables.markdown(results_with(bench, bare=[1.0], memrec=[1.3], tracemalloc=[None]))
    assert "1.30 of 1.35: reached" in text and "not finished" in text and "over 45" in text
    document = tmp_path / "performance.md"
    document.write_text(f"mine\n{tables.BEGIN}\nold\n{tables.END}\nmine too\n")
    tables.put_into(document, text)
    assert document.read_text() == f"mine\n{tables.BEGIN}\n{text}{tables.END}\nmine too\n"


@pytest.fixture
def folder(tmp_path):
    """A folder for the bench with an interpreter that needs nothing installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    return tmp_path


def bench_run(folder, *options):
    environment = dict(os.environ, MEMREC_BENCH_FOLDER=str(folder))
    return subprocess.Popen([sys.executable, BENCH / "run", "--tools", "memrec", "--parts", "main", *options], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.release_only
def test_bench_measures_and_judges(folder):
    done = bench_run(folder, "--only", "calls", "--scale", "0.01", "--rounds", "2")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    told = json.loads((folder / "results.json").read_text())
    assert [(run["recorder"], run["why"]) for run in told["runs"]] == [("bare", None), ("memrec", None), ("memrec", None), ("bare", None)]
    assert told["runs"][1]["events"] > 200_000  # 50,000 steps that make two objects each, and free them
    assert "calls, small objects" in out and "### Goals" in out


@pytest.mark.release_only
def test_bench_that_is_ended_tells_what_it_has(folder):
    running = bench_run(folder, "--only", "calls,deep", "--scale", "0.05", "--rounds", "1000")
    for line in running.stderr:
        if "calls memrec" in line:
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "not finished" in out and json.loads((folder / "results.json").read_text())["facts"]["finished"] is False


def test_instructions_counts_one_library_alone(bench, monkeypatch, tmp_path):
    """What is told of a callee is not counted twice, and a name that a call told first is known where its object opens."""
    from importlib import machinery, util
    loader = machinery.SourceFileLoader("bench_instructions", str(INSTRUCTIONS))
    module = util.module_from_spec(util.spec_from_loader(loader.name, loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which it sets for itself
    loader.exec_module(module)
    counted = tmp_path / "callgrind.out"
    counted.write_text(textwrap.dedent("""\
        events: Ir
        ob=(1) /usr/bin/program
        fn=(1) main
        10 7
        cob=(2) /x/libmemrec.so
        cfn=(2) malloc
        calls=1 20
        10 500
        +1 3

        ob=(2)
        fn=(2)
        20 100
        +2 11
        cob=(1)
        cfn=(1)
        calls=1 10
        * 40
        -1 1
        """))
    assert module.count(counted, "libmemrec.so") == 112
    assert module.count(counted, "") == 122


@pytest.mark.release_only
@pytest.mark.skipif(not shutil.which("valgrind"), reason="no valgrind")
def test_instructions_fail_where_an_event_costs_more_than_was_kept(tmp_path):
    def check(*options):
        done = subprocess.run([sys.executable, INSTRUCTIONS, "--only", "storm", "--numbers", numbers, *options], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    numbers = tmp_path / "numbers.json"
    assert check("--write")[0] == 0
    status, told = check()
    assert status == 0 and re.search(r"[+-]0\.0%", told), told
    kept = json.loads(numbers.read_text())
    less = dict(kept, instructions_per_event={"storm": kept["instructions_per_event"]["storm"] * 0.95})
    numbers.write_text(json.dumps(less))
    status, told = check()
    assert status == 1 and "GREW" in told
    numbers.write_text(json.dumps(dict(less, setting=dict(kept["setting"], compiler="another"))))
    status, told = check()
    assert status == 77 and "not compared" in told
