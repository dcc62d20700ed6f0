"""Weighted draws from posteriors, at one number of observations n or at many."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from slt.records.base import Array


@dataclasses.dataclass(frozen=True)
class Posterior:
    """Weighted draws from one tempered posterior. A repeat is a chain, a particle population or a grid.

    Attributes:
      draws: name -> (repeat, draw, ...) parameters.
      log_weights: (repeat, draw) normalized within a repeat (they sum to 1 after exp); equal for chains and
        for particles.
      loss: (repeat, draw) L_n(w), nats per observation (the population loss for a population posterior).
      log_evidence: (repeat,) log Z, nats; NaN where the method gives none.
      info: name -> (repeat,) diagnostics: "ess", "acceptance", "r_hat" (chains), "ancestors",
        "correlation", "temperatures", "mcmc_steps" (particles). Each sampler documents its own.
      status: (repeat,) "ok", or the named failure.
    """

    draws: dict[str, Array]
    log_weights: Array
    loss: Array
    log_evidence: Array
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "draws": ("repeat", "draw", "..."),
        "log_weights": ("repeat", "draw"),
        "loss": ("repeat", "draw"),
        "log_evidence": ("repeat",),
        "info": ("repeat",),
        "status": ("repeat",),
    }


@dataclasses.dataclass(frozen=True)
class Ladder:
    """A posterior at each n of an increasing sequence, over data sets and independent repeats.

    Fields are those of `Posterior` under two more axes, (dataset, n); `sample_sizes` is (n,), increasing.
    """

    sample_sizes: Array
    draws: dict[str, Array]
    log_weights: Array
    loss: Array
    log_evidence: Array
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "sample_sizes": ("n",),
        **{field: ("dataset", "n", *dims) for field, dims in Posterior.DIMS.items()},
    }
