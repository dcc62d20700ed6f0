"""Dimensionalities of a population of weights, and how often they lie at the preferred fractions."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.sparse_superposition import dimensionalities
from slt.models.sparse_superposition.critical_points import REPRESENTED

FRACTIONS = {"1": 1.0, "3/4": 3 / 4, "2/3": 2 / 3, "1/2": 1 / 2, "2/5": 2 / 5}
WINDOW = 0.02

Array = np.ndarray


class Geometry(NamedTuple):
    """A population of units (seeds or draws).

    Attributes:
      per_dimension: (unit,) features per dimension, |W|_F^2 / r.
      fractions: for each unit D_i of its represented features, those longer than 0.5.
      random: the same of columns with the same lengths and random directions.
    """

    per_dimension: Array
    fractions: list[Array]
    random: list[Array]

    @property
    def mean(self) -> float:
        return float(self.per_dimension.mean())

    @property
    def error(self) -> float:
        """Standard error of `mean`, for units that are independent."""
        return float(self.per_dimension.std(ddof=1) / np.sqrt(self.per_dimension.size))


class Factor(NamedTuple):
    """How much more often D_i lie within `WINDOW` of a fraction than in random geometry, with its 95 % interval;
    `share` of them do, of random ones `random`."""

    factor: float
    low: float
    high: float
    share: float
    random: float


def geometry(W: Array) -> Geometry:
    """Of W (unit, r, c); units that are not finite are left out."""
    W = np.asarray(W, float)
    W = W[np.isfinite(W).all(axis=(1, 2))]
    lengths = np.linalg.norm(W, axis=1)
    direction = np.random.default_rng(0).normal(size=W.shape)
    turned = direction / np.linalg.norm(direction, axis=1, keepdims=True) * lengths[:, None]
    own, random = (np.asarray(jax.vmap(dimensionalities)(jnp.asarray(V))) for V in (W, turned))
    long = lengths > REPRESENTED
    return Geometry(
        (W**2).sum(axis=(1, 2)) / W.shape[1],
        [d[kept] for d, kept in zip(own, long, strict=True)],
        [d[kept] for d, kept in zip(random, long, strict=True)],
    )


def by_fraction(population: Geometry) -> dict[str, float]:
    """The share of D_i within `WINDOW` of each fraction."""
    D = np.concatenate(population.fractions)
    return {
        name: float(np.sum(np.abs(D - value) <= WINDOW) / max(D.size, 1)) for name, value in FRACTIONS.items()
    }


def factor(populations: list[Geometry], block: int) -> Factor:
    """Over all populations together. The interval is a bootstrap over blocks of `block` units in a row, which are not
    independent of one another."""
    counts = np.array(
        [
            (_near(own), _near(random), own.size)
            for population in populations
            for own, random in zip(population.fractions, population.random, strict=True)
        ],
        float,
    )
    total = max(counts[:, 2].sum(), 1.0)  # nothing may be represented
    base = max(counts[:, 1].sum(), 1.0) / total  # of very many directions: its own error is small
    blocks = np.add.reduceat(counts, np.arange(0, len(counts), block))
    picks = np.random.default_rng(0).integers(len(blocks), size=(2000, len(blocks)))
    shares = blocks[picks, 0].sum(axis=1) / np.maximum(blocks[picks, 2].sum(axis=1), 1.0)
    low, high = np.quantile(shares, [0.025, 0.975]) / base
    share = counts[:, 0].sum() / total
    return Factor(*(float(x) for x in (share / base, low, high, share, base)))


def _near(D: Array) -> int:
    return int(np.any(np.abs(D[:, None] - np.array(list(FRACTIONS.values()))) <= WINDOW, axis=1).sum())
