"""Chains around many points at once, each step with its Metropolis test, in one compiled program.

A chain walks in u, where offset = scale * u: a diagonal preconditioner is nothing but `scale`, and is constant while
draws are kept, so that the chain's target is what it should be. One Langevin step in u at step size e is

    u + (e / 2) grad log p(u) + sqrt(e) N(0, I),

the convention of Welling and Teh 2011 and of Lau et al. 2023 (arXiv:2308.12108); BlackJAX's is e / 2.

`Walkers` holds every chain of every point. The functions are jitted; sizes and the algorithm are static.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.posterior.targets import Potential
from slt.runtime.jax_setup import import_untraced


class Setting(NamedTuple):
    """Where and how the chains of each point walk; every leaf but `target`'s summary has the axis (point,).

    Attributes:
      target: the neighborhood's potential at the inverse temperature of the chains.
      step_size: (point,) e.
      scale: (point, k) of each free entry.
    """

    target: Potential
    step_size: jax.Array
    scale: jax.Array


class Walkers(NamedTuple):
    """Positions (point, chain, k) and running means of squared gradients (point, k), decayed at `DECAY`."""

    u: jax.Array
    squares: jax.Array


DECAY = {"none": 0.99, "rmsprop": 0.99, "adam": 0.999}


def axes(setting: Setting) -> Any:
    """Which axis of each leaf is (point,): the first, but the summary is shared."""
    where = jax.tree.map(lambda _: 0, setting)
    summary = jax.tree.map(lambda _: None, setting.target.summary)
    return where._replace(target=dataclasses.replace(where.target, summary=summary))


def start(points: int, chains: int, dimension: int) -> Walkers:
    """All chains at their point."""
    shapes = (points, chains, dimension), (points, dimension)
    return Walkers(*jax.device_put([np.zeros(shape) for shape in shapes]))


def density(setting: Setting) -> Any:
    """Log density in u (for one point)."""
    return lambda u: setting.target.log_density({"offset": setting.scale * u})


def energy(setting: Setting, u: jax.Array) -> jax.Array:
    return setting.target.energy({"offset": setting.scale * u})


def _adjusted(setting: Setting, algorithm: str, leapfrog: int) -> Any:
    """One adjusted step of one chain of one point: (key, u) -> (u, acceptance, gradient where it started)."""
    hmc, mala = (import_untraced(f"blackjax.mcmc.{name}") for name in ("hmc", "mala"))
    log_density = density(setting)

    def step(key: jax.Array, u: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        if algorithm == "mala":
            state = mala.init(u, log_density)
            new, info = mala.build_kernel()(key, state, log_density, size / 2)
        else:
            state = hmc.init(u, log_density)
            trajectory, key = jax.random.split(key)
            # one length for all would let some directions come full circle
            jittered = jnp.sqrt(size) * jax.random.uniform(trajectory, minval=0.6, maxval=1.2)
            new, info = hmc.build_kernel()(
                key, state, log_density, jittered, jnp.ones_like(u), num_integration_steps=leapfrog
            )
        return new.position, info.acceptance_rate, state.logdensity_grad

    return step


@partial(jax.jit, static_argnames=("algorithm", "goal", "leapfrog", "length", "decay"))
def tune(
    setting: Setting,
    walkers: Walkers,
    key: jax.Array,
    *,
    algorithm: str,
    goal: float,
    leapfrog: int,
    length: int,
    decay: float,
) -> tuple[Walkers, jax.Array, jax.Array, jax.Array]:
    """`length` adjusted steps in which the step size of each point seeks the acceptance `goal`.

    Returns the walkers (with `squares` the decayed mean of squared gradients, bias-corrected), the step size
    (point,) averaged over the second half, the mean acceptance there (point,), and the trace of t K (point, length),
    averaged over chains.
    """

    def point(setting: Setting, u: jax.Array, key: jax.Array) -> Any:
        adjusted = _adjusted(setting, algorithm, leapfrog)

        def one(carry: Any, inputs: tuple[jax.Array, jax.Array]) -> Any:
            u, log_step, squares = carry
            k, key = inputs
            u, accepted, gradient = jax.vmap(adjusted, in_axes=(0, 0, None))(
                jax.random.split(key, len(u)), u, jnp.exp(log_step)
            )
            accepted = jnp.mean(jnp.nan_to_num(accepted))
            squares = decay * squares + (1 - decay) * jnp.mean(gradient**2, axis=0)
            log_step = log_step + 3 * (accepted - goal) / (1 + k) ** 0.6
            mean = jnp.mean(jax.vmap(lambda v: energy(setting, v))(u))
            return (u, log_step, squares), (log_step, accepted, mean)

        zero = jnp.zeros(u.shape[1])
        steps = (jnp.arange(length), jax.random.split(key, length))
        (u, _, squares), (log_step, accepted, trace) = jax.lax.scan(
            one, (u, jnp.log(setting.step_size), zero), steps
        )
        late = slice(length // 2, None)
        return (
            Walkers(u, squares / (1 - decay**length)),
            jnp.exp(jnp.mean(log_step[late])),
            jnp.mean(accepted[late]),
            trace,
        )

    keys = jax.random.split(key, walkers.u.shape[0])
    return jax.vmap(point, in_axes=(axes(setting), 0, 0))(setting, walkers.u, keys)


@partial(jax.jit, static_argnames=("algorithm", "leapfrog", "length", "every"))
def walk(
    setting: Setting,
    walkers: Walkers,
    key: jax.Array,
    *,
    algorithm: str,
    leapfrog: int,
    length: int,
    every: int,
) -> tuple[Walkers, jax.Array, jax.Array]:
    """`length` draws, `every` steps apart, at fixed step sizes.

    Returns the walkers, t K of each draw (point, chain, length) on all the data, and acceptance (point, chain).
    """

    def chain(setting: Setting, u: jax.Array, key: jax.Array) -> Any:
        step = _adjusted(setting, algorithm, leapfrog)

        def draw(u: jax.Array, key: jax.Array) -> Any:
            def one(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
                u, accepted, _ = step(key, u, setting.step_size)
                return u, accepted

            u, accepted = jax.lax.scan(one, u, jax.random.split(key, every))
            return u, (energy(setting, u), jnp.mean(accepted))

        u, (energies, accepted) = jax.lax.scan(draw, u, jax.random.split(key, length))
        return u, energies, jnp.mean(accepted)

    points, chains, _ = walkers.u.shape
    keys = jax.random.split(key, (points, chains))
    over_chains = jax.vmap(chain, in_axes=(None, 0, 0))
    over_points = jax.vmap(over_chains, in_axes=(axes(setting), 0, 0))
    u, energies, accepted = over_points(setting, walkers.u, keys)
    return walkers._replace(u=u), energies, accepted
