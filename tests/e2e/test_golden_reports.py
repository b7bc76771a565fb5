"""Every report, in each of its forms, as people and programs have seen it: tests/golden/reports keeps the texts of two small
runs that are made by hand here, one before a change and one after it. What figures are true is tested elsewhere, by
arithmetic; this tells that nothing about a report changes unseen. After a wanted change: run with MEMREC_GOLDEN=write,
read the difference as git shows it, commit it with the change.
"""
import os
import pathlib
import re

import pytest
from layered_traces import a_job
from memreplay_traces import MMAP, OBJECT_POOLED, Trace

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "reports"
MIB, SECOND = 1 << 20, 10**9
SITE = "/home/ana/.venv/lib/python3.11/site-packages/"


def a_run(rows_bytes, copies, renamed=False):
    """A job in two processes that loads rows, marks `loaded`, copies them and keeps a little."""
    t = Trace(command=("python3", "job.py", "--rows=9"))
    main, load = t.function("<module>", "/home/ana/work/job.py"), t.function("Table.load", "/home/ana/work/job.py", 8)
    parse = t.function("parse_rows" if renamed else "parse", SITE + "tables/parser.py", 40)
    work, copy = t.function("work", "/home/ana/work/job.py", 20), t.function("DataFrame.copy", SITE + "frames/core.py", 99)
    root, worker = t.process(), t.process(pid=101, parent=0, how=1)
    first, second = t.new_thread(root), t.new_thread(worker, tid=101, name="worker <1>")
    at_main, at_work = t.stack(0, main, 30), t.stack(0, main, 31)
    in_load, in_work = t.stack(at_main, load, 12), t.stack(at_work, work, 22)
    in_parse, in_copy = t.stack(in_load, parse, 44), t.stack(in_work, copy, 101)
    t.on(first)
    t.rss(root, 9 * MIB)
    rows = [t.alloc(in_parse, rows_bytes) for _ in range(4)]
    small = [t.alloc(in_load, 100 + each, OBJECT_POOLED) for each in range(50)]
    t.time(SECOND)
    t.mark("loaded")
    t.rss(root, 30 * MIB)
    t.map(0x7F0000000000, 2 * MIB, stack=in_work, allocator=MMAP)
    t.resident_range(root, 0x7F0000000000, 2 * MIB, MIB)
    made = []
    for each in range(copies):
        made.append(t.alloc(in_copy, rows_bytes))
        t.free(t.alloc(in_work, 4096))
        t.time((each + 2) * SECOND)
    t.on(second)
    t.rss(worker, 4 * MIB)
    ours = t.alloc(in_work, 3 * MIB)
    t.time(8 * SECOND)
    t.free(ours)
    t.process_end(worker)
    t.on(first)
    for each in made + rows + small[:-10]:
        t.free(each)
    t.unmap(0x7F0000000000, 2 * MIB)
    t.time(10 * SECOND)
    t.process_end(root)
    t.exit(0)
    return t.finish()


REPORTS = {name: line.split() for name, line in {
    "summary.txt": "summary before.lz4", "summary.json": "summary --json before.lz4",
    "peak.txt": "peak before.lz4", "peak.json": "peak --json before.lz4",
    "peak-full.txt": "peak --full before.lz4", "peak-table.txt": "peak --table before.lz4",
    "peak-at-mark.txt": "peak --at loaded before.lz4", "peak-child.txt": "peak --pid 101 before.lz4",
    "leaks.txt": "leaks before.lz4", "leaks.json": "leaks --json before.lz4",
    "leaks-interval.txt": "leaks --from loaded --to 3s before.lz4",
    "temporary.txt": "temporary before.lz4", "temporary.json": "temporary --json before.lz4",
    "timeline.txt": "timeline before.lz4", "timeline.json": "timeline --json before.lz4",
    "diff.txt": "diff before.lz4 after.lz4", "diff.json": "diff --json before.lz4 after.lz4",
    "diff.md": "diff --markdown before.lz4 after.lz4", "diff-moments.txt": "diff --from loaded --to peak before.lz4",
    "export.folded": "export --format folded -o - before.lz4", "export.csv": "export --format csv -o - before.lz4",
    "export.speedscope": "export --format speedscope -o - before.lz4",
    "check.txt": "check --max-peak 20MiB --max-leaks 1KiB --limit job.work=64MB before.lz4",
    "check.json": "check --json --max-peak 20MiB --baseline before.lz4 --max-growth 2% after.lz4",
    "verify.txt": "verify before.lz4", "verify.json": "verify --json before.lz4", "closing.txt": "closing before.lz4",
    "native.txt": "peak native.lz4", "native-all.txt": "peak --frames all native.lz4", "native-python.txt": "peak --frames python native.lz4",
    "native.folded": "export --format folded --frames all -o - native.lz4", "native.json": "leaks --json native.lz4",
}.items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    (folder / "before.lz4").write_bytes(a_run(5 * MIB, 3))
    (folder / "after.lz4").write_bytes(a_run(4 * MIB, 1, renamed=True))
    (folder / "native.lz4").write_bytes(a_job().finish())
    return folder


def compare(name, told):
    kept = GOLDEN / name
    told = re.sub(r'"exporter": ?"memreplay [^"]*"', '"exporter":"memreplay"', told)
    if os.environ.get("MEMREC_GOLDEN") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(told.encode())
    assert told == kept.read_bytes().decode(), f"{name} changed; if that is wanted: MEMREC_GOLDEN=write"


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_says_what_it_said(memreplay, runs, name):
    done = memreplay(*REPORTS[name], cwd=runs, env={"LC_ALL": "C.UTF-8", "COLUMNS": "100", "NO_COLOR": "1"})
    assert done.status in (0, 1), done.err
    compare(name, f"{done.out}{''.join('! ' + line + chr(10) for line in done.err.splitlines())}")


def test_nothing_is_kept_that_no_report_makes():
    assert {each.name for each in GOLDEN.iterdir()} == set(REPORTS)
