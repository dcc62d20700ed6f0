"""Stationary points of sparse superposition with exactly k features represented, and what the loss is there.

The k most important features have columns of W; the others have none, and for bias the mean of their inputs, their
best constant output. That is stationary in the columns that are zero too: a dead input is independent of all errors,
and all errors average to zero, by the biases of the represented features.

Up to k = hidden the columns are orthonormal and reproduce their features exactly; the loss is known. Beyond that,
neither has a closed form: the point is the best of `STARTS` descents on fixed observations, the loss a mean
over fresh ones. Where every descent gives up a feature there is no such point.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

REPRESENTED = (
    0.5  # a column of W longer than this represents its feature; at optima they are about 1 long, or 0
)
STARTS = 4
ROWS, FRESH = 2048, 65_536  # observations to descend on, and to measure the loss with
MOST = 10  # features; more would take minutes

Array = np.ndarray


class Setting(NamedTuple):
    """The model's options; see `sparse_superposition`."""

    features: int
    hidden: int
    sparsity: float
    importance: float


class Point(NamedTuple):
    """W (hidden, features), b (features,), the loss there and its standard error, 0 where it is exact."""

    W: Array
    b: Array
    loss: float
    error: float


@functools.lru_cache(maxsize=64)
def points(setting: Setting) -> dict[int, Point]:
    """By number of represented features, from 0 to all of them as far as there are such points; none of more than
    `MOST` features."""
    if setting.features > MOST:
        return {}
    found = {k: _exact(setting, k) for k in range(min(setting.hidden, setting.features) + 1)}
    for k in range(setting.hidden + 1, setting.features + 1):
        point = _descended(setting, k)
        if point is not None:
            found[k] = point
    return found


def importances(setting: Setting) -> Array:
    """(features,) I_i = importance^i."""
    return setting.importance ** np.arange(setting.features)


def _unrepresented(setting: Setting, k: int) -> float:
    """Loss of the features from k on: the variance of each input by its importance."""
    active = 1 - setting.sparsity
    return float(np.sum(importances(setting)[k:])) * (active / 3 - active**2 / 4)


def _exact(setting: Setting, k: int) -> Point:
    b = np.full(setting.features, (1 - setting.sparsity) / 2)
    b[:k] = 0.0
    W = np.eye(setting.hidden, setting.features) * (np.arange(setting.features) < k)
    return Point(W, b, _unrepresented(setting, k), 0.0)


def _descended(setting: Setting, k: int) -> Point | None:
    """The best point that descents from `STARTS` places reach with all k columns long; None if none does."""
    random = np.random.default_rng(k)  # NumPy, since these points are computed while JAX traces
    x, weight = _observations(setting, random, ROWS, k), importances(setting)[:k]
    shape = (setting.hidden + 1, k)  # the bias is the last row
    best: Any = None
    for _ in range(STARTS):
        start = np.vstack([random.normal(size=(setting.hidden, k)) / np.sqrt(setting.hidden), np.zeros(k)])
        ended = scipy.optimize.minimize(
            _loss,
            start.ravel(),
            args=(shape, x, weight),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300},
        )
        columns = ended.x.reshape(shape)[:-1]
        long = np.all(np.linalg.norm(columns, axis=0) > REPRESENTED)
        if long and (best is None or ended.fun < best.fun):
            best = ended
    if best is None:
        return None
    alive = best.x.reshape(shape)
    point = _exact(setting, k)
    W, b = np.zeros((setting.hidden, setting.features)), point.b.copy()
    W[:, :k], b[:k] = alive[:-1], alive[-1]
    fresh = _observations(setting, random, FRESH, k)
    each = np.sum(
        weight * (np.maximum(fresh @ alive[:-1].T @ alive[:-1] + alive[-1], 0) - fresh) ** 2, axis=1
    )
    return Point(W, b, float(each.mean()) + _unrepresented(setting, k), float(each.std() / np.sqrt(FRESH)))


def _observations(setting: Setting, random: np.random.Generator, rows: int, k: int) -> Array:
    active = 1 - setting.sparsity
    uniform = random.uniform(size=(rows, k))
    return np.where(uniform < active, uniform / active, 0.0)


def _loss(flat: Array, shape: tuple[int, int], x: Array, weight: Array) -> tuple[float, Array]:
    """Mean loss over the observations x (n, k), and its gradient."""
    W, b = flat.reshape(shape)[:-1], flat.reshape(shape)[-1]
    hidden = x @ W.T
    output = np.maximum(hidden @ W + b, 0)
    error = output - x
    slope = 2 * weight * error * (output > 0) / len(x)
    gradient = np.vstack([hidden.T @ slope + W @ slope.T @ x, slope.sum(axis=0)])
    return float(np.sum(weight * error**2)) / len(x), gradient.ravel()
