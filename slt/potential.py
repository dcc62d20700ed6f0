"""The one place where observations, inverse temperature and the prior meet the loss.

A tempered posterior at n observations has density proportional to

    prior(w) exp(-beta n L_n(w)),          n L_n(w) = sum_i losses_i(w).

`potential` builds it from weighted observations, or from the population loss ("annealed": n L(w), no noise
from data). Everything that samples takes a `Potential` and nothing else.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model, Params, Summary


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Potential:
    """prior x exp(-beta n L): a model, what is needed of its observations, n, and beta.

    `summary` is None for the annealed potential, whose loss is the population loss.
    """

    model: Model
    summary: Summary | None
    n: jax.Array
    beta: jax.Array

    def energy(self, w: Params) -> jax.Array:
        """beta n L(w), nats."""
        if self.summary is None:
            return self.beta * self.n * self.model.population_loss(w)
        return self.beta * self.model.summed_loss(w, self.summary)

    def loss(self, w: Params) -> jax.Array:
        """L(w), nats per observation; NaN when n = 0."""
        return self.energy(w) / (self.beta * self.n)

    def log_density(self, w: Params) -> jax.Array:
        """Log of prior x exp(-energy), nats; -inf where the energy is not finite, so that samplers reject."""
        value = self.model.log_prior(w) - self.energy(w)
        return jnp.where(jnp.isnan(value), -jnp.inf, value)


def potential(model: Model, data: Data | None, weights: Any, beta: Any = 1.0) -> Potential:
    """The potential of `data` with each observation counted `weights[i]` times.

    Args:
      model: the model.
      data: observations with leading axis N, or None for the population loss.
      weights: (N,) counts, or the scalar n where `data` is None.
      beta: inverse temperature.
    """
    weights = jnp.asarray(weights, jnp.float64)
    beta = jnp.asarray(beta, jnp.float64)
    if data is None:
        return Potential(model, None, weights, beta)
    return Potential(model, model.summarise(data, weights), jnp.sum(weights), beta)


def prefix_weights(size: int, n: Any) -> jax.Array:
    """(size,) weights that count the first n of `size` observations once each."""
    return (jnp.arange(size) < n).astype(jnp.float64)
