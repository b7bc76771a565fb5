"""Native stacks: the walk against libgcc's unwinder on hostile code, and what a recording tells of C programs."""
import json
import re
import shutil

import pytest

import binaries
from conftest import BUILD, ROOT, run

pytestmark = pytest.mark.release_only  # what lives in a foreign process is never sanitized
needs_unwinder = pytest.mark.skipif(not binaries.UNWINDER.exists(), reason=binaries.NO_UNWINDER)
NATIVE = ROOT / "tests" / "native"
WALK = BUILD / "tests" / "walk" / "native.so"
COMPILERS = [("gcc", "g++"), ("clang", "clang++")]
LEVELS = ["-O0", "-O1", "-O2", "-O2 -fno-omit-frame-pointer", "-O2 -fomit-frame-pointer", "-O3 -fcf-protection", "-Os"]


def compiled(folder, compilers, flags, *sources, libraries=()):
    """A program of these sources; skips where there is no such compiler."""
    objects = []
    for source in sources:
        tool = compilers[source.suffix == ".cc"]
        if not shutil.which(tool):
            pytest.skip(f"no {tool}")
        objects.append(folder / f"{source.name}.o")
        binaries.done(tool, "-w", "-g", "-fexceptions", *flags.split(), "-c", source, "-o", objects[-1])
    return binaries.program(folder / "program", *objects, *libraries, compiler=compilers[1])


def adversary(folder, compilers, flags):
    sources = NATIVE / "adversary.c", NATIVE / "throwing.cc"
    return compiled(folder, compilers, flags, *sources, libraries=[WALK, f"-Wl,-rpath,{WALK.parent}"])


def counts(line):
    return {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", line)}


@needs_unwinder
@pytest.mark.parametrize("flags", LEVELS)
@pytest.mark.parametrize("compilers", COMPILERS, ids=lambda pair: pair[0])
def test_native__frames_are_those_of_libgcc_over_hostile_code(tmp_path, compilers, flags):
    done = run([adversary(tmp_path, compilers, flags), "400"])
    told = counts(done.out)
    assert (told["wrong"], told["shorter"], told["disagreeing"], told["cut"], told["lost"]) == (0, 0, 0, 0, 0), done.err
    assert done.status == 0 and told["checks"] > 8000 and told["frames"] > 10 * told["checks"]


@needs_unwinder
def test_native__frames_are_right_where_a_signal_interrupts(tmp_path):
    """In the middle of setcontext there is no way out: such a walk ends, and says so."""
    told = counts(run([adversary(tmp_path, COMPILERS[0], "-O2"), "40000", "prof"]).out)
    assert (told["wrong"], told["disagreeing"], told["lost"]) == (0, 0, 0)
    assert told["checks"] >= 10 and 2 * told["shorter"] <= told["cut"] <= 2 * told["checks"]


def names(stack):
    return [frame["function"] for frame in stack["frames"]]


def of_size(report, bytes):
    """The frames of the one stack whose blocks have that size each."""
    stacks = [stack for stack in report["stacks"] if stack["bytes"] == bytes * stack["allocations"]]
    assert len(stacks) == 1, [(stack["bytes"], names(stack)) for stack in stacks]
    return names(stacks[0])


def chain(folder, compilers, flags):
    return compiled(folder, compilers, flags, NATIVE / "chain.c", libraries=["-ldl", "-pthread"])


def everything(recording):
    """All that each process held at its end, with all frames."""
    return recording.leaks("--frames", "all")


BELOW = ["main", "outer", "middle", "leaf"]


@needs_unwinder
@pytest.mark.parametrize("flags", LEVELS)
@pytest.mark.parametrize("compilers", COMPILERS, ids=lambda pair: pair[0])
def test_native__chains_are_those_of_the_source(tmp_path, record, compilers, flags):
    recording = record([chain(tmp_path, compilers, flags)])
    report = everything(recording)
    assert of_size(report, 100001)[-4:] == BELOW
    assert of_size(report, 200002)[-3:] == ["main", "middle", "leaf"]
    sorting = of_size(report, 300003)
    assert "main" in sorting and sorting[-2:] == ["compare", "leaf"] and any("sort" in name for name in sorting[:-2])
    threaded = of_size(report, 500005)
    assert "main" in threaded and threaded[-3:] == ["on_thread", "middle", "leaf"]  # under the stack that created it
    assert of_size(report, 600006)[-4:] == BELOW  # in the forked child
    assert recording.summary()["losses"] == []


@needs_unwinder
def test_native__without_symbols_a_frame_is_its_offset_in_the_module(tmp_path, record):
    program = chain(tmp_path, COMPILERS[0], "-O2 -fomit-frame-pointer")
    binaries.done("strip", program)
    told = of_size(everything(record([program])), 100001)
    assert all(re.fullmatch(r"program\+0x[0-9a-f]+", name) for name in told[-4:]), told
    assert len(set(told[-4:])) == 4


@needs_unwinder
def test_native__what_is_loaded_where_another_library_stood_is_another_one(tmp_path, record):
    libraries = []
    for i in range(200):
        if i < 5:
            source = tmp_path / f"work{i}.c"
            source.write_text(f"#include <stdlib.h>\nvoid *kept{i}; void work(size_t n) {{ kept{i} = malloc(n); __asm__ volatile(\"\" ::: \"memory\"); }}\n")
            binaries.library(tmp_path / f"work{i}.so", "-O1", source)
        libraries.append(tmp_path / f"work{i % 5}.so")
    recording = record([chain(tmp_path, COMPILERS[0], "-O1")], args=libraries)
    held = {stack["frames"][-1]["module"]: stack for stack in everything(recording)["stacks"] if stack["frames"][-1]["function"] == "work"}
    for i in range(5):
        expected = [400000 + at for at in range(i, 200, 5)]
        stack = held[str(tmp_path / f"work{i}.so")]
        assert (stack["allocations"], stack["bytes"]) == (len(expected), sum(expected))


@needs_unwinder
def test_native__the_dynamic_linkers_search_for_a_symbol_ends_a_stack_and_is_counted(tmp_path, record):
    """Its frame is found by RBX, which is not followed; who is called through the linkage table afterwards has a whole stack."""
    source = NATIVE / "picked.c"
    binaries.library(tmp_path / "libpicked.so", "-g", "-O2", "-DLIBRARY", source)
    program = binaries.program(tmp_path / "program", "-g", "-O2", "-fplt", "-Wl,-z,lazy", f"-Wl,-rpath,{tmp_path}", source, f"-L{tmp_path}", "-lpicked")
    recording = record([program])
    report = everything(recording)
    assert of_size(report, 800008)[-2:] == ["main", "caller"]
    (resolving,) = [stack["frames"] for stack in report["stacks"] if stack["bytes"] == 700007]
    assert "/ld-" in resolving[0]["module"] and resolving[-1]["function"] == "picked", resolving  # a name of its resolver, too
    assert [(loss["reason"], loss["count"]) for loss in recording.summary()["losses"]] == [("native_cut", 1)]


@needs_unwinder
def test_native__counts_are_those_without_native_stacks(tmp_path, record):
    program = chain(tmp_path, COMPILERS[0], "-O2")
    def events(recording):
        return recording.summary()["events"]
    assert events(record([program])) == events(record([program], options=["--no-native"]))


@needs_unwinder
def test_native__python_frames_stand_where_their_loop_does(record, interpreter):
    """Whichever way one function came into another: all Python frames, in order, none of the interpreter's loops left over, and C code
    between two frames exactly where C code called."""
    recording = record(NATIVE / "ways.py", python=interpreter, options=["--native"])
    told = json.loads(recording.finished.out)
    seen = set()
    for stack in recording.peak("--frames", "all")["stacks"]:
        size = stack["bytes"] // 100 * 100  # without what a bytearray adds
        expected = told.get(str(size))
        if stack["allocations"] != 1 or not expected:
            continue
        seen.add(size)
        frames = stack["frames"]
        python = [frame["function"].rsplit(".", 1)[-1] for frame in frames if frame["kind"] == "python"]
        assert python == expected, names(stack)
        assert not [name for name in names(stack) if name.startswith("_PyEval_EvalFrameDefault")], names(stack)
        assert frames[0]["kind"] == "native" and frames[-1]["kind"] == "native", names(stack)
        kinds = [frame["kind"] == "python" for frame in frames]
        last = len(kinds) - 1 - kinds[::-1].index(True)
        if python[-2:] == ["recursive", "leaf"] and interpreter.minor >= (3, 11):
            assert kinds[last - 1], names(stack)  # called in the same loop
        if python[-3:] == ["<lambda>", "<lambda>", "leaf"]:
            inner = [i for i, is_python in enumerate(kinds) if is_python][-2]
            assert not kinds[inner - 1], names(stack)  # called by sorted, map, reduce or filter
    assert len(seen) == len(told)
    losses = [loss for loss in recording.summary()["losses"] if "native" in str(loss)]
    assert not losses


@needs_unwinder
def test_native__a_library_beside_the_script_is_its_own_code_and_named_at_the_end(tmp_path, record):
    (tmp_path / "own.c").write_text("#include <stdlib.h>\nvoid *kept; void holds_it(size_t n) { kept = malloc(n); __asm__ volatile(\"\" ::: \"memory\"); }\n")
    binaries.library(tmp_path / "own.so", "-O1", tmp_path / "own.c")
    recording = record(f"""
        import ctypes
        ctypes.CDLL({str(tmp_path / "own.so")!r}).holds_it(ctypes.c_size_t(50_000_000))
        """, options=["--native"])
    assert re.search(r"^ 47.7 MiB  holds_it own\.so$", recording.finished.err, re.M), recording.finished.err
