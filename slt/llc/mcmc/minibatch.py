"""Localized SGLD for networks: float32, minibatches, one calibration for all points that are compared."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from slt.llc.base import Estimator
from slt.llc.mcmc import gradients
from slt.llc.mcmc.control_variates import DIVERGED, Walks, around_points, lower_share, walk
from slt.llc.mcmc.curvature_calibration import DECORRELATED, NOISE, Calibration, calibrate
from slt.llc.mcmc.diagnostics import left_out, record
from slt.llc.mcmc.gradients import Setting
from slt.llc.mcmc.options import MinibatchOptions
from slt.llc.problem import LLCProblem
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class Minibatch(MinibatchOptions):
    """Unadjusted Langevin chains around each point, with minibatches and control variates, in float32.

    The chains are those of Lau et al. 2023 (arXiv:2308.12108), preconditioned (`control_variates`); without data,
    minibatches are drawn from the model, so that the coefficient is that of the population. Step size and
    localization are chosen once, on a few probes among the points, and held for all of them, so that the estimates
    can be compared (`curvature_calibration`).

    It is not an option of `sgld.SGLD`, which needs the loss on all the data: at every draw, for its estimate, and at
    every step of the Metropolis test, by which it finds its step size. Here nothing of the cost grows with the number
    of observations, but the gradient at the point: a draw is worth what its minibatch says, and the step size comes
    from curvatures. For small models, where the full loss can be had, `sgld` and `metropolis` are better.

    Attributes: see `options.MinibatchOptions`.

    Info: as `full_loss.FullLossChains`, with "step_sensitivity" and "start_sensitivity" (relative change of the
    estimate at half the step size, and with chains that start at the point), "noise" (share of the estimate that
    minibatches add, at most), and "hessian_trace", "hessian_trace_error", "fisher_trace" (`gradients`). "acceptance"
    and "tuned_acceptance" are NaN: nothing is adjusted.
    """

    def calibrate(self, problem: LLCProblem, key: jax.Array) -> Calibrated:
        return Calibrated(self, calibrate(self, self.setting(problem), gradients.flat(problem.points), key))

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        first, second = jax.random.split(key)
        return self.calibrate(problem, first)(problem, second)

    def setting(self, problem: LLCProblem) -> Setting:
        """The problem in float32, at the temperature of the chains."""
        return gradients.setting(problem, self.inverse_temperature(problem))


@dataclasses.dataclass(frozen=True, eq=False)
class Calibrated(Estimator):
    """`Minibatch` at the step size and the localization of a calibration."""

    options: Minibatch
    calibration: Calibration

    @property
    def max_points(self) -> int:
        return self.options.max_points

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        options, taken = self.options, self.calibration.taken
        setting = options.setting(problem)
        walks = Walks(taken.step_size, taken.localization, options.burn_in)
        around = around_points(options, setting, gradients.flat(problem.points), taken.localization)
        energy = left_out(walk(options, setting, around, walks, key)[0], DIVERGED)
        info: dict[str, Any] = {
            "localization": taken.localization,
            "sensitivity": self.calibration.sensitivity,
            "step_sensitivity": self.calibration.step_sensitivity,
            "start_sensitivity": self.calibration.start_sensitivity,
            "step_size": taken.step_size,
            "noise": taken.noise,
            "tuned_acceptance": float("nan"),
            "acceptance": float("nan"),
            "burn_in": options.burn_in,
            "thin": 1,
        }
        if options.traces:
            info |= gradients.traces(
                setting, around.points, options.traces, points_per_batch=options.points_per_batch
            )
        factors = taken.step_size * options.burn_in
        short = f"nbeta K comes closer to its mean by {factors:.1f} factors of e, not {DECORRELATED:g}"
        loud = f"minibatches may add {taken.noise:.0%} to the estimate: larger ones, or burn in longer"
        return record(
            energy,
            float(setting.nbeta),
            loss=around.expansion.loss,
            lower=lower_share(energy),
            decrement=around.expansion.decrement,
            info=info,
            warnings=[
                ("burn-in", factors < DECORRELATED * (1 - 1e-9), short),
                ("noise", taken.noise > NOISE, loud),
            ],
        )
