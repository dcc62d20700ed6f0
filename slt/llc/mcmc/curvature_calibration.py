"""Calibration by curvature and the noise of minibatches: one step size and localization for all points of a network.

At each localization of a grid the step size e is the largest, up to 0.1, for which the stiffest direction is not
stepped too far (e h <= 1.5, h being its curvature in the preconditioned coordinates; it then varies 1.6 times too
much, all others less) and the noise of minibatches adds no more than a tenth to the estimate: in equilibrium it adds
at most e tr(P C) / 8 nats, C being the covariance of its gradient. The localization is the weakest at which chains
still decorrelate from their start within the burn-in by such steps, among those from which as few probes as possible
escape to lower loss. Where there is none, noise is the lesser evil: steps are as small as the burn-in allows, and
flagged.

Chains start at a draw of N(point, P). Where the curvature is a times what P says, nbeta K starts at a times what it
is at rest, and after k steps is 1 + (a - 1) exp(-a e k) times that: e burn_in >= 1.5 leaves at most 6 % too much, in
any direction that is stiffer (a > 1). Flatter ones start nearer to rest than at the point, and decorrelate as slowly.
This is for a quadratic loss. Where a localization is so weak that it is not, such a draw may land where the loss is
high, and chains stay there. So choices are made with chains that start at the point itself and burn in twice as long;
by how much the others differ is on the record. A probe at which the loss has a gradient has no estimate that noise
could spoil, and no say in the step size.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from slt.llc import flags as flag
from slt.llc.mcmc import gradients
from slt.llc.mcmc.control_variates import DIVERGED, Around, Walks, around_points, lower_share, scaled, walk
from slt.llc.mcmc.diagnostics import median_change, moments
from slt.llc.mcmc.gradients import Setting
from slt.llc.mcmc.options import MinibatchOptions
from slt.records.base import Array

PROBES = 4  # points on which the calibration looks
LARGEST = 0.1  # step size: where every direction is as stiff as its row of the Hessian says, errors are e / 4
STIFF = 1.5  # step size times the largest curvature, at most
NOISE = 0.1  # share of the estimate that the noise of minibatches may add
DECORRELATED = 1.5  # e burn_in, at least
GRID = tuple(10 ** (-k / 2) for k in range(7))  # localizations tried, in units of nbeta, strongest first


class Trial(NamedTuple):
    """One localization on the probes.

    Attributes:
      localization: gamma.
      step_size: what it bears.
      noise: share of the estimate that the noise of minibatches adds, at most, on the worst probe.
      llc, lower: (probe,) estimates of chains that start at the point, and share of blocks of their draws at lower
        loss than the point's.
    """

    localization: float
    step_size: float
    noise: float
    llc: Array
    lower: Array

    def suits(self, burn_in: int) -> bool:
        """Whether chains decorrelate within the burn-in, at a noise that is allowed."""
        return self.step_size >= DECORRELATED / burn_in and not self.noise > NOISE


class Calibration(NamedTuple):
    """What was tried on the probes, strongest localization first, and the trial that was taken.

    Attributes:
      sensitivity: median relative change of the estimate at ten times the localization; NaN where that was not tried.
      step_sensitivity: the same at half the step size and twice the burn-in.
      start_sensitivity: the same where chains start at the point.
    """

    trials: list[Trial]
    taken: Trial
    sensitivity: float
    step_sensitivity: float
    start_sensitivity: float


def calibrate(options: MinibatchOptions, setting: Setting, points: jax.Array, key: jax.Array) -> Calibration:
    """What suits `points` (point, d) at the temperature of `setting`; see the module."""
    probes = np.unique(np.linspace(len(points) - 1, 0, PROBES).round().astype(int))
    around = around_points(options, setting, points[probes], 1.0)
    grid = [float(setting.nbeta) * share for share in GRID]
    trials: list[Trial] = []
    for gamma in [options.localization] if options.localization else grid:
        key, own = jax.random.split(key)
        trials.append(_try(options, setting, scaled(around, setting, gamma), gamma, own))
        if len(trials) > 1 and not trials[-1].suits(options.burn_in):
            break
    chosen = _chosen(options, trials)
    taken = trials[chosen]
    gamma, step_size = taken.localization, taken.step_size
    around = scaled(around, setting, gamma)
    first, second = jax.random.split(key)
    drawn, _ = walk(options, setting, around, Walks(step_size, gamma, options.burn_in), first)
    halved, _ = walk(options, setting, around, Walks(step_size / 2, gamma, 2 * options.burn_in), second)
    estimate = moments(drawn, DIVERGED)[0]
    return Calibration(
        trials,
        taken,
        median_change(trials[chosen - 2].llc, taken.llc) if chosen >= 2 else np.nan,
        median_change(moments(halved, DIVERGED)[0], estimate),
        median_change(taken.llc, estimate),
    )


def _try(options: MinibatchOptions, setting: Setting, around: Around, gamma: float, key: jax.Array) -> Trial:
    stiff, key = jax.random.split(key)
    least, at_a_time = DECORRELATED / options.burn_in, options.points_per_batch
    stretch = lambda points, scale: gradients.largest_curvature(setting, points, scale, stiff)  # noqa: E731
    curvature = gradients.in_turn(stretch, at_a_time, around.points, around.scale)
    bound = STIFF / (1.0 + float(setting.nbeta) * float(np.max(curvature)))
    step_size = options.step_size or min(LARGEST, bound)
    while True:
        key, first, second = jax.random.split(key, 3)
        energy, end = walk(
            options, setting, around, Walks(step_size, gamma, 2 * options.burn_in, spread=0.0), first
        )
        llc, lower = moments(energy, DIVERGED)[0], lower_share(energy)
        variance = gradients.in_turn(
            partial(gradients.gradient_noise, setting, batch=options.batch),
            at_a_time,
            around.points,
            around.scale,
            end,
            jax.random.split(second, len(around.points)),
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            at_rest = (llc > 0) & (lower <= flag.SHARE_LOWER)  # others have no estimate to spoil
            share = np.where(at_rest, step_size * variance.astype(float) / 8 / llc, np.nan)
        noise = float(np.nanmax(share)) if np.isfinite(share).any() else np.nan
        diverged = not np.isfinite(llc).all()
        if options.step_size or not (diverged or noise > NOISE) or step_size <= least:
            return Trial(gamma, step_size, noise, llc, lower)
        # close to the stiffest direction's limit noise grows faster than the step
        step_size = max(least, step_size * (0.1 if diverged else max(0.5, 0.9 * NOISE / noise)))


def _chosen(options: MinibatchOptions, trials: list[Trial]) -> int:
    """The weakest localization that suits, of those from which fewest probes escape."""
    fit = [i for i, trial in enumerate(trials) if trial.suits(options.burn_in)] or [0]
    escaped = [int(np.sum((trials[i].lower > flag.SHARE_LOWER) | ~np.isfinite(trials[i].llc))) for i in fit]
    return max(i for i, count in zip(fit, escaped, strict=True) if count == min(escaped))
