"""The few numbers that figures and tables share: means with errors, shares of seeds, numbers as text."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from slt.phases.occupancy import mean_of, standard_error
from slt.records.base import OK, Array
from slt.records.phases import Occupancy, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory

VISIBLE = 1e-3  # the smallest share that a figure can show


class Estimate(NamedTuple):
    """A mean and its standard error, arrays of one shape; the error is NaN where a single unit was seen."""

    mean: Array
    error: Array


def units(values: Array) -> Array:
    """(unit, n, ...): what scatters independently. Data sets (means over their repeats) or, of one, repeats.

    Args:
      values: (dataset, n, repeat, ...); NaN is missing.
    """
    if values.shape[0] == 1:
        return np.moveaxis(values[0], 1, 0)
    return mean_of(values, axis=2)


def estimate(per_unit: Array) -> Estimate:
    """Mean over the leading axis and its standard error, both of the finite entries alone."""
    return Estimate(mean_of(per_unit, axis=0), standard_error(per_unit, axis=0))


class PhaseEnergy(NamedTuple):
    """F_n(W_a) - F_n = -log share of phase a, nats, (n, phase).

    `bound` marks a lower bound: in at least one unit the phase was never visited, and its share was taken as
    the smallest that could have been seen.
    """

    mean: Array
    error: Array
    bound: Array


def phase_energy(occupancy: Occupancy) -> PhaseEnergy:
    """How far each phase's free energy lies above the whole posterior's. NaN where nothing is known."""
    share = units(occupancy.share)
    pooled = occupancy.share.shape[2] if occupancy.share.shape[0] > 1 else 1
    floor = float(occupancy.floor) / pooled
    unseen = share <= 0
    least = -math.log(floor) if floor > 0 else math.nan
    energy = np.where(unseen, least, -np.log(np.where(unseen, 1.0, share)))
    return PhaseEnergy(*estimate(energy), np.any(unseen, axis=0))


def evenly(count: int, most: int) -> Array:
    """Indices of at most `most` of `count`, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def largest_shares(occupancy: Occupancy, names: tuple[str, ...], n_index: int) -> str:
    """The two phases with the largest shares at one n, e.g. "6 78 %, 5+ 16 %"."""
    mean = np.nan_to_num(estimate(units(occupancy.share)).mean[n_index])
    top = np.argsort(-mean, kind="stable")[:2]
    return ", ".join(f"{names[i]} {percent(mean[i])}" for i in top if mean[i] > 0)


def sgd_shares(trajectory: Trajectory, path: PhasePath, phases: int) -> Array:
    """(checkpoint, phase) share of the seeds that did not fail; NaN if all failed."""
    label = path.label[trajectory.status == OK]
    counts = (label[:, :, None] == np.arange(phases)).sum(axis=0)
    return counts / len(label) if len(label) else np.full(counts.shape, np.nan)


def sgd_loss(trajectory: Trajectory) -> tuple[Array, str]:
    """(seed, checkpoint) the loss to show, nats per observation, and its name: the population's where known."""
    if np.isfinite(trajectory.population_loss).any():
        return trajectory.population_loss, "population loss"
    return trajectory.loss, "training loss"


def posterior_loss(ladder: Ladder) -> Array:
    """(dataset, n, repeat) posterior mean of the loss, nats per observation; NaN where no draw has weight."""
    weight = np.where(np.isfinite(ladder.log_weights + ladder.loss), np.exp(ladder.log_weights), 0.0)
    total = weight.sum(axis=-1)
    summed = (weight * np.where(weight > 0, ladder.loss, 0.0)).sum(axis=-1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1.0), np.nan)


def sizes_text(occupancy: Occupancy) -> str:
    """e.g. "3 data sets x 2 repeats x 512 draws"; a grid has no draws to count."""
    datasets, _, repeats, _ = occupancy.share.shape
    draws = [] if float(occupancy.floor) == 0 else [f"{1 / float(occupancy.floor):,.0f} draws"]
    return " × ".join([plural(datasets, "data set"), plural(repeats, "repeat"), *draws])


def error_text(occupancy: Occupancy) -> str:
    """What the bands show, which depends on what was repeated."""
    datasets, _, repeats, _ = occupancy.share.shape
    if datasets > 1:
        return f"bands: ± 1 standard error over {datasets} data sets"
    if repeats > 1:
        return f"bands: ± 1 standard error over {repeats} repeats on one data set"
    if float(occupancy.floor) == 0:
        return "exact for this data set"
    return "one data set and one repeat: no error is known"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """A number for people: whole and grouped when large, `digits` significant when not, a dash when missing."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def whole(value: float | None) -> str:
    """A step or a number of observations: whole from ten on."""
    return number(value, 2) if value is None or not abs(value) >= 10 else f"{value:,.0f}"


def interval(low: float | None, high: float | None) -> str:
    """Of steps or of n, e.g. "350 to 550"; an end that is missing is open."""
    if low is None and high is None:
        return "–"
    if low is None:
        return f"up to {whole(high)}"
    return f"{whole(low)} to {whole(high)}" if high is not None else f"{whole(low)} or more"


def percent(share: float) -> str:
    """e.g. "55 %"; a trace is "< 1 %", not "0 %", and all but a trace "> 99 %"."""
    if not math.isfinite(share):
        return "–"
    if 0.995 <= share < 1:
        return "> 99 %"
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
