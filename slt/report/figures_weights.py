"""What the phases look like, for models with two hidden dimensions: columns of W as arrows in the plane."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from slt.phases.exemplars import Plateau, plateaus
from slt.records.base import Array
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.report import style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import evenly, largest_shares, number, sgd_loss

COLUMNS = 4  # panels side by side: more cannot be read on a phone
MOST_PLATEAUS, MOST_SAMPLE_SIZES, DRAWS = 8, 4, 16


def is_planar(params: dict[str, Array], leading: int) -> bool:
    """Whether the parameters are a W of shape (2, c) with a bias, after `leading` axes of seeds or draws."""
    if not {"W", "b"} <= set(params):
        return False
    own = params["W"].shape[leading:]
    return len(own) == 2 and own[0] == 2 and params["b"].shape[leading:] == own[1:]


def polygons(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """Panels for SGD's plateaus, then for posterior draws at several n; None for models of another shape."""
    trajectory, path, ladder = inputs.trajectory, inputs.path, inputs.ladder
    sgd: list[Plateau] = []
    if trajectory is not None and path is not None and is_planar(trajectory.params, 2):
        sgd = plateaus(trajectory, path, len(inputs.names))[-MOST_PLATEAUS:]
    n_indices: list[int] = []
    if ladder is not None and is_planar(ladder.draws, 4):
        n_indices = evenly(len(ladder.sample_sizes), MOST_SAMPLE_SIZES).tolist()
    if not sgd and not n_indices:
        return None
    rows_sgd, rows_bayes = math.ceil(len(sgd) / COLUMNS), math.ceil(len(n_indices) / COLUMNS)
    heights = [2.3] * rows_sgd + [1.9] * rows_bayes
    fig = style.figure(sum(heights))
    axes = fig.subplots(len(heights), COLUMNS, squeeze=False, height_ratios=heights)
    for ax in axes.flat:
        ax.set_axis_off()
    drawn: list[tuple[object, ...]] = []
    for ax, stay in zip(axes[:rows_sgd].flat, sgd, strict=False):
        assert trajectory is not None
        biases = np.stack([trajectory.params["b"][p.seed, p.checkpoint] for p in sgd])
        drawn += _plateau_panel(ax, trajectory, stay, inputs.names[stay.phase], palette)
        _bias_bars(ax, _by_angle(trajectory, stay), float(np.abs(biases).max()))
    for ax, n_index in zip(axes[rows_sgd:].flat, n_indices, strict=False):
        assert ladder is not None
        drawn += _draws_panel(ax, ladder, n_index, inputs, palette)
    parts = ["SGD's longest stay in each phase (bars: biases b, dark where positive)"] if sgd else []
    parts += [f"{DRAWS} posterior draws laid over one another at each of several n"] if n_indices else []
    return report_figure(
        fig,
        "weights",
        "What the phases look like",
        f"Count the corners: the columns of W as arrows, turned to align. Panels show {', then '.join(parts)}; "
        "color is the phase.",
        "Columns of W in the plane, at SGD's plateaus and in posterior draws.",
        ("learner", "step or n", "seed or draw", "phase", "x", "y", "bias"),
        drawn,
    )


def corners(weights: Array) -> Array:
    """(k, 2) tips of the columns longer than half the longest, by angle, turned so that one points up.

    With k of them, the angle of the sum of exp(i k angle) is the polygon's own, whichever corner is which.
    """
    tips = weights[0] + 1j * weights[1]
    kept = tips[np.abs(tips) > 0.5 * np.abs(tips).max()]
    turned = kept * _turn(tips)
    turned = turned[np.argsort(np.angle(turned))]
    return np.stack([turned.real, turned.imag], axis=1)


def _turn(tips: Array) -> complex:
    kept = tips[np.abs(tips) > 0.5 * np.abs(tips).max()]
    k = len(kept)
    angle = np.angle(np.sum(np.exp(1j * k * np.angle(kept)))) / k
    return complex(np.exp(1j * (np.pi / 2 - angle)))


def _plateau_panel(
    ax: Axes, trajectory: Trajectory, plateau: Plateau, name: str, palette: Palette
) -> list[tuple[object, ...]]:
    """Returns a row for each column of W."""
    at = (plateau.seed, plateau.checkpoint)
    weights = trajectory.params["W"][at]
    tips = (weights[0] + 1j * weights[1]) * _turn(weights[0] + 1j * weights[1])
    _frame(ax, bottom=-2.7)
    ring = corners(weights)
    ax.fill(ring[:, 0], ring[:, 1], facecolor=palette[name], alpha=0.15)
    ax.plot(*np.vstack([ring, ring[:1]]).T, color=palette[name], linewidth=1.2)
    for tip in tips:
        ax.plot([0, tip.real], [0, tip.imag], color=palette[name], linewidth=1.8)
        ax.plot([tip.real], [tip.imag], "o", color=palette[name], markersize=3.5)
    loss, _ = sgd_loss(trajectory)
    words = f"t = {trajectory.steps[plateau.checkpoint]:,}, L = {number(float(loss[at]), 3)}"
    _heading(ax, f"SGD in {name}", words, palette.ink(name))
    step, bias = trajectory.steps[plateau.checkpoint], trajectory.params["b"][at]
    return [
        ("SGD", step, plateau.seed, name, tip.real, tip.imag, b) for tip, b in zip(tips, bias, strict=True)
    ]


def _heading(ax: Axes, title: str, words: str, color: str) -> None:
    ax.set_title(title, fontsize=10, fontweight="bold", color=color, loc="center", pad=14)
    ax.text(0.5, 1.02, words, transform=ax.transAxes, ha="center", va="bottom", fontsize=8)


def _by_angle(trajectory: Trajectory, plateau: Plateau) -> Array:
    """(c,) biases in the order in which their columns go round."""
    weights = trajectory.params["W"][plateau.seed, plateau.checkpoint]
    bias = trajectory.params["b"][plateau.seed, plateau.checkpoint]
    return bias[np.argsort(np.arctan2(weights[1], weights[0]))]


def _bias_bars(ax: Axes, bias: Array, largest: float) -> None:
    """Bars under the polygon, in units of the largest bias in the figure."""
    base = -2.1
    x = np.linspace(-1.0, 1.0, len(bias)) if len(bias) > 1 else np.zeros(1)
    colors = [style.INK if b > 0 else style.GRAY for b in bias]
    ax.bar(x, 0.55 * bias / max(largest, 1e-9), 1.5 / max(len(bias), 2), bottom=base, color=colors)
    ax.plot([-1.3, 1.3], [base, base], color=style.GRAY, linewidth=0.7)
    ax.text(-1.4, base, "b", ha="right", va="center", fontsize=8, color=style.GRAY)


def _draws_panel(
    ax: Axes, ladder: Ladder, n_index: int, inputs: ReportInputs, palette: Palette
) -> list[tuple[object, ...]]:
    """Returns a row for each corner of each draw."""
    rows: list[tuple[object, ...]] = []
    chosen = choose_draws(ladder.log_weights[:, n_index], DRAWS)
    weights = ladder.draws["W"][:, n_index].reshape(-1, *ladder.draws["W"].shape[4:])[chosen]
    labels = None if inputs.draw_labels is None else inputs.draw_labels[:, n_index].reshape(-1)[chosen]
    _frame(ax, bottom=-1.75)
    for i, draw in enumerate(weights):
        color = style.GRAY if labels is None else palette[inputs.names[labels[i]]]
        ring = corners(draw)
        phase = "" if labels is None else inputs.names[labels[i]]
        rows += [("posterior", ladder.sample_sizes[n_index], i, phase, x, y, None) for x, y in ring]
        ax.plot(*np.vstack([ring, ring[:1]]).T, color=color, linewidth=1.1, alpha=0.55)
        ax.plot(ring[:, 0], ring[:, 1], "o", color=color, markersize=2.5, alpha=0.6)
    words = ""
    if inputs.occupancy is not None and np.array_equal(inputs.occupancy.sample_sizes, ladder.sample_sizes):
        words = largest_shares(inputs.occupancy, inputs.names, n_index)
    _heading(ax, f"Bayes, n = {ladder.sample_sizes[n_index]:,}", words, style.INK)
    return rows


def choose_draws(log_weights: Array, count: int) -> Array:
    """Indices of `count` draws by weight, pooled over data sets and repeats; the same ones every time."""
    weights = np.where(np.isfinite(log_weights), np.exp(log_weights), 0.0).reshape(-1)
    total = weights.sum()
    if total <= 0:
        return np.zeros(0, int)
    return np.random.default_rng(0).choice(weights.size, size=count, p=weights / total)


def _frame(ax: Axes, bottom: float) -> None:
    ax.set_aspect("equal", anchor="S")  # free space goes to the headings
    ax.set_xlim(-1.75, 1.75)
    ax.set_ylim(bottom, 1.55)
    angle = np.linspace(0, 2 * np.pi, 90)
    ax.plot(np.cos(angle), np.sin(angle), color=style.FAINT, linewidth=0.8, linestyle=":")
