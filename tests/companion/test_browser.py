"""The book as a browser shows it: every page at four widths and in two modes, and what a reader clicks on.

The site is served under the policy that ``SECURITY.md`` names, so whatever works here works under it.
"""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from companion import pictures
from matplotlib.colors import to_rgb
from pages import pages
from playwright.sync_api import Browser, Page, sync_playwright

from lthcore.files import paths

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Two phones, a tablet, a notebook; CSS pixels.
WIDTHS = (360, 390, 768, 1280)
HEIGHT = 900
# Names are resolved by nobody: what a page asks from elsewhere is seen, and not sent.
OFFLINE = ("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-background-networking")

#: What a page may load, and from where.
POLICY = "Content-Security-Policy"
ALLOWED = re.search(rf"^{POLICY}: (.+)$", (paths.project_root() / "SECURITY.md").read_text(), re.MULTILINE)[1]

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
#: By how many CSS pixels a page is wider than the window.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
#: Images that did not load.
BROKEN = "[...document.images].filter(one => !one.complete || one.naturalWidth === 0).map(one => one.currentSrc)"
#: Images in a figure that are no drawings.
RASTER = ".bd-article figure img:not(.only-light, .only-dark)"
#: Formulas are set after the page is there; only then it has its final width.
SETTLED = "window.MathJax?.startup?.promise?.then(() => true) ?? true"
# Text whose contrast with the ground it stands on is less than readers with weak eyes need: what it says, the colours,
# their ratio (as the Web Content Accessibility Guidelines define it). Signs that are no words may have less.
FAINT = """() => {
    const parsed = text => { const found = text.match(/[\\d.]+/g).map(Number);
        return found.length === 3 ? [...found, 1] : found; };
    const over = ([red, green, blue, share], ground) =>
        [red, green, blue].map((value, band) => share * value + (1 - share) * ground[band]);
    const luminance = colour => { const [red, green, blue] = colour.map(value => value / 255).map(
            value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue; };
    const ground = element => element
        ? over(parsed(getComputedStyle(element).backgroundColor), ground(element.parentElement)) : [255, 255, 255];
    const faint = [];
    for (const one of document.querySelectorAll("main *, .bd-sidebar-primary *")) {
        const words = [...one.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join("");
        if (!words || !one.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (one.closest("mjx-container, svg, noscript, script, style")) continue;
        const below = ground(one), above = over(parsed(getComputedStyle(one).color), below);
        const [low, high] = [luminance(below), luminance(above)].sort((left, right) => left - right);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < (/[\\p{L}\\p{N}]/u.test(words) ? 4.5 : 3))
            faint.push(`${words}: ${above.map(Math.round)} on ${below.map(Math.round)}, ${ratio.toFixed(2)}`);
    }
    return faint;
}"""
#: The page for dead addresses has no theme.
THEMED = "mode => (document.documentElement.dataset.theme ?? mode) === mode"
# Colours fade in when the mode is set.
STILL = """new Promise(requestAnimationFrame)
    .then(() => Promise.all(document.getAnimations().map(one => one.finished))).then(() => true)"""
#: Drawings of a page that are seen, and whether they are those for dark pages.
DRAWN = """() => [...document.querySelectorAll(".bd-article img:is(.only-light, .only-dark)")].filter(
    one => one.checkVisibility()).map(one => one.classList.contains("only-dark"))"""
# Whatever the explorer draws into, as text.
PICTURE = """root => [...root.querySelectorAll("canvas, svg")].map(
    one => one.tagName === "CANVAS" ? one.toDataURL() : one.outerHTML).join()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser is installed to look at the book with (none of {', '.join(PROGRAMS)})")
    with sync_playwright() as tools:
        opened = tools.chromium.launch(executable_path=program, args=OFFLINE)
        yield opened
        opened.close()


class Guarded(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header(POLICY, ALLOWED)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """The site, served on the loopback interface."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Guarded, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def window(browser: Browser, address: str) -> Iterator[Page]:
    """A window as wide as a notebook's, in light colours; addresses are relative to the site."""
    with browser.new_context(
        base_url=address, viewport={"width": WIDTHS[-1], "height": HEIGHT}, color_scheme="light"
    ) as context:
        context.set_default_timeout(120_000)  # milliseconds; a busy machine is no fault of the book
        yield context.new_page()


@pytest.fixture
def page(browser, address) -> Iterator[Page]:
    with window(browser, address) as opened:
        yield opened


def complaints(page: Page, address: str) -> list[str]:
    """A list that fills with what goes wrong: errors, requests that leave the site, what the policy refuses."""
    found: list[str] = []
    page.on("console", lambda said: found.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else found.append(asked.url))
    page.on("response", lambda answer: found.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
    return found


def visit(page: Page, name: str) -> None:
    """Load a page, go where it redirects to, and wait until its formulas are set."""
    page.goto(f"/{name}")
    if name == "index.html":
        page.wait_for_url("**/book/index.html")
    page.evaluate(SETTLED)


@dataclass
class Seen:
    """What is seen of the pages of the site."""

    complaints: list[str]
    broken: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    faint: list[tuple[str, str]] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    figures: int = 0


@pytest.fixture(scope="module")
def seen(browser, address, site) -> Seen:
    """All pages, each loaded once: in both modes, and through windows of all widths."""
    with window(browser, address) as page:
        found = Seen(complaints(page, address))
        for file in pages(site):
            name = str(file.relative_to(site))
            page.set_viewport_size({"width": WIDTHS[-1], "height": HEIGHT})
            page.emulate_media(color_scheme="light")
            visit(page, name)
            look(page, name, found)
    return found


def look(page: Page, name: str, found: Seen) -> None:
    """Look at a page that is loaded, wide and in light colours."""
    found.broken += page.evaluate(BROKEN)
    for mode in ("light", "dark"):
        page.emulate_media(color_scheme=mode)
        page.wait_for_function(THEMED, arg=mode)
        page.evaluate(STILL)
        found.faint += [(f"{name}, {mode}", text) for text in page.evaluate(FAINT)]
    drawings = page.locator(".bd-article img.only-light").count()
    if page.locator(".figure-view").count() != drawings or page.locator(RASTER).count():
        found.plain.append(name)
    found.figures += drawings
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        if (overflow := page.evaluate(OVERFLOW)) > 0:
            found.wide.append(f"{name} at {width}: {overflow} too wide")


def test_every_page_loads_whole_alone_and_no_wider_than_the_window(seen):
    assert seen.complaints == []
    assert seen.broken == []
    assert seen.wide == []


def test_all_text_can_be_read_on_its_ground(seen):
    assert seen.faint == []


def test_every_figure_of_the_book_is_a_drawing_and_opens_larger(seen):
    assert seen.plain == []
    assert seen.figures > 25


def test_what_these_tests_look_for_is_found(page, address):
    """A page with everything wrong; what is collected above would otherwise prove nothing by being empty."""
    page.goto("/book/glossary.html")
    found = complaints(page, address)
    page.set_content(
        "<div style='width: 3000px'>wide</div><img src='/none.png'><script>console.error('loud')</script>"
        "<link rel='stylesheet' href='https://elsewhere.invalid/x.css'><a href='https://elsewhere.invalid/y'>leave</a>"
    )
    assert page.evaluate(OVERFLOW) > 0
    assert len(page.evaluate(BROKEN)) == 1
    assert "console: loud" in found
    assert f"404: {address}/none.png" in found
    page.locator("a").click(no_wait_after=True)
    page.wait_for_event("requestfailed", predicate=lambda asked: asked.url.endswith("/y"))
    assert "https://elsewhere.invalid/y" in found


def test_what_the_policy_refuses_is_noticed(page, address):
    page.goto("/book/glossary.html")
    found = complaints(page, address)
    page.set_content(
        "<script>eval('1')</script><script>fetch('https://elsewhere.invalid/x.json').catch(() => 0)</script>"
        "<script src='https://elsewhere.invalid/x.js'></script><img src='https://elsewhere.invalid/x.png'>"
        "<link rel='stylesheet' href='https://elsewhere.invalid/x.css'>"
        "<style>@font-face { font-family: x; src: url(data:font/woff2,x) } b { font: 1em x }</style><b>x</b>"
    )
    page.evaluate(STILL)
    for refused in ("a string as JavaScript", "x.json", "x.js'", "x.png", "x.css", "data:font"):
        assert any("Content Security Policy" in said and refused in said for said in found), (refused, found)


def test_faint_text_is_noticed(page):
    page.goto("/book/glossary.html")
    page.set_content(
        "<main style='background: #eee'><p style='color: #888'>faint</p><p style='color: #888'>■</p></main>"
    )
    assert page.evaluate(FAINT) == ["faint: 136,136,136 on 238,238,238, 3.06"]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_figures_have_the_colours_of_the_mode_and_the_ground_of_the_page(page, mode):
    page.emulate_media(color_scheme=mode)
    page.goto("/notebooks/02_mnist.html")
    assert set(page.evaluate(DRAWN)) == {mode == "dark"}
    red, green, blue = (round(255 * part) for part in to_rgb(pictures.GROUND if mode == "dark" else "white"))
    assert page.evaluate(BACKGROUND) == f"rgb({red}, {green}, {blue})"
    assert page.locator(f".bd-article img.only-{mode}").first.get_attribute("src").endswith(".svg")


def test_on_paper_figures_are_light(page):
    page.emulate_media(color_scheme="dark", media="print")
    page.goto("/book/history.html")
    assert set(page.evaluate(DRAWN)) == {False}


@pytest.mark.parametrize(("width", "growth"), [(360, 1.8), (1280, 1.3)])
def test_a_figure_opens_by_a_click_or_enter_and_closes_by_escape(page, address, width, growth):
    found = complaints(page, address)
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.goto("/notebooks/02_mnist.html")
    dialog, view = page.locator("dialog.enlarged"), page.locator(".figure-view").first
    image, button = view.locator("img.only-light"), view.locator("button")
    before = image.bounding_box()["width"]
    image.click()
    large = dialog.locator("img.only-light")
    large.wait_for(state="visible")
    assert large.bounding_box()["width"] > growth * before
    assert large.get_attribute("alt") == image.get_attribute("alt")
    assert "Tickets exceed the accuracy" in dialog.inner_text()
    assert page.evaluate(OVERFLOW) <= 0
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert button.evaluate("one => one === document.activeElement"), "the focus is where it was"
    page.keyboard.press("Enter")
    dialog.wait_for(state="visible")
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="hidden")
    button.click()
    page.mouse.click(2, HEIGHT // 2)  # beside the figure
    dialog.wait_for(state="hidden")
    assert found == []


def test_the_search_finds_a_term_and_leads_to_it(page, address):
    found = complaints(page, address)
    page.goto("/book/index.html")
    page.locator(".search-button__button:visible").first.click()
    page.locator("input[type=search]:visible").fill("rewind")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=rewind*")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    assert any("glossary" in (link.get_attribute("href") or "") for link in results.all())
    results.first.click()
    page.wait_for_url(lambda url: "search.html" not in url)
    assert "rewind" in page.locator("article").inner_text().lower()
    assert found == []


def test_formulas_are_set(page, address):
    found = complaints(page, address)
    visit(page, "book/design.html")
    formulas = page.locator(".bd-article .math")
    assert formulas.count() > 10
    assert page.locator(".bd-article mjx-container").count() == formulas.count()
    assert all(formula.bounding_box()["width"] > 0 for formula in page.locator(".bd-article mjx-container").all())
    assert found == []


def test_the_theme_has_a_light_a_dark_and_an_automatic_mode(page, address):
    found = complaints(page, address)
    page.goto("/book/index.html")
    colours = {}
    for _ in range(3):
        colours[page.evaluate("document.documentElement.dataset.mode")] = page.evaluate(BACKGROUND)
        page.locator(".theme-switch-button:visible").first.click()
    assert set(colours) == {"light", "dark", "auto"}
    assert colours["light"] != colours["dark"]
    assert colours["auto"] == colours["light"]
    assert page.evaluate("document.documentElement.dataset.mode") == "auto"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{BACKGROUND} === '{colours['dark']}'")
    assert found == []


@pytest.mark.parametrize("kind", ["details.hide", "details.sd-dropdown"])
def test_hidden_cells_and_solutions_open_by_a_click(page, kind):
    page.goto("/notebooks/02_mnist.html")
    folded = page.locator(kind).first
    inside = folded.locator("> :not(summary)").first
    assert not inside.is_visible()
    folded.locator("summary").click()
    inside.wait_for(state="visible")


def test_the_explorer_redraws_where_the_slider_goes(page, address, site):
    if not (site / "book" / "explorer.html").is_file():
        pytest.skip("the site has no page book/explorer")
    found = complaints(page, address)
    page.goto("/book/explorer.html")
    root, slider = page.locator(".ticket-explorer"), page.locator(".ticket-explorer input[type=range]")
    pictures = [root.evaluate(PICTURE)]
    slider.focus()
    for press in ("ArrowRight", "End", "Home"):
        page.keyboard.press(press)
        pictures.append(root.evaluate(PICTURE))
    slider.fill("3")
    pictures.append(root.evaluate(PICTURE))
    assert len(set(pictures)) == len(pictures)
    slider.focus()
    page.keyboard.press("Home")
    assert root.evaluate(PICTURE) == pictures[3], "the same round is the same picture"
    assert found == []
