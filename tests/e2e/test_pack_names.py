"""memreplay pack: a trace takes the names of its machine code along, and is otherwise what it was."""
import os
import struct
import subprocess
import zlib

import pytest

import binaries
from memreplay_traces import TRACE_ID, Trace, piece
from test_native_names import Program, make_trace

pytestmark = pytest.mark.san
REPORTS = (("peak", "--json", "--frames", "all"), ("peak", "--table"), ("leaks", "--json"), ("export", "--format", "folded"))


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path, language="cc", flags=("-O2", "-g"))


def reports(memreplay, trace):
    done = [memreplay(*report, trace) for report in REPORTS]
    assert all(each.status == 0 for each in done), done
    return [each.out for each in done], "".join(each.err for each in done)


def parts(data):
    """[(tag, offset, bytes)] of the skippable parts of a trace."""
    found, at = [], 0
    while at < len(data):
        magic, size = struct.unpack_from("<II", data, at)
        if magic == 0x184D2A5E:
            found.append((data[at + 8:at + 12], at, data[at:at + 8 + size]))
            if found[-1][0] == b"MRBK":
                size += struct.unpack_from("<I", data, at + 8 + 12)[0]
            at += 8 + size
        else:
            raise AssertionError(f"no part at {at}")
    return found


def test_a_packed_trace_says_the_same_without_the_binaries(program, tmp_path, memreplay):
    trace, packed = program.trace(tmp_path / "t.lz4"), tmp_path / "packed.lz4"
    before, _ = reports(memreplay, trace)
    done = memreplay("pack", "-o", packed, trace)
    assert done.status == 0 and f"names for {len(program.places)} of {len(program.places)} places in 1 of 1 modules" in done.err
    os.remove(program.path)
    after, words = reports(memreplay, packed)
    assert after == before and words == ""
    assert "innermost" in after[0] and "innermost" not in reports(memreplay, trace)[0][0]


def test_names_beside_a_trace_are_found(program, tmp_path, memreplay):
    trace = program.trace(tmp_path / "t.lz4")
    whole = trace.read_bytes()
    before, _ = reports(memreplay, trace)
    assert memreplay("pack", "--beside", trace).status == 0
    assert os.stat(f"{trace}.names").st_mode & 0o777 == 0o600 and trace.read_bytes() == whole
    os.remove(program.path)
    assert reports(memreplay, trace) == (before, "")
    assert memreplay("pack", "--beside", trace).status == 2
    assert memreplay("pack", "--beside", "-f", trace).status == 0
    assert reports(memreplay, trace) == (before, "")


def test_names_of_another_recording_are_said_and_not_used(program, tmp_path, memreplay):
    trace = program.trace(tmp_path / "t.lz4")
    assert memreplay("pack", "--beside", trace).status == 0
    names = bytearray((tmp_path / "t.lz4.names").read_bytes())
    names[8 + 8] ^= 1
    names[-4:] = struct.pack("<I", zlib.crc32(names[8:-4]))
    (tmp_path / "t.lz4.names").write_bytes(names)
    os.remove(program.path)
    done = memreplay("peak", trace)
    assert "is of another recording" in done.err and "plain" not in done.out


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "endless"])
def test_damaged_names_beside_a_trace_are_as_if_they_were_not_there(damage, program, tmp_path, memreplay):
    trace, names = program.trace(tmp_path / "t.lz4"), tmp_path / "t.lz4.names"
    assert memreplay("pack", "--beside", trace).status == 0
    whole = bytearray(names.read_bytes())
    if damage == "flipped":
        whole[len(whole) // 2] ^= 4
    names.write_bytes({"cut": whole[:-5], "flipped": whole, "empty": b"", "text": b"hello, this is no list of names at all\n",
                       "endless": bytes(whole[:4]) + b"\xff" * 200}[damage])
    os.remove(program.path)
    done = memreplay("peak", trace)
    assert done.status == 0 and "plain" not in done.out and "not on this machine" in done.err


def test_what_was_there_stays_where_it_was_and_stock_tools_accept_it(program, tmp_path, memreplay, record):
    """A real recording, with an index: every part but index and trailer stays at its place, and the index is where the trailer says."""
    trace, packed = record("import json; x = [json.dumps(list(range(1000))) for _ in range(100)]").trace, tmp_path / "packed.lz4"
    assert memreplay("pack", "-o", packed, trace).status == 0
    old, new = parts(open(trace, "rb").read()), parts(packed.read_bytes())
    kept = [part for part in new if part[0] != b"MRNM"]
    assert [part[0] for part in kept] == [part[0] for part in old]
    assert kept[:-2] == old[:-2] and [part[0] for part in kept[-2:]] == [b"MRIX", b"MREN"]
    assert kept[-2][2] == old[-2][2]
    assert struct.unpack_from("<Q", kept[-1][2], 16)[0] == kept[-2][1]
    assert memreplay("verify", packed).status == 0


def test_the_index_is_where_the_trailer_says(program, tmp_path, memreplay):
    """An index moves behind the names; packed again without the binaries, it stays."""
    whole = program.trace(tmp_path / "t.lz4").read_bytes()
    body, trailer = whole[:-56], bytearray(whole[-48:])
    index = b"MRIX" + bytes(4)
    trailer[8:16] = struct.pack("<Q", len(body))
    trailer[44:48] = struct.pack("<I", zlib.crc32(trailer[:44]))
    (tmp_path / "t.lz4").write_bytes(body + piece(index + struct.pack("<I", zlib.crc32(index))) + piece(bytes(trailer)))
    assert memreplay("verify", tmp_path / "t.lz4").status == 0
    for packed, trace in (("once.lz4", "t.lz4"), ("twice.lz4", "once.lz4")):
        assert memreplay("pack", "-o", tmp_path / packed, tmp_path / trace).status == 0
        found = parts((tmp_path / packed).read_bytes())
        assert [part[0] for part in found] == [b"MRTR", b"MRBK", b"MRNM", b"MRIX", b"MREN"]
        assert struct.unpack_from("<Q", found[-1][2], 16)[0] == found[-2][1] > len(body)
        assert memreplay("verify", tmp_path / packed).status == 0
        if os.path.exists(program.path):
            os.remove(program.path)


def test_packing_twice_is_packing_once_and_later_answers_stay(program, tmp_path, memreplay):
    trace, once, twice = program.trace(tmp_path / "t.lz4"), tmp_path / "once.lz4", tmp_path / "twice.lz4"
    assert memreplay("pack", "-o", once, trace).status == 0
    os.remove(program.path)
    assert memreplay("pack", "-o", twice, once).status == 0
    assert once.read_bytes() == twice.read_bytes()
    assert [part[0] for part in parts(once.read_bytes())] == [b"MRTR", b"MRBK", b"MRNM", b"MREN"]
    assert memreplay("pack", "-o", once, "-f", once).status == 0
    assert once.read_bytes() == twice.read_bytes()


def test_stock_lz4_accepts_a_packed_trace(program, tmp_path, memreplay):
    trace, packed = program.trace(tmp_path / "t.lz4"), tmp_path / "packed.lz4"
    assert memreplay("pack", "-o", packed, trace).status == 0
    said = [subprocess.run(["lz4", "-dc", path], capture_output=True, check=True).stdout for path in (trace, packed)]
    assert said[0] == said[1]


def test_a_moment_before_the_end_has_its_names(program, tmp_path, memreplay):
    """Names stand at the end of a file, behind what is read for a moment."""
    t = Trace(("program",), flags=3, started_ns=4102444800 * 10**9)
    process = t.process(python="")
    t.on(t.new_thread(process))
    module = t.module(process, program.path, program.build_id)
    t.alloc(t.stack(0, module, sorted(program.places)[0]), 100)
    for second in range(1, 50):
        t.time(second * 10**9)
        t.free(t.alloc(0, 10))
        t.seal()
    (tmp_path / "t.lz4").write_bytes(t.finish())
    ask = ("leaks", "--at", "3s", "--json")
    before = memreplay(*ask, tmp_path / "t.lz4").out
    assert memreplay("pack", "-o", tmp_path / "p.lz4", tmp_path / "t.lz4").status == 0
    os.remove(program.path)
    assert memreplay(*ask, tmp_path / "p.lz4").out == before and program.places[sorted(program.places)[0]][0][0] in before


def test_damaged_names_inside_a_trace_are_damage_and_cost_themselves_alone(program, tmp_path, memreplay):
    trace, packed = program.trace(tmp_path / "t.lz4"), tmp_path / "packed.lz4"
    assert memreplay("pack", "-o", packed, trace).status == 0
    data = bytearray(packed.read_bytes())
    at = next(part[1] for part in parts(bytes(data)) if part[0] == b"MRNM")
    data[at + 40] ^= 1
    packed.write_bytes(data)
    os.remove(program.path)
    done = memreplay("peak", "--json", packed)
    assert done.status == 3 and f'"bytes": {100 * len(program.places)}' in done.out and "plain" not in done.out
    assert "a list of names is damaged" in memreplay("verify", packed).out


def test_incomplete_traces_get_their_names_beside(program, tmp_path, memreplay):
    trace = program.trace(tmp_path / "t.lz4")
    trace.write_bytes(trace.read_bytes()[:-10])
    refused = memreplay("pack", "-o", tmp_path / "p.lz4", trace)
    assert refused.status == 2 and "--beside" in refused.err and not (tmp_path / "p.lz4").exists()
    assert memreplay("pack", "--beside", trace).status == 0
    os.remove(program.path)
    assert "plain" in memreplay("peak", trace).out


def test_wrong_usage_is_refused_with_a_sentence(program, tmp_path, memreplay):
    trace = program.trace(tmp_path / "t.lz4")
    database = tmp_path / "run.db"
    assert memreplay("sqlite", "-o", database, trace).status == 0
    for arguments, word in (((trace,), "where to"), (("-o", "-", trace), "pipe"), (("--beside", "-o", "x", trace), "exclude"),
                            (("-o", tmp_path / "p", database), "a trace that is a file"), (("--json", "-o", "x", trace), "--json")):
        done = memreplay("pack", *arguments)
        assert done.status == 2 and word in done.err, (arguments, done)
    assert not (tmp_path / "p").exists()


def test_a_database_keeps_names(program, tmp_path, memreplay):
    trace = program.trace(tmp_path / "t.lz4")
    before = memreplay("peak", trace).out
    assert memreplay("sqlite", "-o", tmp_path / "run.db", trace).status == 0
    os.remove(program.path)
    assert memreplay("peak", tmp_path / "run.db").out == before


def by_hand(answers, build_id="cd" * 20, listed_id=None, listed_path="/gone/x.so", trace_id=TRACE_ID):
    """A trace with one allocation of 100 B at 0x10 and one of 7 B at 0x20 of a module, and these names."""
    t = Trace(("program",), flags=3)
    process = t.process(python="")
    t.on(t.new_thread(process))
    module = t.module(process, "/gone/x.so", build_id)
    t.alloc(t.stack(0, module, 0x10), 100)
    t.alloc(t.stack(0, module, 0x20), 7)
    t.names(listed_path, build_id if listed_id is None else listed_id, answers, trace_id)
    return t.finish()


NAMES = {0x10: [("outer", "/src/a.c", 3), ("inner", "/src/b.h", 9)], 0x20: [("plain", "", 0)]}


def folded(memreplay, path):
    done = memreplay("export", "--format", "folded", "--frames", "all", path)
    return done.out.splitlines(), done.err, done.status


def test_names_as_the_format_says_them(tmp_path, memreplay):
    """Bytes made from FORMAT.md alone; the middle of the file will do for a part."""
    (tmp_path / "t.lz4").write_bytes(by_hand(NAMES))
    lines, words, status = folded(memreplay, tmp_path / "t.lz4")
    assert status == 0 and words == ""
    assert sorted(line.rsplit(" ", 1)[1] for line in lines) == ["100", "7"]
    assert any("outer" in line and "inner" in line and line.index("outer") < line.index("inner") for line in lines)
    assert any("plain" in line and line.endswith(" 7") for line in lines)


@pytest.mark.parametrize("how", [{"listed_id": "ab" * 20}, {"trace_id": 1}, {"build_id": "", "listed_path": "/gone/y.so"},
                                 {"build_id": "", "listed_id": "cd" * 20}], ids=str)
def test_names_of_something_else_are_not_used(how, tmp_path, memreplay):
    (tmp_path / "t.lz4").write_bytes(by_hand(NAMES, **how))
    lines, words, status = folded(memreplay, tmp_path / "t.lz4")
    assert status == 0 and "not on this machine" in words and not any("plain" in line or "outer" in line for line in lines)
    (tmp_path / "t.lz4").write_bytes(by_hand(NAMES, build_id="", listed_path="/gone/x.so"))
    assert any("plain" in line for line in folded(memreplay, tmp_path / "t.lz4")[0])


def test_hostile_names_are_escaped_and_bounded(tmp_path, memreplay):
    """Names that steer a terminal, none at all, 64 frames at a place and 65, which are too many."""
    steering = {0x10: [("\x1b]0;owned\x07", "\u202ereversed", 1)], 0x20: [("", "", 2**64 - 1)]}
    (tmp_path / "t.lz4").write_bytes(by_hand(steering))
    for report in (*REPORTS, ("peak", "--full"), ("flamegraph", "-o", "-"), ("export", "--format", "csv")):
        done = memreplay(*report, tmp_path / "t.lz4")
        assert done.status == 0 and "\x1b" not in done.out + done.err and "\x07" not in done.out and "\u202e" not in done.out, report
    for count in (64, 65):
        (tmp_path / "t.lz4").write_bytes(by_hand({0x10: [(f"f{i}", "", 0) for i in range(count)]}))
        lines, _, status = folded(memreplay, tmp_path / "t.lz4")
        assert status == 0 and any("f63" in line for line in lines) == (count == 64)


def test_many_names_are_many_lists(tmp_path, memreplay):
    """More than one list holds: 30,000 functions with long names."""
    source = tmp_path / "many.c"
    with open(source, "w") as file:
        for i in range(30000):
            file.write(f"void f_{i}_{'x' * 80}(void) {{}}\n")
    library = binaries.library(tmp_path / "many.so", "-O0", "-Wl,--build-id", source)
    names = {offset: name for name, (offset, _) in binaries.symbols(library).items() if name.startswith("f_")}
    trace, packed = tmp_path / "t.lz4", tmp_path / "p.lz4"
    make_trace(trace, str(library), binaries.build_id(library), sorted(names))
    before = memreplay("export", "--format", "folded", trace).out
    assert len(names) == 30000 and all(name in before for name in list(names.values())[::997])
    assert memreplay("pack", "-o", packed, trace).status == 0
    assert [part[0] for part in parts(packed.read_bytes())].count(b"MRNM") > 1
    os.remove(library)
    assert memreplay("export", "--format", "folded", packed).out == before
