"""Do many sudden jumps, one for each task, add up to a smooth curve? And does Bayes go by frequency too?

Rules of the verdict. Three parts, each over the seeds of Adam: (1) jumps: one sigmoid in log step explains 95 % or
more of a task's curve (median over tasks and seeds); (2) times: the slope of log time against log 1 / frequency lies
within 0.2 of 1 (time ~ 1 / p), or its 95 % interval over seeds holds 1; (3) smooth: between the times at which the
second and the last but one task are learned, a power law explains 95 % or more of the log of the total loss (median
over seeds). The claim holds with all three, fails with none, and is mixed otherwise.

Losses are in units of that at output 0, where nothing is known, and capped there: the fall from a random start to
output 0 is no task's.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.finding import Finding, verdict_of
from experiments.ladders import ladder_on_data, sampler_facts
from experiments.sparse_parity import picture
from experiments.statistics import all_finite, upward_crossing
from slt.models.base import Params
from slt.models.common.boolean_functions import is_learned
from slt.models.sparse_parity import SparseParity
from slt.phases import classification
from slt.posterior.data_tempering import DataTempering
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive
from slt.training.optimizers import Adam, Optimizer, Sgd
from slt.training.trainer import Trainer
from slt.transitions import sigmoids

KEY = jax.random.key(0)
CLAIM = (
    "each task is learned in one jump, after a time that goes as 1 / its frequency, and the sum of the jumps is a "
    "smooth power law"
)
SOURCE = "Michaud, Liu, Girit and Tegmark 2023, arXiv:2303.13506"

HALF = 0.5  # of a task's loss at output 0: the task is learned
OPTIMIZERS: dict[str, Optimizer] = {"Adam": Adam(learning_rate=0.003), "SGD": Sgd(learning_rate=0.1)}
TAKEN_APART = 3  # seeds whose curves are decomposed


def study(reduced: bool = False) -> Finding:
    """SGD on many tasks, the posterior on three; `reduced` is the same with little of everything."""
    if reduced:
        many = SparseParity(tasks=3, bits=3, hidden=24)
        runs = {name: _descend(many, one, seeds=2, steps=2000) for name, one in OPTIMIZERS.items()}
        few = SparseParity()
        ladder = ladder_on_data(
            few, (20, 80, 400), DataTempering(particles=16, repeats=1, max_rounds=1), count=2, key=KEY
        )
    else:
        many = SparseParity(tasks=10, bits=6, hidden=64)
        runs = {name: _descend(many, one, seeds=16, steps=20_000) for name, one in OPTIMIZERS.items()}
        few = SparseParity()
        sample_sizes = (10, 20, 30, 40, 60, 80, 110, 150, 200, 260, 340, 450, 600, 800)
        ladder = ladder_on_data(
            few, sample_sizes, DataTempering(particles=128, repeats=2, max_rounds=4), count=8, key=KEY
        )
    along = {name: _along(many, run, 1 if reduced else TAKEN_APART) for name, run in runs.items()}
    bayes = _posterior(few, ladder)
    data = {
        "frequencies": many.frequencies.tolist(),
        **{name: found["data"] for name, found in along.items()},
        "Bayes": bayes["data"],
    }
    verdict, numbers = _judge(data)
    figure: Figure = picture.draw(many, along["Adam"], few, bayes)
    return Finding(verdict, numbers, figure, all_finite(data))


# -- SGD -------------------------------------------------------------------------------------------
def _descend(model: SparseParity, optimizer: Optimizer, *, seeds: int, steps: int) -> Trajectory:
    trainer = Trainer(seeds=seeds, steps=steps, batch_size=32, n=None, checkpoints=120, optimizer=optimizer)
    return drive(trainer.stage(model, None), KEY)


def _along(model: SparseParity, run: Trajectory, apart: int) -> dict[str, Any]:
    """When each task is learned, and how curves are made of sigmoids."""
    losses = np.stack([run.observables[f"loss {i + 1}"] for i in range(model.tasks)], axis=1)
    steps = run.steps.astype(float)
    losses = np.minimum(losses, 1.0)  # falls from a random start to output 0 belong to no task
    total = np.einsum("sit,i->st", losses, model.frequencies)
    times = np.array([[_fall(steps, curve) for curve in seed] for seed in losses])  # (seed, task)
    slopes = np.array([_slope(model, row) for row in times])
    whole = [sigmoids.decompose(run.steps, curve) for curve in total[:apart]]
    tasks = [sigmoids.decompose(run.steps, curve) for seed in losses[:apart] for curve in seed]
    mean = sigmoids.decompose(run.steps, total.mean(axis=0))
    power = np.array([_power(steps, curve, row) for curve, row in zip(total, times, strict=True)])
    predicted = np.array([_power(steps, _steps_of(model, steps, row), row) for row in times])
    data = {
        "median step by task": np.median(times, axis=0).tolist(),
        "learned": np.isfinite(times).mean(axis=0).tolist(),
        "time against 1 / frequency, exponent": _mean(slopes),
        "learned in order of frequency, share of neighbors": float(np.mean(times[:, 1:] > times[:, :-1])),
        "one sigmoid of a task, median R2": float(np.median([one.r2[1] for one in tasks])),
        "width of a task's fall, nats of step, median": _median_width(tasks),
        "width of the total's fall in one sigmoid": _one_width(run.steps, total.mean(axis=0)),
        "sigmoids in the total, single seeds": [one.k for one in whole],
        "sigmoids in the total, mean over seeds": mean.k,
        "power law of the total: exponent": _mean(power[:, 0]),
        "power law of the total: median R2 of log loss": _median(power[:, 1]),
        "exponent if every task fell at once at its time": _mean(predicted[:, 0]),
        "R2 if every task fell at once at its time": _median(predicted[:, 1]),
        "exponent expected of infinitely many tasks": -model.alpha / (model.alpha + 1),
        "diverged": int(np.sum(run.status != "ok")),
    }
    return {"steps": steps, "losses": losses, "total": total, "times": times, "data": data}


def _fall(steps: np.ndarray, curve: np.ndarray) -> float:
    """The step at which a curve first falls below half, linear in log step; inf where it never does."""
    below = np.flatnonzero(curve < HALF)
    if not len(below) or below[0] == 0:
        return float("inf") if not len(below) else 0.0
    i = below[0]
    part = (curve[i - 1] - HALF) / (curve[i - 1] - curve[i])
    x = np.log1p(steps[i - 1 : i + 1])
    return float(np.expm1(x[0] + part * (x[1] - x[0])))


def _slope(model: SparseParity, times: np.ndarray) -> float:
    """Of log time against log 1 / p; NaN where a task was not learned."""
    if not np.isfinite(times).all():
        return float("nan")
    return float(np.polyfit(-np.log(model.frequencies), np.log(times), 1)[0])


def _power(steps: np.ndarray, total: np.ndarray, times: np.ndarray) -> tuple[float, float]:
    """Exponent and R2 of a power law between the second and the last but one task; NaN where it cannot be fitted."""
    ordered = np.sort(times)
    inside = (steps >= ordered[1]) & (steps <= ordered[-2]) & (total > 0)
    if inside.sum() < 4:
        return float("nan"), float("nan")
    x, y = np.log(steps[inside]), np.log(total[inside])
    fit = np.polyfit(x, y, 1)
    return float(fit[0]), float(1 - np.var(y - np.polyval(fit, x)) / np.var(y))


def _steps_of(model: SparseParity, steps: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(checkpoint,) total loss if task i fell from 1 to 0 at once at times[i]."""
    return (steps[:, None] < times) @ model.frequencies


def _median_width(parts: list[Any]) -> float:
    """Of the highest sigmoid of each curve, 10 to 90 %."""
    return float(np.median([one.widths[int(np.argmax(one.heights))] for one in parts if one.k]))


def _one_width(steps: np.ndarray, curve: np.ndarray) -> float:
    """Nats of step from 90 to 10 % of a curve's fall."""
    share = (curve - curve.min()) / np.ptp(curve)
    x = np.log1p(steps)
    return float(x[np.argmax(share < 0.1)] - x[np.argmax(share < 0.9)])


# -- Bayes -----------------------------------------------------------------------------------------
def _posterior(model: SparseParity, ladder: Ladder) -> dict[str, Any]:
    """At which n each task is learned."""
    knows, _ = classification.at_points(_learned, model, ladder.draws, axes=4)
    by_repeat = np.stack([knows[f"{i}"].mean(axis=3) for i in range(model.tasks)], axis=-1)
    share = by_repeat.mean(axis=2)  # (dataset, n, task)
    n = np.array(
        [[upward_crossing(ladder.sample_sizes, of[:, i]) for i in range(model.tasks)] for of in share]
    )
    data = {
        "frequencies": model.frequencies.tolist(),
        "n by data set": n.tolist(),
        "n, median": np.median(n, axis=0).tolist(),
        "n x frequency, median": (np.median(n, axis=0) * model.frequencies).tolist(),
        "n against 1 / frequency, exponent": _mean(np.array([_slope(model, row) for row in n])),
        "in order of frequency": float(np.mean((np.diff(n, axis=1) > 0).all(axis=1))),
        "scatter of shares between repeats": float(by_repeat.std(axis=2).mean()),
        **sampler_facts(ladder),
        "share that knows each task": share.mean(axis=0).tolist(),
    }
    return {"sample_sizes": ladder.sample_sizes, "share": share, "data": data}


def _learned(model: Any, w: Params) -> dict[str, jax.Array]:
    known = is_learned(model.correlations(w))
    return {f"{i}": known[i] for i in range(model.tasks)}


# -- what follows ----------------------------------------------------------------------------------
def _judge(data: dict[str, Any]) -> tuple[str, str]:
    """The verdict by the module's rule, and its numbers on one line."""
    adam, bayes = data["Adam"], data["Bayes"]
    exponent, error = adam["time against 1 / frequency, exponent"]
    one, smooth = (
        adam["one sigmoid of a task, median R2"],
        adam["power law of the total: median R2 of log loss"],
    )
    parts = (one >= 0.95, abs(exponent - 1) <= max(0.2, 1.96 * error), smooth >= 0.95)
    verdict = verdict_of(parts)
    slope = adam["power law of the total: exponent"]
    by_n = bayes["n against 1 / frequency, exponent"]
    sgd = data["SGD"]["time against 1 / frequency, exponent"]
    return verdict, (
        f"one sigmoid explains {100 * one:.1f} % of a task's curve; time ~ p^-x with x = {exponent:.2f} ± "
        f"{error:.2f} (Adam), {sgd[0]:.2f} ± {sgd[1]:.2f} (SGD), {by_n[0]:.2f} ± {by_n[1]:.2f} (Bayes, in n); a "
        f"power law explains {100 * smooth:.1f} % of the log of the total, exponent {slope[0]:.2f} ± {slope[1]:.2f} "
        f"({adam['exponent expected of infinitely many tasks']:.2f} for infinitely many tasks)"
    )


def _median(values: np.ndarray) -> float:
    """Of the finite values; NaN where there are none."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Mean of the finite values and its standard error; NaN where there are too few."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else float("nan")), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
