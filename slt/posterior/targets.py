"""The one place where observations, inverse temperature, the prior and localization meet the loss.

A tempered posterior at n observations has density proportional to

    prior(w) exp(-beta n L_n(w)),          n L_n(w) = sum_i losses_i(w).

`potential` builds it from weighted observations, or from the population loss ("population": n L(w), no noise
from data). Every sampler takes a `Potential` and nothing else. For learning coefficients a `Neighborhood` takes the
model's
place: the same losses, in coordinates around one point.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from slt.models.base import Data, Model, Params, Summary
from slt.runtime.jax_setup import require_float64


class Prior(Protocol):
    """Where parameters come from before any data; see `Model` for both."""

    def log_prior(self, w: Params) -> jax.Array: ...
    def sample_prior(self, key: jax.Array) -> Params: ...


class Landscape(Prior, Protocol):
    """What a posterior needs of a model: its prior and its losses; see `Model` for each."""

    def population_loss(self, w: Params) -> jax.Array: ...
    def summed_loss(self, w: Params, summary: Summary) -> jax.Array: ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Potential:
    """prior x exp(-beta n L): a landscape, what is needed of its observations, n, and beta.

    `summary` is None for the population potential, whose loss is the population loss.
    """

    model: Landscape
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

    Raises ConfigError where float64 is switched off.
    """
    require_float64()
    weights = jnp.asarray(weights, jnp.float64)
    beta = jnp.asarray(beta, jnp.float64)
    if data is None:
        return Potential(model, None, weights, beta)
    return Potential(model, model.summarize(data, weights), jnp.sum(weights), beta)


def prefix_weights(size: int, n: Any) -> jax.Array:
    """(size,) weights that count the first n of `size` observations once each."""
    return (jnp.arange(size) < n).astype(jnp.float64)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Neighborhood:
    """A landscape around one point: parameters are offsets from it, and losses count from its own.

    Parameters are {"offset": (k,)}: what is added to the free entries of the flattened center. Where many points
    share one program, leaves carry a leading axis (point,); the methods are for one point.

    Attributes:
      model: the landscape itself.
      center: the point.
      reference: the loss at the point in the unit that is asked for: the population loss, or the summed loss.
      gamma: the prior is N(0, 1 / gamma) on every free entry (the localization of Lau et al. 2023,
        arXiv:2308.12108); None for the model's own prior.
      free: flat indices of the entries that may move; None for all of them.
    """

    model: Landscape
    center: Params
    reference: jax.Array
    gamma: jax.Array | None
    free: tuple[int, ...] | None = dataclasses.field(default=None, metadata={"static": True})

    def at(self, w: Params) -> Params:
        """The model's parameters at an offset."""
        flat, unflatten = ravel_pytree(self.center)
        offset = w["offset"]
        return unflatten(flat + offset if self.free is None else flat.at[jnp.array(self.free)].add(offset))

    def log_prior(self, w: Params) -> jax.Array:
        if self.gamma is None:
            return self.model.log_prior(self.at(w))
        offset = w["offset"]
        return 0.5 * (offset.size * jnp.log(self.gamma / (2 * jnp.pi)) - self.gamma * jnp.sum(offset**2))

    def sample_prior(self, key: jax.Array) -> Params:
        flat = ravel_pytree(self.center)[0]
        if self.gamma is None:
            return {"offset": ravel_pytree(self.model.sample_prior(key))[0] - flat}
        size = flat.size if self.free is None else len(self.free)
        return {"offset": jax.random.normal(key, (size,), jnp.float64) / jnp.sqrt(self.gamma)}

    def population_loss(self, w: Params) -> jax.Array:
        """Loss above the point's, nats per observation."""
        return self.model.population_loss(self.at(w)) - self.reference

    def summed_loss(self, w: Params, summary: Summary) -> jax.Array:
        """Summed loss above the point's, nats."""
        return self.model.summed_loss(self.at(w), summary) - self.reference
