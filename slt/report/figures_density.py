"""Models of one parameter: where the posterior puts it at each n, and where SGD leaves it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from slt.records.base import OK, Array
from slt.records.posterior import Ladder
from slt.report import style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import evenly, largest_shares

BINS, MOST_SAMPLE_SIZES = 140, 6


def scalar_name(params: dict[str, Array], leading: int) -> str | None:
    """The name of the only parameter if it is one number, after `leading` axes of seeds or draws."""
    if len(params) != 1:
        return None
    ((name, values),) = params.items()
    return name if values.shape[leading:] in ((), (1,)) else None


def density(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """A row for the posterior at each of several n, and one for SGD; None for models of more parameters."""
    ladder, trajectory = inputs.ladder, inputs.trajectory
    name = scalar_name(ladder.draws, 4) if ladder is not None else None
    ended = scalar_name(trajectory.params, 2) if trajectory is not None else None
    if name is None and ended is None:
        return None
    n_indices: list[int] = []
    if ladder is not None and name is not None:
        n_indices = evenly(len(ladder.sample_sizes), MOST_SAMPLE_SIZES).tolist()
    rows = len(n_indices) + (ended is not None)
    fig = style.figure(0.9 + 0.62 * rows)
    ax = fig.subplots()
    drawn: list[tuple[object, ...]] = []
    if ladder is not None and name is not None:
        edges = _edges(ladder, name)
        for row, n_index in enumerate(n_indices):
            drawn += _posterior_row(ax, -row, edges, n_index, inputs, palette)
    if ended is not None:
        drawn += _sgd_row(ax, -len(n_indices), ended, inputs, palette)
    labels = [f"n = {ladder.sample_sizes[i]:,}" for i in n_indices] if ladder is not None else []
    ax.set_yticks([-i for i in range(rows)], labels + ["SGD ends"] * (ended is not None))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-rows + 0.75, 0.95)
    ax.set_xlabel(f"{name or ended}, the model's one parameter")
    style.phase_legend(ax, [n for n in inputs.names if n != "other"], palette)
    return report_figure(
        fig,
        "density",
        "Where the parameter is",
        "Look for the mode that empties as another fills: each row is the posterior's mass at one n (heights are "
        "square roots of the mass in a bin, so that small masses show), with the share of each phase at the right; "
        "the last row is where SGD runs end.",
        "Posterior of the parameter at several n, and where SGD ends.",
        ("learner", "n", "phase", "from", "to", "mass"),
        drawn,
    )


def _values(ladder: Ladder, name: str) -> Array:
    """(dataset, n, repeat, draw)."""
    values = ladder.draws[name]
    return values[..., 0] if values.ndim == 5 else values


def _mass(ladder: Ladder, n_index: int) -> Array:
    """(dataset * repeat * draw,) weights of one sample size, summing to 1 where any is finite."""
    log_weights = ladder.log_weights[:, n_index]
    weights = np.where(np.isfinite(log_weights), np.exp(log_weights), 0.0).reshape(-1)
    return weights / max(weights.sum(), 1e-300)


def _edges(ladder: Ladder, name: str) -> Array:
    """Bins over the draws that carry mass at any sample size (a grid reaches far beyond)."""
    values = _values(ladder, name)
    carry = np.exp(ladder.log_weights) * np.isfinite(values) > 1e-5 / values.shape[-1]
    kept = values[carry]
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (-1.0, 1.0)
    margin = 0.03 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, BINS + 1)


def _posterior_row(
    ax: Axes, base: float, edges: Array, n_index: int, inputs: ReportInputs, palette: Palette
) -> list[tuple[object, ...]]:
    """A histogram on its own baseline, colored by phase where the draws are labeled; returns its full bins."""
    rows: list[tuple[object, ...]] = []
    ladder = inputs.ladder
    assert ladder is not None
    name = next(iter(ladder.draws))
    values, mass = _values(ladder, name)[:, n_index].reshape(-1), _mass(ladder, n_index)
    labels = None if inputs.draw_labels is None else inputs.draw_labels[:, n_index].reshape(-1)
    for i, phase in enumerate(inputs.names if labels is not None else ("other",)):
        of_phase = mass if labels is None else mass * (labels == i)
        if of_phase.sum() > 0:
            bins = np.histogram(values, edges, weights=of_phase)[0]
            height = base + 0.9 * np.sqrt(bins)
            ax.stairs(height, edges, baseline=base, fill=True, color=palette[phase], alpha=0.85)
            full = np.flatnonzero(bins)
            rows += [
                ("posterior", ladder.sample_sizes[n_index], phase, edges[k], edges[k + 1], bins[k])
                for k in full
            ]
    ax.axhline(base, color=style.FAINT, linewidth=0.7, zorder=0)
    if inputs.occupancy is not None and np.array_equal(inputs.occupancy.sample_sizes, ladder.sample_sizes):
        text = largest_shares(inputs.occupancy, inputs.names, n_index)
        ax.annotate(text, (1.01, base), xycoords=("axes fraction", "data"), fontsize=style.SMALL, va="bottom")
    return rows


def _sgd_row(
    ax: Axes, base: float, name: str, inputs: ReportInputs, palette: Palette
) -> list[tuple[object, ...]]:
    """A dot for each seed that did not fail, stacked by a fixed jitter; returns where they are."""
    trajectory, path = inputs.trajectory, inputs.path
    assert trajectory is not None
    assert path is not None
    kept = trajectory.status == OK
    ends = trajectory.params[name][kept, -1].reshape(int(kept.sum()))
    phases = [inputs.names[i] for i in path.label[kept, -1]]
    colors = [palette[phase] for phase in phases]
    jitter = 0.08 + 0.5 * (np.arange(len(ends)) % 7) / 7
    ax.scatter(ends, base + jitter, c=colors, s=14, alpha=0.7, linewidths=0)
    ax.axhline(base, color=style.FAINT, linewidth=0.7, zorder=0)
    return [("SGD ends", None, phase, x, x, 1 / len(ends)) for phase, x in zip(phases, ends, strict=True)]
