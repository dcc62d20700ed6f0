"""How chains set themselves up: localization, step size and burn-in from their own diagnostics.

* Localization: on a few probe points, every gamma of a grid is tried; taken is the weakest from which as few probes
  as possible find lower loss than their point's. How much ten times more would change is recorded (sensitivity).
* Step size: what the Metropolis-adjusted walk accepts often enough. An unadjusted walk takes the step at which the
  adjusted one would accept nearly always, so that what it leaves out hardly matters.
* Burn-in: a round of adjusted steps at each temperature of `COOLING`, so that the chains spread over the flat
  directions while that is quick (started cold at their point they would not leave its corner of the valley, and
  estimate too little), then rounds at t, until the two halves of a round's trace agree. Where an unadjusted walk is
  given both its step size and its length, it is that many of its own steps.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc.base import LLCProblem
from slt.llc.flags import ESCAPED, SHARE_LOWER
from slt.llc.mcmc import mcmc_kernels, sgld_kernel
from slt.records.base import Array
from slt.runtime.devices import spread

GRID = tuple(10.0**k for k in range(7))
WEAK = 0.1  # a localization stronger than this share of t would hold the chains itself
PROBES = 8
CAREFUL = 0.995  # acceptance of the adjusted walk at which the unadjusted one is trusted
NOISE = 0.1  # share of a step's noise that gradients from few observations may add
ROUND, ROUNDS = 400, 3
COOLING = (1e-3, 1e-2, 1e-1)  # shares of t


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a chain estimator wants; where None is allowed, it is left to calibration. See `sgld` and `metropolis`
    for what each means."""

    algorithm: str
    chains: int
    step_size: float | None
    localization: float | None
    burn_in: int | None
    leapfrog: int = 1
    preconditioner: str = "none"
    batch: int | None = None

    @property
    def goal(self) -> float:
        return {"sgld": CAREFUL, "mala": 0.6, "hmc": 0.8}[self.algorithm]

    @property
    def as_asked(self) -> bool:
        """Whether nothing is left to find out."""
        given = self.step_size is not None and self.burn_in is not None
        return given and self.algorithm == "sgld" and self.preconditioner == "none"


class Ready(NamedTuple):
    """Chains that have burnt in, but for steps that are owed.

    Attributes:
      setting, walkers: to go on with.
      acceptance: (point,) of the adjusted walk at the end of the burn-in; NaN where there was none.
      burn_in: steps spent.
      owed: steps of these that the next walk takes before its draws: one program then does for both.
    """

    setting: mcmc_kernels.Setting
    walkers: mcmc_kernels.Walkers
    acceptance: Array
    burn_in: int
    owed: int = 0


class Localization(NamedTuple):
    """What the grid showed: `gamma` chosen; (gamma,) `grid`, and per probe (probe, gamma) `llc` and share of draws
    at `lower` loss; `sensitivity` is the median relative change of the estimate at the next stronger gamma, NaN where
    there is none."""

    gamma: float
    grid: Array
    llc: Array
    lower: Array
    sensitivity: float


def ready(question: LLCProblem, plan: Plan, t: float, gamma: float, key: jax.Array) -> Ready:
    """Burn chains in at localization `gamma` and inverse temperature `t`."""
    return _ready(question, plan, t, np.full(question.count, gamma), key)


def _ready(question: LLCProblem, plan: Plan, t: float, gamma: Array, key: jax.Array) -> Ready:
    count, dimension = question.count, question.dimension
    around = question.around(gamma)
    target = dataclasses.replace(around, beta=around.beta * t)
    setting = mcmc_kernels.Setting(target, *jax.device_put((1.0 / (gamma + t), np.ones((count, dimension)))))
    walkers = mcmc_kernels.start(count, plan.chains, dimension)
    if plan.as_asked:
        assert plan.step_size is not None
        assert plan.burn_in is not None
        setting = setting._replace(step_size=jax.device_put(np.full(count, plan.step_size)))
        return Ready(setting, walkers, np.full(count, np.nan), plan.burn_in, owed=plan.burn_in)
    length = plan.burn_in or ROUND
    for share in () if plan.burn_in else COOLING:
        key, fresh = jax.random.split(key)
        warm = dataclasses.replace(around, beta=around.beta * t * share)
        size = jax.device_put(1.0 / (gamma + t * share))
        walkers, _, _, _ = _tune(setting._replace(target=warm, step_size=size), walkers, plan, fresh, length)
    if not plan.burn_in:
        walkers = _back(setting, walkers, plan, key)
    if plan.preconditioner != "none":
        key, fresh = jax.random.split(key)
        walkers, size, _, _ = _tune(setting, walkers, plan, fresh, length)
        scale = _scale(walkers.squares)
        setting = setting._replace(step_size=size, scale=scale)
        walkers = walkers._replace(u=walkers.u / scale[:, None])
    spent = 0
    for _ in range(1 if plan.burn_in else ROUNDS):
        key, fresh = jax.random.split(key)
        walkers, size, acceptance, trace = _tune(setting, walkers, plan, fresh, length)
        setting, spent = setting._replace(step_size=size), spent + length
        settled = steady(np.asarray(trace)[:, length // 4 :])
        if settled.mean() >= 0.95:
            break
    if plan.batch is not None:
        noise = sgld_kernel.gradient_noise(
            setting, walkers, key, question.data, jnp.asarray(question.weights), batch=plan.batch
        )
        setting = setting._replace(step_size=jnp.minimum(setting.step_size, 4 * NOISE / noise))
    if plan.step_size is not None:
        setting = setting._replace(step_size=jax.device_put(np.full(count, plan.step_size)))
    return Ready(setting, walkers, np.asarray(acceptance), spent)


def _back(
    setting: mcmc_kernels.Setting, walkers: mcmc_kernels.Walkers, plan: Plan, key: jax.Array
) -> mcmc_kernels.Walkers:
    """Chains that the cooling left in another basin go back to their point: no point's coefficient is more than
    d / 2, so whoever stays far above that is held by a barrier."""
    first, second = jax.random.split(key)
    walkers, size, _, _ = _tune(setting, walkers, plan, first, ROUND)
    walkers, energy, _ = mcmc_kernels.walk(
        setting._replace(step_size=size),
        walkers,
        second,
        algorithm="mala",
        leapfrog=1,
        length=ROUND // 4,
        every=1,
    )
    dimension = walkers.u.shape[-1]
    mean = jnp.mean(energy, axis=2)
    far = ~(jnp.abs(mean) <= dimension / 2 + 3 * np.sqrt(dimension / 2))
    return walkers._replace(u=jnp.where(far[..., None], 0.0, walkers.u))


def _tune(
    setting: mcmc_kernels.Setting, walkers: mcmc_kernels.Walkers, plan: Plan, key: jax.Array, length: int
) -> Any:
    return mcmc_kernels.tune(
        setting,
        walkers,
        key,
        algorithm="mala" if plan.algorithm == "sgld" else plan.algorithm,
        goal=plan.goal,
        leapfrog=plan.leapfrog,
        length=length,
        decay=mcmc_kernels.DECAY[plan.preconditioner],
    )


def _scale(squares: jax.Array) -> jax.Array:
    """(point, k) square roots of the preconditioner 1 / (sqrt(mean squared gradient) + a hundredth of the largest),
    relative to the largest (Li et al. 2016, arXiv:1512.07666)."""
    size = jnp.sqrt(squares)
    inverse = 1 / (size + 0.01 * jnp.max(size, axis=1, keepdims=True) + 1e-300)
    return jnp.sqrt(inverse / jnp.max(inverse, axis=1, keepdims=True))


def steady(trace: Array) -> Array:
    """(point,) whether the two halves of each trace (point, step) agree: within 3 standard errors, by means of
    batches, or within 5 %."""
    half = trace.shape[1] // 2
    count = min(8, half)
    means = [
        np.stack([batch.mean(axis=1) for batch in np.array_split(part, count, axis=1)], axis=1)
        for part in (trace[:, :half], trace[:, half : 2 * half])
    ]
    first, second = means
    error = np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / count)
    gap = np.abs(first.mean(axis=1) - second.mean(axis=1))
    return gap <= 3 * error + 0.05 * np.abs(second.mean(axis=1))


def localization(question: LLCProblem, plan: Plan, t: float, key: jax.Array) -> Localization:
    """Try the grid on probe points; see the module."""
    grid = np.array([gamma for gamma in GRID if gamma <= max(WEAK * t, GRID[0])])
    probes = np.unique(np.linspace(0, question.count - 1, PROBES).astype(int))
    rows, gammas = np.repeat(probes, len(grid)), np.tile(grid, len(probes))
    points = jax.tree.map(lambda leaf: leaf[rows], question.points)
    asked = dataclasses.replace(question, points=points)
    first, key = jax.random.split(key)
    tried = _ready(asked, plan, t, gammas, first)
    _, energy, _ = walk(asked, plan, tried, key, ROUND, 1)
    shape = (len(probes), len(grid))
    lower = np.mean(energy < -ESCAPED, axis=(1, 2)).reshape(shape)
    with np.errstate(invalid="ignore"):
        llc = np.mean(energy, axis=(1, 2)).reshape(shape)
    escaped = np.mean((lower > SHARE_LOWER) | ~np.isfinite(llc), axis=0)
    chosen = int(np.flatnonzero(escaped <= escaped.min() + 1e-9)[0])
    sensitivity = np.nan
    if chosen + 1 < len(grid):
        change = np.abs(llc[:, chosen + 1] / llc[:, chosen] - 1)
        sensitivity = float(np.nanmedian(change)) if np.isfinite(change).any() else np.nan
    return Localization(float(grid[chosen]), grid, llc, lower, sensitivity)


def walk(
    question: LLCProblem, plan: Plan, state: Ready, key: jax.Array, length: int, every: int
) -> tuple[Ready, Array, Array]:
    """`length` draws, `every` steps apart: the chains after them, t K (point, chain, length) and acceptance
    (point, chain). No chain waits for another: where points are too few for the devices, chains are divided."""
    walkers = state.walkers._replace(u=spread(state.walkers.u, axes=2))
    skip = -(-state.owed // every)
    if plan.algorithm == "sgld":
        data = None if plan.batch is None else question.data
        weights = None if plan.batch is None else question.weights
        walkers, energy = sgld_kernel.walk(
            state.setting, walkers, key, data, weights, length=skip + length, every=every, batch=plan.batch
        )
        accepted = np.ones(energy.shape[:2])
    else:
        walkers, energy, accepted = mcmc_kernels.walk(
            state.setting,
            walkers,
            key,
            algorithm=plan.algorithm,
            leapfrog=plan.leapfrog,
            length=length,
            every=every,
        )
    return state._replace(walkers=walkers, owed=0), np.asarray(energy)[:, :, skip:], np.asarray(accepted)
