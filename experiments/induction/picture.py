"""The bump in one picture: losses, heads, and when each seed passes what."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slt.records.training import Trajectory
from slt.report import style

COLORS = {
    "unigram": "#E69F00",
    "bigram": "#56B4E9",
    "previous token": "#009E73",
    "induction": "#D55E00",
    "copying": "#CC79A7",
}


def picture(trajectory: Trajectory, ideals: dict[str, dict[str, float]], data: dict[str, Any]) -> Figure:
    with style.look():
        fig = style.figure(4.2, 12.5)
        fig.suptitle("The induction bump: which head comes first, and what the loss shows of it")
        losses, heads, stages = fig.subplots(1, 3, width_ratios=(1, 1, 1.1))
        _losses(losses, trajectory, ideals)
        _heads(heads, trajectory, data["seeds"])
        _stages(stages, data["seeds"])
        for ax in (losses, heads, stages):
            ax.set_xscale("log")
            style.plain_log(ax.xaxis, 1, float(trajectory.steps[-1] + 1))
            ax.set_xlabel("optimizer steps + 1 (log scale)")
    return fig


def _losses(ax: Axes, trajectory: Trajectory, ideals: dict[str, dict[str, float]]) -> None:
    for name, kind, color in (
        ("may be copied", "copy", COLORS["copying"]),
        ("new, a trigram tells", "trigram", style.GRAY),
    ):
        curves = trajectory.observables[f"loss {kind}"]
        ax.plot(trajectory.steps + 1, curves.T, color=color, alpha=0.25, linewidth=0.8)
        ax.plot(trajectory.steps + 1, np.median(curves, axis=0), color=color, label=name)
    for predictor in ("unigram", "bigram", "copying"):
        level = ideals[predictor]["copy"]
        ax.axhline(level, color=COLORS[predictor], linestyle=":", linewidth=1)
        words = "best possible" if predictor == "copying" else predictor
        ax.annotate(words, (1, level), va="bottom", fontsize=style.SMALL, color=style.INK)
    ax.set_ylim(0.7 * ideals["copying"]["copy"], None)
    ax.set(
        title="Cross-entropy by kind of token\n(dotted: ideal predictors, if it may be copied)",
        ylabel="nats per token",
    )
    ax.legend(loc="lower left")


def _heads(ax: Axes, trajectory: Trajectory, seeds: list[dict[str, Any]]) -> None:
    for stage, words in (
        ("previous token", "previous token, first layer"),
        ("induction", "prefix matching, second layer"),
    ):
        curves = np.array(
            [trajectory.observables[one["curves"][stage]][seed] for seed, one in enumerate(seeds)]
        )
        ax.plot(trajectory.steps + 1, curves.T, color=COLORS[stage], alpha=0.3, linewidth=0.8)
        ax.plot(trajectory.steps + 1, np.median(curves, axis=0), color=COLORS[stage], label=words)
    ax.set(
        title="Scores of each seed's best heads\n(thick: median)", ylabel="share of attention", ylim=(0, 1)
    )
    ax.legend(loc="upper left")


def _stages(ax: Axes, seeds: list[dict[str, Any]]) -> None:
    """A row for each seed: transitions of the loss as bars, stages as dots, rings around those that are hidden."""
    for row, one in enumerate(seeds):
        for i, (start, end) in enumerate(one["transitions of the loss"]):
            label = "jump of the loss" if row == i == 0 else None
            ax.plot([start + 1, end + 1], [row, row], color=style.GRAY, linewidth=9, alpha=0.35, label=label)
        for stage, step in one["passed"].items():
            if step is None:
                continue
            label = stage if row == 0 else None
            ax.plot(step + 1, row, "o", color=COLORS[stage], markersize=5, label=label)
            if stage in one["hidden"]:
                ax.plot(step + 1, row, "o", markersize=10, markerfacecolor="none", markeredgecolor=style.INK)
    ax.set_yticks(range(len(seeds)))
    ax.set(title="Half-way of each stage\n(ring: not in the loss)", ylabel="seed")
    ax.set_ylim(len(seeds) + 1.8, -0.7)
    ax.legend(loc="lower left", ncols=2)
