"""What the two models of craters share: two craters with the same bottom, in ground that differs around them.

    K(w) = min(c r^2 / 2, G(w)), the corner rounded off;      r: distance to the nearer bottom

The corner is rounded off where c r^2 / 2 and G differ by less than `ROUNDING` x depth. Below that the loss is
c r^2 / 2 around both bottoms, and nothing of it depends on the ground G.
"""

from __future__ import annotations

import abc
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, Phase
from slt.models.common.gaussian import log_normal_peak
from slt.models.common.signal import Signal

ROUNDING = 0.2  # of the depth: half the range of c r^2 / 2 - G over which the corner is rounded off


class TwoCraters(Signal):
    """Craters at (-a, 0, ...), which is isolated, and at (a, 0, ...), a = distance / 2; `NAMES` are the phases'."""

    NAMES: ClassVar[tuple[str, str]]

    distance: float
    radius: float
    depth: float
    init_scale: float

    @abc.abstractmethod
    def ground(self, w: jax.Array) -> jax.Array:
        """G(w): the loss without the craters."""

    @property
    def curvature(self) -> float:
        """c: second derivative of the loss at both bottoms, in every direction."""
        return 2 * (1 + ROUNDING) * self.depth / self.radius**2

    def init(self, key: jax.Array) -> Params:
        return {"w": self.init_scale * jax.random.normal(key, (self.shape()[0],))}

    def steepness(self, w: jax.Array, near: jax.Array) -> jax.Array:
        """K(w) / r^2, where `near` is r^2: half the curvature inside a crater."""
        bowl, ground = self.curvature / 2 * near, self.ground(w)
        bottom = bowl < ground - ROUNDING * self.depth
        rounded = smooth_minimum(bowl, ground, ROUNDING * self.depth)
        return jnp.where(bottom, self.curvature / 2, rounded / jnp.where(bottom, 1.0, near))

    def phases(self) -> tuple[Phase, ...]:
        """The isolated crater, then the other: equal in all that the free energy formula knows."""
        dimension, a = self.shape()[0], self.distance / 2
        return tuple(
            Phase(
                name=name,
                point={"w": np.array([x] + [0.0] * (dimension - 1))},
                loss=0.0,
                llc=dimension / 2,
                multiplicity=1,
                log_prior=log_normal_peak(dimension, self.prior_scale) - 0.5 * (a / self.prior_scale) ** 2,
                source=f"regular by construction: c r^2 / 2 in {dimension} dimension{'s' * (dimension > 1)}",
            )
            for name, x in zip(self.NAMES, (-a, a), strict=True)
        )


def bump(t: jax.Array) -> jax.Array:
    """1 at 0, and from |t| = 1 on 0, with two vanishing derivatives there."""
    return (1 - jnp.minimum(t**2, 1.0)) ** 3


def smooth_minimum(a: jax.Array, b: jax.Array, half: float) -> jax.Array:
    """min(a, b), exactly where they differ by `half` or more; three times differentiable, and nowhere higher.

    The slope passes from that of one to that of the other by the quintic smoothstep, which is integrated here.
    """
    x = jnp.maximum(half - jnp.abs(a - b), 0.0) / (2 * half)
    return jnp.minimum(a, b) - 2 * half * x**4 * (2.5 - 3 * x + x**2)
