"""A signal with unit noise: models without inputs, whose truth is 0.

    y = f(w) + noise,   noise ~ N(0, I),   the truth being f = 0

The loss is the negative log-likelihood less its value at the truth, |f|^2 / 2 - y . f, so that the population loss
is K(w) = |f(w)|^2 / 2: zero on the true set, and computed there without subtracting anything.
"""

from __future__ import annotations

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Model, Params
from slt.models.common.gaussian import log_normal


class Totals(NamedTuple):
    """Sufficient statistics: the total weight (), and the weighted sum of y (outputs,)."""

    weight: jax.Array
    y: jax.Array


class Signal(Model):
    """Parameters {"w": (dimension,)} under the prior N(0, prior_scale^2); data y of shape (n, outputs).

    SGD starts at a draw from the prior.
    """

    prior_scale: float

    @abc.abstractmethod
    def shape(self) -> tuple[int, int]:
        """How many parameters, how many outputs."""

    @abc.abstractmethod
    def signal(self, w: jax.Array) -> jax.Array:
        """f(w), (outputs,)."""

    def init(self, key: jax.Array) -> Params:
        return self.sample_prior(key)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """(n, outputs) observations of the truth: noise alone."""
        return jax.random.normal(key, (n, self.shape()[1]), jnp.float64)

    def losses(self, w: Params, data: jax.Array) -> jax.Array:
        f = self.signal(w["w"])
        return jnp.sum(f**2) / 2 - data @ f

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.sum(self.signal(w["w"]) ** 2) / 2

    def summarize(self, data: jax.Array, weights: jax.Array) -> Totals:
        return Totals(jnp.sum(weights), weights @ data)

    def summed_loss(self, w: Params, summary: Totals) -> jax.Array:
        f = self.signal(w["w"])
        return summary.weight * jnp.sum(f**2) / 2 - summary.y @ f

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        return {"w": self.prior_scale * jax.random.normal(key, (self.shape()[0],))}

    def classify(self, w: Params) -> jax.Array:
        """0: a model with one phase has it everywhere. Models with more override this."""
        return jnp.zeros((), jnp.int32)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        return {"norm": jnp.sqrt(jnp.sum(w["w"] ** 2))}
