"""Transitions in steps: when SGD stays in one phase after another.

A seed's labels alternate while it crosses a boundary, so a phase counts only where the seed *stays*: for `hysteresis`
consecutive checkpoints at least, or to the end of a run that did not fail. "other" is not a phase: a seed
that goes from A through "other" to B went from A to B, and one that leaves A for "other" for good made no
transition. A seed that does not begin in a phase that it stays in begins in "other", so that its arrival at its first
phase is seen, as a transition from "other".

Where curves were searched without labels as well (`events`), a transition between labels carries what they show of
it: how wide it is, whether the loss shows it, and what the learning coefficient does. It is of type A when the loss
falls and the learning coefficient rises, of type B when the loss stays and the learning coefficient falls (Hoogland
et al. 2024, arXiv:2402.02364, call these stages A and B). The loss falls where it does by over 5 % of the total fall
of the median seed's; the learning coefficient rises or falls where it does by two standard errors over seeds.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.stats

from slt.records.base import OK, Array
from slt.records.phases import PhasePath
from slt.records.transitions import DynamicalTransition
from slt.transitions import events

SIGMAS = 2.0  # standard errors over seeds beyond which lambda-hat has changed
FLAT = 0.05  # change of the loss, as a share of its total fall, that counts as none


class Unlabeled(NamedTuple):
    """What curves show without labels: `events` of each seed; `llc` (seed, checkpoint), NaN where not measured."""

    events: list[list[events.Event]]
    llc: Array


class _Move(NamedTuple):
    """One seed's transition: its step, its drop in loss in nats and as a share of the total fall, the change of
    lambda-hat, and the event around it."""

    step: float
    drop: float
    share: float
    llc_change: float
    event: events.Event | None

    @property
    def hidden(self) -> bool:
        """Whether some curve changes and the loss, where it is known, neither changes nor differs between the
        plateaus."""
        return self.event is not None and self.event.hidden and abs(self.share) <= FLAT


def sequences(
    path: PhasePath, names: tuple[str, ...], hysteresis: int = 2, status: Array | None = None
) -> list[list[tuple[str, int]]]:
    """For each seed, the phases that it stayed in and the step of the first checkpoint in each.

    Args:
      path: labels; checkpoints whose parameters were not finite are "other" (`phases.label_trajectory`).
      names: by label, the last "other".
      hysteresis: checkpoints that a seed must stay in a phase, at least 1.
      status: (seed,) of the trajectory. A seed that failed has no proper end: it must have stayed in its last
        phase for `hysteresis` checkpoints as in every other. None: all are ok.
    """
    return [
        [(names[label], int(path.steps[start])) for label, start in stays]
        for stays in _all_stays(path, names, hysteresis, status)
    ]


def find(
    path: PhasePath,
    loss: Array,
    names: tuple[str, ...],
    hysteresis: int = 2,
    status: Array | None = None,
    unlabeled: Unlabeled | None = None,
) -> tuple[DynamicalTransition, ...]:
    """All transitions, pooled over seeds, by median step.

    A seed counts once for each pair, by its first time. The drop in loss of one seed is between plateaus: the
    median loss over its stay in `source` less the median over its stay in `target`; so is the change of lambda-hat.

    Args:
      path, names, hysteresis, status: see `sequences`.
      loss: (seed, checkpoint) nats per observation; NaN where unknown (then so is the drop).
      unlabeled: what the curves show by themselves.
    """
    moves: dict[tuple[int, int], list[_Move]] = {}
    at_risk = np.zeros(len(names), int)
    llc = np.full(np.shape(loss), np.nan) if unlabeled is None else unlabeled.llc
    total = _total_fall(np.asarray(loss))
    for seed, stays in enumerate(_all_stays(path, names, hysteresis, status)):
        at_risk[sorted({label for label, _ in stays})] += 1
        medians = [
            _plateau_medians(stays, path.label[seed], np.asarray(v)[seed], len(names) - 1)
            for v in (loss, llc)
        ]
        seen = set()
        for i, (source, target) in enumerate(pairwise(stays)):
            pair = source[0], target[0]
            if pair not in seen:
                seen.add(pair)
                event = None if unlabeled is None else events.around(unlabeled.events[seed], target[1])
                (before, after), (complexity, later) = (values[i : i + 2] for values in medians)
                drop = before - after
                move = _Move(float(path.steps[target[1]]), drop, drop / total, later - complexity, event)
                moves.setdefault(pair, []).append(move)
    clock = np.log1p(np.asarray(path.steps, float))
    found = [
        _pool(names, pair, seeds, int(at_risk[pair[0]]), clock, unlabeled is not None)
        for pair, seeds in moves.items()
    ]
    return tuple(sorted(found, key=lambda t: (t.step, names.index(t.source), names.index(t.target))))


def _pool(
    names: tuple[str, ...],
    pair: tuple[int, int],
    moves: list[_Move],
    at_risk: int,
    clock: Array,
    searched: bool,
) -> DynamicalTransition:
    steps = [move.step for move in moves]
    low, median, high = np.quantile(steps, [0.025, 0.5, 0.975])
    events = [move.event for move in moves if move.event is not None]
    drop = _median([move.drop for move in moves])
    changes = [move.llc_change for move in moves]
    complexity = _median(changes)
    median_low, median_high = _interval_of_median(steps)
    return DynamicalTransition(
        source=names[pair[0]],
        target=names[pair[1]],
        count=len(moves),
        at_risk=at_risk,
        step=float(median),
        step_low=float(low),
        step_high=float(high),
        loss_drop=drop,
        median_low=median_low,
        median_high=median_high,
        width=_median([(clock[e.end] - clock[e.start]) / clock[-1] for e in events]) if events else None,
        with_event=len(events) if searched else None,
        hidden=sum(move.hidden for move in moves) if searched else None,
        llc_change=complexity if math.isfinite(complexity) else None,
        kind=_kind(_median([move.share for move in moves]), changes),
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _interval_of_median(steps: list[float]) -> tuple[float | None, float | None]:
    """95 % interval of the median over seeds: percentiles of 2,000 bootstrap draws; None from fewer than three."""
    if len(steps) < 3:
        return None, None
    if len(set(steps)) == 1:
        return steps[0], steps[0]
    found = scipy.stats.bootstrap(
        (np.asarray(steps),), np.median, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)


def _total_fall(loss: Array) -> float:
    """How far the median seed's loss falls from its highest to its lowest; NaN where it does not, or is unknown."""
    known = loss[:, np.isfinite(loss).any(axis=0)] if loss.size else loss
    if not known.size:
        return math.nan
    fall = float(np.ptp(np.nanmedian(np.where(np.isfinite(known), known, np.nan), axis=0)))
    return fall if fall > 0 else math.nan


def _kind(share: float, llc_changes: list[float]) -> str:
    """ "A", "B", or "" where neither fits or one of the two is unknown."""
    known = np.array([change for change in llc_changes if math.isfinite(change)])
    if len(known) < 2:
        return ""
    beyond = known.mean() / (known.std(ddof=1) / math.sqrt(len(known)) or math.inf)
    if share > FLAT and beyond > SIGMAS:
        return "A"
    return "B" if abs(share) <= FLAT and beyond < -SIGMAS else ""


def _all_stays(
    path: PhasePath, names: tuple[str, ...], hysteresis: int, status: Array | None
) -> list[list[tuple[int, int]]]:
    if hysteresis < 1:
        raise ValueError(f"hysteresis counts checkpoints and must be at least 1, not {hysteresis}")
    failed = np.zeros(len(path.label), bool) if status is None else np.asarray(status) != OK
    other = len(names) - 1
    return [_stays(row, other, hysteresis, bool(bad)) for row, bad in zip(path.label, failed, strict=True)]


def _stays(labels: Array, other: int, hysteresis: int, failed: bool) -> list[tuple[int, int]]:
    """(label, first checkpoint) of each stay, neighbors distinct, the first at checkpoint 0."""
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    stays: list[tuple[int, int]] = []
    for start, end in pairwise(edges):
        label = int(labels[start])
        held = end - start >= hysteresis or (end == len(labels) and not failed)
        if label != other and held and not (stays and stays[-1][0] == label):
            stays.append((label, start))
    if not stays or stays[0][1] > 0:
        stays.insert(0, (other, 0))
    return stays


def _plateau_medians(stays: list[tuple[int, int]], labels: Array, loss: Array, other: int) -> list[float]:
    """Median loss over each stay, over its checkpoints that carry its own label (all of them for "other")."""
    levels = []
    ends = [start for _, start in stays[1:]] + [len(labels)]
    for (label, start), end in zip(stays, ends, strict=True):
        own = loss[start:end][(labels[start:end] == label) | (label == other)]
        own = own[np.isfinite(own)]
        levels.append(float(np.median(own)) if len(own) else float("nan"))
    return levels
