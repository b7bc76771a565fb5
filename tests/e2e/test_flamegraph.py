"""memreplay flamegraph without a browser: where it writes, what it refuses, and what its data add up to (tests/web looks at the
pages themselves)."""
import base64
import json
import re
import struct

import pytest

from conftest import BUILD, run
from memreplay_traces import Trace

MIB = 1 << 20


def lz4_block(data):
    """An LZ4 block, unpacked: a second opinion on what the page's own script does."""
    out, at = bytearray(), 0
    def more(length):
        nonlocal at
        while length >= 15:
            byte = data[at]
            at += 1
            length += byte
            if byte != 255:
                break
        return length
    while at < len(data):
        token = data[at]
        at += 1
        literals = more(token >> 4) if token >> 4 == 15 else token >> 4
        out += data[at:at + literals]
        at += literals
        if at >= len(data):
            break
        offset = data[at] | data[at + 1] << 8
        at += 2
        length = (more(15) if token & 15 == 15 else token & 15) + 4
        for _ in range(length):
            out.append(out[-offset])
    return bytes(out)


def numbers(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def sections(page):
    raw = base64.b64decode(re.search(r'id="data">([A-Za-z0-9+/=]*)</script>', page).group(1))
    length, = struct.unpack("<Q", raw[:8])
    data, found, at = lz4_block(raw[8:]), {}, 0
    assert len(data) == length
    while at < len(data):
        tag, size, shift = data[at:at + 4].decode(), 0, 0
        at += 4
        while True:
            byte = data[at]
            at += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        found[tag] = data[at:at + size]
        at += size
    return found


def column(section):
    """(bytes, allocations) in all."""
    told = list(numbers(section))
    return sum(told[1::4]), sum(told[2::4])


def small():
    t = Trace(("python3", "job.py"))
    process = t.process()
    t.on(t.new_thread(process))
    function = t.function("work", "/srv/job.py", 3)
    t.time(10**9)
    first = t.alloc(t.stack(0, function, 7), 3 * MIB)
    t.alloc(t.stack(0, function, 8), MIB)
    t.free(t.alloc(t.stack(0, function, 9), 100))
    t.time(2 * 10**9)
    t.free(first)
    t.time(3 * 10**9)
    return t


@pytest.fixture
def trace(tmp_path):
    (tmp_path / "my.trace.lz4").write_bytes(small().finish())
    return tmp_path / "my.trace.lz4"


def test_it_writes_beside_the_trace_and_says_where(memreplay, trace, tmp_path):
    done = memreplay("flamegraph", trace)
    assert (done.status, done.out) == (0, "") and done.err == f"wrote {tmp_path}/my.trace.html\n"
    again = memreplay("flamegraph", trace)
    assert again.status == 2 and "my.trace.html exists" in again.err and "-f" in again.err
    assert memreplay("flamegraph", "-f", trace).status == 0
    assert memreplay("flamegraph", "--svg", trace).status == 0 and (tmp_path / "my.trace.svg").read_text().startswith("<?xml")


def test_dash_is_stdout_and_the_same_trace_makes_the_same_page(memreplay, trace):
    one, two = (memreplay("flamegraph", "-o", "-", trace) for _ in range(2))
    assert one.status == 0 and one.err == "" and one.out == two.out and one.out.startswith("<!DOCTYPE html>")
    assert memreplay("flamegraph", "-o", "-", "-", stdin=small().finish()).out == one.out


def test_half_a_page_is_none(trace, tmp_path):
    limited = f"ulimit -f 40; trap '' XFSZ; exec {BUILD}/memreplay flamegraph -o {tmp_path}/page.html {trace}"
    done = run(["bash", "-c", limited])
    assert done.status == 3 and "page.html cannot be written" in done.err and not (tmp_path / "page.html").exists()


def test_columns_add_up_to_the_reports(memreplay, trace):
    found = sections(memreplay("flamegraph", "-o", "-", trace).out)
    assert column(found["held"]) == (4 * MIB + 100, 3)
    assert column(found["leak"]) == (MIB, 1)
    assert column(found["temp"]) == (100, 1)
    meta = json.loads(found["meta"])
    assert meta["schema"] == "memreplay.flamegraph/1" and meta["moment"]["bytes"] == meta["peak"]["bytes"] == 4 * MIB + 100
    assert [row[0] for row in meta["functions"]] == ["work"]


def stored(section):
    """The stored moments: [(time in ns, bytes)], each checked against the entries' changes up to it."""
    told = list(numbers(section))
    held, now, at, found = 0, 0, 1, []
    for _ in range(told[0]):
        since, _, bytes_then, _, rows = told[at:at + 5]
        at += 5
        for row in range(rows):
            change = told[at + 4 * row + 1]
            held += -(change + 1) // 2 if change % 2 else change // 2
        at += 4 * rows
        now += since
        assert held == bytes_then
        found.append((now, held))
    return found


def test_the_history_ends_with_what_was_left(memreplay, trace):
    found = stored(sections(memreplay("flamegraph", "-o", "-", trace).out)["hist"])
    assert found[-1][1] == MIB and max(held for _, held in found) == 4 * MIB + 100


def test_stored_moments_are_the_teeth_and_the_gaps_of_a_saw(memreplay, tmp_path):
    t = Trace()
    t.on(t.new_thread(t.process()))
    base, tooth = (t.stack(0, t.function(name, "/srv/saw.py"), 1) for name in ("base", "tooth"))
    t.time(10**6)
    t.alloc(base, MIB)
    for number in range(1, 3000):
        t.time(number * 30 * 10**6)
        block = t.alloc(tooth, 9 * MIB)
        t.time(number * 30 * 10**6 + 10**7)
        t.free(block)
    t.time(100 * 10**9)
    (tmp_path / "saw.lz4").write_bytes(t.finish())
    held = [held for _, held in stored(sections(memreplay("flamegraph", "-o", "-", tmp_path / "saw.lz4").out)["hist"])]
    assert len(held) < 1000 and held.count(10 * MIB) > 100 and held.count(MIB) > 100


def test_one_process_of_several(memreplay, tmp_path):
    t = Trace()
    parent, child = t.process(100), t.process(200)
    for process, tid, size in ((parent, 100, 3 * MIB), (child, 200, MIB)):
        t.on(t.new_thread(process, tid))
        t.time(10**9)
        t.alloc(t.stack(0, t.function(f"of{tid}", "/srv/job.py"), 1), size)
    (tmp_path / "t.lz4").write_bytes(t.finish())
    found = sections(memreplay("flamegraph", "--pid", "200", "-o", "-", tmp_path / "t.lz4").out)
    assert column(found["held"]) == (MIB, 1) and [each["pid"] for each in json.loads(found["meta"])["processes"]] == [200]
    assert memreplay("flamegraph", "--pid", "7", "-o", "-", tmp_path / "t.lz4").status == 2


def test_an_empty_and_a_cut_trace_make_pages_too(memreplay, tmp_path):
    (tmp_path / "empty.lz4").write_bytes(Trace().finish())
    assert memreplay("flamegraph", tmp_path / "empty.lz4").status == 0
    assert memreplay("flamegraph", "--svg", tmp_path / "empty.lz4").status == 0
    (tmp_path / "cut.lz4").write_bytes(small().finish(trailer=False))
    cut = memreplay("flamegraph", tmp_path / "cut.lz4")
    assert cut.status == 0 and "incomplete" in cut.err
    assert memreplay("flamegraph", "--svg", tmp_path / "cut.lz4").status == 0


def test_deep_and_wide_stacks_fit_the_budget(memreplay, tmp_path):
    t = Trace()
    t.on(t.new_thread(t.process()))
    deep, function = 0, t.function("deeper", "/srv/job.py", 3)
    t.time(10**9)
    for line in range(30000):
        deep = t.stack(deep, function, line % 50000)
    t.seal()
    t.alloc(deep, MIB)
    for number in range(20000):
        t.alloc(t.stack(0, t.function(f"{number:05d}" * 40, f"/srv/{number}.py", 3), number), 1000 + number)
        if number % 1000 == 0:
            t.seal()
    (tmp_path / "t.lz4").write_bytes(t.finish())
    out = memreplay("flamegraph", "-o", "-", tmp_path / "t.lz4").out
    assert len(out) <= 3_000_000
    assert column(sections(out)["held"])[0] == MIB + sum(range(1000, 21000))
    assert memreplay("flamegraph", "--svg", "-o", "-", tmp_path / "t.lz4").status == 0
    assert memreplay("flamegraph", "--svg", "--inverted", "-o", "-", tmp_path / "t.lz4").status == 0
