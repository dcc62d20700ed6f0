"""Localized SGLD for networks: float32, minibatches, one calibration for all points that are compared.

The chains are those of Lau et al. 2023 (arXiv:2308.12108), preconditioned and with control variates
(`minibatch_walk`); without data, minibatches are drawn from the model, so that the coefficient is that of the
population. Step size and localization are found on a few probes (`minibatch_calibration`).

Nothing of the cost grows with the number of observations, but the gradient at the point. For small models, where the
whole loss can be had at every draw, `sgld` and `metropolis` are better.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.llc import flags as flag
from slt.llc.base import Estimator, LLCProblem
from slt.llc.mcmc import calibration, gradients, local_sampling
from slt.llc.mcmc.gradients import Setting
from slt.llc.mcmc.minibatch_calibration import FORGOTTEN, NOISE, Calibration, calibrated
from slt.llc.mcmc.minibatch_walk import Around, Walks, around_points, given_up, lower_share, walked
from slt.records.base import Array
from slt.records.llc import LLCEstimate

POPULATION_T = 100.0  # n beta for the population, where none is given


@dataclasses.dataclass(frozen=True)
class Minibatch(Estimator):
    """Unadjusted Langevin chains around each point, with minibatches, in float32.

    Step size and localization are chosen once, on a few probes among the points, and held for all of them, so that
    the estimates can be compared: `minibatch_calibration` says how.

    Attributes:
      chains: for each point.
      t: n beta; None: n / log n on data, 100 on the population loss. The larger t, the more steps and observations
        it takes to see as flat directions: their number grows as t^2.
      batch: observations in each gradient.
      anchor: fresh observations for the gradient at the point, where a question has no data; n of them lower the
        estimate by the share t / n.
      step_size: e, of the preconditioned coordinates; None: chosen as above.
      localization: gamma; None: chosen as above.
      burn_in, draws: steps of each chain; every step after the burn-in is a draw.
      together: points walked side by side. By fours a transformer of 26,000 parameters takes 0.6 of the time that it
        takes one by one (two cores); a GPU bears more. With fewer points, the work of the others is done for nothing.
      traces: observations from which the traces of Hessian and Fisher information are estimated; 0: neither.

    Info: as `sgld`, with "step_sensitivity" and "start_sensitivity" (relative change of the estimate at half the step
    size, and with chains that start at the point), "noise" (share of the estimate that minibatches add, at most), and
    "hessian_trace", "hessian_trace_error", "fisher_trace" (`slopes`). "acceptance" and "tuned_acceptance" are NaN:
    nothing is adjusted. The curve holds "mean": t K averaged over successive draws.
    """

    chains: int = 4
    t: float | None = None
    batch: int = 32
    anchor: int = 8192
    step_size: float | None = None
    localization: float | None = None
    burn_in: int = 100
    draws: int = 300
    together: int = 1
    traces: int = 256

    def __post_init__(self) -> None:
        local_sampling.check(
            self.chains,
            self.step_size,
            self.localization,
            self.t,
            self.burn_in,
            local_sampling.Length(self.draws, 0.5, self.draws, 1),
        )
        for name, low in (("batch", 1), ("anchor", 2), ("together", 1), ("traces", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, not {getattr(self, name)}")

    @property
    def max_points(self) -> int:
        return 8 * self.together

    def settled(self, question: LLCProblem, key: jax.Array) -> Estimator:
        setting = _setting(self, question)
        return Settled(self, calibrated(self, setting, gradients.flat(question.points), key))

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        first, second = jax.random.split(key)
        return self.settled(question, first)(question, second)


@dataclasses.dataclass(frozen=True, eq=False)
class Settled(Estimator):
    """`Minibatch` at the step size and the localization of a calibration."""

    plan: Minibatch
    calibration: Calibration

    @property
    def max_points(self) -> int:
        return self.plan.max_points

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        setting = _setting(self.plan, question)
        chosen = self.calibration
        walks = Walks(chosen.step_size, chosen.localization, self.plan.burn_in)
        around = around_points(self.plan, setting, gradients.flat(question.points), chosen.localization)
        energy, _ = walked(self.plan, setting, around, walks, key)
        return _record(self, setting, around, energy)


def _setting(plan: Minibatch, question: LLCProblem) -> Setting:
    """The question in float32."""
    t = plan.t
    if t is None:
        t = POPULATION_T if question.data is None else local_sampling.inverse_temperature(question, None)
    return gradients.setting(
        question.model, question.data, question.weights, question.points, question.free, t
    )


def _record(settled: Settled, setting: Setting, around: Around, energy: Array) -> LLCEstimate:
    plan, chosen = settled.plan, settled.calibration
    count, chains, draws = energy.shape
    energy = given_up(energy)
    lost = (~np.isfinite(energy).all(axis=2)).sum(axis=1)
    llc, error, ess = local_sampling.moments(energy)
    energy = np.where(np.isfinite(energy), energy, np.nan)
    flags = flag.Flags(count)
    flag.common(
        flags,
        llc,
        error,
        np.full(count, float(setting.t)),
        lower_share(energy),
        np.asarray(around.slope.gain, float),
    )
    flags.add("diverged", lost > 0, [f"{k} of {chains} chains left the finite numbers" for k in lost])
    drifting = ~calibration.steady(np.where(lost[:, None] == 0, energy.mean(axis=1), 0.0))
    forgotten = chosen.forgotten(plan.burn_in)
    short = np.full(count, forgotten < FORGOTTEN * (1 - 1e-9))
    flags.add(
        "burn-in", drifting & ~short, "the halves of the draws disagree: burn in longer, or walk longer"
    )
    flags.add(
        "burn-in",
        short,
        f"t K comes closer to its mean by {forgotten:.1f} factors of e, not {FORGOTTEN:g}",
    )
    noise = chosen.noise[chosen.chosen]
    loud = np.full(count, noise > NOISE)
    flags.add(
        "noise", loud, f"minibatches may add {noise:.0%} to the estimate: larger ones, or burn in longer"
    )
    few = (ess < local_sampling.FEW) & (lost < chains)
    flags.add("few effective draws", few, [f"{k:.0f}, all chains together" for k in ess])
    parts = np.array_split(energy, min(local_sampling.LEVELS, draws), axis=2)
    blank = np.full(count, np.nan)
    info = {
        "localization": np.full(count, chosen.localization),
        "sensitivity": np.full(count, chosen.sensitivity),
        "step_sensitivity": np.full(count, chosen.step_sensitivity),
        "start_sensitivity": np.full(count, chosen.start_sensitivity),
        "step_size": np.full(count, chosen.step_size),
        "noise": np.full(count, chosen.noise[chosen.chosen]),
        "tuned_acceptance": blank,
        "acceptance": blank,
        "burn_in": np.full(count, float(plan.burn_in)),
        "draws": np.full(count, float(draws)),
        "every": np.ones(count),
        "ess": ess,
    }
    if plan.traces:
        info |= gradients.traces(setting, around.points, plan.traces, together=plan.together)
    return LLCEstimate(
        llc=llc,
        error=error,
        low=llc - 1.96 * error,
        high=llc + 1.96 * error,
        multiplicity=np.zeros(count, int),
        loss=np.asarray(around.slope.loss, float),
        t=np.full((count, len(parts)), float(setting.t)),
        curve={"mean": np.stack([part.mean(axis=2) for part in parts], axis=-1)},
        info=info,
        status=flags.status(),
    )
