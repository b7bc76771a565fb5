"""Names as nobody decent gives them, in every place that has one, through every command and format: they stay data everywhere.

Two traces that differ in names alone: a page or picture of the hostile one has no element or attribute that the other's has not.
"""
import csv
import html.parser
import json
import os
import re
import sqlite3
import subprocess
import xml.etree.ElementTree

import pytest

from conftest import BUILD, ROOT, run
from memreplay_traces import Trace
from test_export import Profile

MIB = 1 << 20
HOSTILE = [  # a timeline and a page's title tell the first ones, a comment for a pull request the last ten
    "\u202egnp.exe\u2066", "\u009b31m", "</script></style></title><img src=x onerror=alert(1)>", "\"'`]]>&lt;<!--", "a\u200bb\u2028c\ufeff", "\" onload=\"alert(1)", "' x='`", "]]>&lt;&amp;<!--", "<?xml?>&#x1b;",
    b"\x1b[31mred\x1b]0;title\x07", "\U000e0041\U000e007f", "two\r\nlines\n\tthree\x00", "\x7f\x08\x08",
    b"\xff\xfe\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "=cmd()|'x'!A1", "+1", "-1", "@x", "＝1", "＋1", "－1", "＠x", "\t=1", "\r=1",
    "a;b 9", ";", ",", "\"", "%s%n%p", "__proto__", "{{7*7}}", " ", "é 日本 💩", "n" * 3000,
    "`", "``", "\\", "[x](javascript:alert(1))", "@somebody #1", "| a | b |", "\x1b[2J", "\u202emoc", "<script>alert(1)</script>"]
PLAIN = [f"name{number}" for number in range(len(HOSTILE))]
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")


def bytes_of(name):
    return name if isinstance(name, bytes) else name.encode()


def named(names):
    """Every name is an argument, a thread, a mark, a function and a file; every function holds, leaks and had temporary memory."""
    names = list(map(bytes_of, names))
    t = Trace(("python3", *names))
    process = t.process(python=names[0], argv=("python3", *names))
    t.on(t.new_thread(process))
    held = []
    for number, name in enumerate(names):
        t.on(t.new_thread(process, 101 + number, name))
        t.time(number * 10**6)
        t.mark(name)
        caller = t.stack(0, t.function(name, b"/srv/job.py", 1), 2)
        stack = t.stack(caller, t.function(b"in " + name, name, 3), 4)
        again = t.stack(caller, t.function(name, name + b"/" + name, 5), 6)
        held.append(t.alloc(stack, MIB + 4096 * number))
        t.alloc(again, MIB)
        t.free(t.alloc(again, 3 * MIB))
    t.time(10**9)
    for index in held[::2]:
        t.free(index)
    t.process_end(process)
    t.exit()
    return t


# ---- what each format promises ----

def words(out, plain=None):
    assert not CONTROL.search(out.decode()), CONTROL.search(out.decode())


def data(out, plain=None):
    words(out)
    json.loads(out)


class Elements(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.seen = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.add((tag, tuple(name for name, _ in attributes)))

    def handle_comment(self, text):
        self.seen.add(("comment", ()))

    def unknown_decl(self, text):
        self.seen.add(("declaration", ()))

    handle_pi = unknown_decl


def page(out, plain):
    assert not CONTROL.search(out.decode().replace("\t", " "))
    assert Elements(out.decode()).seen <= Elements(plain.decode()).seen
    assert out.count(b"<script") == plain.count(b"<script") and out.count(b"</script") == plain.count(b"</script")


def picture(out, plain):
    elements = lambda text: {(each.tag, tuple(each.attrib)) for each in xml.etree.ElementTree.fromstring(text).iter()}
    words(out)
    assert elements(out) <= elements(plain)


def markdown(out, plain):
    words(out)
    rows = [line for line in out.decode().splitlines() if line.startswith("|")]
    assert len(rows) > 5 and {row.count("|") for row in rows} == {6}
    for line in out.decode().splitlines():
        assert not re.search(r"[<\[@\\]|alert|name", re.sub(r"`[^`]+`", "", line)), line


def sheet(out, plain):
    assert not CONTROL.search(out.decode().replace("\r\n", "\n"))
    rows = list(csv.reader(out.decode().split("\r\n"), strict=True))
    assert rows.pop() == [] and len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not re.match(r"[=+\-@＝＋－＠\t\r]", cell), cell
    assert any(cell.startswith("'＝") for row in rows for cell in row)


def folded(out, plain):
    words(out)
    for line in out.decode().splitlines():
        stack, count = line.rsplit(" ", 1)
        assert int(count) and len(stack.split(";")) == 2, line


OUTPUTS = {
    **{f"{command} {' '.join(options)}".strip(): ((command, *options), words) for command, options in [
        ("summary", ()), ("peak", ()), ("peak", ("--full",)), ("peak", ("--table",)), ("leaks", ("--full",)), ("leaks", ("--table",)), ("temporary", ("--full",)),
        ("verify", ()), ("closing", ()), ("timeline", ()), ("diff", ("--full",)), ("check", ("--max-peak", "1", "--max-leaks", "1"))]},
    **{f"{command} --json": ((command, *options, "--json"), data) for command, options in [
        ("summary", ()), ("peak", ()), ("leaks", ()), ("temporary", ()), ("verify", ()), ("closing", ()), ("timeline", ()), ("diff", ()), ("check", ("--max-peak", "1"))]},
    "diff --markdown": (("diff", "--markdown"), markdown), "diff --html": (("diff", "--html", "-o", "-"), page), "flamegraph": (("flamegraph", "-o", "-"), page),
    "flamegraph --svg": (("flamegraph", "--svg", "-o", "-"), picture), "export csv": (("export", "--format", "csv"), sheet),
    "export folded": (("export", "--format", "folded"), folded), "export speedscope": (("export", "--format", "speedscope"), data),
}


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    for name, trace in (("hostile", named(HOSTILE)), ("plain", named(PLAIN)), ("before", named(PLAIN[:1]))):
        (folder / f"{name}.lz4").write_bytes(trace.finish())
    return folder


def shown(traces, name, argv, locale="C.UTF-8"):
    """Bytes on stdout; what is said on stderr is for people in any case."""
    before = [traces / "before.lz4"] if argv[0] == "diff" else []
    done = subprocess.run([BUILD / "memreplay", *argv, *before, traces / f"{name}.lz4"], capture_output=True, timeout=60, env={"LC_ALL": locale, "COLUMNS": "120"})
    assert done.returncode == (argv[0] == "check"), done.stderr
    words(done.stderr + b"\n")
    return done.stdout


@pytest.mark.fault("names in a trace are made to deceive: control characters, markup, formulas, right-to-left, bytes that are no text",
                   program="nothing", trace="they are there as they are; every report and export shows them as data", kind="Hostile")
@pytest.mark.parametrize("argv, rule", OUTPUTS.values(), ids=OUTPUTS)
def test_names__stay_data(traces, argv, rule):
    out = shown(traces, "hostile", argv)
    assert len(out) > 80
    rule(out, shown(traces, "plain", argv))


@pytest.mark.parametrize("command", ["summary", "peak", "timeline", "leaks", "diff"])
def test_names__are_ascii_where_the_terminal_is(traces, command):
    out = shown(traces, "hostile", (command,), locale="C")
    assert out.isascii() and len(out) > 100
    words(out)


def test_names__are_told_and_not_left_out(traces):
    text = shown(traces, "hostile", ("peak", "--full")).decode()
    for name in ("<script>alert(1)</script>", r"\x1b[31mred\x1b]0;title\x07", r"\u202egnp.exe\u2066", r"\U000e0041", r"\xff\xfe\xc3", "＝1", r"two\x0d\x0alines\x0a\x09three\x00"):
        assert name in text, name
    told = {frame["function"] for stack in json.loads(shown(traces, "hostile", ("peak", "--json")))["stacks"] for frame in stack["frames"]}
    assert {name for name in HOSTILE if isinstance(name, str)} <= told


def test_names__are_data_in_pprof(traces, tmp_path):
    (tmp_path / "out").write_bytes(shown(traces, "hostile", ("export", "--format", "pprof")))
    for text in Profile(tmp_path / "out").strings:
        assert not CONTROL.search(text), text


def test_names__are_data_in_a_database(traces, tmp_path):
    assert run([BUILD / "memreplay", "sqlite", "-o", tmp_path / "hostile.lz4", traces / "hostile.lz4"]).status == 0
    with sqlite3.connect(tmp_path / "hostile.lz4") as db:
        tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        texts = [value for table in tables for row in db.execute(f'SELECT * FROM "{table}"') for value in row if isinstance(value, str)]
    assert "<script>alert(1)</script>" in texts and len(tables) > 10
    for argv in (("peak", "--full"), ("summary",), ("timeline",), ("leaks", "--json")):
        assert shown(tmp_path, "hostile", argv) == shown(traces, "hostile", argv)


def test_every_command_and_format_is_here():
    commands = set(re.findall(r"^(?:COMMAND|TOOL)\((\w+)", (ROOT / "replay" / "commands.def").read_text(), re.M))
    assert commands == {argv[0] for argv, _ in OUTPUTS.values()} | {"sqlite", "pack"}
    [formats] = re.findall(r'OPTION\(FORMAT, .*"([^"]+)"\)', (ROOT / "replay" / "options.def").read_text())
    assert set(re.split(", | or ", formats)) == {argv[2] for argv, _ in OUTPUTS.values() if argv[0] == "export"} | {"pprof"}


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b]0;title\x07.py", "a\u202eyp.py", "\u009b31m.py", "two\nlines.py", b"\xff\x9b.py"], ids=range(5))
def test_scripts__with_such_a_name_are_told_so(memrec, tmp_path, python, name):
    script = tmp_path / os.fsdecode(name)
    script.write_text("x = bytes(10**6)\nprint('program ran')\n")
    done = memrec("run", script, cwd=tmp_path, env={"PATH": f"{os.path.dirname(python.path)}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
    assert done.status == 0 and "program ran" in done.out
    assert not CONTROL.search(done.err), done.err
    [trace] = [each for each in tmp_path.iterdir() if each != script]
    assert not CONTROL.search(os.fsencode(trace.name).decode(errors="replace"))
    for argv in (("peak", script), ("peak", "-o", tmp_path / "no" / script.name, trace), ("flamegraph", "-f", "-o", script, trace)):
        done = run([BUILD / "memreplay", *argv], env={"LC_ALL": "C.UTF-8"})
        assert done.err and not CONTROL.search(done.err), done.err
