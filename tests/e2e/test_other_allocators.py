"""Allocators that programs call by names of their own (mi_malloc, je_malloc): told under these names where a program is linked with one."""
import pytest

import binaries
from conftest import ROOT, run

PREFIXES = ["mi_", "je_", "_rjem_", "_rjem_mp_"]
SOURCES = ROOT / "tests" / "programs" / "others"
KEPT = 5_000_011


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """built(prefix, *flags of the program) -> (program, library); linked with it unless the program ASKS"""
    folder = tmp_path_factory.mktemp("others")

    def build(prefix, *own):
        library, program = folder / f"lib{prefix}.so", folder / "".join([prefix, *own])
        linked = [] if "-DASKS" in own else ["-Wl,--no-as-needed", library, f"-Wl,-rpath,{folder}"]
        flags = ["-O1", "-Wall", f"-DPREFIX={prefix}", "-fno-builtin"]
        binaries.library(library, *flags, SOURCES / "library.c")
        binaries.program(program, *flags, SOURCES / "program.c", *own, *linked, "-ldl")
        return program, library
    return build


@pytest.mark.parametrize("prefix", PREFIXES)
def test_linked__each_call_is_told_once_by_its_name(record, built, prefix):
    program, _ = built(prefix)
    assert run([program]).status == 0
    recording = record([program])
    summary = recording.summary()
    told = {each["allocator"]: (each["allocations"], each["bytes"]) for each in summary["allocators"]}
    assert told[prefix + "malloc"] == (2004, KEPT + 1000 * 3000 + 300 + 700 + 640)
    assert summary["totals"]["frees"] == 2003 and summary["totals"]["failed"] == 1
    assert [summary["totals"][each] for each in ("unknown_frees", "lost_frees", "replaced", "impossible")] == [0, 0, 0, 0]
    assert summary["losses"] == []
    assert recording.peak()["peak"]["bytes"] == KEPT + 2000  # and not what the library has mapped for its blocks
    assert recording.leaks()["total"]["bytes"] == KEPT


@pytest.mark.fault("a program asks for an allocator's own names, or loads a library that brings one", program="finds what it would find without us", trace="what that library maps")
@pytest.mark.parametrize("binding", ["lazy", "now"])
@pytest.mark.parametrize("weak", [[], ["-DWEAK"]], ids=["asks", "weak"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_unlinked__nobody_finds_our_names(record, built, prefix, weak, binding):
    """But those who ask for one weakly: such a name is there then, and is served by malloc."""
    program, library = built(prefix, "-DASKS", *weak, f"-Wl,-z,{binding}")
    assert run([program, library]).status == 0
    recording = record([program, library])
    assert recording.summary()["losses"] == []


def test_mimalloc__as_distributed(record, tmp_path):
    mimalloc = binaries.installed("libmimalloc.so.2*")
    (tmp_path / "mi.c").write_text("""
        #include <string.h>
        void *mi_malloc(size_t), *mi_realloc(void *, size_t), *mi_zalloc(size_t), mi_free(void *);
        char *mi_strdup(const char *);
        int main(void)
        {
            memset(mi_malloc(3000017), 1, 3000017);
            for (int i = 0; i < 1000; i++)
                mi_free(mi_realloc(mi_malloc(100 + i), 2000));
            mi_free(mi_zalloc(70));
            mi_free(mi_strdup("eleven byte"));
        }
    """)
    recording = record([binaries.program(tmp_path / "mi", "-O1", "-fno-builtin", tmp_path / "mi.c", mimalloc)])
    told = {each["allocator"]: (each["allocations"], each["bytes"]) for each in recording.summary()["allocators"]}
    assert told["mi_malloc"] == (2003, 3_000_017 + sum(100 + i for i in range(1000)) + 1000 * 2000 + 70 + 12)
    assert recording.leaks()["total"]["bytes"] == 3_000_017
