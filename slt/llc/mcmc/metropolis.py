"""Local sampling with a Metropolis test, MALA or HMC: what SGLD would give without discretization error."""

from __future__ import annotations

import dataclasses

import jax

from slt.llc.base import Estimator, LLCProblem
from slt.llc.mcmc import local_sampling
from slt.llc.mcmc.calibration import Plan
from slt.records.llc import LLCEstimate

ALGORITHMS = ("mala", "hmc")


@dataclasses.dataclass(frozen=True)
class Metropolis(Estimator):
    """Adjusted chains around each point, at inverse temperature t = n beta, by BlackJAX's kernels.

    Attributes:
      algorithm: "mala" (Roberts and Tweedie 1996; tuned to 60 % acceptance) or "hmc" (80 %).
      leapfrog: integration steps of one HMC move.
      step_size: e, whose square root is HMC's; None: tuned.
      The others, and what the record holds: see `sgld.SGLD`.
    """

    algorithm: str = "mala"
    leapfrog: int = 8
    chains: int = 8
    t: float | None = None
    step_size: float | None = None
    localization: float | None = None
    burn_in: int | None = None
    draws: int | None = None
    precision: float = 0.03
    max_draws: int = 20_000
    every: int = 1

    def __post_init__(self) -> None:
        local_sampling.check(
            self.chains, self.step_size, self.localization, self.t, self.burn_in, self._length
        )
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {self.algorithm!r}")
        if self.leapfrog < 1:
            raise ValueError(f"leapfrog must be at least 1, not {self.leapfrog}")

    @property
    def _length(self) -> local_sampling.Length:
        return local_sampling.Length(self.draws, self.precision, self.max_draws, self.every)

    @property
    def _plan(self) -> Plan:
        return Plan(
            self.algorithm,
            self.chains,
            self.step_size,
            self.localization,
            self.burn_in,
            leapfrog=self.leapfrog,
        )

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        return local_sampling.estimate(question, self._plan, self._length, self.t, key)

    def settled(self, question: LLCProblem, key: jax.Array) -> Estimator:
        gamma = local_sampling.localized(question, self._plan, self.t, key)
        return dataclasses.replace(self, localization=gamma)
