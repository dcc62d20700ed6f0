"""The evidence at one resolution: phases, or families of them."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from slt import phases
from slt.records import Array, BayesianTransition, DynamicalTransition, Occupancy, PhaseFacts, PhasePath
from slt.transitions import bayesian as in_n
from slt.transitions import dynamical as in_steps


@dataclasses.dataclass(frozen=True)
class Level:
    """Everything known of one resolution: phases, or families of them.

    `members` lists the facts behind each name; `held` the names that each seed held, in order (None: no SGD);
    `occupancy` is None without a ladder; `spent` the steps that seeds spent in each name, all together.
    """

    name: str
    names: tuple[str, ...]
    members: dict[str, tuple[PhaseFacts, ...]]
    held: list[list[str]] | None
    occupancy: Occupancy | None
    dynamical: tuple[DynamicalTransition, ...]
    bayesian: tuple[BayesianTransition, ...]
    spent: dict[str, float] = dataclasses.field(default_factory=dict)

    def count(self, source: str, target: str) -> tuple[int, int]:
        """Seeds that ever held `source`, and those of them that went from it straight to `target`."""
        held = self.held or []
        went = sum((source, target) in pairwise(names) for names in held)
        return sum(source in names for names in held), went

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs that either side has seen, in the order of names; "other" is no phase."""
        seen = {(t.source, t.target) for t in self.dynamical if t.source != "other"}
        seen |= {(t.source, t.target) for t in self.bayesian if t.n is not None}
        return sorted(seen, key=lambda pair: tuple(self.names.index(name) for name in pair))

    def holding(self, phase: PhaseFacts) -> str:
        """The name under which `phase` is found here."""
        return next(name for name, members in self.members.items() if phase in members)


def held_by(
    path: PhasePath, names: tuple[str, ...], hysteresis: int, status: Array | None
) -> list[list[str]]:
    """What each seed held, in order, without the steps."""
    return [[name for name, _ in stays] for stays in in_steps.sequences(path, names, hysteresis, status)]


def spent_in(
    path: PhasePath, names: tuple[str, ...], hysteresis: int, status: Array | None
) -> dict[str, float]:
    """Steps that the seeds spent holding each phase, all together."""
    total = dict.fromkeys(names, 0.0)
    end = float(path.steps[-1])
    for stays in in_steps.sequences(path, names, hysteresis, status):
        for (name, start), (_, stop) in pairwise([*stays, ("", end)]):
            total[name] += stop - start
    return total


def family_level(
    level: Level,
    facts: tuple[PhaseFacts, ...],
    path: PhasePath | None,
    loss: Array | None,
    hysteresis: int,
    status: Array | None,
    unlabelled: in_steps.Unlabelled | None,
    annealed: Occupancy | None,
) -> Level:
    """The same evidence, read as families."""
    names, index = phases.families(facts)
    members = {
        name: tuple(fact for fact, family in zip(facts, index, strict=False) if family == i)
        for i, name in enumerate(names[:-1])
    }
    held: list[list[str]] | None = None
    dynamical: tuple[DynamicalTransition, ...] = ()
    bayesian: tuple[BayesianTransition, ...] = ()
    occupancy = None
    spent: dict[str, float] = {}
    if path is not None:
        _, path = phases.merge_path(path, facts)
        known = np.full(path.label.shape, np.nan) if loss is None else loss
        held = held_by(path, names, hysteresis, status)
        spent = spent_in(path, names, hysteresis, status)
        dynamical = in_steps.find(path, known, names, hysteresis, status, unlabelled)
    if level.occupancy is not None:
        _, occupancy = phases.merge_families(level.occupancy, facts)
        without_noise = None if annealed is None else phases.merge_families(annealed, facts)[1]
        bayesian = in_n.find(occupancy, names, facts, without_noise)
    return Level("family", names, members, held, occupancy, dynamical, bayesian, spent)
