"""Sequential Monte Carlo along a straight path of posteriors: the engine of `smc` and `ladder`.

A population of particles is carried along a path (`paths`), phi from 0 to 1. One temperature is: choose the next phi
so that the effective sample size of the incremental weights is a set share; add the log of their mean to log Z;
resample; then move every particle by Hamiltonian Monte Carlo *at the new phi*, so that each temperature ends with
equal weights (Del Moral, Doucet and Jasra 2006, with adaptive temperatures after Jasra et al. 2011). The kernels, the
resampling and the solver are BlackJAX's; their order is ours, since its ready-made tempered kernels move before they
reweight and leave weights behind.

`step`, `reweight` and `move` are for one population; `temperature` runs them over (path, repeat): every leaf of
its path and populations carries those axes first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.scipy.special import logsumexp

from slt.models.base import Params
from slt.posterior.paths import Path
from slt.posterior.scaling_moves import glide
from slt.posterior.targets import Prior
from slt.runtime.jax_setup import import_untraced

if TYPE_CHECKING:
    from blackjax.mcmc import hmc

TARGET_ACCEPTANCE = 0.8
CALM = 0.05  # the calmest share of particles sets the longest steps of deep moves ...
FARTHEST = 30.0  # ... which are no longer than this many nats above the shortest


@dataclasses.dataclass(frozen=True)
class Options:
    """How a population is moved. Frozen and hashable: part of the compiled program.

    Attributes:
      particles: P, per repeat.
      ess: effective sample size kept at each temperature, as a share of P.
      leapfrog: integration steps of one HMC move; their size adapts to 80 % acceptance.
      moves: HMC moves of each kind between looks at the correlation.
      forget: moves go on until the energies' correlation with those before the moves falls below this ...
      max_rounds: ... or this many rounds of `moves` were made.
      max_temperatures: between two rungs; beyond it the repeat is given up, with a status.
      kinds: of moves, in turn: where their masses come from. "spread": the particles' variances, which suit a valley
        along the axes. "slopes": mean squared slopes, which suit the steepest directions: where symmetric copies
        spread weights all over and leave biases narrow, steps that suit the valley of weights freeze the biases,
        the more so the larger n. "reach": as "slopes", after which it must come, with steps of every size up to what
        the calmest particles bear.
    """

    particles: int
    ess: float
    leapfrog: int
    moves: int
    forget: float
    max_rounds: int
    max_temperatures: int
    kinds: tuple[str, ...] = ("slopes", "spread")

    @property
    def tuned(self) -> int:
        """Kinds of moves whose step size adapts."""
        return len(self.kinds) - self.deep

    @property
    def deep(self) -> bool:
        """Whether some steps have every size; there, where parameters are few, they also glide along the arms of a
        crossing."""
        return "reach" in self.kinds


# For populations that hug a singular set, a valley far longer than wide and wider at its crossings.
DEEP = ("spread", "slopes", "reach")


class Population(NamedTuple):
    """What the next temperature needs: particles (P, ...), phi, log Z, step sizes (tuned kind,), ancestors at the
    rung's start (P,), the energies before the current moves (P,), and the last correlation and acceptance."""

    particles: Params
    phi: jax.Array
    log_evidence: jax.Array
    step_size: jax.Array
    ancestors: jax.Array
    before: jax.Array
    correlation: jax.Array
    acceptance: jax.Array


def from_prior(model: Prior, options: Options, key: jax.Array) -> Population:
    """P independent draws from the prior, log Z = 0, at the end of an empty path."""
    count = options.particles
    particles = jax.vmap(model.sample_prior)(jax.random.split(key, count))
    particles = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), particles)
    dimension = ravel_pytree(particles)[0].size // count
    zero = jnp.zeros(())
    return Population(
        particles=particles,
        phi=jnp.ones(()),
        log_evidence=zero,
        # typed: a weak type would compile twice
        step_size=jnp.full(options.tuned, dimension**-0.25, jnp.float64),
        ancestors=jnp.arange(count),
        before=jnp.zeros(count),
        correlation=zero,
        acceptance=jnp.ones(()),
    )


def start_rung(population: Population) -> Population:
    """The population at phi = 0 of the next path."""
    count = population.ancestors.shape[0]
    return population._replace(phi=jnp.zeros(()), ancestors=jnp.arange(count))


def step(population: Population, path: Path, options: Options) -> tuple[jax.Array, jax.Array]:
    """How far phi may advance before the effective sample size falls to the set share, and every particle's gain
    in log weight (P,) for each unit of phi, nats."""
    gain = -jax.vmap(path.increment().energy)(population.particles)
    gain = jnp.where(jnp.isnan(gain), -jnp.inf, gain)
    room = 1 - population.phi
    ess, solver = (import_untraced(f"blackjax.smc.{name}") for name in ("ess", "solver"))
    solve = partial(ess.ess_solver, target_ess=options.ess, max_delta=room)
    delta = solve(lambda _: gain, population.particles, root_solver=solver.dichotomy)
    return delta, gain


def reweight(
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


def move(population: Population, path: Path, options: Options, key: jax.Array) -> Population:
    """`options.moves` HMC moves of each kind for every particle at the current phi; step sizes and masses from the
    particles."""
    target = path.at(population.phi)
    particles = population.particles
    if options.deep:
        particles = glide(particles, target, jax.random.fold_in(key, 2))
    sampler = import_untraced("blackjax.mcmc.hmc")
    states = jax.vmap(lambda w: sampler.init(w, target.log_density))(particles)
    inverse_masses, reach = _masses(states, options)
    kinds = jnp.tile(jnp.arange(len(inverse_masses)), options.moves)
    kernel = sampler.build_kernel()
    jitter_key, key = jax.random.split(key)
    # one size for every trajectory would let some directions come full circle
    shape = (len(kinds), options.particles)
    scales = jax.random.uniform(jitter_key, shape, minval=0.6, maxval=1.2)
    if options.deep:
        any_size = jnp.exp(reach * jax.random.uniform(jax.random.fold_in(jitter_key, 1), shape))
        scales = jnp.where(kinds[:, None] == options.kinds.index("reach"), any_size, scales)

    def one_move(state: Any, inputs: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        kind, scale, move_key = inputs
        keys = jax.random.split(move_key, options.particles)
        step = partial(
            kernel,
            logdensity_fn=target.log_density,
            num_integration_steps=options.leapfrog,
        )
        size = population.step_size[jnp.minimum(kind, options.tuned - 1)] * scale
        moved, info = jax.vmap(lambda k, s, h, m: step(k, s, step_size=h, inverse_mass_matrix=m))(
            keys, state, size, inverse_masses[kind]
        )
        return moved, jnp.mean(info.acceptance_rate)

    states, accepted = jax.lax.scan(one_move, states, (kinds, scales, jax.random.split(key, len(kinds))))
    acceptance = jnp.mean(accepted.reshape(options.moves, -1), axis=0)[: options.tuned]
    after = jax.vmap(target.energy)(states.position)
    return population._replace(
        particles=states.position,
        step_size=population.step_size * jnp.exp(acceptance - TARGET_ACCEPTANCE),
        correlation=_correlation(population.before, after),
        acceptance=jnp.mean(acceptance),
    )


def _masses(states: hmc.HMCState, options: Options) -> tuple[jax.Array, jax.Array]:
    """Inverse masses (kind, P, d) of every kind of move, and how far above the steepest directions' the step sizes
    of the last may lie, nats (P,).

    Those of one half come from the other: a particle that had a say in its own would not quite leave the target as it
    is, by about 1 / P in the mean energy. Neighbors share ancestors, so halves are taken whole.
    """
    half = options.particles // 2
    mine = (jnp.arange(options.particles) >= half).astype(int)

    def from_other(of: Callable[[jax.Array], jax.Array], values: Params) -> jax.Array:
        flat = jax.vmap(lambda w: ravel_pytree(w)[0])(values)
        return jnp.stack([of(flat[half:]), of(flat[:half])])

    spread = from_other(lambda w: jnp.var(w, axis=0), states.position) + 1e-300
    squared = from_other(lambda g: jnp.mean(g**2, axis=0), states.logdensity_grad) + 1e-300
    inverse = jnp.stack([spread if kind == "spread" else 1 / squared for kind in options.kinds])[:, mine]
    if not options.deep:
        return inverse, jnp.zeros(options.particles)

    def calmest(g: jax.Array) -> jax.Array:
        steep = jnp.mean(g**2 / (jnp.mean(g**2, axis=0) + 1e-300), axis=1)
        return -0.5 * jnp.log(jnp.quantile(steep, CALM) + 1e-300)

    reach = jnp.clip(from_other(calmest, states.logdensity_grad), 0.0, FARTHEST)
    return inverse, reach[mine]


def _correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    a, b = a - jnp.mean(a), b - jnp.mean(b)
    scale = jnp.sqrt(jnp.mean(a**2) * jnp.mean(b**2))
    return jnp.where(scale > 0, jnp.mean(a * b) / jnp.where(scale > 0, scale, 1.0), 0.0)


def from_prior_all(models: Prior, options: Options, keys: jax.Array) -> Population:
    """`from_prior` for every key of (path, repeat); every leaf of `models` has the leading axis (path,)."""
    return _from_prior(models, keys, options=options)


def temperature(
    path: Path, populations: Population, key: jax.Array, options: Options, together: bool = False
) -> tuple[Population, int]:
    """One temperature for all populations: reweight, then move until forgotten. Returns the moves made too.

    With `together` the repeats of a path share every phi (the most careful repeat's), so that they can be compared
    at equal temperatures. The loop runs on the host: how many rounds of moves are needed is only known by looking.
    """
    reweigh, key = jax.random.split(key)
    shape = populations.phi.shape
    keys = jax.random.split(reweigh, shape)
    populations = _reweight(path, populations, keys, options=options, together=together)
    for made in range(1, options.max_rounds + 1):  # noqa: B007
        fresh, key = jax.random.split(key)
        populations = _move(path, populations, jax.random.split(fresh, shape), options=options)
        if jnp.mean(populations.correlation) <= options.forget:
            break
    return populations, made * options.moves * len(options.kinds)


@partial(jax.jit, static_argnames=("options",))
def _from_prior(models: Prior, keys: jax.Array, *, options: Options) -> Population:
    over_repeats = jax.vmap(lambda model, key: from_prior(model, options, key), in_axes=(None, 0))
    return jax.vmap(over_repeats)(models, keys)


@partial(jax.jit, static_argnames=("options", "together"))
def _reweight(
    path: Path, populations: Population, keys: jax.Array, *, options: Options, together: bool
) -> Population:
    def repeats(path: Path, populations: Population, keys: jax.Array) -> Population:
        delta, gain = jax.vmap(lambda one: step(one, path, options))(populations)
        if together:
            delta = jnp.full_like(delta, jnp.min(delta))
        return jax.vmap(lambda one, d, g, key: reweight(one, path, d, g, key))(populations, delta, gain, keys)

    return jax.vmap(repeats)(path, populations, keys)


@partial(jax.jit, static_argnames=("options",))
def _move(path: Path, populations: Population, keys: jax.Array, *, options: Options) -> Population:
    over_repeats = jax.vmap(lambda path, one, key: move(one, path, options, key), in_axes=(None, 0, 0))
    return jax.vmap(over_repeats)(path, populations, keys)
