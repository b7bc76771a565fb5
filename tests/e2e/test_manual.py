"""Man pages and completions: what --help tells is in all of them, and the real readers and shells take them."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import BUILD, ROOT

SHARE = BUILD / "share"
BASH = SHARE / "bash-completion" / "completions"


def options_of(text):
    """{--name: -letter or None} of a page of --help, without what this version refuses."""
    found = re.findall(r"^  (?:(-\w), |    )?(--[\w-]+)(.*)", text.replace("\n   ", "\n   "), re.M)
    return {name: letter or None for letter, name, rest in found if "(not in this version)" not in rest}


@pytest.fixture(scope="module")
def helps():
    """{(program, command): its --help}."""
    def told(*argv):
        done = subprocess.run([BUILD / argv[0], *argv[1:], "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    commands = re.findall(r"^  (\w+) ", told("memreplay").split("Commands:")[1].split("\n\n")[0], re.M)
    assert {"peak", "export", "check"} <= set(commands)
    return {**{("memreplay", each): told("memreplay", each) for each in commands},
            **{("memrec", each): told("memrec", each) for each in ("run", "mark")}}


def test_every_command_s_help_ends_with_an_example(helps):
    for (program, command), text in helps.items():
        example = re.split(r"[Ee]xample:\s+", text)
        assert len(example) == 2 and f"{program} {command}" in example[1], (program, command)
        assert max(map(len, text.splitlines())) <= 100, (program, command)


def shown(program, reader):
    page = SHARE / "man" / "man1" / f"{program}.1"
    done = subprocess.run([*reader, page], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8",
                                                                               "MANROFFOPT": "-c", "GROFF_NO_SGR": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(".\x08", "", done.stdout)


@pytest.mark.parametrize("program", ["memrec", "memreplay"])
def test_the_man_page_has_every_command_and_option(helps, program):
    if not shutil.which("man"):
        pytest.skip("no man here")
    text = shown(program, ["man", "--warnings", "-l"])
    for (of, command), told in helps.items():
        if of != program:
            continue
        assert f"{program} {command}" in text
        for name, letter in options_of(told).items():
            assert re.search(rf"^ +{letter}, {name}\b" if letter else rf"^ +{name}\b", text, re.M), (command, name)
    assert "@" not in text


def test_mandoc_finds_no_fault():
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc here")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *(SHARE / "man" / "man1").iterdir()], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def bash(tmp_path):
    """bash("memreplay pe") -> the words that Tab offers, in a folder with a.lz4 and "b c.lz4"."""
    for name in ("a.lz4", "b c.lz4"):
        (tmp_path / name).touch()

    def complete(line):
        program = line.split()[0]
        words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
        quoted = " ".join(f"'{each}'" for each in words)
        script = f"""source '{BASH / program}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
                     _{program}; printf '%s\\n' "${{COMPREPLY[@]}}"; complete -p {program}"""
        done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        *words, told = done.stdout.splitlines()
        assert told == f"complete -F _{program} {program}"
        return sorted(filter(None, words))

    return complete


def test_bash_completes_commands_options_values_and_files(bash):
    assert bash("memreplay p") == ["pack", "peak"]
    assert bash("memrec ") == ["--help", "--version", "mark", "run"]
    assert bash("memreplay peak --ta") == ["--table"]
    assert bash("memreplay export --format p") == ["pprof"] == bash("memreplay export --format=p")
    assert bash("memreplay peak --at=") == ["end", "peak", "start"] == bash("memreplay peak --at ")
    assert bash("memreplay peak ") == ["a.lz4", "b c.lz4"] == bash("memreplay check --max-peak 5MB ")
    assert bash("memreplay check --baseline a") == ["a.lz4"] == bash("memreplay peak -o a")
    assert bash("memreplay check --max-peak ") == []
    assert bash("memrec run --children p") == ["python"]
    assert bash("memrec run b") == ["b c.lz4"]


def test_bash_knows_every_option(helps, bash):
    for (program, command), told in helps.items():
        options = options_of(told)
        assert bash(f"{program} {command} -") == sorted({*options, *filter(None, options.values())}), command
        assert command in bash(f"{program} ")


@pytest.mark.parametrize("program", ["memrec", "memreplay"])
def test_fish_knows_every_option(helps, program, tmp_path):
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    script = SHARE / "fish" / "vendor_completions.d" / f"{program}.fish"

    def offered(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], capture_output=True, text=True,
                              cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)})
        assert (done.returncode, done.stderr) == (0, "")
        return {each.split("\t")[0] for each in done.stdout.splitlines()}

    for (of, command), told in helps.items():
        if of == program:
            assert command in offered(f"{program} ")
            assert set(options_of(told)) <= offered(f"{program} {command} --")
    if program == "memreplay":
        assert offered("memreplay export --format p") == {"pprof"}


ZSH = """
zmodload zsh/zpty; fpath=($1 $fpath)
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -d $2/dump; zstyle ':completion:*' list-colors ''; LISTMAX=10000; echo rea''dy"
zpty -r -m shell text '*ready*'
zpty -w -n shell "$3"$'\\t\\t'
text=""; for try in {1..80}; do
    while zpty -r -t shell part; do text+=$part; done
    [[ $text == *$4* ]] && break
    sleep 0.1
done
print -r -- $text
"""


@pytest.mark.parametrize("program, command, line, expected", [
    ("memreplay", "export", "memreplay export --", "--format"), ("memreplay", "check", "memreplay check --max-gr", "--max-growth"),
    ("memrec", "run", "memrec run --chil", "--children")])
def test_zsh_completes(program, command, line, expected, tmp_path):
    if not shutil.which("zsh"):
        pytest.skip("no zsh here")
    folder = SHARE / "zsh" / "site-functions"
    checked = subprocess.run(["zsh", "-n", folder / f"_{program}"], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", folder, tmp_path, line, expected], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "HOME": str(tmp_path), "TERM": "dumb"})
    assert expected in done.stdout, done.stdout + done.stderr


@pytest.mark.release_only
def test_install_puts_everything_in_its_place_and_uninstall_takes_it_away(tmp_path):
    make = ["make", "-C", ROOT, f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    subprocess.run([*make, "install"], check=True, capture_output=True, timeout=600)
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == sorted(["usr/bin/memrec", "usr/bin/memreplay", "usr/lib/memrec/libmemrec.so",
                            *(f"usr/share/{each}" for program in ("memrec", "memreplay") for each in (
                                f"man/man1/{program}.1", f"bash-completion/completions/{program}", f"zsh/site-functions/_{program}",
                                f"fish/vendor_completions.d/{program}.fish"))])
    subprocess.run([*make, "uninstall"], check=True, capture_output=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
