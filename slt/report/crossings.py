"""Crossings of the posterior as marks on an axis of n: which to show, where they were seen and predicted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from slt.records.base import Array
from slt.records.comparison import Verdict
from slt.records.transitions import BayesianTransition
from slt.report import style
from slt.report.style import Palette
from slt.report.summaries import interval, whole
from slt.report.verdict_style import by_level, is_direct

MOST_CROSSINGS, LEAST_SHARE = 4, 0.1
APPROXIMATIONS = {
    "leading": "leading order",
    "prior": "with prior",
    "volume": "with volume",
    "population": "without data noise",
}
_SHORT = {
    "leading": "leading",
    "prior": "prior",
    "volume": "volume",
    "population": "no noise",
}  # the key has the rest
_SIZE, _LETTERS = 8.5, 84  # points; letters of that size that fit across the axes
_DASHES: dict[str, tuple[int, tuple[float, ...]]] = {
    "leading": (0, (1.5, 1.5)),
    "prior": (0, (5, 2)),
    "volume": (0, (5, 1.5, 1.5, 1.5)),
    "population": (0, (0.6, 1.0)),
}


def of_phases(
    transitions: Sequence[BayesianTransition], sample_sizes: Array, mean: Array, names: tuple[str, ...]
) -> list[BayesianTransition]:
    """The crossings at which most mass passes, in order of n, then those predicted but not seen.

    Two phases that are both all but empty may change order as well; that is left to the table.
    """

    def weight(transition: BayesianTransition) -> float:
        columns = [names.index(name) for name in (transition.source, transition.target) if name in names]
        return min(
            (float(np.interp(transition.n or 0.0, sample_sizes, mean[:, i])) for i in columns), default=0.0
        )

    seen = sorted(
        (t for t in transitions if t.n is not None and weight(t) >= LEAST_SHARE), key=weight, reverse=True
    )
    unseen = [t for t in transitions if t.n is None and any(p.n is not None for p in t.predictions)]
    return (sorted(seen[:MOST_CROSSINGS], key=lambda t: t.n or 0.0) + unseen)[:MOST_CROSSINGS]


def of_families(verdicts: Sequence[Verdict]) -> list[BayesianTransition]:
    """Where one family of phases gives way to another, from the evidence of the verdicts on families."""
    return [
        BayesianTransition(
            source=v.source,
            target=v.target,
            n=v.evidence["n"],
            n_low=v.evidence.get("n_low"),
            n_high=v.evidence.get("n_high"),
            crossed=v.evidence.get("crossed", 0),
            datasets=v.evidence.get("datasets", 0),
            peak_source=v.evidence.get("peak_source", math.nan),
            peak_target=v.evidence.get("peak_target", math.nan),
        )
        for v in by_level(verdicts)[0]
        if is_direct(v) and v.evidence.get("n") is not None
    ][:MOST_CROSSINGS]


def verticals(ax: Axes, crossing: BayesianTransition, palette: Palette) -> None:
    low, high = ax.get_xlim()
    for prediction in crossing.predictions:
        if prediction.n is not None and low <= prediction.n <= high:
            dashes = _DASHES.get(prediction.approximation, "-.")
            ax.axvline(
                prediction.n, color=palette[crossing.target], linewidth=1.2, linestyle=dashes, zorder=0
            )


def rows(ax: Axes, crossings: list[BayesianTransition], palette: Palette) -> None:
    """A row for each crossing: where it was seen (with its interval) and predicted, and the same as text."""
    for row, crossing in enumerate(crossings):
        y, color = -row, palette[crossing.target]
        for prediction in crossing.predictions:
            if prediction.n is not None:
                dashes = _DASHES.get(prediction.approximation, "-.")
                ax.plot([prediction.n] * 2, [y - 0.3, y + 0.12], color=color, linewidth=1.8, linestyle=dashes)
        _observed(ax, y - 0.09, crossing, color)
        text = describe(crossing)
        ax.annotate(
            text,
            (0.0, y + 0.2),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=_SIZE * min(1.0, _LETTERS / len(text)),
            color=palette.ink(crossing.target),
            in_layout=False,
        )
    ax.set_ylim(-len(crossings) + 0.5, 0.65)
    ax.set_yticks([])
    ax.set_ylabel("crossings", fontsize=style.SMALL)


def _observed(ax: Axes, y: float, crossing: BayesianTransition, color: str) -> None:
    """A diamond on its interval; an open end runs to the edge and ends in an arrowhead."""
    if crossing.n is None:
        return
    ax.plot([crossing.n], [y], "D", color=color, markersize=6)
    if crossing.n_low is None and crossing.n_high is None:
        return
    edges = ax.get_xlim()
    low = edges[0] if crossing.n_low is None else crossing.n_low
    high = edges[1] if crossing.n_high is None else crossing.n_high
    ax.plot([low, high], [y, y], color=color, linewidth=2.2)
    for end, edge, head in ((crossing.n_low, low, "<"), (crossing.n_high, high, ">")):
        if end is None:
            ax.plot([edge], [y], head, color=color, markersize=6, clip_on=False)


def key(ax: Axes) -> None:
    """What the marks of a crossing mean, under the axis."""
    seen = Line2D([], [], color=style.GRAY, marker="D", markersize=6, linewidth=2.2)
    predictions = [
        Line2D([], [], color=style.GRAY, linestyle=_DASHES[level], linewidth=1.6) for level in APPROXIMATIONS
    ]
    ax.legend(
        [seen, *predictions],
        ["equal mass seen", *(f"predicted, {text}" for text in APPROXIMATIONS.values())],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=4.2,
        ncols=3,
        columnspacing=1.2,
        handlelength=2.2,
    )


def describe(crossing: BayesianTransition) -> str:
    """e.g. "5+ → 6: seen at 430 (350 to 550); predicted 445 leading, 601 prior"."""
    seen = "not seen"
    if crossing.n is not None:
        seen = f"seen at {whole(crossing.n)}"
        if crossing.n_low is not None or crossing.n_high is not None:
            seen += f" ({interval(crossing.n_low, crossing.n_high)})"
    predictions = [
        f"{whole(p.n)} {_SHORT.get(p.approximation, p.approximation)}"
        for p in crossing.predictions
        if p.n is not None
    ]
    text = f"{crossing.source} → {crossing.target}: {seen}"
    return f"{text}; predicted {', '.join(predictions)}" if predictions else text
