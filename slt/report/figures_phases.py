"""Both learners by phase: where each ends, and the verdict on every pair of phases."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from slt.records.base import OK, Array
from slt.records.comparison import VERDICTS, Verdict
from slt.report import style
from slt.report.inputs import ReportInputs
from slt.report.report_figure import ReportFigure, report_figure
from slt.report.style import Palette
from slt.report.summaries import VISIBLE, estimate, evenly, percent, plural, sgd_shares, units, whole
from slt.report.verdict_style import VERDICT_COLORS, by_level, is_direct

_MOST_SAMPLE_SIZES = 14


def shares(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """One bar for the end of SGD, one for each sample size of the posterior, split by phase; None with neither, or
    where the model names no phases."""
    bars: list[tuple[str, Array]] = []
    if inputs.trajectory is not None and inputs.path is not None:
        kept = int(np.sum(inputs.trajectory.status == OK))
        last = sgd_shares(inputs.trajectory, inputs.path, len(inputs.names))[-1]
        bars.append((f"SGD ends\n({plural(kept, 'seed')})", last))
    if inputs.occupancy is not None:
        mean = estimate(units(inputs.occupancy.share)).mean
        bars += [
            (f"n = {inputs.occupancy.sample_sizes[i]:,}", mean[i])
            for i in evenly(len(mean), _MOST_SAMPLE_SIZES)
        ]
    if not bars or len(inputs.names) == 1:
        return None
    fig = style.figure(0.9 + 0.31 * len(bars))
    ax = fig.subplots()
    _stacked(ax, bars, inputs, palette)
    both = inputs.path is not None and inputs.occupancy is not None
    return report_figure(
        fig,
        "shares",
        "Where each learner ends up" if both else "Shares by phase",
        "Compare the top bar, the phases in which SGD runs end, with the bars below, the posterior's mass at each n: "
        "a color that one has and the other lacks is a phase only one learner finds."
        if both
        else "Look at the widths: each bar is split by the share of every phase.",
        "Stacked bars: the share of SGD runs ending in each phase and of the posterior's mass at each n.",
        ("learner", "phase", "share"),
        (
            (label.replace("\n", " "), name, share)
            for label, bar in bars
            for name, share in zip(inputs.names, bar, strict=True)
        ),
    )


def _stacked(ax: Axes, bars: list[tuple[str, Array]], inputs: ReportInputs, palette: Palette) -> None:
    gap = 0.5 if inputs.path is not None else 0.0
    heights = [-i - (gap if i else 0.0) for i in range(len(bars))]
    shown = [i for i in range(len(inputs.names)) if any(np.nan_to_num(bar[i]) > VISIBLE for _, bar in bars)]
    for y, (_, bar) in zip(heights, bars, strict=True):
        left = 0.0
        for i in shown:
            width = float(np.nan_to_num(bar[i]))
            name = inputs.names[i]
            ax.barh(y, width, 0.78, left, color=palette[name], edgecolor="white", linewidth=0.6)
            full = f"{name}  {percent(width)}"
            text = next((t for t in (full, name) if style.text_width(t) + 0.1 < 5.2 * width), "")
            color = "white" if style.brightness(palette[name]) < 0.55 else style.INK
            ax.text(left + width / 2, y, text, ha="center", va="center", fontsize=8.5, color=color)
            left += width
    ax.set_yticks(heights, [label for label, _ in bars])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(heights[-1] - 0.55, 0.55)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ["0", "half", "all"])
    ax.spines["left"].set_visible(False)
    style.phase_legend(ax, [inputs.names[i] for i in shown], palette)


def verdicts(inputs: ReportInputs, palette: Palette) -> ReportFigure | None:
    """A cell for each pair with a verdict, from its row to its column, by family and by phase; None where there is
    no verdict."""
    levels = [level for level in by_level(inputs.comparison.verdicts) if level]
    if not levels:
        return None
    orders = [_ordered({name for v in level for name in (v.source, v.target)}, inputs) for level in levels]
    heights = [0.75 + max(0.4, min(0.6, 3.4 / len(names))) * len(names) for names in orders]
    fig = style.figure(sum(heights) + 0.4)
    axes = fig.subplots(len(levels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, level, names in zip(axes, levels, orders, strict=True):
        _matrix(ax, level, names, palette)
    handles = [Patch(facecolor=VERDICT_COLORS[v][0], label=v) for v in VERDICTS]
    fig.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=1.2)
    pale = "Pale cells: the two change order while a third phase holds more. "
    return report_figure(
        fig,
        "verdicts",
        "Verdict on each pair of phases",
        "Read a cell from its row to its column: the color says which learner makes that transition, the text "
        "how many SGD seeds made it of those that could, and the n at which the posterior did. "
        + (pale if not all(map(is_direct, inputs.comparison.verdicts)) else ""),
        "Matrix of transitions between phases with verdicts.",
        ("level", "from", "to", "verdict", "SGD seeds that made it", "SGD seeds at risk", "n", "direct"),
        (
            (_level(v), v.source, v.target, v.verdict, *_counts(v), is_direct(v))
            for level in levels
            for v in level
        ),
    )


def _level(verdict: Verdict) -> object:
    return verdict.evidence.get("level", "phase")


def _counts(verdict: Verdict) -> tuple[object, ...]:
    return tuple(verdict.evidence.get(name) for name in ("count", "at_risk", "n"))


def _ordered(used: set[str], inputs: ReportInputs) -> list[str]:
    """By the order of phases; a family takes the place of its first phase."""
    place = {name: float(i) for i, name in enumerate(inputs.names)}
    for fact in reversed(inputs.comparison.phases):
        place[f"{fact.family}-family"] = place.get(fact.name, math.inf)
    return sorted(used, key=lambda name: (place.get(name, math.inf), name))


def _matrix(ax: Axes, level: list[Verdict], names: list[str], palette: Palette) -> None:
    size = 9.0 if len(names) <= 6 else 7.5 if len(names) <= 9 else 6.0
    for verdict in level:
        x, y = names.index(verdict.target), names.index(verdict.source)
        fill, text = VERDICT_COLORS.get(verdict.verdict, VERDICT_COLORS["inconclusive"])
        if not is_direct(verdict):
            fill, text = style.mix(fill, "#ffffff", 0.6), style.INK
        ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=fill, linewidth=0))
        ax.text(x, y, cell_text(verdict), ha="center", va="center", fontsize=size, color=text)
    ax.plot(range(len(names)), range(len(names)), "o", color=style.FAINT, markersize=3)
    _matrix_axes(ax, names, palette)


def cell_text(verdict: Verdict) -> str:
    """A line for each learner: seeds that made the transition of those at risk, and the n of the crossing."""
    at_risk, n = verdict.evidence.get("at_risk"), verdict.evidence.get("n")
    made = f"{verdict.evidence.get('count', 0)}/{at_risk}" if at_risk else "–"
    return f"SGD {made}\n" + (f"n ≈ {whole(n)}" if n is not None else "n –")


def _matrix_axes(ax: Axes, names: list[str], palette: Palette) -> None:
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xlabel("to")
    ax.set_ylabel("from")
    ax.tick_params(length=0, labelsize=11)
    for ticks in (ax.get_xticklabels(), ax.get_yticklabels()):
        for tick, name in zip(ticks, names, strict=True):
            tick.set_color(palette.ink(name))
            tick.set_fontweight("bold")
    for side in ax.spines.values():
        side.set_visible(False)
