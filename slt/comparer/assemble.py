"""A comparison from the records that it rests on: both learners' transitions found, matched, and explained."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from slt.comparer import verdicts
from slt.comparer.barriers import with_barriers
from slt.models.base import Model
from slt.phases.families import family_members
from slt.records.base import OK, Array
from slt.records.comparison import Comparison
from slt.records.llc import LLCPath
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.training import Trajectory
from slt.records.transitions import Changepoints, SigmoidFits
from slt.transitions import bayesian, dynamical, events, sigmoids, volume


@dataclasses.dataclass(frozen=True)
class ComparisonInputs:
    """What both learners did, as recorded. Either may be absent (None).

    Attributes:
      facts: what is known of the phases.
      names: phase names by classifier index; the last is "other".
      notes: remarks on the labels, in sentences.
      trajectory, path: of SGD, both or neither.
      llc: learning coefficients along training.
      n: observations in a data set of SGD; None for a fresh stream.
      occupancy: of the posterior.
      ladder_status: (dataset, n, repeat) status of each posterior.
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
    changepoints: Changepoints
    unlabeled: dynamical.Unlabeled
    transitions: tuple
    sigmoid_fits: SigmoidFits | None


def assemble(
    model: Model, inputs: ComparisonInputs, hysteresis: int
) -> tuple[Comparison, Changepoints | None]:
    """The comparison, and the changepoints of every curve of SGD (None without SGD).

    Args:
      model: whose phases they are.
      inputs: what was recorded.
      hysteresis: checkpoints that SGD must stay in a phase for it to count.
    """
    found = _along_sgd(inputs, hysteresis)
    constants: dict[str, volume.Constant] = {}
    in_n: tuple = ()
    if inputs.population is not None:
        constants = volume.constants(inputs.population, inputs.facts)
    if inputs.occupancy is not None:
        in_n = bayesian.find(inputs.occupancy, inputs.names, inputs.facts, inputs.population, constants)
    comparison = verdicts.compare(
        inputs.facts,
        () if found is None else found.transitions,
        in_n,
        inputs.path,
        inputs.occupancy,
        inputs.names,
        loss=None if found is None else found.loss,
        hysteresis=hysteresis,
        seed_status=None if inputs.trajectory is None else inputs.trajectory.status,
        ladder_status=inputs.ladder_status,
        unlabeled=None if found is None else found.unlabeled,
        population=inputs.population,
        constants=constants,
        n=inputs.n,
        sigmoid_fits=None if found is None else found.sigmoid_fits,
        remarks=inputs.notes,
    )
    members = family_members(inputs.facts) | {fact.name: (fact,) for fact in inputs.facts}
    comparison = with_barriers(comparison, model, members)
    return comparison, None if found is None else found.changepoints


def _along_sgd(inputs: ComparisonInputs, hysteresis: int) -> _Dynamics | None:
    """SGD's transitions, from labels and from every recorded curve without them."""
    trajectory, path = inputs.trajectory, inputs.path
    if trajectory is None or path is None:
        return None
    loss = events.loss_of(trajectory)
    changepoints = events.find(events.curves(trajectory, loss, inputs.llc), trajectory.steps)
    llc = np.full(loss.shape, np.nan)
    if inputs.llc is not None:
        llc[np.ix_(inputs.llc.seed, np.searchsorted(trajectory.steps, inputs.llc.steps))] = inputs.llc.llc
    unlabeled = dynamical.Unlabeled(events.events(changepoints, len(loss)), llc)
    transitions = dynamical.find(path, loss, inputs.names, hysteresis, trajectory.status, unlabeled)
    sigmoid_fits = sigmoids.decompose_all(trajectory.steps, loss[trajectory.status == OK])
    return _Dynamics(loss, changepoints, unlabeled, transitions, sigmoid_fits)
