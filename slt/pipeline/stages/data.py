"""Data sets of the model, nested in n: each learner looks at as many of the first observations as it needs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax

from slt.config import derived
from slt.models import datasets
from slt.models.datasets import DataSets
from slt.pipeline.stage import Plan, Work, size_of, times
from slt.runtime.random_keys import random_key

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "data"
Output = DataSets


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Nothing."""


def plan(experiment: Experiment) -> Plan | None:
    rows = derived.rows(experiment)
    if experiment.data is None or rows == 0:
        return None
    config = {"model": experiment.model, "seed": experiment.seed, "datasets": experiment.data.datasets}
    count = experiment.data.datasets
    shape = jax.eval_shape(lambda: experiment.model.sample(random_key(0), rows))
    description = f"{times(count, 'data set')} of {rows:,} observations"
    return Plan(config, (), description, Work(size=count * size_of(shape)), extent={"rows": rows})


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> DataSets:
    assert experiment.data is not None
    count, rows = experiment.data.datasets, derived.rows(experiment)
    return DataSets.of(datasets.draw(experiment.model, experiment.seed, count, rows))
