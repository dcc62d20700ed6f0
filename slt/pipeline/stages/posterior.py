"""The posterior at every sample size n of the run, on each data set, or on the population loss where there is no
data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np

from slt.models.datasets import DataSets
from slt.pipeline.stage import Plan, Work, size_of, times
from slt.records.posterior import Ladder
from slt.runtime.random_keys import named_key, random_key

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.storage.resumable import Driver

NAME = "posterior"
Output = Ladder


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The data; None for the population loss."""

    data: DataSets | None


def plan(experiment: Experiment) -> Plan | None:
    posterior, model = experiment.posterior, experiment.model
    if posterior is None:
        return None
    count = 1 if experiment.data is None else experiment.data.datasets
    draws = posterior.sampler.draws_per_n
    kept = None if draws is None else count * len(posterior.sample_sizes) * draws
    point = size_of(jax.eval_shape(lambda: model.sample_prior(random_key(0))))
    on = "the population loss" if experiment.data is None else times(count, "data set")
    sizes = posterior.sample_sizes
    return Plan(
        {
            "model": model,
            "seed": experiment.seed,
            "sampler": posterior.sampler,
            "sample_sizes": sizes,
        },
        () if experiment.data is None else ("data",),
        f"{times(len(sizes), 'sample size')} to n = {sizes[-1]:,} on {on}",
        Work(kept, "draws", None if kept is None else kept * (point + 16)),
    )


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Ladder:
    posterior, model = experiment.posterior, experiment.model
    assert posterior is not None
    data = None if inputs.data is None else inputs.data.first(model, posterior.sample_sizes[-1])
    stage = posterior.sampler.stage(model, data, posterior.sample_sizes)
    return drive(stage, named_key(experiment.seed, "posterior"))


def failure(output: Ladder) -> str:
    if np.isfinite(output.loss).any():
        return ""
    return f"no sample size has a finite loss: {output.status.flat[0]}"
