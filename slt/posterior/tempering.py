"""Sequential Monte Carlo along a straight path of posteriors, for everything that tempers populations.

Populations of particles follow a path (`paths`), phi from 0 to 1. One temperature is: choose the next phi
so that the effective sample size of the incremental weights is a set share; add the log of their mean to log Z;
resample; then move every particle by Hamiltonian Monte Carlo *at the new phi*, so that each temperature ends with
equal weights (Del Moral, Doucet and Jasra 2006, with adaptive temperatures after Jasra et al. 2011). The kernels, the
resampling and the solver are BlackJAX's; their order is not, since its ready-made tempered kernels move before they
reweight and leave weights behind.

`initialize` draws from the prior; `advance` is one temperature and `run` all of a path's; `start_path` begins the
next path. They work on populations with leading axes (path, repeat). The loops run on the host: how many temperatures
and rounds of moves are needed is only known by looking.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from slt.posterior.hmc_moves import move
from slt.posterior.paths import Path
from slt.posterior.population import Options, Population, from_prior
from slt.posterior.targets import Prior
from slt.runtime.jax_setup import import_untraced


class State(NamedTuple):
    """Populations on a path, every leaf with leading axes (path, repeat); the key of what follows; and what the path
    has taken so far."""

    populations: Population
    key: jax.Array
    temperatures: int = 0
    mcmc_steps: int = 0


def initialize(models: Prior, options: Options, shape: tuple[int, int], key: jax.Array) -> State:
    """Draws from the prior, at the start of a path. `shape` is the number of paths and of repeats; every leaf of
    `models` has the leading axis (path,)."""
    first, key = jax.random.split(key)
    return State(_from_prior(models, jax.random.split(first, shape), options=options), key)


def start_path(state: State) -> State:
    """The same populations at the start of the next path."""
    populations = state.populations
    ancestors = jnp.arange(populations.ancestors.shape[-1])
    return State(
        populations._replace(
            phi=jnp.zeros_like(populations.phi),
            ancestors=jnp.broadcast_to(ancestors, populations.ancestors.shape),
        ),
        state.key,
    )


def advance(path: Path, state: State, options: Options, shared_temperatures: bool = False) -> State:
    """One temperature for all populations: reweight, then move until the energies are decorrelated.

    With `shared_temperatures` the repeats of a path share every phi (the smallest that one of them asks for), so that
    they can be compared at equal temperatures.
    """
    key, after = jax.random.split(state.key)
    reweight_key, key = jax.random.split(key)
    shape = state.populations.phi.shape
    keys = jax.random.split(reweight_key, shape)
    populations = _reweight(path, state.populations, keys, options=options, shared=shared_temperatures)
    for made in range(1, options.max_rounds + 1):  # noqa: B007
        fresh, key = jax.random.split(key)
        populations = _move(path, populations, jax.random.split(fresh, shape), options=options)
        if jnp.mean(populations.correlation) <= options.max_autocorrelation:
            break
    steps = made * options.mcmc_steps * len(options.kinds)
    return State(populations, after, state.temperatures + 1, state.mcmc_steps + steps)


def arrived(state: State) -> bool:
    """Whether all populations are at the end of their paths."""
    return bool(jnp.all(state.populations.phi >= 1))


def run(
    path: Path,
    state: State,
    options: Options,
    shared_temperatures: bool = False,
    stop: Callable[[State], bool] = arrived,
) -> State:
    """Temperatures until `stop`, which sees the state after each, or until there were `max_temperatures`."""
    while True:
        state = advance(path, state, options, shared_temperatures)
        if stop(state) or state.temperatures >= options.max_temperatures:
            return state


@partial(jax.jit, static_argnames=("options",))
def _from_prior(models: Prior, keys: jax.Array, *, options: Options) -> Population:
    over_repeats = jax.vmap(lambda model, key: from_prior(model, options, key), in_axes=(None, 0))
    return jax.vmap(over_repeats)(models, keys)


@partial(jax.jit, static_argnames=("options", "shared"))
def _reweight(
    path: Path, populations: Population, keys: jax.Array, *, options: Options, shared: bool
) -> Population:
    def repeats(path: Path, populations: Population, keys: jax.Array) -> Population:
        delta, gain = jax.vmap(lambda one: _step(one, path, options))(populations)
        if shared:
            delta = jnp.full_like(delta, jnp.min(delta))
        return jax.vmap(lambda one, d, g, key: _resample(one, path, d, g, key))(
            populations, delta, gain, keys
        )

    return jax.vmap(repeats)(path, populations, keys)


@partial(jax.jit, static_argnames=("options",))
def _move(path: Path, populations: Population, keys: jax.Array, *, options: Options) -> Population:
    over_repeats = jax.vmap(
        lambda path, one, key: move(one, path.at(one.phi), options, key), in_axes=(None, 0, 0)
    )
    return jax.vmap(over_repeats)(path, populations, keys)


def _step(population: Population, path: Path, options: Options) -> tuple[jax.Array, jax.Array]:
    """How far phi may advance before the effective sample size falls to the set share, and every particle's gain
    in log weight (P,) for each unit of phi, nats."""
    gain = -jax.vmap(path.increment().energy)(population.particles)
    gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
    room = 1 - population.phi
    ess, solver = (import_untraced(f"blackjax.smc.{name}") for name in ("ess", "solver"))
    solve = partial(ess.ess_solver, target_ess=options.target_ess, max_delta=room)
    delta = solve(lambda _: gain, population.particles, root_solver=solver.dichotomy)
    return delta, gain


def _resample(
    population: Population, path: Path, delta: jax.Array, gain: jax.Array, key: jax.Array
) -> Population:
    """Advance phi by `delta`, account for log Z, and resample."""
    count = population.ancestors.shape[0]
    room = 1 - population.phi
    log_weights = jnp.where(delta > 0, delta * gain, 0.0)
    total = logsumexp(log_weights)
    resampling = import_untraced("blackjax.smc.resampling")
    chosen = resampling.systematic(key, jnp.exp(log_weights - total), count)
    particles = jax.tree.map(lambda leaf: leaf[chosen], population.particles)
    phi = jnp.where(delta >= room, 1.0, population.phi + delta)
    return population._replace(
        particles=particles,
        phi=phi,
        log_evidence=population.log_evidence + total - jnp.log(count),
        ancestors=population.ancestors[chosen],
        before=jax.vmap(path.at(phi).energy)(particles),
    )
