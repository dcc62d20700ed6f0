"""Changepoints of a curve, found without labels: where it accelerates, moves, and stops.

A curve x (a log-loss, an observable, a learning coefficient) is seen at checkpoints. Its increments are cut into
stretches of constant speed by kernel change-point detection (ruptures, l2 cost), with the penalty 2 log T of the
Bayesian information criterion for increments of unit variance (Yao 1988, "Estimating the number of change-points via
Schwarz' criterion"). Neighboring stretches that move the same way make one candidate, unless the speed falls to less
than half between two peaks. A candidate is a changepoint when
  - it is large: |change| at least what the caller calls the smallest;
  - it is not noise: |change| exceeds `SIGMAS` standard errors of what noise would do over its length;
  - it is an acceleration: somewhere the curve lags behind the chord from the time before the candidate to a later
    point, by more than `LAG_SIGMAS` standard deviations and 3 % of the change.
The last distinguishes a changepoint from relaxation: an exponential or a power law slows down from the start, so
that it never lags, though on logarithmic checkpoints it looks like a step. Time there is in steps, not in
checkpoints.

Noise is of two kinds, distinguished by how the second differences of x grow with their span: q^2 a checkpoint that
adds up (a random walk), and s^2 that does not. Their sum is followed along the curve by a running median, their
ratio is of the complete curve.

The search is repeated on means over 2, 4 and 8 checkpoints, which see wide changes in noise. A coarse changepoint
replaces a finer one that it overlaps if it sees a quarter more of a change, but never two: those are a staircase.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import ruptures
from scipy.ndimage import median_filter

from slt.records.base import Array

SIGMAS, LAG_SIGMAS, LAG = 6.0, 4.0, 0.03
BLOCKS = (1, 2, 4, 8)  # checkpoints averaged
MORE = 1.25  # times the change of a finer changepoint, for a coarser one to replace it
FEWEST = 12  # points in a curve; fewer are not searched
_SLOW, _VALLEY = 0.1, 0.5  # of the peak speed: where a candidate ends, and what parts two of them
_MAD = 1.4826  # standard deviation of a Gaussian in median absolute deviations
_WINDOW, _SPAN = 51, 6  # checkpoints of the running median; span of the wide second differences
_ROUNDING = 0.02  # of the smallest change: noise never counts as less


class Changepoint(NamedTuple):
    """One change: first and last checkpoint (indices), change of x, and its size in standard errors of noise."""

    start: int
    end: int
    change: float
    significance: float


class _Noise(NamedTuple):
    """Variances at each point: of what adds up from one point to the next, and of what does not."""

    walk: Array
    level: Array


def find(steps: Array, x: Array, smallest: float) -> list[Changepoint]:
    """The changepoints of one curve, in order; none where it has fewer than 12 finite points.

    Args:
      steps: (checkpoint,) increasing.
      x: (checkpoint,) the curve; points that are not finite are left out.
      smallest: the least change that counts, in units of x, positive.

    Raises ValueError for a smallest change that is not positive.
    """
    if not smallest > 0:
        raise ValueError(f"the smallest change that counts must be positive, not {smallest}")
    known = np.flatnonzero(np.isfinite(x))
    if len(known) < FEWEST:
        return []
    t, y = np.asarray(steps, float)[known], np.asarray(x, float)[known]
    noise = _noise(y, _ROUNDING * smallest)
    kept: list[Changepoint] = []
    for size in BLOCKS:
        for change in _at_scale(t, y, noise, size, smallest):
            reach = size - 1  # a block shows what happens anywhere in it
            same = [o for o in kept if change.end + reach > o.start and change.start - reach < o.end]
            if not same or (len(same) == 1 and abs(change.change) > MORE * abs(same[0].change)):
                kept = [other for other in kept if other not in same] + [change]
    return [
        change._replace(start=int(known[change.start]), end=int(known[change.end]))
        for change in sorted(kept, key=lambda change: change.start)
    ]


def _noise(x: Array, least: float) -> _Noise:
    def second(span: int) -> Array:
        return np.abs(x[2 * span :] - 2 * x[span:-span] + x[: -2 * span])

    near = second(1)
    local = median_filter(np.pad(near, 1, mode="edge"), size=min(_WINDOW, len(x)), mode="reflect")
    local = np.maximum((_MAD * local) ** 2, least**2)  # 2 q^2 + 6 s^2
    overall = max(float((_MAD * np.median(near)) ** 2), least**2)
    span = min(_SPAN, (len(x) - 1) // 4)
    wide = float((_MAD * np.median(second(span))) ** 2)  # 2 span q^2 + 6 s^2
    share = np.clip((wide - overall) / (2 * (span - 1)) / overall, 1e-3, 0.5) if span > 1 else 0.5
    return _Noise(walk=local * share, level=local * (1 - 2 * share) / 6)


def _at_scale(t: Array, x: Array, noise: _Noise, size: int, smallest: float) -> list[Changepoint]:
    """The changepoints of means over `size` points; a few of the first points are left out to make all blocks
    full."""
    count = len(x) // size
    if count < FEWEST - 4:
        return []
    first = len(x) - count * size

    def blocks(values: Array) -> Array:
        return values[first:].reshape(count, size).mean(axis=1)

    t, x = blocks(t), blocks(x)
    noise = _Noise(walk=blocks(noise.walk) * size, level=blocks(noise.level) / size)
    found = []
    for start, end in _candidates(x, noise):
        change, width = x[end] - x[start], end - start
        inside = slice(start, end + 1)
        error = np.sqrt(width * np.median(noise.walk[inside]) + 2 * np.median(noise.level[inside]))
        if abs(change) < max(smallest, SIGMAS * error) or not _accelerates(t, x, noise, start, end):
            continue
        edges = first + start * size + (size - 1) // 2, first + end * size + size // 2
        found.append(Changepoint(*edges, float(change), float(abs(change) / error)))
    return found


def _candidates(x: Array, noise: _Noise) -> list[tuple[int, int]]:
    """(first, last) point of each run of stretches that move the same way, fastest first."""
    unit = np.diff(x) / np.sqrt(noise.walk + 2 * noise.level)[:-1]
    search = ruptures.KernelCPD(kernel="linear", min_size=1).fit(unit[:, None])
    edges = np.array([0, *search.predict(pen=2 * np.log(len(x)))])
    speed = np.diff(x[edges]) / np.diff(edges)
    taken = np.zeros(len(speed), bool)
    runs = []
    for peak in np.argsort(-np.abs(speed), kind="stable"):
        if not taken[peak] and speed[peak] != 0 and not _is_tail(speed, taken, int(peak)):
            low, high = (_reach(speed, taken, int(peak), way) for way in (-1, 1))
            taken[low : high + 1] = True
            runs.append((int(edges[low]), int(edges[high + 1])))
    return runs


def _is_tail(speed: Array, taken: Array, k: int) -> bool:
    """Whether stretch k only continues a faster one beside it."""
    beside = [i for i in (k - 1, k + 1) if 0 <= i < len(speed)]
    return any(taken[i] and speed[i] / speed[k] >= 1 for i in beside)


def _reach(speed: Array, taken: Array, peak: int, way: int) -> int:
    """The last stretch on one side that belongs to the run around `peak`."""
    last, slowest = peak, abs(speed[peak])
    for k in range(peak + way, len(speed) if way > 0 else -1, way):
        same = np.sign(speed[k]) == np.sign(speed[peak]) and abs(speed[k]) >= _SLOW * abs(speed[peak])
        if taken[k] or not same or abs(speed[k]) > slowest / _VALLEY:
            break
        last, slowest = k, min(slowest, abs(speed[k]))
    return last


def _accelerates(t: Array, x: Array, noise: _Noise, start: int, end: int) -> bool:
    """Whether x lags behind a chord from before `start`, over as many points as it is long, to a later point."""
    before = max(0, start - max(end - start, 4))
    if start - before < 2:
        return False
    seen = slice(before, end + 1)
    level, time = np.sign(x[end] - x[start]) * x[seen], t[seen]
    base = min(3, (start - before) // 2 + 1)  # points averaged for the chord's beginning
    begin, begun = level[:base].mean(), time[:base].mean()
    later = np.arange(start - before + 1, len(level))[:, None]
    between = np.arange(base, len(level))[None]
    chord = begin + (level[later] - begin) * (time[between] - begun) / (time[later] - begun)
    lag = np.max(np.where(between < later, chord - level[between], -np.inf))
    deviation = np.sqrt(np.median(noise.walk[seen]) + np.median(noise.level[seen]))
    return bool(lag >= max(LAG_SIGMAS * deviation, LAG * abs(x[end] - x[start])))
