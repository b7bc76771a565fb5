"""Which frames are shown where machine code was recorded beside Python (--frames): by a second opinion on made traces with every
kind of mixture, and in each form that a report has. Names of addresses are tested elsewhere: here nothing is known but modules.
"""
import gzip
import json
import pathlib
import re

import pytest
from layered_traces import CHOICES, LIBC, MIB, PYTHON, UMATH, a_job, a_mixture, a_program
from memreplay_traces import Trace
from protobuf import message


def made(path, trace):
    path.write_bytes(trace.finish())
    return path


def read_of(frame):
    """What JSON says of a frame, as shown() has it."""
    return (frame["function"], frame["file"], frame["line"], frame["kind"])


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
    assert "_umath.so+0x1f2a numpy/core/_umath.so" in told and "left out: --frames all" in told and "python3.11+" not in told


def test_a_choice_that_there_is_not_is_refused(memreplay, tmp_path):
    done = memreplay("peak", "--frames", "native", made(tmp_path / "t.lz4", a_job()))
    assert done.status == 2 and "leaf, python or all" in done.err


def test_a_program_without_python_shows_all_its_frames_and_is_its_own_holder(memreplay, tmp_path):
    path = made(tmp_path / "t.lz4", a_program())
    told = memreplay("peak", path).out
    assert all(f"app+0x100{offset} /home/ana/build/app" in told for offset in range(6)) and "libc.so.6+0x99" in told and "left out" not in told
    assert "app+0x1005" in memreplay("closing", path).out
    only = memreplay("peak", "--frames", "python", path).out
    assert "(no Python stack)" in only and "app+" not in only


def single(data):
    """{field: value} of a message in which each field stands once."""
    return {field: value for field, (value,) in message(data).items()}


def test_pprof_has_a_mapping_with_build_id_for_each_module_and_addresses_in_it(memreplay, tmp_path):
    path, profile = made(tmp_path / "t.lz4", a_job()), tmp_path / "heap.pb.gz"
    assert memreplay("export", "--format", "pprof", "--frames", "all", "-o", profile, path).status == 0
    fields = message(gzip.decompress(profile.read_bytes()))
    strings = [value.decode() for value in fields[6]]
    mappings = {each[1]: each for each in map(single, fields[3])}
    told = {strings[each[5]]: (each.get(2), each.get(3), strings[each.get(6, 0)], each.get(7, 0)) for each in mappings.values()}
    assert told == {"/usr/bin/python3": (None, None, "", 1), LIBC: (0x7F0000000000, 0x7F0000200000, "cc02", 0),
                    PYTHON: (0x555500000000, 0x555500400000, "", 0), UMATH: (0x7F1000000000, 0x7F1000200000, "dd03", 0)}
    addresses = {(strings[mappings[each[2]][5]], each.get(3)) for each in map(single, fields[4])}
    assert addresses == {("/usr/bin/python3", None), (LIBC, 0x7F000002724A), (LIBC, 0x7F0000000088), (PYTHON, 0x555500001234),
                         (PYTHON, 0x555500009999), (PYTHON, 0x555500007777), (UMATH, 0x7F1000001F2A)}


def test_an_earlier_version_with_a_nameless_module_is_still_read(memreplay):
    golden = pathlib.Path(__file__).resolve().parents[1] / "golden"
    for version in ("v1", "v2", "v3"):
        told = memreplay("export", "--format", "folded", "--totals", "--frames", "all", "-o", "-", golden / f"{version}.lz4").out
        assert re.search(r"lo\u00e4d \(job.py:12\);libz.so.1(\+0x1234|!.*) 8192", told), told
    assert "app \u00e9+0x1139;lo\u00e4d (job.py:14);[jit];libblas.so.3+0x1234567890 4096" in told, told


def a_build(fft_bytes, build_id, shift, folder="/home/ana/build/"):
    """A program of its own with a library; `shift`: another build has its code elsewhere."""
    t = Trace(command=("./app",), flags=2)
    process = t.process(python="", argv=("./app",), executable=folder + "app")
    app, fft = t.module(process, folder + "app", build_id, 0x555500000000), t.module(process, f"/gone/lib/libfft.so.3.{shift}", build_id, 0x7F0000000000)
    inside = t.stack(t.stack(t.stack(0, app, 0x1000 + shift), app, 0x2000 + shift), fft, 0x10 + shift)
    t.on(t.new_thread(process))
    t.alloc(t.stack(inside, fft, 0x20 + shift), fft_bytes)
    t.alloc(t.stack(0, app, 0x1000 + shift), MIB)
    t.time(10**9)
    return t


def test_two_builds_are_compared_by_their_modules(memreplay, tmp_path):
    """What has no name is its module's, whatever the addresses and folders; the program itself is who holds."""
    before, after = made(tmp_path / "a.lz4", a_build(8 * MIB, "aa", 1)), made(tmp_path / "b.lz4", a_build(24 * MIB, "bb", 9, "/srv/new/"))
    told = json.loads(memreplay("diff", "--json", before, after).out)
    assert {(each["function"], each["delta_bytes"], each["self_delta_bytes"]) for each in told["functions"] if each["delta_bytes"]} == {
        ("(machine code)", 16 * MIB, 0), ("(machine code)", 16 * MIB, 16 * MIB)}
    assert [[frame["file"].rpartition("/")[2] for frame in stack["frames"]] for stack in told["stacks"] if stack["delta_bytes"]] == [["app", "libfft.so.3.9"]]
    words = memreplay("diff", before, after).out
    assert "libfft" in words and "app" in words


def test_a_comparison_shows_the_frames_that_are_asked_for(memreplay, tmp_path):
    one, two = made(tmp_path / "a.lz4", a_job()), made(tmp_path / "b.lz4", a_job(more=3 * MIB))
    for choice, files in (("leaf", ["_umath.cpython-311-x86_64-linux-gnu.so", "libc.so.6"]), ("python", [])):
        told = json.loads(memreplay("diff", "--json", "--frames", choice, one, two).out)
        changed = [[frame["file"].rpartition("/")[2] for frame in stack["frames"]] for stack in told["stacks"] if stack["delta_bytes"]]
        assert changed == [["job.py", "job.py"] + files], choice


def test_a_fold_into_machine_code_says_where_it_ends(memreplay, tmp_path):
    t = Trace(flags=7)
    process = t.process()
    umath, blas = t.module(process, UMATH, "dd"), t.module(process, "/v/lib/libblas.so.3", "ee")
    at = t.stack(t.stack(0, t.function("<module>", "/home/ana/work/job.py"), 3), t.function("ones", UMATH.rpartition("/")[0] + "/numeric.py"), 9)
    for module, count in ((umath, 3), (blas, 4)):
        for offset in range(count):
            at = t.stack(at, module, 0x100 + offset)
    t.on(t.new_thread(process))
    t.alloc(at, MIB)
    t.time(10**9)
    path = made(tmp_path / "t.lz4", t)
    told = memreplay("peak", path, env={"COLUMNS": "80", "LC_ALL": "C.UTF-8"}).out
    assert "ones numpy/core/numeric.py:9" in told and "⋮ 6 more in numpy … libblas" in told and "libblas.so.3+0x103" in told, told
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "more in" not in memreplay("peak", "--full", path).out
