"""Functions on {-1, 1}^d: monomials, parities as sums of ReLU units, and when a coefficient counts as learned."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LEARNED = 0.5  # a monomial is learned where its coefficient is within this of the target's, in units of the target's


class Unit(NamedTuple):
    """One hidden unit: a ReLU(w . x + b)."""

    w: np.ndarray
    b: float
    a: float


def cube(d: int) -> np.ndarray:
    """(2^d, d) every x in {-1, 1}^d, the last coordinate changing fastest."""
    return np.array(list(itertools.product((1.0, -1.0), repeat=d)))


def character(x: np.ndarray, subset: tuple[int, ...]) -> np.ndarray:
    """The monomial prod_{i in subset} x_i of each row of `x`."""
    return np.prod(x[:, list(subset)], axis=1)


def parity_units(d: int, subset: tuple[int, ...]) -> list[Unit]:
    """ReLU units whose sum, plus (-1)^k, is the parity of k = len(subset) bits of d.

    The parity is a zigzag in s = sum of the bits, which takes the values -k, -k + 2, ..., k. Unit m has its kink in
    the middle between two of them, at s = -k + 1 + 2 m, so that the loss is smooth there.
    """
    k = len(subset)
    s = np.arange(-k, k + 1, 2)
    kinks = s[:-1] + 1
    values = (-1.0) ** ((k - s) // 2)
    heights = np.linalg.solve(np.maximum(s[1:, None] - kinks, 0.0), values[1:] - values[0])
    w = np.zeros(d)
    w[list(subset)] = 1.0
    return [Unit(w, float(-kink), float(height)) for kink, height in zip(kinks, heights, strict=True)]


def balance(unit: Unit) -> Unit:
    """The same unit as a function, with |(w, b)| = |a|: which has the highest prior density of all its rescalings."""
    size = math.hypot(float(np.linalg.norm(unit.w)), unit.b)
    scale = math.sqrt(abs(unit.a) / size)
    return Unit(unit.w * scale, unit.b * scale, unit.a / scale)


def is_learned(ratio: jax.Array) -> jax.Array:
    """Whether coefficients, in units of the target's, are nearer to 1 than to 0 or 2."""
    return jnp.abs(ratio - 1) < LEARNED


def is_absent(ratio: jax.Array) -> jax.Array:
    """Whether coefficients, in units of the target's, are nearer to 0 than to 1 or -1."""
    return jnp.abs(ratio) <= LEARNED
