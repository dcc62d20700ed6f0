"""Is learning a matrix an S-curve at rank 1, and an exponential at rank 100, and what does Adam do to it?

Curves are of full-batch descent on the exact population loss: 101 x 101 targets of rank 1, 2, 10 and 100, singular
values falling like 1 / k, entries of root mean square 1, factors as wide as the target's rank that start from N(0,
0.1^2). The rules:

* S: the loss takes 0.2 or more of the steps of a 90 % fall for its first 10 %. An exponential takes 0.046.
* exponential-like: the same number is 0.1 or less.
* bumps: jumps of the loss beyond the first, found without labels, by 5 % of the start or more, until 99 % of it has
  gone; and rises by 1 % of the start.

The claim has four parts, each for both losses: S at rank 1 by gradient descent; exponential-like at rank 100 by
gradient descent; S again at rank 100 with Adam; bumps at no rank-1 curve, at some of higher rank, and more with Adam
than with gradient descent. It holds if all do, fails if none does, and is mixed otherwise.
"""

from __future__ import annotations

import tempfile
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.s_curves.curves import Shape, descend, first, shape
from experiments.statistics import finite
from slt.llc.problem import LLCProblem
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.models.common.low_rank import LowRank
from slt.models.low_rank_factorization import LowRankFactorization
from slt.models.low_rank_logits import LowRankLogits
from slt.pipeline.execute import run
from slt.training.optimizers import Adam, AdamW, Optimizer, Sgd

CLAIM = (
    "Learning a matrix by its factors is an S-curve at rank 1 and exponential-like at high rank, where Adam brings "
    "the plateau back; bumps come above rank 1 only, and more with Adam."
)
SOURCE = (
    "S-curves: Saxe, McClelland and Ganguli 2014, arXiv:1312.6120; the rest: a common claim without a source"
)

S, EXPONENTIAL = 0.2, 0.1
LOSSES: dict[str, type[LowRank]] = {"squared": LowRankFactorization, "cross-entropy": LowRankLogits}
DESCENT, ADAM, FASTER, ADAMW = "gradient descent", "Adam", "Adam, 10 x faster", "AdamW"


class Size(NamedTuple):
    """How much to do."""

    matrix: int
    ranks: tuple[int, ...]
    seeds: int
    steps: int
    stretch: float  # of learning rates
    optimizers: tuple[str, ...]
    coefficients: int  # models whose lambda is measured
    run: tuple[str, ...]
    thermodynamic: Thermodynamic


FULL = Size(
    matrix=101,
    ranks=(1, 2, 10, 100),
    seeds=3,
    steps=3000,
    stretch=1.0,
    optimizers=(DESCENT, ADAM, FASTER, ADAMW),
    coefficients=2,
    run=(),
    thermodynamic=Thermodynamic(localization=100.0, particles=256, repeats=4, decades=8.0),
)
REDUCED = Size(
    matrix=9,
    ranks=(1, 8),
    seeds=1,
    steps=300,
    stretch=10.0,
    optimizers=(DESCENT, ADAM),
    coefficients=1,
    run=(
        "training.steps=200",
        "training.seeds=2",
        "training.checkpoints=20",
        "posterior.sample_sizes=[10,300]",
        "posterior.sampler.particles=32",
        "data.datasets=2",
        "posterior.population=false",
    ),
    thermodynamic=Thermodynamic(
        localization=100.0, particles=32, repeats=4, decades=2.0, max_temperatures=20
    ),
)


class Curve(NamedTuple):
    """The curves of one setting: loss (seed, step), and the shape of each."""

    loss: np.ndarray
    shapes: list[Shape]

    def mean(self, name: str) -> float:
        return float(np.mean([getattr(one, name) for one in self.shapes]))

    def as_data(self) -> dict[str, Any]:
        """Each shape as JSON; None where the loss never falls so far."""
        names = (*Shape._fields, "bumps")
        return {name: [finite(getattr(one, name)) for one in self.shapes] for name in names}


def study(reduced: bool = False) -> Finding:
    size = REDUCED if reduced else FULL
    curves = {
        (loss, name, rank): curve(kind(rows=size.matrix, columns=size.matrix, rank=rank), name, size)
        for loss, kind in LOSSES.items()
        for name in size.optimizers
        for rank in size.ranks
    }
    why = controls(size)
    parts = judge(curves, size.ranks)
    verdict = verdict_of(parts.values())
    data = {
        "parts": parts,
        "curves": [
            {"loss": loss, "optimizer": name, "rank": rank, **found.as_data()}
            for (loss, name, rank), found in curves.items()
        ],
        "controls": {name: found.as_data() for name, found in why.items()},
        "learning coefficients": [
            coefficient(kind(), size.thermodynamic) for kind in list(LOSSES.values())[: size.coefficients]
        ],
        "run": passages(size.run),
    }
    return Finding(verdict, _numbers(curves, size.ranks, parts), _figure(curves, size.ranks), data)


def optimizer(name: str, model: LowRank, stretch: float) -> Optimizer:
    """A step is 0.03 of the time in which the largest mode relaxes, or with Adam 0.003 for each entry."""
    largest = float(model.modes()[1][0])
    rules: dict[str, Optimizer] = {
        DESCENT: Sgd(learning_rate=0.03 * stretch * model.rows * model.columns / largest),
        ADAM: Adam(learning_rate=0.003 * stretch),
        FASTER: Adam(learning_rate=0.03 * stretch),
        ADAMW: AdamW(learning_rate=0.003 * stretch, weight_decay=0.01),
    }
    return rules[name]


def curve(model: LowRank, name: str, size: Size) -> Curve:
    loss = np.asarray(descend(model, optimizer(name, model, size.stretch), size.seeds, size.steps), float)
    return Curve(loss, [shape(one) for one in loss])


def controls(size: Size) -> dict[str, Curve]:
    """What makes the plateau go: the target's rank, the factors' width, or the size of what they start from?"""
    n, high = size.matrix, size.ranks[-1]
    models = {
        f"rank 1, width {high}": LowRankFactorization(rows=n, columns=n, rank=1, hidden=high),
        f"rank {high}, start 0.001": LowRankFactorization(rows=n, columns=n, rank=high, init_scale=0.001),
        f"rank {high}, equal modes": LowRankFactorization(rows=n, columns=n, rank=high, decay=1e-3),
    }
    return {
        f"{what}, {name}": curve(model, name, size)
        for what, model in models.items()
        for name in (DESCENT, ADAM)
    }


def judge(curves: dict[tuple[str, str, int], Curve], ranks: tuple[int, ...]) -> dict[str, bool]:
    """Each part of the claim, for each loss."""
    low, high = ranks[0], ranks[-1]
    parts = {}
    for loss in LOSSES:
        parts[f"S at rank {low}, {loss}"] = curves[loss, DESCENT, low].mean("plateau") >= S
        parts[f"exponential-like at rank {high}, {loss}"] = (
            curves[loss, DESCENT, high].mean("plateau") <= EXPONENTIAL
        )
        parts[f"S at rank {high} with Adam, {loss}"] = curves[loss, ADAM, high].mean("plateau") >= S
        plain, adam = ([curves[loss, name, rank].mean("bumps") for rank in ranks] for name in (DESCENT, ADAM))
        alone = plain[0] + adam[0] == 0 and sum(plain[1:]) + sum(adam[1:]) > 0
        parts[f"bumps above rank {low} alone, {loss}"] = alone
        parts[f"more bumps with Adam, {loss}"] = sum(adam[1:]) > sum(plain[1:])
    return {name: bool(value) for name, value in parts.items()}


def coefficient(model: LowRank, estimator: Thermodynamic) -> dict[str, Any]:
    """lambda at the truth of the small model, by theory and by the thermodynamic path on the population loss."""
    truth = model.phases()[-1]
    points = jax.tree.map(lambda leaf: np.asarray(leaf)[None], truth.point)
    found = estimator(LLCProblem(model, points), jax.random.key(0))
    return {
        "model": type(model).__name__,
        "theory": truth.llc,
        "measured": finite(found.llc[0]),
        "error": finite(found.error[0]),
        "status": str(found.status[0]),
    }


def passages(overrides: tuple[str, ...]) -> list[dict[str, Any]]:
    """The preset's rank transitions: where the posterior makes them, how, and how many seeds of SGD do."""
    with tempfile.TemporaryDirectory() as store:
        summary = run(["experiment=s_curves", *overrides], store=store, progress=False).summary
    return [
        {
            "transition": " -> ".join(_pair(one)),
            "n": one["n"],
            "interval": [one["n_low"], one["n_high"]],
            "separation": one["separation"],
            "verdict": [v["verdict"] for v in summary["comparison"] if _pair(v) == _pair(one)],
        }
        for one in summary["bayesian"]
    ]


def _pair(one: dict[str, Any]) -> tuple[str, str]:
    return one["from"], one["to"]


def _numbers(
    curves: dict[tuple[str, str, int], Curve], ranks: tuple[int, ...], parts: dict[str, bool]
) -> str:
    """The plateaus at the lowest and the highest rank."""
    plateaus = [
        f"{loss}: {curves[loss, DESCENT, ranks[0]].mean('plateau'):.2f} at rank {ranks[0]}, "
        f"{curves[loss, DESCENT, ranks[-1]].mean('plateau'):.2f} at rank {ranks[-1]} "
        f"({curves[loss, ADAM, ranks[-1]].mean('plateau'):.2f} with Adam)"
        for loss in LOSSES
    ]
    return (
        f"{sum(parts.values())} of {len(parts)} parts hold; steps to 10 % over steps to 90 % of the fall "
        f"(exponential 0.046), " + "; ".join(plateaus)
    )


def _figure(curves: dict[tuple[str, str, int], Curve], ranks: tuple[int, ...]) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    figure.suptitle("How the loss falls, by rank and optimizer: a flat top is a plateau", fontweight="bold")
    axes = figure.subplots(len(LOSSES), 2, sharey=True)
    for row, loss in zip(axes, LOSSES, strict=True):
        for ax, name in zip(row, (DESCENT, ADAM), strict=True):
            for i, rank in enumerate(ranks):
                found = curves[loss, name, rank]
                for seed, values in enumerate(found.loss):
                    steps = np.arange(len(values)) / first(values, 0.1 * values[0])
                    label = f"rank {rank}" if seed == 0 else None
                    ax.plot(steps, values / values[0], color=f"C{i}", lw=1.2, label=label)
            time = np.linspace(0, 2, 100)
            ax.plot(time, 10**-time, color="0.6", ls=":", label="exponential")
            ax.set(xlim=(0, 2), ylim=(-0.03, 1.08), title=f"{name}, {loss}")
        row[0].set_ylabel("loss, share of the start")
    axes[0, 0].legend(frameon=False, fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel("steps, in units of those to 90 % of the fall")
    return figure
