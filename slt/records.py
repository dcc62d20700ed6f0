"""What stages hand to one another: frozen, typed, documented, and convertible to xarray.

Array records name the axes of every field in `DIMS` (a trailing "..." stands for a parameter's own axes);
dict fields hold one array for each parameter or diagnostic. Small records, of numbers and names, are plain
dataclasses that `dataclasses.asdict` turns into JSON.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

if TYPE_CHECKING:
    import xarray

Array = np.ndarray
OK = "ok"
FLAGS = " | "  # between the flags of one status


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """An ensemble of SGD runs, seen at checkpoints.

    Attributes:
      steps: (checkpoint,) optimiser steps taken, increasing, the first 0.
      params: name -> (seed, checkpoint, ...) parameters.
      loss: (seed, checkpoint) L_n on the seed's own data set, nats per observation; NaN for a fresh stream.
      population_loss: (seed, checkpoint) nats per observation; NaN where the model has no closed form.
      observables: name -> (seed, checkpoint).
      dataset: (seed,) index of the data set each seed was trained on; -1 for a fresh stream.
      status: (seed,) "ok", or what went wrong and at which step.
    """

    steps: Array
    params: dict[str, Array]
    loss: Array
    population_loss: Array
    observables: dict[str, Array]
    dataset: Array
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "steps": ("checkpoint",),
        "params": ("seed", "checkpoint", "..."),
        "loss": ("seed", "checkpoint"),
        "population_loss": ("seed", "checkpoint"),
        "observables": ("seed", "checkpoint"),
        "dataset": ("seed",),
        "status": ("seed",),
    }


@dataclasses.dataclass(frozen=True)
class Posterior:
    """Weighted draws from one tempered posterior. A repeat is a chain, a particle population or a grid.

    Attributes:
      draws: name -> (repeat, draw, ...) parameters.
      log_weights: (repeat, draw) normalised within a repeat (they sum to 1 after exp); equal for chains and
        for particles.
      loss: (repeat, draw) L_n(w), nats per observation (the population loss for an annealed posterior).
      log_evidence: (repeat,) log Z, nats; NaN where the method gives none.
      info: name -> (repeat,) diagnostics: "ess", "acceptance", "r_hat" (chains), "ancestors",
        "correlation", "temperatures", "moves" (particles). Each sampler documents its own.
      status: (repeat,) "ok", or the named failure.
    """

    draws: dict[str, Array]
    log_weights: Array
    loss: Array
    log_evidence: Array
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "draws": ("repeat", "draw", "..."),
        "log_weights": ("repeat", "draw"),
        "loss": ("repeat", "draw"),
        "log_evidence": ("repeat",),
        "info": ("repeat",),
        "status": ("repeat",),
    }


@dataclasses.dataclass(frozen=True)
class Ladder:
    """A posterior at each n of an increasing sequence, over data sets and independent repeats.

    Fields are those of `Posterior` under two more axes, (dataset, n); `ns` is (n,), increasing.
    """

    ns: Array
    draws: dict[str, Array]
    log_weights: Array
    loss: Array
    log_evidence: Array
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "ns": ("n",),
        **{field: ("dataset", "n", *dims) for field, dims in Posterior.DIMS.items()},
    }


@dataclasses.dataclass(frozen=True)
class LLCEstimate:
    """Local learning coefficients at a batch of points, by one estimator.

    A repeat is an independent population, chain or run. A level is a step of what the estimator varies: an inverse
    temperature, a volume; fields are NaN beyond an estimator's last level.

    Attributes:
      llc: (point,) the estimate of lambda; NaN where none could be made.
      error: (point,) its standard error, with every source that was sampled.
      low, high: (point,) 95 % interval.
      multiplicity: (point,) m, or 0 where the estimator does not tell.
      loss: (point,) loss at the point, exact, nats per observation.
      t: (point, level) inverse temperature in observations, n beta (for the volume: see its estimator).
      curve: name -> (point, repeat, level) what was measured along the levels; each estimator documents its own.
        All that sample give "mean", t E[K]: the posterior mean of the loss above the point's, times t, nats.
      info: name -> (point,) diagnostics and the settings that calibration chose.
      status: (point,) "ok", or its flags, each "name: what happened", joined by " | ".
    """

    llc: Array
    error: Array
    low: Array
    high: Array
    multiplicity: Array
    loss: Array
    t: Array
    curve: dict[str, Array]
    info: dict[str, Array]
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "llc": ("point",),
        "error": ("point",),
        "low": ("point",),
        "high": ("point",),
        "multiplicity": ("point",),
        "loss": ("point",),
        "t": ("point", "level"),
        "curve": ("point", "repeat", "level"),
        "info": ("point",),
        "status": ("point",),
    }


@dataclasses.dataclass(frozen=True)
class LLCPath:
    """Learning coefficients along training, of some seeds at some checkpoints.

    Attributes:
      seed: (seed,) which seeds of the trajectory.
      steps: (checkpoint,) which of its steps, increasing.
      llc, error: (seed, checkpoint) estimate and standard error; NaN where none could be made.
      t: (seed, checkpoint) the highest inverse temperature in observations that the estimate rests on.
      status: (seed, checkpoint) see `LLCEstimate`.
    """

    seed: Array
    steps: Array
    llc: Array
    error: Array
    t: Array
    status: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "seed": ("seed",),
        "steps": ("checkpoint",),
        "llc": ("seed", "checkpoint"),
        "error": ("seed", "checkpoint"),
        "t": ("seed", "checkpoint"),
        "status": ("seed", "checkpoint"),
    }


@dataclasses.dataclass(frozen=True)
class PhasePath:
    """Which phase each seed is in at each checkpoint.

    Attributes:
      steps: (checkpoint,).
      label: (seed, checkpoint) index into the phase names; the last index is "other".
    """

    steps: Array
    label: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {"steps": ("checkpoint",), "label": ("seed", "checkpoint")}


@dataclasses.dataclass(frozen=True)
class Jumps:
    """Jumps of recorded curves, found without labels (`transitions.jumps`), by seed and then by start.

    Attributes:
      seed: (jump,) index of the seed.
      curve: (jump,) what jumped: "loss" (its logarithm), the name of an observable, or "llc".
      start, end: (jump,) first and last checkpoint, indices.
      change: (jump,) after less before, in units of the curve.
      significance: (jump,) |change| in standard errors of what noise would do.
    """

    seed: Array
    curve: Array
    start: Array
    end: Array
    change: Array
    significance: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("seed", "curve", "start", "end", "change", "significance"), ("jump",)
    )


@dataclasses.dataclass(frozen=True)
class Occupancy:
    """How the posterior's mass is shared among phases on each rung.

    Attributes:
      ns: (n,).
      share: (dataset, n, repeat, phase) posterior probability of each phase, within one repeat.
      free_energy: (dataset, n, repeat) F_n = -log Z, nats; NaN where unknown.
      visits: (dataset, n, repeat, phase) number of draws in each phase.
      switches: (dataset, n, repeat) times that consecutive draws of a chain change phase; -1 for particles
        and grids, whose draws have no order.
      loss, loss_variance: (dataset, n, repeat, phase) posterior mean and variance of L_n within each phase, NaN where
        never visited.
      floor: smallest share that could have been seen in one repeat (1 / number of draws; 0 for quadrature).
    """

    ns: Array
    share: Array
    free_energy: Array
    visits: Array
    switches: Array
    loss: Array
    loss_variance: Array
    floor: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "ns": ("n",),
        "share": ("dataset", "n", "repeat", "phase"),
        "free_energy": ("dataset", "n", "repeat"),
        "visits": ("dataset", "n", "repeat", "phase"),
        "switches": ("dataset", "n", "repeat"),
        "loss": ("dataset", "n", "repeat", "phase"),
        "loss_variance": ("dataset", "n", "repeat", "phase"),
        "floor": (),
    }


@dataclasses.dataclass(frozen=True)
class PhaseFacts:
    """What is known of a phase: `models.base.Phase` less its point. `llc` None: unknown; `llc_error` is its standard
    error where it was measured, 0 where it is theory."""

    name: str
    family: str
    loss: float
    llc: float | None
    multiplicity: int | None
    log_prior: float
    source: str
    llc_error: float = 0.0


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
        None where no curve jumps.
      detected: seeds in which some curve jumps there by itself. `hidden`: those in which the loss would not show it.
        None where curves were not searched.
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
    detected: int | None = None
    hidden: int | None = None
    llc_change: float | None = None
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The n at which two phases should be equally likely.

    Attributes:
      level: "leading" (loss and lambda log n), "prior" (plus the prior density at the points), "volume" (plus the
        local volume, measured on the population loss, in place of the prior density), or "annealed" (where the
        ladder on the population loss has it: all of the posterior but the noise of data).
      n: None where there is no crossing, and `why` says so.
      n_low, n_high: 95 % interval from the errors of what went in; n where that is theory; None where unknown.
    """

    level: str
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
      predicted: crossings by formula and without data noise, from least to most informed.
      method: how the interval was made.
      separation: at the rung nearest to the crossing, the distance of the two phases' mean losses in units of their
        root mean square deviation within a phase, times sqrt(2) (Ashman's D; 1994, AJ 108, 2348); None where one of
        them was never visited there. Above 2 the losses have two humps: a transition of first order.
      heat_capacity: the larger posterior variance of n L_n on the two rungs beside the crossing, nats^2.
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
    predicted: tuple[Prediction, ...] = ()
    method: str = ""
    separation: float | None = None
    heat_capacity: float | None = None


VERDICTS = ("both", "bayesian only", "dynamical only", "inconclusive")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One phase pair, judged. `why` is a plain sentence that carries the numbers of `evidence`."""

    source: str
    target: str
    verdict: str
    why: str
    evidence: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Ending:
    """Where SGD ends against where the posterior's mass is, for one phase.

    Attributes:
      seeds, ended: seeds that did not fail, and those of them that ended in this phase.
      share, share_low, share_high: ended / seeds, with its 95 % Clopper-Pearson interval.
      n: where the posterior was looked at: SGD's number of observations, or the rung nearest to it.
      mass, mass_error: posterior share there and its standard error (None: unknown).
    """

    phase: str
    seeds: int
    ended: int
    share: float
    share_low: float
    share_high: float
    n: float
    mass: float
    mass_error: float | None


@dataclasses.dataclass(frozen=True)
class SigmoidSum:
    """A curve as a sum of k falling sigmoids in log step, and what is left (`transitions.sigmoids`).

    Attributes:
      k: how many, by BIC.
      centres: (k,) steps, increasing.
      widths: (k,) 10 to 90 % of each fall, nats of log(1 + step).
      heights: (k,) each fall, in units of the curve, positive.
      base: the level after all falls.
      explained: R^2, the share of the curve's variance over checkpoints.
      residual: standard deviation of what is left, in units of the curve.
      bic, r2: by number of sigmoids, from 0; the least BIC is at k.
    """

    k: int
    centres: tuple[float, ...]
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    base: float
    explained: float
    residual: float
    bic: tuple[float, ...]
    r2: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class SCurves:
    """The mean loss of `count` seeds, and the losses of the first of them one by one, as sums of sigmoids."""

    mean: SigmoidSum
    seeds: tuple[SigmoidSum, ...]
    count: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """SGD's transitions beside the posterior's. `s_curves` None: SGD was not run, or no seed has a whole curve."""

    phases: tuple[PhaseFacts, ...]
    dynamical: tuple[DynamicalTransition, ...]
    bayesian: tuple[BayesianTransition, ...]
    verdicts: tuple[Verdict, ...]
    headline: str = ""
    notes: tuple[str, ...] = ()
    kinetics: tuple[Ending, ...] = ()
    s_curves: SCurves | None = None


T = TypeVar("T")


def to_dataset(record: Any) -> xarray.Dataset:
    """An array record as an xarray Dataset: dict fields become variables named "field.key"."""
    import xarray as xr

    variables: dict[str, Any] = {}
    for field, dims in type(record).DIMS.items():
        value = getattr(record, field)
        items = (
            {field: value} if not isinstance(value, dict) else {f"{field}.{k}": v for k, v in value.items()}
        )
        for name, array in items.items():
            array = np.asarray(array)
            base = [d for d in dims if d != "..."]
            own = [f"{name}_{i}" for i in range(array.ndim - len(base))]
            if (own and "..." not in dims) or array.ndim < len(base):
                raise ValueError(
                    f"{type(record).__name__}.{name}: shape {array.shape} does not fit axes {dims}"
                )
            variables[name] = ([*base, *own], array)
    return xr.Dataset(variables, attrs={"record": type(record).__name__})


def from_dataset(cls: type[T], dataset: xarray.Dataset) -> T:
    """The inverse of `to_dataset`. Raises ValueError naming what is missing or of another kind."""
    if dataset.attrs.get("record") != cls.__name__:
        raise ValueError(f"this is a {dataset.attrs.get('record', 'foreign')} record, not a {cls.__name__}")
    values: dict[str, Any] = {}
    hints = {f.name: f.type for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for field in cls.DIMS:  # type: ignore[attr-defined]
        if str(hints[field]).startswith("dict"):
            prefix = f"{field}."
            values[field] = {
                str(name)[len(prefix) :]: dataset[name].values
                for name in dataset.data_vars
                if str(name).startswith(prefix)
            }
        elif field in dataset:
            values[field] = dataset[field].values
        else:
            raise ValueError(f"this {cls.__name__} record lacks {field!r}")
    return cls(**values)


def flag_names(status: str) -> tuple[str, ...]:
    """The names of a status' flags, "name: what happened" each; () where it is ok."""
    return () if status == OK else tuple(flag.partition(":")[0] for flag in status.split(FLAGS))


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN: a missing number is null."""
    return float(value) if math.isfinite(value) else None
