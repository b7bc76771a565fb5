"""Other people's tests end as without us: CPython's own, and those of packages (suites.py compares; suites.json explains).

A few quick modules of CPython's run always; all that are chosen, one by one, and the packages under `make soak` (an hour). The
packages' sources come from PyPI, once, into build/suites."""
import os
import shutil
import subprocess

import pytest

import suites
from conftest import ROOT, interpreters

pytestmark = pytest.mark.release_only
LEAST_TESTS = 500  # of the quick modules: fewer would mean that they were not found


@pytest.fixture(scope="session")
def regression():
    """An interpreter that CPython's tests are installed with: the newest one with a GIL."""
    for each in reversed(interpreters()):
        if not each.free_threaded and suites.modules_of(each.path, ["test_os"]):
            return each
    pytest.skip("no interpreter here has CPython's own tests installed (pyenv's have)")


def passed(run):
    return sum(outcome == "passed" for outcome in run.found.values())


def test_cpython__quick_modules_end_as_bare(regression, tmp_path):
    modules = suites.modules_of(regression.path, suites.QUICK)
    bare, recorded, differences = suites.compare(suites.regrtest(regression.path, *modules), folder=tmp_path, env=suites.environment(), seconds=240)
    assert len(modules) >= 20 and passed(bare[0]) >= LEAST_TESTS
    assert suites.unexplained(differences, "cpython") == {}


@pytest.mark.soak
@pytest.mark.parametrize("module", suites.BROAD)
def test_cpython__module_ends_as_bare(module, regression, tmp_path):
    if not suites.modules_of(regression.path, [module]):
        pytest.skip(f"{regression.version} has no {module}")
    _, _, differences = suites.compare(suites.regrtest(regression.path, module), folder=tmp_path, env=suites.environment())
    assert suites.unexplained(differences, "cpython") == {}


PINS = ROOT / "tests" / "e2e" / "suites-requirements.txt"
# name: what is installed for it, whether its tests are in its source distribution alone, its parts: one that differs is run again
PACKAGES = {
    "flask": (["flask", "asgiref", "python-dotenv"], True, ["tests"]),
    "numpy": (["hypothesis", "meson", "ninja"], False, ["numpy._core", "numpy.lib", "numpy.linalg", "numpy.fft", "numpy.polynomial"]),
    "sqlalchemy": (["sqlalchemy"], True, ["test/base", "test/engine", "test/sql", "test/orm"]),
}
MEMORY = {"NPY_AVAILABLE_MEM": "4GB"}  # else what the machine has free at that moment decides which of numpy's tests are skipped
PARTS = [(name, part) for name, (_, _, parts) in PACKAGES.items() for part in parts]


def pip(python, *arguments):
    done = subprocess.run([python, "-m", "pip", "--disable-pip-version-check", *arguments, "-q", "-c", PINS], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not to be had: {done.stderr.strip().splitlines()[-1:]}")


def prepared(python, name):
    """(folder for PYTHONPATH, folder with the tests)"""
    wanted, from_source, _ = PACKAGES[name]
    folder, pins = ROOT / "build" / "suites" / f"{name}-{python.version}", PINS.read_text()
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text() != pins:
        shutil.rmtree(folder, ignore_errors=True)
        pip(python.path, "install", "--only-binary", ":all:", "--upgrade", "--target", folder / "site", *wanted)
        if from_source:
            pip(python.path, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, wanted[0])
            for archive in folder.glob("*.tar.gz"):
                shutil.unpack_archive(archive, folder / "source")
        ready.write_text(pins)
    return folder / "site", next(iter((folder / "source").glob("*")), None)


@pytest.mark.soak
@pytest.mark.parametrize("name, part", PARTS)
def test_package__its_tests_end_as_bare(name, part, python, tmp_path):
    site, source = prepared(python, name)
    argv = [python.path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml={xml}", *([part] if source else ["--pyargs", part])]
    env = {**suites.environment(), **MEMORY, "PYTHONPATH": os.fspath(site), "PYTHONDONTWRITEBYTECODE": "1"}
    env["PATH"] = f"{site / 'bin'}{os.pathsep}{env['PATH']}"
    bare, _, differences = suites.compare(argv, folder=tmp_path, env=env, cwd=source, at_once=False, seconds=3600)
    assert passed(bare[0]) > 100
    assert suites.unexplained(differences, name) == {}
