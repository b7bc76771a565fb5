"""Other people's tests, bare and recorded: CPython's own (`python -m test`) and those of packages from PyPI.

A suite leaves JUnit XML, the same from regrtest and from pytest; what is compared is each test's outcome by name. A test
that ends otherwise when it is recorded is run again both ways with all of its part (a module of CPython's), up to RETRIES
times: it differs only if no recorded run ever ended as some bare run did. So tests that fail now and then, bare too, are
told apart from what recording does.
What differs for a known reason stands in suites.json: {suite: {pattern of tests' names: reason}}.
  suites.py PYTHON MODULE…    compares those modules of CPython's tests and prints what differs
MEMREC_SUITE_OPTIONS="--native" records with these options of memrec run besides.
"""
import collections
import fnmatch
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("MEMREC_BUILD", "build")
RETRIES = 3
PART_SECONDS = 1200
STATUS = "(exit status)"
OPTIONS = os.environ.get("MEMREC_SUITE_OPTIONS", "").split()

# Quick ones for every run of the tests: what a preload, a signal, a fork or a changed allocator would upset first, and what takes
# a second or less (test_fork1 and test_wait3 sleep).
QUICK = """test_atexit test_capi.test_mem test_baseexception test_code test_context test_contextlib test_copy test_epoll
    test_exception_group test_fcntl test_file test_frame test_functools test_generators test_iter test_mmap test_openpty
    test_popen test_pty test_pwd test_resource test_scope test_sys_setprofile test_thread""".split()

BROAD = QUICK + """test_descr test_exceptions test_gc test_inspect test_posix test_select test_sys_settrace test_threadsignals
    test_traceback test_weakref test_wait3 test__interpreters test__xxsubinterpreters test_array test_asyncgen
    test_asyncio test_audit test_buffer test_bytes test_c_locale_coercion test_call test_capi test_cmd_line
    test_cmd_line_script test_codecs test_compile test_concurrent_futures test_coroutines test_cprofile test_csv
    test_ctypes test_dataclasses test_datetime test_dbm test_decimal test_deque test_dict test_dis test_eintr test_embed
    test_enum test_faulthandler test_fileio test_finalization test_float test_fork1 test_format test_free_threading
    test_ftplib test_gdb test_global test_hash test_hashlib test_heapq test_httplib test_httpservers test_imaplib
    test_import test_importlib test_int test_interpreters test_io test_ioctl test_itertools test_json test_kqueue
    test_largefile test_linecache test_list test_locale test_logging test_long test_lzma test_marshal test_memoryio
    test_memoryview test_module test_monitoring test_multiprocessing_fork test_multiprocessing_forkserver
    test_multiprocessing_main_handling test_multiprocessing_spawn test_ordered_dict test_os test_ossaudiodev
    test_pathlib test_pdb test_peg_generator test_perf_profiler test_pickle test_pkgutil test_poll test_poplib
    test_posixpath test_print test_profile test_property test_queue test_random test_re test_readline test_regrtest
    test_repl test_robotparser test_runpy test_sched test_selectors test_set test_shelve test_shutil test_signal
    test_site test_slice test_smtplib test_socket test_socketserver test_sort test_sqlite3 test_ssl test_startfile
    test_stat test_str test_strftime test_string test_struct test_structseq test_subprocess test_super test_support
    test_sys test_sysconfig test_syslog test_tarfile test_tempfile test_termios test_thread_local_bytecode
    test_threadedtempfile test_threading test_threading_local test_time test_timeit test_tools test_trace
    test_tracemalloc test_tuple test_type_cache test_typing test_unicode test_unittest test_unpack test_unraisablehook
    test_userdict test_utf8_mode test_uuid test_venv test_warnings test_weakset test_with test_xml_etree test_xmlrpc
    test_zipfile test_zipimport test_zlib test_zoneinfo""".split()


def outcomes(path):
    """{test: outcome} of a JUnit file; {} where there is none (the run died before it wrote it)."""
    try:
        tree = xml.parse(path)
    except (OSError, xml.ParseError):
        return {}
    found = {}
    for case in tree.iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        name = re.sub(r"0x[0-9a-f]{6,}", "0x", re.sub(r"/tmp/\S+", "/tmp", name))
        if name:  # 3.12's regrtest leaves a nameless one for subtests
            found[name] = min(kinds) if kinds else "passed"  # "error" before "failure" before "skipped"
    return found


class Ran(collections.namedtuple("Ran", "status found text trace seconds")):
    """How a part of a suite ended: status, {test: outcome}, what it said, the trace (None: bare)."""


def begin():
    """In a child: no core dumps, and the signals as a terminal's would have them, which a job of a script's background ignores."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(argv, *, recorded, folder, env, cwd):
    """Begins argv (in which {xml} is where the results go), bare or under memrec run."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=folder, prefix="recorded-" if recorded else "bare-"))
    report, trace = folder / "results.xml", folder / "trace.lz4"
    whole = [str(part).replace("{xml}", str(report)) for part in argv]
    if recorded:
        whole = [str(BUILD / "memrec"), "run", "-q", "-o", str(trace), "--max-size", "2GiB", *OPTIONS, "--", *whole]
    (folder / "cwd").mkdir()
    with open(folder / "said", "wb") as said:
        process = subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=env,
                                   cwd=cwd or folder / "cwd", start_new_session=True, preexec_fn=begin)
    return process, folder, trace if recorded else None, time.monotonic()


def finish(process, folder, trace, began, seconds):
    try:
        status = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        status = None
    said = (folder / "said").read_text(errors="replace")
    return Ran(status, outcomes(folder / "results.xml"), said, trace, time.monotonic() - began)


def run_both(argv, *, folder, env=None, cwd=None, seconds=PART_SECONDS, at_once=True):
    """(bare, recorded) of one part, side by side where two processors allow it."""
    begun = []
    ended = []
    for recorded in (False, True):
        begun.append(start(argv, recorded=recorded, folder=folder, env=env, cwd=cwd))
        if not at_once:
            ended.append(finish(*begun[-1], seconds))
    return ended or [finish(*each, seconds) for each in begun]


def differing(bare, recorded):
    """{test: (outcomes bare, outcomes recorded)} over the runs of a part, of tests that never agreed."""
    names = set().union(*(run.found for run in bare + recorded))
    both = {name: tuple(sorted({run.found.get(name, "missing") for run in side}) for side in (bare, recorded)) for name in names}
    ends = tuple(sorted({str(run.status) for run in side}) for side in (bare, recorded))
    both[STATUS] = ends
    return {name: sides for name, sides in both.items() if not set(sides[0]) & set(sides[1])}


def compare(argv, *, folder, **how):
    """Runs a part bare and recorded, again where they differ. Returns (first bare, first recorded, differences)."""
    bare, recorded = ([run] for run in run_both(argv, folder=folder, **how))
    for _ in range(RETRIES):
        if not differing(bare, recorded):
            break
        again = run_both(argv, folder=folder, **{**how, "at_once": False})
        bare.append(again[0])
        recorded.append(again[1])
    return bare, recorded, differing(bare, recorded)


def unexplained(differences, suite):
    """What is left without the tests that suites.json explains; the exit status counts when none of these differs."""
    reasons = json.loads((pathlib.Path(__file__).parent / "suites.json").read_text())[suite]
    left = {name: sides for name, sides in differences.items() if not any(fnmatch.fnmatchcase(name, pattern) for pattern in reasons)}
    return left if len(left) == len(differences) else {name: sides for name, sides in left.items() if name != STATUS}


def regrtest(python, *modules):
    """Left out: the VSOCK tests all use one port of the machine, so that two runs side by side are in each other's way; and
    test_super_deep, which goes 100,000 frames deep, takes too long recorded (docs/performance.md, "Depth")."""
    return [python, "-m", "test", "-v", "--junit-xml={xml}", "-i", "*VSOCK*", "-i", "*test_super_deep", *modules]


def modules_of(python, wanted):
    """Those of the wanted modules that this interpreter's installation has."""
    code = "import test, os, sys; print(os.path.dirname(test.__file__))"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
    folder = pathlib.Path(told) if told else None
    def there(name):
        path = folder.joinpath(*name.split("."))
        return path.is_dir() or path.with_suffix(".py").exists()
    if not folder or not (folder / "test_os.py").exists() and not (folder / "test_os").is_dir():
        return []  # Debian's packages carry the runner and no tests
    return [name for name in dict.fromkeys(wanted) if there(name)]


def environment():
    """What the suites start with: nothing of the test run's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE", "ASAN", "LSAN", "UBSAN"))}
    return {name: value for name, value in kept.items() if name not in ("MEMREC", "LD_PRELOAD", "MEMREC_BUILD")} | {"PYTHONHASHSEED": "0"}


def counts(runs):
    """How many tests of the first run of each part ended how."""
    return dict(collections.Counter(outcome for run in runs for outcome in run.found.values()))


def main():
    python, *names = sys.argv[1:]
    names = modules_of(python, names or BROAD)
    differences, firsts = {}, ([], [])
    with tempfile.TemporaryDirectory(prefix="suites") as folder:
        for name in names:
            bare, recorded, differ = compare(regrtest(python, name), folder=folder, env=environment(), seconds=PART_SECONDS)
            firsts[0].append(bare[0])
            firsts[1].append(recorded[0])
            print(name, bare[0].status, recorded[0].status, len(bare[0].found), f"{bare[0].seconds:.1f} {recorded[0].seconds:.1f}",
                  f"runs {len(bare)}", json.dumps(differ), flush=True)
            if differ and (keep := os.environ.get("KEEP")):
                pathlib.Path(keep, f"{name}.bare").write_text(bare[-1].text)
                pathlib.Path(keep, f"{name}.recorded").write_text(recorded[-1].text)
            differences.update({f"{name}: {test}": sides for test, sides in differ.items()})
            for each in pathlib.Path(folder).iterdir():
                shutil.rmtree(each, ignore_errors=True)
    print("bare", counts(firsts[0]), "recorded", counts(firsts[1]), "differences", len(differences))
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
