"""The set of critical points of one rank: how flat it is, and a path in it along which its curvature changes."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
import scipy.linalg
from jax.flatten_util import ravel_pytree

from slt.models.base import Params
from slt.models.deep_linear import DeepLinear

ZERO = 1e-8  # of the teacher's largest singular value: eigenvalues below it are none


class Station(NamedTuple):
    """One point of a path: loss above the saddle's and norm of the gradient (nats), and how many eigenvalues of the
    Hessian are positive, zero and negative."""

    excess: float
    slope: float
    positive: int
    zero: int
    negative: int
    lowest: float


class Ridge(NamedTuple):
    """A path among the critical points of one rank, and its length in parameter space."""

    rank: int
    length: float
    stations: tuple[Station, ...]


def walk(model: DeepLinear, rank: int, points: int) -> Ridge:
    """From the balanced point of a rank along its ridge, at `points` stations, all of the same product.

    The first half is a change of basis of the hidden layers, exp(s X) with a random antisymmetric X, which only
    rotates. The second adds a piece to the first layer that the second does not see, which no change of basis makes:
    it feeds the teacher's next mode into a hidden unit that leads nowhere.
    """
    phase = model.phases()[rank]
    half = points // 2
    path = [_rotated(model, phase.point, s) for s in np.linspace(0, 1, half)]
    path += [_fed(model, path[-1], rank, s) for s in np.linspace(0, 1, points - half + 1)[1:]]
    flat = np.stack([np.asarray(ravel_pytree(w)[0]) for w in path])
    return Ridge(
        rank,
        float(np.sum(np.linalg.norm(np.diff(flat, axis=0), axis=1))),
        tuple(station(model, w, phase.loss) for w in path),
    )


def station(model: DeepLinear, w: Params, loss: float) -> Station:
    value, gradient, hessian = (np.asarray(part) for part in _derivatives(model, w))
    values = np.linalg.eigvalsh(hessian)
    zero = ZERO * model.singular_values[0]
    return Station(
        excess=float(value) - loss,
        slope=float(np.linalg.norm(gradient)),
        positive=int(np.sum(values > zero)),
        zero=int(np.sum(np.abs(values) <= zero)),
        negative=int(np.sum(values < -zero)),
        lowest=float(values[0]),
    )


@jax.jit
def _derivatives(model: DeepLinear, w: Params) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The population loss with its gradient and Hessian, in the flattened parameters."""
    flat, unravel = ravel_pytree(w)

    def loss(v: jax.Array) -> jax.Array:
        return model.population_loss(unravel(v))

    return loss(flat), jax.grad(loss)(flat), jax.hessian(loss)(flat)


def _rotated(model: DeepLinear, w: Params, s: float) -> Params:
    """The same product in another basis of every hidden layer."""
    random = np.random.default_rng(0)
    names = model.layers()
    moved = {name: np.asarray(w[name]) for name in names}
    for below, above, width in zip(names[:-1], names[1:], model.widths[1:-1], strict=True):
        X = random.normal(size=(width, width))
        turn = scipy.linalg.expm(s * (X - X.T))
        moved[below], moved[above] = turn @ moved[below], moved[above] @ turn.T
    return moved


def _fed(model: DeepLinear, w: Params, rank: int, s: float) -> Params:
    """With s more of the teacher's mode rank + 1 (an input's axis) in the direction that the second layer ignores."""
    first, second = model.layers()[:2]
    ignored = np.linalg.svd(w[second])[2][-1]
    more = np.zeros_like(w[first])
    more[:, min(rank, model.widths[0] - 1)] = s * ignored
    return {**w, first: w[first] + more}
