"""Independent Gaussian priors: N(0, scale^2) on every parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from slt.models.base import Params


def log_normal(w: Params, scale: float) -> jax.Array:
    """Log density of the parameters under N(0, scale^2) on each, nats."""
    densities = [jnp.sum(jax.scipy.stats.norm.logpdf(leaf, scale=scale)) for leaf in w.values()]
    return sum(densities[1:], densities[0])


def draw_normal(key: jax.Array, shapes: Mapping[str, tuple[int, ...]], scale: float) -> Params:
    """Parameters of these shapes, drawn from N(0, scale^2), float64."""
    keys = jax.random.split(key, len(shapes))
    return {
        name: scale * jax.random.normal(own, shape, jnp.float64)
        for own, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def log_normal_peak(dimension: int, scale: float) -> float:
    """Log density of N(0, scale^2 I) at its center, nats."""
    return -dimension * math.log(scale * math.sqrt(2 * math.pi))
