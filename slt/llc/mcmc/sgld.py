"""Localized stochastic gradient Langevin dynamics, the estimator of Lau et al. 2023 (arXiv:2308.12108)."""

from __future__ import annotations

import dataclasses

from slt.llc.mcmc.full_loss import FullLossChains
from slt.llc.mcmc.kernels import DECAY, Kernel


@dataclasses.dataclass(frozen=True)
class SGLD(FullLossChains):
    """Unadjusted Langevin chains around each point, for small models; for networks see `minibatch.Minibatch`.

    A step is -(step_size / 2) (nbeta grad L + gamma (w - point)) + sqrt(step_size) N(0, I).

    Attributes:
      batch: observations in each gradient; None: all of them.
      preconditioner: "none", or the diagonal of "rmsprop" (running mean of squared gradients, decay 0.99; Li et al.
        2016) or "adam" (decay 0.999, bias-corrected; without Adam's momentum, which would change what is sampled).
        It is estimated during burn-in and then held, so that the chain's target stays what it is.
      step_size: None: where the adjusted walk accepts 99.5 %.
      localization: gamma; None: chosen from a grid, see `acceptance_calibration`.
      burn_in: steps at nbeta; None: first warmer, where chains spread sooner, then at nbeta until the trace is
        steady. With a step size of your own they are steps of the walk itself, up to a complete draw, otherwise
        adjusted ones.
      The others, and what the record holds: see `options` and `full_loss.FullLossChains`.
    """

    thin: int = 4
    batch: int | None = None
    preconditioner: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.preconditioner not in DECAY:
            raise ValueError(f"preconditioner must be one of {', '.join(DECAY)}, not {self.preconditioner!r}")

    @property
    def kernel(self) -> Kernel:
        return Kernel("sgld", preconditioner=self.preconditioner, batch=self.batch)
