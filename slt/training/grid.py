"""At which steps an SGD run is looked at."""

from __future__ import annotations

import numpy as np

SPACINGS = ("log", "linear")


def checkpoint_steps(steps: int, checkpoints: int, spacing: str) -> np.ndarray:
    """(checkpoint,) int64, strictly increasing, from 0 to exactly `steps`, at most `checkpoints` of them.

    "linear" spaces them evenly. "log" puts 0 first and spaces the rest evenly in log step from 1; where that
    asks for steps closer than 1 apart they coincide after rounding and are kept once, so there are fewer.

    Args:
      steps: optimizer steps of the whole run, >= 1.
      checkpoints: how many to ask for, >= 2.
      spacing: one of `SPACINGS`.
    """
    if spacing == "log":
        wanted = np.concatenate([[0], np.geomspace(1, steps, checkpoints - 1)])
    else:
        wanted = np.linspace(0, steps, checkpoints)
    wanted[-1] = (
        steps  # with two checkpoints the geometric grid is [1]; and its end is exact only to rounding
    )
    return np.unique(np.rint(wanted).astype(np.int64))
