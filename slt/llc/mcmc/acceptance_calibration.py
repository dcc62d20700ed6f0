"""Calibration by a Metropolis test, for chains that can have the loss on all the data.

* Localization: on a few probe points, every gamma of a grid is tried; taken is the weakest from which as few probes
  as possible find lower loss than their point's. How much ten times more would change is recorded (sensitivity).
* Step size: what the Metropolis-adjusted walk accepts often enough. An unadjusted walk takes the step at which the
  adjusted one would accept nearly always, so that what it leaves out hardly matters.
* Burn-in: a round of adjusted steps at each temperature of `COOLING`, so that the chains spread over the flat
  directions while that is quick (started cold at their point they would not leave its corner of the valley, and
  estimate too little), then rounds at nbeta, until the two halves of a round's trace agree. Where an unadjusted walk
  is given both its step size and its length, it is that many of its own steps.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.llc.flags import ESCAPED, SHARE_LOWER
from slt.llc.mcmc import kernels
from slt.llc.mcmc.diagnostics import median_change, steady
from slt.llc.mcmc.kernels import Kernel, Setting, Walkers
from slt.llc.mcmc.options import ChainOptions
from slt.llc.problem import LLCProblem
from slt.records.base import Array
from slt.runtime.devices import spread

GRID = tuple(10.0**k for k in range(7))
WEAK = 0.1  # a localization stronger than this share of nbeta would hold the chains itself
PROBES = 8
NOISE = 0.1  # share of a step's noise that gradients from few observations may add
ROUND, ROUNDS = 400, 3
COOLING = (1e-3, 1e-2, 1e-1)  # shares of nbeta


class Ready(NamedTuple):
    """Chains that have burnt in, but for steps that are still to be taken.

    Attributes:
      setting, walkers: to continue with.
      acceptance: (point,) of the adjusted walk at the end of the burn-in; NaN where there was none.
      burn_in: steps taken.
      remaining: steps of these that the next walk takes before its draws: one program then does for both.
    """

    setting: Setting
    walkers: Walkers
    acceptance: Array
    burn_in: int
    remaining: int = 0


class Localization(NamedTuple):
    """The localization, and the median relative change of the estimate at the next stronger one of the grid, NaN
    where that was not tried."""

    gamma: float
    sensitivity: float = np.nan


def ready(
    problem: LLCProblem, options: ChainOptions, kernel: Kernel, nbeta: float, gamma: Array, key: jax.Array
) -> Ready:
    """Burn chains in at localizations `gamma` (point,) and inverse temperature `nbeta`."""
    count, dimension = problem.count, problem.dimension
    around = problem.around(gamma)
    target = dataclasses.replace(around, beta=around.beta * nbeta)
    setting = Setting(target, *jax.device_put((1.0 / (gamma + nbeta), np.ones((count, dimension)))))
    walkers = kernels.start(count, options.chains, dimension)
    own = None if options.step_size is None else jax.device_put(np.full(count, options.step_size))
    untuned = kernel.algorithm == "sgld" and kernel.preconditioner == "none"
    if untuned and own is not None and options.burn_in is not None:
        blank = np.full(count, np.nan)
        return Ready(setting._replace(step_size=own), walkers, blank, options.burn_in, options.burn_in)
    length = options.burn_in or ROUND
    for share in () if options.burn_in else COOLING:
        key, fresh = jax.random.split(key)
        warm = dataclasses.replace(around, beta=around.beta * nbeta * share)
        size = jax.device_put(1.0 / (gamma + nbeta * share))
        warmer = setting._replace(target=warm, step_size=size)
        walkers, _, _, _ = kernels.tune(warmer, walkers, fresh, kernel=kernel, length=length)
    if not options.burn_in:
        walkers = _back(setting, walkers, kernel, key)
    if kernel.preconditioner != "none":
        key, fresh = jax.random.split(key)
        walkers, size, _, _ = kernels.tune(setting, walkers, fresh, kernel=kernel, length=length)
        scale = _scale(walkers.squares)
        setting = setting._replace(step_size=size, scale=scale)
        walkers = walkers._replace(u=walkers.u / scale[:, None])
    steps = 0
    for _ in range(1 if options.burn_in else ROUNDS):
        key, fresh = jax.random.split(key)
        walkers, size, acceptance, trace = kernels.tune(setting, walkers, fresh, kernel=kernel, length=length)
        setting, steps = setting._replace(step_size=size), steps + length
        if steady(np.asarray(trace)[:, length // 4 :]).mean() >= 0.95:
            break
    if kernel.batch is not None:
        noise = kernels.gradient_noise(
            setting, walkers, key, problem.data, jnp.asarray(problem.weights), batch=kernel.batch
        )
        setting = setting._replace(step_size=jnp.minimum(setting.step_size, 4 * NOISE / noise))
    if own is not None:
        setting = setting._replace(step_size=own)
    return Ready(setting, walkers, np.asarray(acceptance), steps)


def _back(setting: Setting, walkers: Walkers, kernel: Kernel, key: jax.Array) -> Walkers:
    """Chains that the cooling left in another basin go back to their point: no point's coefficient is more than
    d / 2, so a chain that stays far above that is held by a barrier."""
    first, second = jax.random.split(key)
    walkers, size, _, _ = kernels.tune(setting, walkers, first, kernel=kernel, length=ROUND)
    setting = setting._replace(step_size=size)
    walkers, energy, _ = kernels.walk(
        setting, walkers, second, kernel=Kernel("mala"), length=ROUND // 4, thin=1
    )
    dimension = walkers.u.shape[-1]
    mean = jnp.mean(energy, axis=2)
    far = ~(jnp.abs(mean) <= dimension / 2 + 3 * np.sqrt(dimension / 2))
    return walkers._replace(u=jnp.where(far[..., None], 0.0, walkers.u))


def _scale(squares: jax.Array) -> jax.Array:
    """(point, k) square roots of the preconditioner 1 / (sqrt(mean squared gradient) + a hundredth of the largest),
    relative to the largest (Li et al. 2016, arXiv:1512.07666)."""
    size = jnp.sqrt(squares)
    inverse = 1 / (size + 0.01 * jnp.max(size, axis=1, keepdims=True) + 1e-300)
    return jnp.sqrt(inverse / jnp.max(inverse, axis=1, keepdims=True))


def localization(
    problem: LLCProblem, options: ChainOptions, kernel: Kernel, nbeta: float, key: jax.Array
) -> Localization:
    """Try the grid on probe points; see the module."""
    grid = np.array([gamma for gamma in GRID if gamma <= max(WEAK * nbeta, GRID[0])])
    probes = np.unique(np.linspace(0, problem.count - 1, PROBES).astype(int))
    rows, gammas = np.repeat(probes, len(grid)), np.tile(grid, len(probes))
    asked = dataclasses.replace(problem, points=jax.tree.map(lambda leaf: leaf[rows], problem.points))
    first, key = jax.random.split(key)
    state = ready(asked, options, kernel, nbeta, gammas, first)
    _, energy, _ = walk(asked, kernel, state, key, ROUND, 1)
    lower = np.mean(energy < -ESCAPED, axis=(1, 2)).reshape(len(probes), len(grid))
    with np.errstate(invalid="ignore"):
        llc = np.mean(energy, axis=(1, 2)).reshape(lower.shape)
    escaped = np.mean((lower > SHARE_LOWER) | ~np.isfinite(llc), axis=0)
    chosen = int(np.flatnonzero(escaped <= escaped.min() + 1e-9)[0])
    stronger = llc[:, chosen + 1] if chosen + 1 < len(grid) else np.full(len(probes), np.nan)
    return Localization(float(grid[chosen]), median_change(stronger, llc[:, chosen]))


def walk(
    problem: LLCProblem, kernel: Kernel, state: Ready, key: jax.Array, length: int, thin: int
) -> tuple[Ready, Array, Array]:
    """`length` draws, `thin` steps apart: the chains after them, nbeta K (point, chain, length) and acceptance
    (point, chain). No chain waits for another: where points are too few for the devices, chains are divided."""
    walkers = state.walkers._replace(u=spread(state.walkers.u, axes=2))
    skip = -(-state.remaining // thin)
    observed = (None, None) if kernel.batch is None else (problem.data, problem.weights)
    walkers, energy, accepted = kernels.walk(
        state.setting, walkers, key, *observed, kernel=kernel, length=skip + length, thin=thin
    )
    return state._replace(walkers=walkers, remaining=0), np.asarray(energy)[:, :, skip:], np.asarray(accepted)
