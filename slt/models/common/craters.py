"""What craters are made of: a bump of bounded support, and a minimum with a rounded corner."""

from __future__ import annotations

import jax
import jax.numpy as jnp

ROUNDING = 0.2  # of the depth: half the range of c r^2 / 2 - G over which the corner is rounded off


def bump(t: jax.Array) -> jax.Array:
    """1 at 0, and from |t| = 1 on 0, with two vanishing derivatives there."""
    return (1 - jnp.minimum(t**2, 1.0)) ** 3


def smooth_minimum(a: jax.Array, b: jax.Array, half: float) -> jax.Array:
    """min(a, b), exactly where they differ by `half` or more; three times differentiable, and nowhere higher.

    The slope passes from that of one to that of the other by the quintic smoothstep, which is integrated here.
    """
    x = jnp.maximum(half - jnp.abs(a - b), 0.0) / (2 * half)
    return jnp.minimum(a, b) - 2 * half * x**4 * (2.5 - 3 * x + x**2)
