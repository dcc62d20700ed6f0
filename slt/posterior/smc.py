"""Tempered SMC from the prior to one potential: weighted evidence for any model, at one n."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from slt.posterior import paths, tempering
from slt.posterior.particles import ParticleOptions, to_posterior
from slt.posterior.per_n import Sampler
from slt.posterior.targets import Potential
from slt.records.posterior import Posterior
from slt.runtime.devices import spread_populations


@dataclasses.dataclass(frozen=True)
class SMC(ParticleOptions, Sampler):
    """Particles carried from the prior by inverse temperature. See `tempering` for the method."""

    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        options = self.options
        path = paths.Heating(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], potential))
        first, key = jax.random.split(key)
        keys = jax.random.split(first, (1, self.repeats))
        populations = tempering.from_prior_all(path.target.model, options, keys)
        populations = spread_populations(jax.vmap(jax.vmap(tempering.start_rung))(populations))
        temperatures, moves = 0, 0
        while temperatures < options.max_temperatures and jnp.any(populations.phi < 1):
            fresh, key = jax.random.split(key)
            populations, more = tempering.temperature(path, populations, fresh, options)
            temperatures, moves = temperatures + 1, moves + more
        only = jax.tree.map(lambda leaf: leaf[0], populations)
        return to_posterior(only, _losses(potential, only.particles), temperatures, moves, options)


@jax.jit
def _losses(potential: Potential, particles: dict) -> jax.Array:
    return jax.vmap(jax.vmap(potential.loss))(particles)
