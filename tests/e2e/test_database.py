"""`memreplay sqlite` and databases in place of traces: the tables against arithmetic truth, every report byte by byte against that of the
trace, what a database cannot answer, files that are whole or not there, and databases that somebody changed."""
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing

import pytest

from conftest import BUILD
from memreplay_traces import MALLOC, Trace
from test_memreplay import MIB, PEAK, damaged, family, job

pytestmark = pytest.mark.san

SAME = [(command, *options) for command in ("summary", "peak", "leaks", "temporary", "closing", "verify") for options in ((), ("--json",))] + [
    ("peak", "--table"), ("peak", "--full"), ("leaks", "--table"), ("temporary", "--full"), ("flamegraph", "-o", "-"),
    ("flamegraph", "--svg", "-o", "-"), ("export", "--format", "folded", "-o", "-"), ("export", "--format", "csv", "--totals", "-o", "-"),
    ("export", "--format", "pprof", "-o", "-"), ("export", "--format", "speedscope", "--leaks", "-o", "-"), ("peak", "--at", "end"), ("peak", "--at", "end", "--json"),
    ("summary", "--at", "end", "--json"), ("peak", "--at", "start", "--json"), ("peak", "--at", "10ms", "--json"),
    ("timeline",), ("timeline", "--json"), ("check", "--max-peak", "1MB", "--max-rss", "1MB", "--max-leaks", "1KB", "--max-temporary", "1KB"),
    ("check", "--limit", "main=1MB", "--json"), ("peak", "--at", "nosuchmark"), ("peak", "--at", "1000h"), ("peak", "--pid", "4194305"), ("peak", "--thread", "nobody")]


@pytest.fixture
def store(memreplay, tmp_path):
    """store(bytes, Trace or path) -> (trace path, database path), of the same name: reports may say it."""

    def made(trace, status=0):
        path, database = tmp_path / "trace" / "run", tmp_path / "table" / "run"
        for each in (path, database):
            each.parent.mkdir(exist_ok=True)
        content = trace.finish() if isinstance(trace, Trace) else trace if isinstance(trace, bytes) else trace.read_bytes()
        path.write_bytes(content)
        finished = memreplay("sqlite", "-f", "-o", database, path)
        assert finished.status == status and finished.out == "", finished.err
        return path, database

    return made


@pytest.fixture
def compare(memreplay):
    def compared(trace, database, *args):
        environment = {"LC_ALL": "C.UTF-8", "COLUMNS": None, "NO_COLOR": None}
        said = [memreplay(*args, path.name, cwd=path.parent, env=environment) for path in (trace, database)]
        assert said[1] == said[0], args

    return compared


def ask(database, sql, *values):
    with closing(sqlite3.connect(database)) as db:
        return db.execute(sql, values).fetchall()


def test_the_tables_say_what_was_recorded(store):
    _, database = store(job())
    assert ask(database, "SELECT sum(bytes), sum(allocations) FROM peak") == [(PEAK, 5)]
    assert ask(database, "SELECT max(live_bytes) FROM timeline") == [(PEAK,)]
    assert ask(database, "SELECT min(high_ns) FROM timeline WHERE live_bytes = ?", PEAK) == [(10**9,)]
    assert ask(database, "SELECT sum(bytes), sum(allocations) FROM leak") == [(5 * MIB, 4)]
    assert ask(database, "SELECT sum(bytes), sum(allocations) FROM temporary") == [(1000, 10)]
    assert ask(database, "SELECT sum(bytes), sum(allocations) FROM allocated") == [(PEAK + 1000 + 2 * MIB, 16)]
    assert ask(database, "SELECT name, allocations FROM allocator WHERE allocations ORDER BY 1") == [("calloc", 1), ("malloc", 15)]
    assert ask(database, "SELECT sum(allocations) FROM size_histogram") == [(16,)]
    assert ask(database, "SELECT pid, ended, status, peak_bytes FROM process") == [(100, "exited", 0, PEAK)]
    assert ask(database, "SELECT name, time_ns FROM mark") == [("loaded", 2 * 10**9)]
    assert ask(database, "SELECT function, line, bytes FROM top_peak") == [("read_csv", 330, 30 * MIB), ("main", 12, 3 * MIB + 4000)]
    assert dict(ask(database, "SELECT function, total_bytes FROM peak_by_function_total")) == {
        "<module>": PEAK, "main": PEAK, "read_csv": 30 * MIB}
    assert ask(database, "SELECT function, bytes FROM leak_by_function") == [("main", 3 * MIB), ("read_csv", 2 * MIB)]
    assert ask(database, "PRAGMA application_id") == [(0x4D524442,)]
    assert ask(database, "PRAGMA integrity_check") == [("ok",)]


def test_the_live_bytes_of_every_stack_at_any_moment_are_one_query(store):
    _, database = store(job())
    moment = """SELECT s.function, sum(h.bytes) FROM stack_history h JOIN stack_place s USING (stack_id)
                WHERE h.from_ns <= :t AND h.until_ns > :t GROUP BY 1 ORDER BY 1"""
    with closing(sqlite3.connect(database)) as db:
        at = lambda seconds: db.execute(moment, {"t": int(seconds * 10**9)}).fetchall()
        assert at(0.5) == []
        assert at(1.5) == [("main", 3 * MIB + 4000), ("read_csv", 30 * MIB)]
        assert at(5) == [("main", 3 * MIB)]
        assert at(8.5) == [("main", 3 * MIB), ("read_csv", 2 * MIB)]
    assert ask(database, "SELECT sum(bytes) FROM live_at_moment WHERE moment = 'peak'") == [(PEAK,)]
    assert ask(database, "SELECT sum(bytes) FROM live_at_moment WHERE moment = 'loaded'") == [(PEAK,)]
    assert ask(database, "SELECT sum(bytes), sum(resident_bytes) FROM live_at_moment WHERE moment = 'end'") == [(5 * MIB, 5 * MIB)]
    assert dict(ask(database, "SELECT s.function, g.delta_bytes FROM growth g JOIN stack_place s USING (stack_id) "
                              "WHERE before = 'loaded' AND after = 'end'")) == {"main": -4000, "read_csv": -28 * MIB}
    assert ask(database, "SELECT resident_bytes FROM live_at_moment l JOIN stack_place s USING (stack_id) "
                         "WHERE moment = 'loaded' AND s.function = 'read_csv'") == [(10 * MIB,)]


def strange():
    """Names that are no text, a stack that is unknown, equal functions twice, losses, marks of one name, a process without a name."""
    t = Trace(("python3", b"\xff\x00name"))
    process = t.process(100, argv=(b"\xfe", ""))
    thread = t.new_thread(process, 100, b"th\xffread")
    twice = [t.function(b"f\xf0", b"/x/\x00y.py", 3) for _ in range(2)]
    stacks = [t.stack(0, twice[0], 7), t.stack(0, twice[1], 7), t.stack(0, 0, 1), t.stack(0, t.function("é日本", "/ü.py"), 0)]
    t.on(thread)
    for number, stack in enumerate([0, 1, *stacks, stacks[3]]):
        t.alloc(stack, 1000 + number, MALLOC + number % 3)
    t.lost(process, 1, 12)
    t.lost(-1, 12, 1)
    t.mark("a'; DROP TABLE peak; --")
    t.time(5)
    t.free(0)
    t.mark("a'; DROP TABLE peak; --")
    t.mark(b"\xff")
    t.map(0x10000, 3 << 20, 0, stacks[0])
    t.map(0x4000000, 5 << 20, 5, 0)
    t.map(0x8000000, 1 << 20, 3, 0)
    t.resident_range(process, 0x10000, 3 << 20, 1 << 20)
    t.time(10**11)
    t.unmap(0x10000, 1 << 20)
    t.rss(process, 1 << 40)
    return t


def test_strange_names_are_data(store, compare, memreplay):
    trace, database = store(strange())
    for args in SAME:
        compare(trace, database, *args)
    compare(trace, database, "peak", "--json", "--at", "a'; DROP TABLE peak; --")
    compare(trace, database, "peak", "--at", "50%", "--json")
    assert ask(database, "SELECT word FROM command") == [("python3",), (b"\xff\x00name",)]
    assert ask(database, "SELECT count(*) FROM stack") == [(2 + 3,)], "equal stacks are one"


@pytest.mark.parametrize("trace", [
    lambda: job().finish(), lambda: job().finish(trailer=False), lambda: job().finish()[:-200], lambda: family().finish(), damaged,
    lambda: Trace().finish(), lambda: Trace().finish(trailer=False)], ids=["job", "no trailer", "cut", "family", "damaged", "empty", "head"])
def test_a_database_says_what_its_trace_says(store, compare, memreplay, trace, tmp_path):
    path = tmp_path / "t.lz4"
    path.write_bytes(trace())
    path, database = store(path, status=memreplay("peak", path).status)
    for args in (*SAME, ("peak", "--at", "loaded", "--json"), ("peak", "--at", "2s", "--json"), ("peak", "--at", "80%"),
                 ("summary", "--at", "loaded"), ("peak", "--thread", "worker"), ("peak", "--pid", "7")):
        compare(path, database, *args)


@pytest.mark.parametrize("program", ["threads", "tree", "arrays", "killed"])
def test_a_real_run_s_database_says_what_its_trace_says(record, store, compare, program):
    source = {"threads": """
        import threading, time
        def work(n):
            global kept
            kept = [bytearray(1000 + i) for i in range(n)]
            time.sleep(0.05)
            del kept[::2]
        threads = [threading.Thread(target=work, args=(2000 + 500 * i,), name=f"worker {i}") for i in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        """, "tree": """
        import os, subprocess, sys, time
        held = bytearray(3_000_000)
        for child in range(3):
            if not (pid := os.fork()):
                mine = [bytes(5000 + child) for _ in range(200)]
                time.sleep(0.03)
                os._exit(child)
            os.waitpid(pid, 0)
        subprocess.run([sys.executable, "-c", "x = bytearray(2_000_000)"])
        """, "arrays": """
        import mmap, time
        reserved = bytearray(64 << 20)
        m = mmap.mmap(-1, 32 << 20)
        m[: 4 << 20] = bytes(4 << 20)
        time.sleep(0.15)
        del reserved
        m.close()
        time.sleep(0.05)
        kept = [str(i) * 10 for i in range(20000)]
        """, "killed": """
        import os, signal
        kept = [bytes(i) for i in range(3000)]
        os.kill(os.getpid(), signal.SIGKILL)
        """}[program]
    recording = record(source, status=None)
    trace, database = store(recording.trace)
    for args in SAME:
        compare(trace, database, *args)
    for thread in ("worker 2", "MainThread"):
        compare(trace, database, "peak", "--json", "--thread", thread)
    peak = recording.peak()["peak"]
    assert ask(database, "SELECT sum(bytes), sum(resident_bytes) FROM peak") == [(peak["bytes"], peak["resident_bytes"])]
    assert ask(database, "SELECT max(live_bytes) FROM timeline") == [(peak["bytes"],)]
    assert ask(database, "SELECT min(high_ns) FROM timeline WHERE live_bytes = (SELECT max(live_bytes) FROM timeline)") == [(peak["time_ns"],)]
    sums = ask(database, """SELECT t.tick_id, t.end_live_bytes, t.end_live_allocations, t.end_resident_bytes, coalesce(sum(h.bytes), 0),
                            coalesce(sum(h.allocations), 0), coalesce(sum(h.resident_bytes), 0) FROM timeline t
                            LEFT JOIN history h ON h.from_tick <= t.tick_id AND h.until_tick > t.tick_id GROUP BY t.tick_id""")
    assert len(sums) > 3 and all(row[1:4] == row[4:] for row in sums)


def test_two_databases_differ_as_their_traces_do(store, memreplay, tmp_path):
    made = []
    for name, trace in (("a", job()), ("b", family())):
        (tmp_path / f"{name}.tr").write_bytes(trace.finish())
        assert memreplay("sqlite", "-o", tmp_path / f"{name}.db", tmp_path / f"{name}.tr").status == 0
    for options in ((), ("--json",), ("--markdown",), ("--leaks",), ("--totals", "--json"), ("--temporary",), ("--at", "end")):
        said = [memreplay("diff", *options, *(tmp_path / f"{name}.{kind}" for name in "ab")) for kind in ("tr", "db")]
        made.append([(done.status, done.out.replace(".db", ".tr"), done.err.replace(".db", ".tr")) for done in said])
    assert all(of_traces == of_databases for of_traces, of_databases in made)


def test_what_a_database_cannot_answer_exits_2_and_points_to_the_trace(store, memreplay):
    _, database = store(family())
    for args in (["temporary", "--threshold", "5"], ["peak", "--pid", "200"], ["peak", "--from", "1s"], ["leaks", "--at", "1s"],
                 ["temporary", "--at", "1s"], ["timeline", "--from", "1s"], ["leaks", "--to", "1s"]):
        finished = memreplay(*args, database)
        assert (finished.status, finished.out) == (2, ""), args
        assert "give the trace" in finished.err and finished.err.count("\n") == 1
    finished = memreplay("sqlite", "-o", database.parent / "again.db", database)
    assert finished.status == 2 and not (database.parent / "again.db").exists()
    assert memreplay("peak", "-", stdin=database.read_bytes()).status == 3


def test_a_moment_between_two_kept_ones_is_told_as_what_it_is(store, memreplay):
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    for number in range(1, 400):
        t.time(number * 100_000)
        t.alloc(0, 1000)
    trace, database = store(t)
    finished = memreplay("peak", "--at", "25.5ms", database)
    assert finished.status == 0 and "0.025500 s" in finished.err and "0.025000 s" in finished.err and "244 KiB" in finished.out, "250 blocks: those up to 25 ms"
    finished = memreplay("peak", "--at", "30ms", database)
    assert finished.status == 0 and finished.err == memreplay("peak", "--at", "30ms", trace).err


def test_an_existing_file_is_refused_without_force(store, memreplay, tmp_path):
    trace, database = store(job())
    before = database.read_bytes()
    finished = memreplay("sqlite", "-o", database, trace)
    assert finished.status == 2 and "-f" in finished.err and database.read_bytes() == before
    assert memreplay("sqlite", "-f", "-o", database, trace).status == 0
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    for output, word in (("-", "pipe"), (tmp_path, "file"), (tmp_path / "no" / "x.db", "no such")):
        finished = memreplay("sqlite", "-f", "-o", output, trace)
        assert finished.status == 2 and word in finished.err.lower(), output
    assert memreplay("sqlite", trace).status == 2
    assert memreplay("sqlite", "--json", "-f", "-o", database, trace).status == 2
    assert [path.name for path in database.parent.iterdir()] == ["run"]


def test_a_failure_leaves_the_old_file_and_nothing_else(store, memreplay, tmp_path):
    trace, database = store(job())
    before = database.read_bytes()
    (tmp_path / "bad.lz4").write_bytes(b"no trace at all")
    assert memreplay("sqlite", "-f", "-o", database, tmp_path / "bad.lz4").status == 3
    limited = subprocess.run(["sh", "-c", 'ulimit -f 40; exec "$0" sqlite -f -o "$1" "$2"', BUILD / "memreplay", database, trace],
                             capture_output=True, text=True, preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    assert limited.returncode == 3 and "cannot be written" in limited.stderr
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(memreplay, tmp_path, number):
    """The trace comes through a pipe that never ends, so it is read while the signal comes."""
    os.mkfifo(tmp_path / "pipe")
    running = subprocess.Popen([BUILD / "memreplay", "sqlite", "-o", tmp_path / "run.db", tmp_path / "pipe"], stderr=subprocess.PIPE)
    with open(tmp_path / "pipe", "wb") as pipe:
        pipe.write(job().finish()[:-100])
        pipe.flush()
        while len(list(tmp_path.iterdir())) < 2 and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(number)
        assert running.wait(60) == -number
    running.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


CHANGES = [
    "UPDATE site SET site_id = 77 WHERE site_id = 1", "UPDATE site SET stack_id = 77", "UPDATE site SET thread_id = 99",
    "UPDATE site SET allocator_id = 40", "UPDATE peak SET site_id = 1000 WHERE site_id = 1", "UPDATE peak SET resident_bytes = bytes + 1",
    "UPDATE stack SET parent_id = stack_id", "UPDATE stack SET parent_id = 4000000000 WHERE stack_id = 3", "UPDATE stack SET frame_id = 4000",
    "UPDATE stack SET stack_id = 4000000000 WHERE stack_id = 3", "UPDATE frame SET frame_id = 4294967290 WHERE frame_id = 1",
    "UPDATE process SET process_id = 3000000000", "UPDATE thread SET thread_id = -5", "UPDATE timeline SET tick_id = tick_id + 1000",
    "UPDATE function SET kind = 'x'", "UPDATE leak SET bytes = 'many'", "UPDATE temporary SET site_id = -1", "DELETE FROM meta",
    "UPDATE meta SET value = NULL", "DELETE FROM timeline", "UPDATE size_histogram SET least_bytes = -1 WHERE least_bytes = 64", "UPDATE mark SET tick_id = 99999",
    "INSERT INTO command SELECT value, 'x' FROM (WITH RECURSIVE n(value) AS (SELECT 9 UNION ALL SELECT value + 1 FROM n LIMIT 2000) SELECT value FROM n)",
    "DROP VIEW growth", "ALTER TABLE peak ADD COLUMN more", "PRAGMA user_version = 99", "PRAGMA application_id = 1",
    "DROP TABLE leak; CREATE VIEW leak AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x, x, x, x, x, x FROM n",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE peak (x)' WHERE name = 'peak'"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_database_is_refused_not_believed(store, memreplay, change):
    _, database = store(job())
    with closing(sqlite3.connect(database)) as db:
        db.executescript(change)
        db.commit()
    for args in (["peak"], ["summary", "--json"], ["peak", "--at", "loaded"], ["flamegraph", "-o", "-"]):
        finished = memreplay(*args, database)
        assert (finished.status, finished.out) == (3, ""), (args, finished.err)
        assert str(database) in finished.err and finished.err.count("\n") == 1


def test_tables_beside_ours_don_t_matter(store, compare):
    trace, database = store(job())
    with closing(sqlite3.connect(database)) as db:
        db.executescript("CREATE TABLE mine (x); CREATE INDEX by_stack ON peak (stack_id); CREATE VIEW best AS SELECT * FROM top_peak; ANALYZE")
    compare(trace, database, "peak", "--json")


def test_a_torn_database_is_no_crash(store, memreplay):
    """Cut short and with bytes changed: an answer or a refusal, whatever the bytes."""
    _, database = store(job())
    whole = database.read_bytes()
    for cut in (*range(0, 200, 16), *range(200, len(whole), len(whole) // 12)):
        database.write_bytes(whole[:cut])
        assert memreplay("summary", database).status in (0, 2, 3)
    seed = 12345
    for _ in range(60):
        torn = bytearray(whole)
        for _ in range(40):
            seed = seed * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            torn[(seed >> 20) % len(torn)] = seed >> 52 & 0xFF
        database.write_bytes(torn)
        for args in (["peak", "--json"], ["flamegraph", "-o", "-"]):
            assert memreplay(*args, database).status in (0, 2, 3)


def test_a_thousand_marks_are_exact(store, compare):
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    for number in range(5000):
        if number % 50 == 0:
            t.time(1 + number * 100_000)
        t.alloc(0, 1 + number)
        t.mark(f"m{number}")
    trace, database = store(t)
    for mark in ("m0", "m1234", "m4095"):
        compare(trace, database, "peak", "--json", "--at", mark)
    assert ask(database, "SELECT count(*) FROM mark WHERE tick_id IS NULL") == [(5000 - 4096,)]
