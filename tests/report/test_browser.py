"""The page in a real browser: it writes nothing to the console, requests nothing, and reacts."""

import csv
import dataclasses
import io
import shutil
import time

import numpy as np
import pytest

from slt.report.page import write_report
from tests.report import chromium, fakes

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")

NOW = "document.querySelector('#{} output').textContent"
DRAWN = "document.querySelector('#{} .{} svg').outerHTML"
SAID = "document.querySelector('#{} .{} .reading').textContent"


@pytest.fixture(scope="module")
def browser():
    browser = chromium.Browser(PROGRAM)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages alone, without the figures beside them."""
    folder = tmp_path_factory.mktemp("pages")
    for make in (
        fakes.full,
        fakes.two_bumps,
        fakes.training_only,
        fakes.posterior_only,
        fakes.empty,
        fakes.smallest,
    ):
        path = write_report(make(), folder / make.__name__)[0]
        shutil.rmtree(folder / make.__name__ / "figures", ignore_errors=True)
        assert path.is_file()
    return folder


def show(browser, pages, name="full", fragment="", **options):
    browser.open(chromium.url(pages / name / "report.html", fragment), **options)


def no_errors(browser):
    """Nothing on the console, no error, and no request but for the page and what is inside it."""
    browser.evaluate("1")
    assert not browser.said("Runtime.consoleAPICalled")
    assert not browser.said("Runtime.exceptionThrown")
    assert not browser.said("Log.entryAdded")
    for asked in browser.said("Network.requestWillBeSent"):
        assert asked["request"]["url"].split(":")[0] in ("file", "data", "blob", "about")
    files = [r for r in browser.said("Network.requestWillBeSent") if r["request"]["url"].startswith("file:")]
    assert len(files) == 1


@pytest.mark.parametrize(
    "name", ["full", "two_bumps", "training_only", "posterior_only", "empty", "smallest"]
)
@pytest.mark.parametrize("width", [390, 1200])
def test_every_page_opens_without_a_word_and_fits_the_screen(browser, pages, name, width):
    show(browser, pages, name, width=width)
    assert browser.evaluate("!document.getElementById('explorer').hidden")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    for panel in browser.evaluate("[...document.querySelectorAll('.panel')].map((panel) => panel.id)"):
        slider = f"document.querySelector('#{panel} input')"
        browser.evaluate(f"{slider}.focus()")
        for key in ("Home", "ArrowRight", "End"):
            browser.press(key)
            assert "NaN" not in browser.evaluate(f"document.getElementById('{panel}').outerHTML")
    no_errors(browser)


def test_the_answer_is_on_the_first_screen_of_a_phone(browser, pages):
    show(browser, pages, width=390, height=844)
    assert browser.evaluate("document.querySelector('.answer').getBoundingClientRect().bottom") < 844


def test_a_step_moves_the_weights_the_shares_and_the_loss_and_nothing_of_the_posterior(browser, pages):
    show(browser, pages, fragment="step=0")
    views = [("sgd", part) for part in ("picture", "shares", "loss")] + [("posterior", "picture")]
    before = [browser.evaluate(DRAWN.format(*view)) for view in views]
    assert browser.evaluate(NOW.format("sgd")) == "t = 0"
    browser.evaluate("document.querySelector('#sgd input').focus()")
    for _ in range(60):
        browser.press("ArrowRight")
    after = [browser.evaluate(DRAWN.format(*view)) for view in views]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, False, True]
    steps = fakes.full().trajectory.steps
    assert browser.evaluate(NOW.format("sgd")) == f"t = {steps[60]:,}"
    no_errors(browser)


def test_an_n_moves_the_draws_and_their_shares_and_the_mean_loss(browser, pages):
    show(browser, pages, fragment="n=50")
    parts = ("picture", "shares", "loss")
    before = [browser.evaluate(DRAWN.format("posterior", part)) for part in parts]
    said = browser.evaluate(SAID.format("posterior", "shares"))
    browser.evaluate("document.querySelector('#posterior input').focus()")
    browser.press("End")
    assert all(
        browser.evaluate(DRAWN.format("posterior", p)) != b for p, b in zip(parts, before, strict=True)
    )
    assert browser.evaluate(NOW.format("posterior")) == "n = 2,000"
    assert "±" in said
    assert said != browser.evaluate(SAID.format("posterior", "shares"))


def test_the_address_holds_the_state_and_gives_it_back(browser, pages):
    show(browser, pages, fragment="step=9000&n=300&seed=10")
    assert browser.evaluate("document.querySelector('select').selectedOptions[0].text") == "10, ends in 6"
    assert browser.evaluate(NOW.format("posterior")) == "n = 270"
    shown = browser.evaluate(DRAWN.format("sgd", "picture"))
    browser.evaluate("document.querySelector('#posterior input').focus()")
    browser.press("Home")
    browser.wait("location.hash.includes('n=50')")
    address = browser.evaluate("location.hash.slice(1)")
    show(browser, pages, fragment=address)
    assert browser.evaluate(NOW.format("posterior")) == "n = 50"
    assert browser.evaluate(DRAWN.format("sgd", "picture")) == shown


@pytest.mark.parametrize("fragment", ["step=x&n=&seed=99", "n=-5", "%3Cscript%3E", "step=1e99&n=Infinity"])
def test_an_address_that_makes_no_sense_does_no_harm(browser, pages, fragment):
    show(browser, pages, fragment=fragment)
    assert browser.evaluate(NOW.format("sgd")).startswith("t = ")
    no_errors(browser)


def test_another_seed_has_another_loss(browser, pages):
    show(browser, pages)
    before = browser.evaluate(DRAWN.format("sgd", "loss"))
    browser.evaluate(
        "document.querySelector('select').selectedIndex = 3;"
        "document.querySelector('select').dispatchEvent(new Event('change'))"
    )
    assert browser.evaluate(DRAWN.format("sgd", "loss")) != before


def test_pointing_and_focus_show_values(browser, pages):
    show(browser, pages, fragment="step=9000", height=2400)
    before = browser.evaluate(SAID.format("sgd", "shares"))
    box = browser.evaluate("document.querySelector('#sgd .shares svg').getBoundingClientRect().toJSON()")
    browser.mouse("mouseMoved", box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    assert browser.evaluate(SAID.format("sgd", "shares")) != before
    assert browser.evaluate(NOW.format("sgd")).startswith("t = 8,")  # pointing alone moves nothing
    browser.mouse("mousePressed", box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    browser.mouse("mouseReleased", box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    assert not browser.evaluate(NOW.format("sgd")).startswith("t = 8,")
    browser.evaluate("document.querySelector('#sgd .column').focus()")
    assert "column 1: length" in browser.evaluate(SAID.format("sgd", "picture"))


def test_a_loss_that_falls_by_many_decades_has_few_ticks(browser, tmp_path):
    """As exact convergence does."""
    wells = fakes.two_bumps()
    loss = np.broadcast_to(10.0 ** -np.linspace(0, 37, 21), wells.trajectory.population_loss.shape)
    deep = dataclasses.replace(wells.trajectory, population_loss=loss)
    path = write_report(dataclasses.replace(wells, trajectory=deep), tmp_path)[0]
    browser.open(chromium.url(path))
    assert 3 <= browser.evaluate("document.querySelectorAll('#sgd .loss line.grid').length") <= 8
    no_errors(browser)


def test_play_walks_to_the_end_and_stops(browser, pages):
    show(browser, pages, "two_bumps", fragment="n=10500")
    browser.evaluate("document.querySelector('#posterior button').click()")
    browser.wait(f"{NOW.format('posterior')} === 'n = 12,000'")
    browser.wait("document.querySelector('#posterior button').getAttribute('aria-pressed') === 'false'")
    no_errors(browser)


def test_a_download_comes_out_of_the_page_itself(browser, pages, tmp_path):
    show(browser, pages)  # no figures/ lies beside it
    browser.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    for name in ("occupancy.csv", "occupancy.svg"):
        browser.evaluate(f"document.querySelector('a[download=\"{name}\"]').click()")
        until = time.monotonic() + 10
        while not (tmp_path / name).exists():
            assert time.monotonic() < until, f"{name} never came"
            time.sleep(0.05)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "occupancy.csv").read_text())))
    assert len(rows) == len(fakes.full().occupancy.sample_sizes) * len(fakes.NAMES)
    assert not browser.said("Runtime.exceptionThrown")


def test_a_script_that_is_not_the_page_s_own_does_not_run(browser, pages, tmp_path):
    text = (pages / "full" / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(
        text.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8"
    )
    browser.open(chromium.url(tmp_path / "report.html"))
    assert browser.evaluate("document.title") == fakes.full().title
    assert "Content Security Policy" in str(browser.said("Log.entryAdded"))


def test_without_a_script_all_figures_are_still_there(browser, pages):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(browser, pages)
        loaded = "[...document.images].filter((image) => image.complete && image.naturalWidth > 0).length"
        assert browser.evaluate(loaded) == 6
        assert browser.evaluate("document.getElementById('explorer').hidden")
        assert browser.evaluate("document.querySelector('h1').textContent")
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_both_schemes_have_colors_of_their_own(browser, pages):
    grounds = set()
    for dark in (False, True):
        show(browser, pages, dark=dark)
        grounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        no_errors(browser)
    assert len(grounds) == 2
