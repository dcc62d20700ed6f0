"""The page as a whole: what is drawn from what, that it stands alone, and that nothing in a record can run."""

import dataclasses
import html.parser
import io
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from slt.records.comparison import Comparison
from slt.records.phases import PhaseFacts
from slt.report.page import ReportInputs, write_report
from tests.report import fakes

EVIL = "<script>alert('$x_1')</script>"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(html.parser.HTMLParser):
    """Checks that elements nest, and keeps their attributes and their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.text[tag] = self.text.get(tag, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(path) -> Reader:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    return Reader(text)


SGD = {"shares", "loss", "weights", "verdicts"}
BAYES = {"shares", "occupancy", "free_energy", "weights", "verdicts"}


@pytest.mark.parametrize(
    ("make", "figures"),
    [
        (fakes.full, SGD | BAYES),
        (fakes.training_only, SGD),
        (fakes.posterior_only, BAYES),
        (fakes.empty, {"loss", "occupancy", "free_energy", "weights"}),
        (fakes.two_bumps, (SGD | BAYES | {"density"}) - {"weights"}),
    ],
    ids=["full", "training only", "posterior only", "no transitions", "one parameter"],
)
def test_every_figure_that_the_records_allow(make, figures, tmp_path):
    written = write_report(make(), tmp_path)
    assert written[0] == tmp_path / "report.html"
    assert {path.relative_to(tmp_path).as_posix() for path in written[1:]} == {
        f"figures/{name}.{kind}" for name in figures for kind in ("png", "svg", "csv")
    }
    for path in written[1::3]:
        opaque = imread(io.BytesIO(path.read_bytes()))[..., 3]
        assert 0.005 < np.mean(opaque > 0.5) < 0.95, f"{path.name} is blank, or its ground is not transparent"
    page = read(written[0])
    images = page.all("img")
    assert len(images) == len(figures)
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)
    assert len(page.all("figcaption")) == len(figures)


def test_the_page_is_whole_and_alone(full, tmp_path):
    page = read(write_report(full, tmp_path)[0])
    assert page.all("html") == [{"lang": "en"}]
    assert page.text["title"] == full.title
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert page.all("script") == [{"type": "application/json", "id": "data"}, {"type": "module"}]
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "base", "form"}
        for name in {"src", "href", "srcset", "action"} & set(attributes):
            if tag == "a":  # a file that lies beside the page, and in it
                assert (tmp_path / attributes[name]).is_file()
                assert attributes[name] == f"figures/{attributes['download']}"
            else:
                assert attributes[name].startswith("data:"), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    assert "prefers-color-scheme: dark" in page.text["style"]
    assert not re.search(r"@import|url\(", page.text["style"])


def test_the_answer_comes_first_and_failures_are_prominent(full, tmp_path):
    broken = dataclasses.replace(
        full, status={"training": "ok", "posterior": "stopped after 3 of 72 sample sizes"}
    )
    page = read(write_report(broken, tmp_path)[0])
    assert page.text["h1"] == full.comparison.headline
    assert "different axes" in page.text["header"]
    warning = page.text["aside"]
    assert "posterior: stopped after 3 of 72 sample sizes" in warning
    assert "1 of 64 SGD seeds: loss not finite" in warning
    assert "1 of 72 posteriors" in warning
    assert "n = 2,000: particles still correlated" in warning
    assert "training" not in warning


def test_no_warning_without_cause(two_bumps, tmp_path):
    assert not read(write_report(two_bumps, tmp_path)[0]).all("aside")


def test_many_kinds_of_failure_do_not_bury_the_page(full, tmp_path):
    status = np.array([f"diverged at step {i}" for i in range(64)])
    broken = dataclasses.replace(full, trajectory=dataclasses.replace(full.trajectory, status=status))
    page = read(write_report(dataclasses.replace(broken, ladder=None, draw_labels=None), tmp_path)[0])
    assert page.text["aside"].count("diverged") == 6
    assert "and 58 other kinds of failure" in page.text["aside"]


def test_tables_hold_what_the_records_hold(full, tmp_path):
    page = read(write_report(full, tmp_path)[0])
    body = page.text["table"]
    for words in ("0.04819", "8.5", "unknown", "55 of 63", "350 to 550", "up to 140", "λ of 4++ is unknown"):
        assert words in body
    for words in ("arXiv:2310.06301", "3f9a1c0d2b7e", "seconds · posterior"):
        assert words in body
    assert '"features": 6' in page.text["pre"]
    assert "5-family" in page.text["table"]
    assert "Phase by phase: 6 pairs" in page.text["summary"]


def test_nothing_in_a_record_becomes_markup_or_mathematics(full, tmp_path):
    names = (EVIL, *full.names[1:])
    facts = tuple(
        dataclasses.replace(fact, name=name, family=name, source=EVIL)
        for fact, name in zip(full.comparison.phases, names, strict=False)
    )
    verdicts = tuple(dataclasses.replace(v, source=EVIL, why=EVIL) for v in full.comparison.verdicts)
    comparison = dataclasses.replace(
        full.comparison, phases=facts, verdicts=verdicts, headline=EVIL, notes=(EVIL,)
    )
    evil = dataclasses.replace(
        full,
        title=EVIL,
        names=names,
        comparison=comparison,
        config={EVIL: [EVIL, {"a": EVIL}]},
        provenance={EVIL: EVIL},
        status={EVIL: EVIL},
    )
    path, *files = write_report(evil, tmp_path)
    page = read(path)
    assert [script["type"] for script in page.all("script")] == ["application/json", "module"]
    assert "<script>" not in path.read_text(encoding="utf-8").lower()
    assert not any(b"<script" in file.read_bytes() for file in files if file.suffix == ".svg")
    for tag in ("title", "h1", "aside", "li", "td", "th", "pre"):
        assert "<script>" in page.text[tag]  # shown as text, all of it


def test_missing_numbers_leave_a_dash_and_never_a_nan(full, tmp_path):
    nothing = np.full_like(full.trajectory.loss, np.nan)
    share = full.occupancy.share.copy()
    share[0, 3], share[:, 5] = (
        np.nan,
        np.nan,
    )  # one data set's sample size failed, and one sample size altogether
    broken = dataclasses.replace(
        full,
        trajectory=dataclasses.replace(
            full.trajectory,
            loss=nothing,
            population_loss=nothing,
            params={name: np.full_like(value, np.nan) for name, value in full.trajectory.params.items()},
            status=np.full(64, "diverged at step 1"),
        ),
        ladder=dataclasses.replace(
            full.ladder, log_weights=np.where(np.isnan(share[..., :1]), np.nan, full.ladder.log_weights)
        ),
        occupancy=dataclasses.replace(
            full.occupancy, share=share, free_energy=np.full_like(full.occupancy.free_energy, np.nan)
        ),
        comparison=dataclasses.replace(
            full.comparison,
            phases=(PhaseFacts("4", "4", float("nan"), None, None, float("nan"), ""),),
            dynamical=(
                dataclasses.replace(full.comparison.dynamical[0], loss_drop=float("nan"), step=float("nan")),
            ),
        ),
    )
    written = write_report(broken, tmp_path)
    page = read(written[0])
    assert "nan" not in page.text["table"].lower()
    assert "–" in page.text["table"]
    assert {path.stem for path in written} >= {"loss", "occupancy", "free_energy"}


def test_one_rung_one_seed_one_checkpoint(tmp_path):
    """The least that a run can leave."""
    read(write_report(fakes.smallest(), tmp_path)[0])


def test_the_same_records_give_the_same_bytes_and_leave_matplotlib_alone(full, tmp_path):
    before = dict(mpl.rcParams)
    first = write_report(full, tmp_path / "a")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):  # somebody's taste
        second = write_report(full, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert dict(mpl.rcParams) == before


def test_reading_a_run_again_needs_no_jax_and_no_hydra():
    code = "import sys, slt.report.page; print({'jax', 'hydra', 'matplotlib.pyplot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": None}, "together"),
        ({"names": ("a", "other")}, "label outside"),
        ({"ladder": None}, "no ladder"),
        ({"draw_labels": np.zeros((1, 2), int)}, "does not fit"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_words(full, change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(full, **change)


def test_a_report_of_nothing_is_still_a_page(tmp_path):
    nothing = ReportInputs("Nothing", ("other",), Comparison((), (), (), ()))
    written = write_report(nothing, tmp_path)
    assert written == [tmp_path / "report.html"]
    assert "Nothing was run" in read(written[0]).text["header"]
