"""Chains whose draws are measured by the loss on all the data: calibrate, walk until the error is small, record."""

from __future__ import annotations

import abc
import dataclasses
from typing import Self

import jax
import numpy as np

from slt.errors import ConfigError
from slt.llc import flags as flag
from slt.llc.mcmc import acceptance_calibration as calibration
from slt.llc.mcmc import diagnostics
from slt.llc.mcmc.acceptance_calibration import Localization, Ready
from slt.llc.mcmc.kernels import Kernel
from slt.llc.mcmc.options import FullLossOptions
from slt.llc.problem import LLCProblem, newton_decrement
from slt.records.base import Array
from slt.records.llc import LLCEstimate

BLOCK = 500  # draws between looks at the error


@dataclasses.dataclass(frozen=True)
class FullLossChains(FullLossOptions):
    """Chains around each point at inverse temperature n beta, in float64, for small models.

    Chains have independent keys; the loss at the point is exact; every draw's loss is the full one.

    Info: "localization", "sensitivity" (relative change of the estimate at ten times the localization),
    "step_size", "tuned_acceptance" (of the adjusted walk during burn-in; NaN without one), "acceptance" (1 for SGLD),
    "burn_in", "draws", "thin", "ess" (all chains together).
    """

    @property
    @abc.abstractmethod
    def kernel(self) -> Kernel:
        """The step that its chains take."""

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        if self.kernel.batch is not None and problem.data is None:
            raise ConfigError(
                "batch counts observations, and the population loss has none: set batch=null or give data"
            )
        nbeta = self.inverse_temperature(problem)
        first, second, key = jax.random.split(key, 3)
        where = self._localization(problem, first)
        gamma = np.full(problem.count, where.gamma)
        state = calibration.ready(problem, self, self.kernel, nbeta, gamma, second)
        state, energy, accepted = self._walk(problem, state, key)
        kept = diagnostics.left_out(energy)
        finite = np.abs(energy) < diagnostics.DIVERGED
        lower = np.sum(kept < -flag.ESCAPED, axis=(1, 2)) / np.maximum(1, finite.sum(axis=(1, 2)))
        return diagnostics.record(
            kept,
            nbeta,
            loss=problem.losses(),
            lower=lower,
            decrement=newton_decrement(problem.full(1.0), problem.points, problem.selected),
            info={
                "localization": where.gamma,
                "sensitivity": where.sensitivity,
                "step_size": state.setting.step_size,
                "tuned_acceptance": state.acceptance,
                "acceptance": accepted.mean(axis=1),
                "burn_in": state.burn_in,
                "thin": self.thin,
            },
        )

    def calibrate(self, problem: LLCProblem, key: jax.Array) -> Self:
        return dataclasses.replace(self, localization=self._localization(problem, key).gamma)

    def _localization(self, problem: LLCProblem, key: jax.Array) -> Localization:
        if self.localization is not None:
            return Localization(self.localization)
        return calibration.localization(problem, self, self.kernel, self.inverse_temperature(problem), key)

    def _walk(self, problem: LLCProblem, state: Ready, key: jax.Array) -> tuple[Ready, Array, Array]:
        blocks: list[Array] = []
        accepted: list[Array] = []
        block = self.draws or BLOCK
        while sum(energy.shape[2] for energy in blocks) < (self.draws or self.max_draws):
            key, fresh = jax.random.split(key)
            state, energy, acceptance = calibration.walk(problem, self.kernel, state, fresh, block, self.thin)
            blocks.append(energy)
            accepted.append(acceptance)
            if self.draws is None:
                llc, error, _ = diagnostics.moments(np.concatenate(blocks, axis=2))
                with np.errstate(invalid="ignore"):
                    # a number below zero only says that the point is no minimum, however exact
                    asked = llc > 0
                    enough = error[asked] <= self.precision * llc[asked]
                if not asked.any() or enough.mean() >= 0.5:
                    break
        return state, np.concatenate(blocks, axis=2), np.mean(accepted, axis=0)
