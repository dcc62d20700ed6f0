"""The regular model: a quadratic loss, where singular learning theory must agree with the classical result.

    K(w) = 1/2 sum_i h_i w_i^2,   lambda = d/2,   m = 1

Source: Schwarz 1978, "Estimating the dimension of a model" (BIC); Watanabe 2009, "Algebraic geometry and statistical
learning theory", section 1.1. Neither number depends on the curvatures h_i, but the difficulty of estimating lambda
does.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import log_normal_peak
from slt.models.common.signal import Signal


@as_model
class Quadratic(Signal):
    """A regular model with curvatures spread evenly in their logarithm, from 1 / condition to 1.

    Args:
      dimension: d >= 1.
      condition: largest curvature over smallest, at least 1; with d = 1 the curvature is 1.
      prior_scale: standard deviation of the prior.

    Raises ValueError for options out of these ranges.
    """

    dimension: int = static(3)
    condition: float = static(1.0)
    prior_scale: float = static(1.0)

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise ValueError(f"dimension must be at least 1, not {self.dimension}")
        if not 1 <= self.condition < np.inf:
            raise ValueError(f"condition must be a number, at least 1, not {self.condition}")
        check_positive(prior_scale=self.prior_scale)

    @property
    def curvatures(self) -> np.ndarray:
        """h_i, (dimension,), rising to 1."""
        return np.geomspace(1 / self.condition, 1, self.dimension) if self.dimension > 1 else np.ones(1)

    def shape(self) -> tuple[int, int]:
        return self.dimension, self.dimension

    def signal(self, w: jax.Array) -> jax.Array:
        return jnp.asarray(np.sqrt(self.curvatures), w.dtype) * w

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase(
                name="origin",
                point={"w": np.zeros(self.dimension)},
                loss=0.0,
                llc=self.dimension / 2,
                multiplicity=1,
                log_prior=log_normal_peak(self.dimension, self.prior_scale),
                source="regular: lambda = d/2 (Schwarz 1978)",
            ),
        )
