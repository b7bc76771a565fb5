"""A control group for tests that need a limit of the kernel's on memory; they are skipped where none can be made."""
import errno
import os
import pathlib

import pytest

from trees import wait_until

MB = 1_000_000


def remove(path):
    """Who has just ended stands in cgroup.procs no more, and yet keeps the group from being removed for a moment."""
    def removed():
        try:
            path.rmdir()
        except OSError as told:
            if told.errno != errno.EBUSY:
                raise
        return not path.exists()
    wait_until(removed)


class Group:
    """A control group with a limit on memory: .prefix puts what follows into it. .kind is v1 or v2."""

    def __init__(self, megabytes):
        name = f"memrec-test-{os.getpid()}"
        for self.kind, root, limit in (("v2", "/sys/fs/cgroup", "memory.max"), ("v1", "/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            self.path = pathlib.Path(root, name)
            try:
                self.path.mkdir()
            except OSError:
                continue
            try:
                if not (self.path / "cgroup.procs").exists():
                    raise OSError("no control group file system")
                (self.path / limit).write_text(str(megabytes * MB))
                break
            except OSError:
                self.path.rmdir()
        else:
            pytest.skip("no control group with a limit on memory can be made here (root, and the memory controller)")
        for swap in ("memory.swap.max", "memory.swappiness"):
            if (self.path / swap).exists():
                (self.path / swap).write_text("0")
        self.prefix = ["sh", "-c", f'echo $$ >{self.path}/cgroup.procs && exec "$@"', "sh"]

    def close(self):
        remove(self.path)


@pytest.fixture
def group():
    made = []

    def make(megabytes):
        made.append(Group(megabytes))
        return made[-1]

    yield make
    for each in made:
        each.close()
