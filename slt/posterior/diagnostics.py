"""Which rungs of a ladder cannot be trusted, and why: repeats of one posterior that should agree, and do not."""

from __future__ import annotations

import dataclasses

import numpy as np

from slt.records.base import OK, Array
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder

SPREAD = 0.2  # standard deviation of a phase's share between repeats; all or none, as often, is 0.5 or more
_BY_RUNG = ("share", "free_energy", "visits", "switches", "loss", "loss_variance")
MEMORY = 0.9  # correlation of energies across the moves of a rung, above which next to nothing was forgotten


def untrusted(ladder: Ladder, occupancy: Occupancy) -> dict[int, str]:
    """n of each rung whose shares say more of where its particles or chains began than of the posterior -> why.

    A rung is not trusted where most of its posteriors failed by their own status, where repeats on one data set
    give a phase very different shares (standard deviation above `SPREAD`, over repeats within data sets), or where
    particles remember their energies from before the moves (median correlation above `MEMORY`).
    """
    found: dict[int, str] = {}
    spread = _spread(occupancy.share)
    memory = ladder.info.get("correlation")
    for rung, n in enumerate(ladder.sample_sizes.tolist()):
        bad = ladder.status[:, rung] != OK
        if bad.mean() > 0.5:
            found[n] = f"{int(bad.sum())} of {bad.size} posteriors failed"
        elif spread[rung] > SPREAD:
            found[n] = f"repeats disagree: a phase's share differs by ±{spread[rung]:.2f} between them"
        elif memory is not None and np.nanmedian(memory[:, rung]) > MEMORY:
            found[n] = f"moves forget too little: energies correlate at {np.nanmedian(memory[:, rung]):.2f}"
    return found


def trusted(occupancy: Occupancy, rungs: dict[int, str]) -> Occupancy | None:
    """The occupancy of all n but these; None where nothing is left."""
    kept = ~np.isin(occupancy.sample_sizes, list(rungs))
    if not kept.any():
        return None
    return dataclasses.replace(
        occupancy,
        sample_sizes=occupancy.sample_sizes[kept],
        **{name: getattr(occupancy, name)[:, kept] for name in _BY_RUNG},
    )


def without(occupancy: Occupancy, rungs: dict[int, str]) -> Occupancy:
    """The occupancy with shares, losses and free energies of these n missing (NaN)."""
    out = np.isin(occupancy.sample_sizes, list(rungs))

    def blank(values: Array) -> Array:
        return np.where(out.reshape(1, -1, *[1] * (values.ndim - 2)), np.nan, values)

    names = ("share", "free_energy", "loss", "loss_variance")
    return dataclasses.replace(occupancy, **{name: blank(getattr(occupancy, name)) for name in names})


def _spread(share: Array) -> Array:
    """(n,) the largest over phases of the standard deviation of shares (dataset, n, repeat, phase) over repeats, its
    variance averaged over data sets; a data set with fewer than two finite repeats says nothing, and where none says
    anything it is 0."""
    finite = np.isfinite(share).all(axis=-1, keepdims=True)
    count = finite.sum(axis=2)
    mean = np.where(finite, share, 0.0).sum(axis=2) / np.maximum(count, 1)
    squares = np.where(finite, share - mean[:, :, None], 0.0) ** 2
    variance = squares.sum(axis=2) / np.maximum(count - 1, 1)
    telling = count >= 2
    pooled = np.where(telling, variance, 0.0).sum(axis=0) / np.maximum(telling.sum(axis=0), 1)
    return np.sqrt(pooled.max(axis=-1))
