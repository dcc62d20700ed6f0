"""What estimators that temper populations have in common: options, their use, and means over repeats."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import t as student

from slt.llc import flags as flag
from slt.llc.base import Estimator
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc.tempered_path import Curve, temper
from slt.posterior.population import ParticleOptions
from slt.records.base import Array

BUDGET = 2**12  # particles x dimension, where the number of particles is left open
FEWEST, MOST = 256, 2048
LOW = 10  # dimensions up to which all kinds of moves are cheap
LARGEST = 1e28  # nbeta at which float64 no longer tells a point from its neighborhood


@dataclasses.dataclass(frozen=True)
class TemperedEstimator(ParticleOptions, Estimator):
    """Populations tempered from a prior, at least 4 of 16 particles. Subclasses read the curve. See `ParticleOptions`
    for the options: with `particles` null there are 2^12 / dimension, between 256 and 2048, and `target_ess` null is
    0.9 up to ten dimensions and 0.8 beyond."""

    def __post_init__(self) -> None:
        self._check(particles=16, repeats=4)

    def count(self, problem: LLCProblem) -> int:
        """Particles of each repeat."""
        return self.particles or int(np.clip(BUDGET // problem.dimension, FEWEST, MOST))

    def tempered(
        self,
        problem: LLCProblem,
        gamma: float | None,
        end: float | None,
        key: jax.Array,
        decades: float = 0.0,
        give_up: bool = False,
        kinds: tuple[str, ...] = ("variance",),
    ) -> Curve:
        """The curve of every point from the prior N(point, 1 / gamma), or the model's own, to nbeta = `end` or
        `decades` beyond the onset, by these kinds of moves."""
        options = self.chosen(
            particles=self.count(problem),
            target_ess=self.target_ess or (0.9 if problem.dimension <= LOW else 0.8),
            kinds=kinds,
        )
        around = problem.around(None if gamma is None else jnp.full(problem.count, gamma))
        with np.errstate(divide="ignore"):
            limit = 3e-3 / (np.finfo(float).eps * np.abs(np.asarray(problem.losses())))
        return temper(
            around,
            None if end is None else np.full(problem.count, end),
            decades,
            np.minimum(limit, LARGEST),
            self.repeats,
            options,
            key,
            give_up,
        )


def mean_over_repeats(
    problem: LLCProblem, values: Array, nbeta: float, lower: Array
) -> tuple[dict[str, Any], flag.Flags]:
    """The fields of an `LLCEstimate` that follow from estimates (point, repeat): their mean with its standard error
    and Student's 95 % interval; and the flags that any estimator may raise.

    Args:
      problem: what was asked.
      values: (point, repeat).
      nbeta: inverse temperature in observations of the draws.
      lower: (point,) share of draws at a loss lower than the point's.
    """
    repeats = values.shape[1]
    llc, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(repeats)
    half_width = student.ppf(0.975, repeats - 1) * error
    flags = flag.Flags(problem.count)
    gain = np.asarray(newton_decrement(problem.full(1.0), problem.points, problem.selected))
    flag.common(flags, llc, error, np.full(problem.count, nbeta), lower, gain)
    fields = {
        "llc": llc,
        "error": error,
        "low": llc - half_width,
        "high": llc + half_width,
        "multiplicity": np.zeros(problem.count, int),
        "loss": np.asarray(problem.losses()),
    }
    return fields, flags


def check_localization(gamma: float | None) -> None:
    """Raises ValueError where it is no inverse variance."""
    if gamma is not None and not gamma > 0:
        raise ValueError(f"localization is an inverse variance, above 0, not {gamma}")


def last(curve: Curve, values: Array) -> Array:
    """(point, repeat) of `values` (point, repeat, level) at each point's last temperature; NaN where it has none."""
    index = np.maximum(np.isfinite(curve.nbeta).sum(axis=1) - 1, 0)
    return np.take_along_axis(values, index[:, None, None], axis=2)[..., 0]


def reached(curve: Curve, values: Array) -> Array:
    """`last`, NaN too at points that did not reach the end of their path."""
    return np.where(curve.finished[:, None], last(curve, values), np.nan)
