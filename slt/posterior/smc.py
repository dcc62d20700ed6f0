"""Tempered SMC from the prior to one potential: weighted evidence for any model, at one n."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from slt.posterior import paths, tempering
from slt.posterior.particles import ParticleSampler, to_posteriors
from slt.posterior.per_n import Sampler
from slt.posterior.targets import Potential
from slt.records.posterior import Posterior
from slt.runtime.devices import spread_populations


@dataclasses.dataclass(frozen=True)
class SMC(ParticleSampler, Sampler):
    """Particles from the prior by inverse temperature. See `tempering` for the method."""

    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        path = paths.PriorPath(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], potential))
        state = tempering.initialize(path.target.model, self.options, (1, self.repeats), key)
        state = state._replace(populations=spread_populations(state.populations))
        state = tempering.run(path, state, self.options)
        return to_posteriors(state, path, self.options)[0]
