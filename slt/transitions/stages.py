"""Stages of learning where no posterior can be had, and what the free energy formula says of them.

Where one seed rests between two transitions (`detected`: of the loss, an observable or lambda-hat) is a *stage*: its
loss and its lambda-hat are means over the later half of its checkpoints. From one stage to the next the transition is
of type A (the loss falls, lambda-hat rises) or B (the loss stays, lambda-hat falls; Hoogland et al. 2024,
arXiv:2402.02364), and the formula F_n = n L + lambda log n says from which n on the later stage is preferred
(`predicted`, level "leading"). The formula *agrees* with a seed's order if every stage is preferred to the one before
at some n, and these n increase.

lambda-hat is local: at one inverse temperature, under one localisation. So what the formula predicts is meant in
order of magnitude, and its order is what is judged.
"""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import scipy.stats

from slt.records import OK, Array, LLCPath, PhaseFacts, Prediction, flag_names
from slt.transitions import detected, predicted

SIGMAS = 2.0  # standard errors beyond which lambda-hat has changed
FLAT = 0.05  # of the whole fall of the loss: a change that counts as none
FEWEST = 2  # checkpoints between two transitions, for a stage to lie there


@dataclasses.dataclass(frozen=True)
class Stage:
    """Where one seed rests: from step `begin` to step `end`, at `loss` (nats per observation) and lambda-hat `llc`
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
      changes: curve -> its jump ("loss" is its logarithm).
      loss_change, llc_change, llc_error: later less earlier stage, and the latter's standard error.
      kind: "A", "B" or "".
      hidden: whether the loss alone does not show it.
      prediction: from which n on the formula prefers the later stage.
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

    @property
    def preferred(self) -> bool | None:
        """Whether the later stage is preferred at some n; None where lambda-hat is unknown."""
        if not math.isfinite(self.llc_change):
            return None
        return self.prediction.n is not None or predicted.always_preferred(self.prediction)


@dataclasses.dataclass(frozen=True)
class SeedStages:
    """One seed: its stages, and the boundaries between them. `agrees`: whether the formula does; None where that is
    unknown, or there is no boundary."""

    seed: int
    stages: tuple[Stage, ...]
    boundaries: tuple[Boundary, ...]
    agrees: bool | None


def find(
    steps: Array, loss: Array, status: Array, events: list[list[detected.Event]], llc: LLCPath | None
) -> tuple[SeedStages, ...]:
    """The stages of every seed that did not fail.

    Args:
      steps: (checkpoint,).
      loss: (seed, checkpoint) nats per observation.
      status: (seed,) of the trajectory.
      events: transitions of each seed, by checkpoint.
      llc: lambda-hat along training, of some seeds.
    """
    value, error = np.full((2, *loss.shape), np.nan)
    if llc is not None:
        place = np.ix_(llc.seed, np.searchsorted(steps, llc.steps))
        none = np.vectorize(broken)(llc.status)
        value[place] = np.where(none, np.nan, llc.llc)
        error[place] = np.where(none, np.nan, llc.error)
    return tuple(
        _of_seed(seed, steps, loss[seed], value[seed], error[seed], events[seed])
        for seed in range(len(loss))
        if status[seed] == OK
    )


def broken(status: str) -> bool:
    """Whether an estimate is none, since its chains found lower loss or ran away; that a point is not critical does
    not spoil it as much."""
    return bool({"escaped", "negative", "diverged", "no estimate"}.intersection(flag_names(status)))


def _of_seed(
    seed: int, steps: Array, loss: Array, llc: Array, error: Array, events: list[detected.Event]
) -> SeedStages:
    apart: list[detected.Event] = []
    for event in events:
        if apart and event.start - apart[-1].end < FEWEST:  # no rest between two transitions: they are one
            apart[-1] = _joined(apart[-1], event)
        else:
            apart.append(event)
    begins = [0, *(event.end for event in apart)]
    ends = [*(event.start for event in apart), len(steps) - 1]
    rests = [slice(begin, end + 1) for begin, end in zip(begins, ends, strict=True)]
    stages = tuple(_stage(steps, loss, llc, error, rest) for rest in rests)
    fall = float(np.nanmax(loss) - np.nanmin(loss))
    boundaries = tuple(
        _boundary(steps, event, *pair, fall) for event, pair in zip(apart, pairwise(stages), strict=True)
    )
    return SeedStages(seed, stages, boundaries, _agrees(boundaries))


def _joined(one: detected.Event, other: detected.Event) -> detected.Event:
    changes = dict(one.changes)
    for name, change in other.changes.items():
        changes[name] = changes.get(name, 0.0) + change
    return detected.Event(min(one.start, other.start), max(one.end, other.end), changes)


def _stage(steps: Array, loss: Array, llc: Array, error: Array, rest: slice) -> Stage:
    later = slice((rest.start + rest.stop) // 2, rest.stop)
    seen = np.isfinite(llc[later])
    value = float(np.mean(llc[later][seen])) if seen.any() else math.nan
    spread = float(np.sqrt(np.sum(error[later][seen] ** 2)) / max(1, seen.sum())) if seen.any() else math.nan
    return Stage(
        int(steps[rest.start]), int(steps[rest.stop - 1]), float(np.nanmean(loss[later])), value, spread
    )


def _boundary(steps: Array, event: detected.Event, before: Stage, after: Stage, fall: float) -> Boundary:
    error = math.hypot(before.llc_error, after.llc_error)
    loss, llc = after.loss - before.loss, after.llc - before.llc
    flat = abs(loss) <= FLAT * fall
    kind = ""
    if math.isfinite(llc) and abs(llc) > SIGMAS * error:
        kind = "A" if llc > 0 and loss < 0 and not flat else "B" if llc < 0 and flat else ""
    facts = [
        PhaseFacts(
            name,
            name,
            s.loss,
            s.llc if math.isfinite(s.llc) else None,
            None,
            math.nan,
            "measured",
            s.llc_error,
        )
        for name, s in (("the earlier stage", before), ("the later stage", after))
    ]
    return Boundary(
        start=int(steps[event.start]),
        end=int(steps[event.end]),
        changes=event.changes,
        loss_change=loss,
        llc_change=llc,
        llc_error=error,
        kind=kind,
        hidden=event.hidden and flat,
        prediction=predicted.crossing(facts[0], facts[1], "leading"),
    )


def _agrees(boundaries: tuple[Boundary, ...]) -> bool | None:
    if not boundaries or any(b.preferred is None for b in boundaries):
        return None
    if not all(b.preferred for b in boundaries):
        return False
    ns = [1.0 if b.prediction.n is None else b.prediction.n for b in boundaries]
    return all(a <= b for a, b in pairwise(ns))


# -- over seeds ---------------------------------------------------------------------------------------------------
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
      curves: curve -> in how many it jumps.
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
    ns = [b.prediction.n for b in boundaries if b.prediction.n is not None]
    names = sorted({name for b in boundaries for name in b.changes})
    return Pooled(
        index=index,
        seeds=len(boundaries),
        step=float(np.median(middle)),
        step_low=low,
        step_high=high,
        n=float(np.median(ns)) if ns else None,
        n_low=min(ns, default=None),
        n_high=max(ns, default=None),
        preferred=sum(bool(b.preferred) for b in boundaries),
        hidden=sum(b.hidden for b in boundaries),
        kinds={kind: sum(b.kind == kind for b in boundaries) for kind in ("A", "B", "")},
        curves={name: sum(name in b.changes for b in boundaries) for name in names},
    )


def headline(found: tuple[SeedStages, ...]) -> str:
    """What was seen, in one or two sentences."""
    if not found:
        return "No seed was without failure, so there is nothing to say of stages."
    counts = [1 + len(seed.boundaries) for seed in found]
    usual = max(sorted(set(counts)), key=counts.count)
    many = "stage" if usual == 1 else "stages"
    said = f"{counts.count(usual)} of {len(found)} seeds go through {usual} {many}"
    if usual == 1:
        return f"{said}: no curve of theirs jumps."
    known = [seed for seed in found if seed.agrees is not None]
    if not known:
        return f"{said}. Of none of them lambda-hat is known throughout, so that the formula says nothing."
    agree = sum(bool(seed.agrees) for seed in known)
    every = [b for seed in known for b in seed.boundaries]
    preferred = sum(bool(b.preferred) for b in every)
    said += (
        f". There is no posterior; by n L + lambda log n the later stage is preferred at some n in {preferred} of "
        f"{len(every)} transitions, and in {agree} of {len(known)} seeds in the order in which SGD met them"
    )
    kinds = {kind: sum(b.kind == kind for b in every) for kind in ("A", "B")}
    hidden = sum(b.hidden for b in every)
    return f"{said}. {kinds['A']} are of type A, {kinds['B']} of type B, {hidden} hidden from the loss."
