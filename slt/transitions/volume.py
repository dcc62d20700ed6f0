"""The constant of the free energy formula, measured: the local volume of each phase together with its prior density.

On the population loss, F(n; W_a) = n L_a + lambda_a log n - (m_a - 1) log log n + c_a + o(1), with c_a from the prior
density and the local volume. A ladder on the population loss gives F(n; W_a) = F(n) - log P(W_a) at every sample
size where phase a is seen, and so c_a once L_a, lambda_a and m_a are known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from slt.phases.local_free_energy import local_free_energy
from slt.phases.occupancy import is_exact
from slt.records.phases import Occupancy, PhaseFacts

VISITS = 30  # draws that must lie in the phase, in every repeat, for a sample size to count
SAMPLE_SIZES = 3  # the last so many such sample sizes: there the formula is best


class Constant(NamedTuple):
    """c_a, nats: its value, that of each repeat (NaN: failed), and its drift over the sample sizes that it is taken
    from."""

    value: float
    repeats: tuple[float, ...]
    drift: float


def difference(source: Constant, target: Constant) -> tuple[float, float]:
    """c_target - c_source and its error, nats. What all phases of a repeat share, noise of its evidence, cancels."""
    each = np.array(target.repeats) - np.array(source.repeats)
    each = each[np.isfinite(each)]
    sampled = float(each.std(ddof=1) / math.sqrt(len(each))) if len(each) > 1 else 0.0
    return target.value - source.value, math.hypot(sampled, source.drift, target.drift)


def constants(population: Occupancy, facts: tuple[PhaseFacts, ...]) -> dict[str, Constant]:
    """By name of the phase, where lambda is known and the ladder saw the phase often enough, and its evidence is
    known, in at least two repeats (one, by quadrature).

    Args:
      population: of the ladder on the population loss, phases by index as in `facts`.
      facts: of the phases.
    """
    energy = local_free_energy(population).value[0]  # (n, repeat, phase)
    exact = is_exact(population)
    often = (
        np.nanmin(population.share[0], axis=1) > 0.01 if exact else population.visits[0].min(axis=1) >= VISITS
    )
    found = {}
    for a, fact in enumerate(facts):
        n_indices = np.flatnonzero(often[:, a] & (population.sample_sizes > 2))[-SAMPLE_SIZES:]
        if fact.llc is None or not len(n_indices):
            continue
        n = population.sample_sizes[n_indices].astype(float)
        formula = n * fact.loss + fact.llc * np.log(n) - ((fact.multiplicity or 1) - 1) * np.log(np.log(n))
        c = energy[n_indices][:, :, a] - formula[:, None]  # (sample size, repeat)
        complete = np.isfinite(c).all(axis=0)
        if complete.sum() < (1 if exact else 2):
            continue
        drift = float(np.ptp(c[:, complete].mean(axis=1))) / 2
        repeats = np.where(complete, c.mean(axis=0), np.nan)
        found[fact.name] = Constant(float(c[:, complete].mean()), tuple(repeats.tolist()), drift)
    return found
