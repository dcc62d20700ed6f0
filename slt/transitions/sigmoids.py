"""An alternative explanation of a staircase of losses: a sum of independent sigmoids in log step.

    loss(t) = base + sum_j height_j (1 - sigmoid((x - c_j) / s_j)),   x = log(1 + t), every height >= 0

The number of sigmoids is the one of least BIC (Schwarz 1978), for residuals that are independent and Gaussian, which
those of a smooth curve or of one seed are not quite: the number is rather too high, so R^2 is kept for every number.
Residuals below a thousandth of the curve's range count as no better, since no curve is a sigmoid to every digit.

Two limits. A good fit means that sigmoids suffice, not that there is a changepoint. An exponential decay is one fall
in log step: one sigmoid explains 99.8 % of it, and what its shape differs by takes three more; so does a power law,
by one that is as wide as the curve. What distinguishes these from changepoints is the acceleration that
`changepoints` asks for. And the mean over seeds is no seed: averaging sharp falls at different steps makes wide ones,
so its widths are to be read beside theirs.

Only falls are sought: a curve that rises is explained by none.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.optimize
from scipy.special import expit

from slt.records.base import Array
from slt.records.transitions import SigmoidFits, SigmoidSum

MOST = 6  # sigmoids
SEEDS = 16  # curves of single seeds that are decomposed
FEWEST = 12  # points in a curve
RESOLUTION = 1e-3  # of the curve's range: residuals below count as no better
_TO_WIDTH = 2 * math.log(9)  # of a sigmoid of scale 1, from 10 to 90 %
_SCALES = np.array([0.05, 0.15, 0.4, 1.0, 2.5])  # nats: where a new sigmoid's fit may start
_STARTS = 2  # of these, tried in full
_PATIENCE = 2  # sigmoids more without a better BIC, after which the search ends


class _Fit(NamedTuple):
    """Parameters (base, then k heights, k centers and k log scales) and the sum of squared residuals."""

    values: Array
    cost: float


def decompose(steps: Array, loss: Array) -> SigmoidSum:
    """One curve as the sum of 0 to 6 sigmoids that explains it best; the module's docstring has the rule.

    Args:
      steps: (checkpoint,) increasing, from 0 or later.
      loss: (checkpoint,) the curve, in any unit; points that are not finite are left out.

    Raises ValueError for steps that do not increase, shapes that differ, or fewer than 12 finite points.
    """
    steps, loss = np.asarray(steps, float), np.asarray(loss, float)
    if steps.ndim != 1 or steps.shape != loss.shape:
        raise ValueError(
            f"a curve has one loss for each step: steps are {steps.shape} and losses {loss.shape}"
        )
    if (np.diff(steps) <= 0).any() or (steps < 0).any():
        raise ValueError("steps must increase from 0 or later")
    known = np.isfinite(loss)
    if known.sum() < FEWEST:
        raise ValueError(f"a sum of sigmoids needs {FEWEST} finite points or more, not {known.sum()}")
    x, y = np.log1p(steps[known]), loss[known]
    height = float(np.ptp(y))
    if height == 0:
        return SigmoidSum(0, (), (), (), float(y[0]), math.nan, 0.0, (math.nan,), (math.nan,))
    unit = (y - y.min()) / height
    fits, bic = _search(x, unit)
    return _with_heights(fits, bic, height, float(y.min()), len(y))


def decompose_all(steps: Array, losses: Array) -> SigmoidFits | None:
    """The mean over seeds, and up to 16 single seeds, each taken apart by `decompose`.

    Args:
      steps: (checkpoint,).
      losses: (seed, checkpoint); seeds that are not finite throughout are left out.

    None where no seed is left or there are fewer than 12 checkpoints.
    """
    complete = losses[np.isfinite(losses).all(axis=1)]
    if not len(complete) or len(steps) < FEWEST:
        return None
    return SigmoidFits(
        mean=decompose(steps, complete.mean(axis=0)),
        seeds=tuple(decompose(steps, curve) for curve in complete[:SEEDS]),
        count=len(complete),
    )


def _search(x: Array, y: Array) -> tuple[list[_Fit], list[float]]:
    """Fits with 0, 1, ... sigmoids and the BIC of each, until it no longer falls."""
    fits = [_Fit(np.array([y.mean()]), float(np.sum((y - y.mean()) ** 2)))]
    bic = [_bic(fits[0], len(x))]
    for k in range(1, min(MOST, (len(x) - 2) // 4) + 1):
        starts = _starts(x, y, fits[-1].values)
        if not len(starts):
            break
        fits.append(min((_fit(x, y, start) for start in starts), key=lambda fit: fit.cost))
        bic.append(_bic(fits[-1], len(x)))
        if k - int(np.argmin(bic)) >= _PATIENCE:
            break
    return fits, bic


def _bic(fit: _Fit, points: int) -> float:
    variance = max(fit.cost / points, RESOLUTION**2)
    return points * math.log(variance) + (len(fit.values) + 1) * math.log(points)


def _starts(x: Array, y: Array, values: Array) -> list[Array]:
    """`values` with one more sigmoid: those that take most off the residual, one for each scale, the best first."""
    residual = y - _curve(x, values)
    found = []
    for scale in _SCALES:
        atoms = expit((x[:, None] - x) / scale)  # (center, point) falls
        atoms = atoms - atoms.mean(axis=1, keepdims=True)
        norm = np.sum(atoms**2, axis=1)
        height = np.maximum(atoms @ residual, 0) / norm
        gain = height**2 * norm
        best = int(np.argmax(gain))
        if height[best] > 0:
            found.append((gain[best], (height[best], x[best], math.log(scale))))
    found.sort(key=lambda one: -one[0])
    base, rows = values[0], values[1:].reshape(3, -1)
    return [np.concatenate([[base], np.column_stack([rows, new]).ravel()]) for _, new in found[:_STARTS]]


def _fit(x: Array, y: Array, start: Array) -> _Fit:
    """Least squares from `start`; scales lie between a quarter of the smallest gap in x and all of its range."""
    k = len(start) // 3
    low = np.repeat([0.0, x[0], math.log(np.diff(x).min() / 4)], k)
    high = np.repeat([np.inf, x[-1], math.log(np.ptp(x))], k)
    low, high = np.concatenate([[-np.inf], low]), np.concatenate([[np.inf], high])
    found = scipy.optimize.least_squares(
        lambda values: _curve(x, values) - y,
        np.clip(start, low, high),
        lambda values: _jacobian(x, values),
        bounds=(low, high),
        x_scale="jac",
        ftol=1e-6,
        xtol=1e-6,
        max_nfev=100,
    )
    return _Fit(found.x, 2 * float(found.cost))


def _curve(x: Array, values: Array) -> Array:
    height, center, log_scale = values[1:].reshape(3, -1)
    return values[0] + expit((center - x[:, None]) / np.exp(log_scale)) @ height


def _jacobian(x: Array, values: Array) -> Array:
    """(point, parameter)."""
    height, center, log_scale = values[1:].reshape(3, -1)
    scale = np.exp(log_scale)
    z = (center - x[:, None]) / scale
    fall = expit(z)
    slope = height * fall * (1 - fall)
    return np.column_stack([np.ones_like(x), fall, slope / scale, -slope * z])


def _with_heights(
    fits: list[_Fit], bic: list[float], height: float, lowest: float, points: int
) -> SigmoidSum:
    """The best fit in units of the curve, its sigmoids by center."""
    best = int(np.argmin(bic))
    heights, centers, log_scales = fits[best].values[1:].reshape(3, -1)
    order = np.argsort(centers)
    r2 = [1 - fit.cost / fits[0].cost for fit in fits]
    return SigmoidSum(
        k=best,
        centers=tuple(np.expm1(centers[order]).tolist()),
        widths=tuple((_TO_WIDTH * np.exp(log_scales[order])).tolist()),
        heights=tuple((height * heights[order]).tolist()),
        base=lowest + height * float(fits[best].values[0]),
        explained=r2[best],
        residual=height * math.sqrt(fits[best].cost / points),
        bic=tuple(bic),
        r2=tuple(r2),
    )
