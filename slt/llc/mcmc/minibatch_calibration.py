"""One step size and one localization for all points that are compared, from walks around a few of them.

At each localization of a grid the step size e is the largest, up to 0.1, for which the stiffest direction is not
stepped too far (e h <= 1.5, h being its curvature in the preconditioned coordinates; it then varies 1.6 times too
much, all others less) and the noise of minibatches adds no more than a tenth to the estimate: in equilibrium it adds
at most e tr(P C) / 8 nats, C being the covariance of its gradient. The localization is the weakest at which chains
still forget their start within the burn-in by such steps, among those from which as few probes as possible are left
for lower loss. Where none is, noise is the lesser evil: steps are as small as the burn-in allows, and flagged.

Chains start at a draw of N(point, P). Where the curvature is a times what P says, t K starts at a times what it is
at rest, and after k steps is 1 + (a - 1) exp(-a e k) times that: e burn_in >= 1.5 leaves at most 6 % too much, in any
direction that is stiffer (a > 1). Flatter ones start nearer to rest than at the point, and forget as slowly. This is
for a quadratic loss. Where a localization is so weak that it is not, such a draw may land where the loss is high, and
chains stay there. So choices are made with chains that start at the point itself and burn in twice as long; by how
much the others differ is on the record. A probe on a slope has no estimate that noise could spoil, and no say in the
step size.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from slt.llc import flags as flag
from slt.llc.mcmc import gradients, local_sampling
from slt.llc.mcmc.gradients import Setting
from slt.llc.mcmc.minibatch_walk import (
    Around,
    Plan,
    Walks,
    around_points,
    given_up,
    lower_share,
    scaled,
    walked,
)
from slt.records.base import Array

PROBES = 4  # points on which the calibration looks
LARGEST = 0.1  # step size: where every direction is as stiff as its row of the Hessian says, errors are e / 4
STIFF = 1.5  # step size times the largest curvature, at most
NOISE = 0.1  # share of the estimate that the noise of minibatches may add
FORGOTTEN = 1.5  # e burn_in, at least
GRID = tuple(10 ** (-k / 2) for k in range(7))  # localizations tried, in units of t, strongest first


class Calibration(NamedTuple):
    """What was tried on the probes, and chosen: see `Minibatch`.

    Attributes:
      chosen: index of the localization that was taken.
      gammas, step_sizes: (gamma,) tried, strongest first, and the step size that each bears.
      noise: (gamma,) share of the estimate that the noise of minibatches adds, at most, on the worst probe.
      llc, lower: (probe, gamma) estimates of chains that start at the point, and share of blocks of their draws at
        lower loss than the point's.
      drawn: (probe,) estimates of chains that start at a draw of N(point, P), as all others will.
      halved: (probe,) the same at half the step size and twice the burn-in.
    """

    chosen: int
    gammas: Array
    step_sizes: Array
    noise: Array
    llc: Array
    lower: Array
    drawn: Array
    halved: Array

    @property
    def localization(self) -> float:
        return float(self.gammas[self.chosen])

    @property
    def step_size(self) -> float:
        return float(self.step_sizes[self.chosen])

    def forgotten(self, burn_in: int) -> float:
        """Factors of e by which energy comes closer to its mean in `burn_in` steps where P suits."""
        return self.step_size * burn_in

    @property
    def sensitivity(self) -> float:
        """Median relative change of the estimate at ten times the localization; NaN where that was not tried."""
        return self._change(self.llc[:, self.chosen - 2], self._still) if self.chosen >= 2 else np.nan

    @property
    def step_sensitivity(self) -> float:
        """Median relative change of the estimate at half the step size."""
        return self._change(self.halved, self.drawn)

    @property
    def start_sensitivity(self) -> float:
        """Median relative change of the estimate where chains start at the point."""
        return self._change(self._still, self.drawn)

    @property
    def _still(self) -> Array:
        return self.llc[:, self.chosen]

    @staticmethod
    def _change(other: Array, estimate: Array) -> float:
        with np.errstate(invalid="ignore", divide="ignore"):
            change = np.abs(other / estimate - 1)
        return float(np.nanmedian(change)) if np.isfinite(change).any() else np.nan


def calibrated(plan: Plan, setting: Setting, points: jax.Array, key: jax.Array) -> Calibration:
    """What suits `points` (point, d) at the temperature of `setting`; see the module."""
    probes = np.unique(np.linspace(len(points) - 1, 0, PROBES).round().astype(int))
    around = around_points(plan, setting, points[probes], 1.0)
    gammas = [plan.localization] if plan.localization else [float(setting.t) * k for k in GRID]
    tried: list[_Tried] = []
    for gamma in gammas:
        key, own = jax.random.split(key)
        tried.append(_try(plan, setting, scaled(around, setting, gamma), gamma, own))
        if not plan.localization and len(tried) > 1 and not tried[-1].serves(plan):
            break
    chosen = _chosen(plan, tried)
    gamma, step = gammas[chosen], tried[chosen].step_size
    first, second = jax.random.split(key)
    around = scaled(around, setting, gamma)
    drawn, _ = walked(plan, setting, around, Walks(step, gamma, plan.burn_in), first)
    halved, _ = walked(plan, setting, around, Walks(step / 2, gamma, 2 * plan.burn_in), second)
    return Calibration(
        chosen,
        np.array(gammas[: len(tried)]),
        np.array([one.step_size for one in tried]),
        np.array([one.noise for one in tried]),
        np.stack([one.llc for one in tried], axis=1),
        np.stack([one.lower for one in tried], axis=1),
        local_sampling.moments(given_up(drawn))[0],
        local_sampling.moments(given_up(halved))[0],
    )


class _Tried(NamedTuple):
    """One localization on the probes: the step size, share of noise, and (probe,) estimates and `lower`."""

    step_size: float
    noise: float
    llc: Array
    lower: Array

    def serves(self, plan: Plan) -> bool:
        """Whether chains forget within the burn-in, and their noise may be."""
        return self.step_size >= _least(plan) and not self.noise > NOISE


def _least(plan: Plan) -> float:
    """The step size by which chains forget within the burn-in."""
    return FORGOTTEN / plan.burn_in


def _try(plan: Plan, setting: Setting, around: Around, gamma: float, key: jax.Array) -> _Tried:
    stiff, key = jax.random.split(key)
    stretch = lambda points, scale: gradients.largest_curvature(setting, points, scale, stiff)  # noqa: E731
    curvature = gradients.in_turn(stretch, plan.together, around.points, around.scale)
    step = plan.step_size or min(LARGEST, STIFF / (1.0 + float(setting.t) * float(np.max(curvature))))
    while True:
        key, first, second = jax.random.split(key, 3)
        still = Walks(step, gamma, 2 * plan.burn_in, spread=0.0)
        energy, end = walked(plan, setting, around, still, first)
        llc = local_sampling.moments(given_up(energy))[0]
        spread = gradients.in_turn(
            partial(gradients.gradient_noise, setting, batch=plan.batch),
            plan.together,
            around.points,
            around.scale,
            end,
            jax.random.split(second, len(around.points)),
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            at_rest = (llc > 0) & (
                lower_share(energy) <= flag.SHARE_LOWER
            )  # others have no estimate to spoil
            share = np.where(at_rest, step * spread.astype(float) / 8 / llc, np.nan)
        noise = float(np.nanmax(share)) if np.isfinite(share).any() else np.nan
        lost = not np.isfinite(llc).all()
        if plan.step_size or not (lost or noise > NOISE) or step <= _least(plan):
            return _Tried(step, noise, llc, lower_share(energy))
        # close to the stiffest direction's limit noise grows faster than the step
        step = max(_least(plan), step * (0.1 if lost else max(0.5, 0.9 * NOISE / noise)))


def _chosen(plan: Plan, tried: list[_Tried]) -> int:
    """The weakest localization that serves, of those that fewest probes are left from."""
    fit = [i for i, one in enumerate(tried) if one.serves(plan)] or [0]
    left = [int(np.sum((tried[i].lower > flag.SHARE_LOWER) | ~np.isfinite(tried[i].llc))) for i in fit]
    return max(i for i, count in zip(fit, left, strict=True) if count == min(left))
