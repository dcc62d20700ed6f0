"""Does the posterior jump over the middle of a mode, or pass through it?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.common.linear_networks import LinearNetwork
from slt.records.posterior import Ladder

JUMP = 1 / 3  # a share below that of a flat distribution


def middle_share(model: LinearNetwork, ladder: Ladder, mode: int, n: float) -> dict[str, float]:
    """At the sample size nearest to n, the share of draws that have between a third and two thirds of a mode.

    Where a posterior jumps, next to none is there at the crossing; where it passes continuously, most of it is.
    (Ashman's D of the losses cannot tell: a Gaussian that is cut in two at its median has D = 2.7.)

    Args:
      model: of the draws.
      ladder: on the population loss: one data set.
      mode: index into the teacher's modes.
      n: the crossing.

    Returns that "n", the "share", its standard error over repeats "error", and the "median" strength.
    """
    n_index = int(np.argmin(np.abs(ladder.sample_sizes - n)))
    draws = {
        name: jnp.asarray(leaf[0, n_index]) for name, leaf in ladder.draws.items()
    }  # (repeat, draw, ...)
    strength = np.asarray(jax.jit(jax.vmap(jax.vmap(model.observables)))(draws)[f"mode {mode + 1}"])
    shares = np.mean((strength > 1 / 3) & (strength < 2 / 3), axis=1)  # particles weigh the same
    return {
        "n": float(ladder.sample_sizes[n_index]),
        "share": float(shares.mean()),
        "error": float(shares.std(ddof=1) / np.sqrt(len(shares))),
        "median": float(np.median(strength)),
    }
