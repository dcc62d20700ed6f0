"""Best approximations of a piecewise linear function by fewer kinks, on a finite set of points.

A function with k kinks is written c + <v, x> + sum_i s_i max(0, <p_i, x> + t_i) with signs s_i = +-1. In these
coordinates a kink has three of them and no symmetry but the order of kinks, so that Newton's method ends at the
optimum to rounding.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import scipy.optimize

_STARTS = 24  # for each number of kinks; with 12 the same optima are found
_NEWTON = 20  # steps at most


class Fit(NamedTuple):
    """A function with k kinks and how far it is from its target.

    Attributes:
      signs: (k,) +-1. `planes`: (k, 3), the gradient p_i and the bias t_i of each kink's plane.
      linear: (3,), v and c.
      loss: mean over points of half the squared error.
      slope: largest entry of the loss's gradient in these coordinates.
    """

    signs: np.ndarray
    planes: np.ndarray
    linear: np.ndarray
    loss: float
    slope: float


class Target(NamedTuple):
    """Points and values as bytes, so that they can be a key: x (n, 2) and y (n,) float64."""

    x: bytes
    y: bytes

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Target:
        return cls(
            np.ascontiguousarray(x, np.float64).tobytes(), np.ascontiguousarray(y, np.float64).tobytes()
        )


@functools.cache
def best_fit(target: Target, kinks: int) -> Fit:
    """The best of many local optima, found from fixed starts; every call gives the same.

    Lines are searched for first, with strengths and the linear part solved for (variable projection: Golub and
    Pereyra 1973); Newton's method on everything ends the search.
    """
    y = np.frombuffer(target.y)
    rows = np.column_stack([np.frombuffer(target.x).reshape(-1, 2), np.ones(len(y))])
    random = np.random.default_rng(0)
    found: list[tuple[float, np.ndarray]] = []
    for _ in range(_STARTS if kinks else 1):
        lines = np.concatenate([random.uniform(0, 2 * np.pi, kinks), random.uniform(-0.7, 0.7, kinks)])
        if kinks:
            lines = scipy.optimize.least_squares(_left, lines, args=(rows, y), method="lm").x
        found.append((float(np.sum(_left(lines, rows, y) ** 2)), lines))
    lines = min(found, key=lambda one: one[0])[1]
    strengths, linear = np.split(_solved(lines, rows, y), [kinks])
    planes = np.abs(strengths)[:, None] * _units(lines)
    return _polished(np.sign(strengths), planes, linear, rows, y)


def _units(lines: np.ndarray) -> np.ndarray:
    """(k, 3) planes of gradient 1 that vanish on the lines, given by (k,) angles and (k,) distances from 0."""
    angle, distance = np.split(lines, 2)
    return np.column_stack([np.cos(angle), np.sin(angle), -distance])


def _design(lines: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.column_stack([np.maximum(rows @ _units(lines).T, 0), rows])


def _solved(lines: np.ndarray, rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Strengths of the kinks, then v and c, that suit these lines best."""
    return np.linalg.lstsq(_design(lines, rows), y, rcond=None)[0]


def _left(lines: np.ndarray, rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _design(lines, rows) @ _solved(lines, rows, y) - y


def _polished(
    signs: np.ndarray, planes: np.ndarray, linear: np.ndarray, rows: np.ndarray, y: np.ndarray
) -> Fit:
    """Newton's method. While no point changes sides of a line the error is linear in all coordinates, so that one
    step ends it; further steps are for points that changed."""
    kinks = len(signs)
    at = np.concatenate([planes.ravel(), linear])
    for _ in range(_NEWTON):
        active = rows @ at[: 3 * kinks].reshape(kinks, 3).T > 0
        slopes = np.concatenate([(active * signs)[:, :, None] * rows[:, None, :], rows[:, None, :]], axis=1)
        jacobian = slopes.reshape(len(y), -1)
        error = jacobian @ at - y
        gradient = jacobian.T @ error / len(y)
        if np.abs(gradient).max() < 1e-14:
            break
        at = np.linalg.lstsq(jacobian, y, rcond=None)[0]
    planes, linear = at[: 3 * kinks].reshape(kinks, 3), at[3 * kinks :]
    return Fit(signs, planes, linear, float(np.mean(error**2) / 2), float(np.abs(gradient).max()))
