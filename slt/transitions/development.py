"""How a network develops where no posterior is available: its stages, and the path of its function through
training."""

from __future__ import annotations

import jax
import numpy as np

from slt.models.base import Model
from slt.models.common.sequence_base import SequenceModel
from slt.records.base import Array
from slt.records.llc import LLCPath
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints
from slt.runtime.jax_setup import cast
from slt.transitions import events, plateaus, stages
from slt.transitions.essential_dynamics import EssentialDynamics, essential


def develop(
    model: Model, trajectory: Trajectory, llc: LLCPath | None, changepoints: Changepoints
) -> tuple[tuple[stages.SeedStages, ...], EssentialDynamics | None]:
    """The stages of each seed, from the changepoints of all its curves together (`transitions.plateaus`), and the
    essential dynamics of a model that has a probe."""
    loss = events.loss_of(trajectory)
    by_seed = events.events(changepoints, len(loss))
    found = plateaus.find(trajectory.steps, loss, trajectory.status, by_seed, llc)
    moved = None
    if isinstance(model, SequenceModel):
        moved = essential(trajectory.steps, outputs(model, trajectory.params))
    return found, moved


def outputs(model: SequenceModel, params: dict[str, Array]) -> Array:
    """(seed, checkpoint, k) float32 outputs on the probe, of parameters (seed, checkpoint, ...)."""
    seeds, checkpoints = next(iter(params.values())).shape[:2]
    flat = cast({name: leaf.reshape(-1, *leaf.shape[2:]) for name, leaf in params.items()}, np.float32)
    seen = jax.jit(lambda points: jax.lax.map(model.outputs, points))(flat)
    return np.asarray(seen).reshape(seeds, checkpoints, -1)
