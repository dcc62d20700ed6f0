"""Localised SGLD for networks: float32, minibatches, one calibration for all points that are compared.

A step is that of Lau et al. 2023 (arXiv:2308.12108) with a diagonal preconditioner P that is held fixed,

    w += (e / 2) P (-t g - gamma (w - point)) + sqrt(e P) N(0, I),       P = 1 / (gamma + t F),

F being the diagonal of the gradients' covariance at the point (which for a likelihood is about the Hessian's): so all
directions forget at about the same rate, e / 2 a step, flat ones too. The gradient is that of a fresh minibatch B,
drawn from the model where there are no data, so that the coefficient is that of the population; it is corrected by
what the same minibatch says at the point, where the gradient is known well:

    g = grad L_B(w) - grad L_B(point) + grad L(point)

(Baker et al. 2019, "Control variates for stochastic gradient MCMC", arXiv:1706.05439). Chains stay near their point,
so that most of the noise cancels, in the gradient and in what a draw is worth,

    t (L_B(w) - L_B(point) - (grad L_B(point) - grad L(point)) (w - point)).

Nothing of the cost grows with the number of observations, but the gradient at the point. For small models, where the
whole loss can be had at every draw, `sgld` and `metropolis` are better.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc import calibration, local, slopes
from slt.llc import flags as flag
from slt.llc.base import Estimator, Question
from slt.llc.slopes import Setting, Slope
from slt.records import Array, LLCEstimate

PROBES = 4  # points on which the calibration looks
STIFF = 0.4  # step size times the largest curvature, at most
NOISE = 0.05  # share of the estimate that the noise of minibatches may add
FORGOTTEN = 3.0  # factors of e by which a chain forgets its start during burn-in, at least
GRID = tuple(10 ** (-k / 2) for k in range(7))  # localisations tried, in units of t, strongest first
BLOCK = 50  # draws averaged before a mean below the point's loss counts as lower
LOST = 1e6  # nats of t K at which a chain is given up
POPULATION_T = 100.0  # n beta for the population, where none is given


class Calibration(NamedTuple):
    """What was tried on the probes, and chosen: see `Minibatch`.

    Attributes:
      chosen: index of the localisation that was taken.
      gammas, step_sizes: (gamma,) tried, strongest first, and the step size that each bears.
      noise: (gamma,) share of the estimate that the noise of minibatches adds, at most, on the worst probe.
      llc, lower: (probe, gamma) estimates, and share of blocks of draws at lower loss than the point's.
      halved: (probe,) estimates at half the step size and twice the burn-in.
    """

    chosen: int
    gammas: Array
    step_sizes: Array
    noise: Array
    llc: Array
    lower: Array
    halved: Array

    @property
    def localisation(self) -> float:
        return float(self.gammas[self.chosen])

    @property
    def step_size(self) -> float:
        return float(self.step_sizes[self.chosen])

    @property
    def sensitivity(self) -> float:
        """Median relative change of the estimate at ten times the localisation; NaN where that was not tried."""
        return self._change(self.llc[:, self.chosen - 2]) if self.chosen >= 2 else np.nan

    @property
    def step_sensitivity(self) -> float:
        """Median relative change of the estimate at half the step size."""
        return self._change(self.halved)

    def _change(self, other: Array) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            change = np.abs(other / self.llc[:, self.chosen] - 1)
        return float(np.nanmedian(change)) if np.isfinite(change).any() else np.nan


@dataclasses.dataclass(frozen=True)
class Minibatch(Estimator):
    """Unadjusted Langevin chains around each point, with minibatches, in float32.

    Step size and localisation are chosen once, on a few probes among the points, and held for all of them, so that
    the estimates can be compared. At each localisation of a grid the step size is the largest for which no direction
    is stepped too far (e h <= 0.4, h being the largest curvature in the preconditioned coordinates) and the noise of
    minibatches adds no more than 5 % to the estimate: in equilibrium it adds at most e tr(P C) / 8 nats, C being the
    covariance of its gradient. The localisation is the weakest at which chains still forget their start within the
    burn-in (e burn_in / 2 >= 3), among those from which as few probes as possible are left for lower loss.

    Attributes:
      chains: for each point.
      t: n beta; None: n / log n on data, 100 on the population loss. The larger t, the more steps and observations
        it takes to see as flat directions: their number grows as t^2.
      batch: observations in each gradient.
      anchor: fresh observations for the gradient at the point, where a question has no data; n of them lower the
        estimate by the share t / n.
      step_size: e, of the preconditioned coordinates; None: chosen as above.
      localisation: gamma; None: chosen as above.
      burn_in, draws: steps of each chain; every step after the burn-in is a draw.
      together: points walked side by side; more suits a GPU.
      traces: observations from which the traces of Hessian and Fisher information are estimated; 0: neither.

    Info: as `sgld`, with "step_sensitivity" (relative change of the estimate at half the step size), "noise" (share
    of the estimate that minibatches add, at most), and "hessian_trace", "hessian_trace_error", "fisher_trace"
    (`slopes`). "acceptance" and "tuned_acceptance" are NaN: nothing is adjusted. The curve holds "mean": t K averaged
    over successive draws.
    """

    chains: int = 4
    t: float | None = None
    batch: int = 32
    anchor: int = 8192
    step_size: float | None = None
    localisation: float | None = None
    burn_in: int = 200
    draws: int = 200
    together: int = 1
    traces: int = 256

    def __post_init__(self) -> None:
        local.check(
            self.chains,
            self.step_size,
            self.localisation,
            self.t,
            self.burn_in,
            local.Length(self.draws, 0.5, self.draws, 1),
        )
        for name, low in (("batch", 1), ("anchor", 2), ("together", 1), ("traces", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, not {getattr(self, name)}")

    @property
    def at_once(self) -> int:
        return 8 * self.together

    def settled(self, question: Question, key: jax.Array) -> Estimator:
        return Settled(self, _calibrated(self, question, key))

    def __call__(self, question: Question, key: jax.Array) -> LLCEstimate:
        first, second = jax.random.split(key)
        return self.settled(question, first)(question, second)


@dataclasses.dataclass(frozen=True, eq=False)
class Settled(Estimator):
    """`Minibatch` at the step size and the localisation of a calibration."""

    plan: Minibatch
    calibration: Calibration

    @property
    def at_once(self) -> int:
        return self.plan.at_once

    def __call__(self, question: Question, key: jax.Array) -> LLCEstimate:
        setting = _setting(self.plan, question)
        chosen = self.calibration
        walks = _Walks(chosen.step_size, chosen.localisation, self.plan.burn_in)
        around = _around(self.plan, setting, slopes.flat(question.points), chosen.localisation)
        energy, _ = _walked(self.plan, setting, around, walks, key)
        return _record(self, setting, around, energy)


# -- the walk ---------------------------------------------------------------------------------------------------
class _Walks(NamedTuple):
    """How chains walk: e, gamma, and steps."""

    step_size: float
    localisation: float
    burn_in: int


def _setting(plan: Minibatch, question: Question) -> Setting:
    """The question in float32."""
    t = plan.t
    if t is None:
        t = POPULATION_T if question.data is None else local.inverse_temperature(question, None)
    return slopes.setting(question.model, question.data, question.weights, question.points, question.free, t)


class _Around(NamedTuple):
    """Points (point, d), what the loss is like there, and square roots of P (point, d)."""

    points: Any
    slope: Slope
    scale: Any


def _around(plan: Minibatch, setting: Setting, points: jax.Array, gamma: float) -> _Around:
    look = partial(slopes.at_points, setting, observations=plan.anchor)
    slope = slopes.in_turn(look, plan.together, points)
    return _scaled(_Around(points, slope, slope.fisher), setting, gamma)


def _scaled(around: _Around, setting: Setting, gamma: float) -> _Around:
    return around._replace(scale=(gamma + float(setting.t) * around.slope.fisher) ** -0.5)


def _walked(
    plan: Minibatch, setting: Setting, around: _Around, walks: _Walks, key: jax.Array
) -> tuple[Array, jax.Array]:
    """t K (point, chain, draw), and where the chains end (point, chain, d)."""
    walk = partial(
        _walk, setting, walks.step_size, walks.localisation, walks.burn_in, draws=plan.draws, batch=plan.batch
    )
    keys = jax.random.split(key, (len(around.points), plan.chains))
    energy, end = slopes.in_turn(walk, plan.together, around, keys)
    return energy.astype(float), end


@partial(jax.jit, static_argnames=("draws", "batch"))
def _walk(
    setting: Setting,
    step_size: jax.Array,
    gamma: jax.Array,
    burn_in: jax.Array,
    around: _Around,
    keys: jax.Array,
    *,
    draws: int,
    batch: int,
) -> tuple[jax.Array, jax.Array]:
    """See `_walked`."""

    def chain(around: _Around, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        point, gradient = around.points, around.slope.gradient
        scale = setting.free * around.scale
        e, strength = step_size.astype(point.dtype), gamma.astype(point.dtype)

        def step(u: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            pick, shake = jax.random.split(key)
            some = slopes.draw(setting, pick, batch)
            (here, slope), (there, known) = (
                jax.value_and_grad(slopes.batch_loss)(w, setting, some) for w in (point + u, point)
            )
            excess = setting.free * known - gradient
            energy = setting.t * (here - there - excess @ u)
            drift = -(setting.t * (slope - excess) + strength * u)
            noise = jax.random.normal(shake, u.shape, u.dtype)
            return u + e / 2 * scale**2 * drift + jnp.sqrt(e) * scale * noise, energy

        first, second = jax.random.split(key)
        u = jax.lax.fori_loop(
            0, burn_in, lambda i, u: step(u, jax.random.fold_in(first, i))[0], jnp.zeros_like(point)
        )
        u, energy = jax.lax.scan(step, u, jax.random.split(second, draws))
        return energy, point + u

    over_chains = jax.vmap(chain, in_axes=(None, 0))
    return jax.vmap(over_chains)(around, keys)


# -- calibration ------------------------------------------------------------------------------------------------
def _calibrated(plan: Minibatch, question: Question, key: jax.Array) -> Calibration:
    probes = np.unique(np.linspace(question.count - 1, 0, PROBES).round().astype(int))
    points = slopes.flat(jax.tree.map(lambda leaf: leaf[probes], question.points))
    setting = _setting(plan, question)
    around = _around(plan, setting, points, 1.0)
    gammas = [plan.localisation] if plan.localisation else [float(setting.t) * k for k in GRID]
    tried: list[_Tried] = []
    for gamma in gammas:
        key, own = jax.random.split(key)
        tried.append(_try(plan, setting, _scaled(around, setting, gamma), gamma, own))
        if not plan.localisation and len(tried) > 1 and not tried[-1].forgets(plan):
            break
    chosen = _chosen(plan, tried)
    gamma, step = gammas[chosen], tried[chosen].step_size
    finer = _Walks(step / 2, gamma, 2 * plan.burn_in)
    halved, _ = _walked(plan, setting, _scaled(around, setting, gamma), finer, key)
    return Calibration(
        chosen,
        np.array(gammas[: len(tried)]),
        np.array([one.step_size for one in tried]),
        np.array([one.noise for one in tried]),
        np.stack([one.llc for one in tried], axis=1),
        np.stack([one.lower for one in tried], axis=1),
        local.moments(_given_up(halved))[0],
    )


class _Tried(NamedTuple):
    """One localisation on the probes: the step size it bears, share of noise, and (probe,) estimates and `lower`."""

    step_size: float
    noise: float
    llc: Array
    lower: Array

    def forgets(self, plan: Minibatch) -> bool:
        return self.step_size * plan.burn_in / 2 >= FORGOTTEN


def _try(plan: Minibatch, setting: Setting, around: _Around, gamma: float, key: jax.Array) -> _Tried:
    stiff, key = jax.random.split(key)
    stretch = lambda points, scale: slopes.largest_curvature(setting, points, scale, stiff)  # noqa: E731
    curvature = slopes.in_turn(stretch, plan.together, around.points, around.scale)
    step = plan.step_size or STIFF / (1.0 + float(setting.t) * float(np.max(curvature)))
    while True:
        key, first, second = jax.random.split(key, 3)
        energy, end = _walked(plan, setting, around, _Walks(step, gamma, plan.burn_in), first)
        llc = local.moments(_given_up(energy))[0]
        spread = slopes.in_turn(
            partial(slopes.gradient_noise, setting, batch=plan.batch),
            plan.together,
            around.points,
            around.scale,
            end,
            jax.random.split(second, len(around.points)),
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(llc > 0, step * spread.astype(float) / 8 / llc, np.nan)
        noise = float(np.nanmax(share)) if np.isfinite(share).any() else np.nan
        lost = not np.isfinite(llc).all()
        if plan.step_size or not (lost or noise > NOISE):
            return _Tried(step, noise, llc, _lower(energy))
        step *= 0.1 if lost else max(0.1, 0.9 * NOISE / noise)
        if step * plan.burn_in / 2 < FORGOTTEN:  # too small to be taken
            return _Tried(step, noise, llc, _lower(energy))


def _chosen(plan: Minibatch, tried: list[_Tried]) -> int:
    """The weakest localisation that chains forget by, of those that fewest probes are left from."""
    fit = [i for i, one in enumerate(tried) if one.forgets(plan)] or [0]
    left = [int(np.sum((tried[i].lower > flag.SHARE_LOWER) | ~np.isfinite(tried[i].llc))) for i in fit]
    return max(i for i, count in zip(fit, left, strict=True) if count == min(left))


def _lower(energy: Array) -> Array:
    """(point,) share of blocks of draws whose mean lies below the point's loss."""
    blocks = np.array_split(energy, max(1, energy.shape[2] // BLOCK), axis=2)
    return np.mean([block.mean(axis=2) < 0 for block in blocks], axis=(0, 2))


def _given_up(energy: Array) -> Array:
    """`energy` with chains that ran away as not finite."""
    whole = (np.abs(np.nan_to_num(energy, nan=np.inf)) < LOST).all(axis=2)
    return np.where(whole[:, :, None], energy, np.inf)


# -- the record -------------------------------------------------------------------------------------------------
def _record(settled: Settled, setting: Setting, around: _Around, energy: Array) -> LLCEstimate:
    plan, chosen = settled.plan, settled.calibration
    count, chains, draws = energy.shape
    energy = _given_up(energy)
    lost = (~np.isfinite(energy).all(axis=2)).sum(axis=1)
    llc, error, ess = local.moments(energy)
    energy = np.where(np.isfinite(energy), energy, np.nan)
    flags = flag.Flags(count)
    flag.common(
        flags,
        llc,
        error,
        np.full(count, float(setting.t)),
        _lower(energy),
        np.asarray(around.slope.gain, float),
    )
    flags.add("diverged", lost > 0, [f"{k} of {chains} chains left the finite numbers" for k in lost])
    drifting = ~calibration.steady(np.where(lost[:, None] == 0, energy.mean(axis=1), 0.0))
    flags.add("burn-in", drifting, "the halves of the draws disagree: burn in longer, or walk longer")
    few = (ess < local.FEW) & (lost < chains)
    flags.add("few effective draws", few, [f"{k:.0f}, all chains together" for k in ess])
    parts = np.array_split(energy, min(local.LEVELS, draws), axis=2)
    blank = np.full(count, np.nan)
    info = {
        "localisation": np.full(count, chosen.localisation),
        "sensitivity": np.full(count, chosen.sensitivity),
        "step_sensitivity": np.full(count, chosen.step_sensitivity),
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
        info |= slopes.traces(setting, around.points, plan.traces, together=plan.together)
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
