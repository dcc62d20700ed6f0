"""Learning coefficients, of a batch of points and along training."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from slt.records.base import Array


@dataclasses.dataclass(frozen=True)
class LLCEstimate:
    """Local learning coefficients at a batch of points, by one estimator.

    A repeat is an independent population, chain or run. A level is a step of what the estimator varies: an inverse
    temperature, a volume; fields are NaN beyond an estimator's last level.

    Attributes:
      llc: (point,) the estimate of lambda; NaN where none could be made.
      error: (point,) its standard error, with every source that was sampled.
      low, high: (point,) 95 % interval.
      multiplicity: (point,) m, or 0 where the estimator does not tell.
      loss: (point,) loss at the point, exact, nats per observation.
      nbeta: (point, level) inverse temperature in observations (for the volume: see its estimator).
      curve: name -> (point, repeat, level) what was measured along the levels; each estimator documents its own.
        All that sample give "mean", nbeta E[K]: n beta times the posterior mean of the loss above the point's.
      info: name -> (point,) diagnostics and the settings that calibration chose.
      status: (point,) "ok", or its flags, each "name: what happened", joined by " | ".
    """

    llc: Array
    error: Array
    low: Array
    high: Array
    multiplicity: Array
    loss: Array
    nbeta: Array
    curve: dict[str, Array]
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "llc": ("point",),
        "error": ("point",),
        "low": ("point",),
        "high": ("point",),
        "multiplicity": ("point",),
        "loss": ("point",),
        "nbeta": ("point", "level"),
        "curve": ("point", "repeat", "level"),
        "info": ("point",),
        "status": ("point",),
    }


@dataclasses.dataclass(frozen=True)
class LLCPath:
    """Learning coefficients along training, of some seeds at some checkpoints.

    Attributes:
      seed: (seed,) which seeds of the trajectory.
      steps: (checkpoint,) which of its steps, increasing.
      llc, error: (seed, checkpoint) estimate and standard error; NaN where none could be made.
      nbeta: (seed, checkpoint) the highest inverse temperature in observations that the estimate rests on.
      status: (seed, checkpoint) see `LLCEstimate`.
    """

    seed: Array
    steps: Array
    llc: Array
    error: Array
    nbeta: Array
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "seed": ("seed",),
        "steps": ("checkpoint",),
        "llc": ("seed", "checkpoint"),
        "error": ("seed", "checkpoint"),
        "nbeta": ("seed", "checkpoint"),
        "status": ("seed", "checkpoint"),
    }
