"""lambda and the multiplicity from a thermodynamic curve.

For large nbeta, -log Z(nbeta) = lambda log nbeta - (m - 1) log log nbeta + O(1) (Watanabe 2009, theorem 7.1). The
slope of -log Z in u = log nbeta is nbeta E[K], which is measured at every temperature with an error of its own, and
is fitted by

    nbeta E[K] = lambda - correction(u + c) + a exp(-p u),

where the correction is one of `corrections`, and a exp(-p u), with p among `POWERS` or absent, stands for farther
poles of the zeta function. Which of them, and how many of the lowest temperatures to cut, is averaged over, not
chosen: each combination has the weight exp(-AIC / 2), AIC = chi^2 + 2 (parameters) for what is fitted. What is cut
counts as if fitted by a smooth curve, which would leave one unit of chi^2 for each temperature and take a parameter
for each unit of u. (With 2 for each temperature cut, which Jay and Neil 2021, arXiv:2008.01069, charge for
independent data, many close temperatures favor fits that include those where no asymptotic law holds.)

c is close to interchangeable with m on any range that can be measured: a larger m with a larger c looks the same. So
it has a weak Gaussian prior, whose center says that the formula gives about the right slope already at the onset of
tempering, from which u is counted, with a scatter of c_0 / 2 + 1.

What is known of lambda is the mixture of all combinations, each a normal distribution about its own lambda, as wide
as its jackknife error over repeats: the estimate is the mixture's mean, the error its standard deviation (that of
repeats and that between combinations), and the interval its central 95 %, which where a few far combinations have
little weight is narrower than 1.96 errors to either side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from slt.llc.smc.corrections import Correction, corrections
from slt.records.base import Array

POWERS = (0.25, 0.375, 0.5, 0.75, 1.0)
LEAST = 6  # temperatures in a fit
CUTS = 30  # how many lowest temperatures are tried, at most
SMOOTH = 2.0  # AIC of a smooth curve, for each unit of log nbeta that is cut


class PowerLaw(NamedTuple):
    """A fit; NaN, and multiplicity 0, where there were too few temperatures.

    Attributes:
      llc, error: lambda and its standard error.
      low, high: 95 % interval.
      multiplicity: the most probable m.
      probability: of that m.
      nbeta_low: where the power law begins: weighted mean (in log nbeta) over the combinations.
      misfit: chi^2 per degree of freedom of the best combination.
      levels: temperatures in the best combination.
    """

    llc: float
    error: float
    low: float
    high: float
    multiplicity: int
    probability: float
    nbeta_low: float
    misfit: float
    levels: int


MISSING = PowerLaw(np.nan, np.nan, np.nan, np.nan, 0, np.nan, np.nan, np.nan, 0)


class _Fit(NamedTuple):
    """One combination: AIC, m, index of the first temperature, chi^2 per degree of freedom, and lambda from all
    repeats and then without each in turn (repeat + 1,)."""

    aic: float
    m: int
    start: int
    misfit: float
    llc: Array


def fit(nbeta: Array, mean: Array, variance: Array, particles: int, onset: float, dimension: int) -> PowerLaw:
    """Fit one point's curve.

    Args:
      nbeta: (level,) increasing inverse temperatures.
      mean: (repeat, level) mean of nbeta K over each population.
      variance: (repeat, level) variance of nbeta K over each population.
      particles: in each population.
      onset: nbeta at which the loss began to matter; temperatures below it are not used.
      dimension: d, which bounds m.
    """
    keep = (nbeta > onset) & np.isfinite(mean).all(axis=0)
    if keep.sum() < LEAST or len(mean) < 3:
        return MISSING
    u, mean, variance = np.log(nbeta[keep] / onset), mean[:, keep], variance[:, keep]
    noise = _Noise.of(mean, variance, particles)
    curves = np.array(
        [mean.mean(axis=0), *(np.delete(mean, i, axis=0).mean(axis=0) for i in range(len(mean)))]
    )
    about = float(np.mean(curves[0, -max(LEAST, len(u) // 4) :]))
    starts = np.unique(np.linspace(0, len(u) - LEAST, CUTS).astype(int))
    fits = [
        _combination(u, curves, noise, start, correction, power)
        for start in starts
        for correction in corrections(about, dimension)
        for power in (None, *POWERS)
    ]
    aic = np.array([one.aic for one in fits])
    weights = np.exp(-0.5 * (aic - aic.min()))
    weights /= weights.sum()
    return _mixture(fits, weights, np.exp(u) * onset)


def _mixture(fits: list[_Fit], weights: Array, nbeta: Array) -> PowerLaw:
    estimates, *without = np.array([one.llc for one in fits]).T  # (combination,) each
    repeats = len(without)
    scatter = np.sqrt((repeats - 1) * np.var(without, axis=0)) + 1e-300
    llc = weights @ estimates
    m = np.array([one.m for one in fits])
    probability = np.array([weights[m == value].sum() for value in range(m.max() + 1)])
    begins = np.exp(weights @ np.log(nbeta[[one.start for one in fits]]))
    best = fits[int(np.argmax(weights))]
    return PowerLaw(
        llc=float(llc),
        error=float(np.sqrt(weights @ (scatter**2 + (estimates - llc) ** 2))),
        low=_quantile(0.025, estimates, scatter, weights),
        high=_quantile(0.975, estimates, scatter, weights),
        multiplicity=int(np.argmax(probability)),
        probability=float(probability.max()),
        nbeta_low=float(begins),
        misfit=best.misfit,
        levels=len(nbeta) - best.start,
    )


def _quantile(share: float, centers: Array, widths: Array, weights: Array) -> float:
    """Of a mixture of normal distributions."""
    ends = centers + widths * norm.ppf(share)
    if ends.min() == ends.max():
        return float(ends[0])
    return float(
        brentq(
            lambda x: weights @ norm.cdf((x - centers) / widths) - share, ends.min(), ends.max(), xtol=1e-12
        )
    )


class _Noise(NamedTuple):
    """Errors of the mean curve (level,), and their correlation from one level to the next."""

    error: Array
    correlation: float

    @classmethod
    def of(cls, mean: Array, variance: Array, particles: int) -> _Noise:
        """From the scatter of repeats: its ratio to that of independent draws, smoothed over nine levels; and, where
        that is more, from how rough the curve is, so that nothing is gained by cutting temperatures that err more
        than eight repeats showed."""
        repeats, levels = mean.shape
        independent = variance.mean(axis=0) / particles / repeats
        independent = np.maximum(independent, 1e-12 * np.mean(mean**2) + 1e-300)
        seen = mean.var(axis=0, ddof=1) / repeats
        box = np.ones(min(9, levels))
        inflation = np.convolve(seen / independent, box, "same") / np.convolve(np.ones(levels), box, "same")
        error = np.sqrt(np.maximum(inflation, 0.2) * independent)
        z = (mean - mean.mean(axis=0)) / error
        noise = cls(error, float(np.clip(np.mean(z[:, 1:] * z[:, :-1]) / np.mean(z**2), 0, 0.95)))
        return noise._replace(error=error * np.sqrt(max(1.0, noise._roughness(mean.mean(axis=0)))))

    def _roughness(self, curve: Array) -> float:
        """Mean square of the upper half's second differences, where the law is smooth, over what `self` says."""
        half = len(curve) // 2
        bent = np.diff(curve[half:], 2) ** 2
        squared = self.error[half:] ** 2
        expected = (squared[2:] + 4 * squared[1:-1] + squared[:-2]) / 6
        return float(np.mean(bent / expected) / (6 - 8 * self.correlation + 2 * self.correlation**2))

    def whiten(self, curves: Array, start: int) -> Array:
        """Rows of unit, independent noise from (..., level) rows cut at `start`."""
        z = curves[..., start:] / self.error[start:]
        rest = (z[..., 1:] - self.correlation * z[..., :-1]) / np.sqrt(1 - self.correlation**2)
        return np.concatenate([z[..., :1], rest], axis=-1)


def _combination(
    u: Array, curves: Array, noise: _Noise, start: int, correction: Correction, power: float | None
) -> _Fit:
    """Least squares in lambda and a for each c on a grid; the best c by chi^2 and its prior."""
    shifts = correction.shifts(u[start], u[-1])
    below = noise.whiten(correction.at(u + shifts[:, None]), start)
    rows = noise.whiten(curves, start)[:, None, :] + below
    columns = [np.ones_like(u)] if power is None else [np.ones_like(u), np.exp(-power * u)]
    basis, upper = np.linalg.qr(noise.whiten(np.array(columns), start).T)
    coordinates = rows @ basis
    chi = np.sum(rows**2, axis=-1) - np.sum(coordinates**2, axis=-1)
    llc = (coordinates @ np.linalg.inv(upper).T)[..., 0]  # (repeat + 1, shift)
    cost = chi + correction.penalty(shifts, llc - curves[0, 0])
    best = np.argmin(cost, axis=1)
    parameters = 1 + (len(shifts) > 1) + (power is not None)
    tried = 0.0 if power is None else 2 * np.log(len(POWERS))
    aic = cost[0, best[0]] + 2 * parameters + start + SMOOTH * (u[start] - u[0]) + tried + correction.aic
    return _Fit(
        aic=float(aic),
        m=correction.m,
        start=start,
        misfit=float(chi[0, best[0]] / max(1, len(u) - start - parameters)),
        llc=llc[np.arange(len(llc)), best],
    )
