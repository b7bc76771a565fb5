"""Small files that claim much: memory stays below a limit that is told, and what does not fit ends with a sentence.

What a size in a file may ask for at once is limited before it is used (format/FORMAT.md): a payload 4 MiB, a text 64 KiB, a record 1 MiB,
a command 1,024 arguments, an index 2^20 entries; ids that run ahead of what is defined are damage. What adds up is here: LZ4 makes 4 MiB
of some 17 KB, and much of a trace is one byte an event.
"""
import os
import re
import subprocess
import sys

import pytest

import memreplay_traces
from conftest import peak_rss, BUILD, run
from control_group import group  # noqa: F401 (a fixture)
from memreplay_traces import Trace, text, varint, xxh32

MIB = 1 << 20
FAULT_KIND = "Hostile"


def lengthened(value):
    return b"" if value < 15 else b"\xff" * ((value - 15) // 255) + bytes([(value - 15) % 255])


def sequence(literals, match=0, period=1):
    """An LZ4 sequence: literals, then `match` bytes that repeat the last `period` of them."""
    token = bytes([min(len(literals), 15) << 4 | (min(match - 4, 15) if match else 0)])
    return token + lengthened(len(literals)) + literals + (period.to_bytes(2, "little") + lengthened(match - 4) if match else b"")


def squeezed(payload):
    """memreplay_traces.frame with what repeats every few bytes as matches."""
    block, done = bytearray(), 0
    for found in re.finditer(rb"(?s)(.{1,6}?)\1{9,}", payload[:-16]):
        block += sequence(payload[done:found.end(1)], found.end() - found.end(1), len(found[1]))
        done = found.end()
    block += sequence(payload[done:])
    descriptor = b"\x68\x70" + len(payload).to_bytes(8, "little")
    return (b"\x04\x22\x4d\x18" + descriptor + bytes([xxh32(descriptor) >> 8 & 0xFF]) + len(block).to_bytes(4, "little") + block + bytes(4))


def started():
    t = Trace()
    t.on(t.new_thread(t.process()))
    t.alloc(t.stack(0, t.function("work", "/srv/job.py"), 1), 0)
    return t


def blocks(count=3):
    """Allocations that nobody frees, a byte each."""
    t = started()
    for _ in range(count):
        t.seal()
        t.ops += bytes(4 * MIB - 100)
        t.allocs += 4 * MIB - 100
        t.events += 4 * MIB - 100
    return t


def records(kind, body, each, count=3, what=None):
    """Equal records, as many as fill a payload."""
    t = started()
    for _ in range(count):
        t.seal()
        number = (4 * MIB - 200) // (len(body) + each)
        t.ops += b"\xc7" * number
        t.records += (varint(kind) + varint(len(body)) + body) * number
        if what:
            t.next[what] += number
    return t


BOMBS = {
    "blocks": (blocks, "4 million allocations a block that are never freed"),
    "stacks": (lambda: stacks(), "stacks upon stacks"),
    "arguments": (lambda: records(2, b"\1\0\0\3\0\0" + varint(1024) + bytes(1024), 4, what="process"), "processes with 1,024 arguments each"),
    "functions": (lambda: records(1, bytes(4), 4, what="function"), "functions without a name"),
    "marks": (lambda: records(15, text(""), 4), "marks without a name"),
    "mappings": (lambda: mappings(), "mappings one beside the other"),
}


def stacks():
    t = started()
    for _ in range(3):
        t.seal()
        number = MIB - 100
        t.ops += b"\xc6" * number
        t.records += bytes(3 * number)
        t.next["stack"] += number
    return t


def mappings():
    t = started()
    for number in range(20_000):
        t.map((1 << 40) - number * 8192, 4096)
    return t


@pytest.fixture
def compressed(monkeypatch):
    monkeypatch.setattr(memreplay_traces, "frame", squeezed)


@pytest.mark.release_only
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.fault(f"a file of less than 400 KB claims {what}", program="nothing",
                                               trace="it is read as far as memory goes; memreplay says where that ends, with status 3"))
    for name, (_, what) in BOMBS.items()])
def test_bomb__stays_below_the_limit_of_memory(compressed, tmp_path, name):
    path, limit = tmp_path / "bomb.lz4", 96 * MIB
    path.write_bytes(BOMBS[name][0]().finish())
    assert path.stat().st_size < 400_000
    status, said, rss = peak_rss([BUILD / "memreplay", "peak", path], limit)
    assert status in (0, 3) and rss < limit + 32 * MIB, (status, said, rss)
    assert status == 0 or "memory" in said or "damaged" in said, said
    assert name != "blocks" or "out of memory" in said


@pytest.mark.release_only
def test_memreplay__takes_three_quarters_of_the_machine_s_memory_at_most(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    running = subprocess.Popen([BUILD / "memreplay", "peak", tmp_path / "pipe"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(tmp_path / "pipe", "wb"):  # it has it open, so it runs
        with open(f"/proc/{running.pid}/limits") as file:
            [limit] = re.findall(r"Max data size +(\d+|unlimited)", file.read())
    running.wait(60)
    assert limit != "unlimited" and int(limit) <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") * 3 // 4


@pytest.mark.release_only
@pytest.mark.fault("memreplay reads a small file that claims much in a container with a limit on memory", program="nothing",
                   trace="it is read as far as three quarters of that limit go; memreplay says where that ends, with status 3")
def test_bomb__ends_before_the_kernel_ends_us_in_a_control_group(compressed, tmp_path, group):
    path = tmp_path / "bomb.lz4"
    path.write_bytes(blocks(6).finish())
    done = run([*group(100).prefix, BUILD / "memreplay", "peak", path])
    assert done.status == 3 and "out of memory" in done.err, done
