"""The posterior at the same sample sizes on the population loss, beside that on data: crossings without data
noise."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from slt.config import derived
from slt.pipeline.stage import Plan, Work
from slt.records.posterior import Ladder
from slt.runtime.random_keys import named_key

if TYPE_CHECKING:
    from slt.config.schema import Experiment
    from slt.posterior.base import LadderSampler
    from slt.storage.resumable import Driver

NAME = "population"
Output = Ladder
REPEATS = 4  # at least: the error comes from them, since no data sets lend it one


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Nothing."""


def plan(experiment: Experiment) -> Plan | None:
    posterior = experiment.posterior
    if posterior is None or not derived.samples_population(experiment):
        return None
    draws = posterior.sampler.draws_per_n
    sizes = posterior.sample_sizes
    return Plan(
        {
            "model": experiment.model,
            "seed": experiment.seed,
            "sampler": _repeated(posterior.sampler),
            "sample_sizes": sizes,
        },
        (),
        "the same sample sizes on the population loss",
        Work(None if draws is None else len(sizes) * draws, "draws"),
    )


def run(experiment: Experiment, inputs: Inputs, drive: Driver) -> Ladder:
    posterior = experiment.posterior
    assert posterior is not None
    stage = _repeated(posterior.sampler).stage(experiment.model, None, posterior.sample_sizes)
    return drive(stage, named_key(experiment.seed, "annealed"))  # a label of keys: another gives other draws


def _repeated(sampler: LadderSampler) -> LadderSampler:
    """The sampler with enough repeats for an error."""
    repeats = getattr(sampler, "repeats", None)
    if repeats is None:
        return sampler
    return dataclasses.replace(sampler, repeats=max(REPEATS, repeats))  # type: ignore[type-var]
