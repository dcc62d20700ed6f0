"""Learning coefficients: at the model's known phases, or at checkpoints of SGD."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np

from slt.config import derived
from slt.llc.problem import LLCProblem
from slt.llc.trajectory import AlongTraining, Part, selected_entries
from slt.models.datasets import DataSets
from slt.pipeline.stage import Plan, Work, times
from slt.records.llc import LLCEstimate, LLCPath
from slt.records.training import Trajectory
from slt.runtime.random_keys import named_key

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "llc"


@dataclasses.dataclass(frozen=True)
class Inputs:
    """SGD, for coefficients at checkpoints; the data, for those on data."""

    data: DataSets | None
    training: Trajectory | None


@dataclasses.dataclass(frozen=True)
class Refined:
    """A coefficient of some of the weights or some of the data, along training; fields as in `Output`."""

    estimate: LLCEstimate
    path: LLCPath


@dataclasses.dataclass(frozen=True)
class Output:
    """Coefficients.

    Attributes:
      estimate: at every phase, or at every checkpoint, ordered by seed and then by checkpoint.
      phases: the names of the phases, in the estimate's order; None at checkpoints.
      path: the same estimates by seed and checkpoint; None at phases.
      refined: name -> further coefficients at the same checkpoints.
    """

    estimate: LLCEstimate
    phases: tuple[str, ...] | None = None
    path: LLCPath | None = None
    refined: dict[str, Refined] = dataclasses.field(default_factory=dict)


def plan(experiment: Experiment) -> Plan | None:
    llc, training = experiment.llc, experiment.training
    if llc is None:
        return None
    # without the class of the plan, whose module imports every part of an experiment
    options = {field.name: getattr(llc, field.name) for field in dataclasses.fields(llc)}
    refined = {name: dataclasses.asdict(part) for name, part in llc.refined.items()}
    config = {"model": experiment.model, "seed": experiment.seed, **options, "refined": refined}
    if llc.at == "phases":
        count = len(experiment.model.phases())
        return Plan(config, (), f"learning coefficients of {times(count, 'phase')}", Work(count, "points"))
    assert training is not None
    seeds = min(llc.seeds, training.seeds)
    count = (
        (1 + len(llc.refined)) * seeds * min(llc.checkpoints or training.checkpoints, training.checkpoints)
    )
    description = f"learning coefficients at checkpoints of {times(seeds, 'seed')}"
    if llc.refined:
        description += f", and {times(len(llc.refined), 'refined one')}"
    inputs = ("data", "training") if derived.llc_on_data(experiment) else ("training",)
    return Plan(config, inputs, description, Work(count, "points"))


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Output:
    llc, model = experiment.llc, experiment.model
    assert llc is not None
    key = named_key(experiment.seed, "llc")
    if llc.at == "phases":
        known = model.phases()
        points = jax.tree.map(lambda *leaves: np.stack(leaves), *[phase.point for phase in known])
        drive.progress.begin(1, "batches")
        estimate = llc.estimator(
            LLCProblem(model, points, selected=selected_entries(model, llc.weights)), key
        )
        return Output(estimate, phases=tuple(phase.name for phase in known))
    assert experiment.training is not None
    assert inputs.training is not None
    data = None
    if inputs.data is not None:
        assert experiment.training.n is not None
        data = inputs.data.first(model, experiment.training.n)
    parts = tuple(
        Part(of, selected_entries(model, names)) for of, names in derived.llc_parts(experiment).values()
    )
    stage = AlongTraining(llc.estimator, parts, inputs.training, data, llc.seeds, llc.checkpoints)
    (estimate, path), *others = drive(stage, key)
    refined = {name: Refined(*found) for name, found in zip(llc.refined, others, strict=True)}
    return Output(estimate, path=path, refined=refined)
