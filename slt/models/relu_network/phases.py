"""The phases of a ReLU network: its best fits with fewer kinks than the truth, and the truth, either way round."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from slt.models.base import Params, Phase
from slt.models.common.gaussian import log_normal_peak
from slt.models.relu_network.fits import Fit, Target, best_fit

if TYPE_CHECKING:
    from slt.models.relu_network import ReluNetwork


@functools.cache
def phases(model: ReluNetwork) -> tuple[Phase, ...]:
    """By falling loss; last the truth turned round, where it can be."""
    x, rows, f = model.truth.x, model.truth.nodes, model.truth.f
    m = len(rows)
    fits = [best_fit(Target.of(x, f), k) for k in range(m)]
    whole = Fit(np.ones(m), rows[:, :3] * rows[:, 3:], np.zeros(3), 0.0, 0.0)
    facing = {f"{k}": min(_turnings(fit), key=_cost) for k, fit in enumerate(fits)} | {f"{m}": whole}
    if m > 1 and np.abs(rows[:, 3] @ rows[:, :2]).max() < 1e-12:
        facing[f"{m} reversed"] = _turned(whole, (True,) * m)
    return tuple(_phase(model, name, fit) for name, fit in facing.items())


def _phase(model: ReluNetwork, name: str, fit: Fit) -> Phase:
    point = _point(model, fit)
    kinks, rank = len(fit.signs), _rank_at_minimum(model, point, len(fit.signs))
    if rank is not None:
        source = f"a minimum: half the rank of the Hessian, {rank}; other directions change nothing"
    elif kinks == len(model.strengths):
        source = "the truth with nodes to spare: no learning coefficient is known"
    else:
        source = "a saddle: the best fit with fewer kinks, and dead nodes that could improve it"
    cost = sum(float(np.sum(leaf**2)) for leaf in point.values()) / 2
    return Phase(
        name=name,
        point=point,
        loss=fit.loss / model.noise**2,
        llc=None if rank is None else rank / 2,
        multiplicity=None if rank is None else 1,
        log_prior=log_normal_peak(4 * model.hidden + 1, model.prior_scale) - cost / model.prior_scale**2,
        critical=fit.slope < 1e-10,
        source=source,
        family=f"{kinks}",
    )


def _rank_at_minimum(model: ReluNetwork, point: Params, kinks: int) -> int | None:
    """Rank of the Hessian where the point lies on a manifold of minima and no other direction is flat, else None.

    The manifold has a direction for each node's scale, and one for the bias of a node that is active everywhere,
    which c undoes. At a dead node the loss has no Hessian.
    """
    if not np.all(point["q"]):
        return None
    flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, point))
    values = np.linalg.eigvalsh(jax.hessian(lambda v: model.population_loss(unravel(v)))(flat))
    known = model.hidden + (model.hidden - kinks)
    rank = int(np.sum(values > 1e-9 * values[-1]))
    return rank if rank == flat.size - known and values[0] > -1e-9 * values[-1] else None


def _point(model: ReluNetwork, fit: Fit) -> Params:
    """Nodes of equal inner and outer norm, which has the highest prior density; the linear part is a node that is
    active everywhere; the rest is dead."""
    slope, level = fit.linear[:2], fit.linear[2]
    planes, signs = fit.planes, fit.signs
    if np.abs(slope).max() > 1e-9:
        reach = float(np.hypot(*slope))  # active on all of the disc
        planes, signs = np.vstack([planes, [*slope, reach]]), np.append(signs, 1.0)
        level -= reach
    outer = np.sqrt(np.linalg.norm(planes, axis=1))
    spare = model.hidden - len(signs)
    inner = np.pad(planes / np.maximum(outer, 1e-300)[:, None], ((0, spare), (0, 0)))
    return {
        "w": inner[:, :2],
        "b": inner[:, 2],
        "q": np.pad(signs * outer, (0, spare)),
        "c": np.asarray(level, float),
    }


def _turned(fit: Fit, which: tuple[bool, ...]) -> Fit:
    """The same function with some of its nodes facing the other way: s max(0, z) = s z + s max(0, -z)."""
    turn = np.asarray(which, bool)
    linear = fit.linear + (fit.signs * turn) @ fit.planes
    return fit._replace(planes=np.where(turn[:, None], -fit.planes, fit.planes), linear=linear)


def _turnings(fit: Fit) -> list[Fit]:
    return [_turned(fit, which) for which in itertools.product((False, True), repeat=len(fit.signs))]


def _cost(fit: Fit) -> float:
    """Prior cost of a fit's linear part, which depends on the way in which its nodes face."""
    reach = float(np.hypot(*fit.linear[:2]))
    return math.sqrt(2) * reach + (fit.linear[2] - reach) ** 2 / 2
