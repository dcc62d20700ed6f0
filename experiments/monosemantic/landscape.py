"""Beside what SGD finds: barriers between its ends, and what the posterior holds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from slt.models.monosemantic import Monosemantic
from slt.phases.classification import at_points, label_draws
from slt.posterior.data_tempering import DataTempering
from slt.runtime.long_computation import drive
from slt.transitions.barrier import lowest_paths

POLISH, RATE = 4000, 3e-3


def barriers(model: Monosemantic, ends: list[dict[str, Any]], pairs: int) -> dict[str, Any]:
    """Heights of the lowest paths known between the most and the least monosemantic ends of training.

    Ends are brought down to their minimum first, without noise; of a pair, the second is the nearest of its copies.
    Heights are above the higher end, in units of the least loss.
    """
    share = np.concatenate([one["share"] for one in ends])
    params = {name: np.concatenate([one["params"][name] for one in ends]) for name in ("W", "b", "V")}
    order = np.argsort(share, kind="stable")
    chosen = [np.resize(side, 2 * pairs) for side in (order, order[::-1])]
    poly, mono = (jax.tree.map(np.asarray, _polish(model, _take(params, rows))) for rows in chosen)
    kinds = {
        "polysemantic - monosemantic": (_take(poly, slice(pairs)), _take(mono, slice(pairs))),
        "polysemantic - polysemantic": (_take(poly, slice(pairs)), _take(poly, slice(pairs, None))),
        "monosemantic - monosemantic": (_take(mono, slice(pairs)), _take(mono, slice(pairs, None))),
    }
    least = min(phase.loss for phase in model.phases())
    return {kind: _heights(model, *pair, least) for kind, pair in kinds.items()} | {
        "share of polysemantic ends": _shares(model, poly),
        "share of monosemantic ends": _shares(model, mono),
    }


def _shares(model: Monosemantic, points: Any) -> list[float]:
    """Of each point, the monosemantic share of its live neurons."""
    seen = jax.vmap(model.observables)(points)
    return np.asarray(seen["monosemantic"] / np.maximum(model.neurons - seen["dead"], 1)).tolist()


def _heights(model: Monosemantic, sources: Any, targets: Any, least: float) -> dict[str, float]:
    """Along the best path found, and along the straight line, for the aligned copies; medians and ranges."""
    count = len(sources["b"])
    aligned = [model.nearest_copy(_take(targets, i), _take(sources, i)) for i in range(count)]
    targets = jax.tree.map(lambda *leaves: np.stack(leaves), *aligned)
    found = jax.tree.map(np.asarray, lowest_paths(model, sources, targets))
    ends = np.maximum(found.source, found.target)
    height, straight = (
        (found.top - ends) / least,
        (np.asarray(_straight(model, sources, targets)) - ends) / least,
    )
    return {
        "pairs": count,
        "median": float(np.median(height)),
        "low": float(height.min()),
        "high": float(height.max()),
        "straight_median": float(np.median(straight)),
        "highest_end": float(ends.max() / least),
    }


@jax.jit
def _straight(model: Monosemantic, sources: Any, targets: Any) -> jax.Array:
    """(pair,) highest loss on the straight line."""

    def at(t: jax.Array) -> jax.Array:
        between = jax.tree.map(lambda a, b: (1 - t) * a + t * b, sources, targets)
        return jax.vmap(model.population_loss)(between)

    return jnp.max(jax.lax.map(at, jnp.linspace(0, 1, 201)), axis=0)


@jax.jit
def _polish(model: Monosemantic, points: Any) -> Any:
    """Points brought down the population loss by Adam, whose rate falls to zero."""
    descent = optax.adam(optax.cosine_decay_schedule(RATE, POLISH))
    slope = jax.vmap(jax.grad(model.population_loss))

    def step(carry: Any, _: None) -> tuple[Any, None]:
        points, state = carry
        change, state = descent.update(slope(points), state)
        return (optax.apply_updates(points, change), state), None

    return jax.lax.scan(step, (points, descent.init(points)), None, length=POLISH)[0][0]


def _take(params: Any, rows: Any) -> Any:
    return {name: leaf[rows] for name, leaf in params.items()}


def posterior(
    model: Monosemantic, sample_sizes: tuple[int, ...], particles: int, repeats: int
) -> dict[str, Any]:
    """Shares of the posterior by SMC, with standard errors over repeats: independent populations from the prior."""
    sampler = DataTempering(particles=particles, repeats=repeats)
    ladder = drive(sampler.stage(model, None, sample_sizes), jax.random.key(1))
    label = label_draws(model, ladder)[0]
    seen, _ = at_points(lambda model, w: model.observables(w), model, ladder.draws, axes=4)
    live = model.neurons - seen["dead"][0]
    measured = {
        "share": seen["monosemantic"][0] / np.maximum(live, 1),
        "live": live,
        "excess": (ladder.loss[0] - min(phase.loss for phase in model.phases()))
        * np.array(sample_sizes)[:, None, None],
        **{name: label == i for i, name in enumerate(("polysemantic", "mixed", "monosemantic", "other"))},
    }
    found: dict[str, Any] = {
        "sample_sizes": list(sample_sizes),
        "status": sorted(set(map(str, ladder.status.ravel()))),
    }
    for name, values in measured.items():
        by_repeat = np.mean(values, axis=2)
        found[name] = by_repeat.mean(axis=1).tolist()
        found[f"{name}_error"] = (by_repeat.std(axis=1, ddof=1) / np.sqrt(repeats)).tolist()
    return found
