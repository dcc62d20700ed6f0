"""Which learning coefficients are asked for: a model, points, observations, and the entries that may move."""

from __future__ import annotations

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
      selected: flat indices of the entries that may move, for a refined coefficient (rLLC: of some weights alone);
        None: all. `select_params` makes them from parameter paths.

    Arrays are copied, and floating ones kept in float64.

    Raises ConfigError where these do not fit together, and where float64 is switched off.
    """

    model: Model
    points: Params
    data: Data | None = None
    weights: Any = None
    selected: tuple[int, ...] | None = None

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
        if self.selected is not None and (not self.selected or not all(0 <= i < size for i in self.selected)):
            raise ConfigError(f"selected must name at least one of the {size} entries, by index from 0")
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
        if self.selected is not None:
            return len(self.selected)
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

    def full(self, nbeta: Any) -> Potential:
        """The model's potential at inverse temperature n beta."""
        return dataclasses.replace(self._full, beta=np.asarray(nbeta, float) / np.asarray(self._full.n))

    @functools.cached_property
    def _full(self) -> Potential:
        if self.data is None:
            return potential(self.model, None, 1.0)
        return potential(self.model, self.data, self.weights)

    def around(self, gamma: Any) -> Potential:
        """The potential at n beta = 1 of each point's neighborhood; every leaf has the leading axis (point,), the
        summary of the data has not.

        Args:
          gamma: (point,) localization, or None for the model's own prior.
        """
        full = self.full(1.0)
        counts = [np.broadcast_to(one, self.count) for one in (full.n, full.beta)]
        above = np.asarray(self.losses()) * (1.0 if self.data is None else counts[0])
        reference, n, beta = jax.device_put([above, *counts])  # in numpy until here: nothing to compile
        model = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (self.count, *jnp.shape(leaf))), self.model)
        return Potential(
            Neighborhood(model, self.points, reference, gamma, self.selected), full.summary, n, beta
        )


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


def decrement(squared_gradient: jax.Array, curvature: jax.Array) -> jax.Array:
    """How far a Newton step along the gradient lowers the loss, `curvature` being u H u of the unit vector u along
    it; 1e-9 keeps it finite where the loss is all but flat that way."""
    return squared_gradient / (2 * (jnp.abs(curvature) + 1e-9))


@functools.partial(jax.jit, static_argnames=("selected",))
def newton_decrement(full: Potential, points: Params, selected: tuple[int, ...] | None = None) -> jax.Array:
    """(point,) how many nats per observation a Newton step along the gradient would lower the loss: the point is
    critical where this is nothing beside 1 / (n beta)."""

    def one(point: Params) -> jax.Array:
        flat, unflatten = ravel_pytree(point)
        chosen = jnp.arange(flat.size) if selected is None else jnp.array(selected)
        loss = lambda v: full.loss(unflatten(flat.at[chosen].add(v)))  # noqa: E731
        gradient, curvature = jax.linearize(jax.grad(loss), jnp.zeros(chosen.size))
        squared = jnp.sum(gradient**2)
        unit = gradient / jnp.sqrt(jnp.where(squared > 0, squared, 1.0))
        return decrement(squared, unit @ curvature(unit))

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
