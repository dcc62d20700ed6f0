"""A comparison from the records that it rests on: both sides' transitions found, matched, and explained."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from slt.comparer import verdicts
from slt.comparer.barriers import with_barriers
from slt.models.base import Model
from slt.phases import classification
from slt.records.base import OK, Array
from slt.records.comparison import Comparison
from slt.records.llc import LLCPath
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints, SigmoidFits
from slt.transitions import bayesian, dynamical, events, sigmoids, volume


@dataclasses.dataclass(frozen=True)
class ComparisonInputs:
    """What both learners did, as recorded. Either side may be absent (None).

    Attributes:
      facts: what is known of the phases.
      names: phase names by classifier index; the last is "other".
      notes: what labeling had to say, in words.
      trajectory, path: of SGD, both or neither.
      llc: learning coefficients along training.
      n: observations in a data set of SGD; None for a fresh stream.
      occupancy: of the posterior.
      ladder_status: (dataset, n, repeat) how each posterior went.
      population: occupancy without the noise of data.
    """

    facts: tuple[PhaseFacts, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    trajectory: Trajectory | None = None
    path: PhasePath | None = None
    llc: LLCPath | None = None
    n: int | None = None
    occupancy: Occupancy | None = None
    ladder_status: Array | None = None
    population: Occupancy | None = None


class _Dynamics(NamedTuple):
    """What was found along SGD."""

    loss: Array
    jumps: Changepoints
    unlabeled: dynamical.Unlabeled
    transitions: tuple
    sigmoid_fits: SigmoidFits | None


def assemble(model: Model, both: ComparisonInputs, hysteresis: int) -> tuple[Comparison, Changepoints | None]:
    """The comparison, and the jumps of every curve of SGD (None without SGD).

    Args:
      model: whose phases they are.
      both: what was recorded.
      hysteresis: checkpoints that SGD must stay in a phase for it to count.
    """
    found = _along(both, hysteresis)
    constants: dict[str, volume.Constant] = {}
    in_n: tuple = ()
    if both.population is not None:
        constants = volume.constants(both.population, both.facts)
    if both.occupancy is not None:
        in_n = bayesian.find(both.occupancy, both.names, both.facts, both.population, constants)
    comparison = verdicts.compare(
        both.facts,
        () if found is None else found.transitions,
        in_n,
        both.path,
        both.occupancy,
        both.names,
        loss=None if found is None else found.loss,
        hysteresis=hysteresis,
        seed_status=None if both.trajectory is None else both.trajectory.status,
        ladder_status=both.ladder_status,
        unlabeled=None if found is None else found.unlabeled,
        population=both.population,
        constants=constants,
        n=both.n,
        sigmoid_fits=None if found is None else found.sigmoid_fits,
        remarks=both.notes,
    )
    comparison = with_barriers(comparison, model, _members(both.facts))
    return comparison, None if found is None else found.jumps


def _along(both: ComparisonInputs, hysteresis: int) -> _Dynamics | None:
    """SGD's transitions, from labels and from every recorded curve without them."""
    trajectory, path = both.trajectory, both.path
    if trajectory is None or path is None:
        return None
    known = np.isfinite(trajectory.population_loss).any()
    loss = trajectory.population_loss if known else trajectory.loss
    jumps = events.find(events.curves(trajectory, loss, both.llc), trajectory.steps)
    llc = np.full(loss.shape, np.nan)
    if both.llc is not None:
        llc[np.ix_(both.llc.seed, np.searchsorted(trajectory.steps, both.llc.steps))] = both.llc.llc
    unlabeled = dynamical.Unlabeled(events.events(jumps, len(loss)), llc)
    transitions = dynamical.find(path, loss, both.names, hysteresis, trajectory.status, unlabeled)
    sigmoid_fits = sigmoids.decompose_all(trajectory.steps, loss[trajectory.status == OK])
    return _Dynamics(loss, jumps, unlabeled, transitions, sigmoid_fits)


def _members(facts: tuple[PhaseFacts, ...]) -> dict[str, tuple[PhaseFacts, ...]]:
    """The phases behind every name in a verdict: of a phase or of a family."""
    names, index = classification.families(facts)
    families = {
        name: tuple(fact for fact, family in zip(facts, index, strict=False) if family == i)
        for i, name in enumerate(names[:-1])
    }
    return families | {fact.name: (fact,) for fact in facts}
