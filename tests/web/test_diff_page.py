"""The page of a comparison in a real browser, on two runs whose every sum is known."""
import re

import pytest

from pages import browser, open_page  # fixtures, and where memreplay_traces is found
from memreplay_traces import Trace

MIB, S = 1 << 20, 10**9
JOB = "/home/ana/job/job.py"
PANDAS = "/home/ana/.venv/lib/python3.11/site-packages/pandas/"
pytestmark = pytest.mark.release_only  # the sanitized tool writes the same pages, in tests/e2e


def run(blocks, **how):
    """A run that holds these bytes at its peak: {names: MiB}; `read` is a function of pandas."""
    t = Trace(("python3", JOB), **how)
    process = t.process(argv=("python3", JOB))
    t.on(t.new_thread(process))
    functions, nodes = {"<module>": t.function("<module>", JOB)}, {(): 0}

    def stack(names):
        if names not in nodes:
            outer, name = stack(names[:-1]), names[-1]
            if name not in functions:
                functions[name] = t.function(name, PANDAS + "io.py" if name == "read" else JOB)
            nodes[names] = t.stack(outer, functions[name], 7)
        return nodes[names]

    t.time(S)
    for names, size in blocks.items():
        t.alloc(stack(("<module>", *names.split())), size * MIB)
    t.time(2 * S)
    t.process_end(process)
    t.exit()
    return t


BEFORE = {"main load read": 40, "main sort": 20, "main old": 6, "main same": 10}
AFTER = {"main load read": 10, "main sort": 35, "main new": 7, "main same": 10}


@pytest.fixture
def page(memreplay, open_page, tmp_path):
    """page(before, after, *options) -> an opened Page."""

    def opened(before=None, after=None, *options, **how):
        files = tmp_path / "before.lz4", tmp_path / "after.lz4"
        for file, trace in zip(files, (before or run(BEFORE), after or run(AFTER, started_ns=1767225700 * S))):
            file.write_bytes(trace.finish())
        done = memreplay("diff", "--html", "-o", tmp_path / "page.html", *options, *files)
        assert done.status == 0, done.err
        return open_page(tmp_path / "page.html", **how)

    return opened


def sums(page):
    """{name: (width, before, after) in MiB} of the frames of the tree as it is drawn."""
    return page.run("""() => {
        const { tree, words } = memreplay.page, found = {};
        for (let i = 1; i < tree.parent.length; i++) found[words.name(tree, i).replace(/^[+\\u2212] /, "")] = [0, 1, 2].map((k) => tree.sums[k][i] / 1048576);
        return found;
    }""")


def test_the_headline_is_the_terminal_s(page):
    opened = page()
    assert opened.text("#headline") == "peak 76.0 MiB → 62.0 MiB, −14.0 MiB (−18.4%)"
    assert "at 1.00 s of 2.00 s" in opened.text(".side.a")
    assert not opened.page.is_visible("#notes")


def test_each_frame_has_both_sides_and_three_widths(page):
    opened = page()
    assert sums(opened)["main"] == [40 + 35 + 6 + 7 + 10, 76, 62]
    assert sums(opened)["old"] == [6, 6, 0]
    opened.page.click("[data-width=before]")
    assert sums(opened)["main"][0] == 76 and sums(opened)["new"][0] == 0
    opened.page.keyboard.press("a")
    assert sums(opened)["main"][0] == 62 and sums(opened)["old"][0] == 0


def test_what_grew_is_red_and_plus_what_shrank_blue_and_minus(page):
    opened = page()
    found = opened.run("""() => {
        const { tree, words } = memreplay.page, found = {};
        for (let i = 1; i < tree.parent.length; i++) found[words.name(tree, i)] = words.fill(tree, i, false);
        return found;
    }""")
    hue = lambda name: int(re.match(r"hsl\((\d+)", found[name]).group(1))
    assert hue("+ sort") < 20 and hue("+ new") < 20
    assert 200 < hue("− load") < 230 and 200 < hue("− old") < 230
    assert found["same"].startswith("hsl(40 10%")


def test_a_tooltip_tells_both_sides(page):
    opened = page()
    opened.page.mouse.move(*opened.frame("− load"))
    told = opened.text(".tip")
    assert "40.0 MiB" in told and "10.0 MiB" in told and "−30.0 MiB" in told and "−75.0%" in told
    opened.page.mouse.move(*opened.frame("+ new"))
    assert "it held nothing before" in opened.text(".tip") and "new" in opened.text(".tip")


def test_gone_and_new_are_listed(page):
    opened = page()
    assert opened.text("[data-tab=gone]") == "Gone 1" and opened.text("[data-tab=new]") == "New 1"
    opened.page.click("[data-tab=gone]")
    assert opened.page.locator("#table tbody tr").count() == 1
    assert opened.text("#table tbody tr").split() == ["6.00", "MiB", "0", "B", "−6.00", "MiB", "−6.00", "MiB", "old", "job.py"]
    opened.page.click("[data-tab=new]")
    assert "new" in opened.text("#table tbody tr")


def test_what_may_be_renamed_is_said_beside_the_lists(page):
    opened = page(run({"main load read": 40}), run({"main load_all read": 38}))
    opened.page.click("[data-tab=gone]")
    assert "Perhaps the same under another name: load may be load_all." in opened.text("#table .note")


def test_functions_sort_by_what_changed(page):
    opened = page()
    opened.page.click("[data-tab=table]")
    names = lambda: [each.replace("\u00a0", " ") for each in opened.page.locator("#table tbody button").all_inner_texts()]
    assert names()[:2] == ["read", "sort"]
    opened.page.click("#table th:nth-child(5) button")
    assert names() == sorted(names())
    opened.page.click("#table button:text-is('sort')")
    assert opened.page.is_visible("#graph") and "1 found, +15.0 MiB" in opened.text("#found")


def test_swapped_sides_turn_every_sign_and_say_so(page):
    opened = page()
    opened.page.click("#swap")
    assert opened.text("#headline") == "peak 62.0 MiB → 76.0 MiB, +14.0 MiB (+22.6%)"
    assert "Swapped" in opened.text("#notes")
    assert opened.run("() => document.body.classList.contains('swapped')")
    opened.page.mouse.move(*opened.frame("+ load"))
    assert "+30.0 MiB" in opened.text(".tip")
    opened.page.click("[data-tab=new]")
    assert "old" in opened.text("#table tbody tr")
    opened.page.keyboard.press("s")
    assert opened.text("#headline").endswith("−14.0 MiB (−18.4%)")


def test_runs_given_the_wrong_way_round_are_asked_about(page):
    opened = page(run(BEFORE, started_ns=1767225700 * S), run(AFTER, started_ns=1767225600 * S))
    assert "The other way round?" in opened.text("#notes")


def test_callees_first(page):
    opened = page()
    opened.page.check("#inverted")
    read = opened.run("() => { const { tree, words } = memreplay.page; for (let i = 1; i < tree.parent.length; i++) "
                      "if (words.name(tree, i) === '\\u2212 read') return [tree.parent[i], tree.sums[1][i] / 1048576, tree.sums[2][i] / 1048576]; }")
    assert read == [0, 40, 10]


def test_library_internals_hide_and_sums_stay(page):
    opened = page(run({"main load read read2": 40, "main sort": 3}), run({"main load read read2": 10}))
    opened.page.check("#library")
    assert sums(opened)["main"] == [43, 43, 10]


def test_search_tells_the_change(page):
    opened = page()
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("so|ol")
    assert opened.text("#found") == "2 found, +9.00 MiB"
    opened.page.keyboard.press("Escape")
    assert opened.text("#found") == ""


def test_a_moved_peak_is_told(page):
    opened = page(run({"main load": 40, "main sort": 20}), run({"main load": 40, "main merge_rows": 15}))
    assert opened.text("#moved").startswith("The peak moved. The old one was held by sort (20.0 MiB), which holds 0 B now; the new one by merge_rows")


def test_noise_and_no_difference_are_said(page):
    assert "no difference" in page(run(BEFORE), run(BEFORE)).text("#headline")
    assert "noise (up to 30.0 MiB is)" in page(run(BEFORE), run(AFTER), "-f", "--noise", "30MiB").text("#headline")


def test_names_are_data(page):
    name = "</script><img/src=x/onerror=alert(1)>"
    opened = page(run({"main": 5}), run({"main " + name: 50}))
    assert opened.page.locator("img").count() == 0
    opened.page.mouse.move(*opened.frame("+ " + name))
    assert "onerror" in opened.text(".tip")
    opened.page.click("[data-tab=table]")
    assert "onerror" in opened.text("#table") and opened.page.locator("img").count() == 0


@pytest.mark.parametrize("width, height", [(1280, 800), (800, 600)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_at_any_size(page, width, height, theme):
    opened = page(width=width, height=height, theme=theme)
    assert opened.run("() => document.documentElement.scrollWidth <= innerWidth")
    assert opened.run("() => document.documentElement.dataset.theme") == theme


def test_keys_reach_every_frame(page):
    opened = page()
    opened.page.focus("canvas")
    for _ in range(3):
        opened.page.keyboard.press("ArrowDown")
    assert "before" in opened.page.inner_text(".unseen") and "after" in opened.page.inner_text(".unseen")
    opened.page.keyboard.press("Enter")
    assert opened.page.locator(".crumbs button").count() >= 3
