"""One self-contained page: the answer in a sentence, then the evidence. Made from records alone."""

from __future__ import annotations

import json
from pathlib import Path

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
from slt.report.markup import TEMPLATES
from slt.report.report_figure import ReportFigure
from slt.report.style import Palette
from slt.report.summaries import plural, sizes_text
from slt.storage.files import write_bytes, write_text

__all__ = ["ReportInputs", "write_report"]

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
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
    return TEMPLATES.get_template("page.html").render(
        inputs=inputs,
        figures=figures,
        style=_STYLE,
        policy=interactive.policy(),
        headline=tables.sentence(comparison.headline or "No transition was compared."),
        answer=tables.answer(comparison, palette),
        sizes=_sizes(inputs),
        problems=tables.problems(inputs),
        verdicts=tables.verdicts(comparison, palette),
        phases=tables.phases(comparison, palette, inputs.phase_llc),
        dynamical=transition_tables.dynamical(comparison, palette),
        stages=stage_tables.stages(inputs.stages) if inputs.stages else "",
        bayesian=transition_tables.bayesian(comparison, palette),
        endpoints=transition_tables.endpoints(comparison, palette) if comparison.endpoints else "",
        sampler=tables.sampler(inputs.ladder) if inputs.ladder is not None else "",
        notes=[tables.arrows(note) for note in comparison.notes],
        provenance=tables.provenance(inputs.provenance),
        config=json.dumps(inputs.config, indent=2, default=str, ensure_ascii=False),
        data=data,
        block=interactive.block(data | {"files": interactive.packed(figures)}),
        script=interactive.SCRIPT,
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
