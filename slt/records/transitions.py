"""Transitions of SGD and of the posterior, changes of recorded curves, and predictions."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from slt.records.base import Array


@dataclasses.dataclass(frozen=True)
class Changepoints:
    """Changepoints of recorded curves, found without labels (`transitions.changepoints`), by seed and then by start.

    Attributes:
      seed: (changepoint,) index of the seed.
      curve: (changepoint,) what changed: "loss" (its logarithm), the name of an observable, or "llc".
      start, end: (changepoint,) first and last checkpoint, indices.
      change: (changepoint,) after less before, in units of the curve.
      significance: (changepoint,) |change| in standard errors of what noise would do.
    """

    seed: Array
    curve: Array
    start: Array
    end: Array
    change: Array
    significance: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("seed", "curve", "start", "end", "change", "significance"), ("changepoint",)
    )


@dataclasses.dataclass(frozen=True)
class DynamicalTransition:
    """SGD left `source` for `target`, pooled over seeds.

    Attributes:
      count: seeds that made the transition. `at_risk`: seeds that ever were in `source`.
      step, step_low, step_high: median and central 95 % range over seeds of the step at which the first
        checkpoint in `target` was seen.
      loss_drop: median over seeds of loss before minus loss after, nats per observation.
      median_low, median_high: 95 % interval of the median step, by bootstrap over seeds; None from under three.
      width: median over seeds of its length as a share of log-steps, log((1 + end) / (1 + start)) / log(1 + last);
        None where no curve has a changepoint.
      with_event: seeds in which some curve changes there by itself. `hidden`: those in which the loss would not show
        it. None where curves were not searched.
      llc_change: median over seeds of lambda-hat after less before; None where it was not measured.
      kind: "A" (loss falls, lambda-hat rises), "B" (loss stays, lambda-hat falls), or "".
    """

    source: str
    target: str
    count: int
    at_risk: int
    step: float
    step_low: float
    step_high: float
    loss_drop: float
    median_low: float | None = None
    median_high: float | None = None
    width: float | None = None
    with_event: int | None = None
    hidden: int | None = None
    llc_change: float | None = None
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The n at which two phases should be equally likely.

    Attributes:
      approximation: "leading" (loss and lambda log n), "prior" (plus the prior density at the points), "volume"
        (plus the local volume, measured on the population loss, in place of the prior density), or "population"
        (where the
        ladder on the population loss has it: all of the posterior but the noise of data).
      n: None where there is no crossing, and `why` says so.
      n_low, n_high: 95 % interval from the errors of what went in; n where that is theory; None where unknown.
    """

    approximation: str
    n: float | None
    why: str = ""
    n_low: float | None = None
    n_high: float | None = None


@dataclasses.dataclass(frozen=True)
class BayesianTransition:
    """Posterior mass passes from `source` to `target` as n grows.

    Attributes:
      n, n_low, n_high: where the two occupancies are equal, with its 95 % interval over data sets and
        repeats; None where the ladder saw no crossing.
      crossed, datasets: data sets in which the crossing was seen, of how many.
      peak_source, peak_target: the largest mean occupancy of each on the ladder.
      predictions: crossings by formula and without data noise, from least to most informed.
      method: how the interval was made.
      separation: at the sample size nearest to the crossing, the distance of the two phases' mean losses in units of
        their root mean square deviation within a phase, times sqrt(2) (Ashman's D; 1994, AJ 108, 2348); None where
        one of them was never visited there. Above 2 the losses have two humps: a transition of first order.
      heat_capacity: the larger posterior variance of n L_n at the two sample sizes beside the crossing, nats^2.
    """

    source: str
    target: str
    n: float | None
    n_low: float | None
    n_high: float | None
    crossed: int
    datasets: int
    peak_source: float
    peak_target: float
    predictions: tuple[Prediction, ...] = ()
    method: str = ""
    separation: float | None = None
    heat_capacity: float | None = None


@dataclasses.dataclass(frozen=True)
class SigmoidSum:
    """A curve as a sum of k falling sigmoids in log step, and what is left (`transitions.sigmoids`).

    Attributes:
      k: how many, by BIC.
      centers: (k,) steps, increasing.
      widths: (k,) 10 to 90 % of each fall, nats of log(1 + step).
      heights: (k,) each fall, in units of the curve, positive.
      base: the level after all falls.
      explained: R^2, the share of the curve's variance over checkpoints.
      residual: standard deviation of what is left, in units of the curve.
      bic, r2: by number of sigmoids, from 0; the least BIC is at k.
    """

    k: int
    centers: tuple[float, ...]
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    base: float
    explained: float
    residual: float
    bic: tuple[float, ...]
    r2: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class SigmoidFits:
    """The mean loss of `count` seeds, and the losses of the first of them one by one, as sums of sigmoids."""

    mean: SigmoidSum
    seeds: tuple[SigmoidSum, ...]
    count: int
