"""Sample sizes at which a ladder is not trusted, and why: repeats of one posterior that should agree, and do not."""

from __future__ import annotations

import dataclasses

import numpy as np

from slt.records.base import OK, Array
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder

MAX_DEVIATION = (
    0.2  # standard deviation of a phase's share between repeats; all or none, as often, is 0.5 or more
)
_BY_N = ("share", "free_energy", "visits", "switches", "loss", "loss_variance")
MAX_CORRELATION = 0.9  # of energies across the last moves at n, above which next to nothing was decorrelated


def untrusted(ladder: Ladder, occupancy: Occupancy) -> dict[int, str]:
    """n at which shares depend more on where particles or chains began than on the posterior -> why.

    A sample size is not trusted where most of its posteriors failed by their own status, where repeats on one data
    set give a phase very different shares (standard deviation above `MAX_DEVIATION`, over repeats within data sets),
    or where particles' energies are as before the moves (median correlation above `MAX_CORRELATION`).
    """
    found: dict[int, str] = {}
    deviation = _deviation(occupancy.share)
    correlation = ladder.info.get("correlation")
    for n_index, n in enumerate(ladder.sample_sizes.tolist()):
        bad = ladder.status[:, n_index] != OK
        if bad.mean() > 0.5:
            found[n] = f"{int(bad.sum())} of {bad.size} posteriors failed"
        elif deviation[n_index] > MAX_DEVIATION:
            found[n] = f"repeats disagree: a phase's share differs by ±{deviation[n_index]:.2f} between them"
        elif correlation is not None and np.nanmedian(correlation[:, n_index]) > MAX_CORRELATION:
            found[n] = (
                f"moves decorrelate too little: energies correlate at {np.nanmedian(correlation[:, n_index]):.2f}"
            )
    return found


def trusted(occupancy: Occupancy, left_out: dict[int, str]) -> Occupancy | None:
    """The occupancy of all n but these; None where nothing is left."""
    kept = ~np.isin(occupancy.sample_sizes, list(left_out))
    if not kept.any():
        return None
    return dataclasses.replace(
        occupancy,
        sample_sizes=occupancy.sample_sizes[kept],
        **{name: getattr(occupancy, name)[:, kept] for name in _BY_N},
    )


def without(occupancy: Occupancy, left_out: dict[int, str]) -> Occupancy:
    """The occupancy with shares, losses and free energies of these n missing (NaN)."""
    out = np.isin(occupancy.sample_sizes, list(left_out))

    def blank(values: Array) -> Array:
        return np.where(out.reshape(1, -1, *[1] * (values.ndim - 2)), np.nan, values)

    names = ("share", "free_energy", "loss", "loss_variance")
    return dataclasses.replace(occupancy, **{name: blank(getattr(occupancy, name)) for name in names})


def _deviation(share: Array) -> Array:
    """(n,) the largest over phases of the standard deviation of shares (dataset, n, repeat, phase) over repeats, its
    variance averaged over data sets; data sets with fewer than two finite repeats do not count, and where none counts
    it is 0."""
    finite = np.isfinite(share).all(axis=-1, keepdims=True)
    count = finite.sum(axis=2)
    mean = np.where(finite, share, 0.0).sum(axis=2) / np.maximum(count, 1)
    squares = np.where(finite, share - mean[:, :, None], 0.0) ** 2
    variance = squares.sum(axis=2) / np.maximum(count - 1, 1)
    enough = count >= 2
    pooled = np.where(enough, variance, 0.0).sum(axis=0) / np.maximum(enough.sum(axis=0), 1)
    return np.sqrt(pooled.max(axis=-1))
