"""An ensemble of SGD runs, on the data sets or on a fresh stream."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np

from slt.models.datasets import DataSets
from slt.pipeline.stage import Plan, Work, size_of, times
from slt.records.base import OK
from slt.records.training import Trajectory
from slt.runtime.random_keys import named_key, random_key

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "training"
Output = Trajectory


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The data; None for a fresh stream."""

    data: DataSets | None


def plan(experiment: Experiment) -> Plan | None:
    trainer, model = experiment.training, experiment.model
    if trainer is None:
        return None
    point = size_of(jax.eval_shape(lambda: model.init(random_key(0)))) // 2  # float32
    size = trainer.seeds * trainer.checkpoints * (point + 16)
    return Plan(
        {"model": model, "seed": experiment.seed, "training": trainer},
        () if trainer.n is None else ("data",),
        f"{times(trainer.seeds, 'seed')} x {trainer.steps:,} steps",
        Work(trainer.seeds * trainer.steps, "seed-steps", size),
    )


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Trajectory:
    trainer, model = experiment.training, experiment.model
    assert trainer is not None
    data = None
    if trainer.n is not None:
        assert inputs.data is not None
        data = inputs.data.first(model, trainer.n)
    return drive(trainer.stage(model, data), named_key(experiment.seed, "training"))


def failure(output: Trajectory) -> str:
    return f"every seed failed: {output.status[0]}" if np.all(output.status != OK) else ""
