"""Learning coefficients along training: every chosen checkpoint of every chosen seed, one data set at a time."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from slt.llc.base import Estimator, join
from slt.llc.problem import LLCProblem, select_params
from slt.models.base import Data, Model
from slt.records.base import Array
from slt.records.llc import LLCEstimate, LLCPath
from slt.records.training import Trajectory
from slt.runtime.random_keys import random_key


def selected_entries(model: Model, names: tuple[str, ...]) -> tuple[int, ...] | None:
    """Flat indices of the named parameters; None, all, where none is named."""
    if not names:
        return None
    return select_params(jax.eval_shape(model.sample_prior, random_key(0)), names)


@dataclasses.dataclass(frozen=True)
class Part:
    """A coefficient of its own: over the entries `selected` (see `LLCProblem`), of a model that may count other
    losses than the one that was trained."""

    model: Model
    selected: tuple[int, ...] | None = None


class State(NamedTuple):
    """The estimator, calibrated once for all blocks; the key; and how many blocks are done."""

    estimator: Estimator
    key: jax.Array
    done: int


class Block(NamedTuple):
    """What is asked at once: `rows` among the points of `seeds`, by seed and then by checkpoint, of part `part`."""

    part: int
    seeds: Array
    rows: slice


@dataclasses.dataclass(frozen=True)
class AlongTraining:
    """Long computation: `advance` is all checkpoints of the seeds that share a data set, in one batch, or as many
    points of them as the estimator wants at once.

    Its record is a pair for each part: the estimates, points ordered by seed and then by checkpoint, and their path.
    What the estimator calibrates it calibrates on the first part, so that the others can be compared with it.

    Attributes:
      estimator, parts, trajectory: what to estimate, and where.
      data: with leading axes (dataset, n), for each seed its own; None for the population loss.
      seeds: the first so many seeds.
      checkpoints: so many, evenly among those kept, the last among them; None: all.
    """

    estimator: Estimator
    parts: tuple[Part, ...]
    trajectory: Trajectory
    data: Data | None
    seeds: int
    checkpoints: int | None
    unit: str = "points"

    @property
    def _seeds(self) -> Array:
        return np.arange(min(self.seeds, len(self.trajectory.status)))

    @property
    def _kept(self) -> Array:
        """(checkpoint,) indices."""
        total = len(self.trajectory.steps)
        return np.unique(np.linspace(total - 1, 0, min(self.checkpoints or total, total)).round().astype(int))

    def _groups(self) -> list[Array]:
        """Seeds that share a data set."""
        if self.data is None:
            return [self._seeds]
        own = self.trajectory.dataset[self._seeds]
        return [self._seeds[own == dataset] for dataset in np.unique(own)]

    def _blocks(self) -> list[Block]:
        most = self.estimator.max_points
        found = []
        for part in range(len(self.parts)):
            for group in self._groups():
                size = len(group) * len(self._kept)
                edges = range(0, size, most or size)
                found += [Block(part, group, slice(i, min(i + (most or size), size))) for i in edges]
        return found

    @property
    def total(self) -> int:
        return len(self.parts) * len(self._seeds) * len(self._kept)

    def init(self, key: jax.Array) -> State:
        first, key = jax.random.split(key)
        whole = Block(0, self._groups()[0], slice(None))
        return State(self.estimator.calibrate(self._problem(whole)[0], first), key, 0)

    def progress(self, state: State) -> int:
        return sum(block.rows.stop - block.rows.start for block in self._blocks()[: state.done])

    def _problem(self, block: Block) -> tuple[LLCProblem, Array]:
        """The problem of one block, and which of its points are finite (point,)."""
        seeds = block.seeds
        points = {
            name: np.asarray(leaf[seeds][:, self._kept], float).reshape(-1, *leaf.shape[2:])[block.rows]
            for name, leaf in self.trajectory.params.items()
        }
        flat = [np.isfinite(leaf).reshape(len(leaf), -1).all(axis=1) for leaf in points.values()]
        finite = np.all(flat, axis=0)
        for leaf in points.values():
            leaf[~finite] = 0.0  # a place holder: these points will be struck out
        data = None
        if self.data is not None:
            dataset = int(self.trajectory.dataset[seeds[0]])
            data = jax.tree.map(lambda leaf: leaf[dataset], self.data)
        part = self.parts[block.part]
        return LLCProblem(part.model, points, data, selected=part.selected), finite

    def advance(self, state: State) -> tuple[State, LLCEstimate]:
        problem, finite = self._problem(self._blocks()[state.done])
        estimate = state.estimator(problem, jax.random.fold_in(state.key, state.done))
        return state._replace(done=state.done + 1), _strike(estimate, ~finite)

    def finish(self, chunks: list[LLCEstimate]) -> list[tuple[LLCEstimate, LLCPath]]:
        blocks = self._blocks()
        return [
            self._path(join([c for c, block in zip(chunks, blocks, strict=True) if block.part == part]))
            for part in range(len(self.parts))
        ]

    def _path(self, joined: LLCEstimate) -> tuple[LLCEstimate, LLCPath]:
        order = np.argsort(np.concatenate(self._groups()), kind="stable")
        rows = (order[:, None] * len(self._kept) + np.arange(len(self._kept))).ravel()
        parts = {field.name: getattr(joined, field.name) for field in dataclasses.fields(joined)}
        estimate = LLCEstimate(**jax.tree.map(lambda array: array[rows], parts))
        shape = (len(self._seeds), len(self._kept))
        highest = np.max(np.where(np.isfinite(estimate.nbeta), estimate.nbeta, -np.inf), axis=1)
        path = LLCPath(
            seed=self._seeds,
            steps=np.asarray(self.trajectory.steps)[self._kept],
            llc=estimate.llc.reshape(shape),
            error=estimate.error.reshape(shape),
            nbeta=highest.reshape(shape),
            status=estimate.status.reshape(shape),
        )
        return estimate, path


def _strike(estimate: LLCEstimate, where: Array) -> LLCEstimate:
    """The estimate with no answer at points whose parameters were not finite."""
    if not where.any():
        return estimate
    blank: dict[str, Any] = {
        name: np.where(where, np.nan, getattr(estimate, name))
        for name in ("llc", "error", "low", "high", "loss")
    }
    status = estimate.status.astype(object)
    status[where] = "no estimate: the parameters are not finite"
    return dataclasses.replace(estimate, **blank, status=status.astype(str))
