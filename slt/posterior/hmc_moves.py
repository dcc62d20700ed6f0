"""Hamiltonian Monte Carlo moves of a population, whose masses and step sizes come from the particles themselves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from slt.models.base import Params
from slt.posterior.population import Options, Population
from slt.posterior.scaling_moves import scaling_moves
from slt.posterior.targets import Potential
from slt.runtime.jax_setup import import_untraced

if TYPE_CHECKING:
    from blackjax.mcmc import hmc

TARGET_ACCEPTANCE = 0.8
FLATTEST = 0.05  # the share of particles with the smallest gradients sets the longest of wide steps ...
WIDEST = 30.0  # ... which are no longer than this many nats above the shortest


def move(population: Population, target: Potential, options: Options, key: jax.Array) -> Population:
    """The population after `options.mcmc_steps` moves of each kind for every particle, towards `target`."""
    particles = population.particles
    if options.wide:
        particles = scaling_moves(particles, target, jax.random.fold_in(key, 2))
    sampler = import_untraced("blackjax.mcmc.hmc")
    states = jax.vmap(lambda w: sampler.init(w, target.log_density))(particles)
    inverse_masses, width = _masses(states, options)
    kinds = jnp.tile(jnp.arange(len(inverse_masses)), options.mcmc_steps)
    kernel = sampler.build_kernel()
    jitter_key, key = jax.random.split(key)
    # one size for every trajectory would let some directions come full circle
    shape = (len(kinds), options.particles)
    scales = jax.random.uniform(jitter_key, shape, minval=0.6, maxval=1.2)
    if options.wide:
        any_size = jnp.exp(width * jax.random.uniform(jax.random.fold_in(jitter_key, 1), shape))
        scales = jnp.where(kinds[:, None] == options.kinds.index("wide"), any_size, scales)

    def one_move(state: Any, inputs: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        kind, scale, move_key = inputs
        keys = jax.random.split(move_key, options.particles)
        step = partial(
            kernel,
            logdensity_fn=target.log_density,
            num_integration_steps=options.leapfrog_steps,
        )
        size = population.step_size[jnp.minimum(kind, options.tuned - 1)] * scale
        moved, info = jax.vmap(lambda k, s, h, m: step(k, s, step_size=h, inverse_mass_matrix=m))(
            keys, state, size, inverse_masses[kind]
        )
        return moved, jnp.mean(info.acceptance_rate)

    states, accepted = jax.lax.scan(one_move, states, (kinds, scales, jax.random.split(key, len(kinds))))
    acceptance = jnp.mean(accepted.reshape(options.mcmc_steps, -1), axis=0)[: options.tuned]
    after = jax.vmap(target.energy)(states.position)
    return population._replace(
        particles=states.position,
        step_size=population.step_size * jnp.exp(acceptance - TARGET_ACCEPTANCE),
        correlation=_correlation(population.before, after),
        acceptance=jnp.mean(acceptance),
    )


def _masses(states: hmc.HMCState, options: Options) -> tuple[jax.Array, jax.Array]:
    """Inverse masses (kind, P, d) of every kind of move, and how far above the steepest directions' the step sizes
    of wide ones may lie, nats (P,).

    Those of one half come from the other: a particle that influenced its own would change the target by about 1 / P
    in the mean energy. Neighbors share ancestors, so each half is of consecutive particles.
    """
    half = options.particles // 2
    own = (jnp.arange(options.particles) >= half).astype(int)

    def from_other(of: Callable[[jax.Array], jax.Array], values: Params) -> jax.Array:
        flat = jax.vmap(lambda w: ravel_pytree(w)[0])(values)
        return jnp.stack([of(flat[half:]), of(flat[:half])])

    variance = from_other(lambda w: jnp.var(w, axis=0), states.position) + 1e-300
    squared = from_other(lambda g: jnp.mean(g**2, axis=0), states.logdensity_grad) + 1e-300
    inverse = jnp.stack([variance if kind == "variance" else 1 / squared for kind in options.kinds])[:, own]
    if not options.wide:
        return inverse, jnp.zeros(options.particles)

    def flattest(g: jax.Array) -> jax.Array:
        steep = jnp.mean(g**2 / (jnp.mean(g**2, axis=0) + 1e-300), axis=1)
        return -0.5 * jnp.log(jnp.quantile(steep, FLATTEST) + 1e-300)

    width = jnp.clip(from_other(flattest, states.logdensity_grad), 0.0, WIDEST)
    return inverse, width[own]


def _correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    a, b = a - jnp.mean(a), b - jnp.mean(b)
    scale = jnp.sqrt(jnp.mean(a**2) * jnp.mean(b**2))
    return jnp.where(scale > 0, jnp.mean(a * b) / jnp.where(scale > 0, scale, 1.0), 0.0)
