"""`memreplay check`: budgets by arithmetic on hand-made traces, limits from a file as Python's own TOML reader reads it, and what a
continuous integration job sees of it: exit statuses, sentences, JSON.
"""
import json
import random
import re
import sys

import pytest

from memreplay_traces import CALLOC, Trace

MB = 10**6


def run_of(cache=20, argv=("python3", "job.py"), python="3.12.1", names=("Shop.load", "Cache.add")):
    """Peak 100 MB + cache: load holds 70 (50 of it numpy's), parse 30, and Cache.add `cache`. Never freed: cache. RSS 200 MB at most."""
    t = Trace(argv)
    parent = t.process(100, python=python, argv=argv)
    t.on(t.new_thread(parent, 100))
    main = t.stack(0, t.function("<module>", "/srv/app/job.py"), 7)
    load = t.stack(main, t.function(names[0], "/srv/app/shop.py", 20), 22)
    numpy = t.stack(load, t.function("zeros", "/usr/lib/python3/dist-packages/numpy/core.py", 1), 5)
    parse = t.stack(main, t.function("parse", "/srv/app/formats/__init__.py", 30), 31)
    add = t.stack(main, t.function(names[1], "/srv/app/shop.py", 40), 41)
    t.rss(parent, 200 * MB)
    kept = t.alloc(add, cache * MB)
    held = [t.alloc(load, 20 * MB), t.alloc(numpy, 50 * MB), t.alloc(parse, 30 * MB)]
    t.time(10**9)
    t.rss(parent, 50 * MB)
    for each in held:
        t.free(each)
    t.free(t.alloc(parse, 3 * MB, CALLOC))
    t.time(2 * 10**9)
    t.process_end(parent)
    t.exit()
    return t


@pytest.fixture
def check(memreplay, tmp_path):
    """check(trace, options…) -> Finished; traces among the options are written to files, too."""

    def run(trace, *options, env=None):
        def named(each, name):
            if not isinstance(each, Trace):
                return each
            path = tmp_path / f"{name}.lz4"
            path.write_bytes(each.finish())
            return path

        options = [named(each, f"option{i}") for i, each in enumerate(options)]
        return memreplay("check", *options, named(trace, "trace"), cwd=tmp_path, env={"LC_ALL": "C.UTF-8", "COLUMNS": "100", **(env or {})})

    return run


def verdicts(finished, status):
    assert finished.status == status, finished.err + finished.out
    told = json.loads(finished.out)
    assert told["schema"] == "memreplay.check/1" and told["holds"] == (status == 0) == all(each["holds"] for each in told["checks"])
    return told["checks"]


@pytest.mark.parametrize("option, measured", [("--max-peak", 120 * MB), ("--max-rss", 200 * MB), ("--max-leaks", 20 * MB),
                                              ("--max-temporary", 30 * MB + 3 * MB)])
def test_a_limit_holds_up_to_its_last_byte(check, option, measured):
    [verdict] = verdicts(check(run_of(), option, str(measured), "--json"), 0)
    assert (verdict["check"], verdict["bytes"], verdict["excess_bytes"]) == (option[2:], measured, 0)
    [verdict] = verdicts(check(run_of(), option, str(measured - 1), "--json"), 1)
    assert (verdict["bytes"], verdict["limit_bytes"], verdict["excess_bytes"]) == (measured, measured - 1, 1)


@pytest.mark.parametrize("name, measured", [
    ("Shop.load", 70), ("load", 70), ("shop.Shop.load", 70), ("app.shop.Shop.load", 70), ("srv.app.shop.Shop.load", 70),
    ("formats.parse", 30), ("app.formats.parse", 30), ("zeros", 50), ("numpy.core.zeros", 50), ("job.<module>", 120), ("add", 20)])
def test_a_function_holds_with_what_it_calls(check, name, measured):
    [verdict] = verdicts(check(run_of(), "--limit", f"{name}={measured}MB", "--json"), 0)
    assert (verdict["function"], verdict["bytes"], verdict["seen"]) == (name, measured * MB, True)
    verdicts(check(run_of(), "--limit", f"{name}={measured * MB - 1}", "--json"), 1)


@pytest.mark.parametrize("name", ["oad", "op.Shop.load", "Shop", "shop.load", "formats", "core.py.zeros", "Shop.load.x", "app.parse"])
def test_a_function_that_never_ran_holds_and_is_told(check, name):
    [verdict] = verdicts(check(run_of(), "--limit", f"{name}=0", "--json"), 0)
    assert (verdict["seen"], verdict["bytes"]) == (False, 0)
    assert "no such function ran" in check(run_of(), "--limit", f"{name}=0").out


def test_bare_names_pass_over_the_class(check):
    old = lambda: run_of(python="3.10.1", names=("load", "add"))
    for name, seen in (("load", True), ("shop.load", True), ("app.shop.Shop.load", True), ("Shop.load", False), ("job.load", False)):
        [verdict] = verdicts(check(old(), "--limit", f"{name}=1GB", "--json"), 0)
        assert (name, verdict["seen"]) == (name, seen)
    assert "names no classes" in check(old(), "--limit", "Shop.load=1GB").out


def test_a_recursive_function_counts_once(check):
    t = Trace()
    t.on(t.new_thread(t.process()))
    function = t.function("walk", "/srv/walk.py")
    first = t.stack(0, function, 1)
    t.alloc(first, 100)
    t.alloc(t.stack(t.stack(first, function, 2), function, 2), 10)
    [verdict] = verdicts(check(t, "--limit", "walk.walk=110", "--json"), 0)
    assert verdict["bytes"] == 110


def test_the_message_names_the_largest_offenders(check):
    done = check(run_of(), "--max-peak", "100MB", "--max-leaks", "1MB", "--max-rss", "1GB")
    assert done.status == 1
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "python3 job.py Python 3.12.1, pid 100"
    assert lines[2] == "114 MiB live at the peak: 19.1 MiB over the limit of 95.4 MiB"
    assert lines[3:6] == ["66.8 MiB Shop.load shop.py", "28.6 MiB parse formats/__init__.py", "19.1 MiB Cache.add shop.py"]
    assert "191 MiB resident at most (RSS): within the limit of 954 MiB" in lines
    assert "19.1 MiB never freed: 18.1 MiB over the limit of 977 KiB" in lines
    assert lines[-1] == "EXCEEDED 2 of 3 limits"


@pytest.mark.parametrize("columns", ["60", "80"])
def test_no_line_is_wider_than_the_terminal(check, columns):
    done = check(run_of(), "--max-peak", "1MB", "--limit", "shop.Shop.load=1MB", "--baseline", run_of(10), "--max-growth", "1%",
                 env={"COLUMNS": columns})
    assert done.status == 1 and max(map(len, done.out.splitlines())) <= int(columns)


def test_growth_since_a_baseline_in_percent_and_bytes(check):
    grew = lambda *options: check(run_of(20), "--baseline", run_of(10), *options)
    [verdict] = verdicts(grew("--max-growth", "10MB", "--json"), 0)
    assert (verdict["bytes"], verdict["baseline_bytes"], verdict["growth_bytes"]) == (120 * MB, 110 * MB, 10 * MB)
    assert verdicts(grew("--max-growth", "9.1%", "--json"), 0)[0]["limit_bytes"] == 120010000
    [verdict] = verdicts(grew("--max-growth", "9%", "--json"), 1)
    assert verdict["offenders"] == [{"function": "Cache.add", "file": "/srv/app/shop.py", "bytes": 20 * MB, "baseline_bytes": 10 * MB,
                                     "growth_bytes": 10 * MB}]
    done = grew("--max-growth", "9%")
    assert re.search(r"114 MiB live at the peak: \+9.54 MiB \(\+9.1%\) since .*, more than the 9% allowed", " ".join(done.out.split()))
    assert re.search(r"\+9.54 MiB  Cache.add shop.py  9.54 MiB -> 19.1 MiB", done.out)
    assert check(run_of(10), "--baseline", run_of(20), "--max-growth", "0%").status == 0


def test_offenders_tell_their_growth_where_there_is_a_baseline(check):
    peak, _ = verdicts(check(run_of(20), "--max-peak", "1MB", "--baseline", run_of(10), "--max-growth", "50%", "--json"), 1)
    assert {each["function"]: each["growth_bytes"] for each in peak["offenders"]} == {"Shop.load": 0, "parse": 0, "Cache.add": 10 * MB}


def test_a_window_bounds_every_measure(check):
    window = ("--from", "1.5s")
    assert [each["bytes"] for each in verdicts(check(run_of(), *window, "--max-peak", "1GB", "--max-rss", "1GB", "--json"), 0)] == [
        20 * MB, 50 * MB]


def test_a_real_program_exceeds_its_budget(record, memreplay):
    recording = record("""
        def load(): return bytearray(64 * 2**20)
        def keep(cache): cache.append(bytes(10**6))
        cache = []
        keep(cache)
        data = load()
        """)
    peak = recording.peak()["peak"]["bytes"]
    done = memreplay("check", "--max-peak", str(peak), "--limit", "job.load=64MiB", "--json", recording.trace)
    assert [each["holds"] for each in verdicts(done, 1)] == [True, False]
    assert verdicts(done, 1)[1]["excess_bytes"] > 0, "a bytearray's buffer has a byte more, and its object"
    assert memreplay("check", "--max-peak", str(peak - 1), recording.trace).status == 1


# ---- limits from a file -----------------------------------------------------------------------------------------------------


def test_limits_from_a_file(check, tmp_path):
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "base.lz4").write_bytes(run_of(10).finish())
    file = tmp_path / "limits" / "limits.toml"
    file.write_text("""# what this job may hold
max-peak = "200MB"     # bytes as people write them
max-rss = 150_000_000
baseline = "base.lz4"
max-growth = '50%'

[functions]
shop.Shop.load = "60MB"
"formats.parse" = 30000000
""")
    found = {each.get("function", each["check"]): (each["limit_bytes"], each["holds"]) for each in
             verdicts(check(run_of(), "--limits", file, "--json"), 1)}
    assert found == {"max-peak": (200 * MB, True), "max-rss": (150 * MB, False), "max-growth": (165 * MB, True),
                     "shop.Shop.load": (60 * MB, False), "formats.parse": (30 * MB, True)}
    found = verdicts(check(run_of(), "--limits", file, "--max-rss", "200MB", "--limit", "shop.Shop.load=70MB", "--json"), 0)
    assert len(found) == 5, "what is typed replaces what the file says"


@pytest.mark.parametrize("text, words", [
    ('max-peak = "12 parsecs"', "line 1: --max-peak takes a size"), ("\nmax-peek = 5", "line 2: there is no limit named max-peek"),
    ("max-peak = 5\nmax-peak = 6", "line 2: a second time: max-peak"), ("max-peak = 1.5", "line 1: nothing may follow"),
    ("max-peak = [1]", "line 1: a value is a string"), ('max-peak = "5', "line 1: the string has no end"), ("max-peak 5", "line 1: = is missing"),
    ("[limits]\nx = 5", "line 1: there is no table but [functions]: limits"), ("[functions]\n[functions]", "line 2: a second time"),
    ("[functions]\nf = 'much'", "line 2: no size such as 50MB: much"), ("[[functions]]", "line 1: arrays of tables"),
    ('max-peak = """5MB"""', "line 1: a string on several lines"), (b"max-peak = 5 # \xff", "no text in UTF-8"),
    ("max-peak = 007", "line 1: a number does not begin with 0"), ("# nothing", "nothing to check"), ("max-growth = '2%'", "since when?"),
    ("baseline = 'x.lz4'", "how much may it grow"), ('max-peak = "\\q"', "no such escape"), ("= 5", "line 1: a key was expected")])
def test_a_wrong_file_of_limits_exits_2_with_its_line(check, tmp_path, text, words):
    file = tmp_path / "limits.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = check(run_of(), "--limits", file)
    assert done.status == 2 and words in done.err and done.out == ""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in 3.11")
def test_a_file_means_what_python_s_own_reader_says(check, tmp_path):
    """Random files: the limits are those that tomllib reads; what one reader refuses in a mutated file, check never reads as limits
    that tomllib does not see."""
    import tomllib
    dice = random.Random(93)
    words = ["app", "load", "Shop", "a-b", "_x1", "42"]

    def text_of(value):
        if dice.random() < 0.3 and "'" not in value:
            return f"'{value}'"
        return '"' + "".join(f"\\u{ord(c):04x}" if dice.random() < 0.1 else {'"': '\\"', "\\": "\\\\"}.get(c, c) for c in value) + '"'

    for turn in range(60):
        wanted = {}
        lines = ["[functions]" + dice.choice(["", "  # those", "\t"])]
        for i in range(dice.randrange(1, 6)):
            parts = [f"f{i}"] + [dice.choice(words) for _ in range(dice.randrange(3))]
            odd = dice.choice(['q"uote', "<locals>", "é✓", "a\\b", "tab\t"]) if dice.random() < 0.4 else None
            parts += [odd] if odd else []
            wanted[".".join(parts)] = size = dice.randrange(1, 10**12)
            key = dice.choice([" . ", ".", ". "]).join(text_of(part) if part == odd or dice.random() < 0.3 else part for part in parts)
            value = f"{size:_}" if dice.random() < 0.3 else str(size) if dice.random() < 0.5 else text_of(str(size))
            lines += [dice.choice(["", " ", "\t"]) + f"{key} ={dice.choice(['', ' '])}{value}" + dice.choice(["", " # x = 5", " "])]
            lines += dice.choice([[], [""], ["# = ["]])
        whole = dice.choice(["\n", "\r\n"]).join(lines) + dice.choice(["", "\n"])

        def flat(tree, path=()):
            for key, value in tree.items():
                yield from flat(value, (*path, key)) if isinstance(value, dict) else [(".".join((*path, key)), int(value) if str(value).isdigit() else value)]

        assert dict(flat(tomllib.loads(whole)["functions"])) == wanted
        file = tmp_path / "limits.toml"
        file.write_bytes(whole.encode())
        found = verdicts(check(run_of(), "--limits", file, "--json"), 0)
        assert {each["function"]: each["limit_bytes"] for each in found} == wanted
        at = dice.randrange(len(whole))
        mutated = whole[:at] + dice.choice("\"'=[]#.\\\n 0_x\x01") + whole[at + dice.randrange(2):]
        file.write_bytes(mutated.encode())
        done = check(run_of(), "--limits", file, "--json")
        if done.status != 2:
            try:
                read = dict(flat(tomllib.loads(mutated).get("functions", {})))
            except tomllib.TOMLDecodeError as error:
                pytest.fail(f"accepted, but TOML says: {error}\n{mutated!r}")
            found = {each["function"]: each["limit_bytes"] for each in json.loads(done.out)["checks"]}
            assert found == {key: value if isinstance(value, int) else found.get(key) for key, value in read.items()}


# ---- the command line -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options, words", [
    ((), "nothing to check; for example"), (("--max-growth", "2%"), "since when?"), (("--limit", "load"), "FUNCTION=SIZE such as"),
    (("--limit", "=5MB"), "FUNCTION=SIZE"), (("--max-peak", "5 apples"), "--max-peak takes a size"),
    (("--max-growth", "-1%", "--baseline", "x"), "--max-growth takes a size"), (("--at", "end"), "does not take --at")])
def test_wrong_usage_exits_2(check, options, words):
    done = check(run_of(), *options)
    assert done.status == 2 and words in done.err and done.out == ""


def test_what_is_no_trace_exits_3(check, memreplay, tmp_path):
    assert memreplay("check", "--max-peak", "5MB", tmp_path / "none.lz4").status == 3
    done = check(run_of(), "--baseline", tmp_path / "none.lz4", "--max-growth", "2%")
    assert done.status == 3 and "none.lz4" in done.err
    done = check(run_of(), "--limits", tmp_path / "none.toml")
    assert done.status == 3 and "none.toml" in done.err


def test_stdin_is_read_once(memreplay):
    whole = run_of().finish()
    assert memreplay("check", "--max-peak", "1GB", "-", stdin=whole).status == 0
    done = memreplay("check", "--max-peak", "1GB", "--max-leaks", "1GB", "-", stdin=whole)
    assert done.status == 2 and "cannot be read twice" in done.err


def test_growth_within_a_run_from_a_moment_to_another(check):
    def marked():
        t = Trace()
        t.on(t.new_thread(t.process()))
        stack, other = (t.stack(0, t.function(name, "/srv/app.py"), 1) for name in ("serve", "cache"))
        first = t.alloc(stack, 500)
        t.mark("warm")
        t.free(first)
        t.alloc(stack, 600)
        t.alloc(other, 50)
        t.mark("done")
        t.alloc(stack, 10**6)
        return t

    [verdict] = verdicts(check(marked(), "--from", "warm", "--to", "done", "--max-growth", "150", "--json"), 0)
    assert [verdict[key] for key in ("from_bytes", "bytes", "growth_bytes", "limit_bytes")] == [500, 650, 150, 650]
    [verdict] = verdicts(check(marked(), "--from", "warm", "--to", "done", "--max-growth", "29%", "--json"), 1)
    assert [(each["function"], each["growth_bytes"]) for each in verdict["offenders"]] == [("serve", 100), ("cache", 50)]
    told = json.loads(check(marked(), "--from", "warm", "--to", "done", "--max-growth", "1", "--json").out)
    assert (told["from"], told["to"], "baseline" in told) == ("warm", "done", False)
    assert "650 B live at done: +150 B (+30.0%) since warm (500 B), more than the 29% allowed" in " ".join(
        check(marked(), "--from", "warm", "--to", "done", "--max-growth", "29%").out.split())
    [verdict] = verdicts(check(marked(), "--from", "warm", "--max-growth", "1000150", "--json"), 0)
    assert verdict["bytes"] == 10**6 + 650
    done = check(marked(), "--from", "cold", "--max-growth", "1")
    assert done.status == 2 and "no mark named cold" in done.err


def test_a_database_holds_what_its_trace_holds(check, memreplay, tmp_path):
    def late():
        t = Trace()
        process = t.process()
        t.on(t.new_thread(process))
        stack = t.stack(0, t.function("serve", "/srv/app.py"), 1)
        t.alloc(stack, 10**6)
        t.free(t.alloc(stack, 10**7))
        t.mark("warm")
        t.time(10**9)
        t.rss(process, 5 * 10**8)
        t.time(2 * 10**9)
        t.rss(process, 10**8)
        t.alloc(stack, 500)
        t.mark("done")
        return t

    (tmp_path / "late.lz4").write_bytes(late().finish())
    assert memreplay("sqlite", "-o", tmp_path / "late.db", tmp_path / "late.lz4").status == 0
    every = ("--max-peak", "1", "--max-rss", "1", "--max-leaks", "1", "--max-temporary", "1", "--limit", "serve=1", "--json")
    for options in (every, ("--from", "warm", "--to", "done", "--max-growth", "499", "--json"),
                    (*every, "--baseline", tmp_path / "late.db", "--max-growth", "0")):
        trace, database = check(tmp_path / "late.lz4", *options), check(tmp_path / "late.db", *options)
        assert (database.status, database.err) == (1, "") and json.loads(database.out)["checks"] == json.loads(trace.out)["checks"]
    rss = json.loads(check(tmp_path / "late.db", *every).out)["checks"][2]
    assert (rss["check"], rss["bytes"]) == ("max-rss", 5 * 10**8)
    done = check(tmp_path / "late.db", "--from", "warm", "--max-leaks", "1")
    assert done.status == 2 and "give the trace" in done.err
