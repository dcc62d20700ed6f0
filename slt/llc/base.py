"""What every estimator of learning coefficients is, and how estimates are taken apart and put together.

An estimator is a frozen dataclass of plain options, called as `estimator(problem, key) -> LLCEstimate`.
"""

from __future__ import annotations

import abc
import dataclasses

import jax
import numpy as np

from slt.llc.problem import LLCProblem
from slt.records.base import Array
from slt.records.llc import LLCEstimate


class Estimator(abc.ABC):
    """Anything that estimates learning coefficients. Subclasses are frozen dataclasses of plain options."""

    @abc.abstractmethod
    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        """Estimate at the points of `problem`."""

    @property
    def max_points(self) -> int | None:
        """How many points of a long list it should be asked about at a time; None: all."""
        return None

    def calibrate(self, problem: LLCProblem, key: jax.Array) -> Estimator:
        """The same estimator with whatever several problems should share chosen on this one."""
        return self


def select(estimate: LLCEstimate, point: int) -> LLCEstimate:
    """The estimate of one point, which stays an axis."""
    parts = {field.name: getattr(estimate, field.name) for field in dataclasses.fields(estimate)}
    return LLCEstimate(**jax.tree.map(lambda array: array[point : point + 1], parts))


def join(estimates: list[LLCEstimate]) -> LLCEstimate:
    """Estimates of several problems as one; levels are padded with NaN."""
    levels = max(estimate.nbeta.shape[1] for estimate in estimates)

    def padded(array: Array) -> Array:
        room = [(0, 0)] * (array.ndim - 1) + [(0, levels - array.shape[-1])]
        return np.pad(array, room, constant_values=np.nan)

    widened = [
        dataclasses.asdict(
            dataclasses.replace(
                one, nbeta=padded(one.nbeta), curve={k: padded(v) for k, v in one.curve.items()}
            )
        )
        for one in estimates
    ]
    return LLCEstimate(**jax.tree.map(lambda *arrays: np.concatenate(arrays), *widened))
