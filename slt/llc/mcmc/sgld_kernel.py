"""Unadjusted Langevin walks of many chains around many points, on all the data or on minibatches, in one program.

A step is that of Lau et al. 2023 (arXiv:2308.12108), see `chains`. Its noise, and which observations make the
minibatch, are drawn for many steps at once: with BlackJAX's `overdamped_langevin`, which draws them step by step, a
step of a chain took 9.0 microseconds and not 4.4 (superposition, batches of 100 of 1,000 observations, one core).
Losses of a minibatch are float32, as in training: what they round is nothing beside its noise. Positions are float64,
and so are the losses of draws.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from slt.llc.mcmc.mcmc_kernels import Setting, Walkers, axes, density, energy
from slt.runtime.jax_setup import cast

_TOGETHER = 4096  # numbers of a chain drawn at once, about


@partial(jax.jit, static_argnames=("length", "every", "batch"))
def walk(
    setting: Setting,
    walkers: Walkers,
    key: jax.Array,
    data: Any = None,
    weights: jax.Array | None = None,
    *,
    length: int,
    every: int,
    batch: int | None = None,
) -> tuple[Walkers, jax.Array]:
    """`length` draws, `every` steps apart, at fixed step sizes.

    Returns the walkers, and t K of each draw (point, chain, length) on all the data. With `batch`, gradients come
    from that many observations of `data`, drawn anew each step with replacement.
    """
    data, weights = cast((data, weights), jnp.float32)
    points, count, dimension = walkers.u.shape
    each = every * max(dimension, batch or 0)
    together = max(k for k in range(1, length + 1) if length % k == 0 and (k == 1 or k * each <= _TOGETHER))

    def chain(setting: Setting, u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        def draws(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            pick, noise = jax.random.split(key)
            rows = None
            if batch is not None:
                assert weights is not None
                rows = _rows(pick, (together, every, batch), len(weights))
            normal = jax.random.normal(noise, (together, every, dimension), jnp.float64)
            u, kept = jax.lax.scan(draw, u, (rows, normal))
            return u, jax.vmap(partial(energy, setting))(kept)

        def draw(u: jax.Array, inputs: Any) -> tuple[jax.Array, jax.Array]:
            u, _ = jax.lax.scan(step, u, inputs)
            return u, u

        def step(u: jax.Array, inputs: Any) -> tuple[jax.Array, None]:
            rows, normal = inputs
            log_density = density(setting) if rows is None else _batched(setting, data, weights, rows)
            change = setting.step_size / 2 * jax.grad(log_density)(u)
            return u + change + jnp.sqrt(setting.step_size) * normal, None

        u, energies = jax.lax.scan(draws, u, jax.random.split(key, length // together))
        return u, energies.reshape(-1)

    keys = jax.random.split(key, (points, count))
    over_chains = jax.vmap(chain, in_axes=(None, 0, 0))
    over_points = jax.vmap(over_chains, in_axes=(axes(setting), 0, 0))
    u, energies = over_points(setting, walkers.u, keys)
    return walkers._replace(u=u), energies


def _rows(key: jax.Array, shape: tuple[int, ...], n: int) -> jax.Array:
    """Uniform on 0 .. n - 1, int32, up to n / 2^32: half the random bits and none of the divisions of `randint`."""
    bits = jax.random.bits(key, shape, jnp.uint32).astype(jnp.uint64)
    return ((bits * n) >> 32).astype(jnp.int32)


def _batched(setting: Setting, data: Any, weights: jax.Array | None, rows: jax.Array) -> Any:
    """An unbiased estimate of the log density in u (up to a constant), from the observations `rows` (batch,)."""
    assert weights is not None
    around: Any = setting.target.model
    model, some, counted = cast(
        (around.model, *jax.tree.map(lambda leaf: leaf[rows], (data, weights))), jnp.float32
    )

    def log_density(u: jax.Array) -> jax.Array:
        w = {"offset": setting.scale * u}
        losses = model.losses(cast(around.at(w), jnp.float32), some)
        total = len(weights) / len(rows) * jnp.sum(counted * losses)
        return around.log_prior(w) - setting.target.beta * total

    return log_density


@partial(jax.jit, static_argnames=("batch",))
def gradient_noise(
    setting: Setting, walkers: Walkers, key: jax.Array, data: Any, weights: jax.Array, *, batch: int
) -> jax.Array:
    """(point,) variance that a gradient from `batch` observations adds to each entry of u, mean over entries, at
    where the chains stand."""

    def chain(setting: Setting, u: jax.Array, key: jax.Array) -> jax.Array:
        rows = _rows(key, (16, batch), len(weights))
        gradients = jax.vmap(lambda some: jax.grad(_batched(setting, data, weights, some))(u))(rows)
        return jnp.mean(jnp.var(gradients, axis=0, ddof=1))

    points, count, _ = walkers.u.shape
    over_chains = jax.vmap(chain, in_axes=(None, 0, 0))
    over_points = jax.vmap(over_chains, in_axes=(axes(setting), 0, 0))
    return jnp.mean(over_points(setting, walkers.u, jax.random.split(key, (points, count))), axis=1)
