"""The hot path: an ensemble of seeds taken from checkpoint to checkpoint by one compiled program.

Minibatches from a finite data set are shuffled epochs without replacement. At the start of each epoch a seed
draws a new order of its n observations, a pure function of its key and of the epoch's number; each step takes
the next `batch_size` of them. The ragged tail of n mod batch_size observations is dropped, a different one
in each epoch. A fresh stream draws `batch_size` new observations at each step, a pure function of the seed's
key and the step's number.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model, Params, Summary
from slt.runtime.jax_setup import cast
from slt.training.optimizers import Optimizer


class Ensemble(NamedTuple):
    """Where every seed is.

    Attributes:
      step: () int32 optimizer steps taken.
      keys: (seed,) keys of the minibatches.
      params: float32 pytree, leading axis seed.
      memory: the optimizer's state, leading axis seed.
      order: (seed, n) int32 order of the observations in the current epoch; (seed, 0) for a fresh stream.
    """

    step: jax.Array
    keys: jax.Array
    params: Params
    memory: Any
    order: jax.Array


@functools.partial(jax.jit, static_argnames=("optimizer", "seeds", "n", "horizon"))
def begin(
    model: Model, key: jax.Array, *, optimizer: Optimizer, seeds: int, n: int, horizon: int | None
) -> Ensemble:
    """The ensemble at step 0. Seed s depends on `key` and s alone, not on how many seeds there are."""
    of_seed = jax.vmap(lambda s: jax.random.split(jax.random.fold_in(key, s)))(jnp.arange(seeds))
    params = cast(jax.vmap(model.init)(of_seed[:, 0]), jnp.float32)
    memory = jax.vmap(optimizer.build(horizon).init)(params)
    return Ensemble(jnp.int32(0), of_seed[:, 1], params, memory, jnp.zeros((seeds, n), jnp.int32))


@functools.partial(jax.jit, static_argnames=("optimizer", "batch_size", "horizon"))
def advance(
    ensemble: Ensemble,
    stops: jax.Array,
    model: Model,
    data: Data | None,
    dataset: jax.Array,
    *,
    optimizer: Optimizer,
    batch_size: int,
    horizon: int | None,
) -> tuple[Ensemble, Params]:
    """Take every seed to each of `stops` in turn.

    The gaps between stops are dynamic: one compilation serves every chunk of the same number of stops.

    Args:
      ensemble: where the seeds are.
      stops: (checkpoint,) int32, non-decreasing; a stop that has been reached costs nothing.
      model: the model.
      data: float32 pytree with leading axes (dataset, n), or None for a fresh stream.
      dataset: (seed,) index of each seed's data set.
      optimizer: the update rule.
      batch_size: observations in a minibatch.
      horizon: how many steps the run has, where the optimizer has to know (`Optimizer.horizon`).

    Returns:
      The ensemble at the last stop, and the parameters at each stop with leading axes (checkpoint, seed).
    """
    descend = _descent(cast(model, jnp.float32), optimizer.build(horizon).update)

    def stream(ensemble: Ensemble, stop: jax.Array) -> Ensemble:
        def batches(step: jax.Array) -> Data:
            fresh = jax.vmap(lambda key: model.sample(jax.random.fold_in(key, step), batch_size))
            return cast(fresh(ensemble.keys), jnp.float32)

        return descend(ensemble, stop, batches)

    def epochs(ensemble: Ensemble, stop: jax.Array) -> Ensemble:
        n = ensemble.order.shape[1]
        length = n // batch_size

        def rest_of_epoch(ensemble: Ensemble) -> Ensemble:
            epoch, position = jnp.divmod(ensemble.step, length)
            order = jax.lax.cond(
                position == 0, lambda: _shuffles(ensemble.keys, epoch, n), lambda: ensemble.order
            )

            def batches(step: jax.Array) -> Data:
                rows = jax.lax.dynamic_slice_in_dim(order, step % length * batch_size, batch_size, axis=1)
                return jax.tree.map(lambda leaf: leaf[dataset[:, None], rows], data)

            end = jnp.minimum(stop, ensemble.step - position + length)
            return descend(ensemble._replace(order=order), end, batches)

        return jax.lax.while_loop(lambda ensemble: ensemble.step < stop, rest_of_epoch, ensemble)

    def gap(ensemble: Ensemble, stop: jax.Array) -> tuple[Ensemble, Params]:
        ensemble = stream(ensemble, stop) if data is None else epochs(ensemble, stop)
        return ensemble, ensemble.params

    return jax.lax.scan(gap, ensemble, stops)


def _descent(
    model: Model, update: Callable[..., Any]
) -> Callable[[Ensemble, jax.Array, Callable[[jax.Array], Data]], Ensemble]:
    """The loop that takes an ensemble to step `end`; `batches(step)` has leading axes (seed, batch_size)."""

    def one(params: Params, memory: Any, batch: Data) -> tuple[Params, Any]:
        gradient = jax.grad(lambda w: jnp.mean(model.losses(w, batch)))(params)
        change, memory = update(gradient, memory, params)
        return jax.tree.map(jnp.add, params, change), memory

    def descend(ensemble: Ensemble, end: jax.Array, batches: Callable[[jax.Array], Data]) -> Ensemble:
        def step(t: jax.Array, carry: tuple[Params, Any]) -> tuple[Params, Any]:
            return jax.vmap(one)(*carry, batches(t))

        start = (ensemble.params, ensemble.memory)
        params, memory = jax.lax.fori_loop(ensemble.step, end, step, start)
        return ensemble._replace(step=jnp.maximum(ensemble.step, end), params=params, memory=memory)

    return descend


def _shuffles(keys: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    """(seed, n) int32: for each key a uniformly random permutation of 0..n-1.

    Sorts words whose high bits are random and whose low bits are the index: XLA sorts one array of unsigned
    integers several times faster than `jax.random.permutation` sorts keys with a payload. It is uniform up to
    ties in the random bits (54 of them for n = 1000: less than one epoch in 10^10 has one).
    """
    low = (n - 1).bit_length()
    index = jnp.arange(n, dtype=jnp.uint64)

    def one(key: jax.Array) -> jax.Array:
        bits = jax.random.bits(jax.random.fold_in(key, epoch), (n,), jnp.uint64)
        return jnp.sort((bits << low) | index) & ((1 << low) - 1)

    return jax.vmap(one)(keys).astype(jnp.int32)


@jax.jit
def measure(
    params: Params, model: Model, summaries: Summary | None, dataset: jax.Array, n: jax.Array
) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
    """What stored parameters are worth, in float64.

    Seeds go one after another, so that memory grows with the checkpoints of a chunk times n, not with seeds.

    Args:
      params: float32 pytree, leading axes (checkpoint, seed).
      model: the model.
      summaries: `model.summarize` of each data set, leading axis dataset, or None for a fresh stream.
      dataset: (seed,).
      n: observations in a data set.

    Returns:
      loss, population_loss and observables, each (seed, checkpoint); NaN where there is none.
    """

    def one_seed(seed: tuple[Params, jax.Array]) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
        points, which = seed
        summary = jax.tree.map(lambda leaf: leaf[which], summaries)

        def one(w: Params) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
            nan = jnp.float64(jnp.nan)
            loss = nan if summaries is None else model.summed_loss(w, summary) / n
            return loss, model.population_loss(w) if model.has_population_loss else nan, model.observables(w)

        return jax.vmap(one)(cast(points, jnp.float64))

    by_seed = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), params)
    return jax.lax.map(one_seed, (by_seed, dataset))
