"""Straight paths from one posterior to another, phi from 0 to 1:

    prior(w) exp(-E_phi(w)),   E_phi = (1 - phi) E_start + phi E_stop,

where E_start and E_stop are sums of losses with other weights on the observations, or zero for the prior.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model, Params
from slt.posterior.targets import Landscape, Potential, potential


class DataPath(NamedTuple):
    """The path from `start` to `stop` weights over one data set; `data` is None for the population loss, and
    the weights are then numbers of observations."""

    model: Model
    data: Data
    start: jax.Array
    stop: jax.Array

    def at(self, phi: jax.Array) -> Potential:
        return potential(self.model, self.data, (1 - phi) * self.start + phi * self.stop)

    def increment(self) -> Potential:
        return potential(self.model, self.data, self.stop - self.start)


class PriorPath(NamedTuple):
    """The path from the prior to one potential, by inverse temperature."""

    target: Potential

    def at(self, phi: jax.Array) -> Potential:
        return dataclasses.replace(self.target, beta=phi * self.target.beta)

    def increment(self) -> Potential:
        return self.target


class BridgePath(NamedTuple):
    """The path from one potential to another, whose sums over observations are formed once for each."""

    start: Potential
    stop: Potential

    def at(self, phi: jax.Array) -> Potential:
        return self._mixed(1 - phi, phi)

    def increment(self) -> Potential:
        return self._mixed(-jnp.ones(()), jnp.ones(()))

    def _mixed(self, start: jax.Array, stop: jax.Array) -> Potential:
        ends = ((start * self.start.beta, self.start.summary), (stop * self.stop.beta, self.stop.summary))
        n = start * self.start.beta * self.start.n + stop * self.stop.beta * self.stop.n
        return Potential(Mixture(self.stop.model), ends, n, jnp.ones(()))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture:
    """A landscape whose summaries are pairs (share, summary): summed losses add up by these shares."""

    model: Landscape

    def log_prior(self, w: Params) -> jax.Array:
        return self.model.log_prior(w)

    def sample_prior(self, key: jax.Array) -> Params:
        return self.model.sample_prior(key)

    def population_loss(self, w: Params) -> jax.Array:
        return self.model.population_loss(w)

    def summed_loss(self, w: Params, summary: Any) -> jax.Array:
        return sum(share * self.model.summed_loss(w, one) for share, one in summary)


Path = DataPath | PriorPath | BridgePath
