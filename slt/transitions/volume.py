"""The constant of the free energy formula, measured: how much room each phase has, and what its prior is there.

On the population loss, F(n; W_a) = n L_a + lambda_a log n - (m_a - 1) log log n + c_a + o(1), with c_a from the prior
density and the local volume. An annealed ladder gives F(n; W_a) = F(n) - log P(W_a) at every rung where phase a is
seen, and so c_a once L_a, lambda_a and m_a are known.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from slt import phases
from slt.records import Occupancy, PhaseFacts

VISITS = 30  # draws that must lie in the phase, in every repeat, for a rung to count
RUNGS = 3  # the last so many such rungs: there the formula is best


class Constant(NamedTuple):
    """c_a, nats, and its error: of the repeats, with the drift of c_a over the rungs that it was taken from."""

    value: float
    error: float


def constants(annealed: Occupancy, facts: tuple[PhaseFacts, ...]) -> dict[str, Constant]:
    """By name of the phase, where lambda is known and the ladder saw the phase often enough.

    Args:
      annealed: of the ladder on the population loss, phases by index as in `facts`.
      facts: of the phases.
    """
    energy = phases.local_free_energy(annealed).value[0]  # (n, repeat, phase)
    exact = phases.is_exact(annealed)
    often = annealed.share[0].min(axis=1) > 0.01 if exact else annealed.visits[0].min(axis=1) >= VISITS
    found = {}
    for a, fact in enumerate(facts):
        rungs = np.flatnonzero(often[:, a] & (annealed.ns > 2))[-RUNGS:]
        if fact.llc is None or not len(rungs):
            continue
        n = annealed.ns[rungs].astype(float)
        formula = n * fact.loss + fact.llc * np.log(n) - ((fact.multiplicity or 1) - 1) * np.log(np.log(n))
        c = energy[rungs][:, :, a] - formula[:, None]  # (rung, repeat)
        sampled = 0.0 if c.shape[1] < 2 else float(c.mean(axis=0).std(ddof=1) / math.sqrt(c.shape[1]))
        drift = float(np.ptp(c.mean(axis=1))) / 2
        found[fact.name] = Constant(float(c.mean()), math.hypot(sampled, drift))
    return found
