"""Names of native frames: programs that print where each of their calls stands and what it is called, compiled in every way; a trace
made by hand of these places must show exactly these chains, or the module and the offset, never anything else."""
import ctypes
import http.server
import json
import os
import re
import shutil
import socket
import threading

import pytest

import binaries
from binaries import build_id, symbols
from memreplay_traces import Trace

pytestmark = pytest.mark.san

# What the program says of a place: its offset in the module, and function:line from the outside in.
C_SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
#define LINE ":" TEXT(__LINE__)
#define KEEP __asm__ volatile("" ::: "memory")
#define INLINE static inline __attribute__((always_inline))
extern const char __ehdr_start;
static __attribute__((noinline)) void place(const char *outer, const char *own)
{
    printf("%lx %s%s\n", (unsigned long)((const char *)__builtin_return_address(0) - 1 - &__ehdr_start), outer, own);
    KEEP;
}
INLINE void innermost(const char *outer) { place(outer, "innermost" LINE); KEEP; }
INLINE void between(const char *outer)
{
    char chain[200];
    snprintf(chain, sizeof chain, "%sbetween" LINE ";", outer); innermost(chain); KEEP;
}
__attribute__((noinline)) void plain(void) { place("", "plain" LINE); KEEP; }
__attribute__((noinline)) void deep(void)
{
    between("deep" LINE ";");
    innermost("deep" LINE ";");
    KEEP;
}
static __attribute__((noinline)) void hidden(void) { place("", "hidden" LINE); KEEP; }
#ifdef __cplusplus
namespace shop {
template <typename T> struct basket {
    T item;
    __attribute__((noinline)) void add(T more) { item += more; place("", "shop::basket<int>::add" LINE); KEEP; }
    INLINE_MEMBER void put(T more) { item += more; place("fill" FILL ";", "shop::basket<int>::put" LINE); KEEP; }
};
}
namespace { __attribute__((noinline)) void secret() { place("", "(anonymous namespace)::secret" LINE); KEEP; } }
__attribute__((noinline)) void fill(shop::basket<int> &b)
{
#line 1000
    b.put(2);
    KEEP;
}
#else
/* What rustc calls its functions, in both of its styles. */
__attribute__((noinline)) void rust_old(void) __asm__("_ZN4core3vec12Vec$LT$T$GT$4push17h0123456789abcdefE");
__attribute__((noinline)) void rust_old(void) { place("", "core::vec::Vec<T>::push" LINE); KEEP; }
__attribute__((noinline)) void rust_new(void) __asm__("_RNvNtCs1234_7mycrate3foo3bar");
__attribute__((noinline)) void rust_new(void) { place("", "mycrate::foo::bar" LINE); KEEP; }
#endif
int main(void)
{
    plain();
    deep();
    hidden();
#ifdef __cplusplus
    shop::basket<int> b = {1};
    b.add(3);
    fill(b);
    secret();
#else
    rust_old();
    rust_new();
#endif
    place("", "main" LINE);
    KEEP;
    return 0;
}
"""
CC_SOURCE = C_SOURCE.replace("INLINE_MEMBER", "inline __attribute__((always_inline))").replace("FILL", '":1000"')
COMPILERS = [each for each in ("gcc", "clang") if shutil.which(each)]


class Program:
    """A compiled program and its places: {offset: [(function, line), …]}, outermost first."""

    def __init__(self, folder, *, compiler="gcc", language="c", flags=("-O2", "-g"), name="program"):
        self.source = os.path.join(folder, f"{name}.{'c' if language == 'c' else 'cc'}")
        self.path = os.path.join(folder, name)
        with open(self.source, "w") as file:
            file.write(C_SOURCE if language == "c" else CC_SOURCE)
        if language != "c":
            compiler = {"gcc": "g++", "clang": "clang++"}[compiler]
        binaries.done(compiler, *flags, "-Wl,--build-id", "-o", self.path, self.source, cwd=folder)
        self.places = {}
        for line in binaries.done(self.path).splitlines():
            offset, chain = line.split(" ", 1)
            self.places[int(offset, 16)] = [(part.rpartition(":")[0], int(part.rpartition(":")[2])) for part in chain.split(";")]

    @property
    def build_id(self):
        return build_id(self.path)

    def trace(self, file, path=None, build_id=None, offsets=None):
        """One allocation at each place, in the order of the offsets."""
        make_trace(file, path or self.path, self.build_id if build_id is None else build_id, offsets or sorted(self.places))
        return file


def make_trace(file, path, build_id, offsets, started_ns=4102444800 * 10**9):
    t = Trace(("program",), flags=3, started_ns=started_ns)
    process = t.process(python="")
    t.on(t.new_thread(process))
    module = t.module(process, path, build_id)
    for offset in offsets:
        t.alloc(t.stack(0, module, offset), 100)
    with open(file, "wb") as out:
        out.write(t.finish())


def shown(memreplay, trace, status=0):
    """The frames of each stack, in the order of definition, and what was said beside them."""
    done = memreplay("peak", "--json", "--frames", "all", trace)
    assert done.status == status, done.err
    return [stack["frames"] for stack in json.loads(done.out)["stacks"]], done.err


def chains(frames):
    return [[(frame["function"], frame["line"]) for frame in stack] for stack in frames]


def expected(program, lines=True):
    places = [program.places[offset] for offset in sorted(program.places)]
    return places if lines else [[(place[0][0], 0)] for place in places]


def sorted_chains(stacks):
    return sorted(map(tuple, stacks))


@pytest.mark.parametrize("language", ["c", "cc"])
@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_debug_information_tells_functions_inlined_ones_and_lines(compiler, level, language, tmp_path, memreplay):
    program = Program(tmp_path, compiler=compiler, language=language, flags=(level, "-g", "-fno-optimize-sibling-calls"))
    frames, words = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert len(program.places) >= 7
    assert sorted_chains(chains(frames)) == sorted_chains(expected(program))
    assert {frame["file"] for stack in frames for frame in stack} == {program.source}
    assert {frame["kind"] for stack in frames for frame in stack} == {"native"}
    assert words == ""


@pytest.mark.parametrize("dwarf", ["-gdwarf-4", "-gdwarf-5", "-g1", "-gz", "-gsplit-dwarf"])
def test_every_kind_of_debug_information(dwarf, tmp_path, memreplay):
    program = Program(tmp_path, language="cc", flags=("-O2", "-g", dwarf, "-fno-optimize-sibling-calls"))
    frames, _ = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert sorted_chains(chains(frames)) == sorted_chains(expected(program))


@pytest.mark.parametrize("flags", [("-no-pie",), ("-static",), ("-ffunction-sections", "-Wl,--gc-sections"), ("-Wl,-z,separate-code",)],
                         ids=lambda flags: flags[0])
def test_every_kind_of_executable(flags, tmp_path, memreplay):
    program = Program(tmp_path, flags=("-O2", "-g", *flags))
    frames, _ = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert sorted_chains(chains(frames)) == sorted_chains(expected(program))


@pytest.mark.parametrize("language", ["c", "cc"])
def test_symbols_alone_name_the_functions_that_are_there(language, tmp_path, memreplay):
    program = Program(tmp_path, language=language, flags=("-O2",))
    frames, words = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert sorted_chains(chains(frames)) == sorted({tuple(chain) for chain in expected(program, lines=False)})
    assert {frame["file"] for stack in frames for frame in stack} == {program.path}
    assert words == ""


def test_without_any_symbol_there_is_module_and_offset(tmp_path, memreplay):
    program = Program(tmp_path, flags=("-O2",))
    binaries.done("strip", program.path)
    frames, words = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert all(frame["file"] == program.path and frame["line"] == 0 for stack in frames for frame in stack)
    assert {stack[0]["function"] for stack in frames} == {f"program+{offset:#x}" for offset in program.places}
    assert words == ""


def test_exported_functions_of_a_stripped_library_are_named_and_what_lies_between_is_not(tmp_path, memreplay):
    source = tmp_path / "lib.c"
    source.write_text("__attribute__((noinline)) static int quiet(int n) { __asm__ volatile(\"nop\"); return n * 3; }\n"
                      "int loud(int n) { __asm__ volatile(\"nop\"); return quiet(n) + 1; }\n")
    library = binaries.library(tmp_path / "lib.so", "-O2", source)
    placed = symbols(library)
    binaries.done("strip", library)
    loud, quiet = placed["loud"], placed["quiet"]
    inside = [loud[0], loud[0] + loud[1] - 1]
    outside = [quiet[0], quiet[0] + quiet[1] - 1, loud[0] + loud[1], 0, 1 << 40, 1 << 62]
    make_trace(tmp_path / "t.lz4", str(library), build_id(library), inside + outside)
    names = [stack[0]["function"] for stack in shown(memreplay, tmp_path / "t.lz4")[0]]
    assert sorted(names) == sorted(["loud"] + [f"lib.so+{offset:#x}" for offset in outside])


@pytest.mark.parametrize("flags", [("-O1",), ("-O1", "-g")], ids=" ".join)
def test_of_several_names_the_one_that_programs_call_is_told(flags, tmp_path, memreplay):
    source, library = tmp_path / "lib.c", tmp_path / "lib.so"
    source.write_text("void _IO_thing(void) {}\nvoid thing(void) __attribute__((weak, alias(\"_IO_thing\")));\n"
                      "static void a(void) {}\nvoid both(void) __attribute__((alias(\"a\")));\n"
                      "void strong(void) {}\nvoid frail(void) __attribute__((weak, alias(\"strong\")));\n")
    binaries.library(library, *flags, "-Wl,--build-id", source)
    placed = symbols(library)
    make_trace(tmp_path / "t.lz4", str(library), build_id(library), [placed[name][0] for name in ("thing", "both", "strong")])
    assert {stack[0]["function"] for stack in shown(memreplay, tmp_path / "t.lz4")[0]} == {"thing", "both", "strong"}


def test_a_function_inside_another_is_told_where_it_is_and_nowhere_else(tmp_path, memreplay):
    source, library = tmp_path / "lib.s", tmp_path / "lib.so"
    source.write_text(".text\n.globl outer\n.type outer,@function\nouter: .skip 16,0x90\n.globl inner\n.type inner,@function\ninner: .skip 8,0x90\n"
                      ".size inner,8\n.skip 8,0x90\n.size outer,32\n.globl sizeless\n.type sizeless,@function\nsizeless: .skip 16,0x90\n")
    binaries.library(library, "-nostdlib", "-Wl,--build-id", source)
    outer = symbols(library)["outer"][0]
    wanted = {outer: "outer", outer + 15: "outer", outer + 16: "inner", outer + 23: "inner", outer + 24: "outer", outer + 31: "outer",
              outer + 32: f"lib.so+{outer + 32:#x}", outer + 40: f"lib.so+{outer + 40:#x}"}
    for offset, name in wanted.items():
        make_trace(tmp_path / "t.lz4", str(library), build_id(library), [offset])
        assert [stack[0]["function"] for stack in shown(memreplay, tmp_path / "t.lz4")[0]] == [name], hex(offset - outer)


@pytest.mark.parametrize("debug", [False, True])
def test_a_part_of_a_function_has_the_functions_name_where_that_is_known(debug, tmp_path, memreplay):
    source, library = tmp_path / "lib.c", tmp_path / "lib.so"
    source.write_text("#include <stdlib.h>\nvolatile int sink;\n"
                      "static __attribute__((noinline)) int many(int a, int b) { for (int i = 0; i < a; i++) sink += b * i; return sink; }\n"
                      "int one(int a) { return many(a, 7); }\nint two(int a) { return many(a + 1, 7); }\n")
    binaries.library(library, "-O3", *(["-g"] if debug else []), "-Wl,--build-id", source)
    parts = {name: offset for name, (offset, _) in symbols(library).items() if name.startswith("many.")}
    if not parts:
        pytest.skip("this compiler makes no part of it")
    for name, offset in parts.items():
        make_trace(tmp_path / "t.lz4", str(library), build_id(library), [offset])
        assert shown(memreplay, tmp_path / "t.lz4")[0][0][0]["function"] == ("many" if debug else name)


def separated(program, folder):
    debug = os.path.join(folder, os.path.basename(program.path) + ".debug")
    binaries.done("objcopy", "--only-keep-debug", program.path, debug)
    binaries.done("strip", program.path)
    binaries.done("objcopy", f"--add-gnu-debuglink={debug}", program.path)
    return debug


@pytest.mark.parametrize("place", ["beside", ".debug"])
def test_a_separate_debug_file_is_found(place, tmp_path, memreplay):
    program = Program(tmp_path, language="cc", flags=("-O2", "-g"))
    debug = separated(program, tmp_path)
    if place == ".debug":
        (tmp_path / ".debug").mkdir()
        os.rename(debug, tmp_path / ".debug" / os.path.basename(debug))
    frames, words = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert sorted_chains(chains(frames)) == sorted_chains(expected(program))
    assert words == ""


def test_another_programs_debug_file_is_not_used(tmp_path, memreplay):
    program, other = Program(tmp_path), Program(tmp_path, flags=("-O0", "-g"), name="other")
    debug = separated(program, tmp_path)
    shutil.copy(separated(other, tmp_path), debug)
    frames, _ = shown(memreplay, program.trace(tmp_path / "t.lz4"))
    assert not {frame["function"] for stack in frames for frame in stack} & {"plain", "deep", "hidden", "place", "innermost"}


@pytest.mark.skipif(not shutil.which("xz"), reason="no xz here")
def test_symbols_in_gnu_debugdata_are_read(tmp_path, memreplay):
    program = Program(tmp_path, flags=("-O2",))
    small = tmp_path / "small"
    binaries.done("objcopy", "-S", "--keep-symbol=plain", "--keep-symbol=deep", "--keep-symbol=hidden", program.path, small)
    binaries.done("xz", small)
    binaries.done("strip", program.path)
    binaries.done("objcopy", "--add-section", f".gnu_debugdata={small}.xz", program.path)
    names = {frame["function"] for stack in shown(memreplay, program.trace(tmp_path / "t.lz4"))[0] for frame in stack}
    assert {"plain", "deep", "hidden"} <= names and "main" not in names


def test_a_build_that_is_not_the_recorded_one_is_said_once_and_not_used(tmp_path, memreplay):
    program = Program(tmp_path)
    frames, words = shown(memreplay, program.trace(tmp_path / "t.lz4", build_id="ab" * 20))
    assert not {frame["function"] for stack in frames for frame in stack} & {"plain", "deep", "hidden", "main", "place"}
    assert words.count("program") == 1 and "another build" in words


def test_a_file_that_is_gone_is_said_once(tmp_path, memreplay):
    program = Program(tmp_path)
    program.trace(tmp_path / "t.lz4")
    os.remove(program.path)
    frames, words = shown(memreplay, tmp_path / "t.lz4")
    assert len(frames) == len(program.places)
    assert words.count("program") == 1 and "not on this machine" in words and "memreplay pack" in words


def test_many_files_that_are_gone_are_one_sentence(tmp_path, memreplay):
    t = Trace(("program",), flags=3)
    process = t.process(python="")
    t.on(t.new_thread(process))
    for i in range(40):
        t.alloc(t.stack(0, t.module(process, f"/gone/lib{i}.so", "ab" * 20), 5), 100)
    (tmp_path / "t.lz4").write_bytes(t.finish())
    words = shown(memreplay, tmp_path / "t.lz4")[1]
    assert words.count("\n") == 1 and "and 37 other modules" in words


@pytest.mark.parametrize("younger", [False, True])
def test_without_a_build_id_the_file_must_not_be_younger_than_the_recording(younger, tmp_path, memreplay):
    program = Program(tmp_path, flags=("-O2", "-g"))
    binaries.done("objcopy", "--remove-section=.note.gnu.build-id", program.path)
    when = 1000000000 if younger else 4102444800
    make_trace(tmp_path / "t.lz4", program.path, "", sorted(program.places), started_ns=when * 10**9)
    frames, words = shown(memreplay, tmp_path / "t.lz4")
    if younger:
        assert "plain" not in {frame["function"] for stack in frames for frame in stack} and "younger" in words
    else:
        assert sorted_chains(chains(frames)) == sorted_chains(expected(program))


@pytest.mark.parametrize("what", ["empty", "text", "folder", "fifo", "device", "relative", "cut", "nul"])
def test_paths_that_are_no_binaries_cost_the_names_alone(what, tmp_path, memreplay):
    path = tmp_path / "thing"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "cut":
        path.write_bytes(open("/bin/true", "rb").read()[:5000])
    else:
        path.write_bytes({"empty": b"", "text": b"#!/bin/sh\necho\n"}.get(what, b""))
    shown_path = {"device": "/dev/zero", "relative": "thing", "nul": f"{path}\0x"}.get(what, str(path))
    make_trace(tmp_path / "t.lz4", shown_path, "", [1, 2, 3])
    frames, words = shown(memreplay, tmp_path / "t.lz4")
    assert len(frames) == 3 and all(len(stack) == 1 for stack in frames)


def test_damaged_binaries_never_hurt_the_report(tmp_path, memreplay):
    """Bytes of a program are changed at random; the build id is not asked for, so all of it is read."""
    import random
    chance = random.Random(7)
    program = Program(tmp_path, language="cc", flags=("-O1", "-g"))
    whole = open(program.path, "rb").read()
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(chance.choice((1, 5, 50, 2000))):
            broken[chance.randrange(len(broken))] = chance.choice((0, 255, chance.randrange(256)))
        with open(program.path, "wb") as file:
            file.write(broken)
        done = memreplay("peak", "--json", program.trace(tmp_path / "t.lz4", build_id=""))
        assert done.status == 0
        assert sum(stack["bytes"] for stack in json.loads(done.out)["stacks"]) == 100 * len(program.places)


def test_only_what_is_shown_is_looked_up(tmp_path, memreplay):
    """Machine code between two Python frames is left out unless it is asked for: a file that is gone is missed only then."""
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    gone = t.module(process, "/gone.so", "cd" * 20)
    job = t.function("job", "/home/ana/job.py")
    t.alloc(t.stack(t.stack(0, gone, 77), job, 3), 100)
    (tmp_path / "t.lz4").write_bytes(t.finish())
    said = {frames: memreplay("peak", "--frames", frames, tmp_path / "t.lz4").err for frames in ("leaf", "python", "all")}
    assert said["leaf"] == said["python"] == "" and "gone.so" in said["all"]
    assert memreplay("closing", tmp_path / "t.lz4").err == memreplay("timeline", tmp_path / "t.lz4").err == ""


def test_names_stand_between_python_frames_and_sums_stay(tmp_path, memreplay):
    """Native frames between two Python ones, an inlined chain among them; stacks that share nodes keep sharing them."""
    program = Program(tmp_path)
    deep = next(offset for offset, chain in program.places.items() if len(chain) == 3)
    plain = next(offset for offset, chain in program.places.items() if chain[0][0] == "plain")
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    module, gone = t.module(process, program.path, program.build_id), t.module(process, "/gone.so", "cd" * 20)
    job = t.stack(0, t.function("job", "/home/ana/job.py"), 3)
    called = t.stack(t.stack(job, module, deep), t.function("back", "/home/ana/job.py"), 9)
    inner = t.stack(t.stack(called, gone, 0x1f2a), module, plain)
    for stack, size in ((job, 1), (called, 20), (inner, 300), (called, 4000), (0, 50000)):
        t.alloc(stack, size)
    (tmp_path / "t.lz4").write_bytes(t.finish())
    frames, _ = shown(memreplay, tmp_path / "t.lz4")
    report = json.loads(memreplay("peak", "--json", "--frames", "all", tmp_path / "t.lz4").out)
    sizes = {tuple(frame["function"] for frame in stack["frames"]): stack["bytes"] for stack in report["stacks"]}
    by_length = {len(names): size for names, size in sizes.items()}
    assert by_length == {0: 50000, 1: 1, 5: 4020, 7: 300}
    names = next(names for names in sizes if len(names) == 7)
    assert names[:5] == ("job", "deep", "between", "innermost", "back") and names[6] == "plain" and names[5] != "deep"
    assert report["peak"]["bytes"] == 54321


class Server(http.server.ThreadingHTTPServer):
    """A debuginfod of a folder's files NAME.debug, by build id. `answers`: what it does when asked: give, refuse, fail, or nothing."""
    daemon_threads = True

    def __init__(self, files, answers="give"):
        super().__init__(("127.0.0.1", 0), Asked)
        self.files, self.answers, self.asked, self.closing = files, answers, [], threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *why):
        self.closing.set()
        self.shutdown()
        super().__exit__(*why)

    def env(self, folder):
        """What a user sets; no proxy stands between, and nothing is remembered from elsewhere."""
        return dict(DEBUGINFOD_URLS=f"http://127.0.0.1:{self.server_port}/", DEBUGINFOD_CACHE_PATH=str(folder / "cache"), HOME=str(folder),
                    no_proxy="*", http_proxy=None, HTTP_PROXY=None, all_proxy=None, ALL_PROXY=None)


class Asked(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        if server.answers == "nothing":
            server.closing.wait()
            return
        found = re.fullmatch(r"/buildid/(\w+)/debuginfo", self.path)
        file = found and server.files.get(found[1])
        if server.answers != "give" or not file:
            self.send_error(500 if server.answers == "fail" else 404)
            return
        content = open(file, "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


def debuginfod_missing():
    try:
        ctypes.CDLL("libdebuginfod.so.1")
    except OSError:
        return True


needs_debuginfod = pytest.mark.skipif(debuginfod_missing(), reason="no libdebuginfod here")


def kept_elsewhere(folder, name="program", flags=("-O2", "-g")):
    """A stripped program; its debug information is where only a server finds it."""
    program = Program(folder, name=name, flags=flags)
    (folder / "served").mkdir(exist_ok=True)
    debug = folder / "served" / f"{name}.debug"
    os.rename(separated(program, folder), debug)
    return program, {program.build_id: debug}


@needs_debuginfod
def test_debug_information_comes_from_a_debuginfod_that_the_user_has_set_up(tmp_path, memreplay):
    program, files = kept_elsewhere(tmp_path)
    trace = program.trace(tmp_path / "t.lz4")
    with Server(files) as server:
        env = server.env(tmp_path)
        named = memreplay("peak", "--json", "--frames", "all", trace, env=env)
        assert named.status == 0 and named.err == ""
        assert sorted_chains(chains([stack["frames"] for stack in json.loads(named.out)["stacks"]])) == sorted_chains(expected(program))
        assert f"/buildid/{program.build_id}/debuginfo" in server.asked
        before = len(server.asked)
        assert memreplay("peak", "--json", "--frames", "all", trace, env=env).out == named.out
        assert len(server.asked) == before  # remembered


@needs_debuginfod
def test_no_debuginfod_is_asked_where_none_is_set_up(tmp_path, memreplay):
    program, files = kept_elsewhere(tmp_path)
    trace = program.trace(tmp_path / "t.lz4")
    with Server(files) as server:
        for urls in (None, ""):
            done = memreplay("peak", "--json", "--frames", "all", trace, env=dict(server.env(tmp_path), DEBUGINFOD_URLS=urls))
            assert done.status == 0
            assert {frame["function"] for stack in json.loads(done.out)["stacks"] for frame in stack["frames"]} == {f"program+{at:#x}" for at in program.places}
        assert server.asked == [] and not (tmp_path / "cache").exists()


@needs_debuginfod
@pytest.mark.parametrize("answers", ["refuse", "fail", "gone", "nothing"])
def test_a_debuginfod_that_does_not_help_costs_the_names_alone(answers, tmp_path, memreplay):
    """One that never answers is waited for once, not for each file."""
    first, files = kept_elsewhere(tmp_path, "first")
    second, more = kept_elsewhere(tmp_path, "second", ("-O1", "-g"))
    t = Trace(("program",), flags=3, started_ns=4102444800 * 10**9)
    t.on(t.new_thread(t.process(python="")))
    for program in (first, second):
        module = t.function(os.path.basename(program.path), program.path, 0, kind=2, build_id=program.build_id)
        for offset in sorted(program.places):
            t.alloc(t.stack(0, module, offset), 100)
    (tmp_path / "t.lz4").write_bytes(t.finish())
    with Server(files | more, answers) as server:
        env = server.env(tmp_path)
        if answers == "nothing":
            env.update(DEBUGINFOD_TIMEOUT="2", DEBUGINFOD_RETRY_LIMIT="1")
        if answers == "gone":
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                env["DEBUGINFOD_URLS"] = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        done = memreplay("peak", "--json", "--frames", "all", tmp_path / "t.lz4", env=env)
        names = {frame["function"] for stack in json.loads(done.out)["stacks"] for frame in stack["frames"]}
        assert done.status == 0
        assert names == {f"{os.path.basename(each.path)}+{at:#x}" for each in (first, second) for at in each.places}
        asked = {path for path in server.asked if path.endswith("/debuginfo")}
        assert len(asked) == {"gone": 0, "nothing": 1}.get(answers, 2)
