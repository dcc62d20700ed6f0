"""Two strata of one true set, with different learning coefficients: lambda is a property of a point, not of a model.

    f(w) = (w_1 - 1) (w_1^2 + w_2^2)^2,   K = f^2 / 2

The true set is the origin and the line w_1 = 1. Around the origin K ~ |w|^8 / 2 in two dimensions, so one blow-up
gives lambda = 2/8 = 1/4; on the line K ~ (w_1 - 1)^2 up to a unit, so lambda = 1/2. Both have m = 1. The origin is a
smaller set, yet it holds more and more of the posterior: the odds grow like n^(1/4).

Source: the polynomial is an example of Lau, Furman, Wang, Murfet and Wei 2023, "The local learning coefficient: a
singularity-aware complexity measure" (arXiv:2308.12108); the values follow from the blow-up above.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, Phase, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import log_normal_peak
from slt.models.common.signal import Signal


@as_model
class Strata(Signal):
    """A point and a line, both true, one more singular than the other.

    Args:
      prior_scale: standard deviation of the prior.

    Raises ValueError where that is not positive.
    """

    prior_scale: float = static(1.0)

    def __post_init__(self) -> None:
        check_positive(prior_scale=self.prior_scale)

    def shape(self) -> tuple[int, int]:
        return 2, 1

    def signal(self, w: jax.Array) -> jax.Array:
        return ((w[0] - 1) * jnp.sum(w**2) ** 2)[None]

    def phases(self) -> tuple[Phase, ...]:
        """The line, then the origin: equal in loss, lower in lambda."""
        line = Phase(
            name="line",
            point={"w": np.array([1.0, 0.0])},
            loss=0.0,
            llc=1 / 2,
            multiplicity=1,
            log_prior=log_normal_peak(2, self.prior_scale) - 0.5 / self.prior_scale**2,
            source="K ~ (w_1 - 1)^2 up to a unit",
        )
        origin = Phase(
            name="origin",
            point={"w": np.zeros(2)},
            loss=0.0,
            llc=1 / 4,
            multiplicity=1,
            log_prior=log_normal_peak(2, self.prior_scale),
            source="K ~ |w|^8 in two dimensions, one blow-up",
        )
        return line, origin

    def classify(self, w: Params) -> jax.Array:
        """The stratum that is nearer: 0 the line, 1 the origin."""
        x, y = w["w"]
        return (jnp.hypot(x, y) < jnp.abs(x - 1)).astype(jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        return {"to the origin": jnp.hypot(*w["w"]), "to the line": jnp.abs(w["w"][0] - 1)}
