"""The figure of the study: jumps of single tasks, their smooth sum, times over frequencies, and the posterior's."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from slt.models.sparse_parity import SparseParity


def draw(many: SparseParity, along: dict[str, Any], few: SparseParity, bayes: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    figure.suptitle("Each task in its own jump, at a time set by its frequency; their sum", fontsize=13)
    curves, times, posterior = figure.subplots(1, 3)
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, many.tasks))
    steps = along["steps"][1:]
    for i, color in enumerate(colors):
        label = {0: "the most frequent task", many.tasks - 1: "the rarest"}.get(i)
        curves.plot(steps, along["losses"][0, i, 1:], color=color, lw=1, label=label)
    curves.plot(steps, along["total"][0, 1:], color="#D55E00", lw=2.5, label="all, by frequency")
    curves.set(xscale="log", yscale="log", ylim=(0.02, 1.2), xlabel="step of Adam (32 observations each)")
    curves.set_ylabel("loss, in units of that at output 0, where it is capped")
    curves.set_title("One seed", fontsize=10)
    curves.legend(fontsize=8)
    _over_frequency(times, many, along, few, bayes)
    for i, frequency in enumerate(few.frequencies):
        mean = bayes["share"][:, :, i].mean(axis=0)
        posterior.plot(
            bayes["sample_sizes"], mean, marker="o", markersize=3, label=f"task {i + 1}: p = {frequency:.2f}"
        )
    posterior.set(xscale="log", xlabel="observations n", ylabel="posterior share that knows the task")
    posterior.set_title("Bayes, three tasks (mean over data sets)", fontsize=10)
    posterior.legend(fontsize=8)
    return figure


def _over_frequency(
    ax: Any, many: SparseParity, along: dict[str, Any], few: SparseParity, bayes: dict[str, Any]
) -> None:
    """Times against 1 / p for both learners; a line of slope 1."""
    median = np.median(along["times"], axis=0)
    slope = along["data"]["time against 1 / frequency, exponent"][0]
    ax.plot(1 / many.frequencies, median, "o", color="#0072B2", label=f"Adam, steps: exponent {slope:.2f}")
    n = np.array(bayes["data"]["n, median"])
    slope = bayes["data"]["n against 1 / frequency, exponent"][0]
    ax.plot(1 / few.frequencies, n, "s", color="#D55E00", label=f"Bayes, n: exponent {slope:.2f}")
    x = 1 / many.frequencies
    ax.plot(x, median[0] * x / x[0], color="0.6", lw=1, ls="--", label="proportional to 1 / frequency")
    ax.set(xscale="log", yscale="log", xlabel="1 / frequency of the task", ylabel="when it is learned")
    ticks = [2, 5, 10, 20, 50]
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_xticks([], minor=True)
    ax.set_title("Median over seeds or data sets", fontsize=10)
    ax.legend(fontsize=8)
