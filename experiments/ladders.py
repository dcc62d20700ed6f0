"""Ladders of posteriors at increasing n: sampled on data sets, and the share of draws in the middle of a mode."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.models import datasets
from slt.models.base import Model
from slt.models.common.linear_networks import LinearNetwork
from slt.posterior.data_tempering import DataTempering
from slt.records.base import OK
from slt.records.posterior import Ladder
from slt.runtime.long_computation import drive

JUMP = 1 / 3  # a share below that of a flat distribution


def ladder_on_data(
    model: Model, sample_sizes: tuple[int, ...], sampler: DataTempering, *, count: int, key: jax.Array
) -> Ladder:
    """The posterior at every n on `count` data sets of seed 0."""
    return drive(sampler.stage(model, datasets.draw(model, 0, count, sample_sizes[-1]), sample_sizes), key)


def sampler_facts(ladder: Ladder) -> dict[str, Any]:
    """What shows whether a ladder can be trusted, for the data of a finding."""
    return {
        "sample_sizes": ladder.sample_sizes.tolist(),
        "scatter of log Z between repeats": float(np.mean(np.std(ladder.log_evidence, axis=2))),
        "acceptance": float(np.mean(ladder.info["acceptance"])),
        "least ancestors": float(np.min(ladder.info["ess"])),
        "failed": int(np.sum(ladder.status != OK)),
    }


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
