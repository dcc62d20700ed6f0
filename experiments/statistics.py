"""Numbers that several studies compute: intervals, errors, crossings; and JSON without NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from slt.records.base import Array


def binomial_interval(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper and Pearson)."""
    interval = binomtest(count, total).proportion_ci(0.95, "exact")
    return interval.low, interval.high


def mean_and_error(values: Array) -> tuple[float, float]:
    """Mean and its standard error, for independent values."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def first_step(steps: Array, there: Array, never: float = np.inf) -> Array:
    """(seed,) the first step at which each row of `there` (seed, checkpoint) is true; `never` where none is."""
    return np.where(there.any(axis=1), steps[there.argmax(axis=1)].astype(float), never)


def upward_crossing(sample_sizes: Array, share: Array) -> float:
    """n at which a share (n,) last passes one half upwards, log-linear between sample sizes; inf if it ends below."""
    below = np.flatnonzero(share < 0.5)
    if not len(below):
        return float(sample_sizes[0])
    i = int(below[-1])
    if i + 1 == len(sample_sizes):
        return float("inf")
    part = (0.5 - share[i]) / (share[i + 1] - share[i])
    return float(np.exp(np.log(sample_sizes[i]) + part * np.log(sample_sizes[i + 1] / sample_sizes[i])))


def finite(value: float) -> float | None:
    """For JSON: a number, or None for one that is not finite."""
    return float(value) if np.isfinite(value) else None


def all_finite(value: Any) -> Any:
    """For JSON: nested dicts and lists in which numbers that are not finite are None."""
    if isinstance(value, dict):
        return {str(k): all_finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [all_finite(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
