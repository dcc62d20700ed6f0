"""Stages of learning by the free energy formula alone, of a run that has no posterior."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from slt.pipeline.stage import Plan
from slt.pipeline.stages import comparison, llc
from slt.records.training import Trajectory
from slt.transitions.development import develop
from slt.transitions.essential_dynamics import EssentialDynamics
from slt.transitions.stages import SeedStages

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "development"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """SGD, its learning coefficients (None: not measured), and the changes of its curves."""

    training: Trajectory
    llc: llc.Output | None
    comparison: comparison.Output


@dataclasses.dataclass(frozen=True)
class Output:
    """The stages of every seed, and where the network's outputs moved (None for models without a probe)."""

    stages: tuple[SeedStages, ...]
    essential: EssentialDynamics | None = None


def plan(experiment: Experiment) -> Plan | None:
    if experiment.training is None or experiment.posterior is not None:
        return None
    inputs = ("training", *(() if experiment.llc is None else ("llc",)), "comparison")
    return Plan({"model": experiment.model}, inputs, "stages of learning, by the formula")


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Output:
    path = None if inputs.llc is None else inputs.llc.path
    changes = inputs.comparison.changepoints
    assert changes is not None
    stages, essential = develop(experiment.model, inputs.training, path, changes)
    return Output(tuple(stages), essential)
