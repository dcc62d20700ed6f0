"""How the posterior's mass is shared among phases at each n: occupancies, those of families, means with errors."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from slt.phases.families import families
from slt.records.base import Array
from slt.records.phases import Occupancy, PhaseFacts
from slt.records.posterior import Ladder


class Estimate(NamedTuple):
    """A mean with its standard error, and a text on where the error comes from."""

    mean: Array
    error: Array
    method: str


def occupancy_of(ladder: Ladder, label: Array, phases: int, ordered: bool) -> Occupancy:
    """How the draws of every sample size are shared among phases.

    Args:
      ladder: weighted draws, (dataset, n, repeat, draw).
      label: (dataset, n, repeat, draw) the phase of each, `phases` for "other".
      phases: how many there are.
      ordered: whether the draws of a repeat are a chain, so that phase switches can be counted.

    A repeat with weights or weighted draws that are not finite has failed: its shares and losses are NaN,
    which every summary counts as missing. Particles and chains weigh their draws equally; a single repeat
    with unequal weights is a quadrature grid, whose shares have no floor.
    """
    finite = np.ones(label.shape, bool)
    for leaf in ladder.draws.values():
        finite &= np.isfinite(leaf).reshape(*label.shape, -1).all(axis=-1)
    weights = np.exp(ladder.log_weights)
    failed = ~np.isfinite(weights).all(axis=-1) | (~finite & (weights > 0)).any(axis=-1)
    draws, repeats = weights.shape[-1], weights.shape[2]
    weighted_loss = np.where(weights > 0, weights * ladder.loss, 0.0)
    inside = [label == phase for phase in range(phases + 1)]
    share = np.stack([np.where(member, weights, 0.0).sum(axis=-1) for member in inside], axis=-1)
    loss = np.stack([np.where(member, weighted_loss, 0.0).sum(axis=-1) for member in inside], axis=-1)
    mean = _ratio(loss, share)
    apart = [
        np.where(
            member & (weights > 0), weights * (ladder.loss - np.nan_to_num(mean[..., phase, None])) ** 2, 0.0
        ).sum(axis=-1)
        for phase, member in enumerate(inside)
    ]
    variance = _ratio(np.stack(apart, axis=-1), share)
    share[failed] = np.nan
    unequal = np.max(weights, where=~failed[..., None], initial=0.0) * draws > 1 + 1e-6
    return Occupancy(
        sample_sizes=np.asarray(ladder.sample_sizes),
        share=share,
        free_energy=-np.asarray(ladder.log_evidence),
        visits=np.stack([member.sum(axis=-1) for member in inside], axis=-1),
        switches=np.sum(label[..., 1:] != label[..., :-1], axis=-1) if ordered else np.full(failed.shape, -1),
        loss=np.where(failed[..., None], np.nan, mean),
        loss_variance=np.where(failed[..., None], np.nan, variance),
        floor=np.asarray(0.0 if repeats == 1 and unequal else 1.0 / draws),
    )


def merge_families(occupancy: Occupancy, facts: tuple[PhaseFacts, ...]) -> tuple[tuple[str, ...], Occupancy]:
    """The occupancy of families. Switches between families were not counted, so where families have more than
    one phase `switches` is -1, unknown."""
    names, index = families(facts)
    belongs = np.equal.outer(index, np.arange(len(names))).astype(float)  # (phase, family)
    share = occupancy.share @ belongs
    seen = occupancy.share > 0
    loss = _ratio(np.where(seen, occupancy.share * occupancy.loss, 0.0) @ belongs, share)
    apart = occupancy.loss_variance + (occupancy.loss - np.nan_to_num(loss)[..., index]) ** 2
    variance = _ratio(np.where(seen, occupancy.share * apart, 0.0) @ belongs, share)
    merged = dataclasses.replace(
        occupancy,
        share=share,
        visits=occupancy.visits @ belongs.astype(occupancy.visits.dtype),
        loss=loss,
        loss_variance=variance,
        switches=occupancy.switches if len(names) == len(index) else np.full_like(occupancy.switches, -1),
    )
    return names, merged


def estimate(values: Array, exact: bool) -> Estimate:
    """Mean over repeats, then over data sets, with its standard error; what is not finite is missing.

    Args:
      values: (dataset, n, repeat, ...).
      exact: whether one repeat has no sampling error (quadrature).

    The error includes every source that was sampled. With two data sets or more it is the scatter of data-set
    means over the square root of their number, which holds the noise of repeats too. With one data set it is
    the scatter of repeats, and does not cover other data. With one of each it is 0 for quadrature and NaN,
    unknown, otherwise.
    """
    datasets, repeats = values.shape[0], values.shape[2]
    means = mean_of(values, axis=2)
    if datasets > 1:
        return Estimate(mean_of(means, axis=0), standard_error(means, axis=0), f"over {datasets} data sets")
    if repeats > 1:
        return Estimate(
            means[0], standard_error(values[0], axis=1), f"over {repeats} repeats of one data set"
        )
    error = np.where(np.isfinite(means[0]), 0.0 if exact else np.nan, np.nan)
    return Estimate(
        means[0], error, "exact for one data set" if exact else "unknown: one data set, one repeat"
    )


def occupancy_summary(occupancy: Occupancy) -> Estimate:
    """(n, phase) mean share and standard error; see `estimate`."""
    return estimate(occupancy.share, exact=is_exact(occupancy))


def is_exact(occupancy: Occupancy) -> bool:
    """Whether shares came from quadrature, so that they carry no sampling error of their own."""
    return float(occupancy.floor) == 0.0


def mean_of(values: Array, axis: int) -> Array:
    """Mean of the finite entries along `axis`; NaN where there are none."""
    finite = np.isfinite(values)
    return _ratio(np.where(finite, values, 0.0).sum(axis=axis), finite.sum(axis=axis))


def standard_error(values: Array, axis: int) -> Array:
    """Standard error of `mean_of`, from the scatter along `axis`; NaN where fewer than two are finite."""
    count = np.isfinite(values).sum(axis=axis)
    center = np.expand_dims(mean_of(values, axis), axis)
    squares = np.where(np.isfinite(values), values - center, 0.0) ** 2
    return np.sqrt(_ratio(squares.sum(axis=axis), count * (count - 1)))


def _ratio(top: Array, bottom: Array) -> Array:
    """top / bottom, NaN where bottom is not positive."""
    return np.where(bottom > 0, top, np.nan) / np.where(bottom > 0, bottom, 1)
