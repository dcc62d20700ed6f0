"""Where SGD ends, against where the posterior's mass is."""

from __future__ import annotations

import numpy as np
import scipy.stats

from slt.phases.occupancy import occupancy_summary
from slt.records.base import OK, Array
from slt.records.comparison import Ending
from slt.records.phases import Occupancy, PhasePath

VISIBLE = 0.005  # a phase with less of both is not listed


def endings(
    path: PhasePath, occupancy: Occupancy, names: tuple[str, ...], n: int | None, status: Array | None
) -> tuple[Ending, ...]:
    """Each phase (and "other") with its share of SGD's ends and of the posterior, by their disagreement, largest
    first.

    Args:
      path: of the seeds; where a seed is at the last checkpoint is where it ends.
      occupancy: of the same phases.
      names: by label, the last "other".
      n: observations that SGD was trained on: the posterior is looked at on the nearest sample size (in log n) that
        has draws. None, a fresh stream: the last such sample size is taken.
      status: (seed,) of the trajectory; seeds that failed are left out.
    """
    fine = np.ones(len(path.label), bool) if status is None else np.asarray(status) == OK
    last = path.label[fine, -1]
    if not len(last):
        return ()
    sample_sizes = np.asarray(occupancy.sample_sizes, float)
    share = occupancy_summary(occupancy)
    known = np.flatnonzero(np.isfinite(share.mean).all(axis=1))
    if not len(known):
        return ()
    n_index = int(known[-1] if n is None else known[np.argmin(np.abs(np.log(sample_sizes[known] / n)))])
    found = []
    for label, name in enumerate(names):
        ended, mass = int((last == label).sum()), float(share.mean[n_index, label])
        if max(ended / len(last), mass) < VISIBLE:
            continue
        interval = scipy.stats.binomtest(ended, len(last)).proportion_ci(0.95, method="exact")
        error = float(share.error[n_index, label])
        found.append(
            Ending(
                phase=name,
                seeds=len(last),
                ended=ended,
                share=ended / len(last),
                share_low=float(interval.low),
                share_high=float(interval.high),
                n=float(sample_sizes[n_index]),
                mass=mass,
                mass_error=error if np.isfinite(error) else None,
            )
        )
    return tuple(sorted(found, key=lambda one: -abs(one.share - one.mass)))
