"""What helps the posterior of addition modulo p to find the rule: little noise, a tight prior, few neurons?

From one base setting, each option is made smaller and larger, the others staying. A setting's score is the test
accuracy of posterior draws, its mean over the sample sizes n / p^2 = `SHARES`, with two data sets and two populations
on each. Settings of one p share their data sets.

Verdict. An option *helps* if the score falls from its smaller to its larger value by more than two standard errors of
that fall, paired by data set and population. The claim holds if noise, prior scale and width all help, fails if none
does, and is mixed otherwise. The modulus is varied beside them, and is no part of the verdict.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.modular_posterior import draw, mean, posterior_by_n
from slt.models.modular_addition import ModularAddition
from slt.posterior.data_tempering import DataTempering
from slt.records.base import Array
from slt.report.style import figure, look

CLAIM = "The posterior finds the rule from fewer examples with less noise, a tighter prior and fewer neurons."
SOURCE = "a common claim without a source"
BASE: dict[str, Any] = {"p": 7, "hidden": 19, "noise": 0.3, "prior_scale": 0.5}
VARIED: dict[str, tuple[Any, Any]] = {"noise": (0.2, 0.45), "prior_scale": (0.35, 0.7), "hidden": (10, 31)}
MODULI: tuple[dict[str, Any], ...] = ({"p": 5, "hidden": 13}, {"p": 9, "hidden": 25})
SHARES: tuple[float, ...] = (1.0, 1.75, 2.5)


def study(reduced: bool = False) -> Finding:
    base, varied, moduli, shares, particles = BASE, VARIED, MODULI, SHARES, 64
    if reduced:
        base = {"p": 3, "hidden": 7, "noise": 0.5, "prior_scale": 0.5}
        varied, moduli, shares, particles = {"noise": (0.5, 0.6)}, (), (0.6,), 16
    settings = [base, *({**base, name: v} for name, pair in varied.items() for v in pair)]
    settings += [{**base, **modulus} for modulus in moduli]
    rows = [measured(options, shares, particles) for options in settings]
    effects = {name: effect(rows[1 + 2 * i], rows[2 + 2 * i]) for i, name in enumerate(varied)}
    verdict, numbers = judged(effects, rows, varied)
    return Finding(verdict, numbers, picture(rows, varied), {"rows": rows, "effects": effects})


def measured(options: dict[str, Any], shares: tuple[float, ...], particles: int) -> dict[str, Any]:
    model = ModularAddition(**options)
    sample_sizes = tuple(round(share * options["p"] ** 2) for share in shares)
    sampler = DataTempering(particles=particles, repeats=2)
    by_n = posterior_by_n(model, draw(model, sample_sizes[-1], datasets=2), sample_sizes, sampler)
    return {"options": options, "by_n": by_n}


def score(row: dict[str, Any]) -> Array:
    """(dataset, repeat) test accuracy, its mean over the sample sizes at which pairs are unseen."""
    return np.nanmean(np.array([one["test"] for one in row["by_n"]], float), axis=0)


def effect(smaller: dict[str, Any], larger: dict[str, Any]) -> dict[str, float]:
    """By how much the score falls from the smaller to the larger value, and the error of that."""
    fall = np.ravel(score(smaller) - score(larger))
    return {"fall": float(fall.mean()), "error": float(fall.std(ddof=1) / np.sqrt(len(fall)))}


def judged(
    effects: dict[str, dict[str, float]], rows: list[dict[str, Any]], varied: dict[str, tuple[Any, Any]]
) -> tuple[str, str]:
    helps = [one["fall"] > 2 * one["error"] for one in effects.values()]
    verdict = verdict_of(helps)
    falls = [
        f"{name} {varied[name][0]:g} to {varied[name][1]:g}: {-one['fall']:+.3f} ± {one['error']:.3f}"
        for name, one in effects.items()
    ]
    all_n = [one for row in rows for one in row["by_n"]]
    trusted = sum(one["trusted"] for one in all_n)
    return verdict, (
        f"change of test accuracy from {np.mean(score(rows[0])):.3f}: {', '.join(falls)}; "
        f"populations agree at {trusted} of {len(all_n)} sample sizes"
    )


def picture(rows: list[dict[str, Any]], varied: dict[str, tuple[Any, Any]]) -> Figure:
    panels: list[tuple[str, list[dict[str, Any]]]] = [
        (name, [rows[1 + 2 * i], rows[0], rows[2 + 2 * i]]) for i, name in enumerate(varied)
    ]
    panels.append(("p", sorted([rows[0], *rows[1 + 2 * len(varied) :]], key=lambda row: row["options"]["p"])))
    with look():
        fig = figure(3.4, 3.4 * len(panels))
        fig.suptitle("Test accuracy of posterior draws: what helps them to find the rule")
        for ax, (name, members) in zip(np.atleast_1d(fig.subplots(1, len(panels))), panels, strict=True):
            for row, color in zip(members, ("#56B4E9", "#0072B2", "#222222"), strict=False):
                p = row["options"]["p"]
                sample_sizes = np.array([one["n"] for one in row["by_n"]]) / p**2
                test = [mean(one["test"]) for one in row["by_n"]]
                ax.plot(sample_sizes, test, "o-", color=color, label=f"{row['options'][name]:g}")
            ax.axhline(1 / rows[0]["options"]["p"], color="#8f8f8f", linewidth=0.8)
            ax.set(xlabel="n / p^2", ylabel="accuracy on unseen pairs", ylim=(-0.03, 1.03))
            ax.set_title(name.replace("_", " "))
            ax.legend(loc="upper left")
    return fig
