"""One protocol for the Bayesian branch: a model, its data and increasing n in, a `Ladder` out."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
import numpy as np

from slt.models.base import Data, Model
from slt.records.posterior import Ladder, Posterior
from slt.runtime.long_computation import LongComputation


class LadderSampler(abc.ABC):
    """Anything that yields a posterior at every n. Subclasses are frozen dataclasses of plain options."""

    @abc.abstractmethod
    def stage(self, model: Model, data: Data, sample_sizes: tuple[int, ...]) -> LongComputation[Ladder]:
        """The long computation that samples the posterior at each of `sample_sizes` for every data set.

        Args:
          model: the model.
          data: pytree with leading axes (dataset, N), N >= max(sample_sizes); or None for the population ladder, on
            the population loss (then there is one "data set").
          sample_sizes: increasing numbers of observations, each >= 1.
        """

    @property
    def draws_per_n(self) -> int | None:
        """Draws kept at each n for one data set, of all repeats; None where it depends on the model."""
        return None


@dataclasses.dataclass(frozen=True)
class LadderRun:
    """What a sampler's long stage works on; `data` have leading axes (dataset, N)."""

    sampler: Any
    model: Model
    data: Data
    sample_sizes: tuple[int, ...]

    @property
    def datasets(self) -> int:
        return 1 if self.data is None else jax.tree.leaves(self.data)[0].shape[0]


def stack_ladder(sample_sizes: tuple[int, ...], posteriors: list[list[Posterior]]) -> Ladder:
    """A ladder from `posteriors[dataset][n_index]`."""

    def stacked(*values: np.ndarray) -> np.ndarray:
        array = np.stack([np.asarray(v) for v in values])
        return array.reshape(len(posteriors), len(sample_sizes), *array.shape[1:])

    flat = [dataclasses.asdict(p) for per_dataset in posteriors for p in per_dataset]
    return Ladder(sample_sizes=np.asarray(sample_sizes), **jax.tree.map(stacked, *flat))
