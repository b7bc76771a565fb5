"""How tests are given out to pytest's workers (tests/run starts two for each core: half of the longest tests wait more than they compute).

A file's tests stay together, in order: they share recordings and what was set up. Those of ALONE share nothing that is dear,
and many of them wait for bounds of seconds: they go out one by one, at the end, to whoever has nothing left to do; but those
of FIRST, each as long as a file, go before everything else. Files go by their number of tests.
Not here: which tests run at all (conftest.py).
"""
from xdist.scheduler import LoadFileScheduling

FIRST = ("e2e/test_suites.py::", "web/test_flamegraph_page.py::test_a_million_stacks")  # how their names begin
ALONE = {"e2e/test_failpoints.py", "e2e/test_kills.py", "e2e/test_company.py", "e2e/test_starvation.py", "e2e/test_launcher_signals.py", "e2e/test_walk.py",
         "e2e/test_process_trees_order.py", "e2e/test_interpreters.py", "e2e/test_process_trees_pools.py", "e2e/test_hostile.py"}


class Spread(LoadFileScheduling):
    """Takes the order from the collection, which `order` has made."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid):
        return nodeid if nodeid.startswith(FIRST) or file_of(nodeid) in ALONE else file_of(nodeid)


def file_of(nodeid):
    return nodeid.split("::", 1)[0]


def order(items):
    """Sorts what was collected: every worker must come to the same order."""
    files = [file_of(item.nodeid) for item in items]
    tests = {file: files.count(file) for file in set(files)}
    items.sort(key=lambda item: (not item.nodeid.startswith(FIRST), file_of(item.nodeid) in ALONE, -tests[file_of(item.nodeid)]))
