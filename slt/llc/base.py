"""One question, many estimators: which learning coefficient, at which points, and what was found.

An estimator is a frozen dataclass of plain options, called as `estimator(question, key) -> LLCEstimate`.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from slt.errors import ConfigError
from slt.models.base import Data, Model, Params
from slt.posterior.targets import Neighborhood, Potential, potential
from slt.records.base import Array
from slt.records.llc import LLCEstimate
from slt.runtime.jax_setup import owned, require_float64
from slt.runtime.random_keys import random_key


@dataclasses.dataclass(frozen=True)
class LLCProblem:
    """Learning coefficients of `model` at `points`.

    Attributes:
      model: the model.
      points: parameters, every leaf with the leading axis (point,).
      data: observations with leading axis N, or None for the population loss.
      weights: (N,) how much each observation counts, for a subset or a reweighting of the data; None: once each.
      free: flat indices of the entries that may move, for a coefficient restricted to some weights; None: all.
        `select_params` makes them from parameter paths.

    Arrays are copied, and floating ones kept in float64.

    Raises ConfigError where these do not fit together, and where float64 is switched off.
    """

    model: Model
    points: Params
    data: Data | None = None
    weights: Any = None
    free: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        require_float64()
        points = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), owned(self.points))
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "data", owned(self.data))
        wanted = jax.eval_shape(self.model.sample_prior, random_key(0))
        _check_points(points, wanted)
        if self.data is None and not self.model.has_population_loss:
            raise ConfigError(f"{type(self.model).__name__} has no population loss: give data")
        if self.data is None and self.weights is not None:
            raise ConfigError("weights count observations, and there is no data")
        size = sum(leaf.size for leaf in jax.tree.leaves(wanted))
        if self.free is not None and (not self.free or not all(0 <= i < size for i in self.free)):
            raise ConfigError(f"free must name at least one of the {size} entries, by index from 0")
        if self.data is not None:
            rows = jax.tree.leaves(self.data)[0].shape[0]
            weights = np.ones(rows) if self.weights is None else np.array(self.weights, float)
            if weights.shape != (rows,) or not np.all(weights >= 0) or not np.isfinite(weights.sum()):
                raise ConfigError(f"weights must be {rows} finite numbers >= 0, one for each observation")
            if weights.sum() <= 0:
                raise ConfigError("the observations' weights are all zero")
            object.__setattr__(self, "weights", weights)

    @property
    def count(self) -> int:
        """How many points are asked about."""
        return jax.tree.leaves(self.points)[0].shape[0]

    @property
    def dimension(self) -> int:
        """How many entries may move."""
        if self.free is not None:
            return len(self.free)
        return sum(leaf[0].size for leaf in jax.tree.leaves(self.points))

    @property
    def observations(self) -> float | None:
        """n: the observations' total weight; None for the population loss."""
        return None if self.data is None else float(np.sum(self.weights))

    def losses(self) -> jax.Array:
        """(point,) exact loss at each point, nats per observation."""
        return self._losses

    @functools.cached_property
    def _losses(self) -> jax.Array:
        return _losses(self._full, self.points)

    def full(self, t: Any) -> Potential:
        """The model's potential at inverse temperature t in observations (n beta = t)."""
        return dataclasses.replace(self._full, beta=np.asarray(t, float) / np.asarray(self._full.n))

    @functools.cached_property
    def _full(self) -> Potential:
        if self.data is None:
            return potential(self.model, None, 1.0)
        return potential(self.model, self.data, self.weights)

    def around(self, gamma: Any) -> Potential:
        """The potential at t = 1 of each point's neighborhood; every leaf has the leading axis (point,), the
        summary of the data has not.

        Args:
          gamma: (point,) localization, or None for the model's own prior.
        """
        full = self.full(1.0)
        counts = [np.broadcast_to(one, self.count) for one in (full.n, full.beta)]
        above = np.asarray(self.losses()) * (1.0 if self.data is None else counts[0])
        reference, n, beta = jax.device_put([above, *counts])  # in numpy until here: nothing to compile
        model = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.count, *jnp.shape(leaf))), self.model)
        return Potential(Neighborhood(model, self.points, reference, gamma, self.free), full.summary, n, beta)


class Estimator(abc.ABC):
    """Anything that estimates learning coefficients. Subclasses are frozen dataclasses of plain options."""

    @abc.abstractmethod
    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        """Answer `question`."""

    @property
    def max_points(self) -> int | None:
        """How many points of a long list it should be asked about at a time; None: all."""
        return None

    def settled(self, question: LLCProblem, key: jax.Array) -> Estimator:
        """The same estimator with whatever several questions should share chosen on this one."""
        return self


def select(estimate: LLCEstimate, point: int) -> LLCEstimate:
    """The estimate of one point, which stays an axis."""
    parts = {field.name: getattr(estimate, field.name) for field in dataclasses.fields(estimate)}
    return LLCEstimate(**jax.tree.map(lambda array: array[point : point + 1], parts))


def join(estimates: list[LLCEstimate]) -> LLCEstimate:
    """Estimates of several questions as one; levels are padded with NaN."""
    levels = max(estimate.t.shape[1] for estimate in estimates)

    def padded(array: Array) -> Array:
        room = [(0, 0)] * (array.ndim - 1) + [(0, levels - array.shape[-1])]
        return np.pad(array, room, constant_values=np.nan)

    widened = [
        dataclasses.asdict(
            dataclasses.replace(one, t=padded(one.t), curve={k: padded(v) for k, v in one.curve.items()})
        )
        for one in estimates
    ]
    return LLCEstimate(**jax.tree.map(lambda *arrays: np.concatenate(arrays), *widened))


def select_params(params: Params, names: tuple[str, ...]) -> tuple[int, ...]:
    """Flat indices of the entries of `params` (one point) under the named paths, e.g. ("W",) or ("layer_0.head_1",).

    A name is a whole parameter or a folder of them. Raises ConfigError naming a path that is not there.
    """
    leaves = jax.tree_util.tree_flatten_with_path(params)[0]
    paths = ["/".join(str(getattr(part, "key", getattr(part, "idx", part))) for part in p) for p, _ in leaves]
    for name in names:
        if not any(_under(path, name) for path in paths):
            raise ConfigError(f"no parameter is called {name!r}; there are: {', '.join(paths)}")
    chosen: list[int] = []
    start = 0
    for path, (_, leaf) in zip(paths, leaves, strict=True):
        size = int(np.size(leaf))
        if any(_under(path, name) for name in names):
            chosen += range(start, start + size)
        start += size
    return tuple(chosen)


def _under(path: str, name: str) -> bool:
    return path == name or path.startswith((f"{name}/", f"{name}."))


@jax.jit
def _losses(full: Potential, points: Params) -> jax.Array:
    return jax.vmap(full.loss)(points)


@functools.partial(jax.jit, static_argnames=("free",))
def newton_decrement(full: Potential, points: Params, free: tuple[int, ...] | None = None) -> jax.Array:
    """(point,) how many nats per observation a Newton step along the gradient would lower the loss: the point is
    critical where this is nothing beside 1 / t."""

    def one(point: Params) -> jax.Array:
        flat, unflatten = ravel_pytree(point)
        chosen = jnp.arange(flat.size) if free is None else jnp.array(free)
        loss = lambda v: full.loss(unflatten(flat.at[chosen].add(v)))  # noqa: E731
        origin = jnp.zeros(chosen.size)
        gradient, curvature = jax.linearize(jax.grad(loss), origin)
        squared = jnp.sum(gradient**2)
        bend = jnp.abs(gradient @ curvature(gradient))
        floor = 1e-9 * squared  # where the loss is all but flat along its gradient
        return jnp.where(squared > 0, squared**2 / (2 * jnp.where(squared > 0, bend + floor, 1.0)), 0.0)

    return jax.vmap(one)(points)


def _check_points(points: Params, wanted: Params) -> None:
    if str(jax.tree.structure(points)) != str(jax.tree.structure(wanted)):
        raise ConfigError(f"points must have the model's parameters: {_shapes(wanted)}")
    for got, want in zip(jax.tree.leaves(points), jax.tree.leaves(wanted), strict=True):
        if got.ndim != len(want.shape) + 1 or got.shape[1:] != want.shape:
            raise ConfigError(
                f"points must be (point, ...) for each of {_shapes(wanted)}; one is of shape {got.shape}"
            )
    counts = {leaf.shape[0] for leaf in jax.tree.leaves(points)}
    if len(counts) != 1 or 0 in counts:
        raise ConfigError("points must hold at least one point, and equally many in every parameter")


def _shapes(wanted: Params) -> str:
    return ", ".join(
        f"{jax.tree_util.keystr(path)} {leaf.shape}"
        for path, leaf in jax.tree_util.tree_flatten_with_path(wanted)[0]
    )
