"""Verdicts: SGD's transitions beside the posterior's."""

from __future__ import annotations

import dataclasses
from typing import Any

from slt.records.phases import PhaseFacts
from slt.records.transitions import BayesianTransition, DynamicalTransition, SigmoidFits

VERDICTS = ("both", "bayesian only", "dynamical only", "inconclusive")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on one pair of phases. `why` is a plain sentence that carries the numbers of `evidence`."""

    source: str
    target: str
    verdict: str
    why: str
    evidence: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Ending:
    """Where SGD ends against where the posterior's mass is, for one phase.

    Attributes:
      seeds, ended: seeds that did not fail, and those of them that ended in this phase.
      share, share_low, share_high: ended / seeds, with its 95 % Clopper-Pearson interval.
      n: at which the posterior was looked at: SGD's number of observations, or the sample size nearest to it.
      mass, mass_error: posterior share there and its standard error (None: unknown).
    """

    phase: str
    seeds: int
    ended: int
    share: float
    share_low: float
    share_high: float
    n: float
    mass: float
    mass_error: float | None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """SGD's transitions beside the posterior's. `sigmoid_fits` None: SGD was not run, or no seed has a complete
    curve."""

    phases: tuple[PhaseFacts, ...]
    dynamical: tuple[DynamicalTransition, ...]
    bayesian: tuple[BayesianTransition, ...]
    verdicts: tuple[Verdict, ...]
    headline: str = ""
    notes: tuple[str, ...] = ()
    endpoints: tuple[Ending, ...] = ()
    sigmoid_fits: SigmoidFits | None = None
