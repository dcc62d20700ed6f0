"""The page's interactive part: the frame that the script fills, the data it reads, and the policy that lets only it
run."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slt.report.markup import Markup, element, join
from slt.report.report_figure import ReportFigure
from slt.report.summaries import plural

_PARTS = ("page_scales.js", "page_charts.js", "page_pictures.js", "page.js")
SCRIPT = "\n".join((Path(__file__).parent / part).read_text(encoding="utf-8") for part in _PARTS)
MOST_PACKED = 2_000_000  # characters of base64 of one file: a larger one exists only beside the page


def policy() -> str:
    """Nothing is fetched, and nothing runs but the page's own script, whatever the records contain."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )


def script(data: Mapping[str, Any]) -> Markup:
    """The data block and the script. No text in the data can end the block: JSON may write "<" as an escape."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    return join(
        [
            element("script", Markup(text), type="application/json", id="data"),
            element("script", Markup(SCRIPT), type="module"),
        ]
    )


def packed(figures: Sequence[ReportFigure]) -> dict[str, str]:
    """File name -> gzip in base64, of the SVG and the CSV of each figure."""
    files = {name: content for report_figure in figures for name, content in report_figure.files().items()}
    texts = {
        name: base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
        for name, content in files.items()
        if not name.endswith(".png")
    }
    return {name: text for name, text in texts.items() if len(text) <= MOST_PACKED}


def downloads(report_figure: ReportFigure) -> Markup:
    """Links to a figure's files. They point to files beside the page; the script serves them from within it."""
    words = {"svg": "SVG", "csv": "numbers (CSV)"}
    links = (
        element(
            "a", text, href=f"figures/{report_figure.name}.{kind}", download=f"{report_figure.name}.{kind}"
        )
        for kind, text in words.items()
    )
    return element("p", "Download: ", *links, class_="downloads")


def frame(data: Mapping[str, Any]) -> Markup:
    """Sliders and empty charts, hidden until the script has filled them; empty where there is nothing to show."""
    panels = []
    if data["sgd"]:
        panels.append(_sgd(data["sgd"]))
    if data["posterior"]:
        panels.append(_posterior(data["posterior"]))
    if not panels:
        return join([])
    hint = "Drag a slider, press play, or point at a chart."
    return element(
        "section",
        element("h2", "Walk through it"),
        element("p", hint, class_="hint"),
        element("div", *panels, class_="panels"),
        id="explorer",
        hidden="",
    )


def _sgd(sgd: Mapping[str, Any]) -> Markup:
    drawn = sgd["drawing"] is not None
    picker = element("label", "Seed", element("select"))
    loss = f"{sgd['loss_name'].capitalize()} of the seed, nats per observation"
    return _panel(
        "sgd",
        ("SGD", "step t"),
        _chart("picture", picker if drawn else ""),
        _chart("shares", f"Share of {plural(sgd['seed_count'], 'seed')} in each phase"),
        _chart("loss", loss if drawn else join([loss, picker])),
    )


def _posterior(posterior: Mapping[str, Any]) -> Markup:
    words = posterior["error_text"]
    return _panel(
        "posterior",
        ("Posterior", "observations n"),
        _chart("picture", "Some draws"),
        _chart("shares", "Share of posterior mass in each phase"),
        _chart("loss", "Mean loss on the data, nats per observation"),
        element("p", f"{words[:1].upper()}{words[1:]}.", class_="note"),
    )


def _panel(name: str, title: tuple[str, str], *charts: Markup) -> Markup:
    learner, axis = title
    heading = element("h3", learner, " ", element("span", axis, class_="axis"))
    play = element("button", type="button", aria_label=f"Play {learner}", aria_pressed="false")
    slider = element(
        "input", type="range", min="0", max="0", value="0", step="1", aria_label=f"{learner}, {axis}"
    )
    return element(
        "div",
        element("div", heading, element("output"), class_="bar"),
        element("div", play, slider, class_="scrub"),
        *charts,
        id=name,
        class_="panel",
    )


def _chart(name: str, title: object) -> Markup:
    parts = (
        element("p", title, class_="label"),
        element("div", class_="canvas"),
        element("p", class_="reading"),
    )
    return element("div", *parts, class_=f"chart {name}")
