"""Free energies at each n: of the whole posterior, and of each phase from its share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from slt.phases.occupancy import Estimate, estimate, is_exact
from slt.records.base import Array
from slt.records.phases import Occupancy


class LocalFreeEnergy(NamedTuple):
    """F_n(W_a) = F_n - log P(W_a | D_n), nats.

    Attributes:
      value: (dataset, n, repeat, phase); where `bound` is set, only a lower bound.
      bound: the same shape, True where the phase was never visited: its share is then known only to lie
        below the floor, and `value` is F_n - log(floor) (+inf for quadrature, whose floor is 0).
    """

    value: Array
    bound: Array


def free_energy_summary(occupancy: Occupancy) -> Estimate:
    """(n,) mean free energy and standard error, nats.

    Each repeat's evidence Z is unbiased, and its log is low by half its variance; so a data set's repeats are
    pooled as -log(mean Z), whose error is their scatter over the square root of their number. Over data sets
    the mean and its error are as in `estimate`.
    """
    exact = is_exact(occupancy)
    pooled = -(logsumexp(-occupancy.free_energy, axis=2) - np.log(occupancy.free_energy.shape[2]))
    if len(pooled) > 1:
        return estimate(pooled[:, :, None], exact)
    return estimate(occupancy.free_energy, exact)._replace(mean=pooled[0])


def local_free_energy(occupancy: Occupancy) -> LocalFreeEnergy:
    """Free energy of each phase from the ladder's evidence and the phase's share; see `LocalFreeEnergy`."""
    bound = occupancy.share == 0
    with np.errstate(divide="ignore"):
        log_share = np.log(np.where(bound, occupancy.floor, occupancy.share))
    return LocalFreeEnergy(occupancy.free_energy[..., None] - log_share, bound)
