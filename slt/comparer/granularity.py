"""The evidence at one level of detail: phases, or families of them."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from slt.phases.families import families, family_members, merge_path
from slt.phases.occupancy import merge_families
from slt.records.base import Array
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.transitions import BayesianTransition, DynamicalTransition
from slt.transitions import bayesian as in_n
from slt.transitions import dynamical as in_steps


@dataclasses.dataclass(frozen=True)
class Level:
    """Everything known at one level: phases, or families of them.

    `members` lists the facts behind each name; `held` the names that each seed was in, in order (None: no SGD), and
    `spent` the steps that it spent in each of them, labeled as such; `occupancy` is None without a ladder.
    """

    name: str
    names: tuple[str, ...]
    members: dict[str, tuple[PhaseFacts, ...]]
    held: list[list[str]] | None
    occupancy: Occupancy | None
    dynamical: tuple[DynamicalTransition, ...]
    bayesian: tuple[BayesianTransition, ...]
    spent: list[list[float]] = dataclasses.field(default_factory=list)

    def count(self, source: str, target: str) -> tuple[int, int]:
        """Seeds that spent time in `source`, and those of them that went from it directly to `target`."""
        held, spent = self.held or [], self.spent or [[1.0] * len(names) for names in self.held or []]
        went = [(source, target) in pairwise(names) for names in held]
        there = [
            any(name == source and time > 0 for name, time in zip(names, times, strict=True))
            for names, times in zip(held, spent, strict=True)
        ]
        return sum(a or b for a, b in zip(there, went, strict=True)), sum(went)

    def exposure(self, source: str, target: str) -> float:
        """Steps that seeds spent in `source` until they first went directly to `target`, summed over seeds."""
        total = 0.0
        for names, times in zip(self.held or [], self.spent, strict=True):
            for i, (name, time) in enumerate(zip(names, times, strict=True)):
                total += time if name == source else 0.0
                if (name, *names[i + 1 : i + 2]) == (source, target):
                    break
        return total

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs that either learner has seen, in the order of names; "other" is no phase."""
        seen = {(t.source, t.target) for t in self.dynamical if t.source != "other"}
        seen |= {(t.source, t.target) for t in self.bayesian if t.n is not None}
        return sorted(seen, key=lambda pair: tuple(self.names.index(name) for name in pair))

    def holding(self, phase: PhaseFacts) -> str:
        """The name under which `phase` is found here."""
        return next(name for name, members in self.members.items() if phase in members)


def phases_and_steps(
    path: PhasePath, names: tuple[str, ...], hysteresis: int, status: Array | None
) -> tuple[list[list[str]], list[list[float]]]:
    """The phases that each seed was in, in order; and for each of them the steps from every checkpoint with its label
    to the next checkpoint."""
    lengths, steps = np.diff(path.steps).astype(float), np.asarray(path.steps)[:-1]
    held, spent = [], []
    for row, stays in zip(path.label, in_steps.sequences(path, names, hysteresis, status), strict=True):
        held.append([name for name, _ in stays])
        ends = [start for _, start in stays[1:]] + [np.inf]
        inside = [
            (row[:-1] == names.index(name)) & (steps >= start) & (steps < end)
            for (name, start), end in zip(stays, ends, strict=True)
        ]
        spent.append([float(lengths[where].sum()) for where in inside])
    return held, spent


def family_level(
    level: Level,
    facts: tuple[PhaseFacts, ...],
    path: PhasePath | None,
    loss: Array | None,
    hysteresis: int,
    status: Array | None,
    unlabeled: in_steps.Unlabeled | None,
    population: Occupancy | None,
) -> Level:
    """The same evidence, read as families."""
    names, members = families(facts)[0], family_members(facts)
    held: list[list[str]] | None = None
    dynamical: tuple[DynamicalTransition, ...] = ()
    bayesian: tuple[BayesianTransition, ...] = ()
    occupancy = None
    spent: list[list[float]] = []
    if path is not None:
        _, path = merge_path(path, facts)
        known = np.full(path.label.shape, np.nan) if loss is None else loss
        held, spent = phases_and_steps(path, names, hysteresis, status)
        dynamical = in_steps.find(path, known, names, hysteresis, status, unlabeled)
    if level.occupancy is not None:
        _, occupancy = merge_families(level.occupancy, facts)
        without_noise = None if population is None else merge_families(population, facts)[1]
        bayesian = in_n.find(occupancy, names, facts, without_noise)
    return Level("family", names, members, held, occupancy, dynamical, bayesian, spent)
