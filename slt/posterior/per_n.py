"""Samplers of one potential, and their ladder: one independent call at each n for each data set."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax

from slt.models.base import Data, Model
from slt.posterior.base import LadderRun, LadderSampler, stack_ladder
from slt.posterior.targets import Potential, potential, prefix_weights
from slt.records.posterior import Ladder, Posterior
from slt.runtime.jax_setup import owned, require_float64


class Sampler(LadderSampler):
    """A sampler of one potential; its ladder is one independent call for each n and data set."""

    @abc.abstractmethod
    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        """Draw from `potential`."""

    def stage(self, model: Model, data: Data, sample_sizes: tuple[int, ...]) -> OneCallPerN:
        require_float64()
        return OneCallPerN(self, model, owned(data), tuple(sample_sizes))


@dataclasses.dataclass(frozen=True)
class OneCallPerN(LadderRun):
    """Long computation: state is (key, number of posteriors done); a chunk is one `Posterior`."""

    unit: str = "sample sizes"

    @property
    def total(self) -> int:
        return self.datasets * len(self.sample_sizes)

    def init(self, key: jax.Array) -> tuple[jax.Array, int]:
        return key, 0

    def progress(self, state: tuple[jax.Array, int]) -> int:
        return state[1]

    def advance(self, state: tuple[jax.Array, int]) -> tuple[Any, Posterior]:
        key, done = state
        dataset, n_index = divmod(done, len(self.sample_sizes))
        n = self.sample_sizes[n_index]
        if self.data is None:
            target = potential(self.model, None, n)
        else:
            rows = jax.tree.map(lambda leaf: leaf[dataset], self.data)
            target = potential(self.model, rows, prefix_weights(jax.tree.leaves(rows)[0].shape[0], n))
        return (key, done + 1), self.sampler(target, jax.random.fold_in(key, done))

    def finish(self, chunks: list[Posterior]) -> Ladder:
        count = len(self.sample_sizes)
        return stack_ladder(self.sample_sizes, [chunks[i : i + count] for i in range(0, len(chunks), count)])
