"""Matrix factorization, W = A B: a target of low rank is learned entry by entry, under squared error.

One observation is an entry (i, j), uniform, and its value T_ij + noise, noise ~ N(0, 1). The loss is the negative
log-likelihood less its value at the truth: with D = W - T it is D_ij^2 / 2 - noise D_ij, and the population loss is
the mean of D^2 / 2 over the entries. How often each entry was seen and its summed noise are sufficient.

The critical points that descent from small weights visits are the target's best approximations of rank k (Eckart and
Young 1936; that all others are saddles too: Baldi and Hornik 1989). Up to the factor rows x columns the population
loss is that of reduced rank regression with as many inputs as rows, and has its learning coefficient: Aoyagi and
Watanabe 2005, main theorem. Target and factors: see `slt.models.common.low_rank`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params, Phase, as_model
from slt.models.common.low_rank import LowRank
from slt.models.reduced_rank_regression import learning_coefficient


class Entries(NamedTuple):
    """Observations: row and column (n,) int32, value (n,)."""

    row: jax.Array
    column: jax.Array
    value: jax.Array


class Seen(NamedTuple):
    """(rows, columns) each: the weight of an entry's observations, and their weighted sum of noise."""

    weight: jax.Array
    noise: jax.Array


@as_model
class LowRankFactorization(LowRank):
    """A matrix of low rank, seen one noisy entry at a time. Options: see `LowRank`."""

    def sample(self, key: jax.Array, n: int) -> Entries:
        rows, columns, noise = jax.random.split(key, 3)
        row = jax.random.randint(rows, (n,), 0, self.rows, jnp.int32)
        column = jax.random.randint(columns, (n,), 0, self.columns, jnp.int32)
        truth = jnp.asarray(self.target())[row, column]
        return Entries(row, column, truth + jax.random.normal(noise, (n,), jnp.float64))

    def losses(self, w: Params, data: Entries) -> jax.Array:
        gap = self._difference(w)[data.row, data.column]
        return gap * (gap / 2 - self._noise(data))

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.mean(self._difference(w) ** 2) / 2

    def summarize(self, data: Entries, weights: jax.Array) -> Seen:
        empty = jnp.zeros((self.rows, self.columns), weights.dtype)
        place = data.row, data.column
        return Seen(empty.at[place].add(weights), empty.at[place].add(weights * self._noise(data)))

    def summed_loss(self, w: Params, summary: Seen) -> jax.Array:
        difference = self._difference(w)
        return jnp.sum(difference * (summary.weight * difference / 2 - summary.noise))

    def phases(self) -> tuple[Phase, ...]:
        """Rank 0 to the target's rank, by decreasing loss."""
        return tuple(self._phase(k) for k in range(self.rank + 1))

    def _phase(self, k: int) -> Phase:
        u, s, v = self.modes()
        point = self.balanced((u[:, :k] * s[:k]) @ v[:, :k].T, k)
        llc, multiplicity, source = (
            None,
            None,
            "best approximation of rank k: a saddle (Eckart and Young 1936)",
        )
        if k == self.rank:
            llc, multiplicity = learning_coefficient(self.rows, self.width, self.columns, k)
            source = "Aoyagi and Watanabe 2005, main theorem"
        return Phase(
            name=f"rank {k}",
            point=point,
            loss=float(np.sum(s[k:] ** 2) / (2 * self.rows * self.columns)),
            llc=llc,
            multiplicity=multiplicity,
            log_prior=self.peak(point),
            source=source,
        )

    def _difference(self, w: Params) -> jax.Array:
        """D = W - T, (rows, columns)."""
        product = self.product(w)
        return product - jnp.asarray(self.target(), product.dtype)

    def _noise(self, data: Entries) -> jax.Array:
        return data.value - jnp.asarray(self.target(), data.value.dtype)[data.row, data.column]
