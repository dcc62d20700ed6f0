"""Transitions in steps: when SGD settles in one phase after another.

A seed's labels flicker while it crosses a boundary, so a phase counts only where it *holds*: for `hysteresis`
consecutive checkpoints at least, or to the end of a run that did not fail. "other" is not a phase: a seed
that goes from A through "other" to B went from A to B, and one that falls from A into "other" for good went
nowhere. A seed that does not begin in a phase that holds begins in "other", so that its arrival at its first
phase is seen, as a transition from "other".
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slt.records import OK, Array, DynamicalTransition, PhasePath


class _Move(NamedTuple):
    step: float
    drop: float


def sequences(
    path: PhasePath, names: tuple[str, ...], hysteresis: int = 2, status: Array | None = None
) -> list[list[tuple[str, int]]]:
    """For each seed, the phases that held and the step of the first checkpoint in each.

    Args:
      path: labels; checkpoints whose parameters were not finite are "other" (`phases.label_trajectory`).
      names: by label, the last "other".
      hysteresis: checkpoints that a phase must hold, at least 1.
      status: (seed,) of the trajectory. A seed that failed has no proper end: what it was in last must have
        held for `hysteresis` checkpoints like everything else. None: all are ok.
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
) -> tuple[DynamicalTransition, ...]:
    """All transitions, pooled over seeds, by median step.

    A seed counts once for each pair, by its first time. The drop in loss of one seed is between plateaus: the
    median loss over its stay in `source` less the median over its stay in `target`.

    Args:
      path, names, hysteresis, status: see `sequences`.
      loss: (seed, checkpoint) nats per observation; NaN where unknown (then so is the drop).
    """
    moves: dict[tuple[int, int], list[_Move]] = {}
    at_risk = np.zeros(len(names), int)
    for seed, stays in enumerate(_all_stays(path, names, hysteresis, status)):
        at_risk[sorted({label for label, _ in stays})] += 1
        levels = _levels(stays, path.label[seed], np.asarray(loss)[seed], len(names) - 1)
        seen = set()
        for (before, after), (source, target) in zip(pairwise(levels), pairwise(stays), strict=True):
            pair = source[0], target[0]
            if pair not in seen:
                seen.add(pair)
                move = _Move(float(path.steps[target[1]]), before - after)
                moves.setdefault(pair, []).append(move)
    found = [_pool(names, pair, seeds, int(at_risk[pair[0]])) for pair, seeds in moves.items()]
    return tuple(sorted(found, key=lambda t: (t.step, names.index(t.source), names.index(t.target))))


def _pool(
    names: tuple[str, ...], pair: tuple[int, int], moves: list[_Move], at_risk: int
) -> DynamicalTransition:
    low, median, high = np.quantile([move.step for move in moves], [0.025, 0.5, 0.975])
    drops = [move.drop for move in moves if np.isfinite(move.drop)]
    return DynamicalTransition(
        source=names[pair[0]],
        target=names[pair[1]],
        count=len(moves),
        at_risk=at_risk,
        step=float(median),
        step_low=float(low),
        step_high=float(high),
        loss_drop=float(np.median(drops)) if drops else float("nan"),
    )


def _all_stays(
    path: PhasePath, names: tuple[str, ...], hysteresis: int, status: Array | None
) -> list[list[tuple[int, int]]]:
    if hysteresis < 1:
        raise ValueError(f"hysteresis counts checkpoints and must be at least 1, not {hysteresis}")
    failed = np.zeros(len(path.label), bool) if status is None else np.asarray(status) != OK
    other = len(names) - 1
    return [_stays(row, other, hysteresis, bool(bad)) for row, bad in zip(path.label, failed, strict=True)]


def _stays(labels: Array, other: int, hysteresis: int, failed: bool) -> list[tuple[int, int]]:
    """(label, first checkpoint) of each stay, neighbours distinct, the first at checkpoint 0."""
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


def _levels(stays: list[tuple[int, int]], labels: Array, loss: Array, other: int) -> list[float]:
    """Median loss over each stay, over its checkpoints that carry its own label (all of them for "other")."""
    levels = []
    ends = [start for _, start in stays[1:]] + [len(labels)]
    for (label, start), end in zip(stays, ends, strict=True):
        own = loss[start:end][(labels[start:end] == label) | (label == other)]
        own = own[np.isfinite(own)]
        levels.append(float(np.median(own)) if len(own) else float("nan"))
    return levels
