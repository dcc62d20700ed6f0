"""The phase of every checkpoint of SGD and of every draw of the posterior, by one classifier."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from slt.config import derived
from slt.phases import classification, discovery
from slt.phases.exemplars import Exemplar, exemplars
from slt.phases.occupancy import occupancy_of
from slt.pipeline.stage import Plan
from slt.records.base import Array
from slt.records.phases import Occupancy, PhaseFacts, PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "phases"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What either learner did; None where it was not asked."""

    training: Trajectory | None
    posterior: Ladder | None
    population: Ladder | None


@dataclasses.dataclass(frozen=True)
class DrawLabels:
    """label: (dataset, n, repeat, draw) index into the phase names; the last is "other"."""

    label: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {"label": Ladder.DIMS["log_weights"]}


@dataclasses.dataclass(frozen=True)
class Output:
    """Phases.

    Attributes:
      facts: what is known of each, in the classifier's order.
      names: by index of a label; the last is "other".
      notes: what labeling had to say, in words.
      exemplars: what each looks like.
      path: of SGD; None without it.
      occupancy, labels: of the posterior; None without it.
      population: occupancy on the population loss; None where that was not sampled.
    """

    facts: tuple[PhaseFacts, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    exemplars: tuple[Exemplar, ...]
    path: PhasePath | None = None
    occupancy: Occupancy | None = None
    labels: DrawLabels | None = None
    population: Occupancy | None = None


def plan(experiment: Experiment) -> Plan:
    there = {
        "training": experiment.training is not None,
        "posterior": experiment.posterior is not None,
        "population": derived.samples_population(experiment),
    }
    inputs = tuple(name for name in there if there[name])
    return Plan({"model": experiment.model}, inputs, "labels checkpoints and draws", drawings=True)


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Output:
    model, trajectory, ladder = experiment.model, inputs.training, inputs.posterior
    path = labels = occupancy = population = None
    notes: tuple[str, ...] = ()
    if model.phases():
        facts = classification.phase_facts(model)
        path = None if trajectory is None else classification.label_trajectory(model, trajectory)
        labels = None if ladder is None else classification.label_draws(model, ladder)
    else:
        facts, path, labels, note = discovery.find(model, trajectory, ladder)
        notes = (note,)
    names = (*(fact.name for fact in facts), "other")
    if ladder is not None and labels is not None:
        occupancy = occupancy_of(ladder, labels, len(facts), ordered=_chains(ladder))
    if inputs.population is not None and model.phases():
        population = classification.label_ladder(model, inputs.population, ordered=_chains(inputs.population))
    return Output(
        facts,
        names,
        notes,
        tuple(exemplars(model, list(names), trajectory, path, ladder, labels)),
        path,
        occupancy,
        None if labels is None else DrawLabels(labels.astype(np.int16)),
        population,
    )


def _chains(ladder: Ladder) -> bool:
    """Whether draws are in order, so that they can switch phase."""
    return "r_hat" in ladder.info
