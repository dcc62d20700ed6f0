"""The exact posterior of one or two parameters, by adaptive Gauss-Legendre quadrature.

The domain is cut into cells with 8 nodes along each axis. The cells in which the rule is least certain are halved
until a fixed number of cells is reached, so that every posterior has the same number of draws however narrow its
modes are. A cell's error along an axis is the change from putting 6 nodes there in place of 8, which exaggerates
it: for a smooth density, log Z is known better than `info["error"]` says.

Before that, cells are halved around every phase that the model knows, down to a millionth of the domain, so that
no mode there is too narrow to be found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.special import logsumexp

from slt.models.base import Model
from slt.posterior.base import Sampler
from slt.potential import Potential
from slt.records import OK, Posterior

_RULE, _CHECK = 8, 6  # nodes along an axis of a cell: those that count, and those that check them
_BATCH = 32  # cells evaluated at once; half as many are split in one round
_POINTS = 64  # points evaluated at once: bounds the memory of losses that are summed over observations
_REACH = 10.0  # the domain reaches this many prior standard deviations from the prior's mean
_MARGIN = 2.0  # ... and this many beyond each phase
_FINEST = 1e-6  # cells around a phase shrink to this fraction of the domain
_NEGLIGIBLE = 1e-8  # share of the mass that may lie at the edge of the domain


@dataclasses.dataclass(frozen=True)
class Quadrature(Sampler):
    """Exact posteriors for models with at most two parameters.

    The draws are the nodes, and log weights hold density x quadrature weight, so that weighted averages over draws
    are integrals. For a smooth function they are as exact as log Z; the share of a region is exact up to the
    weight of the nodes in cells that its boundary cuts. The result does not depend on the key.

    `info`: "ess" (1 / sum of squared weights: how many nodes carry the mass; a grid has no Monte Carlo error),
    "nodes", "error" (bound on the error of log Z, nats), "edge" (share of the mass in cells at the domain's edge).
    `status` names an error above `tolerance`, mass at the edge, or a density that is nowhere positive.

    Args:
      cells: number of cells; each holds 8 nodes (one parameter) or 64 (two).
      tolerance: error of log Z, nats, above which the status says "under-resolved".

    Raises ValueError where the model has more than two parameters.
    """

    cells: int = 1024
    tolerance: float = 1e-8

    def __post_init__(self) -> None:
        if self.cells < 256:
            raise ValueError(f"quadrature needs at least 256 cells to start from, not {self.cells}")
        if self.tolerance <= 0:
            raise ValueError(f"tolerance must be positive, not {self.tolerance}")

    def __call__(self, potential: Potential, key: jax.Array) -> Posterior:
        low, high, phases, unravel = _domain(potential.model)
        cells = _refine(potential, _seed_cells(low, high, phases), self.cells)
        nodes = _nodes(cells, (_RULE,) * low.size).reshape(-1, low.size)
        log_density, loss = (np.asarray(v) for v in _evaluate(potential, nodes))
        log_mass = log_density + np.tile(_log_weights((_RULE,) * low.size), len(cells.low))
        log_mass += np.repeat(np.log(cells.high - cells.low).sum(axis=1), _RULE**low.size)
        log_evidence = logsumexp(log_mass)
        found = np.isfinite(log_evidence)
        log_weights = log_mass - log_evidence if found else np.full_like(log_mass, -np.log(log_mass.size))
        weights = np.exp(log_weights)
        at_edge = np.any((cells.low <= low) | (cells.high >= high), axis=1)
        edge = weights.reshape(len(cells.low), -1)[at_edge].sum()
        error = np.exp(cells.log_error.max(axis=1) - log_evidence).sum() if found else np.inf
        info = {"ess": 1 / np.sum(weights**2), "nodes": len(nodes), "error": error, "edge": edge}
        return Posterior(
            draws=jax.tree.map(lambda x: np.asarray(x)[None], jax.vmap(unravel)(nodes)),
            log_weights=log_weights[None],
            loss=loss[None],
            log_evidence=np.array([log_evidence]),
            info={name: np.array([value], float) for name, value in info.items()},
            status=np.array([self._status(found, error, edge)]),
        )

    def _status(self, found: bool, error: float, edge: float) -> str:
        if not found:
            return "empty: the posterior density is zero or not finite at every node"
        if edge > _NEGLIGIBLE:
            return f"cut off: a share {edge:.1e} of the mass lies at the edge of the domain"
        if error > self.tolerance:
            return (
                f"under-resolved: the error of log Z may be {error:.1e} nats, over {self.tolerance:.0e}; "
                f"give quadrature more than {self.cells} cells"
            )
        return OK


@dataclasses.dataclass
class _Cells:
    """Boxes, and how well the rule does in each.

    Attributes:
      low, high: (cell, axis) corners.
      log_error: (cell, axis) log of the error of the cell's evidence on account of each axis.
    """

    low: np.ndarray
    high: np.ndarray
    log_error: np.ndarray


def _domain(model: Model) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[jax.Array], Any]]:
    """Corners (axis,) and (axis,) of the box to integrate over, phase points (phase, axis), and the way back."""
    draws = jax.vmap(model.sample_prior)(jax.random.split(jax.random.key(0), 1024))
    template, unravel = ravel_pytree(jax.tree.map(lambda x: x[0], draws))
    if template.size > 2:
        raise ValueError(
            f"quadrature is for one or two parameters, and {type(model).__name__} has {template.size}: use the "
            "ladder or smc sampler, or nuts"
        )
    flat = np.asarray(jax.vmap(lambda w: ravel_pytree(w)[0])(draws))
    phases = np.array([np.asarray(ravel_pytree(phase.point)[0]) for phase in model.phases()])
    phases = phases.reshape(-1, template.size)
    mean, scale = flat.mean(axis=0), flat.std(axis=0)
    low = np.min([mean - _REACH * scale, *(phases - _MARGIN * scale)], axis=0)
    high = np.max([mean + _REACH * scale, *(phases + _MARGIN * scale)], axis=0)
    return low, high, phases, unravel


def _seed_cells(low: np.ndarray, high: np.ndarray, phases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (cell, axis) of about 64 equal cells, then halved again and again around every phase."""
    sides = [np.linspace(a, b, 1 + round(64 ** (1 / low.size))) for a, b in zip(low, high, strict=True)]
    lows = np.stack(np.meshgrid(*(side[:-1] for side in sides), indexing="ij"), -1).reshape(-1, low.size)
    highs = np.stack(np.meshgrid(*(side[1:] for side in sides), indexing="ij"), -1).reshape(-1, low.size)
    for point in phases:
        while True:
            inside = np.flatnonzero(np.all((lows <= point) & (point < highs), axis=1))
            widths = ((highs - lows) / (high - low))[inside]
            if widths.max() < _FINEST:
                break
            lows, highs = _halve(lows, highs, inside, widths.argmax(axis=1))
    return lows, highs


def _halve(
    low: np.ndarray, high: np.ndarray, which: np.ndarray, axis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells with those at `which` halved along `axis`; the halves come last, left ones before right ones."""
    rows = np.arange(len(which))
    left_high, right_low = high[which].copy(), low[which].copy()
    middle = (low[which, axis] + high[which, axis]) / 2
    left_high[rows, axis] = right_low[rows, axis] = middle
    kept_low, kept_high = np.delete(low, which, axis=0), np.delete(high, which, axis=0)
    return (
        np.concatenate([kept_low, low[which], right_low]),
        np.concatenate([kept_high, left_high, high[which]]),
    )


def _refine(potential: Potential, seeds: tuple[np.ndarray, np.ndarray], budget: int) -> _Cells:
    """Halve the cells of largest error, each along its worst axis, until there are `budget` of them."""
    low, high = seeds
    if len(low) > budget:
        raise ValueError(f"quadrature needs more than {len(low)} cells to start from; {budget} are given")
    log_error = _log_errors(potential, low, high)
    while (missing := budget - len(low)) > 0:
        size = min(missing, _BATCH // 2)
        worst = np.argsort(-log_error.max(axis=1), kind="stable")[:size]
        low, high = _halve(low, high, worst, log_error[worst].argmax(axis=1))
        log_error = np.concatenate(
            [np.delete(log_error, worst, axis=0), _log_errors(potential, low, high, 2 * size)]
        )
    return _Cells(low, high, log_error)


def _log_errors(
    potential: Potential, low: np.ndarray, high: np.ndarray, last: int | None = None
) -> np.ndarray:
    """(cell, axis) log errors of the last `last` cells (default: all of them)."""
    low, high = (x[-(last or len(x)) :] for x in (low, high))
    padding = ((0, -len(low) % _BATCH), (0, 0))  # one shape, so that one compilation serves every round
    batches = [np.pad(x, padding, mode="edge").reshape(-1, _BATCH, x.shape[1]) for x in (low, high)]
    errors = [np.asarray(_log_error_batch(potential, *batch)) for batch in zip(*batches, strict=True)]
    return np.concatenate(errors)[: len(low)]
