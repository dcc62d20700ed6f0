"""Losses of a network around many points in float32: minibatches, gradients, curvatures and their traces.

Functions of many points take a few of them at a time, always equally many, so that each is compiled once.

Traces are estimated with random signs: E[v H v] = tr H (Hutchinson 1990, "A stochastic estimator of the trace of the
influence matrix"). That of the Fisher information is the mean squared norm of the gradients of single observations
at their own labels (the empirical Fisher).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from slt.llc.problem import LLCProblem, decrement
from slt.models.base import Data, Model, Params
from slt.records.base import Array
from slt.runtime.devices import spread
from slt.runtime.jax_setup import cast
from slt.runtime.random_keys import random_key

FEW = 512  # observations for losses, gradients and curvatures at a point, at most
_POWERS = 20  # products with the Hessian in a search for its largest eigenvalue
_SIGNS = 8  # random signs for a trace
_PRODUCTS, _FEWER = 4, 128  # products with the Hessian, of so many observations, for the norms of its rows
_BATCHES = 16  # minibatches whose gradients are compared
_KEY = 2**32 - 7  # of the few observations of a population


class Batch(NamedTuple):
    """Observations, leading axis n, float32, and their weights (n,): the mean of weight x loss is unbiased."""

    data: Data
    weights: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Setting:
    """A problem as float32 arrays.

    Attributes:
      model: in float32.
      data: all observations, or None for fresh ones from the model.
      mask: (d,) 1 for entries that may move, 0 for the others.
      like: parameters of one point, for their shapes.
      nbeta: n beta.
    """

    model: Model
    data: Batch | None
    mask: jax.Array
    like: Params
    nbeta: jax.Array


def setting(problem: LLCProblem, nbeta: float) -> Setting:
    like = jax.tree.map(lambda leaf: jnp.asarray(leaf[0], jnp.float32), problem.points)
    size = sum(leaf.size for leaf in jax.tree.leaves(like))
    every, selected = np.arange(size), problem.selected
    mask = np.isin(every, every if selected is None else np.asarray(selected))
    data = None
    if problem.data is not None:
        weights = jnp.asarray(problem.weights / np.mean(problem.weights))
        data = cast(Batch(problem.data, weights), jnp.float32)
    return Setting(
        cast(problem.model, jnp.float32), data, jnp.asarray(mask, jnp.float32), like, jnp.float32(nbeta)
    )


def flat(points: Params) -> jax.Array:
    """(point, d) float32."""
    return jax.vmap(lambda point: ravel_pytree(point)[0])(cast(points, jnp.float32))


def draw(setting: Setting, key: jax.Array, size: int) -> Batch:
    """`size` observations: of the data, with replacement, or fresh ones."""
    if setting.data is None:
        return Batch(cast(setting.model.sample(key, size), jnp.float32), jnp.ones(size, jnp.float32))
    rows = jax.random.randint(key, (size,), 0, len(setting.data.weights))
    return jax.tree.map(lambda leaf: leaf[rows], setting.data)


def few(setting: Setting) -> Batch:
    """The first observations, or some fresh ones, always the same."""
    if setting.data is None:
        return draw(setting, random_key(_KEY), FEW)
    return jax.tree.map(lambda leaf: leaf[:FEW], setting.data)


def batch_loss(w: jax.Array, setting: Setting, batch: Batch) -> jax.Array:
    """Mean loss at the flat parameters w (d,), nats per observation."""
    params = ravel_pytree(setting.like)[1](w)
    return jnp.mean(batch.weights * setting.model.losses(params, batch.data))


def _curved(setting: Setting, w: jax.Array, u: jax.Array, batch: Batch) -> jax.Array:
    """The Hessian at w, of the entries that may move, times u (d,)."""
    gradient = lambda x: setting.mask * jax.grad(batch_loss)(x, setting, batch)  # noqa: E731
    return jax.jvp(gradient, (w,), (setting.mask * u,))[1]


class Expansion(NamedTuple):
    """The loss to second order at points, nats per observation.

    Attributes:
      loss: (point,) mean loss.
      gradient: (point, d) of the mean loss, of the entries that may move.
      decrement: (point,) see `problem.newton_decrement`; without bias from noise.
      curvature: (point, d) norms of the Hessian's rows, roughly: root mean squares of products with random signs.
    """

    loss: jax.Array
    gradient: jax.Array
    decrement: jax.Array
    curvature: jax.Array


def _pieces(batch: Batch) -> Batch:
    """The observations in two halves of up to 16 pieces, leading axes (half, piece, observation), filled up with some
    that count nothing."""
    n = len(batch.weights)
    parts = max(1, min(16, n // 2))
    size = -(-n // (2 * parts))
    place = np.moveaxis(np.arange(2 * parts * size).reshape(size, 2, parts), 0, 2)
    pieces = jax.tree.map(lambda leaf: leaf[place % n], batch)
    return pieces._replace(weights=jnp.where(place < n, pieces.weights * (place.size / n), 0))


def in_turn(function: Callable[..., Any], points_per_batch: int, *inputs: Any) -> Any:
    """`function` of pytrees with leading axis (point,), called with `points_per_batch` points at a time; a last batch
    that is short is filled up with its last point. Arrays come back as numpy."""
    count = len(jax.tree.leaves(inputs)[0])
    found = []
    for first in range(0, count, points_per_batch):
        rows = np.minimum(np.arange(first, first + points_per_batch), count - 1)
        some = jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), inputs)  # noqa: B023
        found.append(jax.device_get(function(*spread(some, axes=1))))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *found)


@partial(jax.jit, static_argnames="observations")
def at_points(setting: Setting, points: jax.Array, *, observations: int) -> Expansion:
    """On all the data; without data on so many fresh observations, always the same."""
    some = setting.data or draw(setting, random_key(_KEY + 1), observations)
    pieces = _pieces(some)
    signs = jax.random.rademacher(random_key(1), (_PRODUCTS, points.shape[1]), jnp.float32)
    fewer = jax.tree.map(lambda leaf: leaf[:_FEWER], few(setting))

    def one(w: jax.Array) -> Expansion:
        value = lambda piece: jax.value_and_grad(batch_loss)(w, setting, piece)  # noqa: E731
        loss, gradients = jax.lax.map(lambda half: jax.lax.map(value, half), pieces)
        gradients = setting.mask * gradients  # (half, piece, d)
        first, second = jnp.mean(gradients, axis=1)
        mean = (first + second) / 2
        unit = mean / jnp.sqrt(jnp.sum(mean**2) + 1e-30)
        along = unit @ _curved(setting, w, unit, few(setting))
        products = jax.lax.map(lambda u: _curved(setting, w, u, fewer), signs)
        return Expansion(
            jnp.mean(loss),
            mean,
            decrement(jnp.maximum(first @ second, 0.0), along),
            jnp.sqrt(jnp.mean(products**2, axis=0)),
        )

    return jax.vmap(one)(points)


@jax.jit
def largest_curvature(setting: Setting, points: jax.Array, scale: jax.Array, key: jax.Array) -> jax.Array:
    """(point,) largest eigenvalue, by size, of the Hessian in the coordinates w / scale, by power iteration; `scale`
    (point, d)."""
    some = few(setting)

    def one(inputs: Any) -> jax.Array:
        w, scale = inputs

        def power(_: Any, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            product = scale * _curved(setting, w, scale * state[0], some)
            size = jnp.linalg.norm(product)
            return product / (size + 1e-30), size

        start = setting.mask * jax.random.normal(key, w.shape, w.dtype)
        return jax.lax.fori_loop(0, _POWERS, power, (start / jnp.linalg.norm(start), jnp.float32(0)))[1]

    return jax.vmap(one)((points, scale))


@partial(jax.jit, static_argnames="batch")
def gradient_noise(
    setting: Setting, points: jax.Array, scale: jax.Array, where: jax.Array, keys: jax.Array, *, batch: int
) -> jax.Array:
    """(point,) variance, summed over entries, that a minibatch adds to nbeta grad L in the coordinates w / scale.

    Gradients are corrected by what the minibatch says at the point. Mean over chains, which are at `where`
    (point, chain, d).
    """

    def one(inputs: Any) -> jax.Array:
        point, scale, chains, key = inputs

        def apart(w: jax.Array, key: jax.Array) -> jax.Array:
            some = draw(setting, key, batch)
            here, there = (jax.grad(batch_loss)(x, setting, some) for x in (w, point))
            return setting.mask * scale * (here - there)

        def spread(inputs: Any) -> jax.Array:
            w, key = inputs
            gradients = jax.lax.map(partial(apart, w), jax.random.split(key, _BATCHES))
            return setting.nbeta**2 * jnp.sum(jnp.var(gradients, axis=0, ddof=1))

        return jnp.mean(jax.lax.map(spread, (chains, jax.random.split(key, len(chains)))))

    return jax.vmap(one)((points, scale, where, keys))


def traces(
    setting: Setting, points: jax.Array, observations: int, *, points_per_batch: int
) -> dict[str, Array]:
    """ "hessian_trace" with its standard error over signs, "fisher_trace": each (point,), nats per observation.

    They come from the first `observations` of `few`.
    """
    trace = partial(_traces, setting, observations=observations)
    hessian, fisher = in_turn(trace, points_per_batch, points)
    hessian = hessian.astype(float)
    return {
        "hessian_trace": hessian.mean(axis=1),
        "hessian_trace_error": hessian.std(axis=1, ddof=1) / _SIGNS**0.5,
        "fisher_trace": fisher.astype(float),
    }


@partial(jax.jit, static_argnames="observations")
def _traces(setting: Setting, points: jax.Array, *, observations: int) -> tuple[jax.Array, jax.Array]:
    some = jax.tree.map(lambda leaf: leaf[:observations], few(setting))
    signs = jax.random.rademacher(random_key(0), (_SIGNS, points.shape[1]), jnp.float32) * setting.mask

    def one(w: jax.Array) -> tuple[jax.Array, jax.Array]:
        hessian = jax.lax.map(lambda u: u @ _curved(setting, w, u, some), signs)

        def squared(single: Batch) -> jax.Array:
            alone = jax.tree.map(lambda leaf: leaf[None], single)._replace(weights=jnp.ones(1, w.dtype))
            return single.weights * jnp.sum((setting.mask * jax.grad(batch_loss)(w, setting, alone)) ** 2)

        return hessian, jnp.mean(jax.lax.map(squared, some, batch_size=32))

    return jax.vmap(one)(points)
