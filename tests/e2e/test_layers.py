"""Which frames are shown where machine code was recorded beside Python (--frames): by a second opinion on made traces with every
kind of mixture, and in each form that a report has. Names of addresses are tested elsewhere: here nothing is known but modules.
"""
import gzip
import json
import pathlib
import random

import pytest
from memreplay_traces import CALLOC, MALLOC, Trace

MIB = 1 << 20
LIBC, PYTHON = "/usr/lib/libc.so.6", "/usr/bin/python3.11"
UMATH = "/v/lib/python3.11/site-packages/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so"
JOB = "/home/ana/work/job.py"
CHOICES = ("leaf", "python", "all")


def made(path, trace):
    path.write_bytes(trace.finish())
    return path


def shown(frames, choice):
    """What a stack reads as. frames, outermost first: (is it Python?, what it reads as)."""
    if choice == "all":
        return tuple(text for _, text in frames)
    last = max((at for at, (python, _) in enumerate(frames) if python), default=-1)
    if choice == "python":
        return tuple(text for python, text in frames if python)
    return tuple(text for at, (python, text) in enumerate(frames) if python or at > last)


def read_of(frame):
    """What JSON says of a frame, as shown() has it."""
    return (frame["function"], frame["file"], frame["line"], frame["kind"])


def a_mixture(seed):
    """A random trace, and by choice what it holds: {(stack, allocator, tid): [bytes, allocations]}."""
    choose = random.Random(seed)
    t = Trace(flags=7)
    process = t.process()
    modules = [(t.module(process, path, build_id, 0x7F0000000000 + at * MIB), path) for at, (path, build_id) in
               enumerate([(LIBC, "aa"), ("/opt/libc.so.6", "aa"), (PYTHON, ""), (UMATH, "cc")])]
    functions = [(t.function(name, JOB), name) for name in ("<module>", "load", "fit")]
    nodes = {0: []}  # id: frames, outermost first
    for _ in range(choose.randrange(5, 80)):
        parent = choose.choice(list(nodes)[-8:])
        if choose.random() < 0.5:
            function, name = choose.choice(functions)
            line = choose.randrange(1, 4)
            nodes[t.stack(parent, function, line)] = nodes[parent] + [(True, (name, JOB, line, "python"))]
        else:
            (function, path), offset = choose.choice(modules), choose.choice((0, 0x10, 0x1F2A, 1 << 33))
            base = "_umath.so" if path == UMATH else path.rpartition("/")[2]
            nodes[t.stack(parent, function, offset)] = nodes[parent] + [(False, (f"{base}+0x{offset:x}", path, 0, "native"))]
    origin = choose.choice(list(nodes))
    threads = [(t.new_thread(process, tid=100), 100, 0), (t.new_thread(process, tid=101, name="pool", origin=origin), 101, origin)]
    held = {choice: {} for choice in CHOICES}
    for _ in range(120):
        thread, tid, started = choose.choice(threads)
        stack, size, allocator = choose.choice(list(nodes)), choose.randrange(1, 5000), choose.choice((MALLOC, CALLOC))
        t.on(thread)
        index = t.alloc(stack, size, allocator)
        if choose.random() < 0.3:
            t.free(index)
            continue
        for choice in CHOICES:
            reads = shown(nodes[stack], choice) or shown(nodes[started], choice)
            sums = held[choice].setdefault((reads, "calloc" if allocator == CALLOC else "malloc", tid), [0, 0])
            sums[0] += size
            sums[1] += 1
    t.mark("all")
    return t, held


@pytest.mark.parametrize("seed", range(30))
def test_every_stack_reads_as_its_frames_say_and_stands_once(memreplay, tmp_path, seed):
    trace, held = a_mixture(seed)
    path, database = made(tmp_path / "t.lz4", trace), tmp_path / "t.db"
    assert memreplay("sqlite", "-o", database, path).status == 0
    for choice in CHOICES:
        for source in (path, database):
            done = memreplay("peak", "--json", "--at", "all", "--frames", choice, source)
            told = {}
            for stack in json.loads(done.out)["stacks"]:
                key = (tuple(map(read_of, stack["frames"])), stack["allocator"], stack["tid"])
                assert key not in told, (choice, key)
                told[key] = [stack["bytes"], stack["allocations"]]
            assert told == held[choice], choice


def a_job():
    t = Trace(flags=7)
    process = t.process()
    libc = t.module(process, LIBC, "cc02", 0x7F0000000000)
    python = t.module(process, PYTHON, "", 0x555500000000, 0x400000)
    umath = t.module(process, UMATH, "dd03", 0x7F1000000000)
    again = t.module(process, LIBC, "cc02")
    main, load = t.function("<module>", JOB), t.function("load", JOB, 8)
    thread = t.new_thread(process)
    at_main = t.stack(t.stack(t.stack(0, libc, 0x2724A), python, 0x1234), main, 30)
    in_load = t.stack(t.stack(at_main, python, 0x9999), load, 12)
    other_way = t.stack(t.stack(at_main, python, 0x7777), load, 12)
    t.on(thread)
    t.alloc(t.stack(t.stack(in_load, umath, 0x1F2A), libc, 0x88), 8 * MIB)
    t.alloc(t.stack(t.stack(other_way, umath, 0x1F2A), again, 0x88), 4 * MIB)
    t.alloc(at_main, MIB)
    t.time(10**9)
    return t


FOLDED = {
    "leaf": ["<module> (job.py:30) 1048576", f"<module> (job.py:30);load (job.py:12);_umath.so+0x1f2a;libc.so.6+0x88 {12 * MIB}"],
    "python": ["<module> (job.py:30) 1048576", f"<module> (job.py:30);load (job.py:12) {12 * MIB}"],
    "all": ["libc.so.6+0x2724a;python3.11+0x1234;<module> (job.py:30) 1048576"] + [
        f"libc.so.6+0x2724a;python3.11+0x1234;<module> (job.py:30);python3.11+{way};load (job.py:12);_umath.so+0x1f2a;libc.so.6+0x88 {held}"
        for way, held in (("0x9999", 8 * MIB), ("0x7777", 4 * MIB))]}


@pytest.mark.parametrize("choice", CHOICES)
def test_folded_stacks_and_speedscope_have_the_frames_that_are_asked_for(memreplay, tmp_path, choice):
    path = made(tmp_path / "t.lz4", a_job())
    folded = memreplay("export", "--format", "folded", "--frames", choice, "-o", "-", path).out.splitlines()
    assert sorted(folded) == sorted(FOLDED[choice])
    told = json.loads(memreplay("export", "--format", "speedscope", "--frames", choice, "-o", "-", path).out)
    names = [frame["name"] for frame in told["shared"]["frames"]]
    stacks = {";".join(names[at] for at in sample): weight for sample, weight in zip(told["profiles"][0]["samples"], told["profiles"][0]["weights"])}
    assert stacks == {line.rpartition(" ")[0].replace(" (job.py:30)", "").replace(" (job.py:12)", ""): int(line.rpartition(" ")[2]) for line in FOLDED[choice]}


def test_the_leaf_is_what_is_shown_where_nothing_is_asked(memreplay, tmp_path):
    path = made(tmp_path / "t.lz4", a_job())
    for command in (["peak"], ["peak", "--table"], ["leaks", "--json"], ["export", "--format", "csv", "-o", "-"]):
        assert memreplay(*command, path).out == memreplay(*command, "--frames", "leaf", path).out != memreplay(*command, "--frames", "all", path).out
    told = memreplay("peak", path).out
    assert "_umath.so+0x1f2a numpy/core/" in told and "left out: --frames all" in told and "python3.11+" not in told


def test_a_choice_that_there_is_not_is_refused(memreplay, tmp_path):
    done = memreplay("peak", "--frames", "native", made(tmp_path / "t.lz4", a_job()))
    assert done.status == 2 and "leaf, python or all" in done.err


def a_program():
    """No Python anywhere: an executable in a folder of its own, and libc."""
    t = Trace(command=("./app",), flags=2)
    process = t.process(python="", argv=("./app",), executable="/home/ana/build/app")
    app, libc = t.module(process, "/home/ana/build/app", "aa", 0x555500000000), t.module(process, LIBC, "bb", 0x7F0000000000)
    at = t.stack(0, libc, 0x27)
    for offset in range(6):
        at = t.stack(at, app, 0x1000 + offset)
    t.on(t.new_thread(process))
    t.alloc(t.stack(at, libc, 0x99), 5 * MIB)
    t.time(10**9)
    return t


def test_a_program_without_python_shows_all_its_frames_and_is_its_own_holder(memreplay, tmp_path):
    path = made(tmp_path / "t.lz4", a_program())
    told = memreplay("peak", path).out
    assert all(f"app+0x100{offset} /home/ana/build/" in told for offset in range(6)) and "libc.so.6+0x99" in told and "left out" not in told
    assert "app+0x1005" in memreplay("closing", path).out
    only = memreplay("peak", "--frames", "python", path).out
    assert "(no Python stack)" in only and "app+" not in only


def varints(data):
    at = 0
    while at < len(data):
        value = shift = 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                break
        if value % 8 == 0:
            number, shift = 0, 0
            while True:
                byte = data[at]
                number |= (byte & 127) << shift
                at, shift = at + 1, shift + 7
                if byte < 128:
                    break
            yield value >> 3, number
        else:
            assert value % 8 == 2, "only numbers and bytes are in a profile"
            length = shift = 0
            while True:
                byte = data[at]
                length |= (byte & 127) << shift
                at, shift = at + 1, shift + 7
                if byte < 128:
                    break
            yield value >> 3, data[at:at + length]
            at += length


def test_pprof_has_a_mapping_with_build_id_for_each_module_and_addresses_in_it(memreplay, tmp_path):
    path, profile = made(tmp_path / "t.lz4", a_job()), tmp_path / "heap.pb.gz"
    assert memreplay("export", "--format", "pprof", "--frames", "all", "-o", profile, path).status == 0
    fields = list(varints(gzip.decompress(profile.read_bytes())))
    strings = [value.decode() for field, value in fields if field == 6]
    mappings = {each[1]: each for field, value in fields if field == 3 for each in [dict(varints(value))]}
    told = {strings[each[5]]: (each.get(2), each.get(3), strings[each.get(6, 0)], each.get(7, 0)) for each in mappings.values()}
    assert told == {"/usr/bin/python3": (None, None, "", 1), LIBC: (0x7F0000000000, 0x7F0000200000, "cc02", 0),
                    PYTHON: (0x555500000000, 0x555500400000, "", 0), UMATH: (0x7F1000000000, 0x7F1000200000, "dd03", 0)}
    addresses = {(strings[mappings[each[2]][5]], each.get(3)) for field, value in fields if field == 4 for each in [dict(varints(value))]}
    assert addresses == {("/usr/bin/python3", None), (LIBC, 0x7F000002724A), (LIBC, 0x7F0000000088), (PYTHON, 0x555500001234),
                         (PYTHON, 0x555500009999), (PYTHON, 0x555500007777), (UMATH, 0x7F1000001F2A)}


def test_an_earlier_version_with_a_nameless_module_is_still_read(memreplay):
    golden = pathlib.Path(__file__).resolve().parents[1] / "golden"
    for version in ("v1", "v2", "v3"):
        told = memreplay("export", "--format", "folded", "--totals", "--frames", "all", "-o", "-", golden / f"{version}.lz4").out
        assert "lo\u00e4d (job.py:12);libz.so.1+0x1234 8192" in told, told
    assert "app \u00e9+0x1139;lo\u00e4d (job.py:14);[jit];libblas.so.3+0x1234567890 4096" in told, told
