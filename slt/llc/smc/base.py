"""What estimators that heat populations have in common: their options, and how they are used."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc.base import Estimator
from slt.llc.problem import LLCProblem
from slt.llc.smc.tempered_path import Curve, heat
from slt.posterior.tempering import DEEP, Options
from slt.records.base import Array

BUDGET = 2**12  # particles x dimension, where the number of particles is left open
FEWEST, MOST = 256, 2048
LOW = 10  # dimensions up to which going deep is cheap
DEEPEST = 1e28  # t at which float64 no longer tells a point from its neighborhood


@dataclasses.dataclass(frozen=True)
class Heated(Estimator):
    """Populations heated from a prior. Subclasses read the curve.

    Attributes:
      particles: of each repeat; None: 2^12 / dimension, between 256 and 2048.
      repeats: independent populations; the error comes from their scatter. At least 4.
      ess: effective sample size kept from one temperature to the next; None: 0.9 up to ten dimensions, 0.8 beyond.
      leapfrog, moves, forget, max_rounds, max_temperatures: see `posterior.tempering.Options`.
    """

    particles: int | None = None
    repeats: int = 8
    ess: float | None = None
    leapfrog: int = 10
    moves: int = 5
    forget: float = 0.1
    max_rounds: int = 8
    max_temperatures: int = 2000

    def __post_init__(self) -> None:
        if self.particles is not None and self.particles < 16:
            raise ValueError(f"particles must be at least 16, not {self.particles}")
        if self.repeats < 4:
            raise ValueError(f"the error comes from repeats: at least 4, not {self.repeats}")
        for name in ("leapfrog", "moves", "max_rounds", "max_temperatures"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, share in (("ess", self.ess), ("forget", self.forget)):
            if share is not None and not 0 < share < 1:
                raise ValueError(f"{name} must lie strictly between 0 and 1, not {share}")

    def count(self, question: LLCProblem) -> int:
        """Particles of each repeat."""
        return self.particles or int(np.clip(BUDGET // question.dimension, FEWEST, MOST))

    def heated(
        self,
        question: LLCProblem,
        gamma: float | None,
        end: float | None,
        decades: float,
        key: jax.Array,
        give_up: bool = True,
        deep: bool = False,
    ) -> Curve:
        """The curve of every point from the prior N(point, 1 / gamma), or the model's own, to t = `end` or
        `decades` beyond the onset; `deep`: by all of `tempering.DEEP`."""
        options = Options(
            self.count(question),
            self.ess or (0.9 if question.dimension <= LOW else 0.8),
            self.leapfrog,
            self.moves,
            self.forget,
            self.max_rounds,
            self.max_temperatures,
            DEEP if deep else ("spread",),
        )
        around = question.around(None if gamma is None else jnp.full(question.count, gamma))
        with np.errstate(divide="ignore"):
            limit = 3e-3 / (np.finfo(float).eps * np.abs(np.asarray(question.losses())))
        return heat(
            around,
            None if end is None else np.full(question.count, end),
            decades,
            np.minimum(limit, DEEPEST),
            self.repeats,
            options,
            key,
            give_up,
        )


def last(curve: Curve, values: Array) -> Array:
    """(point, repeat) of `values` (point, repeat, level) at each point's last temperature; NaN where it has none."""
    index = np.maximum(np.isfinite(curve.t).sum(axis=1) - 1, 0)
    return np.take_along_axis(values, index[:, None, None], axis=2)[..., 0]
