"""Which phase each draw and each checkpoint is in, by the model's one classifier.

SGD and the posterior are labeled by the same `Model.classify`, so that their phases are the same phases.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from slt.models.base import Model
from slt.phases.occupancy import occupancy_of
from slt.records.base import Array
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.runtime.jax_setup import require_float64

BATCH = 8192  # parameters classified in one batch: bounds memory, and one shape compiles once


def phase_facts(model: Model) -> tuple[PhaseFacts, ...]:
    """The model's phases without their points, in the classifier's order."""
    names = [field.name for field in dataclasses.fields(PhaseFacts) if field.name != "llc_error"]
    return tuple(PhaseFacts(**{name: getattr(phase, name) for name in names}) for phase in model.phases())


@functools.partial(jax.jit, static_argnums=0)
def _map(function: Callable[[Model, Any], Any], model: Model, batch: Any) -> Any:
    return jax.vmap(functools.partial(function, model))(batch)


def at_points(
    function: Callable[[Model, Any], Any], model: Model, params: dict[str, Array], axes: int
) -> tuple[Any, Array]:
    """What `function(model, w)` gives at parameters whose first `axes` axes are a batch, and which are finite.

    In float64 whatever the precision they were made in, so that SGD's parameters and the posterior's are treated
    alike.
    """
    require_float64()
    lead = next(iter(params.values())).shape[:axes]
    total = int(np.prod(lead))
    flat = {name: np.asarray(leaf).reshape(total, *leaf.shape[axes:]) for name, leaf in params.items()}
    finite = np.ones(total, bool)
    for leaf in flat.values():
        finite &= np.isfinite(leaf).reshape(total, -1).all(axis=1)
    size = min(BATCH, total)
    parts = []
    for start in range(0, total, size):
        rows = np.arange(start, start + size).clip(max=total - 1)  # the last batch repeats its last row
        batch = {name: leaf[rows].astype(np.float64) for name, leaf in flat.items()}
        parts.append(jax.tree.map(np.asarray, _map(function, model, batch)))
    values = jax.tree.map(lambda *leaves: np.concatenate(leaves)[:total].reshape(lead), *parts)
    return values, finite.reshape(lead)


def _classify(model: Model, w: Any) -> jax.Array:
    return model.classify(w)


def _label(model: Model, params: dict[str, Array], axes: int) -> Array:
    """Labels by the model's classifier; parameters that are not finite are "other"."""
    labels, finite = at_points(_classify, model, params, axes)
    return np.where(finite, labels, len(model.phases())).astype(np.int32)


def label_trajectory(model: Model, trajectory: Trajectory) -> PhasePath:
    """The phase of every seed at every checkpoint; parameters that are not finite are "other"."""
    return PhasePath(steps=np.asarray(trajectory.steps), label=_label(model, trajectory.params, axes=2))


def label_draws(model: Model, ladder: Ladder) -> Array:
    """(dataset, n, repeat, draw) the phase of every draw; parameters that are not finite are "other"."""
    return _label(model, ladder.draws, axes=4)


def label_ladder(model: Model, ladder: Ladder, ordered: bool) -> Occupancy:
    """How the draws of every sample size are shared among the model's phases; see `occupancy_of`."""
    return occupancy_of(ladder, label_draws(model, ladder), len(model.phases()), ordered)
