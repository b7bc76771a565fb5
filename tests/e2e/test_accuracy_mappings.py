"""What counts, for mappings and for what is resident: known histories in C (tests/programs/mappings.c), exact sums in MiB."""
import typing

import pytest

MIB = 1 << 20
PAGE = 4096


class Truth(typing.NamedTuple):
    peak: float  # MiB, as the rest
    left: float
    failed: int = 0
    mapped: float = 0  # at the peak
    shared: float = 0
    resident: float = None  # at the peak


SMALL = 1000 / MIB  # a malloc that makes the peak come after a mapping that is not in it

SCENARIOS = {
    "private_kept": Truth(3, 3),
    "private_unmapped": Truth(3, 0),
    "shared_kept": Truth(2, 2),
    "by_mmap64": Truth(5, 5),
    "odd_length": Truth(2 + PAGE / MIB, 2 + PAGE / MIB),  # whole pages, as the kernel maps them
    # MAP_FIXED over old ones counts once
    "fixed_overlay_counts_once": Truth(4, 4),
    "fixed_overlay_in_part": Truth(6, 5),
    # munmap with any overlap
    "unmapped_in_the_middle": Truth(10, 8),
    "unmapped_over_two": Truth(8, 5),
    "unmap_fails": Truth(3, 3),
    "map_fails": Truth(0, 0, failed=1),
    "noreplace_fails": Truth(3, 3, failed=1),
    # mremap: old and new are never counted together
    "remap_grows": Truth(8, 8),
    "remap_grows_by_moving": Truth(10, 10),
    "remap_shrinks": Truth(8, 1),
    "remap_fixed_over_another": Truth(5, 3),  # 2 MiB put over the first 2 of 3
    "remap_out_of_the_middle": Truth(6, 2),
    "remap_fails": Truth(3, 3, failed=1),
    "remap_leaves_the_old": Truth(4, 4, resident=2),
    # reservations are not memory
    "reservation_made_usable_in_part": Truth(3, 3),
    "reservation_made_readable": Truth(0, 0),
    "usable_made_inaccessible": Truth(3, 3),
    "mprotect_fails": Truth(0, 0),
    "noreserve_counts_what_is_touched": Truth(80, 80, resident=80),
    "noreserve_unmapped_at_once": Truth(80, 0, resident=80),
    "noreserve_never_touched": Truth(0, 0),
    "noreserve_stays_so_when_made_writable": Truth(16, 16),
    "noreserve_given_back": Truth(40, 0),
    # files and memory that has a name stand beside the peak
    "file_private": Truth(SMALL, SMALL, mapped=5),
    "file_shared": Truth(SMALL, SMALL, mapped=5),
    "memfd": Truth(SMALL, SMALL, shared=6),
    "dev_shm": Truth(SMALL, SMALL, shared=7),
    "dev_zero": Truth(2, 2),
    "file_unmapped_before_the_peak": Truth(SMALL, SMALL, mapped=3),
    "overlay_of_a_file": Truth(5, 3),
    # the program's own break
    "break_grows_and_shrinks": Truth(4, 3),
    "break_set": Truth(3, 2),
    "break_fails": Truth(0, 0, failed=1),
    # requested and resident are both told
    "touched_in_part": Truth(64, 64, resident=16),
    "big_block_touched_in_part": Truth(64, 64, resident=16),
    "big_block_freed_at_once": Truth(64, 0, resident=16),
}


@pytest.fixture(scope="module")
def data_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mapped") / "data"
    path.write_bytes(bytes(5 * MIB))
    return path


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_mappings__(scenario, record, programs, data_file):
    truth = SCENARIOS[scenario]
    recording = record([programs / "mappings", scenario, data_file])
    peak, summary = recording.peak(), recording.summary()
    assert peak["peak"]["bytes"] == sum(stack["bytes"] for stack in peak["stacks"]) == truth.peak * MIB
    assert recording.leaks()["total"]["bytes"] == truth.left * MIB
    assert summary["totals"]["failed"] == truth.failed
    assert (peak["peak"]["mapped_bytes"], peak["peak"]["shared_bytes"]) == (truth.mapped * MIB, truth.shared * MIB)
    if truth.resident is not None:  # a malloc's header lies in a page more
        assert truth.resident * MIB <= peak["peak"]["resident_bytes"] <= truth.resident * MIB + 2 * PAGE
        assert peak["peak"]["resident_bytes"] == sum(stack["resident_bytes"] for stack in peak["stacks"])


def test_scenarios__are_those_of_the_program(programs):
    source = (programs.parent.parent.parent / "tests" / "programs" / "mappings.c").read_text()
    assert {part.split(")")[0] for part in source.split("SCENARIO(")[2:]} == set(SCENARIOS)


def test_peak__says_what_was_never_touched(record, programs, memreplay):
    recording = record([programs / "mappings", "big_block_touched_in_part"])
    said = memreplay("peak", "--no-color", recording.trace).out
    assert "48.0 MiB" in said and "never touched" in said
