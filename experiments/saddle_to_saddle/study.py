"""Does training from small weights go from saddle to saddle in order of rank, and does lambda rise with it?

The preset's network has three layers of width 3 and a teacher of two modes (3 and 1.5). The parts of the claim, and
when each holds:

* order: 90 % of SGD's seeds pass through rank 0, rank 1, rank 2, and through nothing else.
* plateaus: where the gradient is smallest within rank 0 and rank 1, the median seed's loss is within 2 % of the
  saddle's, in units of the loss at the start.
* theory rises: lambda of a teacher cut to the modes that have been learned (Aoyagi 2024), measured at each saddle by
  the thermodynamic path, rises by more than two standard errors from rank to rank, and is within three of theory.
* estimate rises: so does the median lambda-hat of the actual loss at SGD's checkpoints in each rank, and at most
  half of the checkpoints are flagged.
* shared: the posterior makes both transitions as n grows, and both verdicts are "both".
* posterior jumps: where it makes them, on the population ladder, fewer than a third of the draws have between a third
  and two thirds of the mode in question (`ladders.middle_share`).
* ridge: on a path of critical points of equal rank (`ridge`), longer than 0.9, loss and gradient stay within 1e-9,
  and half of the Hessian's eigenvalues or more are zero.

It holds if all do, fails if none does, and is mixed otherwise. A saddle has no learning coefficient of its own:
descent leaves it. What can be measured there is what the free energy formula means by "rank k": lambda of a truth of
rank k, at the same weights.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.ladders import JUMP, middle_share
from experiments.saddle_to_saddle.ridge import Ridge, walk
from experiments.statistics import finite
from slt.llc.problem import LLCProblem
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.models.deep_linear import DeepLinear, learning_coefficient
from slt.pipeline.execute import run
from slt.pipeline.outputs import outputs
from slt.records.base import OK, flag_names
from slt.storage.runs import Run

CLAIM = (
    "From small weights a deep linear network visits saddles of rank 0, 1, 2 in order, each a degenerate ridge of "
    "critical points of equal rank; lambda rises at every step; and the posterior makes the same jumps as n grows."
)
SOURCE = (
    "Saxe, McClelland and Ganguli 2014, arXiv:1312.6120; Jacot et al. 2021, arXiv:2106.15933; that lambda-hat rises "
    "in steps: a common claim without a source"
)

SEEDS, NEAR, FLAGGED, FLAT = 0.9, 0.02, 0.5, 1e-9


class Size(NamedTuple):
    """How much to do."""

    overrides: tuple[str, ...]
    thermodynamic: Thermodynamic
    stations: int


FULL = Size((), Thermodynamic(localization=100.0, decades=12.0), 40)  # at m = 3 eight show too little
REDUCED = Size(
    (
        "training.seeds=2",
        "training.steps=500",
        "training.checkpoints=12",
        "llc.checkpoints=2",
        "llc.estimator.chains=2",
        "llc.estimator.draws=20",
        "llc.estimator.burn_in=20",
        "llc.estimator.localization=100",
        "posterior.sample_sizes=[10,100]",
        "posterior.sampler.particles=32",
        "posterior.sampler.repeats=2",
        "data.datasets=1",
    ),
    Thermodynamic(localization=100.0, particles=32, repeats=4, decades=2.0, max_temperatures=20),
    4,
)


class Descent(NamedTuple):
    """SGD's seeds: steps, loss and label (seed, checkpoint), and size of the gradient of the population loss."""

    steps: np.ndarray
    loss: np.ndarray
    label: np.ndarray
    slope: np.ndarray


def study(reduced: bool = False) -> Finding:
    size = REDUCED if reduced else FULL
    model = DeepLinear(prior_scale=0.25)
    with tempfile.TemporaryDirectory() as store:
        done = run(["experiment=saddle_to_saddle", *size.overrides], store=store, progress=False)
        seen, estimates, posterior = descent(model, done), along(done), passages(model, done)
    saddles = [at_saddle(model, k, size.thermodynamic) for k in range(len(model.phases()))]
    ridges = [walk(model, k, size.stations) for k in range(len(model.phases()) - 1)]
    data: dict[str, Any] = {
        "order": orders(seen),
        "plateaus": plateaus(model, seen),
        "theory": saddles,
        "estimates": estimates,
        "posterior": posterior,
        "ridges": [as_data(ridge) for ridge in ridges],
    }
    parts = judge(data)
    data["parts"] = parts
    verdict = verdict_of(parts.values())
    return Finding(verdict, _numbers(data), _figure(model, seen, data), data)


def descent(model: DeepLinear, run: Run) -> Descent:
    trajectory, labels = outputs(run).get("training"), outputs(run).get("phases").path
    params = {name: jnp.asarray(leaf, float) for name, leaf in trajectory.params.items()}
    slope = jax.jit(jax.vmap(jax.vmap(jax.grad(model.population_loss))))(params)
    squares = np.sum([np.sum(np.asarray(leaf) ** 2, axis=(2, 3)) for leaf in slope.values()], axis=0)
    return Descent(trajectory.steps, trajectory.population_loss, labels.label, np.sqrt(squares))


def orders(seen: Descent) -> dict[str, int]:
    """How many seeds pass through which sequence of labels."""
    paths = ["-".join(str(k) for k, _ in itertools.groupby(one)) for one in seen.label.tolist()]
    return {path: paths.count(path) for path in sorted(set(paths))}


def plateaus(model: DeepLinear, seen: Descent) -> list[dict[str, Any]]:
    """For each saddle, how near to its loss seeds come where their gradient is smallest there."""
    found = []
    for k, phase in enumerate(model.phases()[:-1]):
        slope = np.where(seen.label == k, seen.slope, np.inf)
        there = np.isfinite(slope).any(axis=1)
        at = np.argmin(slope, axis=1)[there]
        away = np.abs(seen.loss[there, at] - phase.loss) / model.phases()[0].loss
        found.append(
            {"rank": k, "seeds": int(there.sum()), "away": float(np.median(away)) if there.any() else None}
        )
    return found


def at_saddle(model: DeepLinear, k: int, estimator: Thermodynamic) -> dict[str, Any]:
    """lambda of the truth that is the teacher cut to its k largest modes, at the saddle of rank k."""
    cut = dataclasses.replace(model, singular_values=model.singular_values[:k])
    points = jax.tree.map(lambda leaf: np.asarray(leaf)[None], cut.phases()[-1].point)
    found = estimator(LLCProblem(cut, points), jax.random.key(k))
    return {
        "rank": k,
        "theory": learning_coefficient(model.widths, k)[0],
        "measured": finite(found.llc[0]),
        "error": finite(found.error[0]),
        "status": str(found.status[0]),
    }


def along(run: Run) -> list[dict[str, Any]]:
    """lambda-hat of the seed's own loss at each checkpoint where it was measured."""
    path, labels = outputs(run).get("llc").path, outputs(run).get("phases").path
    rows = []
    for i, seed in enumerate(path.seed.tolist()):
        for j, step in enumerate(path.steps.tolist()):
            rows.append(
                {
                    "seed": seed,
                    "step": step,
                    "rank": int(labels.label[seed, np.searchsorted(labels.steps, step)]),
                    "llc": finite(path.llc[i, j]),
                    "error": finite(path.error[i, j]),
                    "flags": list(flag_names(str(path.status[i, j]))),
                }
            )
    return rows


def passages(model: DeepLinear, run: Run) -> list[dict[str, Any]]:
    """The posterior's passages from rank to rank, how it makes them, and what SGD does about each."""
    ladder = outputs(run).get("population")
    judged = {(one["from"], one["to"]): one["verdict"] for one in run.summary["comparison"]}
    found = []
    for one in run.summary["bayesian"]:
        k = int(one["from"].removeprefix("rank "))
        without_noise = [p["n"] for p in one["predictions"] if p["approximation"] == "population" and p["n"]]
        found.append(
            {
                **{name: one[name] for name in ("from", "to", "n", "n_low", "n_high", "separation")},
                "verdict": judged.get((one["from"], one["to"])),
                "population": without_noise[0] if without_noise else None,
                "middle": middle_share(model, ladder, k, without_noise[0]) if without_noise else None,
            }
        )
    return found


def as_data(ridge: Ridge) -> dict[str, Any]:
    """A ridge as JSON: extremes over its stations."""
    stations = ridge.stations
    return {
        "rank": ridge.rank,
        "length": ridge.length,
        "excess": max(abs(one.excess) for one in stations),
        "slope": max(one.slope for one in stations),
        "zero": [min(one.zero for one in stations), max(one.zero for one in stations)],
        "dimension": sum(stations[0][2:5]),
        "first": stations[0]._asdict(),
        "last": stations[-1]._asdict(),
    }


def judge(data: dict[str, Any]) -> dict[str, bool]:
    """The rules of the module's docstring."""
    ranks = len(data["theory"])
    whole = "-".join(map(str, range(ranks)))
    levels = [[row for row in data["estimates"] if row["rank"] == k] for k in range(ranks)]
    medians = [
        np.median([row["llc"] for row in rows if row["llc"] is not None] or [np.nan]) for rows in levels
    ]
    flagged = np.mean([bool(row["flags"]) for row in data["estimates"]])
    passed = {(one["from"], one["to"]): one for one in data["posterior"]}
    steps = [(f"rank {k}", f"rank {k + 1}") for k in range(ranks - 1)]
    return {
        "order": data["order"].get(whole, 0) >= SEEDS * sum(data["order"].values()),
        "plateaus": all(one["away"] is not None and one["away"] <= NEAR for one in data["plateaus"]),
        "theory rises": _theory_rises(data["theory"]),
        "estimate rises": bool(np.all(np.diff(medians) > 0) and flagged <= FLAGGED),
        "shared": all(step in passed and passed[step]["verdict"] == "both" for step in steps),
        "posterior jumps": all(
            step in passed and passed[step]["middle"] is not None and passed[step]["middle"]["share"] < JUMP
            for step in steps
        ),
        "ridge": all(
            one["length"] > 0.9
            and max(one["excess"], one["slope"]) <= FLAT
            and one["zero"][0] >= one["dimension"] / 2
            for one in data["ridges"]
        ),
    }


def _theory_rises(saddles: list[dict[str, Any]]) -> bool:
    if any(one["measured"] is None or one["status"] != OK for one in saddles):
        return False
    right = all(abs(one["measured"] - one["theory"]) <= 3 * one["error"] for one in saddles)
    return right and all(
        b["measured"] - a["measured"] > 2 * np.hypot(a["error"], b["error"])
        for a, b in itertools.pairwise(saddles)
    )


def _numbers(data: dict[str, Any]) -> str:
    seeds = sum(data["order"].values())
    whole = "-".join(map(str, range(len(data["theory"]))))
    coefficients = ", ".join(
        "none" if one["measured"] is None else f"{one['measured']:.2f} ± {one['error'] or 0:.2f}"
        for one in data["theory"]
    )
    middles = ", ".join(
        f"{one['from']} -> {one['to']} {one['middle']['share']:.2f} ± {one['middle']['error']:.2f}"
        for one in data["posterior"]
        if one["middle"] is not None
    )
    flagged = sum(bool(row["flags"]) for row in data["estimates"])
    return (
        f"{data['order'].get(whole, 0)} of {seeds} seeds pass the saddles in order; lambda at rank 0, 1, 2: "
        f"{coefficients} (theory {', '.join(str(one['theory']) for one in data['theory'])}); "
        f"lambda-hat of the actual loss is flagged at {flagged} of {len(data['estimates'])} checkpoints; "
        f"share of the posterior in the middle of a mode at its crossings: {middles or 'not seen'}; "
        f"parts that fail: {', '.join(name for name, good in data['parts'].items() if not good) or 'none'}"
    )


def _figure(model: DeepLinear, seen: Descent, data: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    figure.suptitle("SGD rests at the saddles of rank 0 and 1; lambda of each rank rises", fontweight="bold")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for k, phase in enumerate(model.phases()):
        left.axhline(phase.loss, color=f"C{k}", lw=6, alpha=0.25)
        left.text(1, phase.loss + 0.1, f"saddle of rank {k}" if phase.llc is None else "truth", color=f"C{k}")
    for loss in seen.loss:
        left.plot(1 + seen.steps, loss, color="0.3", lw=0.6)
    left.set(xscale="log", xlabel="step + 1", ylabel="population loss, nats per observation")
    for one in data["theory"]:
        k, label = one["rank"], one["rank"] == 0
        right.plot(
            [k - 0.3, k + 0.3], [one["theory"]] * 2, color="0.6", lw=3, label="theory" if label else None
        )
        if one["measured"] is not None:
            right.errorbar(
                k,
                one["measured"],
                1.96 * (one["error"] or 0),
                fmt="o",
                color=f"C{k}",
                capsize=4,
                label="measured, 95 %" if label else None,
            )
    right.set(
        xticks=range(len(data["theory"])), xlabel="rank learned", ylabel="lambda of a truth of that rank"
    )
    right.legend(frameon=False, loc="lower right")
    return figure
