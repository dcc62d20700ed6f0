"""How a network develops where no posterior can be had: its stages, and its function's way through training."""

from __future__ import annotations

import jax
import numpy as np

from slt.essential import EssentialDynamics, essential
from slt.models.base import Model
from slt.models.probed import Probed
from slt.numerics import cast
from slt.records import Array, Jumps, LLCPath, Trajectory
from slt.transitions import detected, resting, stages


def develop(
    model: Model, trajectory: Trajectory, llc: LLCPath | None, jumps: Jumps
) -> tuple[tuple[stages.SeedStages, ...], EssentialDynamics | None]:
    """The stages of each seed, from the jumps of all its curves together (`transitions.resting`), and the essential
    dynamics of a model that has a probe."""
    known = np.isfinite(trajectory.population_loss).any()
    loss = trajectory.population_loss if known else trajectory.loss
    events = detected.events(jumps, len(loss))
    found = resting.find(trajectory.steps, loss, trajectory.status, events, llc)
    moved = None
    if isinstance(model, Probed):
        moved = essential(trajectory.steps, outputs(model, trajectory.params))
    return found, moved


def outputs(model: Probed, params: dict[str, Array]) -> Array:
    """(seed, checkpoint, k) float32 outputs on the probe, of parameters (seed, checkpoint, ...)."""
    seeds, checkpoints = next(iter(params.values())).shape[:2]
    flat = cast({name: leaf.reshape(-1, *leaf.shape[2:]) for name, leaf in params.items()}, np.float32)
    seen = jax.jit(lambda points: jax.lax.map(model.outputs, points))(flat)
    return np.asarray(seen).reshape(seeds, checkpoints, -1)
