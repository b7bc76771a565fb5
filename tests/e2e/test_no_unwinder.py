"""A memrec that cannot read native frames (its C library is too old, or it was built without its unwinder) records programs without
them, and says so in one sentence with the cause and the way out; nobody who would not have had any is bothered."""
import pytest

import binaries
from conftest import ROOT, run

pytestmark = pytest.mark.release_only
FAIL = ROOT / "build" / "failpoints"
CAUSES = {"old": "native frames need glibc 2.35 or newer, and this is 2.31; record on a newer system, or in a container of one",
          "bare": "this memrec was built without its unwinder; tools/setup brings it (and says what is in its way), then make again"}
TOLD, IN_SUMMARY = "memrec: native stacks of {} are not in the trace: {}\n", "stacks of programs without Python are not in it"


@pytest.fixture(params=["old", pytest.param("bare", marks=pytest.mark.soak)])
def lacking(request, tmp_path):
    """(memrec(*words of `run`) -> Finished, summary() of the trace, the cause)"""
    build = FAIL if request.param == "old" else ROOT / "build" / "bare"
    if request.param == "bare":
        binaries.done("make", "-s", "all", "unwind=", "BUILD=build/bare", cwd=ROOT, timeout=1800)
    elif not (FAIL / "memrec").exists():
        pytest.skip("no build with failpoints here (make FAIL=1)")
    elif not binaries.UNWINDER.exists():
        pytest.skip(binaries.NO_UNWINDER)
    trace = tmp_path / "t.lz4"

    def memrec(*words):
        return run([build / "memrec", "run", "-f", "-o", trace, *words], env={"MEMREC_FAIL": "libc_version"})

    return memrec, lambda: run([build / "memreplay", "summary", trace], env={"COLUMNS": "300"}).out, CAUSES[request.param]


def test_no_unwinder__a_program_is_recorded_and_what_is_missing_is_told_once(lacking, programs):
    memrec, summary, cause = lacking
    done = memrec("--", programs / "hold", "5000000")
    assert done.status == 0 and done.err.count(TOLD.format("1 program", cause)) == 1 and done.err.count("native stacks") == 1, done.err
    assert "4.77 MiB" in summary() and summary().count(IN_SUMMARY) == 1


def test_no_unwinder__all_programs_are_counted(lacking, programs):
    memrec, _, cause = lacking
    done = memrec("--children", "all", "--", "sh", "-c", f"{programs / 'hold'} 1; {programs / 'hold'} 2; true")
    assert done.status == 0 and done.err.count(TOLD.format("3 programs", cause)) == 1, done.err


def test_no_unwinder__who_asks_for_native_frames_is_refused(lacking, programs):
    memrec, _, cause = lacking
    done = memrec("--native", "--", programs / "hold", "1")
    assert done.status == 125 and done.err.startswith(f"memrec: --native cannot be had: {cause}\n")


@pytest.mark.parametrize("words", [["-q", "--", "hold", "1"], ["--no-native", "--", "hold", "1"], ["-c", "held = bytes(1)"]], ids=lambda words: words[0])
def test_no_unwinder__is_no_matter_where_nobody_wants_native_frames(lacking, programs, words):
    memrec, summary, _ = lacking
    done = memrec(*[programs / word if word == "hold" else word for word in words])
    assert done.status == 0 and "native" not in done.err
    assert (IN_SUMMARY in summary()) == (words[0] == "-q")
