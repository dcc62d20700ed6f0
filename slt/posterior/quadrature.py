"""The exact posterior of one or two parameters, by adaptive Gauss-Legendre quadrature.

The domain is cut into cells with 8 nodes along each axis. The cells in which the rule is least certain are
halved until a fixed number of cells is reached, so that every posterior has the same number of draws however
narrow its modes are. A cell's error along an axis is the change from putting 6 nodes there in place of 8, which
exaggerates it: where the density is smooth, log Z is known far better than `info["error"]` says.

Before that, cells are halved around every phase that the model knows, so that no mode there is too narrow to be
found. A mode far from every phase, and much narrower than a 64th of the domain, may be missed unless the
density increases towards it from further away.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.special import logsumexp

from slt.errors import ConfigError
from slt.models.base import Model
from slt.posterior.per_n import Sampler
from slt.posterior.targets import Landscape, Potential
from slt.records.base import OK
from slt.records.posterior import Posterior
from slt.runtime.random_keys import random_key

_RULE, _CHECK = 8, 6  # nodes along an axis of a cell: those that count, and those that check them
_BATCH = 32  # cells evaluated at once; half as many are halved in one round
_POINTS = 64  # points evaluated at once: bounds the memory of losses that are summed over observations
_REACH = 10.0  # the domain reaches this many prior standard deviations from the prior's mean
_MARGIN = 2.0  # ... and this many beyond each phase
_FINEST = {
    1: 1e-6,
    2: 1e-4,
}  # width of the cells at a phase, in widths of the domain, by number of parameters
_NEGLIGIBLE = 1e-8  # share of the mass that may lie at the edge of the domain


@dataclasses.dataclass(frozen=True)
class Quadrature(Sampler):
    """Exact posteriors for models with one or two parameters.

    The draws are the nodes, in no order; a log weight is log density + log quadrature weight - log Z, so that
    weighted sums over draws are integrals. For a smooth function they are as exact as Z; the share of a
    region is exact up to the weight of the cells that its boundary cuts. The key has no influence.

    `info`: "ess" (1 / sum of squared weights: how many nodes hold most of the mass; there is no Monte Carlo error),
    "nodes", "error" (estimate for log Z, nats), "edge" (share of the mass in cells at the domain's edge).
    `status` names a density that is nowhere positive, mass at the edge, or an error above `tolerance`.

    Args:
      cells: number of cells; each holds 8 nodes (one parameter) or 64 (two).
      tolerance: error of log Z, nats, above which the status says "under-resolved".

    Raises ValueError, when called, for a model with more than two parameters, or with so many phases that
    there are too few cells to begin with.
    """

    cells: int = 1024
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        if self.cells < 1 or self.tolerance <= 0:
            raise ValueError(f"cells and tolerance must be positive, not {self.cells} and {self.tolerance}")

    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        domain = _domain(potential.model)
        cells, log_error = _refine(potential, _seeds(domain), self.cells)
        points, log_weights, loss = (np.asarray(value) for value in _final_nodes(potential, *cells))
        log_evidence = logsumexp(log_weights)
        found = bool(np.isfinite(log_evidence))
        log_weights = log_weights - (log_evidence if found else 0.0)
        weights = np.exp(log_weights)
        at_edge = np.any((cells.low <= domain.low) | (cells.high >= domain.high), axis=1)
        error = np.exp(log_error - log_evidence).sum() if found else np.inf
        edge = weights[at_edge].sum()
        info = {
            "ess": 1 / np.sum(weights**2) if found else 0,
            "nodes": loss.size,
            "error": error,
            "edge": edge,
        }
        draws = jax.vmap(jax.vmap(_unravel(potential.model)))(jnp.asarray(points))
        return Posterior(
            draws=jax.tree.map(lambda leaf: np.asarray(leaf).reshape(1, -1, *leaf.shape[2:]), draws),
            log_weights=log_weights.reshape(1, -1),
            loss=loss.reshape(1, -1),
            log_evidence=np.array([log_evidence]),
            info={name: np.array([value], np.float64) for name, value in info.items()},
            status=np.array([self._status(found, error, edge)]),
        )

    def _status(self, found: bool, error: float, edge: float) -> str:
        if not found:
            return "empty: the density is zero, or not finite, at every node"
        if edge > _NEGLIGIBLE:
            return f"cut off: a share {edge:.1e} of the mass lies at the edge of the domain"
        if error > self.tolerance:
            return (
                f"under-resolved: log Z may be wrong by {error:.1e} nats, more than {self.tolerance:.0e}; "
                f"quadrature needs more than {self.cells} cells here"
            )
        return OK


class _Domain(NamedTuple):
    """The box to integrate over, `low` to `high` (axis,), and the `phases` (phase, axis) inside it."""

    low: np.ndarray
    high: np.ndarray
    phases: np.ndarray


class _Cells(NamedTuple):
    """Boxes by their corners, each (cell, axis)."""

    low: np.ndarray
    high: np.ndarray

    def halved(self, which: np.ndarray, axis: np.ndarray) -> _Cells:
        """Cells `which` (k,) give way to their halves along `axis` (k,), which come last: 2 k of them."""
        rows = np.arange(len(which))
        left, right = (_Cells(self.low[which], self.high[which]) for _ in range(2))
        middle = (self.low[which, axis] + self.high[which, axis]) / 2
        left.high[rows, axis] = right.low[rows, axis] = middle
        kept = (np.delete(corner, which, axis=0) for corner in self)
        return _Cells(*(np.concatenate(corners) for corners in zip(kept, left, right, strict=True)))


def _unravel(model: Landscape) -> Callable[[jax.Array], Any]:
    return ravel_pytree(model.sample_prior(random_key(0)))[1]


def _domain(model: Landscape) -> _Domain:
    prior = jax.vmap(model.sample_prior)(jax.random.split(random_key(0), 1024))
    draws = np.asarray(jax.vmap(lambda w: ravel_pytree(w)[0])(prior))
    size = draws.shape[1]
    if size > 2:
        raise ConfigError(
            f"quadrature is for one or two parameters, and this {type(model).__name__} has {size}: "
            "use the data_tempering, smc or nuts sampler"
        )
    phases = model.phases() if isinstance(model, Model) else ()
    points = [np.asarray(ravel_pytree(phase.point)[0]) for phase in phases]
    mean, scale = draws.mean(axis=0), draws.std(axis=0)
    low = np.min([mean - _REACH * scale, *(point - _MARGIN * scale for point in points)], axis=0)
    high = np.max([mean + _REACH * scale, *(point + _MARGIN * scale for point in points)], axis=0)
    return _Domain(low, high, np.reshape(points, (-1, size)))


def _seeds(domain: _Domain) -> _Cells:
    """64 equal cells, halved around every phase until none is wider than its distance to the phase allows."""
    axes = domain.low.size
    sides = np.linspace(domain.low, domain.high, 1 + round(64 ** (1 / axes)), axis=1)
    corners = (np.stack(np.meshgrid(*part, indexing="ij"), -1) for part in (sides[:, :-1], sides[:, 1:]))
    cells = _Cells(*(corner.reshape(-1, axes) for corner in corners))
    for point in domain.phases:
        while True:
            widths = cells.high - cells.low
            near = np.all(np.abs(point - (cells.low + cells.high) / 2) <= widths, axis=1)
            relative = widths / (domain.high - domain.low)
            which = np.flatnonzero(near & (relative.max(axis=1) > _FINEST[axes]))
            if not which.size:
                break
            cells = cells.halved(which, relative[which].argmax(axis=1))
    return cells


def _refine(potential: Potential, cells: _Cells, budget: int) -> tuple[_Cells, np.ndarray]:
    """Halve the cells of largest error, along the axis to blame, until there are `budget`.

    Returns the cells and (cell,) log errors of their shares of Z.
    """
    if len(cells.low) > budget:
        raise ValueError(f"quadrature needs {len(cells.low)} cells to begin with here, and is given {budget}")
    log_error = _log_errors(potential, cells)
    while (missing := budget - len(cells.low)) > 0:
        worst = np.argsort(-log_error.max(axis=1), kind="stable")[: min(missing, _BATCH // 2)]
        cells = cells.halved(worst, log_error[worst].argmax(axis=1))
        fresh = _log_errors(potential, _Cells(*(corner[-2 * len(worst) :] for corner in cells)))
        log_error = np.concatenate([np.delete(log_error, worst, axis=0), fresh])
    return cells, log_error.max(axis=1)


def _log_errors(potential: Potential, cells: _Cells) -> np.ndarray:
    """(cell, axis) log of the error of each cell's share of Z on account of each axis."""
    count, axes = cells.low.shape
    padding = ((0, -count % _BATCH), (0, 0))  # one shape, so that one compiled program serves every round
    low, high = (np.pad(corner, padding, mode="edge").reshape(-1, _BATCH, axes) for corner in cells)
    batches = [_batch_log_errors(potential, *corners) for corners in zip(low, high, strict=True)]
    return np.concatenate(batches)[:count]


@jax.jit
def _batch_log_errors(potential: Potential, low: jax.Array, high: jax.Array) -> jax.Array:
    axes = low.shape[1]
    orders = [
        (_RULE,) * axes,
        *(tuple(_CHECK if j == i else _RULE for j in range(axes)) for i in range(axes)),
    ]
    best, *checks = (_log_masses(potential, *_nodes(low, high, order)) for order in orders)
    return jnp.stack([_log_difference(best, check) for check in checks], axis=1)


@jax.jit
def _final_nodes(potential: Potential, low: jax.Array, high: jax.Array) -> tuple[jax.Array, ...]:
    """Nodes (cell, node, axis), and at each (cell, node) its log share of Z and its loss."""
    points, log_weights = _nodes(low, high, (_RULE,) * low.shape[1])
    loss = _at_points(potential.model, potential.loss, points)
    return points, _log_masses(potential, points, log_weights), loss


def _log_masses(potential: Potential, points: jax.Array, log_weights: jax.Array) -> jax.Array:
    return _at_points(potential.model, potential.log_density, points) + log_weights


def _at_points(model: Landscape, function: Callable[[Any], jax.Array], points: jax.Array) -> jax.Array:
    """`function` of the parameters at each of `points` (cell, node, axis)."""
    unravel = _unravel(model)
    flat = points.reshape(-1, points.shape[-1])
    values = jax.lax.map(lambda x: function(unravel(x)), flat, batch_size=_POINTS)
    return values.reshape(points.shape[:-1])


def _nodes(low: jax.Array, high: jax.Array, orders: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Points (cell, node, axis) and log weights (cell, node); `orders` are the numbers of nodes by axis."""
    rules = [np.polynomial.legendre.leggauss(order) for order in orders]
    unit = np.stack(np.meshgrid(*((1 + x) / 2 for x, _ in rules), indexing="ij"), -1).reshape(-1, len(orders))
    weights = np.stack(np.meshgrid(*(w / 2 for _, w in rules), indexing="ij"), -1).reshape(-1, len(orders))
    width = (high - low)[:, None]
    return low[:, None] + width * unit, jnp.log(width * weights).sum(axis=-1)


def _log_difference(a: jax.Array, b: jax.Array) -> jax.Array:
    """log |sum exp(a) - sum exp(b)|, sums over the last axis."""
    top = jnp.maximum(a.max(axis=-1), b.max(axis=-1))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    first, second = (jnp.sum(jnp.exp(x - top[:, None]), axis=-1) for x in (a, b))
    return top + jnp.log(jnp.abs(first - second))
