"""Learning coefficients along training: each seed's estimate, faded where it carries a flag."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes

from slt.records.base import OK, Array
from slt.report import style
from slt.report.figures_dynamics import step_axis
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import plural

LOWEST = -2.0  # far below zero an estimate only shows that the point is no minimum


def along(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """Estimate against step, colored by phase; None where none was made along training."""
    path, labels = inputs.llc, inputs.path
    if path is None or labels is None:
        return None
    fig = style.figure(4.4)
    ax = fig.subplots()
    column = np.searchsorted(labels.steps, path.steps)
    label = labels.label[path.seed][:, column]
    colors = np.array([palette[name] for name in inputs.names])[label]
    sound = path.status == OK
    for seed in range(len(path.seed)):
        _seed(ax, path.steps, path.llc[seed], path.error[seed], colors[seed], sound[seed])
    _levels(ax, inputs, palette, path.llc[sound] if sound.any() else path.llc)
    ax.set_ylabel("λ̂, local learning coefficient")
    step_axis(ax, path.steps)
    known = np.isfinite(path.llc)
    faded = int(np.sum(known & ~sound))
    return report_figure(
        fig,
        "llc",
        "Learning coefficients along training",
        f"Each line is one of {plural(len(path.seed), 'seed')}, colored by the phase it is in, with standard "
        f"errors. Thin lines are the phases' known coefficients. {faded:,} of {known.sum():,} estimates carry a flag "
        "and are faint: most often SGD is still on its way there, the point is no minimum, and a negative number "
        "only shows that.",
        f"Estimated local learning coefficient against SGD step for {len(path.seed)} seeds.",
        ("seed", "step", "llc", "standard error", "phase", "status"),
        (
            (seed, step, path.llc[i, j], path.error[i, j], inputs.names[label[i, j]], path.status[i, j])
            for i, seed in enumerate(path.seed)
            for j, step in enumerate(path.steps)
        ),
    )


def _seed(ax: Axes, steps: Array, llc: Array, error: Array, colors: Array, sound: Array) -> None:
    shown = np.isfinite(llc)
    height = np.maximum(llc, LOWEST)
    ax.plot(steps[shown], height[shown], color=style.FAINT, linewidth=0.7, alpha=0.7, zorder=1)
    for group, alpha in ((shown & sound, 0.9), (shown & ~sound, 0.18)):
        if group.any():
            ax.scatter(
                steps[group], height[group], s=9, c=list(colors[group]), alpha=alpha, linewidths=0, zorder=3
            )
    group = shown & sound
    ax.vlines(
        steps[group],
        np.maximum(llc - error, LOWEST)[group],
        (llc + error)[group],
        colors=list(colors[group]),
        linewidth=0.8,
        alpha=0.5,
        zorder=2,
    )


def _levels(ax: Axes, inputs: ReportInputs, palette: Palette, seen: Array) -> None:
    """A thin line at each known coefficient, named at the right edge; phases that share one share a name."""
    top = float(np.nanquantile(seen, 0.995)) if np.isfinite(seen).any() else 1.0
    levels: dict[float, list[str]] = {}
    for fact in inputs.comparison.phases:
        if fact.llc is not None and fact.llc <= 1.6 * top:
            levels.setdefault(fact.llc, []).append(fact.name)
    top = max([top, *levels])
    ax.set_ylim(LOWEST - 0.4, 1.15 * top)
    for level, names in levels.items():
        ax.axhline(level, color=palette[names[0]], linewidth=0.8, alpha=0.8, zorder=0)
        ax.annotate(
            f"{', '.join(names)}  {level:g}",
            xy=(1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
            color=palette.ink(names[0]),
        )
    ax.axhline(0, color=style.GRAY, linewidth=0.6, zorder=0)


def calibration(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """How the chains were set up and whether that was enough; None for estimators without chains."""
    estimate = inputs.llc_estimate
    if estimate is None or "step_size" not in estimate.info:
        return None
    info = estimate.info
    sound = np.array([status == OK for status in estimate.status])
    sound = sound if sound.any() else np.isfinite(estimate.llc)
    if not sound.any():
        return None
    fig = style.figure(2.9)
    trace, size, error = fig.subplots(1, 3)
    traced = _trace(trace, estimate.curve["mean"][sound], info["draws"][0])
    size.scatter(info["step_size"], info["acceptance"], s=5, color=style.GRAY, alpha=0.4, linewidths=0)
    size.set_xscale("log")
    style.plain_log(size.xaxis, float(info["step_size"].min()), 1.01 * float(info["step_size"].max()))
    size.set_ylim(0, 1.03)
    size.set_title("step size, acceptance")
    if not np.isfinite(info["acceptance"]).any():
        size.text(
            0.5, 0.5, "nothing is adjusted", transform=size.transAxes, ha="center", fontsize=style.SMALL
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = 100 * estimate.error[sound] / np.abs(estimate.llc[sound])
    error.hist(relative[np.isfinite(relative)], bins=24, color="#0072B2")
    error.set_yticks([])
    error.set_title("standard error, % of λ̂")
    words = [
        f"localization {info['localization'][0]:g}",
        f"step sizes {np.median(info['step_size']):.2g}",
        f"burn-in {np.median(info['burn_in']):,.0f} steps",
        f"{info['draws'][0]:,.0f} draws of {estimate.curve['mean'].shape[1]} chains",
        f"{np.median(info['ess'][sound]):,.0f} effective draws a point (median)",
    ]
    change = info["sensitivity"][0]
    if np.isfinite(change):
        words.append(f"ten times the localization would change the estimate by {change:.0%}")
    change = info.get("start_sensitivity", [np.nan])[0]
    if np.isfinite(change):
        words.append(f"chains that start at the point, and not at a draw, would change it by {change:.0%}")
    settings = zip(info["step_size"], info["acceptance"], strict=True)
    return report_figure(
        fig,
        "llc_calibration",
        "How the chains were set up",
        "Left: t K along the draws at points without flags; constant means burnt in. Middle: the step size of every "
        f"point and how much of it was accepted. Right: the errors. Chosen: {'; '.join(words)}.",
        "Trace of t K, step sizes with acceptance, and relative standard errors.",
        ("panel", "x", "y", "lower quartile", "upper quartile"),
        [
            *(("t K over its mean, by draw", *row) for row in traced),
            *(("acceptance, by step size", *pair, None, None) for pair in settings),
            *(("standard error, % of llc, by point", i, y, None, None) for i, y in enumerate(relative)),
        ],
    )


def _trace(ax: Axes, mean: Array, draws: float) -> Iterator[tuple[object, ...]]:
    """Quartiles over points of the chains' mean, relative to each point's own; returns what it drew."""
    along_draws = mean.mean(axis=1)
    relative = along_draws / along_draws.mean(axis=1, keepdims=True)
    x = (np.arange(relative.shape[1]) + 0.5) / relative.shape[1] * draws
    low, middle, high = np.quantile(relative, [0.25, 0.5, 0.75], axis=0)
    ax.fill_between(x, low, high, color="#0072B2", alpha=0.25, linewidth=0)
    ax.plot(x, middle, color="#0072B2", linewidth=1.2)
    ax.axhline(1, color=style.GRAY, linewidth=0.6)
    ax.set_ylim(0, 2)
    ax.set_xlabel("draw")
    ax.set_title("t K over its mean")
    return zip(x, middle, low, high, strict=True)
