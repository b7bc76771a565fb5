"""What a test of a page takes from here: from pages import browser, open_page.

  browser     Debian's Chromium, driven by Playwright; the test is skipped where either is missing, and says which
  open_page   open_page(file, width=1280, height=800, theme="light") -> Page, a page opened offline

A Page has .page (Playwright's), .requests and .errors: what it asked the network for and what went wrong in it. Both must be
empty when the test ends.
"""
import atexit
import functools
import pathlib
import shutil
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

# Root needs no sandbox; the rest keeps Chromium from looking for its maker's hosts.
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]


@functools.lru_cache(maxsize=None)
def chromium():
    """(browser, None), or (None, why there is none). One for all: a process can run Playwright's driver once."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not path:
        return None, "no Chromium here (Debian's package chromium)"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None, "no Playwright in this environment"
    driver = sync_playwright().start()
    browser = driver.chromium.launch(executable_path=path, args=SWITCHES)
    atexit.register(lambda: (browser.close(), driver.stop()))
    return browser, None


@pytest.fixture
def browser():
    found, why = chromium()
    if not found:
        pytest.skip(why)
    return found


class Page:
    def __init__(self, browser, file, width, height, theme):
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, offline=True, accept_downloads=True)
        self.page = self.context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: None if request.url.startswith(("file:", "blob:")) else self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        self.dialogs = []  # answers to questions that a test asks for; others are errors
        self.page.on("dialog", self.answer)
        began = time.monotonic()
        self.page.goto(f"file://{file}")
        self.seconds = time.monotonic() - began

    def answer(self, dialog):
        if self.dialogs:
            dialog.accept(self.dialogs.pop(0))
        else:
            self.errors.append("a dialog: " + dialog.message)
            dialog.dismiss()

    def run(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def text(self, selector):
        """As a person reads it: no-break spaces are spaces."""
        found = self.page.locator(selector).first
        is_html = found.evaluate("element => element instanceof HTMLElement")
        return (found.inner_text() if is_html else found.text_content()).replace("\u00a0", " ")

    def frame(self, name):
        """The middle of the widest frame with that name on the flame graph."""
        box = self.run("""async name => {
            for (let i = 0; i < 2; i++) await new Promise(drawn => requestAnimationFrame(drawn)); // what a click changed is laid out
            const { flame, tree, words } = memreplay.page;
            let best = null;
            for (let i = 1; i < tree.parent.length; i++) {
                const box = words.name(tree, i) === name ? flame.box(i) : null;
                if (box && (!best || box.width > best.width)) best = box;
            }
            return best;
        }""", name)
        assert box, f"no frame {name} is drawn"
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
def open_page(browser):
    opened = []

    def open_file(file, *, width=1280, height=800, theme="light"):
        opened.append(Page(browser, file, width, height, theme))
        return opened[-1]

    yield open_file
    for page in opened:
        page.context.close()
        assert not page.requests, f"the page asked the network for {page.requests}"
        assert not page.errors, page.errors
