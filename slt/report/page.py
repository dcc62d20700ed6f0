"""One self-contained page: the answer in a sentence, then the evidence. Made from records alone."""

from __future__ import annotations

import json
from pathlib import Path

from slt.records.comparison import Comparison
from slt.report import (
    figures_density,
    figures_dynamics,
    figures_exemplars,
    figures_llc,
    figures_phases,
    figures_posterior,
    figures_stages,
    figures_weights,
    interactive,
    stage_tables,
    style,
    tables,
    transition_tables,
)
from slt.report.explorer import explorer
from slt.report.inputs import ReportInputs
from slt.report.markup import Markup, element, image, join
from slt.report.report_figure import ReportFigure
from slt.report.style import Palette
from slt.report.summaries import plural, sizes_text
from slt.storage.files import write_bytes, write_text

__all__ = ["ReportInputs", "write_report"]

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_TWO_AXES = (
    "SGD moves in steps t, the posterior in observations n. These are different axes and are never put on one "
    "scale here: transitions are matched by which phase gives way to which."
)
_FIGURES = (
    figures_phases.shares,
    figures_dynamics.losses,
    figures_llc.along,
    figures_llc.calibration,
    figures_stages.refined,
    figures_stages.stages,
    figures_stages.essential,
    figures_posterior.occupancy,
    figures_posterior.free_energy,
    figures_weights.polygons,
    figures_exemplars.gallery,
    figures_density.density,
    figures_phases.verdicts,
)


def write_report(inputs: ReportInputs, out: Path) -> list[Path]:
    """Write `out`/report.html and `out`/figures/NAME.png, .svg and .csv; returns their paths, the page first.

    Each file is replaced in one step, the page last. The same inputs always give the same bytes. Raises OSError where
    `out` cannot be written.
    """
    palette = style.palette(inputs.names, inputs.comparison.phases)
    figures = draw(inputs, palette)
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        folder / name: content for report_figure in figures for name, content in report_figure.files().items()
    }
    for path, content in files.items():
        write_bytes(path, content)
    write_text(out / "report.html", page(inputs, palette, figures))
    return [out / "report.html", *files]


def draw(inputs: ReportInputs, palette: Palette) -> list[ReportFigure]:
    """Every figure that the records allow, in the order of the page."""
    with style.look():
        figures = [make(inputs, palette) for make in _FIGURES]
    return [report_figure for report_figure in figures if report_figure is not None]


def page(inputs: ReportInputs, palette: Palette, figures: list[ReportFigure]) -> str:
    """The page as text."""
    comparison = inputs.comparison
    data = explorer(inputs, palette)
    main = element(
        "main",
        _header(inputs, palette),
        interactive.frame(data),
        _section("What was found", tables.verdicts(comparison, palette)),
        *map(_figure, figures),
        _section("Phases", tables.phases(comparison, palette, inputs.phase_llc)),
        _section("Transitions of SGD, in steps t", transition_tables.dynamical(comparison, palette)),
        _stages(inputs),
        _section(
            "Transitions of the posterior, in observations n", transition_tables.bayesian(comparison, palette)
        ),
        _endings(comparison, palette),
        _sampler(inputs),
        _notes(comparison.notes),
        _section("Where this comes from", tables.provenance(inputs.provenance), _config(inputs)),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=interactive.policy()),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", inputs.title),
        element("style", Markup(_STYLE)),
    )
    body = element("body", main, interactive.script(data | {"files": interactive.packed(figures)}))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _header(inputs: ReportInputs, palette: Palette) -> Markup:
    headline = tables.sentence(inputs.comparison.headline or "No transition was compared.")
    troubles = tables.problems(inputs)
    warning = element(
        "aside",
        element("b", "Read with care. "),
        element("ul", *(element("li", trouble) for trouble in troubles)),
        class_="warning",
    )
    return element(
        "header",
        element("p", inputs.title, class_="title"),
        element("h1", headline),
        tables.answer(inputs.comparison, palette),
        element("p", _sizes(inputs), class_="sizes"),
        element("p", _TWO_AXES, class_="axes"),
        warning if troubles else "",
    )


def _sizes(inputs: ReportInputs) -> str:
    parts = []
    if inputs.trajectory is not None:
        last = int(inputs.trajectory.steps[-1])
        parts.append(f"SGD: {plural(len(inputs.trajectory.status), 'seed')}, {last:,} steps")
    if inputs.occupancy is not None:
        sample_sizes = inputs.occupancy.sample_sizes
        parts.append(
            f"Posterior: {sizes_text(inputs.occupancy)}, n = {sample_sizes[0]:,} to {sample_sizes[-1]:,}"
        )
    return ". ".join(parts or ["Nothing was run"]) + "."


def _section(title: str, *content: object) -> Markup:
    return element("section", element("h2", title), *content)


def _figure(report_figure: ReportFigure) -> Markup:
    picture = element("div", image(report_figure.png, report_figure.alt), class_="figure-image")
    return element(
        "section",
        element("h2", report_figure.title),
        element("figure", picture, element("figcaption", report_figure.caption)),
        interactive.downloads(report_figure),
    )


def _endings(comparison: Comparison, palette: Palette) -> Markup:
    if not comparison.endpoints:
        return join([])
    return _section(
        "Where SGD ends, and where the posterior is", transition_tables.endpoints(comparison, palette)
    )


def _stages(inputs: ReportInputs) -> Markup:
    if not inputs.stages:
        return join([])
    return _section("Stages, and what the formula predicts", *stage_tables.stages(inputs.stages))


def _sampler(inputs: ReportInputs) -> Markup:
    if inputs.ladder is None:
        return join([])
    folded = element("summary", "The sampler, by sample size")
    return element("details", folded, tables.sampler(inputs.ladder))


def _notes(notes: tuple[str, ...]) -> Markup:
    return (
        _section("Notes", element("ul", *(element("li", tables.arrows(note)) for note in notes)))
        if notes
        else join([])
    )


def _config(inputs: ReportInputs) -> Markup:
    text = json.dumps(inputs.config, indent=2, default=str, ensure_ascii=False)
    return element("details", element("summary", "The configuration"), element("pre", text))
