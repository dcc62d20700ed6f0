"""Log odds of two phases along a ladder, where they are decisive, and where they change sign.

Shares are pooled over the repeats of a data set first, then log odds are averaged over data sets. A share of
zero is replaced by half of the smallest that the pooled draws could have shown, which understates the odds;
where both shares are zero nothing is known of the pair at that n.

A sample size is *decisive* for one of the two when the mean log odds exceeds both log(4/3), odds of 4 to 3, and t
standard errors, t the 97.5 % quantile of Student's distribution for the number of data sets (of repeats, if there is
one data set). The first bound is there because an error known from a few units may be far too small; the exact
posterior of one data set has no such error, and 0.1 nat is enough.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.stats

from slt.phases.occupancy import is_exact, mean_of, standard_error
from slt.records.base import Array
from slt.records.phases import Occupancy

_LEAST, _LEAST_EXACT = math.log(4 / 3), 0.1  # nats
_LEVEL = 0.975  # of one sample size: a ladder has a dozen, and each of them may err
_TINY = 1e-300  # stands for a share of zero on a grid, whose shares have no floor


class LogOdds(NamedTuple):
    """log(P_target / P_source) along the ladder, nats.

    Attributes:
      mean, error: (n,) over data sets (over repeats where there is one), NaN where unknown.
      per_dataset: (dataset, n) from shares pooled over repeats.
      bounded: (n,) whether a share of zero, replaced by its bound, is among them.
      decisive: (n,) -1 where the source holds significantly more, 1 where the target does, else 0.
    """

    mean: Array
    error: Array
    per_dataset: Array
    bounded: Array
    decisive: Array


def log_odds(occupancy: Occupancy, source: int, target: int) -> LogOdds:
    """The log odds of two phases, by index; the module's docstring has the rules."""
    a, b = (np.asarray(occupancy.share)[..., phase] for phase in (source, target))
    floor = float(occupancy.floor)
    per_dataset = pooled_log_ratio(a, b, floor)
    mean = mean_of(per_dataset, axis=0)
    spread = per_dataset if len(a) > 1 else _log_ratio(a[0], b[0], floor).T  # (unit, n)
    error = standard_error(spread, axis=0)
    quantile = scipy.stats.t.ppf(_LEVEL, np.maximum(np.isfinite(spread).sum(axis=0) - 1, 1))
    if len(spread) == 1:
        error, quantile = _error_of_one(occupancy, source, target), scipy.stats.norm.ppf(_LEVEL)
    least = _LEAST_EXACT if len(spread) == 1 and is_exact(occupancy) else _LEAST
    threshold = np.maximum(least, np.where(np.isfinite(error), quantile * error, np.inf))
    lead = np.sign(np.nan_to_num(mean)).astype(int)
    bounded = ((mean_of(a, axis=-1) == 0) | (mean_of(b, axis=-1) == 0)).any(axis=0)
    return LogOdds(mean, error, per_dataset, bounded, np.where(np.abs(mean) > threshold, lead, 0))


def _error_of_one(occupancy: Occupancy, source: int, target: int) -> Array:
    """(n,) from one repeat of one data set: none by quadrature; else the counting error, as if the draws were
    independent, which is optimistic but all there is to go by."""
    if is_exact(occupancy):
        return np.zeros(len(occupancy.sample_sizes))
    visits = np.maximum(occupancy.visits[0, :, 0, :][:, [source, target]], 0.5)
    return np.sqrt((1 / visits).sum(axis=1))


def passage(odds: LogOdds) -> Array | None:
    """Sample sizes over which the larger share passes from source to target for good; None where it does not.

    The last decisive sample size must be the target's, and one before it the source's. The sample sizes run from the
    first that is the source's since the target last led, to the last.
    """
    ahead, behind = np.flatnonzero(odds.decisive > 0), np.flatnonzero(odds.decisive < 0)
    if not len(ahead) or not len(behind) or behind[-1] > ahead[-1]:
        return None
    earlier = ahead[ahead < behind[-1]]
    first = behind[behind > earlier[-1]][0] if len(earlier) else behind[0]
    window = np.arange(first, ahead[-1] + 1)
    return window[np.isfinite(odds.mean[window])]


def last_upward(x: Array, y: Array) -> Array:
    """Where y (..., point) last changes from <= 0 to > 0 over x (point,), by linear interpolation.

    inf where y does not end above 0, -inf where it is above 0 all along; NaN points are passed over.
    """
    points = np.arange(len(x))
    last = np.where(y <= 0, points, -1).max(axis=-1)
    after = (y > 0) & (points > last[..., None])
    i, j = np.maximum(last, 0), np.argmax(after, axis=-1)
    y_i, y_j = (np.take_along_axis(y, k[..., None], axis=-1)[..., 0] for k in (i, j))
    ends_above = after.any(axis=-1)
    inside = ends_above & (last >= 0)
    fraction = np.where(inside, -y_i, 0.0) / np.where(inside, y_j - y_i, 1.0)
    return np.where(inside, x[i] + fraction * (x[j] - x[i]), np.where(ends_above, -np.inf, np.inf))


def pooled_log_ratio(a: Array, b: Array, floor: float) -> Array:
    """log(b / a) of shares pooled over repeats, their last axis."""
    repeats = np.maximum(np.isfinite(a).sum(axis=-1), 1)
    return _log_ratio(mean_of(a, axis=-1), mean_of(b, axis=-1), floor / repeats)


def _log_ratio(a: Array, b: Array, floor: float | Array) -> Array:
    """log(b / a), zeros replaced by half the floor; NaN where both are zero or one is missing."""
    smallest = np.maximum(0.5 * np.asarray(floor), _TINY)
    known = np.isfinite(a) & np.isfinite(b) & ((a > 0) | (b > 0))
    top, bottom = (np.log(np.where(known & (share > 0), share, smallest)) for share in (b, a))
    return np.where(known, top - bottom, np.nan)
