"""SGD in time: every seed's loss colored by its phase, and how many seeds are in each phase."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from slt.records.base import OK, Array
from slt.records.phases import PhasePath
from slt.records.training import Trajectory
from slt.report import style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import plural, sgd_loss, sgd_shares


def losses(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """Loss against step over the share of seeds in each phase; None where there was no training."""
    trajectory, path = inputs.trajectory, inputs.path
    if trajectory is None or path is None:
        return None
    fig = style.figure(6.0)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    loss, what = sgd_loss(trajectory)
    _loss_lines(top, trajectory.steps, loss, path.label, inputs.names, palette)
    _loss_scale(top, loss[np.isfinite(loss)], np.array([fact.loss for fact in inputs.comparison.phases]))
    _failed(top, trajectory, loss)
    top.set_ylabel(f"{what}, nats per observation")
    _critical_losses(top, inputs, palette)
    _seed_shares(bottom, trajectory, path, inputs.names, palette)
    step_axis(bottom, trajectory.steps)
    seeds, failed = len(trajectory.status), int(np.sum(trajectory.status != OK))
    note = f"; {failed} of them failed (marked ×)" if failed else ""
    return report_figure(
        fig,
        "loss",
        "SGD in time",
        f"Look for plateaus: each line is one of {plural(seeds, 'seed')}{note}, colored by the phase it is in; "
        "it sits near that phase's critical loss (thin lines) and drops when it changes phase. "
        "Below, the share of seeds in each phase.",
        f"{what} against SGD step for {seeds} seeds, colored by phase.",
        ("seed", "step", f"{what}, nats", "phase", "status"),
        (
            (seed, step, loss[seed, i], inputs.names[path.label[seed, i]], trajectory.status[seed])
            for seed in range(seeds)
            for i, step in enumerate(trajectory.steps)
        ),
    )


def _loss_lines(
    ax: Axes, steps: Array, loss: Array, label: Array, names: tuple[str, ...], palette: Palette
) -> None:
    """A line for each stay in a phase, up to the checkpoint that ends it, in the phase's color."""
    lines, colors = [], []
    for height, phase in zip(loss, label, strict=True):
        seen = np.flatnonzero(np.isfinite(height))
        for stay in np.split(seen, np.flatnonzero(np.diff(phase[seen])) + 1):
            if stay.size:
                stay = np.append(stay, seen[np.searchsorted(seen, stay[-1]) + 1 :][:1])
                lines.append(np.stack([steps[stay], height[stay]], axis=1))
                colors.append(palette[names[phase[stay[0]]]])
    alpha = min(0.9, max(0.35, 8 / len(loss)))
    ax.add_collection(LineCollection(lines, colors=colors, linewidths=1.3, alpha=alpha))


def _loss_scale(ax: Axes, seen: Array, levels: Array) -> None:
    """Logarithmic where losses are positive and span a factor of two; with room for phases just outside."""
    if not seen.size:
        return
    low, high = float(seen.min()), float(seen.max())
    typical = float(np.quantile(seen, 0.99))
    if high > 10 * abs(typical):  # a few points of a run that diverged would flatten all the others
        high = typical
    logarithmic = low > 0 and high > 2 * low
    reach = low / 2 if logarithmic else low - (high - low) / 2
    low = min([low, *levels[(levels >= reach) & (levels < high)]])
    if logarithmic:
        low, high = low / (high / low) ** 0.06, high * (high / low) ** 0.04
        ax.set_yscale("log")
        style.plain_log(ax.yaxis, low, high)
    else:
        margin = 0.06 * (high - low) or 1e-3
        low, high = low - margin, high + margin
        ax.ticklabel_format(axis="y", useOffset=False)
    ax.set_ylim(low, high)


def _failed(ax: Axes, trajectory: Trajectory, loss: Array) -> None:
    """A cross where each failed seed was last seen with a finite loss."""
    for seed in np.flatnonzero(trajectory.status != OK):
        seen = np.flatnonzero(np.isfinite(loss[seed]))
        if seen.size:
            x, y = trajectory.steps[seen[-1]], min(float(loss[seed, seen[-1]]), ax.get_ylim()[1])
            ax.plot(
                [x], [y], "x", color=style.INK, markersize=7, markeredgewidth=1.8, clip_on=False, zorder=5
            )


def _critical_losses(ax: Axes, inputs: ReportInputs, palette: Palette) -> None:
    """A thin line at each phase's loss, named at the right edge where it can be read."""
    transform = ax.transScale
    low, high = (float(transform.transform((1.0, y))[1]) for y in ax.get_ylim())
    facts = [fact for fact in inputs.comparison.phases if np.isfinite(fact.loss)]
    heights = [
        (float(transform.transform((1.0, f.loss))[1]) - low) / (high - low)
        if f.loss > 0 or ax.get_yscale() == "linear"
        else -1.0
        for f in facts
    ]
    shown = [(fact, height) for fact, height in zip(facts, heights, strict=True) if 0 <= height <= 1]
    places = style.spread([height for _, height in shown], 0.048, 0.0, 1.0)
    for (fact, height), place in zip(shown, places, strict=True):
        ax.axhline(fact.loss, color=palette[fact.name], linewidth=0.8, alpha=0.8, zorder=0)
        ax.annotate(
            f"{fact.name}  {fact.loss:.4g}",
            xy=(1.0, height),
            xytext=(1.03, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=style.SMALL,
            color=palette.ink(fact.name),
            arrowprops={"arrowstyle": "-", "color": palette[fact.name], "linewidth": 0.8},
        )


def _seed_shares(
    ax: Axes, trajectory: Trajectory, path: PhasePath, names: tuple[str, ...], palette: Palette
) -> None:
    shares = np.nan_to_num(sgd_shares(trajectory, path, len(names)))
    seen = shares.max(axis=0) > 0
    if not seen.any():  # every seed failed
        return
    colors = [palette[name] for name, is_seen in zip(names, seen, strict=True) if is_seen]
    ax.stackplot(trajectory.steps, shares[:, seen].T, colors=colors, linewidth=0)
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 0.5, 1], ["0", "half", "all"])
    ax.set_ylabel("seeds in\neach phase")


def step_axis(ax: Axes, steps: Array) -> None:
    """Logarithmic, with step 0 kept at the left edge."""
    last = float(steps[-1])
    first = float(steps[1]) if len(steps) > 1 else 1.0
    ax.set_xscale("symlog", linthresh=first, linscale=0.25)
    ticks = [10.0**k for k in range(12) if first <= 10.0**k <= last]
    ax.set_xticks([0.0, *ticks], ["0", *(f"{tick:,.0f}" for tick in ticks)], minor=False)
    ax.xaxis.minorticks_off()
    ax.set_xlim(0, max(last, first))
    ax.set_xlabel("t, SGD steps (log scale)")
