"""SGD ensembles: many seeds of one model, trained together and looked at on a grid of checkpoints."""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Data, Model, Params, Summary
from slt.records.base import OK
from slt.records.training import Trajectory
from slt.runtime.devices import spread
from slt.runtime.jax_setup import owned, require_float64
from slt.runtime.long_computation import LongComputation
from slt.training import loop
from slt.training.grid import SPACINGS, checkpoint_steps
from slt.training.optimizers import Optimizer, Sgd

_CHUNK = 8  # checkpoints in one call of the compiled program, at most
_PIECES = 40  # a chunk covers no more than this fraction of the steps, so that progress moves evenly


@dataclasses.dataclass(frozen=True)
class Trainer:
    """How to train. Parameters, gradients and the optimizer's state are float32; losses are reported in
    float64, evaluated at the stored parameters.

    Attributes:
      seeds: independent runs; seed s trains on data set s mod (number of data sets).
      steps: optimizer steps of each run.
      batch_size: observations in a minibatch (see `slt.training.loop` for how they are drawn).
      n: observations in each seed's data set, the first n it is given; None for a fresh stream.
      checkpoints: how many to ask for, the first at step 0 and the last at `steps` (see `checkpoint_steps`).
      spacing: "log" or "linear".
      optimizer: the update rule.
    """

    seeds: int = 64
    steps: int = 225_000
    batch_size: int = 20
    n: int | None = 1000
    checkpoints: int = 200
    spacing: str = "log"
    optimizer: Optimizer = dataclasses.field(default_factory=Sgd)

    def __post_init__(self) -> None:
        """Raises ValueError naming the option that is out of range."""
        lowest = {"seeds": 1, "steps": 1, "batch_size": 1, "n": 1, "checkpoints": 2}
        for name, low in lowest.items():
            value = getattr(self, name)
            if name == "n" and value is None:
                continue
            if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < low:
                raise ValueError(f"{name} must be a whole number, at least {low}, not {value!r}")
        if self.steps >= 2**30:
            raise ValueError(f"steps must be less than 2^30, not {self.steps}")
        if self.n is not None and self.batch_size > self.n:
            raise ValueError(
                f"batch_size = {self.batch_size} is more than the n = {self.n} observations of a data set"
            )
        if self.spacing not in SPACINGS:
            raise ValueError(f"spacing must be one of {', '.join(SPACINGS)}, not {self.spacing!r}")

    def stage(self, model: Model, data: Data | None) -> LongComputation[Trajectory]:
        """The long computation that trains the ensemble.

        Args:
          model: the model.
          data: float64 pytree with leading axes (dataset, N), N >= n; None exactly where n is None.

        Raises:
          ConfigError: where float64 is switched off, in which losses at checkpoints are computed.
          ValueError: if there is data where a fresh stream was asked for, none where it is needed, or too
            little of it.
        """
        require_float64()
        if self.n is None:
            if data is not None:
                raise ValueError("n is null, which asks for a fresh stream, but a data set was given")
            return Training(self, model, None, None, np.full(self.seeds, -1))
        if data is None:
            raise ValueError(f"training on n = {self.n} observations needs a data set, and none was given")
        datasets, size = jnp.shape(jax.tree.leaves(data)[0])[:2]
        if datasets < 1 or size < self.n:
            raise ValueError(
                f"n = {self.n} observations are needed in each data set, not {datasets} sets of {size}"
            )
        own = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, : self.n], owned(data))
        summaries = jax.jit(jax.vmap(model.summarize, in_axes=(0, None)))(own, jnp.ones(self.n))
        dataset = np.arange(self.seeds) % datasets
        return Training(self, model, loop.cast(own, jnp.float32), summaries, dataset)


class Checkpoints(NamedTuple):
    """A chunk of a trajectory: the fields of `Trajectory` at some consecutive checkpoints."""

    steps: np.ndarray
    params: Params
    loss: np.ndarray
    population_loss: np.ndarray
    observables: dict[str, np.ndarray]


class State(NamedTuple):
    """Checkpoints recorded so far, and where the ensemble stands."""

    done: int
    ensemble: loop.Ensemble


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """Long computation: `trainer` on `model`. A chunk is a `Checkpoints`.

    Attributes:
      trainer, model: as given.
      data: float32 pytree with leading axes (dataset, n), or None.
      summaries: `model.summarize` of the float64 data, leading axis dataset, or None.
      dataset: (seed,).
      chunk: checkpoints in one call of the compiled program, at most. Parameters do not depend on it; losses
        may, by one rounding of float64.
    """

    trainer: Trainer
    model: Model
    data: Data | None
    summaries: Summary | None
    dataset: np.ndarray
    chunk: int = _CHUNK
    unit: str = "steps"

    @property
    def total(self) -> int:
        return self.trainer.steps

    @property
    def grid(self) -> np.ndarray:
        return checkpoint_steps(self.trainer.steps, self.trainer.checkpoints, self.trainer.spacing)

    def init(self, key: jax.Array) -> State:
        trainer = self.trainer
        ensemble = loop.begin(
            self.model,
            key,
            optimizer=trainer.optimizer,
            seeds=trainer.seeds,
            n=trainer.n or 0,
            horizon=self._horizon,
        )
        return State(0, ensemble)

    @property
    def _horizon(self) -> int | None:
        return self.trainer.optimizer.horizon(self.trainer.steps)

    def progress(self, state: State) -> int:
        return int(self.grid[state.done - 1]) if state.done else 0

    def advance(self, state: State) -> tuple[State, Checkpoints]:
        steps = self._next(state.done)
        kept = len(steps)
        stops = jnp.asarray(np.pad(steps, (0, self.chunk - kept), mode="edge"), jnp.int32)
        ensemble, params = loop.advance(
            spread(state.ensemble),
            stops,
            self.model,
            self.data,
            self.dataset,
            optimizer=self.trainer.optimizer,
            batch_size=self.trainer.batch_size,
            horizon=self._horizon,
        )
        measured = loop.measure(params, self.model, self.summaries, self.dataset, self.trainer.n or 0)
        params = jax.tree.map(lambda leaf: np.swapaxes(leaf, 0, 1), jax.device_get(params))
        kept_only = jax.tree.map(lambda leaf: np.array(leaf[:, :kept]), (params, *jax.device_get(measured)))
        return State(state.done + kept, ensemble), Checkpoints(steps, *kept_only)

    def finish(self, chunks: list[Checkpoints]) -> Trajectory:
        steps = np.concatenate([chunk.steps for chunk in chunks])
        arrays = [tuple(chunk[1:]) for chunk in chunks]
        whole = Checkpoints(steps, *jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *arrays))
        return Trajectory(**whole._asdict(), dataset=self.dataset, status=self._status(whole))

    def _next(self, done: int) -> np.ndarray:
        """The next checkpoints: as many as a chunk holds, but not too many steps at once."""
        grid = self.grid
        here = grid[done - 1] if done else 0
        reach = np.searchsorted(grid, here + self.total // _PIECES, side="right")
        return grid[done : min(done + self.chunk, max(reach, done + 1))]

    def _status(self, whole: Checkpoints) -> np.ndarray:
        """(seed,) "ok", or the first checkpoint at which a seed's parameters or loss were not finite."""
        values: list[Any] = jax.tree.leaves(whole.params) + ([] if self.data is None else [whole.loss])
        seeds, checkpoints = whole.loss.shape
        finite = np.all([np.isfinite(v).reshape(seeds, checkpoints, -1).all(axis=-1) for v in values], axis=0)
        first = np.argmin(finite, axis=1)
        return np.array(
            [OK if finite[s].all() else f"diverged at step {whole.steps[first[s]]}" for s in range(seeds)]
        )
