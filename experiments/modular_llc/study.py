"""Does the learning coefficient tell a network that has found the rule of addition from one that knows it by heart?

Three kinds of networks, trained alike on 80 % of all pairs: "rule", with weight decay, which ends at test accuracy
95 % or more; "by heart", the same without decay, which does not; and "random table", with decay, on answers that
follow no rule, so that there is nothing but to learn them by heart. lambda-hat is measured on the training pairs
alone, at the one setting `ESTIMATOR`, at n beta = n / log n.

Verdict, for each of the two losses. *Apart*: at every p, lambda-hat of both memorising kinds is at least `FACTOR`
times that of "rule". *Linear*: the 95 % interval of the slope of log lambda-hat of "rule" over log p holds 1. The
claim holds if both are so for both losses, fails if neither is for any, and is mixed otherwise.
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

from experiments.finding import Finding
from experiments.modular import RULE, Trained, fit
from slt.llc.base import Question
from slt.llc.metropolis import Metropolis
from slt.models.base import as_model
from slt.models.modular_addition import ModularAddition
from slt.records import Array
from slt.report.style import figure, look

MODULES = ("experiments.modular", "slt.llc.metropolis")
CLAIM = (
    "Networks that know sums by heart and networks that found the rule differ vastly in lambda, which for the latter "
    "is linear in p, so that generalisation is visible without test data."
)
SOURCE = (
    'Panickssery and Vaintrob 2023, "Investigating the learning coefficient of modular addition", LessWrong'
)
FACTOR = 2.0
KINDS = ("rule", "by heart", "random table")
COLOURS = dict(zip(KINDS, ("#0072B2", "#D55E00", "#8f8f8f"), strict=True))
LOSSES = ("squared", "cross_entropy")
FRACTION = 0.8
ESTIMATOR = Metropolis(algorithm="hmc", chains=2, localisation=1.0, burn_in=250, draws=150)


@as_model
class RandomTable(ModularAddition):
    """The same networks, asked for a table of p^2 answers that was drawn once."""

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
            for row in measured(loss, p, KINDS, 48, 2, 2000, ESTIMATOR)
        ]
    verdict, numbers, slopes = judged(rows)
    data = {
        "fraction": FRACTION,
        "localisation": ESTIMATOR.localisation,
        "rows": rows,
        "slopes": slopes,
        "rank_of_solution": {p: rank_of_solution(p) for p in ((3,) if reduced else (3, 5, 7, 9))},
    }
    return Finding(verdict, numbers, picture(rows, slopes), data)


def rank_of_solution(p: int) -> int:
    """Rank of d f / d w over all pairs at the smallest network that makes every one-hot (`modular_solutions`). Half
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
            fit(model, n, decay=0.0 if kind == "by heart" else 1.0, seeds=seeds, steps=steps, checkpoints=40)
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
        by_seed.append(estimator(Question(model, points, data), jax.random.key(seed)))
    return Estimated(*(np.stack([getattr(one, name) for one in by_seed]) for name in Estimated._fields))


def judged(rows: list[dict[str, Any]]) -> tuple[str, str, dict[str, list[float] | None]]:
    """The verdict by the rule above, its numbers, and for each loss the slope with its 95 % interval."""
    good: list[bool] = []
    slopes: dict[str, list[float] | None] = {}
    words = []
    for loss in dict.fromkeys(row["loss"] for row in rows):
        own = [row for row in rows if row["loss"] == loss]
        ratios = {
            kind: [
                _mean(own, row["p"], kind) / _mean(own, row["p"], "rule")
                for row in own
                if row["kind"] == kind
            ]
            for kind in KINDS[1:]
        }
        slope = slopes[loss] = _slope([row for row in own if row["kind"] == "rule"])
        good.append(all(min(values, default=0.0) >= FACTOR for values in ratios.values()))
        good.append(slope is not None and slope[1] <= 1 <= slope[2])
        spans = ", ".join(
            f"{kind} / rule {min(values):.2f} to {max(values):.2f}"
            for kind, values in ratios.items()
            if values
        )
        power = "" if slope is None else f", rule ~ p^{slope[0]:.2f} ({slope[1]:.2f} to {slope[2]:.2f})"
        words.append(f"lambda-hat with {loss.replace('_', ' ')} loss: {spans}{power}")
    verdict = "holds" if all(good) else "mixed" if any(good) else "fails"
    return verdict, "; ".join(words), slopes


def _mean(rows: list[dict[str, Any]], p: int, kind: str) -> float:
    return float(
        np.mean([value for row in rows if (row["p"], row["kind"]) == (p, kind) for value in row["llc"]])
    )


def _slope(rows: list[dict[str, Any]]) -> list[float] | None:
    """Of log lambda-hat over log p, a point for each network, with its 95 % interval; None from fewer than 3 p."""
    x = np.log([row["p"] for row in rows for _ in row["llc"]])
    y = np.log([max(value, 1e-6) for row in rows for value in row["llc"]])
    if len(np.unique(x)) < 3:
        return None
    line = scipy.stats.linregress(x, y)
    reach = scipy.stats.t.ppf(0.975, len(x) - 2) * line.stderr
    return [float(line.slope), float(line.slope - reach), float(line.slope + reach)]


def picture(rows: list[dict[str, Any]], slopes: dict[str, list[float] | None]) -> Figure:
    losses = list(slopes)
    with look():
        fig = figure(4.0, 5.2 * len(losses))
        fig.suptitle("lambda-hat on the training pairs: by heart against the rule")
        for ax, loss in zip(np.atleast_1d(fig.subplots(1, len(losses))), losses, strict=True):
            for kind in KINDS:
                own = [row for row in rows if (row["loss"], row["kind"]) == (loss, kind)]
                x = [row["p"] for row in own for _ in row["llc"]]
                y = [value for row in own for value in row["llc"]]
                error = [1.96 * value for row in own for value in row["error"]]
                ax.errorbar(x, y, error, fmt="o", color=COLOURS[kind], capsize=2, label=kind)
                ax.plot(
                    [row["p"] for row in own],
                    [np.mean(row["llc"]) for row in own],
                    color=COLOURS[kind],
                    linewidth=1,
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
            slope = slopes[loss]
            power = "" if slope is None else f": rule ~ p^{slope[0]:.2f} ({slope[1]:.2f} to {slope[2]:.2f})"
            ax.set_title(f"{loss.replace('_', ' ')} loss{power}")
            ax.legend()
    return fig


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]
