"""The figure of the study: SGD's times over d; SGD and Bayes on five bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

_COLORS = {"staircase": "#0072B2", "gap": "#009E73", "parity": "#D55E00"}
_NAMES = {
    "staircase": "staircase x0 + x0x1 + x0x1x2",
    "gap": "gap x0 + x0x1x2",
    "parity": "parity x0x1x2 alone",
}


def draw(times: dict[str, dict[int, np.ndarray]], slopes: dict[str, tuple], both: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    figure.suptitle(
        "How long until x0x1x2 is learned, with and without a staircase that leads to it", fontsize=13
    )
    over_d, sgd, bayes = figure.subplots(1, 3)
    for name, of in times.items():
        quartiles = np.array([np.quantile(t.max(axis=1), (0.25, 0.5, 0.75)) for t in of.values()])
        low, median, high = np.where(np.isfinite(quartiles), quartiles, np.nan).T
        label = f"{_NAMES[name]}: d^{slopes[name][0]:.2f}"
        over_d.errorbar(
            list(of),
            median,
            [median - low, high - median],
            marker="o",
            capsize=3,
            color=_COLORS[name],
            label=label,
        )
    over_d.set(xscale="log", yscale="log", xlabel="bits d", ylabel="observations until x0x1x2 is learned")
    over_d.set_xticks(list(of), map(str, of), minor=False)
    over_d.set_xticks([], minor=True)
    over_d.set_title("SGD: median and quartiles over seeds", fontsize=10)
    over_d.legend(fontsize=8)
    for name, found in both.items():
        style = {"color": _COLORS[name], "label": _NAMES[name]}
        sgd.plot(found["trajectory steps"][1:], found["learned"].mean(axis=0)[1:], **style)
        mean = found["share"].mean(axis=0)
        error = found["share"].std(axis=0, ddof=1) / np.sqrt(len(found["share"]))
        bayes.plot(found["sample_sizes"], mean, marker="o", markersize=3, **style)
        bayes.fill_between(
            found["sample_sizes"], mean - error, mean + error, color=_COLORS[name], alpha=0.2, lw=0
        )
    sgd.set(xscale="log", xlabel="SGD step (8 observations each)", ylabel="share of seeds that know x0x1x2")
    sgd.set_title("SGD, five bits", fontsize=10)
    bayes.set(xlabel="observations n", ylabel="posterior share that knows the target")
    bayes.set_title("Bayes, five bits (± 1 s.e. over data sets)", fontsize=10)
    for ax in (sgd, bayes):
        ax.legend(fontsize=8)
    return figure
