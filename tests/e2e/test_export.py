"""`memreplay export`: what each format says, by arithmetic, and what its real consumers read of it: `go tool pprof`, speedscope's own
schema and importer (in a headless Chromium), flamegraph.pl's rule for a line, csv and pandas.
"""
import base64
import collections
import csv
import gzip
import json
import os
import random
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT
from memreplay_traces import CALLOC, Trace
from protobuf import message, packed

HOSTILE = b"a;b,\"c\"\n<script>\x1b[31m\xff = 9"


def shop():
    """Peak 1,600 at 1 s: main 1,000, main>load 500 (two threads), and a child's 100. Ever allocated: 1,000 + 500 + 100 + 60 (freed at
    once, before the peak) + 40 (after it). Never freed: 1,000 + 100 + 40. Freed with no allocation of its thread between: 60 + 500.
    """
    t = Trace(("python3", "shop.py"))
    parent = t.process(100)
    one, two = t.new_thread(parent, 100, "MainThread"), t.new_thread(parent, 101, "loader")
    main = t.stack(0, t.function("<module>", "/srv/shop.py"), 7)
    load = t.stack(main, t.function("Shop.load", "/srv/shop.py", 20), 22)
    late = t.stack(main, t.function("<lambda>", "/srv/shop.py", 30), 30)
    t.on(one)
    t.alloc(main, 1000)
    t.free(t.alloc(main, 60, CALLOC))
    a = t.alloc(load, 200)
    t.on(two)
    b = t.alloc(load, 300)
    child = t.process(200, parent, 1)
    t.on(t.new_thread(child, 200, "worker"))
    t.time(10**9)
    t.alloc(0, 100)
    t.time(2 * 10**9)
    t.process_end(child)
    t.on(one)
    t.free(a)
    t.on(two)
    t.free(b)
    t.alloc(late, 40)
    t.time(3 * 10**9)
    t.process_end(parent)
    t.exit()
    return t


@pytest.fixture
def export(memreplay, tmp_path):
    """export(trace, format, options…) -> path of the file that was written."""

    def run(trace, form, *options):
        path = trace
        if isinstance(trace, Trace):
            path = tmp_path / "export.lz4"
            path.write_bytes(trace.finish())
        out = tmp_path / f"out.{form}"
        done = memreplay("export", "--format", form, "-f", "-o", out, *options, path, env={"LC_ALL": "C.UTF-8"})
        assert (done.status, done.out) == (0, ""), done.err
        return out

    return run


# ---- readers, from the formats' own descriptions ----------------------------------------------------------------------------


class Profile:
    """pprof's profile.proto, read without its library."""

    def __init__(self, path):
        top = message(gzip.decompress(path.read_bytes()))
        self.strings = [each.decode() for each in top[6]]
        one = lambda fields, number: (fields[number] or [0])[0]
        text = lambda fields, number: self.strings[one(fields, number)]
        self.types = [(text(message(each), 1), text(message(each), 2)) for each in top[1]]
        self.default = text(top, 14)
        self.period = tuple(text(message(top[11][0]), field) for field in (1, 2)), one(top, 12)
        self.time_nanos, self.duration_nanos = one(top, 9), one(top, 10)
        self.comments = [self.strings[each] for each in top[13]]
        self.mappings = [message(each) for each in top[3]]
        functions = {one(each, 1): each for each in map(message, top[5])}
        assert 0 not in functions and len(functions) == len(top[5])
        self.locations = {}
        for each in map(message, top[4]):
            line = message(each[4][0])
            function = functions[one(line, 1)]
            self.locations[one(each, 1)] = (text(function, 2), text(function, 4), one(line, 2))
            assert not function[3], "a system_name makes pprof strip <module>"
        assert 0 not in self.locations and len(self.locations) == len(top[4])
        self.samples = []
        for each in map(message, top[2]):
            frames = tuple(self.locations[number] for number in packed(each[1][0]))
            labels = {text(label, 1): text(label, 2) or one(label, 3) for label in map(message, each[3])}
            self.samples.append((frames, packed(each[2][0]), labels))

    def sums(self):
        return [sum(values[i] for _, values, _ in self.samples) for i in range(4)]


def folded(path):
    """[(frames, bytes)] by flamegraph.pl's own rule: what is behind the last blank is the count, `;` parts the frames."""
    rows = []
    for line in path.read_text().split("\n")[:-1]:
        stack, count = re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", line).groups()
        rows.append((stack.split(";"), int(count)))
    return rows


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def bytes_in(form, path):
    """What a whole export adds up to."""
    if form == "pprof":
        return Profile(path).sums()[3]
    if form == "folded":
        return sum(count for _, count in folded(path))
    if form == "csv":
        return sum(int(row["bytes"]) for row in rows_of(path))
    [profile] = json.loads(path.read_text())["profiles"]
    assert profile["endValue"] == sum(profile["weights"])
    return sum(profile["weights"])


FORMATS = ("pprof", "speedscope", "folded", "csv")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("options, expected", [
    ((), 1600), (("--leaks",), 1140), (("--at", "end"), 1040), (("--at", "2.5s"), 1040), (("--pid", "100"), 1500),
    (("--thread", "loader"), 300), (("--thread", "101", "--leaks"), 40), (("--from", "2.5s"), 1040), (("--temporary",), 560)])
def test_every_format_adds_up(export, form, options, expected):
    assert bytes_in(form, export(shop(), form, *options)) == expected


@pytest.mark.parametrize("form", ("speedscope", "folded", "csv"))
def test_totals_are_what_was_ever_allocated(export, form):
    assert bytes_in(form, export(shop(), form, "--totals")) == 1700
    assert bytes_in(form, export(shop(), form, "--totals", "--from", "1.5s")) == 40


@pytest.mark.parametrize("form", FORMATS)
def test_a_real_program_s_peak_is_exact(record, export, form):
    recording = record("""
        import threading, json
        def hold(n): kept.append(bytearray(n))
        kept = []
        workers = [threading.Thread(target=hold, args=(10**6 + i,), name=f"w;{i}") for i in range(3)]
        for each in workers: each.start()
        for each in workers: each.join()
        json.dumps(list(range(10**5)))
        """)
    assert bytes_in(form, export(recording.trace, form)) == recording.peak()["peak"]["bytes"]
    assert bytes_in(form, export(recording.trace, form, "--leaks")) == recording.leaks()["total"]["bytes"]


def random_run(dice):
    """A random trace, and what a model that only keeps a dict of live blocks says of it: {(stack, thread name): [values]} for pprof's
    four at the peak, and for those live at the end of their process."""
    t = Trace()
    first = t.process(100)
    threads = [(t.new_thread(first, 100, "one"), "one"), (t.new_thread(first, 101, "two"), "two"),
               (t.new_thread(t.process(200, first, 1), 200, "three"), "three")]
    stacks = [(0, ("(no Python stack)",))]
    for number in range(6):
        parent, frames = dice.choice(stacks)
        name = f"f{number}"
        stacks.append((t.stack(parent, t.function(name, "/srv/f.py"), number + 1), (frames if parent else ()) + (name,)))
    live, totals, peak, at_peak = {}, collections.Counter(), 0, {}
    for _ in range(dice.randrange(50, 400)):
        thread, name = dice.choice(threads)
        t.on(thread)
        own = [index for index, block in live.items() if (block[1] == "three") == (name == "three")]
        if own and dice.random() < 0.45:
            index = dice.choice(own)
            t.free(index)
            del live[index]
        else:
            stack, frames = dice.choice(stacks)
            size = dice.choice([0, dice.randrange(1, 5000), dice.randrange(10**6, 10**7)])
            live[t.alloc(stack, size)] = frames, name, size
            totals[frames, name, "count"] += 1
            totals[frames, name, "bytes"] += size
        now = sum(size for _, _, size in live.values())
        if now > peak:
            peak, at_peak = now, dict(live)
        if dice.random() < 0.3:
            t.time(t.now + dice.randrange(1, 10**8))

    def values(blocks):
        held = collections.Counter()
        for frames, name, size in blocks.values():
            held[frames, name, "count"] += 1
            held[frames, name, "bytes"] += size
        keys = {key[:2] for key in (*totals, *held)}
        return {key: [which[(*key, what)] for which in (totals, held) for what in ("count", "bytes")] for key in keys}

    return t, values(at_peak), values(live)


@pytest.mark.parametrize("seed", range(12))
def test_random_runs_equal_a_model_of_live_blocks(export, seed):
    t, at_peak, leaks = random_run(random.Random(seed))
    t.finish()
    for options, expected in (((), at_peak), (("--leaks",), leaks)):
        found = {(tuple(name for name, *_ in reversed(frames)), labels["thread"]): values
                 for frames, values, labels in Profile(export(t, "pprof", *options)).samples}
        assert found == {key: each for key, each in expected.items() if any(each)}
        sums = collections.Counter()
        for row in rows_of(export(t, "csv", *options)):
            key = tuple(each.rpartition(" (")[0] or each for each in row["stack"].split(";")), row["thread"]
            sums[key] += int(row["bytes"])
            assert int(row["allocations"]) == expected[key][2]
        assert sums == {key: each[3] for key, each in expected.items() if each[2]}
        by_stack = collections.Counter()
        for (frames, _), each in expected.items():
            by_stack[frames] += each[3]
        found = {tuple(each.rpartition(" (")[0] or each for each in stack): count for stack, count in folded(export(t, "folded", *options))}
        assert found == {frames: bytes_ for frames, bytes_ in by_stack.items() if bytes_}


# ---- pprof ------------------------------------------------------------------------------------------------------------------


def test_pprof_has_four_values_in_go_s_order(export):
    profile = Profile(export(shop(), "pprof"))
    assert profile.types == [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
    assert profile.default == "inuse_space" and profile.period == (("space", "bytes"), 1)
    assert profile.strings[0] == ""
    assert profile.sums() == [6, 1700, 4, 1600]
    assert profile.duration_nanos == 3 * 10**9
    [mapping] = profile.mappings
    assert [mapping[field] for field in (1, 7, 8, 9)] == [[1]] * 4


def test_pprof_s_samples_are_leaf_first_and_labelled(export):
    profile = Profile(export(shop(), "pprof"))
    module, load = ("<module>", "/srv/shop.py", 7), ("Shop.load", "/srv/shop.py", 22)
    found = {(frames, labels["thread"], labels["allocator"]): (values, labels) for frames, values, labels in profile.samples}
    assert found[(load, module), "loader", "malloc"] == ([1, 300, 1, 300], {"thread": "loader", "tid": 101, "pid": 100,
                                                                          "allocator": "malloc"})
    assert found[(load, module), "MainThread", "malloc"][0] == [1, 200, 1, 200]
    assert found[(module,), "MainThread", "calloc"][0] == [1, 60, 0, 0]
    assert found[(("(no Python stack)", "", 0),), "worker", "malloc"][1]["pid"] == 200


def test_pprof_of_leaks_and_totals(export):
    assert Profile(export(shop(), "pprof", "--leaks")).sums() == [6, 1700, 3, 1140]
    totals = Profile(export(shop(), "pprof", "--totals"))
    assert totals.default == "alloc_space" and totals.sums() == [6, 1700, 4, 1600]
    assert Profile(export(shop(), "pprof", "--from", "2.5s")).sums()[2:] == [2, 1040]


def test_pprof_lets_what_is_older_than_the_window_count_as_in_use(export):
    """Allocated before the window and alive in it: in use, but not allocated there."""
    assert Profile(export(shop(), "pprof", "--from", "1.5s", "--to", "1.8s")).sums() == [0, 0, 4, 1600]


@pytest.fixture(scope="session")
def pprof():
    """pprof(arguments…) -> its output."""
    if not shutil.which("go"):
        pytest.skip("no go toolchain here, so no `go tool pprof`")
    if subprocess.run(["go", "tool", "pprof", "-h"], capture_output=True, timeout=600).returncode not in (0, 2):
        pytest.skip("`go tool pprof` does not run here")

    def run(*arguments):
        done = subprocess.run(["go", "tool", "pprof", "-symbolize=none", "-unit=minimum", *map(str, arguments)], capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_go_tool_pprof_reads_names_lines_and_tags(export, pprof):
    path = export(shop(), "pprof")
    top = pprof("-top", "-lines", "-nodefraction=0", path)
    assert "Type: inuse_space" in top and "1600B total" in top
    assert re.search(r"^\s*1000B\s.*\s1500B\s.*<module> /srv/shop.py:7$", top, re.M)
    assert re.search(r"^\s*500B\s.*\s500B\s.*Shop.load /srv/shop.py:22$", top, re.M)
    assert "<lambda>" in pprof("-top", "-sample_index=alloc_space", "-nodefraction=0", path)
    for index, total in (("alloc_objects", "6 total"), ("alloc_space", "1700B total"), ("inuse_objects", "4 total")):
        assert total in pprof("-top", f"-sample_index={index}", path)
    tags = pprof("-tags", path)
    assert re.search(r"300B \(18.75%\): loader$", tags, re.M) and re.search(r"100B \( 6.25%\): 200$", tags, re.M)
    assert "1200B, 75.00% of 1600B total" in pprof("-top", "-tagfocus=thread=MainThread", path)


def test_go_tool_pprof_subtracts_one_export_from_another(export, pprof, tmp_path):
    before = tmp_path / "before.pb.gz"
    shutil.copy(export(shop(), "pprof"), before)
    after = shop()
    after = export(after, "pprof", "--at", "end")
    top = pprof("-top", "-nodefraction=0", "-diff_base", before, after)
    assert re.search(r"^\s*-500B\s.*Shop.load$", top, re.M) and re.search(r"^\s*40B\s.*<lambda>$", top, re.M)


# ---- speedscope -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def packages_of_npm():
    """The folder of speedscope and a validator of JSON schemas, at pinned versions."""
    folder, wanted = ROOT / "build" / "npm", ("speedscope@1.25.0", "ajv@8.17.1")
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != " ".join(wanted):
        if not shutil.which("npm"):
            pytest.skip("no npm here")
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *wanted], capture_output=True,
                              text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot install speedscope here: {done.stderr.strip()[-200:]}")
        ready.write_text(" ".join(wanted))
    return folder / "node_modules"


VALIDATE = """
const [modules, file] = process.argv.slice(1), read = path => JSON.parse(require("fs").readFileSync(path));
const check = new (require(modules + "/ajv"))({strict: false}).compile(read(modules + "/speedscope/dist/release/file-format-schema.json"));
if (!check(read(file))) { console.log(JSON.stringify(check.errors)); process.exit(1); }
"""


@pytest.mark.parametrize("options", [(), ("--leaks",), ("--at", "0s")])
def test_speedscope_s_schema_holds(export, packages_of_npm, options):
    done = subprocess.run(["node", "-e", VALIDATE, packages_of_npm, export(shop(), "speedscope", *options)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_speedscope_s_stacks(export):
    told = json.loads(export(shop(), "speedscope").read_text())
    frames = told["shared"]["frames"]
    [profile] = told["profiles"]
    stacks = {tuple(frames[i]["name"] for i in sample): weight for sample, weight in zip(profile["samples"], profile["weights"])}
    assert stacks == {("(no Python stack)",): 100, ("<module>",): 1000, ("<module>", "Shop.load"): 500}
    assert {"name": "Shop.load", "file": "/srv/shop.py", "line": 22} in frames
    assert (told["name"], profile["unit"]) == ("python3 shop.py", "bytes")


def imported(modules, path, tmp_path):
    """speedscope's page once it has loaded a file, by the way its own command line takes."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("no chromium here")
    script = tmp_path / "load.js"
    script.write_text(f"speedscope.loadFileFromBase64({json.dumps(path.name)}, {json.dumps(base64.b64encode(path.read_bytes()).decode())})")
    page = (modules / "speedscope/dist/release/index.html").as_uri()
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000",
                           f"--user-data-dir={tmp_path}/profile", "--allow-file-access-from-files", "--dump-dom",
                           f"{page}#localProfilePath={script}"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.release_only
@pytest.mark.parametrize("form, title", [("speedscope", "python3 shop.py - speedscope"), ("folded", "out.folded - speedscope"),
                                         ("pprof", "out.pprof - speedscope")])
def test_speedscope_opens_it(export, packages_of_npm, tmp_path, form, title):
    page = imported(packages_of_npm, export(shop(), form), tmp_path)
    assert f"<title>{title}</title>" in page and "Left Heavy" in page
    if form == "speedscope":
        assert "bytes live at the peak" in page


# ---- folded and CSV ---------------------------------------------------------------------------------------------------------


def test_folded_lines(export):
    assert folded(export(shop(), "folded")) == [(["(no Python stack)"], 100), (["<module> (shop.py:7)"], 1000),
                                                (["<module> (shop.py:7)", "Shop.load (shop.py:22)"], 500)]


def test_the_csv_s_cells(export):
    path = export(shop(), "csv")
    assert path.read_bytes().count(b"\r\n") == 5 == path.read_bytes().count(b"\n")
    load = next(row for row in rows_of(path) if row["thread"] == "loader")
    assert load == {"bytes": "300", "resident_bytes": "300", "allocations": "1", "allocator": "malloc", "pid": "100", "thread": "loader",
                    "tid": "101", "function": "Shop.load", "file": "/srv/shop.py", "line": "22",
                    "stack": "<module> (/srv/shop.py:7);Shop.load (/srv/shop.py:22)"}


def test_pandas_reads_the_csv(export):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(export(shop(), "csv"))
    assert frame.groupby("function")["bytes"].sum().to_dict() == {"<module>": 1000, "Shop.load": 500, "(no Python stack)": 100}
    assert pandas.read_csv(export(shop(), "csv", "--totals"))["resident_bytes"].isna().all()


# ---- whatever a name holds --------------------------------------------------------------------------------------------------


def hostile(names):
    t = Trace()
    t.on(t.new_thread(t.process(), name=HOSTILE))
    stack = 0
    for name in names:
        stack = t.stack(stack, t.function(name, b"/x/" + name), 1)
    t.alloc(stack, 64)
    return t


def test_names_are_data_in_every_format(export, packages_of_npm):
    names = [HOSTILE, b"=cmd()|'x'!A1", b"\xed\xa0\x80", "é✓".encode(), b"x" * 9000]
    shown = "a;b,\"c\"\\x0a<script>\\x1b[31m\\xff = 9"
    profile = Profile(export(hostile(names), "pprof"))
    [(frames, values, labels)] = profile.samples
    assert frames[-1][0] == shown == labels["thread"] and frames[1][0] == "é✓" and values == [1, 64, 1, 64]
    [(stack, count)] = folded(export(hostile(names), "folded"))
    assert len(stack) == len(names) and count == 64
    assert stack[0].startswith("a\\x3bb,\"c\"\\x0a<script>")
    path = export(hostile(names), "csv")
    [row] = rows_of(path)
    assert row["thread"] == shown and row["stack"].startswith(shown) and path.read_bytes().count(b"\n") == 2
    [row] = rows_of(export(hostile(names[:2]), "csv"))
    assert row["function"] == "'=cmd()|'x'!A1"
    done = subprocess.run(["node", "-e", VALIDATE, packages_of_npm, export(hostile(names), "speedscope")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_go_tool_pprof_survives_hostile_names(export, pprof):
    assert "64B" in pprof("-top", export(hostile([HOSTILE, b"%s%n", b"\xed\xa0\x80"]), "pprof"))


@pytest.mark.parametrize("form", FORMATS)
def test_a_deep_chain_of_stacks_does_not_blow_up_the_file(export, form):
    t = Trace()
    t.on(t.new_thread(t.process()))
    function, stack = t.function("f", "/srv/f.py"), 0
    for line in range(1, 6001):
        stack = t.stack(stack, function, line)
        t.alloc(stack, 10)
    path = export(t, form)
    assert bytes_in(form, path) == 60000
    assert b"(outer frames left out)" in (gzip.decompress(path.read_bytes()) if form == "pprof" else path.read_bytes())
    assert path.stat().st_size < 50 * 10**6


def test_unknown_stacks_and_functions_are_named_so(export):
    t = Trace()
    t.on(t.new_thread(t.process()))
    t.alloc(1, 10)
    t.alloc(t.stack(0, 0, 5), 20)
    assert folded(export(t, "folded")) == [(["(stack unknown)"], 10), (["(unknown function)"], 20)]
    assert Profile(export(t, "pprof")).sums()[3] == 30


# ---- the command line -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, words", [
    ((), "which format"), (("--format", "svg"), "no format svg"), (("--format", "csv", "--json"), "does not take --json"),
    (("--format", "csv", "--leaks", "--totals"), "exclude each other"), (("--format", "csv", "--table"), "does not take --table")])
def test_wrong_usage_exits_2(memreplay, tmp_path, options, words):
    path = tmp_path / "t.lz4"
    path.write_bytes(shop().finish())
    done = memreplay("export", *options, path)
    assert done.status == 2 and words in done.err and done.out == ""


def test_an_existing_file_is_refused_and_stdout_named_by_a_dash(memreplay, tmp_path):
    path, out = tmp_path / "t.lz4", tmp_path / "out.csv"
    path.write_bytes(shop().finish())
    out.write_text("mine")
    done = memreplay("export", "--format", "csv", "-o", out, path)
    assert done.status == 2 and "-f replaces it" in done.err and out.read_text() == "mine"
    assert memreplay("export", "--format", "csv", "-o", "-", path).out == memreplay("export", "--format", "csv", path).out != ""


def test_pprof_s_bytes_are_kept_from_a_terminal(tmp_path):
    path = tmp_path / "t.lz4"
    path.write_bytes(shop().finish())
    controller, terminal = os.openpty()
    done = subprocess.run([BUILD / "memreplay", "export", "--format", "pprof", path], stdout=terminal, stderr=subprocess.PIPE, text=True)
    os.close(terminal)
    os.close(controller)
    assert done.returncode == 2 and "give -o FILE" in done.stderr


def test_a_cut_trace_is_exported_with_a_note_and_a_damaged_one_exits_3(memreplay, tmp_path):
    t = shop()
    t.seal()
    whole = t.finish(trailer=False)
    path = tmp_path / "cut.lz4"
    path.write_bytes(whole)
    done = memreplay("export", "--format", "folded", path)
    assert done.status == 0 and "incomplete" in done.err and done.out.count("\n") == 3
    broken = bytearray(whole)
    broken[-20] ^= 0xFF
    path.write_bytes(broken)
    done = memreplay("export", "--format", "folded", path)
    assert done.status == 3 and "damaged" in done.err


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("options", [(), ("--leaks",), ("--totals",), ("--temporary",), ("--at", "end"), ("--thread", "loader")])
def test_a_database_is_exported_as_its_trace(memreplay, export, tmp_path, form, options):
    path = export(shop(), form, *options)
    whole = path.read_bytes()
    assert memreplay("sqlite", "-f", "-o", tmp_path / "run.db", tmp_path / "export.lz4").status == 0
    assert export(tmp_path / "run.db", form, *options).read_bytes() == whole
