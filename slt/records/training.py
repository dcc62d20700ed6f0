"""What SGD leaves: an ensemble of runs, seen at checkpoints."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from slt.records.base import Array


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """An ensemble of SGD runs, seen at checkpoints.

    Attributes:
      steps: (checkpoint,) optimizer steps taken, increasing, the first 0.
      params: name -> (seed, checkpoint, ...) parameters.
      loss: (seed, checkpoint) L_n on the seed's own data set, nats per observation; NaN for a fresh stream.
      population_loss: (seed, checkpoint) nats per observation; NaN where the model has no closed form.
      observables: name -> (seed, checkpoint).
      dataset: (seed,) index of the data set each seed was trained on; -1 for a fresh stream.
      status: (seed,) "ok", or what went wrong and at which step.
    """

    steps: Array
    params: dict[str, Array]
    loss: Array
    population_loss: Array
    observables: dict[str, Array]
    dataset: Array
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "steps": ("checkpoint",),
        "params": ("seed", "checkpoint", "..."),
        "loss": ("seed", "checkpoint"),
        "population_loss": ("seed", "checkpoint"),
        "observables": ("seed", "checkpoint"),
        "dataset": ("seed",),
        "status": ("seed",),
    }
