"""The flame graph page in a real browser, on traces whose every sum is known and on real recordings."""
import json
import os
import pathlib
import re
import time
import xml.dom.minidom

import pytest

from pages import browser, open_page  # fixtures, and where memreplay_traces is found
from layered_traces import a_mixture
from memreplay_traces import MALLOC, Trace
from trees import wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MIB, S = 1 << 20, 10**9
JOB = "/home/ana/job/job.py"
PANDAS = "/home/ana/.venv/lib/python3.11/site-packages/pandas/"
pytestmark = pytest.mark.release_only  # the sanitized tool writes the same pages, in tests/e2e


def job():
    """10 s: load holds 8 MiB from 1 s on and never frees it; read (of pandas) 32 MiB from 2 s to 6 s; work 16 MiB from 7 s on, freed at 9 s;
    churn allocates 1,000 B ten times and frees each at once. A second thread holds 4 MiB from 3 s to its end."""
    t = Trace(("python3", "/home/ana/job/job.py", "--fast"))
    process = t.process()
    one, two = t.new_thread(process), t.new_thread(process, 101, "loader")
    names = {name: t.function(name, file, line) for name, file, line in (
        ("<module>", JOB, 1), ("main", JOB, 10), ("load", JOB, 20), ("work", JOB, 30), ("churn", JOB, 40),
        ("read", PANDAS + "io/readers.py", 9), ("_parse", PANDAS + "io/parsers.py", 90))}
    main = t.stack(t.stack(0, names["<module>"], 88), names["main"], 12)
    load, work, churn = (t.stack(main, names[name], line) for name, line in (("load", 21), ("work", 31), ("churn", 41)))
    read = t.stack(t.stack(load, names["read"], 12), names["_parse"], 95)
    t.on(one)
    t.time(1 * S)
    t.alloc(load, 8 * MIB)
    t.rss(process, 9 * MIB)
    t.time(2 * S)
    big = t.alloc(read, 32 * MIB)
    t.rss(process, 20 * MIB)
    t.time(3 * S)
    t.on(two)
    t.alloc(load, 4 * MIB)
    t.on(one)
    t.time(4 * S)
    t.mark("loaded")
    for _ in range(10):
        t.free(t.alloc(churn, 1000))
    t.time(6 * S)
    t.free(big)
    t.time(7 * S)
    held = t.alloc(work, 16 * MIB)
    t.time(9 * S)
    t.free(held)
    t.time(10 * S)
    t.process_end(process)
    t.exit()
    return t


@pytest.fixture
def page(memreplay, open_page, tmp_path):
    """page(trace, *options) -> an opened Page."""
    def made(trace, *options, **how):
        name = tmp_path / "t.lz4"
        if isinstance(trace, Trace):
            name.write_bytes(trace.finish())
        else:
            name = trace
        done = memreplay("flamegraph", "-f", "-o", tmp_path / "page.html", *options, name)
        assert (done.status, done.out) == (0, ""), done.err
        opened = open_page(tmp_path / "page.html", **how)
        opened.bytes = (tmp_path / "page.html").stat().st_size
        return opened

    return made


def total(page):
    return page.run("memreplay.page.tree.sums[0][0]")


def holders(page):
    """Bytes of each function in the table's sense: by it and below it."""
    return page.run("""() => {
        const { tree, model } = memreplay.page, rows = memreplay.Table.functions(tree, model.frames);
        return Object.fromEntries(rows.map(row => [model.frames.functions[row.fn].name, row.total]));
    }""")


def click_time(page, seconds, duration=10):
    x, y = page.run("share => { const t = memreplay.page.timeline, box = t.canvas.getBoundingClientRect(); return [box.x + t.x(share * t.duration), box.y + 50]; }",
                    seconds / duration)
    page.page.mouse.move(x, y)
    return x, y


def test_it_opens_offline_and_says_what_ran(page):
    opened = page(job())
    assert opened.text("h1") == "python3 job.py --fast"
    assert re.search(r"peak 44\.0 MiB at 4\.00 s of 10\.0 s", opened.text("#facts")), opened.text("#facts")
    assert opened.text("#scope").startswith("44.0 MiB held at the peak"), opened.text("#scope")
    assert opened.page.title() == "python3 job.py --fast \u00b7 memory"
    assert total(opened) == 44 * MIB + 1000
    assert holders(opened) == {"<module>": 44 * MIB + 1000, "main": 44 * MIB + 1000, "load": 44 * MIB, "read": 32 * MIB, "_parse": 32 * MIB, "churn": 1000}


def test_no_script_runs_but_its_own_and_nothing_is_fetched(page):
    opened = page(job())
    blocked = opened.run("""async () => {
        const script = document.createElement("script");
        script.textContent = "window.injected = 1";
        document.body.append(script);
        const image = new Image();
        const image_failed = new Promise(done => { image.onerror = () => done(true); image.onload = () => done(false); });
        image.src = "http://127.0.0.1:9/x.png";
        let fetched = true;
        try { await fetch("http://127.0.0.1:9/"); } catch { fetched = false; }
        return [window.injected === undefined, await image_failed, !fetched];
    }""")
    assert blocked == [True, True, True]
    assert any("Content Security Policy" in error for error in opened.errors)
    opened.errors.clear()
    opened.requests.clear()


def test_hover_tells_bytes_share_count_and_place(page):
    opened = page(job())
    opened.page.mouse.move(*opened.frame("read"))
    told = opened.text(".tip:not([hidden])")
    for word in ("read", "pandas/io/readers.py:12", "32.0 MiB", "72.7% of 44.0 MiB", "1 block"):
        assert word in told.replace("\t", " ").replace("\n", " "), told
    opened.page.mouse.move(5, 5)
    assert opened.page.locator(".tip:not([hidden])").count() == 0


def test_zoom_has_breadcrumbs_and_a_way_back(page):
    opened = page(job())
    opened.page.mouse.click(*opened.frame("load"))
    assert opened.page.locator(".crumbs button").all_inner_texts() == ["all: 44.0\u00a0MiB", "job", "main", "load"]
    x, _ = opened.frame("load")
    assert abs(x - 640) < 3  # as wide as the page now
    opened.page.get_by_role("button", name="main").click()
    assert opened.page.locator(".crumbs button").all_inner_texts()[-1] == "main"
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator(".crumbs").is_visible()


def test_the_keyboard_does_everything(page):
    opened = page(job())
    focused = lambda: opened.run("() => { const { flame, tree, words } = memreplay.page; return words.name(tree, flame.focused); }")
    opened.page.locator(".flame-inner canvas").focus()
    for _ in range(3):
        opened.page.keyboard.press("ArrowDown")
    assert focused() == "load"
    assert "44.0 MiB" in opened.text("[aria-live].unseen")
    opened.page.keyboard.press("ArrowRight")
    assert focused() == "churn"
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press("Enter")
    assert opened.page.locator(".crumbs button").all_inner_texts()[-1] == "load"
    opened.page.keyboard.press("Home")
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("parse")
    assert "1 found, 32.0 MiB" in opened.text("#found")
    opened.page.keyboard.press("Escape")
    assert opened.text("#found") == ""
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("?")
    assert opened.page.locator("#help").is_visible()
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("i")
    assert opened.page.locator("#inverted").is_checked()
    opened.page.keyboard.press("g")
    assert opened.page.locator("#table table").is_visible()


def test_search_by_regular_expression_tells_the_share(page):
    opened = page(job())
    opened.page.fill("#search", "^(read|_parse)$")
    assert opened.text("#found") == "2 found, 32.0 MiB, 72.7%"  # one below the other counts once
    opened.page.fill("#search", r"parsers\.py:95")
    assert opened.text("#found") == "1 found, 32.0 MiB, 72.7%"
    opened.page.fill("#search", "Main")
    assert opened.text("#found") == "0 found, 0 B, 0%"
    opened.page.fill("#search", "(")
    assert opened.page.locator("#found.bad").is_visible()


def test_a_click_on_the_timeline_shows_that_moment(page, memreplay, tmp_path):
    opened = page(job())
    for seconds in (1.5, 5.0, 6.5, 8.0, 9.5):
        opened.page.mouse.click(*click_time(opened, seconds))
        at = opened.run("() => memreplay.history ? memreplay.page.state.to : null")
        asked = opened.run("at => memreplay.page.history.times[at]", at)
        report = json.loads(memreplay("peak", "--json", "--at", f"{asked / S:.9f}s", tmp_path / "t.lz4").out)
        assert total(opened) == report["peak"]["bytes"], seconds
    assert opened.text("#scope").startswith("12.0 MiB held at 9.")
    opened.page.keyboard.press("p")
    assert opened.text("#scope").startswith("44.0 MiB held at the peak")


def drag(page, start, end):
    page.page.mouse.move(*click_time(page, start))
    page.page.mouse.down()
    page.page.mouse.move(*click_time(page, (start + end) / 2))
    page.page.mouse.move(*click_time(page, end))
    page.page.mouse.up()


def test_the_timeline_has_keys_of_its_own(page):
    opened = page(job())
    chosen = lambda: opened.run("() => { const { state, history } = memreplay.page; return [state.from, state.to].map(at => history.times[at]); }")
    opened.page.locator("#timeline canvas").focus()
    opened.page.keyboard.press("End")
    opened.page.keyboard.press("ArrowLeft")
    start, end = chosen()
    assert start == end < 10 * S
    opened.page.keyboard.press("Shift+ArrowLeft")
    assert chosen()[0] < chosen()[1] == end
    assert opened.page.locator("#interval").is_visible()
    opened.page.keyboard.press("Home")
    assert chosen()[0] == chosen()[1] <= 1 * S
    assert "held at" in opened.page.locator("#timeline canvas").get_attribute("aria-valuetext")


def test_an_interval_shows_its_maximum_and_what_grew_in_it(page):
    opened = page(job())
    drag(opened, 5.0, 8.5)
    assert total(opened) == 44 * MIB  # the maximum inside, at its beginning
    opened.page.select_option("#interval", "grew")
    assert holders(opened)["work"] == 16 * MIB and "read" not in holders(opened)
    assert "16.0 MiB grew between" in opened.text("#scope") and "32.0 MiB shrank elsewhere, net \u221216.0 MiB" in opened.text("#scope"), opened.text("#scope")
    opened.page.select_option("#interval", "shrank")
    assert holders(opened)["read"] == 32 * MIB and total(opened) == 32 * MIB


def test_the_window_and_the_moment_asked_for_are_shown_first(page):
    opened = page(job(), "--from", "6.5s", "--to", "9.5s")
    assert total(opened) == 28 * MIB, opened.text("#scope")
    opened = page(job(), "--at", "1500ms")
    assert opened.text("#scope").startswith("8.00 MiB held at 1.50 s")
    opened = page(job(), "--at", "loaded")
    assert total(opened) == 44 * MIB


def test_marks_and_the_end_are_a_click_away(page):
    opened = page(job())
    opened.page.get_by_role("button", name="loaded").click()
    assert opened.text("#scope").startswith("44.0 MiB held at 4.00 s, mark \u201cloaded\u201d"), opened.text("#scope")
    opened.page.get_by_role("button", name="end", exact=True).click()
    assert total(opened) == 12 * MIB
    opened.page.get_by_role("button", name="peak").click()
    assert total(opened) == 44 * MIB + 1000


def test_what_is_wrong_with_the_trace_is_told(page, memreplay, open_page, tmp_path):
    assert not page(job()).page.locator("#notes").is_visible()
    (tmp_path / "cut.lz4").write_bytes(job().finish(trailer=False))
    assert "incomplete" in page(tmp_path / "cut.lz4").text("#notes")


def test_views_of_leaks_and_temporary(page):
    opened = page(job())
    opened.page.get_by_role("radio", name="Leaks").click()
    assert holders(opened) == {"<module>": 12 * MIB, "main": 12 * MIB, "load": 12 * MIB}
    assert "never freed" in opened.text("#scope")
    opened.page.get_by_role("radio", name="Temporary").click()
    soon = 16 * MIB + 10000  # work's block, too: nothing was allocated between
    assert holders(opened) == {"<module>": soon, "main": soon, "churn": 10000, "work": 16 * MIB}
    assert "11 blocks" in opened.text("#scope")
    assert total(page(job(), "--leaks")) == 12 * MIB
    assert total(page(job(), "--temporary")) == soon


def test_leaks_and_temporary_of_a_window_are_the_reports(page, memreplay, tmp_path):
    def reported(*args):
        return json.loads(memreplay(*args, "--json", tmp_path / "t.lz4").out)["total"]["bytes"]

    opened = page(job(), "--leaks", "--from", "1500ms", "--to", "5s")
    assert total(opened) == 36 * MIB == reported("leaks", "--from", "1500ms", "--to", "5s")
    assert "allocated between 1.50 s and 5.00 s and not freed by then" in opened.text("#scope"), opened.text("#scope")
    opened = page(job(), "--leaks", "--from", "1500ms")
    assert total(opened) == 4 * MIB == reported("leaks", "--from", "1500ms") and "and never freed" in opened.text("#scope")
    opened = page(job(), "--leaks", "--at", "2s")
    assert total(opened) == 40 * MIB == reported("leaks", "--at", "2s") and "not freed by 2.00 s" in opened.text("#scope")
    opened = page(job(), "--temporary", "--from", "6500ms", "--to", "8s")
    assert total(opened) == reported("temporary", "--from", "6500ms", "--to", "8s")


def test_callees_first_has_the_same_sum_and_own_bytes_at_the_top(page):
    opened = page(job(), "--inverted")
    top = opened.run("""() => {
        const { tree, words } = memreplay.page, found = {};
        for (let i = tree.first[0]; i; i = tree.next[i]) found[words.name(tree, i)] = tree.sums[0][i];
        return found;
    }""")
    assert top == {"_parse": 32 * MIB, "load": 12 * MIB, "churn": 1000} or top["_parse"] == 32 * MIB and top["load"] == 12 * MIB
    assert total(opened) == sum(top.values()) == 44 * MIB + 1000
    opened.page.uncheck("#inverted")
    assert holders(opened)["main"] == 44 * MIB + 1000


def test_one_thread_and_split_by_thread(page):
    opened = page(job())
    opened.page.select_option("#thread", label="loader")
    assert holders(opened) == {"<module>": 4 * MIB, "main": 4 * MIB, "load": 4 * MIB}
    opened.page.select_option("#thread", "-1")
    opened.page.select_option("#group", "thread")
    split = opened.run("""() => {
        const { tree, words } = memreplay.page, found = {};
        for (let i = tree.first[0]; i; i = tree.next[i]) found[words.name(tree, i)] = tree.sums[0][i];
        return found;
    }""")
    assert split == {"MainThread": 40 * MIB + 1000, "loader": 4 * MIB}
    assert total(page(job(), "--thread", "loader")) == 4 * MIB


def test_library_internals_can_be_hidden_and_their_bytes_stay(page):
    opened = page(job())
    opened.page.check("#library")
    held = holders(opened)
    assert held["read"] == 32 * MIB and "_parse" not in held and total(opened) == 44 * MIB + 1000


def stacks(page):
    """{names of a stack's frames, with their lines: bytes}, as the graph has it."""
    found = page.run("""() => {
        const { tree, model, words } = memreplay.page, found = {};
        for (let i = 0; i < tree.parent.length; i++) {
            if (!tree.owns[0][i]) continue;
            const path = memreplay.tree.path(tree, i).map(node => tree.kind[node] === memreplay.tree.NO_STACK ? null
                : words.name(tree, node) + "|" + (tree.kind[node] === memreplay.tree.FRAME ? model.frames.line[tree.frame[node]] : ""));
            const key = path.filter(each => each !== null).join(";");
            found[key] = (found[key] || 0) + tree.owns[0][i];
        }
        return found;
    }""")
    return found


def reported(memreplay, trace, choice):
    """The same by the report."""
    found = {}
    for stack in json.loads(memreplay("peak", "--json", "--at", "all", "--frames", choice, trace).out)["stacks"]:
        key = ";".join(f"{frame['function']}|{frame['line']}" for frame in stack["frames"])
        found[key] = found.get(key, 0) + stack["bytes"]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_native_frames_are_shown_as_they_are_asked_for(page, memreplay, tmp_path, seed):
    trace = tmp_path / "mixture.lz4"
    trace.write_bytes(a_mixture(seed)[0].finish())
    opened = page(trace, "--at", "all", "--frames", "all")
    for choice, name in (("all", None), ("python", "Python"), ("leaf", "native leaf"), ("all", "all")):
        if name:
            opened.page.get_by_role("radio", name=name, exact=True).click()
        assert opened.page.get_attribute(f"[data-frames={choice}]", "aria-checked") == "true"
        assert stacks(opened) == reported(memreplay, trace, choice), choice
    opened.page.keyboard.press("n")
    assert stacks(opened) == reported(memreplay, trace, "python")


def test_a_page_without_native_frames_has_no_switch_for_them(page):
    opened = page(job())
    assert not opened.page.locator("#frames").is_visible()
    opened.page.keyboard.press("n")
    assert total(opened) == 44 * MIB + 1000


def test_the_table_sorts_by_every_column(page):
    opened = page(job())
    opened.page.get_by_role("radio", name="Table").click()
    names = lambda: opened.page.locator("#table tbody td:nth-child(4) button").all_inner_texts()
    assert names()[:2] == ["_parse", "load"]
    opened.page.get_by_role("button", name="Function").click()
    assert names() == sorted(names(), key=str.casefold) or names()[0] in ("<module>", "_parse")
    opened.page.get_by_role("button", name="Total").click()
    assert set(names()[:2]) == {"<module>", "main"}
    opened.page.get_by_role("button", name="Total").click()
    assert names()[0] == "churn"
    first = opened.page.locator("#table tbody tr").first.inner_text()
    assert "1000" in first.replace(",", "") or "1,000" in first, first
    opened.page.fill("#search", "pandas")
    assert set(names()) == {"read", "_parse"}


def test_a_function_that_calls_itself_counts_once(page):
    t = Trace()
    t.on(t.new_thread(t.process()))
    again, stack = t.function("again", JOB, 5), 0
    for _ in range(4):
        stack = t.stack(stack, again, 6)
        t.alloc(stack, MIB)
    t.time(S)
    opened = page(t)
    assert holders(opened) == {"again": 4 * MIB} and total(opened) == 4 * MIB


def test_resident_and_requested_are_told_apart(page):
    t = Trace()
    process = t.process()
    t.on(t.new_thread(process))
    t.time(S)
    block = t.alloc(t.stack(0, t.function("work", JOB), 7), 10 * MIB)
    t.time(2 * S)
    t.resident_block(block, 3 * MIB)
    t.time(3 * S)
    opened = page(t)
    assert total(opened) == 10 * MIB
    opened.page.check("#resident")
    assert total(opened) == 3 * MIB and "resident bytes only" in opened.text("#scope")


HOSTILE = ['</script><script>window.pwned=1</script>', '<img src=x onerror="window.pwned=1">', '"\'`; window.pwned=1; //', "a\u2028b\u2029c", b"\xff\xfe<b>\x80",
           "]]>&lt;&amp;", "\u202emoc.live", "\x1b[31mred\x00", "__proto__", "constructor", "<!--", "${window.pwned=1}", "x" * 5000, "\U0001f4a9 \u65e5\u672c"]


def hostile():
    t = Trace(tuple(name if isinstance(name, str) else "x" for name in HOSTILE))
    process = t.process(argv=tuple(HOSTILE))
    t.on(t.new_thread(process, 100, HOSTILE[0]))
    t.on(t.new_thread(process, 101, HOSTILE[1]))
    t.time(S)
    t.mark(HOSTILE[0])
    for name in HOSTILE:
        path = name if isinstance(name, bytes) else name.encode()
        t.alloc(t.stack(t.stack(0, t.function(name, b"/srv/" + path + b".py"), 3), t.function(b"in " + path, path), 4), MIB)
    t.time(2 * S)
    t.free(0)
    t.time(3 * S)
    return t


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_names_are_data_whatever_they_are(page, theme, tmp_path):
    opened = page(hostile(), theme=theme)
    text = (tmp_path / "page.html").read_text()  # UTF-8 throughout
    assert text.count("<script") == 2 and "<img" not in text
    for step in ("#inverted", "#library", "#flipped"):
        opened.page.check(step)
    opened.page.uncheck("#inverted")
    for name in ("__proto__", "constructor", HOSTILE[0], HOSTILE[1]):
        opened.page.mouse.move(*opened.frame(name))
        assert name in opened.text(".tip:not([hidden])")
        opened.page.mouse.click(*opened.frame(name))
        opened.page.locator(".flame-inner canvas").press("Home")
    opened.page.fill("#search", "</script>")
    opened.page.get_by_role("radio", name="Table").click()
    opened.page.get_by_role("radio", name="Leaks").click()
    opened.page.get_by_role("radio", name="Graph").click()
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save SVG").click()
    saved = pathlib.Path(download.value.path()).read_text()
    assert "<script" not in saved and "<img" not in saved
    assert opened.run("window.pwned") is None and total(opened) == (len(HOSTILE) - 1) * MIB


def test_the_saved_svg_is_a_picture_by_itself(page, open_page, tmp_path):
    opened = page(job())
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Save SVG").click()
    saved = tmp_path / "saved.svg"
    download.value.save_as(saved)
    alone = open_page(saved)
    titles = alone.page.locator("g > title").all_text_contents()
    assert any(title.startswith("_parse") and "72.7%" in title for title in titles), titles


@pytest.fixture
def picture(memreplay, open_page, tmp_path):
    """picture(trace, *options) -> an opened Page of `--svg`, which must be well-formed XML."""
    def made(trace, *options):
        (tmp_path / "t.lz4").write_bytes(trace.finish())
        done = memreplay("flamegraph", "--svg", "-f", "-o", tmp_path / "t.svg", *options, tmp_path / "t.lz4")
        assert done.status == 0, done.err
        xml.dom.minidom.parse(str(tmp_path / "t.svg"))
        return open_page(tmp_path / "t.svg")

    return made


def drawn(page):
    """[(title, x, width)] of the frames that are shown."""
    return page.run("""() => Array.from(document.querySelectorAll(".f")).filter(g => g.style.display !== "none").map(g =>
        [g.querySelector("title").textContent.replaceAll("\u00a0", " "), Number(g.querySelector("rect").getAttribute("x")), Number(g.querySelector("rect").getAttribute("width"))])""")


def test_the_picture_zooms_searches_and_tells(picture):
    opened = picture(job())
    frames = {title.split("  ")[0]: (title, x, width) for title, x, width in drawn(opened)}
    assert set(frames) >= {"<module>", "main", "load", "read", "_parse"}
    assert "32.0 MiB, 72.7%, 1 block" in frames["read"][0] and abs(frames["read"][2] - 1200 * 32 / 44) < 1
    opened.page.locator(".f", has_text="read").first.hover()
    assert opened.text("#told").startswith("read  pandas/io/readers.py:12"), opened.text("#told")
    opened.page.locator(".f", has_text="read").first.click()
    assert all(width > 1199 for _, _, width in drawn(opened)) and len(drawn(opened)) == 6
    opened.page.locator("#reset").click()
    assert len(drawn(opened)) == len(frames)
    opened.dialogs.append("^_parse")
    opened.page.locator("#search").click()
    assert opened.text("#told") == "1 found, 72.7% of all"


def test_pictures_of_other_views(picture):
    inverted = {title.split("  ")[0]: width for title, _, width in drawn(picture(job(), "--inverted"))}
    assert abs(inverted["_parse"] - 1200 * 32 / 44) < 1 and abs(inverted["load"] - 1200 * 32 / 44) < 1  # as _parse's caller
    assert any(title.startswith("all: 12.0 MiB") for title, _, _ in drawn(picture(job(), "--leaks")))
    assert any(title.startswith("all: 16.0 MiB") for title, _, _ in drawn(picture(job(), "--temporary")))
    assert any(title.startswith("all: 4.00 MiB") for title, _, _ in drawn(picture(job(), "--thread", "loader")))
    assert any(title.startswith("all: 8.00 MiB") for title, _, _ in drawn(picture(job(), "--at", "1500ms")))


def test_a_picture_with_a_sliver_is_still_one(picture):
    t = Trace()
    t.on(t.new_thread(t.process()))
    t.time(S)
    t.alloc(t.stack(0, t.function("most", JOB), 1), 10_000_000)
    t.alloc(t.stack(0, t.function("sliver", JOB), 2), 5000)
    assert any("<0.1%" in title for title, _, _ in drawn(picture(t)) if title.startswith("sliver"))


def test_names_in_a_picture_are_data(picture, tmp_path):
    opened = picture(hostile())
    text = (tmp_path / "t.svg").read_text()
    assert text.count("<script") == 1 and "<img" not in text and text.count("<![CDATA[") == 1
    titles = [title for title, _, _ in drawn(opened)]
    assert any(title.startswith(HOSTILE[0]) for title in titles) and any(title.startswith(HOSTILE[1]) for title in titles)
    opened.page.locator(".f").nth(3).click()
    assert opened.run("window.pwned") is None


def luminance(color):
    channels = [value / 255 for value in color]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_frames_can_be_read_in_both_themes(page, theme):
    opened = page(job(), theme=theme)
    pairs = opened.run("""dark => {
        const p = memreplay.color.palette(dark), canvas = document.createElement("canvas"), c = canvas.getContext("2d", { willReadFrequently: true });
        const rgb = color => { c.fillStyle = color; c.fillRect(0, 0, 1, 1); return Array.from(c.getImageData(0, 0, 1, 1).data.slice(0, 3)); };
        const fills = [0, 0.25, 0.5, 0.75, 1].flatMap(t => [p.program(t), p.library(t)]).concat([p.import, p.native, p.small, p.group, p.root, p.match]);
        return fills.map(fill => [rgb(fill), rgb(p.ink)]);
    }""", theme == "dark")
    for fill, ink in pairs:
        light, dark = sorted((luminance(fill), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (fill, ink)


def test_the_theme_follows_the_system_and_the_button(page):
    opened = page(job(), theme="dark")
    assert opened.run("document.documentElement.dataset.theme") == "dark"
    opened.page.emulate_media(color_scheme="light")
    wait_until(lambda: opened.run("document.documentElement.dataset.theme") == "light")  # the page lets no text be run in it
    opened.page.click("#theme-button")
    assert opened.run("document.documentElement.dataset.theme") == "dark"


def test_source_lines_stand_in_frames_and_around_the_chosen_one(record, page, open_page, memreplay, tmp_path):
    recording = record("""
        def hold():
            # <b>kept</b> & told
            return [bytes(1000) for _ in range(3000)]

        kept = hold()
    """)
    opened = page(recording.trace)
    opened.page.mouse.move(*opened.frame("hold"))
    assert "return [bytes(1000) for _ in range(3000)]" in opened.text(".tip:not([hidden])")
    opened.page.mouse.click(*opened.frame("hold"))
    around = opened.text("#source")
    assert "# <b>kept</b> & told" in around and "def hold():" in around and "kept = hold()" in around
    without = page(recording.trace, "--no-source")
    assert "# <b>kept</b>" not in without.run("document.documentElement.outerHTML")
    without.page.mouse.click(*without.frame("hold"))
    assert "left out" in without.text("#source")
    later = time.time() + 60
    os.utime(tmp_path / "job.py", (later, later))
    changed = page(recording.trace)
    changed.page.mouse.click(*changed.frame("hold"))
    assert "has changed since" in changed.text("#source")


def test_what_is_no_source_never_gets_into_a_page(page, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret\n" * 9)
    (tmp_path / "link.py").mkdir()
    os.utime(secret, (0, 0))
    t = Trace()
    t.on(t.new_thread(t.process()))
    t.time(S)
    for file in (str(secret), "/dev/zero", "/etc/passwd", str(tmp_path / "link.py"), "relative.py"):
        t.alloc(t.stack(0, t.function("f", file), 1), MIB)
    opened = page(t)
    told = opened.run("() => JSON.stringify([...memreplay.page.model.sections.get('srcl').json()])")
    assert "the secret" not in told and "root:" not in told


def test_small_frames_are_folded_with_their_sum(page):
    t = Trace()
    t.on(t.new_thread(t.process()))
    root = t.stack(0, t.function("main", JOB), 1)
    t.time(S)
    t.alloc(root, 1000 * MIB, MALLOC)
    for number in range(300):
        t.alloc(t.stack(root, t.function(f"small{number}", JOB, number), number), 1000 + number)
    opened = page(t)
    assert total(opened) == 1000 * MIB + sum(range(1000, 1300))
    folded = opened.run("""() => {
        const { tree, words } = memreplay.page;
        return Array.from(tree.kind).flatMap((kind, i) => kind === memreplay.tree.SMALL ? [words.name(tree, i)] : []);
    }""")
    assert [name.replace("\u00a0", " ") for name in folded] == ["300 small frames, 337 KiB"]


def test_a_real_program_adds_up_to_its_reports(record, page):
    recording = record("""
        import json, threading
        def load():
            return [json.loads('{"a": [1, 2, 3, "x"], "b": {"c": null}}') for _ in range(20000)]
        def side():
            kept.append([bytes(3000) for _ in range(500)])
        kept = []
        thread = threading.Thread(target=side, name="side")
        thread.start()
        thread.join()
        kept.append(load())
        big = bytearray(30_000_000)
        del big
    """)
    opened = page(recording.trace)
    peak, leaks, temporary = recording.peak(), recording.leaks(), recording.temporary()
    assert total(opened) == peak["peak"]["bytes"]
    assert opened.run("memreplay.page.tree.sums[1][0]") == peak["peak"]["allocations"]
    assert opened.run("memreplay.page.history.live.every((live, i) => live === memreplay.page.history.at(i).bytes.reduce((a, b) => a + b, 0))")
    assert opened.run("memreplay.page.history.live.every((live, i, all) => all[all.length - 1 - i] === "
                      "memreplay.page.history.at(all.length - 1 - i).bytes.reduce((a, b) => a + b, 0))")  # backwards, too
    assert opened.run("Math.max(...memreplay.page.history.line.high)") == peak["peak"]["bytes"]
    opened.page.get_by_role("radio", name="Leaks").click()
    assert total(opened) == leaks["total"]["bytes"]
    opened.page.get_by_role("radio", name="Temporary").click()
    assert total(opened) == temporary["total"]["bytes"]


@pytest.mark.slow
def test_a_million_stacks_make_a_small_page_that_opens_at_once(record, page, capsys):
    recording = record(ROOT / "tools" / "bench" / "workloads.py", args=["stacks", "scale=0.13", "count=1000000"], timeout=300)
    began = time.monotonic()
    opened = page(recording.trace, "--no-source")
    loaded = opened.run("performance.timing.loadEventEnd - performance.timing.navigationStart")
    drawn = opened.run("() => { const began = performance.now(); memreplay.page.set({ inverted: true }); memreplay.page.set({ inverted: false }); return performance.now() - began; }")
    with capsys.disabled():
        print(f"\n  a million stacks: {opened.bytes:,} bytes, open after {loaded} ms, two redraws {drawn:.0f} ms, whole test {time.monotonic() - began:.1f} s")
    assert opened.bytes <= 3_000_000
    assert total(opened) == recording.summary()["peak"]["bytes"]


def test_children_have_their_own_line_and_can_be_chosen(record, page):
    recording = record("""
        import os, time
        kept = bytearray(8_000_000)
        pid = os.fork()
        if not pid:
            child = bytearray(20_000_000)
            time.sleep(0.2)
            os._exit(0)
        os.waitpid(pid, 0)
    """)
    opened = page(recording.trace)
    everything = total(opened)
    assert opened.page.locator("#process-label").is_visible()
    opened.page.select_option("#process", index=2)
    assert 20_000_000 <= total(opened) < 21_000_000
    opened.page.get_by_role("button", name="its own peak").click()
    assert 20_000_000 <= total(opened) < 21_000_000
    opened.page.select_option("#process", index=1)
    assert 8_000_000 <= total(opened) < everything - 19_000_000


@pytest.mark.parametrize("width, height", [(1280, 800), (800, 600), (480, 640)])
def test_it_fits_windows_of_all_sizes(page, width, height):
    opened = page(job(), width=width, height=height)
    assert opened.run("document.documentElement.scrollWidth <= innerWidth")
    assert opened.run("memreplay.page.flame.height") >= 100


def test_every_control_has_a_name_and_can_be_reached(page):
    opened = page(job())
    nameless = opened.run("""() => Array.from(document.querySelectorAll("button, input, select, canvas")).filter(each =>
        !(each.textContent.trim() || each.getAttribute("aria-label") || each.closest("label"))).map(each => each.outerHTML)""")
    assert not nameless
