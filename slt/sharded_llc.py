"""Learning coefficients over the devices that there are: an estimator's populations and chains follow its points."""

from __future__ import annotations

import dataclasses

import jax

from slt.llc.base import Estimator, Question
from slt.records import LLCEstimate
from slt.schema import Experiment
from slt.sharding import spread


@dataclasses.dataclass(frozen=True)
class Sharded(Estimator):
    """`estimator`, asked of points that lie on several devices."""

    estimator: Estimator

    @property
    def at_once(self) -> int | None:
        return self.estimator.at_once

    def __call__(self, question: Question, key: jax.Array) -> LLCEstimate:
        return self.estimator(_spread(question), key)

    def settled(self, question: Question, key: jax.Array) -> Estimator:
        return Sharded(self.estimator.settled(_spread(question), key))


def _spread(question: Question) -> Question:
    return dataclasses.replace(question, points=spread(question.points, axes=1))


def sharded(experiment: Experiment) -> Experiment:
    """The experiment whose estimator, if it has one, uses all devices; `experiment` itself where there is one."""
    if experiment.llc is None or jax.device_count() == 1:
        return experiment
    return dataclasses.replace(
        experiment, llc=dataclasses.replace(experiment.llc, estimator=Sharded(experiment.llc.estimator))
    )
