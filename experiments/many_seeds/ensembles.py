"""Many seeds of one model trained side by side on its population loss, with or without a mask on the weights."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.cluster.hierarchy
import scipy.spatial.distance
from jax.flatten_util import ravel_pytree

from slt.models.base import Model, Params
from slt.models.superposition import Inputs, Superposition

TOLERANCE = (
    0.005  # in the sorted losses of features: two seeds that differ by less everywhere are one structure
)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)

Array = np.ndarray


class Structures(NamedTuple):
    """Which structures seeds ended in.

    Attributes:
      label: (seed,) which.
      distinct: how many were seen.
      effective: 1 / the probability that two seeds end in the same one; where no two did, their number of pairs.
      explained: share of the variance of losses over seeds that lies between structures.
    """

    label: Array
    distinct: int
    effective: float
    explained: float


def starts(model: Model, seeds: int, name: int) -> Params:
    """(seed, ...) initial parameters; another `name`, other ones."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(0), name), seeds)
    return jax.vmap(model.init)(keys)


@functools.partial(jax.jit, static_argnames=("steps", "rate"))
def train(
    model: Model, params: Params, masks: Params, *, steps: int, rate: float
) -> tuple[Params, jax.Array]:
    """Adam with a rate that falls to 0 on the population loss: the parameters where every seed ends, and its loss.

    Where a mask (of the parameters' shape) is 0 the parameter is 0 and stays so.
    """
    rule = optax.adam(optax.cosine_decay_schedule(rate, steps))

    def one(params: Params, mask: Params) -> tuple[Params, jax.Array]:
        def masked(tree: Params) -> Params:
            return jax.tree.map(jnp.multiply, tree, mask)

        def step(carry: Any, _: None) -> tuple[Any, None]:
            params, memory = carry
            change, memory = rule.update(masked(jax.grad(model.population_loss)(params)), memory)
            return (optax.apply_updates(params, change), memory), None

        params = masked(params)
        (params, _), _ = jax.lax.scan(step, (params, rule.init(params)), None, length=steps)
        return params, model.population_loss(params)

    return jax.vmap(one)(params, masks)


def everything(params: Params) -> Params:
    """The mask that leaves all as it is."""
    return jax.tree.map(jnp.ones_like, params)


def largest(params: Params, share: float) -> Params:
    """For each seed the mask that keeps the largest `share` of its weights (matrices, all together) by magnitude.

    Biases are kept: one-shot pruning of Frankle and Carbin 2018 (arXiv:1803.03635).
    """

    def one(params: Params) -> Params:
        weights = {name: leaf for name, leaf in params.items() if leaf.ndim == 2}
        flat, unflatten = ravel_pytree(weights)
        rank = jnp.argsort(jnp.argsort(-jnp.abs(flat)))
        kept = unflatten((rank < round(share * flat.size)).astype(flat.dtype))
        return {name: kept.get(name, jnp.ones_like(leaf)) for name, leaf in params.items()}

    return jax.vmap(one)(params)


def features(model: Superposition, params: Params) -> Array:
    """(seed, feature) the loss on each feature's inputs, in rising order: unchanged by rotations, permutations and
    whatever does not change the function."""
    value = jnp.tile(jnp.asarray((_NODES + 1) / 2), model.features)
    data = Inputs(jnp.repeat(jnp.arange(model.features), len(_NODES)), value)
    each = jax.vmap(lambda w: model.losses(w, data))(params).reshape(-1, model.features, len(_NODES))
    return np.sort(np.asarray(each @ (_WEIGHTS / 2)), axis=1)


def structures(fingerprint: Array, loss: Array, tolerance: float = TOLERANCE) -> Structures:
    """Groups of seeds no two of which differ by more than `tolerance` mean losses anywhere in their fingerprints."""
    apart = scipy.spatial.distance.pdist(fingerprint, "chebyshev")
    tree = scipy.cluster.hierarchy.linkage(apart, "complete")
    label = scipy.cluster.hierarchy.fcluster(tree, tolerance * loss.mean(), "distance") - 1
    counts = np.bincount(label)
    seeds = len(loss)
    pairs = max(
        float(np.sum(counts * (counts - 1)) / 2), 1.0
    )  # at least one, so that the number is a lower bound
    means = np.bincount(label, loss) / counts
    variance = float(np.var(loss))
    return Structures(
        label,
        len(counts),
        seeds * (seeds - 1) / 2 / pairs,
        float(np.var(means[label]) / variance) if variance > 0 else 1.0,
    )
