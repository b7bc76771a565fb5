"""What counts, for blocks of the malloc family: known histories in C (tests/programs/blocks.c), exact sums.

A row says what the arithmetic of its scenario gives: the bytes at the peak, the bytes and blocks left at the end, failed calls,
frees of unknown pointers, and where it matters the bytes of each allocator over the whole run. Nothing else in these programs allocates."""
import typing

import pytest

HUGE = 2**63 - 1


class Truth(typing.NamedTuple):
    peak: int
    left: int
    blocks: int
    failed: int = 0
    unknown: int = 0
    frees: int = None
    allocators: dict = None  # name: (allocations, bytes)


SCENARIOS = {
    "malloc_keep_one_of_two": Truth(4000, 3000, 1, allocators={"malloc": (2, 4000)}),
    "malloc_of_nothing": Truth(0, 0, 1, allocators={"malloc": (1, 0)}),
    "calloc_product": Truth(7007, 7007, 1, allocators={"calloc": (1, 7007)}),
    # realloc frees and allocates: old and new are never counted together
    "realloc_grows": Truth(500000, 500000, 1, frees=1, allocators={"malloc": (1, 1000), "realloc": (1, 500000)}),
    "realloc_shrinks": Truth(500000, 1000, 1, frees=1),
    "realloc_in_place": Truth(1016, 1016, 1, frees=1, allocators={"malloc": (1, 1000), "realloc": (1, 1016)}),
    "realloc_of_nothing": Truth(1000, 1000, 1, frees=0),
    "realloc_to_zero_frees": Truth(1000, 0, 0, frees=1),
    "realloc_of_nothing_to_zero": Truth(0, 0, 1),
    # a failed call changes nothing and is recorded as failed
    "realloc_fails": Truth(1000, 1000, 1, failed=1, frees=0),
    "realloc_fails_then_free": Truth(1000, 0, 0, failed=1, frees=1),
    "realloc_fails_then_grows": Truth(2000, 2000, 1, failed=1, frees=1),
    "malloc_fails": Truth(0, 0, 0, failed=1),
    "calloc_overflows": Truth(0, 0, 0, failed=1),
    "reallocarray_grows": Truth(3030, 3030, 1, frees=1),
    "reallocarray_overflows": Truth(1000, 1000, 1, failed=1, frees=0),
    # what was requested, not what alignment or pages make of it
    "aligned_kinds": Truth(15052, 15052, 5, allocators={"posix_memalign": (1, 1001), "aligned_alloc": (1, 2048), "memalign": (1, 3001),
                                                         "valloc": (1, 4001), "pvalloc": (1, 5001)}),
    "aligned_kinds_freed": Truth(15052, 0, 0, frees=5),
    "posix_memalign_fails": Truth(0, 0, 0, failed=1),
    "sized_frees": Truth(3058, 10, 1, frees=2),
    # frees of nothing and of unknown pointers
    "free_of_nothing": Truth(0, 0, 0, unknown=0),
    "free_of_unknown": Truth(50, 50, 1, unknown=3),
    "realloc_of_unknown": Truth(2000, 2000, 1, unknown=1),
    # callers inside libc; malloc found by name
    "libc_inside": Truth(6400, 6400, 3, allocators={"malloc": (3, 6400)}),
    "dlsym_default": Truth(1000, 1000, 1),
    "dlsym_next": Truth(1500, 1000, 1),
    "dlopen_of_itself": Truth(1000, 1000, 1),
    "many_sizes": Truth(1001000, 1001000, 1000, frees=1000),  # 2 + 4 + … + 2000; the odd ones are freed at once
    "peak_inside": Truth(9000, 3999, 2),
    "tied_peaks": Truth(1000000, 0, 0),
}


def unknown_frees(summary):
    """Whoever noticed them: the recorder (a loss) or the replay."""
    return summary["totals"]["unknown_frees"] + sum(loss["count"] for loss in summary["losses"] if loss["reason"] == "unknown_free")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_blocks__(scenario, record, programs):
    truth = SCENARIOS[scenario]
    recording = record([programs / "blocks", scenario])
    summary, peak, leaks = recording.summary(), recording.peak(), recording.leaks()
    totals = summary["totals"]
    assert peak["peak"]["bytes"] == sum(stack["bytes"] for stack in peak["stacks"]) == truth.peak
    assert (leaks["total"]["bytes"], leaks["total"]["allocations"]) == (truth.left, truth.blocks)
    assert (totals["leaked_bytes"], totals["leaked_allocations"]) == (truth.left, truth.blocks)
    assert (totals["failed"], unknown_frees(summary)) == (truth.failed, truth.unknown)
    if truth.frees is not None:
        assert totals["frees"] == truth.frees
    if truth.allocators is not None:
        assert {each["allocator"]: (each["allocations"], each["bytes"]) for each in summary["allocators"]} == truth.allocators
    assert [totals[key] for key in ("lost_frees", "replaced", "late_events", "impossible")] == [0, 0, 0, 0]


def test_scenarios__are_those_of_the_program(programs):
    """A scenario without a truth would go untested."""
    source = (programs.parent.parent.parent / "tests" / "programs" / "blocks.c").read_text()
    named = {part.split(")")[0] for part in source.split("SCENARIO(")[2:]}
    assert named == set(SCENARIOS) | {"churn"}


def test_peak__is_the_earliest_of_tied_moments(record, programs):
    stacks = record([programs / "blocks", "tied_peaks"]).peak()["stacks"]
    assert [(stack["allocator"], stack["bytes"]) for stack in stacks if stack["bytes"]] == [("calloc", 1000000)]


def test_peak__holds_what_was_alive_then_and_nothing_later(record, programs):
    stacks = record([programs / "blocks", "peak_inside"]).peak()["stacks"]
    assert {(stack["allocator"], stack["bytes"]) for stack in stacks if stack["bytes"]} == {
        ("malloc", 1000), ("calloc", 3000), ("memalign", 5000)}


@pytest.mark.parametrize("threshold, allocations, size", [(1, 1000, 10), (2, 2000, 110)], ids=["1", "2"])
def test_temporary__counts_allocations_of_the_thread_in_between(threshold, allocations, size, record, programs):
    """a = malloc(100), b = malloc(10), free(a), free(b), a thousand times: b has none between, a has one."""
    temporary = record([programs / "blocks", "churn"]).temporary("--threshold", str(threshold))
    assert temporary["total"] == {"bytes": 1000 * size, "allocations": allocations}


def test_new__comes_as_malloc_and_aligned_allocation(record, programs):
    """Against the same program doing nothing, whose C++ runtime holds some memory of its own."""
    bare, new = record([programs / "new", "nothing"]), record([programs / "new", "kept"])
    before, after = bare.leaks(), new.leaks()

    def by_kind(report):
        sums = {}
        for stack in report["stacks"]:
            bytes_, blocks = sums.get(stack["allocator"], (0, 0))
            sums[stack["allocator"]] = bytes_ + stack["bytes"], blocks + stack["allocations"]
        return sums

    sums = by_kind(after)
    for kind, (bytes_, blocks) in by_kind(before).items():
        sums[kind] = sums[kind][0] - bytes_, sums[kind][1] - blocks
    assert sums.pop("malloc") == (8 + 1000 + 3000 + 5000, 4)  # new, new[], nothrow, a vector's buffer
    assert [(bytes_, blocks) for bytes_, blocks in sums.values() if blocks] == [(4096 + 8192, 2)]  # aligned new and new[]
    assert new.summary()["totals"]["failed"] == 2  # std::bad_alloc, and the nothrow form's null


def test_delete__frees_every_form_of_new(record, programs):
    bare, gone = record([programs / "new", "nothing"]), record([programs / "new", "deleted"])
    assert gone.leaks()["total"] == bare.leaks()["total"]
    assert unknown_frees(gone.summary()) == 0
