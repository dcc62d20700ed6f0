"""What the phases look like, for models that draw themselves: theory, SGD and the posterior side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from slt.phases.exemplars import Exemplar
from slt.report import style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette

WHOSE = ("theory", "SGD", "posterior")
MOST_LABELS = 12  # names under bars, at most: more cannot be read


def gallery(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """A row for each phase, a column for each of theory, SGD and posterior that has an exemplar of any."""
    exemplars = inputs.exemplars
    if not exemplars:
        return None
    phases = list(dict.fromkeys(exemplar.phase for exemplar in exemplars))
    whose = [name for name in WHOSE if any(exemplar.whose == name for exemplar in exemplars)]
    fig = style.figure(2.3 * len(phases) + 0.3)
    axes = fig.subplots(len(phases), len(whose), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    largest = _largest(exemplars)
    for exemplar in exemplars:
        ax = axes[phases.index(exemplar.phase), whose.index(exemplar.whose)]
        ax.set_axis_on()
        _draw(ax, exemplar, palette[exemplar.phase], largest)
        text = ", ".join(part for part in (exemplar.whose, exemplar.where) if part)
        ax.set_title(
            f"{exemplar.phase}\n{text}", fontsize=9, color=palette.ink(exemplar.phase)
        )  # two lines fit
    return report_figure(
        fig,
        "exemplars",
        "What the phases look like",
        "Compare along a row: does SGD find what the posterior finds? One parameter in each panel: the phase's "
        "known point, the middle of SGD's longest stay in it, and the draw of lowest loss at the n where the phase "
        "has most of the posterior. Colors of maps run from blue (negative) to red.",
        "One parameter of each phase, as the model draws it, for theory, SGD and posterior.",
        ("phase", "whose", "where", "row", "column", "value"),
        [row for exemplar in exemplars for row in _rows(exemplar)],
    )


def _largest(exemplars: tuple[Exemplar, ...]) -> dict[str, float]:
    """The largest entry of each kind of drawing: panels of one kind share a scale, or they could not be compared."""
    largest: dict[str, float] = {}
    for exemplar in exemplars:
        values = np.abs(exemplar.drawing.values)
        top = float(np.nanmax(values, initial=0.0, where=np.isfinite(values)))
        largest[exemplar.drawing.kind] = max(largest.get(exemplar.drawing.kind, 1e-12), top)
    return largest


def _draw(ax: Axes, exemplar: Exemplar, color: str, largest: dict[str, float]) -> None:
    drawing = exemplar.drawing
    top = largest[drawing.kind]
    if drawing.kind == "bars":
        at = np.arange(len(drawing.values))
        ax.bar(at, drawing.values, color=color)
        ax.axhline(0, color=style.GRAY, linewidth=0.7)
        shown = drawing.labels if len(drawing.labels) <= MOST_LABELS else ()
        long = max(map(len, shown), default=0) > 4
        ax.set_xticks(at if shown else [], shown, rotation=90 if long else 0, fontsize=7)
        ax.set_ylim(1.05 * min(0.0, -top if (drawing.values < 0).any() else 0.0), 1.05 * top)
    elif drawing.kind == "curves":
        assert drawing.x is not None
        for i, line in enumerate(drawing.values):
            label = drawing.labels[i] if drawing.labels else None
            ax.plot(drawing.x, line, color=color if i == 0 else style.GRAY, linewidth=1.4, label=label)
        if drawing.labels:
            ax.legend(fontsize=7, frameon=False)
    elif drawing.kind == "matrix":
        ax.imshow(drawing.values, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto", interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
    else:
        for x, y in drawing.values:
            ax.plot([0, x], [0, y], color=color, linewidth=1.6)
            ax.plot([x], [y], "o", color=color, markersize=3)
        ax.set_xlim(-1.1 * top, 1.1 * top)
        ax.set_ylim(-1.1 * top, 1.1 * top)
        ax.set_aspect("equal")
    ax.set_xlabel(drawing.axes[0], fontsize=8)
    ax.set_ylabel(drawing.axes[1], fontsize=8)
    ax.tick_params(labelsize=7)


def _rows(exemplar: Exemplar) -> Iterator[tuple[object, ...]]:
    """Every number that is drawn. Columns of curves are their x, rows of bars and lines their labels."""
    drawing = exemplar.drawing
    for row, line in enumerate(np.atleast_2d(drawing.values.T).T):
        name: object = drawing.labels[row] if drawing.labels else row
        for column, value in enumerate(line):
            at: object = column if drawing.x is None else drawing.x[column]
            yield exemplar.phase, exemplar.whose, exemplar.where, name, at, value
