"""Superposition of six features in two dimensions: SGD stops at the 5-gon, the posterior goes on to the 6-gon."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.learners import Seen, see, shares, step_axis, told
from slt.phases import classification
from slt.phases.families import families
from slt.report import style

MODULES = (
    "slt.models.superposition",
    "slt.training.trainer",
    "slt.posterior.data_tempering",
    "slt.phases.classification",
    "slt.comparer.verdicts",
    "slt.transitions",
)
CLAIM = "The posterior passes from the 5-gon to the 6-gon as n grows, and SGD does not."
SOURCE = "Chen et al. 2023, arXiv:2310.06301"
PAIR = ("5-family", "6")
FEW = (
    "data.datasets=2",
    "training.seeds=4",
    "training.steps=1000",
    "training.checkpoints=20",
    "posterior.sample_sizes=[20,100]",
    "posterior.population=false",
    "posterior.sampler.particles=32",
    "posterior.sampler.moves=2",
    "posterior.sampler.max_rounds=1",
)


def study(reduced: bool = False) -> Finding:
    """The demo's four data sets. Holds where the comparer finds 5-family -> 6 to be the posterior's alone; fails
    where it finds it in SGD as well, or in neither; else mixed."""
    seen = see("experiment=demo", *(FEW if reduced else ()))
    rows = seen.summary["comparison"]
    judged = next((row for row in rows if (row["from"], row["to"]) == PAIR), None)
    words = {"bayesian only": "holds", "both": "fails", "dynamical only": "fails", None: "fails"}
    return Finding(
        verdict=words.get(judged and judged["verdict"], "mixed"),
        numbers=_numbers(judged, len(seen.label)),
        figure=_figure(seen),
        data={**told(seen), "judged": judged},
    )


def _numbers(judged: dict[str, Any] | None, seeds: int) -> str:
    if judged is None:
        return f"neither learner was seen to pass from 5 to 6 ({seeds} seeds)"
    found = judged["evidence"]
    sgd = f"of {found['at_risk']} seeds in the 5-family {found['count']} go on to 6"
    if found.get("share_high") is not None:
        sgd += f" (95 % interval to {found['share_high']:.0%})"
    if found.get("n") is None:
        return f"{sgd}; the posterior was not seen to pass"
    interval = "" if found.get("n_low") is None else f" ({found['n_low']:.0f} to {found['n_high']:.0f})"
    return f"{sgd}; the posterior passes at n = {found['n']:.0f}{interval}"


def _figure(seen: Seen) -> Figure:
    """Shares of the families, of SGD's seeds by step and of the posterior by n."""
    facts = classification.phase_facts(seen.model)
    names, index = families(facts)
    belongs = np.equal.outer(index, np.arange(len(names))).astype(float)  # (phase, family)
    colors = style.palette(seen.names, facts)
    with style.look():
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        sgd, posterior = figure.subplots(1, 2)
        title = "Superposition: SGD stops at the 5-gon, the posterior goes on to the 6-gon"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        shares(sgd, seen.steps, seen.curves @ belongs, names, colors)
        step_axis(sgd, int(seen.steps[-1]))
        sgd.set(title="SGD", ylabel="share of seeds")
        shares(posterior, seen.sample_sizes, seen.share @ belongs, names, colors)
        style.n_axis(posterior, seen.sample_sizes)
        posterior.set(title="Posterior", ylabel="probability")
        handles, labels = posterior.get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=len(labels))
    return figure
