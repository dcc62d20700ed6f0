"""SGD's transitions without labels: the changepoints of every recorded curve, joined seed by seed.

What is searched: the logarithm of the loss (the loss itself where it is not positive), each observable, and the
learning coefficient where it was measured along training. A changepoint of the loss is a transition; one of something
else that overlaps it in time, or misses it by two checkpoints at most, belongs to it; those that do not form
transitions of their own, which the loss alone would not show: *hidden* ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from slt.records.base import OK, Array
from slt.records.llc import LLCPath
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints
from slt.transitions import changepoints

LOSS, LLC = "loss", "llc"
SMALLEST_LOSS = math.log(1.05)  # a change by 5 per cent
APART = 2  # checkpoints between changepoints of one transition, at most
SMALLEST = 0.1  # of everything else: this share of its range over seeds and checkpoints


class Curve(NamedTuple):
    """One recorded quantity: `steps` (checkpoint,), `values` (seed, checkpoint) of seeds `seed`, and the least change
    that counts, in its own units."""

    name: str
    steps: Array
    seed: Array
    values: Array
    smallest: float


class Event(NamedTuple):
    """A transition of one seed: between which checkpoints it happens, and the change of every curve that has a
    changepoint there."""

    start: int
    end: int
    changes: dict[str, float]

    @property
    def hidden(self) -> bool:
        return LOSS not in self.changes


def loss_of(trajectory: Trajectory) -> Array:
    """(seed, checkpoint) the population loss where any of it is known, else that on the training data; nats per
    observation."""
    known = np.isfinite(trajectory.population_loss).any()
    return trajectory.population_loss if known else trajectory.loss


def curves(trajectory: Trajectory, loss: Array, llc: LLCPath | None) -> list[Curve]:
    """The curves of the seeds that did not fail: loss, observables that vary, learning coefficients.

    Args:
      trajectory: of the seeds.
      loss: (seed, checkpoint) nats per observation. Its logarithm is searched; where more than a tenth of it is not
        positive, the loss itself. Fewer such points are left out.
      llc: learning coefficients along training.
    """
    fine = np.flatnonzero(trajectory.status == OK)
    finite = loss[fine][np.isfinite(loss[fine])]
    if np.mean(finite > 0) >= 0.9 if finite.size else False:
        log = np.log(np.where(loss[fine] > 0, loss[fine], np.nan))
        found = [Curve(LOSS, trajectory.steps, fine, log, SMALLEST_LOSS)]
    else:
        found = [Curve(LOSS, trajectory.steps, fine, loss[fine], _share_of_range(loss[fine]))]
    for name, values in trajectory.observables.items():
        found.append(Curve(name, trajectory.steps, fine, values[fine], _share_of_range(values[fine])))
    if llc is not None:
        found.append(Curve(LLC, llc.steps, llc.seed, llc.llc, _share_of_range(llc.llc)))
    return [curve for curve in found if curve.smallest > 0]


def find(found: list[Curve], checkpoints: Array) -> Changepoints:
    """All changepoints of all curves, their ends as indices into `checkpoints` (steps), and joined into
    transitions."""
    rows: list[tuple[int, str, changepoints.Changepoint]] = []
    for curve in found:
        place = np.searchsorted(checkpoints, curve.steps)
        for seed, values in zip(curve.seed.tolist(), curve.values, strict=True):
            for change in changepoints.find(curve.steps, values, curve.smallest):
                ends = int(place[change.start]), int(place[change.end])
                rows.append((seed, curve.name, change._replace(start=ends[0], end=ends[1])))
    rows.sort(key=lambda row: (row[0], row[2].start))
    return Changepoints(
        seed=np.array([seed for seed, _, _ in rows], int),
        curve=np.array([name for _, name, _ in rows], dtype="U64"),
        start=np.array([change.start for *_, change in rows], int),
        end=np.array([change.end for *_, change in rows], int),
        change=np.array([change.change for *_, change in rows], float),
        significance=np.array([change.significance for *_, change in rows], float),
    )


def events(found: Changepoints, seeds: int) -> list[list[Event]]:
    """The transitions of each seed, in order; the module's docstring has the rule."""
    return [_of_seed(found, np.flatnonzero(found.seed == seed)) for seed in range(seeds)]


def around(events_: list[Event], checkpoint: int) -> Event | None:
    """The transition within which `checkpoint` falls, give or take one: the shortest, if there are several."""
    near = [event for event in events_ if event.start - 1 <= checkpoint <= event.end + 1]
    return min(near, key=lambda event: event.end - event.start, default=None)


def _of_seed(found: Changepoints, rows: Array) -> list[Event]:
    of_loss = [i for i in rows if found.curve[i] == LOSS]
    groups: list[list[int]] = [[i] for i in of_loss]
    hidden: list[list[int]] = []
    for i in (i for i in rows if found.curve[i] != LOSS):
        shared = [_overlap(found, i, group[0]) for group in groups]
        if shared and max(shared) >= -APART:
            groups[int(np.argmax(shared))].append(i)
        elif hidden and any(_overlap(found, i, j) >= -APART for j in hidden[-1]):
            hidden[-1].append(i)  # rows come in order of their starts
        else:
            hidden.append([i])
    joined = [_event(found, group[:1], group) for group in groups] + [_event(found, g, g) for g in hidden]
    return sorted(joined, key=lambda event: event.start)


def _overlap(found: Changepoints, i: int, j: int) -> int:
    """Checkpoints that two changepoints share; negative: the gap between them."""
    return int(min(found.end[i], found.end[j]) - max(found.start[i], found.start[j]))


def _event(found: Changepoints, timed: list[int], group: list[int]) -> Event:
    changes: dict[str, float] = {}
    for i in group:
        name = str(found.curve[i])
        changes[name] = changes.get(name, 0.0) + float(found.change[i])
    return Event(int(found.start[timed].min()), int(found.end[timed].max()), changes)


def _share_of_range(values: Array) -> float:
    """SMALLEST of the range of all but the outermost hundredths: one seed that diverges must not hide the others."""
    finite = values[np.isfinite(values)]
    return SMALLEST * float(np.diff(np.quantile(finite, [0.01, 0.99]))[0]) if finite.size else 0.0
