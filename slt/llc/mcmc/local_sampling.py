"""What every estimator by chains does: set itself up, walk until the error is small enough, and say what was wrong.

The estimate at inverse temperature t is t E[K], K being the loss above the point's, which is computed exactly
(Lau et al. 2023, arXiv:2308.12108, equation 8, where t = n beta = n / log n). Its distance from lambda at finite t is
not in the error: for a multiplicity m it is about -(m - 1) / log t.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.errors import ConfigError
from slt.llc import flags as flag
from slt.llc.base import LLCProblem, newton_decrement
from slt.llc.mcmc import calibration
from slt.llc.mcmc.calibration import Localization, Plan, Ready
from slt.llc.mcmc.effective import effective_draws
from slt.records.base import Array
from slt.records.llc import LLCEstimate

BLOCK = 500  # draws between looks at the error
POPULATION_T = 1e5
LOST = 1e100  # nats of t K at which a chain is given up
FEW = 50.0  # effective draws, all chains together
LEVELS = 64  # means of draws that the record keeps of each chain


@dataclasses.dataclass(frozen=True)
class Length:
    """How long to walk.

    Attributes:
      draws: of each chain; None: until half the points with a positive estimate have a relative standard error of
        at most `precision`, or there are `most`.
      every: steps from draw to draw.
    """

    draws: int | None
    precision: float
    most: int
    every: int


def check(
    chains: int,
    step_size: float | None,
    localization: float | None,
    t: float | None,
    burn_in: int | None,
    length: Length,
) -> None:
    """Raises ValueError for options that no chain can walk by."""
    if chains < 2:
        raise ValueError(f"the error needs at least 2 chains, not {chains}")
    for name, number in (("step_size", step_size), ("localization", localization), ("t", t)):
        if number is not None and not number > 0:
            raise ValueError(f"{name} must be positive, not {number}")
    for name, count in (("burn_in", burn_in), ("draws", length.draws), ("max_draws", length.most)):
        if count is not None and count < 16:
            raise ValueError(f"{name} must be at least 16, not {count}")
    if length.every < 1:
        raise ValueError(f"every counts steps between draws and must be at least 1, not {length.every}")
    if not 0 < length.precision < 1:
        raise ValueError(f"precision must lie strictly between 0 and 1, not {length.precision}")


def estimate(
    question: LLCProblem, plan: Plan, length: Length, t: float | None, key: jax.Array
) -> LLCEstimate:
    """t E[K] at every point; the record's info is what `sgld.SGLD` documents."""
    temperature = inverse_temperature(question, t)
    if plan.batch is not None and question.data is None:
        raise ConfigError(
            "batch counts observations, and the population loss has none: set batch=null or give data"
        )
    first, second, key = jax.random.split(key, 3)
    if plan.localization is None:
        where = calibration.localization(question, plan, temperature, first)
    else:
        none = np.empty((0, 0))
        where = Localization(plan.localization, np.array([plan.localization]), none, none, np.nan)
    state = calibration.ready(question, plan, temperature, where.gamma, second)
    state, energy, accepted = _walk(question, plan, state, length, key)
    return _record(question, temperature, where, state, energy, accepted, length.every)


def localized(question: LLCProblem, plan: Plan, t: float | None, key: jax.Array) -> float:
    """The localization that was asked for, or else the one that suits `question`."""
    if plan.localization is not None:
        return plan.localization
    return calibration.localization(question, plan, inverse_temperature(question, t), key).gamma


def inverse_temperature(question: LLCProblem, t: float | None) -> float:
    """n beta: what was asked for, or n / log n on data, or 1e5 on the population loss."""
    if t is not None:
        return t
    n = question.observations
    if n is None:
        return POPULATION_T
    if n < 3:
        raise ConfigError(f"n / log n makes no temperature for n = {n:g}: set t, or give more observations")
    return n / float(np.log(n))


def _walk(
    question: LLCProblem, plan: Plan, state: Ready, length: Length, key: jax.Array
) -> tuple[Ready, Array, Array]:
    blocks, accepted = [], []
    total = 0
    while total < (length.draws or length.most):
        key, fresh = jax.random.split(key)
        block = length.draws or BLOCK
        state, energy, acceptance = calibration.walk(question, plan, state, fresh, block, length.every)
        blocks.append(energy)
        accepted.append(acceptance)
        total += block
        if length.draws is None:
            llc, error, _ = moments(np.concatenate(blocks, axis=2))
            with np.errstate(invalid="ignore"):
                asked = llc > 0  # a number below zero only says that the point is no minimum, however exact
                enough = error[asked] <= length.precision * llc[asked]
            if not asked.any() or enough.mean() >= 0.5:
                break
    return state, np.concatenate(blocks, axis=2), np.mean(accepted, axis=0)


def moments(energy: Array) -> tuple[Array, Array, Array]:
    """Mean, standard error and effective draws (point,) of t K (point, chain, draw); a chain that is not finite is
    left out."""
    whole = (np.abs(energy) < LOST).all(axis=2)
    ess = np.full(len(energy), np.nan)
    every = whole.all(axis=1)
    if every.any():
        ess[every] = effective_draws(np.moveaxis(energy[every], 0, -1))
    for i in np.flatnonzero(~every & (whole.sum(axis=1) >= 2)):
        ess[i] = effective_draws(energy[i, whole[i]])
    kept = np.where(whole[:, :, None], energy, np.nan)
    some = whole.any(axis=1)
    mean, scatter = np.full(len(energy), np.nan), np.full(len(energy), np.nan)
    mean[some] = np.nanmean(kept[some], axis=(1, 2))
    scatter[some] = np.nanvar(kept[some], axis=(1, 2))
    ess = np.clip(np.nan_to_num(ess, nan=1.0), 1.0, energy.shape[1] * energy.shape[2])
    return mean, np.sqrt(scatter / ess), ess


def _record(
    question: LLCProblem,
    t: float,
    where: Localization,
    state: Ready,
    energy: Array,
    accepted: Array,
    every: int,
) -> LLCEstimate:
    count, chains, draws = energy.shape
    llc, error, ess = moments(energy)
    flags = flag.Flags(count)
    finite = np.abs(energy) < LOST
    lost = (~finite.all(axis=2)).sum(axis=1)
    energy = np.where(finite.all(axis=2)[:, :, None], energy, np.nan)
    lower = np.sum(energy < -flag.ESCAPED, axis=(1, 2)) / np.maximum(1, finite.sum(axis=(1, 2)))
    gain = np.asarray(newton_decrement(question.full(1.0), question.points, question.free))
    flag.common(flags, llc, error, np.full(count, t), lower, gain)
    flags.add("diverged", lost > 0, [f"{k} of {chains} chains left the finite numbers" for k in lost])
    drifting = ~calibration.steady(np.where(lost[:, None] == 0, energy.mean(axis=1), 0.0))
    flags.add("burn-in", drifting, "the halves of the draws disagree: burn in longer, or walk longer")
    flags.add(
        "few effective draws", (ess < FEW) & (lost < chains), [f"{k:.0f}, all chains together" for k in ess]
    )
    parts = np.array_split(energy, min(LEVELS, draws), axis=2)
    return LLCEstimate(
        llc=llc,
        error=error,
        low=llc - 1.96 * error,
        high=llc + 1.96 * error,
        multiplicity=np.zeros(count, int),
        loss=np.asarray(question.losses()),
        t=np.full((count, len(parts)), t),
        curve={"mean": np.stack([part.mean(axis=2) for part in parts], axis=-1)},
        info={
            "localization": np.full(count, where.gamma),
            "sensitivity": np.full(count, where.sensitivity),
            "step_size": np.asarray(state.setting.step_size),
            "tuned_acceptance": state.acceptance,
            "acceptance": accepted.mean(axis=1),
            "burn_in": np.full(count, float(state.burn_in)),
            "draws": np.full(count, float(draws)),
            "every": np.full(count, float(every)),
            "ess": ess,
        },
        status=flags.status(),
    )
