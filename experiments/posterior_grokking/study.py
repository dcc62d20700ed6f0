"""The posterior of addition modulo p as n grows: does it pass from the examples to the rule, and where SGD does?

Pairs are drawn with replacement. Train accuracy is over the pairs that a data set has by n, test accuracy over the
others; the posterior's are means over its draws. SGD is AdamW to its end on the first n pairs of the same data sets.

Verdict. *Memorizes*: train accuracy is at least `KNOWN` at every n. *Passes*: test accuracy, a mean over data sets
and repeats, is below `LOW` at some n and at least `HIGH` at a later one. *Together*: that of every single population
comes to 1/2 at an n within a factor `NEAR` of where that of AdamW with weight decay does. The claim holds if all are
so and the posterior is trusted at half of the sample sizes or more, fails if the posterior does not pass, and is
mixed otherwise. It is `trusted` where the status of all repeats is ok and their free energies agree to `AGREE` nats.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.modular import accuracies, counts
from experiments.modular_posterior import AGREE, draw, mean, plain, posterior_by_n
from slt.models import datasets
from slt.models.modular_addition import ModularAddition
from slt.posterior.data_tempering import DataTempering
from slt.records.base import Array
from slt.report.style import figure, look
from slt.runtime.long_computation import drive
from slt.training.optimizers import AdamW
from slt.training.trainer import Trainer

CLAIM = (
    "As n grows the posterior, which knows its examples all along, passes from memorizing to the rule, "
    "and does so where SGD with weight decay does."
)
SOURCE = "a common claim without a source"
KNOWN, LOW, HIGH, NEAR = 0.9, 0.25, 0.75, 1.5
DECAYS = (1.0, 0.0)
FULL: dict[str, Any] = {"p": 11, "hidden": 16, "noise": 0.2, "prior_scale": 0.5}
NS: tuple[int, ...] = (40, 80, 110, 130, 150, 170, 200, 240)


def study(reduced: bool = False) -> Finding:
    options, sample_sizes, sampler, steps = FULL, NS, _sampler(128, 200), 4000
    if reduced:
        options, sample_sizes, sampler, steps = {"p": 3, "hidden": 7, "noise": 0.5}, (6,), _sampler(16, 4), 50
    model = ModularAddition(**options)
    data = draw(model, sample_sizes[-1], datasets=2)
    rows = posterior_by_n(model, data, sample_sizes, sampler)
    sgd = {
        decay: [end(model, data, n, decay, seeds=8, steps=steps) for n in sample_sizes] for decay in DECAYS
    }
    for row, *ends in zip(rows, *sgd.values(), strict=True):
        row |= {f"adamw, weight decay {decay:g}": found for decay, found in zip(sgd, ends, strict=True)}
    verdict, numbers = judged(rows)
    return Finding(verdict, numbers, picture(rows, options), options | {"by_n": rows})


def _sampler(particles: int, most: int) -> DataTempering:
    return DataTempering(particles=particles, repeats=2, max_temperatures=most)


# -- SGD --------------------------------------------------------------------------------------------------------
def end(model: ModularAddition, data: Any, n: int, decay: float, seeds: int, steps: int) -> dict[str, Any]:
    """Accuracies (seed,) where AdamW ends on the first n pairs in one batch; seeds take the data sets in turn."""
    own = datasets.first(data, n)
    optimizer = AdamW(learning_rate=0.01, b2=0.98, weight_decay=decay)
    trainer = Trainer(seeds=seeds, steps=steps, batch_size=n, n=n, checkpoints=2, optimizer=optimizer)
    trajectory = drive(trainer.stage(model, own), jax.random.key(2))
    last = {name: leaf[:, -1:] for name, leaf in trajectory.params.items()}
    train, test = accuracies(model, last, counts(model, own)[trajectory.dataset])
    return {"train": plain(train[:, 0]), "test": plain(test[:, 0])}


# -- what it means ----------------------------------------------------------------------------------------------
def judged(rows: list[dict[str, Any]]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers."""
    sample_sizes = [row["n"] for row in rows]
    test = [mean(row["test"]) for row in rows]
    train = [mean(row["train"]) for row in rows]
    low = next((i for i, value in enumerate(test) if value < LOW), None)
    passes = low is not None and any(value >= HIGH for value in test[low:])
    bayes = [half_way(sample_sizes, list(curve)) for curve in _populations(rows)]
    sgd, without = (
        half_way(sample_sizes, [mean(row[f"adamw, weight decay {decay:g}"]["test"]) for row in rows])
        for decay in DECAYS
    )
    together = sgd is not None and all(n is not None and 1 / NEAR <= n / sgd <= NEAR for n in bayes)
    trusted = sum(row["trusted"] for row in rows)
    holds = together and min(train) >= KNOWN and 2 * trusted >= len(rows)
    verdict = "fails" if not passes else "holds" if holds else "mixed"
    numbers = (
        f"posterior: train accuracy {min(train):.2f} or more, test accuracy {test[0]:.2f} at n = {sample_sizes[0]} "
        f"and {test[-1]:.2f} at n = {sample_sizes[-1]}, half at n = {_n(half_way(sample_sizes, test))} "
        f"(single populations: {', '.join(map(_n, bayes))}); AdamW half at n = {_n(sgd)} with weight decay, "
        f"{_n(without)} without; populations are sound and agree to {AGREE:g} nats at {trusted} of "
        f"{len(sample_sizes)} n"
    )
    return verdict, numbers


def _populations(rows: list[dict[str, Any]]) -> Array:
    """(population, n) test accuracy of each population of each data set."""
    return np.array([np.ravel(np.array(row["test"], float)) for row in rows]).T


def half_way(sample_sizes: list[int], curve: list[float]) -> float | None:
    """The n at which a curve first comes to 1/2, linear between sample sizes; the first one if it is above there."""
    for i, value in enumerate(curve):
        if value >= 0.5:
            if i == 0:
                return float(sample_sizes[0])
            share = (0.5 - curve[i - 1]) / (value - curve[i - 1])
            return float(sample_sizes[i - 1] + share * (sample_sizes[i] - sample_sizes[i - 1]))
    return None


def _n(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"


def picture(rows: list[dict[str, Any]], options: dict[str, Any]) -> Figure:
    sample_sizes = [row["n"] for row in rows]
    with look():
        fig = figure(4.2, 10.5)
        fig.suptitle(f"Sums mod {options['p']}: when does the posterior find the rule, and when does AdamW?")
        left, right = fig.subplots(1, 2)
        test = [mean(row["test"]) for row in rows]
        left.plot(
            sample_sizes,
            [mean(row["train"]) for row in rows],
            ":",
            color="#0072B2",
            label="posterior, pairs it has",
        )
        left.plot(sample_sizes, test, "o-", color="#0072B2", label="posterior, other pairs")
        for row in rows:
            values = np.ravel(np.array(row["test"], float))
            left.plot([row["n"]] * len(values), values, ".", color="#0072B2", alpha=0.5)
        for decay, color in zip(DECAYS, ("#00916A", "#D55E00"), strict=True):
            curve = [mean(row[f"adamw, weight decay {decay:g}"]["test"]) for row in rows]
            name = "with" if decay else "without"
            left.plot(
                sample_sizes,
                curve,
                "s--",
                color=color,
                label=f"AdamW {name} decay, other pairs",
                markersize=4,
            )
        left.set(xlabel="n, pairs drawn with replacement", ylabel="accuracy (dots: data sets and repeats)")
        left.set_ylim(-0.03, 1.03)
        left.legend(loc="best")
        least = 1 / rows[0]["draws"]
        for name, color in (("memorizing", "#D55E00"), ("generalizing", "#0072B2")):
            share = np.array([np.ravel(np.array(row["share"][name], float)) for row in rows])
            above = -np.log(np.maximum(share, least))
            right.plot(sample_sizes, above, ".", color=color, alpha=0.5)
            right.plot(sample_sizes, above.mean(axis=1), "o-", color=color, label=name)
        right.axhline(-np.log(least), color="#8f8f8f", linewidth=0.8, label="never visited: at least this")
        right.set(xlabel="n, pairs drawn with replacement", ylabel="F_n of the phase less F_n of all (nats)")
        right.set_title("free energy of the phases (dots: populations)")
        right.legend()
    return fig
