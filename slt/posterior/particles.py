"""What particle samplers have in common: options, and populations as posteriors with a status for each repeat."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.posterior.base import LadderSampler
from slt.posterior.paths import Path
from slt.posterior.population import Options, ParticleOptions, Population
from slt.posterior.tempering import State
from slt.records.base import OK
from slt.records.posterior import Posterior


@dataclasses.dataclass(frozen=True)
class ParticleSampler(ParticleOptions, LadderSampler):
    """A sampler by tempered populations; `mcmc_steps` are of each of two kinds."""

    particles: int = 1024
    repeats: int = 4
    target_ess: float = 0.5
    mcmc_steps: int = 3
    max_autocorrelation: float = 0.3
    max_rounds: int = 4
    max_temperatures: int = 200

    @property
    def draws_per_n(self) -> int:
        return self.particles * self.repeats

    @property
    def options(self) -> Options:
        return self.chosen()


def to_posteriors(state: State, path: Path, options: Options) -> list[Posterior]:
    """The record of each path's populations, with losses at its end.

    Info: "ess" (distinct ancestors among the particles at the path's start: a bound on independent draws),
    "acceptance" of the last HMC moves, "correlation" of energies across the last temperature's moves (1: nothing was
    decorrelated), "temperatures" and "mcmc_steps" spent.
    """
    losses = np.asarray(_losses(path, state.populations.particles))
    everything = jax.tree.map(np.asarray, state.populations)
    made = []
    for i, loss in enumerate(losses):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], everything)
        repeats, count = one.ancestors.shape
        distinct = np.array([np.unique(ancestors).size for ancestors in one.ancestors])
        info = {
            "ess": distinct.astype(float),
            "acceptance": one.acceptance,
            "correlation": one.correlation,
            "temperatures": np.full(repeats, float(state.temperatures)),
            "mcmc_steps": np.full(repeats, float(state.mcmc_steps)),
        }
        weights = np.full((repeats, count), -np.log(count))
        status = np.array([_status(one, repeat, distinct[repeat], options) for repeat in range(repeats)])
        made.append(Posterior(one.particles, weights, loss, one.log_evidence, info, status))
    return made


@jax.jit
def _losses(path: Path, particles: Any) -> jax.Array:
    """(path, repeat, draw) mean losses at the end of each path."""

    def one(path: Path, particles: Any) -> jax.Array:
        target = path.at(jnp.ones(()))
        return jax.vmap(jax.vmap(target.loss))(particles)

    return jax.vmap(one)(path, particles)


def _status(one: Population, repeat: int, distinct: int, options: Options) -> str:
    if not np.isfinite(one.log_evidence[repeat]):
        return "not finite: the evidence is not a number; the loss may be NaN or infinite under the prior"
    if one.phi[repeat] < 1:
        return f"unfinished: after {options.max_temperatures} temperatures phi was only {one.phi[repeat]:.3g}"
    if distinct < max(10, 0.01 * options.particles):
        return f"degenerate: only {distinct} distinct ancestors of {options.particles} particles"
    if one.acceptance[repeat] < 0.2:
        return f"stuck: only {one.acceptance[repeat]:.0%} of HMC moves were accepted"
    return OK
