"""Stages of learning where no posterior is available, and what the free energy formula predicts for them.

Where one seed stays between two transitions (`events`: of the loss, an observable or lambda-hat) is a *stage*: its
loss and its lambda-hat are means over the later half of its checkpoints. From one stage to the next the transition is
of type A (the loss falls, lambda-hat rises) or B (the loss stays, lambda-hat falls; Hoogland et al. 2024,
arXiv:2402.02364), and the formula F_n = n L + lambda log n gives the n from which on the later stage is preferred
(`free_energy`, approximation "leading"). The formula *agrees* with a seed's order if every stage is preferred to the
one before at some n, and these n increase.

lambda-hat is local: at one inverse temperature, under one localization. So what the formula predicts holds in
order of magnitude, and its order is what is tested.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from slt.records.base import OK, Array
from slt.records.llc import LLCPath
from slt.records.phases import PhaseFacts
from slt.transitions import events, free_energy
from slt.transitions.stages import Boundary, SeedStages, Stage, broken

SIGMAS = 2.0  # standard errors beyond which lambda-hat has changed
FLAT = 0.05  # of the total fall of the loss: a change that counts as none
FEWEST = 2  # checkpoints between two transitions, for a stage to lie there


def find(
    steps: Array, loss: Array, status: Array, by_seed: list[list[events.Event]], llc: LLCPath | None
) -> tuple[SeedStages, ...]:
    """The stages of every seed that did not fail.

    Args:
      steps: (checkpoint,).
      loss: (seed, checkpoint) nats per observation.
      status: (seed,) of the trajectory.
      by_seed: transitions of each seed, by checkpoint.
      llc: lambda-hat along training, of some seeds.
    """
    value, error = np.full((2, *loss.shape), np.nan)
    if llc is not None:
        place = np.ix_(llc.seed, np.searchsorted(steps, llc.steps))
        none = np.vectorize(broken)(llc.status)
        value[place] = np.where(none, np.nan, llc.llc)
        error[place] = np.where(none, np.nan, llc.error)
    return tuple(
        _of_seed(seed, steps, loss[seed], value[seed], error[seed], by_seed[seed])
        for seed in range(len(loss))
        if status[seed] == OK
    )


def _of_seed(
    seed: int, steps: Array, loss: Array, llc: Array, error: Array, found: list[events.Event]
) -> SeedStages:
    apart: list[events.Event] = []
    for event in found:
        if apart and event.start - apart[-1].end < FEWEST:  # no plateau between two transitions: they are one
            apart[-1] = _joined(apart[-1], event)
        else:
            apart.append(event)
    begins = [0, *(event.end for event in apart)]
    ends = [*(event.start for event in apart), len(steps) - 1]
    plateaus = [slice(begin, end + 1) for begin, end in zip(begins, ends, strict=True)]
    stages = tuple(_stage(steps, loss, llc, error, plateau) for plateau in plateaus)
    fall = float(np.nanmax(loss) - np.nanmin(loss))
    boundaries = tuple(
        _boundary(steps, event, *pair, fall) for event, pair in zip(apart, pairwise(stages), strict=True)
    )
    return SeedStages(seed, stages, boundaries, _agrees(boundaries))


def _joined(one: events.Event, other: events.Event) -> events.Event:
    changes = dict(one.changes)
    for name, change in other.changes.items():
        changes[name] = changes.get(name, 0.0) + change
    return events.Event(min(one.start, other.start), max(one.end, other.end), changes)


def _stage(steps: Array, loss: Array, llc: Array, error: Array, plateau: slice) -> Stage:
    later = slice((plateau.start + plateau.stop) // 2, plateau.stop)
    seen = np.isfinite(llc[later])
    value = float(np.mean(llc[later][seen])) if seen.any() else math.nan
    spread = float(np.sqrt(np.sum(error[later][seen] ** 2)) / max(1, seen.sum())) if seen.any() else math.nan
    return Stage(
        int(steps[plateau.start]), int(steps[plateau.stop - 1]), float(np.nanmean(loss[later])), value, spread
    )


def _boundary(steps: Array, event: events.Event, before: Stage, after: Stage, fall: float) -> Boundary:
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
    prediction = free_energy.crossing(facts[0], facts[1], "leading")
    preferred = prediction.n is not None or free_energy.always_preferred(prediction)
    return Boundary(
        start=int(steps[event.start]),
        end=int(steps[event.end]),
        changes=event.changes,
        loss_change=loss,
        llc_change=llc,
        llc_error=error,
        kind=kind,
        hidden=event.hidden and flat,
        prediction=prediction,
        preferred=preferred if math.isfinite(llc) else None,
    )


def _agrees(boundaries: tuple[Boundary, ...]) -> bool | None:
    if not boundaries or any(b.preferred is None for b in boundaries):
        return None
    if not all(b.preferred for b in boundaries):
        return False
    sample_sizes = [1.0 if b.prediction.n is None else b.prediction.n for b in boundaries]
    return all(a <= b for a, b in pairwise(sample_sizes))
