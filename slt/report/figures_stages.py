"""Figures of a run without a posterior: stages, refined coefficients, the function's way through training."""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.axes import Axes

from slt.records.base import OK, Array
from slt.records.llc import LLCPath
from slt.report import style
from slt.report.figures_dynamics import step_axis
from slt.report.inputs import ReportInputs
from slt.report.report_figure import Plate, plate
from slt.report.style import Palette
from slt.report.summaries import plural
from slt.transitions.stages import broken, pool

_MOST = 6  # observables drawn, those that move by most of their scatter
_COLORS = ("#0072B2", "#D55E00", "#00916A", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D3B", "#555555")


def stages(inputs: ReportInputs, palette: Palette) -> Plate | None:
    """Loss, lambda-hat and observables of all seeds, with the transitions that most seeds share; None where a run has
    a posterior, or nothing else than its loss."""
    trajectory = inputs.trajectory
    if not inputs.stages or trajectory is None or not (trajectory.observables or inputs.llc):
        return None
    known = np.isfinite(trajectory.population_loss).any()
    loss = trajectory.population_loss if known else trajectory.loss
    sound = np.array([status == OK for status in trajectory.status])
    curves = {name: values[sound] for name, values in _liveliest(trajectory.observables, sound)}
    panels = 2 + (inputs.llc is not None)
    fig = style.figure(1.7 * panels + 1.0)
    axes = fig.subplots(panels, 1, sharex=True)
    rows: list[tuple[object, ...]] = []
    _lines(axes[0], trajectory.steps, loss[sound], "#333333")
    axes[0].set_ylabel("loss, nats")
    rows += _table("loss", trajectory.steps, loss[sound])
    if inputs.llc is not None:
        value = _sound(inputs.llc)
        _lines(axes[1], inputs.llc.steps, value, "#0072B2")
        axes[1].set_ylim(bottom=0)
        axes[1].set_ylabel("λ̂")
        rows += _table("llc", inputs.llc.steps, value)
    last = axes[-1]
    for (name, values), color in zip(curves.items(), _COLORS, strict=False):
        middle = np.median(values, axis=0)
        span = float(np.ptp(middle)) or 1.0
        last.plot(trajectory.steps, (middle - middle.min()) / span, color=color, linewidth=1.4, label=name)
        rows += _table(name, trajectory.steps, values)
    last.set_ylabel("observables, of range")
    if curves:
        last.legend(
            fontsize=style.SMALL, ncols=3, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0
        )
    boundaries = pool(inputs.stages)
    for boundary in boundaries:
        for ax in axes:
            ax.axvline(1 + boundary.step, color="#D55E00", linewidth=0.9, alpha=0.8)
        if boundary.step_low is not None and boundary.step_high is not None:
            for ax in axes:
                ax.axvspan(1 + boundary.step_low, 1 + boundary.step_high, color="#D55E00", alpha=0.10)
    step_axis(last, trajectory.steps)
    usual = boundaries[0].seeds if boundaries else 0
    return plate(
        fig,
        "stages",
        "Stages of learning",
        f"Thin lines are {plural(int(sound.sum()), 'seed')}, thick ones their median. Vertical lines: the "
        f"{plural(len(boundaries), 'transition')} that {usual} of them share, where the loss, an observable or λ̂ "
        "jumps (median step). λ̂ is left out where chains found lower loss than the checkpoint's.",
        "Loss, learning coefficient and observables against training step, with transitions marked.",
        ("curve", "seed", "step", "value"),
        rows,
    )


def refined(inputs: ReportInputs, palette: Palette) -> Plate | None:
    """Coefficients of some weights or data along training, beside the whole; None where none was asked for."""
    if not inputs.refined:
        return None
    fig = style.figure(4.2)
    ax = fig.subplots()
    rows: list[tuple[object, ...]] = []
    ends: list[tuple[float, str, str]] = []
    drawn = asked = 0
    for (name, path), color in zip(inputs.refined.items(), _cycle(len(inputs.refined)), strict=True):
        value = _sound(path)
        drawn, asked = drawn + int(np.isfinite(value).sum()), asked + value.size
        middle = _median(value)
        error = np.sqrt(np.mean(path.error**2, axis=0) / len(path.seed))
        ax.plot(path.steps, middle, color=color, linewidth=1.4)
        ax.fill_between(path.steps, middle - error, middle + error, color=color, alpha=0.15, linewidth=0)
        if np.isfinite(middle).any():
            ends.append((float(middle[np.isfinite(middle)][-1]), name, color))
        rows += _table(name, path.steps, value)
    _names(ax, ends)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("refined λ̂")
    step_axis(ax, next(iter(inputs.refined.values())).steps)
    return plate(
        fig,
        "llc_refined",
        "Restricted learning coefficients",
        "Only the named weights move, or only the named losses count; settings are those of the whole. Lines are "
        f"medians over {plural(len(next(iter(inputs.refined.values())).seed), 'seed')}, bands standard errors. "
        f"{drawn} of {asked} estimates are drawn; around the others chains found lower loss or ran away.",
        "Restricted learning coefficients against training step.",
        ("part", "seed", "step", "llc"),
        rows,
    )


def essential(inputs: ReportInputs, palette: Palette) -> Plate | None:
    """The plane in which the function moves most, and its components in time; None without a probe."""
    moved = inputs.essential
    if moved is None or not np.isfinite(moved.score).any():
        return None
    fig = style.figure(3.4)
    plane, time = fig.subplots(1, 2)
    clock = np.log1p(np.asarray(moved.steps, float))
    for seed in range(len(moved.score)):
        x, y = moved.score[seed, :, 0], moved.score[seed, :, 1]
        plane.plot(x, y, color=style.FAINT, linewidth=0.7, zorder=1)
        shown = plane.scatter(x, y, c=clock, cmap="viridis", s=9, linewidths=0, zorder=2)
        turns = moved.turning[seed, :, :2].any(axis=1)
        plane.scatter(
            x[turns], y[turns], facecolors="none", edgecolors="#D55E00", s=46, linewidths=1.1, zorder=3
        )
        for component, color in enumerate(_COLORS[:3]):
            time.plot(moved.steps, moved.score[seed, :, component], color=color, linewidth=0.9, alpha=0.8)
    bar = fig.colorbar(shown, ax=plane, location="top", fraction=0.05, pad=0.02)
    bar.set_label("log(1 + step)", fontsize=style.SMALL)
    share = [f"{100 * part:.0f} %" for part in moved.explained]
    plane.set_xlabel(f"component 1 ({share[0]})")
    plane.set_ylabel(f"component 2 ({share[1]})")
    ends = [(float(np.nanmedian(moved.score[:, -1, k])), str(k + 1), _COLORS[k]) for k in range(3)]
    _names(time, ends)
    time.set_title("components 1 to 3")
    step_axis(time, moved.steps)
    return plate(
        fig,
        "essential",
        "Where the function goes",
        f"Principal components of the outputs on a fixed probe, of {plural(len(moved.score), 'seed')} together; "
        f"variance explained: {', '.join(share)}. Circles: turning points, where a component stops and goes back by "
        "a tenth of its range.",
        "Training paths in the plane of the two largest principal components of the outputs.",
        ("seed", "step", "component 1", "component 2", "component 3", "turns"),
        (
            (seed, step, *moved.score[seed, i, :3], bool(moved.turning[seed, i, :2].any()))
            for seed in range(len(moved.score))
            for i, step in enumerate(moved.steps)
        ),
    )


def _liveliest(observables: dict[str, Array], sound: Array) -> list[tuple[str, Array]]:
    """The observables that move by most, in units of their scatter between checkpoints, by name."""

    def liveliness(values: Array) -> float:
        middle = np.median(values[sound], axis=0)
        jitter = float(np.median(np.abs(np.diff(middle)))) + 1e-12 * float(np.abs(middle).max() + 1e-300)
        return float(np.ptp(middle)) / jitter if np.isfinite(middle).all() and np.ptp(middle) > 0 else 0.0

    moving = [item for item in observables.items() if liveliness(item[1]) > 0] if sound.any() else []
    return sorted(sorted(moving, key=lambda item: -liveliness(item[1]))[:_MOST])


def _lines(ax: Axes, steps: Array, values: Array, color: str) -> None:
    for one in values:
        ax.plot(steps, one, color=color, linewidth=0.6, alpha=0.35)
    ax.plot(steps, _median(values), color=color, linewidth=1.6)


def _median(values: Array) -> Array:
    """(checkpoint,) over the seeds that are known; NaN where none is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(values, axis=0)


def _sound(path: LLCPath) -> Array:
    """(seed, checkpoint) lambda-hat, NaN where it is none."""
    return np.where(np.vectorize(broken)(path.status), np.nan, path.llc)


def _table(name: str, steps: Array, values: Array) -> list[tuple[object, ...]]:
    return [(name, seed, step, one[i]) for seed, one in enumerate(values) for i, step in enumerate(steps)]


def _cycle(count: int) -> list[str]:
    return [_COLORS[i % len(_COLORS)] for i in range(count)]


def _names(ax: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Names of lines at their right ends, moved apart."""
    low, high = ax.get_ylim()
    ordered = sorted(ends)
    heights = style.spread([end for end, _, _ in ordered], 0.055 * (high - low), low, high)
    for (end, name, color), height in zip(ordered, heights, strict=True):
        ax.annotate(
            name,
            xy=(1.0, end),
            xycoords=("axes fraction", "data"),
            xytext=(1.02, height),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=style.SMALL,
            color=color,
        )
