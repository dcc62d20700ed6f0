"""Local sampling with a Metropolis test, MALA or HMC: what SGLD would give without discretization error."""

from __future__ import annotations

import dataclasses

from slt.llc.mcmc.full_loss import FullLossChains
from slt.llc.mcmc.kernels import Kernel

ALGORITHMS = ("mala", "hmc")


@dataclasses.dataclass(frozen=True)
class Metropolis(FullLossChains):
    """Adjusted chains around each point, by BlackJAX's kernels.

    Attributes:
      algorithm: "mala" (Roberts and Tweedie 1996; tuned to 60 % acceptance) or "hmc" (80 %).
      leapfrog_steps: integration steps of one HMC move.
      step_size: the square of HMC's; None: tuned.
      The others, and what the record holds: see `sgld.SGLD`.
    """

    algorithm: str = "mala"
    leapfrog_steps: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, not {self.algorithm!r}")

    @property
    def kernel(self) -> Kernel:
        return Kernel(self.algorithm, self.leapfrog_steps)
