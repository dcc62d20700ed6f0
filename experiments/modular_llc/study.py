"""Does the learning coefficient tell a network that has found the rule of addition from one that memorized its pairs?

Three kinds of networks, trained alike on 70 % of all pairs: "rule", with weight decay, which ends at test accuracy
95 % or more; "memorized", the same without decay, which does not; and "random table", with decay, on answers that
follow no rule, so that they can only be memorized. lambda-hat is measured on the training pairs
alone, at the one setting `ESTIMATOR`, at n beta = n / log n.

Networks that are not what their kind says are left out. Verdict, for each of the two losses. *Apart*: at every p,
lambda-hat of both memorizing kinds is at least `FACTOR` times that of "rule". *Linear*: the 95 % interval of the
slope of log lambda-hat of "rule" over log p holds 1. The claim holds if both are so for both losses, fails if
neither is for any, and is mixed otherwise.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.stats
from jax.flatten_util import ravel_pytree
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.modular import RULE, Trained, fit
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.problem import LLCProblem
from slt.models.base import as_model
from slt.models.modular_addition import ModularAddition
from slt.records.base import Array
from slt.report.style import figure, look

CLAIM = (
    "Networks that memorized sums and networks that found the rule differ vastly in lambda, which for the latter "
    "is linear in p, so that generalization is visible without test data."
)
SOURCE = (
    'Panickssery and Vaintrob 2023, "Investigating the learning coefficient of modular addition", LessWrong'
)
FACTOR = 2.0
KINDS = ("rule", "memorized", "random table")
COLORS = dict(zip(KINDS, ("#0072B2", "#D55E00", "#8f8f8f"), strict=True))
LOSSES = ("squared", "cross_entropy")
FRACTION = 0.7
ESTIMATOR = Metropolis(algorithm="hmc", chains=2, localization=1.0, burn_in=300, draws=200)


@as_model
class RandomTable(ModularAddition):
    """The same networks, trained on a table of p^2 answers that was drawn once."""

    def answers(self) -> np.ndarray:
        return np.eye(self.p)[np.random.default_rng(0).integers(self.p, size=self.p**2)]


def study(reduced: bool = False) -> Finding:
    if reduced:
        brief = dataclasses.replace(ESTIMATOR, burn_in=16, draws=16)
        rows = measured("squared", 5, KINDS[:2], 13, 1, 50, brief)
    else:
        rows = [
            row
            for loss, p in itertools.product(LOSSES, (11, 13, 17))
            for row in measured(loss, p, KINDS, 48, 2, 3000, ESTIMATOR)
        ]
    verdict, numbers, slopes = judged(rows)
    data = {
        "fraction": FRACTION,
        "localization": ESTIMATOR.localization,
        "rows": rows,
        "slopes": slopes,
        "rank_of_solution": {p: rank_of_solution(p) for p in ((3,) if reduced else (3, 5, 7, 9))},
    }
    return Finding(verdict, numbers, picture(rows, slopes), data)


def rank_of_solution(p: int) -> int:
    """Rank of d f / d w over all pairs at the smallest network that makes every one-hot (`solutions`). Half
    of it bounds lambda from below there, for the squared loss on all pairs and in any wider network."""
    model = ModularAddition(p=p, hidden=3 * p - 2)
    flat, unflatten = ravel_pytree(jax.tree.map(np.asarray, model.phases()[-1].point))
    jacobian = jax.jit(jax.jacfwd(lambda v: model.table(unflatten(v)).ravel()))(flat)
    return int(np.linalg.matrix_rank(np.asarray(jacobian), rtol=1e-9))


def measured(
    loss: str, p: int, kinds: tuple[str, ...], hidden: int, seeds: int, steps: int, estimator: Metropolis
) -> list[dict[str, Any]]:
    """Networks of each kind, trained, and lambda-hat of each at its end. Those that add share their data sets."""
    rows = []
    for build, members in ((ModularAddition, kinds[:2]), (RandomTable, kinds[2:])):
        if not members:
            continue
        model = build(p=p, hidden=hidden, loss=loss, noise=0.1, replacement=False)
        n = round(FRACTION * p**2)
        runs = [
            fit(model, n, decay=0.0 if kind == "memorized" else 1.0, seeds=seeds, steps=steps, checkpoints=40)
            for kind in members
        ]
        found = _estimates(model, runs, estimator)
        for i, (kind, run) in enumerate(zip(members, runs, strict=True)):
            test = run.test[:, -1]
            rows.append(
                {
                    "loss": loss,
                    "p": p,
                    "kind": kind,
                    "n": n,
                    "hidden": hidden,
                    "llc": _rounded(found.llc[:, i]),
                    "error": _rounded(found.error[:, i]),
                    "status": found.status[:, i].tolist(),
                    "train_loss": [float(f"{value:.4g}") for value in run.trajectory.loss[:, -1]],
                    "train": _rounded(run.train[:, -1]),
                    "test": _rounded(test),
                    "is_as_named": ((test >= RULE) == (kind == "rule")).tolist(),
                }
            )
    return rows


class Estimated(NamedTuple):
    """(seed, kind) each."""

    llc: Array
    error: Array
    status: Array


def _estimates(model: ModularAddition, runs: list[Trained], estimator: Metropolis) -> Estimated:
    """lambda-hat at the end of every run, each on its seed's own data, which the runs share."""
    by_seed = []
    for seed in range(len(runs[0].train)):
        points = {
            name: np.stack([run.trajectory.params[name][seed, -1] for run in runs])
            for name in runs[0].trajectory.params
        }
        data = jax.tree.map(lambda leaf, seed=seed: leaf[seed], runs[0].data)
        by_seed.append(estimator(LLCProblem(model, points, data), jax.random.key(seed)))
    return Estimated(*(np.stack([getattr(one, name) for one in by_seed]) for name in Estimated._fields))


def judged(rows: list[dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """The verdict by the rule above, its numbers, and for each loss and kind the slope with its 95 % interval."""
    good: list[bool] = []
    slopes: dict[str, Any] = {}
    words = []
    for loss in dict.fromkeys(row["loss"] for row in rows):
        own = {
            kind: _points([row for row in rows if (row["loss"], row["kind"]) == (loss, kind)])
            for kind in KINDS
        }
        ratios = {kind: _ratios(own[kind], own["rule"]) for kind in KINDS[1:]}
        slopes[loss] = {kind: _slope(points) for kind, points in own.items()}
        rule = slopes[loss]["rule"]
        good.append(all(min(values, default=0.0) >= FACTOR for values in ratios.values()))
        good.append(rule is not None and rule[1] <= 1 <= rule[2])
        spans = [f"{kind} / rule {min(v):.2f} to {max(v):.2f}" for kind, v in ratios.items() if v]
        powers = [
            f"{kind} ~ p^{v[0]:.2f} ({v[1]:.2f} to {v[2]:.2f})" for kind, v in slopes[loss].items() if v
        ]
        words.append(f"{loss.replace('_', ' ')}: {', '.join(spans + powers)}")
    verdict = verdict_of(good)
    named = [one for row in rows for one in row["is_as_named"]]
    return (
        verdict,
        f"lambda-hat of {sum(named)} of {len(named)} networks with {'; with '.join(words)}",
        slopes,
    )


def _points(rows: list[dict[str, Any]]) -> Array:
    """(network, 2) p and lambda-hat of those that are what they are called."""
    return np.array(
        [
            (row["p"], value)
            for row in rows
            for value, named in zip(row["llc"], row["is_as_named"], strict=True)
            if named
        ]
    ).reshape(-1, 2)


def _ratios(points: Array, rule: Array) -> list[float]:
    """Mean lambda-hat over that of the rule, at every p that both have."""
    return [
        float(points[points[:, 0] == p, 1].mean() / rule[rule[:, 0] == p, 1].mean())
        for p in np.intersect1d(points[:, 0], rule[:, 0])
    ]


def _slope(points: Array) -> list[float] | None:
    """Of log lambda-hat over log p, with its 95 % interval; None from fewer than three p."""
    if len(np.unique(points[:, 0])) < 3:
        return None
    line = scipy.stats.linregress(np.log(points[:, 0]), np.log(np.maximum(points[:, 1], 1e-6)))
    reach = scipy.stats.t.ppf(0.975, len(points) - 2) * line.stderr
    return [float(line.slope), float(line.slope - reach), float(line.slope + reach)]


def picture(rows: list[dict[str, Any]], slopes: dict[str, Any]) -> Figure:
    losses = list(slopes)
    with look():
        fig = figure(4.0, 5.2 * len(losses))
        fig.suptitle("lambda-hat on the training pairs: the rule against two kinds of memory")
        for ax, loss in zip(np.atleast_1d(fig.subplots(1, len(losses))), losses, strict=True):
            for kind in KINDS:
                own = [row for row in rows if (row["loss"], row["kind"]) == (loss, kind)]
                points = _points(own)
                error = [
                    1.96 * value
                    for row in own
                    for value, named in zip(row["error"], row["is_as_named"], strict=True)
                    if named
                ]
                slope = slopes[loss][kind]
                power = "" if slope is None else f" ~ p^{slope[0]:.2f} ({slope[1]:.2f} to {slope[2]:.2f})"
                ax.errorbar(
                    *points.T, error, fmt="o", color=COLORS[kind], capsize=2, alpha=0.8, label=kind + power
                )
            ps = sorted({row["p"] for row in rows})
            if loss == "squared":
                residuals = [round(FRACTION * p**2) * p / 2 for p in ps]
                ax.plot(ps, residuals, ":", color="#222222", label="n p / 2: all outputs on all pairs")
                ax.plot(
                    ps,
                    [1.5 * p * rows[0]["hidden"] for p in ps],
                    "--",
                    color="#222222",
                    linewidth=1,
                    label="d / 2: all parameters",
                )
            ax.set(xlabel="p", ylabel="lambda-hat at n beta = n / log n", xticks=ps)
            ax.set_ylim(bottom=0)
            ax.set_title(f"{loss.replace('_', ' ')} loss")
            ax.legend()
    return fig


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]
