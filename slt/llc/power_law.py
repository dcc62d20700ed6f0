"""lambda and the multiplicity from a thermodynamic curve.

For large t, -log Z(t) = lambda log t - (m - 1) log log t + O(1) (Watanabe 2009, theorem 7.1). Its slope in log t is
t E[K], which is measured at every temperature with an error of its own:

    t E[K] = lambda - (m - 1) / (log t + c),

where c stands for the constant and for the lower powers of log t. Terms that fall like a power of t are left out, and
temperatures too low for that are cut away. How many to cut, and which m, is not chosen but weighed: every pair gets
the weight exp(-AIC / 2), AIC = chi^2 + 2 (parameters) + 2 (temperatures cut) (Jay and Neil 2021, arXiv:2008.01069).
The error is the jackknife over repeats of the weighed mean, with the scatter between the pairs added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from slt.records import Array

MULTIPLICITIES = 6  # the largest m that is tried
LEAST = 6  # temperatures in a fit


class PowerLaw(NamedTuple):
    """A fit.

    Attributes:
      llc, error, low, high: lambda, its standard error and 95 % interval.
      multiplicity: the most probable m; 0 where nothing could be fitted.
      probability: (MULTIPLICITIES,) of m = 1, 2, ...
      t_low, t_high: range of t of the best single fit.
      misfit: its chi^2 per degree of freedom.
      shift: its c.
    """

    llc: float
    error: float
    low: float
    high: float
    multiplicity: int
    probability: Array
    t_low: float
    t_high: float
    misfit: float
    shift: float


def fit(t: Array, mean: Array, variance: Array, particles: int, onset: float) -> PowerLaw:
    """Fit one point's curve.

    Args:
      t: (level,) increasing.
      mean: (repeat, level) of t K.
      variance: (repeat, level) of t K over the population.
      particles: in each population.
      onset: t at which the loss began to matter; temperatures below it are not used.
    """
    keep = t > onset
    u, mean, variance = np.log(t[keep] / onset), mean[:, keep], variance[:, keep]
    repeats, levels = mean.shape
    if levels < LEAST:
        return _nothing()
    whiten = _noise(mean, variance, particles)
    shares, fits = [], []
    for m in range(1, MULTIPLICITIES + 1):
        for start in range(levels - LEAST + 1):
            shift, chi = _best_shift(u, mean.mean(axis=0), whiten, m, start)
            shares.append(chi + 2 * (1 + (m > 1)) + 2 * start + 2 * np.log(2) * (m - 1))
            fits.append((m, start, shift, chi))
    weights = np.exp(-0.5 * (np.array(shares) - np.min(shares)))
    weights /= weights.sum()
    found = np.zeros((repeats + 1, len(fits)))  # all repeats, then without each in turn
    for column, (m, start, shift, _) in enumerate(fits):
        if weights[column] > 1e-4:
            for row in range(repeats + 1):
                curve = mean if row == 0 else np.delete(mean, row - 1, axis=0)
                local = shift if row == 0 else _best_shift(u, curve.mean(axis=0), whiten, m, start)[0]
                found[row, column] = _solve(u, curve.mean(axis=0), whiten, m, start, np.array([local]))[0][0]
    used = weights > 1e-4
    weights = np.where(used, weights, 0.0) / weights[used].sum()
    llc, without = found[0] @ weights, found[1:] @ weights
    scatter = (repeats - 1) / repeats * np.sum((without - without.mean()) ** 2)
    between = weights @ (found[0] - llc) ** 2
    error = float(np.sqrt(scatter + between))
    reach = student.ppf(0.975, repeats - 1) * error
    probability = np.array([weights[[f[0] == m for f in fits]].sum() for m in range(1, MULTIPLICITIES + 1)])
    m, start, shift, chi = fits[int(np.argmax(weights))]
    window = np.exp(u[[start, -1]]) * onset
    freedom = levels - start - 1 - (m > 1)
    return PowerLaw(
        float(llc),
        error,
        float(llc - reach),
        float(llc + reach),
        int(np.argmax(probability)) + 1,
        probability,
        float(window[0]),
        float(window[1]),
        float(chi / freedom),
        float(shift),
    )


def _noise(mean: Array, variance: Array, particles: int) -> Array:
    """(level, level) the whitening matrix of the mean curve: errors from repeats, their size smoothed along the
    curve relative to that of independent draws, and correlated from level to level as they are found to be."""
    repeats, levels = mean.shape
    independent = variance.mean(axis=0) / particles / repeats
    seen = mean.var(axis=0, ddof=1) / repeats
    box = np.ones(min(9, levels))
    inflation = np.convolve(seen / independent, box, "same") / np.convolve(np.ones(levels), box, "same")
    error = np.sqrt(np.maximum(inflation, 0.2) * independent)
    z = (mean - mean.mean(axis=0)) / error
    correlation = np.clip(np.mean(z[:, 1:] * z[:, :-1]) / np.mean(z**2), 0, 0.95)
    distance = np.abs(np.subtract.outer(np.arange(levels), np.arange(levels)))
    covariance = correlation**distance * np.outer(error, error)
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _solve(u: Array, curve: Array, whiten: Array, m: int, start: int, shifts: Array) -> tuple[Array, Array]:
    """Best lambda and chi^2 for each of `shifts`."""
    part = np.linalg.inv(np.linalg.cholesky(np.linalg.inv(whiten.T @ whiten)[start:, start:]))
    ones = part @ np.ones(len(u) - start)
    rows = (curve[start:] + (m - 1) / (u[start:] + shifts[:, None])) @ part.T
    llc = rows @ ones / (ones @ ones)
    return llc, np.sum((rows - llc[:, None] * ones) ** 2, axis=1)


def _best_shift(u: Array, curve: Array, whiten: Array, m: int, start: int) -> tuple[float, float]:
    shifts = np.linspace(1.0 - u[start], 5.0 * (m - 1), 41) if m > 1 else np.array([1.0])
    chi = _solve(u, curve, whiten, m, start, shifts)[1]
    best = int(np.argmin(chi))
    return float(shifts[best]), float(chi[best])


def _nothing() -> PowerLaw:
    nan = float("nan")
    return PowerLaw(nan, nan, nan, nan, 0, np.zeros(MULTIPLICITIES), nan, nan, nan, nan)
