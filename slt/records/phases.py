"""Which phase each checkpoint and each draw is in, and what is known of the phases."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from slt.records.base import Array


@dataclasses.dataclass(frozen=True)
class PhasePath:
    """Which phase each seed is in at each checkpoint.

    Attributes:
      steps: (checkpoint,).
      label: (seed, checkpoint) index into the phase names; the last index is "other".
    """

    steps: Array
    label: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {"steps": ("checkpoint",), "label": ("seed", "checkpoint")}


@dataclasses.dataclass(frozen=True)
class Occupancy:
    """How the posterior's mass is shared among phases at each sample size.

    Attributes:
      sample_sizes: (n,).
      share: (dataset, n, repeat, phase) posterior probability of each phase, within one repeat.
      free_energy: (dataset, n, repeat) F_n = -log Z, nats; NaN where unknown.
      visits: (dataset, n, repeat, phase) number of draws in each phase.
      switches: (dataset, n, repeat) times that consecutive draws of a chain change phase; -1 for particles
        and grids, whose draws have no order.
      loss, loss_variance: (dataset, n, repeat, phase) posterior mean and variance of L_n within each phase, NaN where
        never visited.
      floor: smallest share that could have been seen in one repeat (1 / number of draws; 0 for quadrature).
    """

    sample_sizes: Array
    share: Array
    free_energy: Array
    visits: Array
    switches: Array
    loss: Array
    loss_variance: Array
    floor: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "sample_sizes": ("n",),
        "share": ("dataset", "n", "repeat", "phase"),
        "free_energy": ("dataset", "n", "repeat"),
        "visits": ("dataset", "n", "repeat", "phase"),
        "switches": ("dataset", "n", "repeat"),
        "loss": ("dataset", "n", "repeat", "phase"),
        "loss_variance": ("dataset", "n", "repeat", "phase"),
        "floor": (),
    }


@dataclasses.dataclass(frozen=True)
class PhaseFacts:
    """What is known of a phase: `models.base.Phase` less its point. `llc` None: unknown; `llc_error` is its standard
    error where it was measured, 0 where it is theory."""

    name: str
    family: str
    loss: float
    llc: float | None
    multiplicity: int | None
    log_prior: float
    source: str
    llc_error: float = 0.0
