"""The posterior of addition modulo p as n grows: does it pass from the examples to the rule, and where SGD does?

Pairs are drawn with replacement. Train accuracy is over the pairs that a data set has by n, test accuracy over the
others; the posterior's are means over its draws. SGD is AdamW to its end on the first n pairs of the same data sets.

Verdict. *By heart*: train accuracy is at least `KNOWN` on every rung. *Passes*: test accuracy, a mean over data sets
and repeats, is below `LOW` on some rung and at least `HIGH` on a later one. *Together*: that of every single
population comes to 1/2 at an n within a factor `NEAR` of where that of AdamW with weight decay does. The claim holds
if all are so and at least half of the rungs are trusted, fails if the posterior does not pass, and is mixed
otherwise. A rung is `trusted` where all repeats are sound and their free energies agree to `AGREE` nats.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding
from experiments.modular import accuracies, counts
from slt.models.base import phase_names
from slt.models.modular_addition import ModularAddition
from slt.phases.classification import label_ladder
from slt.phases.local_free_energy import local_free_energy
from slt.posterior.data_tempering import DataTempering
from slt.records.base import OK, Array
from slt.report.style import figure, look
from slt.runtime.long_computation import drive
from slt.training.optimizers import AdamW
from slt.training.trainer import Trainer

MODULES = ("experiments.modular", "slt.posterior.data_tempering", "slt.phases.classification")
CLAIM = (
    "As n grows the posterior, which knows its examples all along, passes from memorizing to the rule, "
    "and does so where SGD with weight decay does."
)
SOURCE = "a claim of folklore"
KNOWN, LOW, HIGH, NEAR, AGREE = 0.9, 0.25, 0.75, 1.5, 5.0
DECAYS = (1.0, 0.0)
FULL: dict[str, Any] = {"p": 11, "hidden": 16, "noise": 0.2, "prior_scale": 0.5}
NS: tuple[int, ...] = (40, 80, 110, 130, 150, 170, 200, 240)


def study(reduced: bool = False) -> Finding:
    options, sample_sizes, sampler, steps = FULL, NS, _sampler(128, 200), 4000
    if reduced:
        options, sample_sizes, sampler, steps = {"p": 3, "hidden": 7, "noise": 0.5}, (6,), _sampler(16, 4), 50
    model = ModularAddition(**options)
    data = draw(model, sample_sizes[-1], datasets=2)
    rungs = climb(model, data, sample_sizes, sampler)
    sgd = {
        decay: [end(model, data, n, decay, seeds=8, steps=steps) for n in sample_sizes] for decay in DECAYS
    }
    for rung, *ends in zip(rungs, *sgd.values(), strict=True):
        rung |= {f"adamw, weight decay {decay:g}": found for decay, found in zip(sgd, ends, strict=True)}
    verdict, numbers = judged(rungs)
    return Finding(verdict, numbers, picture(rungs, options), options | {"rungs": rungs})


def _sampler(particles: int, most: int) -> DataTempering:
    return DataTempering(particles=particles, repeats=2, max_temperatures=most)


def draw(model: ModularAddition, size: int, datasets: int) -> Any:
    """Pairs with leading axes (dataset, observation)."""
    return jax.vmap(lambda key: model.sample(key, size))(jax.random.split(jax.random.key(0), datasets))


def first(data: Any, n: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[:, :n], data)


# -- the posterior --------------------------------------------------------------------------------------------
def climb(
    model: ModularAddition, data: Any, sample_sizes: tuple[int, ...], sampler: DataTempering
) -> list[dict[str, Any]]:
    """What the posterior knows on each rung: accuracies, shares of phases with their free energies, and whether its
    repeats may be trusted. Lists run over data sets, inner ones over repeats."""
    ladder = drive(sampler.stage(model, data, sample_sizes), jax.random.key(1))
    occupancy = label_ladder(model, ladder, ordered=False)
    local = local_free_energy(occupancy)
    names = phase_names(model)[:-1]
    rungs = []
    for i, n in enumerate(sample_sizes):
        seen = counts(model, first(data, n))
        shape = ladder.loss[:, i].shape
        flat = {
            name: leaf[:, i].reshape(shape[0], -1, *leaf.shape[4:]) for name, leaf in ladder.draws.items()
        }
        train, test = (accuracy.reshape(shape).mean(axis=2) for accuracy in accuracies(model, flat, seen))
        free = occupancy.free_energy[:, i]
        rungs.append(
            {
                "n": n,
                "draws": shape[2],
                "unseen": (seen == 0).sum(axis=1).tolist(),
                "train": _plain(train),
                "test": _plain(test),
                "share": {name: _plain(occupancy.share[:, i, :, k]) for k, name in enumerate(names)},
                "free_energy": _plain(free),
                "free_energy_of": {
                    name: _plain(np.where(local.bound[:, i, :, k], np.nan, local.value[:, i, :, k]))
                    for k, name in enumerate(names)
                },
                "status": ladder.status[:, i].tolist(),
                "trusted": bool((ladder.status[:, i] == OK).all() and np.ptp(free, axis=1).max() <= AGREE),
            }
        )
    return rungs


def _plain(values: Array) -> Any:
    """Nested lists of four decimals; None where there is no number."""
    if values.ndim:
        return [_plain(value) for value in values]
    return round(float(values), 4) if np.isfinite(values) else None


# -- SGD --------------------------------------------------------------------------------------------------------
def end(model: ModularAddition, data: Any, n: int, decay: float, seeds: int, steps: int) -> dict[str, Any]:
    """Accuracies (seed,) where AdamW ends on the first n pairs, all at once; seeds take the data sets in turn."""
    own = first(data, n)
    optimizer = AdamW(learning_rate=0.01, b2=0.98, weight_decay=decay)
    trainer = Trainer(seeds=seeds, steps=steps, batch_size=n, n=n, checkpoints=2, optimizer=optimizer)
    trajectory = drive(trainer.stage(model, own), jax.random.key(2))
    last = {name: leaf[:, -1:] for name, leaf in trajectory.params.items()}
    train, test = accuracies(model, last, counts(model, own)[trajectory.dataset])
    return {"train": _plain(train[:, 0]), "test": _plain(test[:, 0])}


# -- what it means ----------------------------------------------------------------------------------------------
def judged(rungs: list[dict[str, Any]]) -> tuple[str, str]:
    """The verdict by the rule above, and its numbers."""
    sample_sizes = [rung["n"] for rung in rungs]
    test = [mean(rung["test"]) for rung in rungs]
    train = [mean(rung["train"]) for rung in rungs]
    low = next((i for i, value in enumerate(test) if value < LOW), None)
    passes = low is not None and any(value >= HIGH for value in test[low:])
    bayes = [half_way(sample_sizes, list(curve)) for curve in _populations(rungs)]
    sgd, plain = (
        half_way(sample_sizes, [mean(rung[f"adamw, weight decay {decay:g}"]["test"]) for rung in rungs])
        for decay in DECAYS
    )
    together = sgd is not None and all(n is not None and 1 / NEAR <= n / sgd <= NEAR for n in bayes)
    sound = sum(rung["trusted"] for rung in rungs)
    holds = together and min(train) >= KNOWN and 2 * sound >= len(rungs)
    verdict = "fails" if not passes else "holds" if holds else "mixed"
    numbers = (
        f"posterior: train accuracy {min(train):.2f} or more, test accuracy {test[0]:.2f} at n = {sample_sizes[0]} and "
        f"{test[-1]:.2f} at n = {sample_sizes[-1]}, half at n = {_n(half_way(sample_sizes, test))} "
        f"(single populations: {', '.join(map(_n, bayes))}); AdamW half at n = {_n(sgd)} with weight decay, "
        f"{_n(plain)} without; populations are sound and agree to {AGREE:g} nats at {sound} of {len(sample_sizes)} n"
    )
    return verdict, numbers


def _populations(rungs: list[dict[str, Any]]) -> Array:
    """(population, n) test accuracy of each population of each data set."""
    return np.array([np.ravel(np.array(rung["test"], float)) for rung in rungs]).T


def mean(values: Any) -> float:
    """Of all numbers in nested lists; what is missing is left out."""
    flat = np.array(
        [np.nan if value is None else value for value in np.ravel(np.array(values, object))], float
    )
    return float(np.nanmean(flat)) if np.isfinite(flat).any() else float("nan")


def half_way(sample_sizes: list[int], curve: list[float]) -> float | None:
    """The n at which a curve first comes to 1/2, linear between rungs; the first rung if it is above there."""
    for i, value in enumerate(curve):
        if value >= 0.5:
            if i == 0:
                return float(sample_sizes[0])
            share = (0.5 - curve[i - 1]) / (value - curve[i - 1])
            return float(sample_sizes[i - 1] + share * (sample_sizes[i] - sample_sizes[i - 1]))
    return None


def _n(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"


def picture(rungs: list[dict[str, Any]], options: dict[str, Any]) -> Figure:
    sample_sizes = [rung["n"] for rung in rungs]
    with look():
        fig = figure(4.2, 10.5)
        fig.suptitle(f"Sums mod {options['p']}: when does the posterior find the rule, and when does AdamW?")
        left, right = fig.subplots(1, 2)
        test = [mean(rung["test"]) for rung in rungs]
        left.plot(
            sample_sizes,
            [mean(rung["train"]) for rung in rungs],
            ":",
            color="#0072B2",
            label="posterior, pairs it has",
        )
        left.plot(sample_sizes, test, "o-", color="#0072B2", label="posterior, other pairs")
        for rung in rungs:
            values = np.ravel(np.array(rung["test"], float))
            left.plot([rung["n"]] * len(values), values, ".", color="#0072B2", alpha=0.5)
        for decay, color in zip(DECAYS, ("#00916A", "#D55E00"), strict=True):
            curve = [mean(rung[f"adamw, weight decay {decay:g}"]["test"]) for rung in rungs]
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
        least = 1 / rungs[0]["draws"]
        for name, color in (("memorizing", "#D55E00"), ("generalizing", "#0072B2")):
            share = np.array([np.ravel(np.array(rung["share"][name], float)) for rung in rungs])
            above = -np.log(np.maximum(share, least))
            right.plot(sample_sizes, above, ".", color=color, alpha=0.5)
            right.plot(sample_sizes, above.mean(axis=1), "o-", color=color, label=name)
        right.axhline(-np.log(least), color="#8f8f8f", linewidth=0.8, label="never visited: at least this")
        right.set(xlabel="n, pairs drawn with replacement", ylabel="F_n of the phase less F_n of all (nats)")
        right.set_title("free energy of the phases (dots: populations)")
        right.legend()
    return fig
