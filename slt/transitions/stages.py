"""Stages of learning where no posterior is available: their record, pooled over seeds, and summarized in a sentence.

`plateaus` finds and defines them.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import scipy.stats

from slt.records.base import flag_names
from slt.records.transitions import Prediction


@dataclasses.dataclass(frozen=True)
class Stage:
    """One plateau of one seed: from step `begin` to step `end`, at `loss` (nats per observation) and lambda-hat `llc`
    with its standard error; NaN where no coefficient without an escape, NaN or divergence was measured."""

    begin: int
    end: int
    loss: float
    llc: float
    llc_error: float


@dataclasses.dataclass(frozen=True)
class Boundary:
    """From one stage of a seed to the next.

    Attributes:
      start, end: steps between which it happens.
      changes: curve -> its change ("loss" is its logarithm).
      loss_change, llc_change, llc_error: later less earlier stage, and the latter's standard error.
      kind: "A", "B" or "".
      hidden: whether the loss alone does not show it.
      prediction: from which n on the formula prefers the later stage.
      preferred: whether it does at some n; None where lambda-hat is unknown.
    """

    start: int
    end: int
    changes: dict[str, float]
    loss_change: float
    llc_change: float
    llc_error: float
    kind: str
    hidden: bool
    prediction: Prediction
    preferred: bool | None


@dataclasses.dataclass(frozen=True)
class SeedStages:
    """One seed: its stages, and the boundaries between them. `agrees`: whether the formula does; None where that is
    unknown, or there is no boundary."""

    seed: int
    stages: tuple[Stage, ...]
    boundaries: tuple[Boundary, ...]
    agrees: bool | None


def broken(status: str) -> bool:
    """Whether an estimate is none, since its chains found lower loss or diverged; a point that is not critical
    matters less."""
    return bool({"escaped", "negative", "diverged", "no estimate"}.intersection(flag_names(status)))


@dataclasses.dataclass(frozen=True)
class Pooled:
    """Boundary number `index` (from 0) of the seeds that have as many boundaries as most seeds have.

    Attributes:
      seeds: how many these are.
      step, step_low, step_high: median over them of its middle in log step, with its 95 % interval by order
        statistics (None under six seeds).
      n, n_low, n_high: median of the formula's n, and its range over seeds; None where no seed has one.
      preferred, hidden: in how many the later stage is preferred at some n, and how many hide it from the loss.
      kinds: "A", "B" and "" -> how many.
      curves: curve -> in how many it changes.
    """

    index: int
    seeds: int
    step: float
    step_low: float | None
    step_high: float | None
    n: float | None
    n_low: float | None
    n_high: float | None
    preferred: int
    hidden: int
    kinds: dict[str, int]
    curves: dict[str, int]


def pool(found: tuple[SeedStages, ...]) -> tuple[Pooled, ...]:
    """The boundaries of the seeds that agree on how many there are, one by one."""
    counts = [len(seed.boundaries) for seed in found]
    if not counts:
        return ()
    usual = max(sorted(set(counts)), key=counts.count)
    same = [seed for seed in found if len(seed.boundaries) == usual]
    return tuple(_pooled(i, [seed.boundaries[i] for seed in same]) for i in range(usual))


def _pooled(index: int, boundaries: list[Boundary]) -> Pooled:
    middle = np.sort([math.sqrt((1 + b.start) * (1 + b.end)) - 1 for b in boundaries])
    low = high = None
    rank = int(scipy.stats.binom.ppf(0.025, len(middle), 0.5))
    if len(middle) >= 6:
        low, high = float(middle[rank - 1]), float(middle[len(middle) - rank])
    sample_sizes = [b.prediction.n for b in boundaries if b.prediction.n is not None]
    names = sorted({name for b in boundaries for name in b.changes})
    return Pooled(
        index=index,
        seeds=len(boundaries),
        step=float(np.median(middle)),
        step_low=low,
        step_high=high,
        n=float(np.median(sample_sizes)) if sample_sizes else None,
        n_low=min(sample_sizes, default=None),
        n_high=max(sample_sizes, default=None),
        preferred=sum(bool(b.preferred) for b in boundaries),
        hidden=sum(b.hidden for b in boundaries),
        kinds={kind: sum(b.kind == kind for b in boundaries) for kind in ("A", "B", "")},
        curves={name: sum(name in b.changes for b in boundaries) for name in names},
    )


def headline(found: tuple[SeedStages, ...]) -> str:
    """What was seen, in one or two sentences."""
    if not found:
        return "Every seed failed, so no stage is known."
    counts = [1 + len(seed.boundaries) for seed in found]
    usual = max(sorted(set(counts)), key=counts.count)
    many = "stage" if usual == 1 else "stages"
    text = f"{counts.count(usual)} of {len(found)} seeds go through {usual} {many}"
    if usual == 1:
        return f"{text}: no curve of theirs has a changepoint."
    known = [seed for seed in found if seed.agrees is not None]
    if not known:
        return (
            f"{text}. For none of them lambda-hat is known throughout, so that the formula predicts nothing."
        )
    agree = sum(bool(seed.agrees) for seed in known)
    every = [b for seed in known for b in seed.boundaries]
    preferred = sum(bool(b.preferred) for b in every)
    text += (
        f". There is no posterior; by n L + lambda log n the later stage is preferred at some n in {preferred} of "
        f"{len(every)} transitions, and in {agree} of {len(known)} seeds in the order in which SGD reached them"
    )
    kinds = {kind: sum(b.kind == kind for b in every) for kind in ("A", "B")}
    hidden = sum(b.hidden for b in every)
    return f"{text}. {kinds['A']} are of type A, {kinds['B']} of type B, {hidden} hidden from the loss."
