"""Superposition of six features in two dimensions: SGD stops at the 5-gon, the posterior passes to the 6-gon."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.learners import PresetRun, as_data, draw_shares, families, run_preset
from slt.phases import classification
from slt.report import style

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
    "posterior.sampler.mcmc_steps=2",
    "posterior.sampler.max_rounds=1",
)


def study(reduced: bool = False) -> Finding:
    """The demo's four data sets. Holds where the comparer finds 5-family -> 6 to be the posterior's alone; fails
    where it finds it in SGD as well, or in neither; else mixed."""
    seen = run_preset("experiment=demo", *(FEW if reduced else ()))
    rows = seen.summary["comparison"]
    judged = next((row for row in rows if (row["from"], row["to"]) == PAIR), None)
    words = {"bayesian only": "holds", "both": "fails", "dynamical only": "fails", None: "fails"}
    return Finding(
        verdict=words.get(judged and judged["verdict"], "mixed"),
        numbers=_numbers(judged, len(seen.label)),
        figure=_figure(seen),
        data={**as_data(seen), "judged": judged},
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


def _figure(seen: PresetRun) -> Figure:
    """Shares of the families, of SGD's seeds by step and of the posterior by n."""
    colors = style.palette(seen.names, classification.phase_facts(seen.model))
    with style.look():
        figure = Figure(figsize=(10, 3.8), layout="constrained")
        sgd, posterior = figure.subplots(1, 2)
        title = "Superposition: SGD stops at the 5-gon, the posterior passes to the 6-gon"
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        draw_shares(sgd, posterior, seen, colors, families(seen))
        handles, labels = posterior.get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=len(labels))
    return figure
