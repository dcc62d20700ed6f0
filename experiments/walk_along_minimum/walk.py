"""SGD started on the minimum of a rank-one regression, B A = T, and the theory of its motion there.

Let the minibatch gradient with respect to the product be G. One step changes the imbalance Q = A A^T - B^T B by

    eta^2 (B^T G G^T B - A G^T G A^T)

exactly: the terms of first order cancel. On the minimum G is noise alone, with E[G G^T] = (inputs / batch) I and
E[G^T G] = (outputs / batch) I. So for as many inputs as outputs Q decays, on average, by eta^2 inputs / batch in each
step, and without noise not at all. The trace of the Hessian is outputs |A|^2 + inputs |B|^2 on the minimum, and least
where Q = 0. Noise about the minimum has the Hessian for covariance, which holds the loss at eta tr H / (4 batch).
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Params
from slt.models.common.linear_networks import Pairs
from slt.models.reduced_rank_regression import ReducedRankRegression

SIZE = 4  # inputs, hidden and outputs
MODEL = ReducedRankRegression(inputs=SIZE, hidden=SIZE, outputs=SIZE, rank=1)
LENGTH = 1.5  # singular values of A at the start, where B A = T takes B = T A^-1
DESCENT, DESCENTS = 0.2, 1000  # rate and steps of descent onto the minimum
FLATTEST = 2.0 * SIZE  # least trace of the Hessian on the minimum: |A|^2 = |B|^2 = 1

Array = np.ndarray


def start(key: jax.Array) -> Params:
    """A point of the minimum at which A has full rank, turned at random; B then has rank 1."""
    turn = LENGTH * jnp.linalg.qr(jax.random.normal(key, (SIZE, SIZE)))[0]
    return {"A": turn, "B": jnp.asarray(MODEL.teacher()) @ jnp.linalg.inv(turn)}


@functools.partial(jax.jit, static_argnames=("batch", "checkpoints", "steps", "seeds"))
def walk(
    rates: jax.Array, noise: jax.Array, *, batch: int, checkpoints: int, steps: int, seeds: int
) -> Params:
    """SGD on fresh observations; leaves (setting, seed, checkpoint, ...), the first checkpoint the start.

    Args:
      rates, noise: (setting,) learning rate, and the factor on the labels' noise (1: the model's own, 0: none).
      steps: from checkpoint to checkpoint.
    """

    def step(w: Params, key: jax.Array, rate: jax.Array, noise: jax.Array) -> tuple[Params, None]:
        x, y = MODEL.sample(key, batch)
        truth = x @ MODEL.teacher().T
        gradient = jax.grad(lambda w: jnp.mean(MODEL.losses(w, Pairs(x, truth + noise * (y - truth)))))(w)
        return jax.tree.map(lambda leaf, slope: leaf - rate * slope, w, gradient), None

    def one(key: jax.Array, rate: jax.Array, noise: jax.Array) -> Params:
        first, stream = jax.random.split(key)

        def stretch(w: Params, key: jax.Array) -> tuple[Params, Params]:
            keys = jax.random.split(key, steps)
            after, _ = jax.lax.scan(lambda w, key: step(w, key, rate, noise), w, keys)
            return after, w

        return jax.lax.scan(stretch, start(first), jax.random.split(stream, checkpoints))[1]

    over_seeds = jax.vmap(one, in_axes=(0, None, None))
    keys = jax.random.split(jax.random.key(0), seeds)
    return jax.vmap(over_seeds, in_axes=(None, 0, 0))(keys, rates, noise)


@jax.jit
def measure(points: Params) -> dict[str, Any]:
    """Of parameters with three leading axes: those axes are kept.

    Returns "loss" where SGD is; and at the point of the minimum to which descent leads from there the "point" itself,
    its "gap" |B A - T|, the "trace" of the Hessian and the "imbalance" Q.
    """

    def one(w: Params) -> dict[str, Any]:
        point = _below(w)
        imbalance = point["A"] @ point["A"].T - point["B"].T @ point["B"]
        return {
            "loss": MODEL.population_loss(w),
            "point": point,
            "gap": jnp.sqrt(2 * MODEL.population_loss(point)),
            "trace": SIZE * (jnp.sum(point["A"] ** 2) + jnp.sum(point["B"] ** 2)),
            "imbalance": imbalance,
        }

    return jax.vmap(jax.vmap(jax.vmap(one)))(points)


def _below(w: Params) -> Params:
    """Where descent without noise leads from w: the map onto the minimum of Li et al. It leaves Q as it is, up to the
    second order of its rate."""
    slope = jax.grad(MODEL.population_loss)

    def step(w: Params, _: None) -> tuple[Params, None]:
        return jax.tree.map(lambda leaf, g: leaf - DESCENT * g, w, slope(w)), None

    return jax.lax.scan(step, w, None, length=DESCENTS)[0]
