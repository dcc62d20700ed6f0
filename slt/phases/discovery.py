"""Phases of a model that names none: clusters of what its parameters do, in the posterior and along SGD.

A point is described by invariants: the logarithm of its loss and the model's observables, each less its median over
its median absolute deviation, its tails compressed (arcsinh). A sample of both learners' points is clustered by
density (HDBSCAN: Campello, Moulavi and Sander 2013), all together, so that a phase that both visit is one phase. In
the sample every posterior counts equally, its draws in proportion to their weights, and SGD has a quarter of it: the
half of each seed's checkpoints at which the loss moves least in log step, since the path between phases is no phase.

`clustering` decides which clusters are one phase, and how far each reaches: points further away are "other".

Losses are distinguished to 1/n of the ladder's largest n, as no posterior does better: nearly 0 counts as 0.

What this cannot see: phases that differ in no invariant (mirror images, members of a family); near ones of which the
posterior passes from all of one to all of the other between two sample sizes; and where SGD stays for less than
about a fifth of its time, if the posterior is never there. On a ladder whose n grows tenfold from sample size to
sample size one phase may look like two, since a posterior in many dimensions then comes down in large steps.
"""

from __future__ import annotations

import string
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from slt.models.base import Model
from slt.models.common.sequence_base import SequenceModel
from slt.phases import clustering
from slt.phases.classification import at_points
from slt.records.base import Array
from slt.records.phases import PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory

DRAWS, CHECKPOINTS = 3000, 1000  # in the sample, about
SOURCE = "found by clustering; no theory"
_MAD = 1.4826  # standard deviation of a Gaussian in median absolute deviations
_LOW = 0.01  # quantile of losses in a phase that stands for its lowest


class Discovered(NamedTuple):
    """Phases that were found, and what is in them.

    Attributes:
      facts: of phases "A", "B", ... by decreasing loss; their theory is unknown.
      path: of SGD; None without a trajectory.
      draws: (dataset, n, repeat, draw) labels of the ladder's draws, the last of them "other"; None without one.
      note: what was found, from what, in a sentence.
    """

    facts: tuple[PhaseFacts, ...]
    path: PhasePath | None
    draws: Array | None
    note: str


class _Points(NamedTuple):
    """One learner's points, (point,) each: invariants, and where they are finite; rows in the sample, by source."""

    loss: Array
    log_prior: Array
    observables: dict[str, Array]
    finite: Array
    samples: list[Array]


def find(model: Model, trajectory: Trajectory | None, ladder: Ladder | None) -> Discovered:
    """Phases of both learners' points together; the module's docstring has the rules. Deterministic.

    Either learner may be missing, not both. Without a population loss, losses are those on each learner's own data.

    Raises ValueError without a trajectory and a ladder.
    """
    if trajectory is None and ladder is None:
        raise ValueError("phases are found in a trajectory, a ladder or both: neither is there")
    seen: list[_Points] = []
    if trajectory is not None:
        points = _recorded(model, trajectory) or _evaluate(model, trajectory.params, trajectory.loss)
        seen.append(points._replace(samples=[_slow_checkpoints(points, trajectory)]))
    if ladder is not None:
        points = _evaluate(model, ladder.draws, ladder.loss)
        seen.append(points._replace(samples=_posterior_rows(points, ladder)))
    features, names = _features(seen, None if ladder is None else 1 / float(ladder.sample_sizes[-1]))
    samples = [f[rows] for f, points in zip(features, seen, strict=True) for rows in points.samples]
    sample = np.concatenate(samples)
    source = np.repeat(np.arange(len(samples)), [len(rows) for rows in samples])
    found = clustering.find(sample, source)
    labels = [
        np.where(points.finite, clustering.nearest(sample, found, f), -1)
        for f, points in zip(features, seen, strict=True)
    ]
    facts, labels = _ordered(seen, labels)
    path = draws = None
    if trajectory is not None:
        path = PhasePath(np.asarray(trajectory.steps), labels.pop(0).reshape(trajectory.loss.shape))
    if ladder is not None:
        draws = labels.pop(0).reshape(ladder.loss.shape)
    kind = "population loss" if model.has_population_loss else "loss on the data"
    return Discovered(facts, path, draws, _note(facts, path, draws, ladder, [f"log {kind}", *names]))


def _invariants(model: Model, w: Any) -> dict[str, Any]:
    loss = model.population_loss(w) if model.has_population_loss else jnp.nan
    observables = {name: jnp.asarray(value, jnp.float64) for name, value in model.observables(w).items()}
    return {"loss": jnp.asarray(loss), "log_prior": model.log_prior(w), "observables": observables}


def _evaluate(model: Model, params: dict[str, Array], loss: Array) -> _Points:
    values, finite = at_points(_invariants, model, params, axes=loss.ndim)
    if model.has_population_loss:
        loss = values["loss"]
    observables = {name: value.ravel() for name, value in values["observables"].items()}
    for value in (loss, *observables.values()):
        finite = finite & np.isfinite(value).reshape(finite.shape)
    return _Points(loss.ravel(), values["log_prior"].ravel(), observables, finite.ravel(), [])


def _recorded(model: Model, trajectory: Trajectory) -> _Points | None:
    """What the trajectory recorded, for a model whose loss over a complete sample is expensive; None for others."""
    if not isinstance(model, SequenceModel):
        return None
    shape = trajectory.loss.shape
    log_prior, finite = at_points(_log_prior, model, trajectory.params, axes=len(shape))
    loss = trajectory.population_loss if model.has_population_loss else trajectory.loss
    observables = {name: np.asarray(value, float).ravel() for name, value in trajectory.observables.items()}
    for value in (loss, *observables.values()):
        finite = finite & np.isfinite(value).reshape(shape)
    return _Points(loss.ravel(), log_prior.ravel(), observables, finite.ravel(), [])


def _log_prior(model: Model, w: Any) -> Any:
    return model.log_prior(w)


# -- the sample -------------------------------------------------------------------------------------------------
def _slow_checkpoints(points: _Points, trajectory: Trajectory) -> Array:
    """The slower half of each seed's checkpoints, evenly thinned."""
    loss = points.loss.reshape(trajectory.loss.shape)
    clock = np.log1p(np.asarray(trajectory.steps, float))
    if len(clock) < 2:
        return np.flatnonzero(points.finite)
    with np.errstate(invalid="ignore"):
        speed = np.abs(np.gradient(loss, clock, axis=1))
    rank = np.argsort(np.argsort(speed, axis=1, kind="stable"), axis=1, kind="stable")
    slow = np.flatnonzero((rank < (len(clock) + 1) // 2).ravel() & points.finite)
    return slow[_evenly(len(slow), CHECKPOINTS)]


def _posterior_rows(points: _Points, ladder: Ladder) -> list[Array]:
    """Of each sample size as many draws of each posterior, by systematic resampling from its weights."""
    datasets, sample_sizes, repeats, draws = ladder.loss.shape
    weights = np.nan_to_num(np.exp(ladder.log_weights)) * points.finite.reshape(ladder.loss.shape)
    each = max(1, min(draws, DRAWS // (datasets * sample_sizes * repeats)))
    found = []
    for n_index in range(sample_sizes):
        chosen = [np.zeros(0, int)]
        for dataset, repeat in np.ndindex(datasets, repeats):
            mass = np.cumsum(weights[dataset, n_index, repeat])
            if mass[-1] > 0:
                draw = np.searchsorted(mass / mass[-1], (np.arange(each) + 0.5) / each).clip(max=draws - 1)
                chosen.append(np.ravel_multi_index((dataset, n_index, repeat, draw), ladder.loss.shape))
        found.append(np.concatenate(chosen))
    return found


def _evenly(total: int, most: int) -> Array:
    return np.linspace(0, total - 1, min(total, most)).round().astype(int)


def _features(seen: list[_Points], resolution: float | None) -> tuple[list[Array], list[str]]:
    """(point, feature) of each learner, standardized by the sample, and the names of observables that vary."""

    def sampled(values: list[Array]) -> Array:
        return np.concatenate(
            [v[rows] for v, points in zip(values, seen, strict=True) for rows in points.samples]
        )

    losses = [points.loss for points in seen]
    known = sampled(losses)
    lowest = float(known.min(initial=np.inf))
    least = 1e-3 * float(np.ptp(known)) if resolution is None and len(known) else resolution or 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {"": [np.log(np.maximum(loss - min(lowest, 0.0), 0) + least) for loss in losses]}
    columns |= {name: [points.observables[name] for points in seen] for name in seen[0].observables}
    kept, names = [], []
    for name, column in columns.items():
        values = sampled(column)
        if len(values) and np.ptp(values) > 1e-12 * np.max(np.abs(values)):
            center = np.median(values)
            scale = _MAD * np.median(np.abs(values - center)) or np.std(values)
            kept.append([np.arcsinh((v - center) / scale) for v in column])
            names.append(name)
    table = [
        np.column_stack([column[i] for column in kept]) if kept else np.zeros((len(points.loss), 1))
        for i, points in enumerate(seen)
    ]
    return [np.nan_to_num(rows, posinf=0.0, neginf=0.0) for rows in table], [name for name in names if name]


# -- what was found ---------------------------------------------------------------------------------------------
def _ordered(seen: list[_Points], labels: list[Array]) -> tuple[tuple[PhaseFacts, ...], list[Array]]:
    """Facts of the clusters, and labels, by decreasing loss; "other" comes last."""
    label = np.concatenate(labels)
    loss = np.concatenate([points.loss for points in seen])
    log_prior = np.concatenate([points.log_prior for points in seen])
    low = [float(np.quantile(loss[label == cluster], _LOW)) for cluster in range(label.max(initial=-1) + 1)]
    order = np.argsort(-np.array(low), kind="stable")
    facts = tuple(
        PhaseFacts(
            name=name,
            family=name,
            loss=low[cluster],
            llc=None,
            multiplicity=None,
            log_prior=float(log_prior[label == cluster].max()),
            source=SOURCE,
        )
        for name, cluster in zip(string.ascii_uppercase, order, strict=False)
    )
    place = np.full(len(low) + 1, len(low))
    place[order] = np.arange(len(low))
    return facts, [place[found].astype(np.int32) for found in labels]


def _note(
    facts: tuple[PhaseFacts, ...],
    path: PhasePath | None,
    draws: Array | None,
    ladder: Ladder | None,
    features: list[str],
) -> str:
    text = f"The model names no phases, so they were looked for by clustering in {', '.join(features)}: "
    if len(facts) < 2:
        return text + "no two clusters are apart, so there is no transition to see."
    share = []
    if path is not None:
        share.append(f"{np.mean(path.label == len(facts)):.0%} of SGD's checkpoints".replace("%", " %"))
    if draws is not None and ladder is not None:
        weights = np.nan_to_num(np.exp(ladder.log_weights))
        other = np.sum(weights, where=draws == len(facts)) / max(weights.sum(), 1e-300)
        share.append(f"{other:.0%} of the posterior".replace("%", " %"))
    text += f"{len(facts)} were found, {facts[0].name} to {facts[-1].name} by decreasing loss. "
    return text + f"In none of them: {' and '.join(share)}."
