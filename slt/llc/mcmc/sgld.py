"""Localized stochastic gradient Langevin dynamics, the estimator of Lau et al. 2023 (arXiv:2308.12108)."""

from __future__ import annotations

import dataclasses

import jax

from slt.llc.base import Estimator, LLCProblem
from slt.llc.mcmc import local_sampling
from slt.llc.mcmc.calibration import Plan
from slt.llc.mcmc.mcmc_kernels import DECAY
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class SGLD(Estimator):
    """Unadjusted Langevin chains around each point, at inverse temperature t = n beta.

    A step is -(e / 2) (t grad L + gamma (w - point)) + sqrt(e) N(0, I). Chains have independent keys; the loss at
    the point is exact; every draw's loss is the full one, whatever the batch.

    Attributes:
      chains: for each point.
      t: n beta; None: n / log n on data, 1e5 on the population loss.
      batch: observations in each gradient; None: all of them.
      preconditioner: "none", or the diagonal of "rmsprop" (running mean of squared gradients, decay 0.99; Li et al.
        2016) or "adam" (decay 0.999, bias-corrected; without Adam's momentum, which would change what is sampled).
        It is estimated during burn-in and then held, so that the chain's target stays what it is.
      step_size: e; None: where the adjusted walk accepts 95 %.
      localization: gamma; None: chosen from a grid, see `calibration`.
      burn_in: steps at t; None: first warmer, where chains spread sooner, then at t until the trace is steady. With
        a step size of your own they are steps of the walk itself, up to a whole draw, otherwise adjusted ones.
      draws: of each chain; None: until half the points with a positive estimate have a relative standard error of
        `precision` or less, at most `max_draws`.
      every: steps from draw to draw.

    Info: "localization", "sensitivity" (relative change of the estimate at ten times the localization),
    "step_size", "tuned_acceptance" (of the adjusted walk during burn-in; NaN without one), "acceptance" (1 for SGLD),
    "burn_in", "draws", "every", "ess" (all chains together). The curve holds "mean": t K averaged over successive
    draws.
    """

    chains: int = 8
    t: float | None = None
    batch: int | None = None
    preconditioner: str = "none"
    step_size: float | None = None
    localization: float | None = None
    burn_in: int | None = None
    draws: int | None = None
    precision: float = 0.03
    max_draws: int = 20_000
    every: int = 4

    def __post_init__(self) -> None:
        local_sampling.check(
            self.chains, self.step_size, self.localization, self.t, self.burn_in, self._length
        )
        if self.preconditioner not in DECAY:
            raise ValueError(f"preconditioner must be one of {', '.join(DECAY)}, not {self.preconditioner!r}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch counts observations and must be at least 1, not {self.batch}")

    @property
    def _length(self) -> local_sampling.Length:
        return local_sampling.Length(self.draws, self.precision, self.max_draws, self.every)

    @property
    def _plan(self) -> Plan:
        return Plan(
            "sgld",
            self.chains,
            self.step_size,
            self.localization,
            self.burn_in,
            preconditioner=self.preconditioner,
            batch=self.batch,
        )

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        return local_sampling.estimate(question, self._plan, self._length, self.t, key)

    def settled(self, question: LLCProblem, key: jax.Array) -> Estimator:
        gamma = local_sampling.localized(question, self._plan, self.t, key)
        return dataclasses.replace(self, localization=gamma)
