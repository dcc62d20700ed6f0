"""Families of phases: their names, their members, and labels read as families."""

from __future__ import annotations

import numpy as np

from slt.records.base import Array
from slt.records.phases import PhaseFacts, PhasePath


def families(facts: tuple[PhaseFacts, ...]) -> tuple[tuple[str, ...], Array]:
    """Names of families in the order they first appear, then "other"; and (phase,) the family of each label.

    A family of several phases is called "5-family"; a family of one keeps its phase's name.
    """
    order = list(dict.fromkeys(fact.family for fact in facts))
    members = {family: [fact.name for fact in facts if fact.family == family] for family in order}
    names = (*(members[f][0] if len(members[f]) == 1 else f"{f}-family" for f in order), "other")
    return names, np.array([*(order.index(fact.family) for fact in facts), len(order)], int)


def family_members(facts: tuple[PhaseFacts, ...]) -> dict[str, tuple[PhaseFacts, ...]]:
    """The phases of each family, by the family's name."""
    names, index = families(facts)
    return {
        name: tuple(fact for fact, family in zip(facts, index, strict=False) if family == i)
        for i, name in enumerate(names[:-1])
    }


def merge_path(path: PhasePath, facts: tuple[PhaseFacts, ...]) -> tuple[tuple[str, ...], PhasePath]:
    """The path read as families."""
    names, index = families(facts)
    return names, PhasePath(steps=path.steps, label=index[path.label].astype(np.int32))
