"""The data of the page's script: training thinned to a few seeds and checkpoints, the posterior to a few draws.

Everything here is plain data for one JSON block. Steps of SGD and observations of the posterior stay on axes of
their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from slt.records.base import OK, Array
from slt.records.phases import PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory
from slt.report.figures_weights import choose_draws, corners, is_planar
from slt.report.inputs import ReportInputs
from slt.report.style import Palette
from slt.report.summaries import error_text, estimate, evenly, posterior_loss, sgd_loss, sgd_shares, units

MOST_SEEDS, MOST_CHECKPOINTS, MOST_SAMPLE_SIZES = 16, 200, 60
MOST_NUMBERS = 150_000  # of parameters: about a megabyte
POLYGONS, POINTS = 12, 100  # draws shown at a sample size
DIGITS = 4


def explorer(inputs: ReportInputs, palette: Palette) -> dict[str, Any]:
    """Plain data; "sgd" and "posterior" are null where they are not in the inputs."""
    facts = {fact.name: fact.loss for fact in inputs.comparison.phases}
    sgd, posterior = _sgd(inputs), _posterior(inputs)
    return {
        "phases": [
            {
                "name": name,
                "color": palette[name],
                "dark": palette.on_dark(name),
                "loss": _plain(facts.get(name, math.nan)),
            }
            for name in inputs.names
        ],
        "sgd": sgd,
        "posterior": posterior,
    }


def drawing(params: dict[str, Array], leading: int) -> str | None:
    """How parameters can be drawn, after `leading` axes of seeds or draws: "polygon", "points", or not (None)."""
    if is_planar(params, leading):
        return "polygon"
    return "points" if 1 <= sum(_sizes(params, leading).values()) <= 2 else None


def _sizes(params: dict[str, Array], leading: int) -> dict[str, int]:
    return {name: math.prod(values.shape[leading:]) for name, values in params.items()}


# -- SGD, in steps -------------------------------------------------------------------------------------------------
def _sgd(inputs: ReportInputs) -> dict[str, Any] | None:
    trajectory, path = inputs.trajectory, inputs.path
    if trajectory is None or path is None:
        return None
    loss, what = sgd_loss(trajectory)
    kind = drawing(trajectory.params, 2)
    width = sum(_sizes(trajectory.params, 2).values()) if kind else 0
    kept = evenly(len(trajectory.steps), MOST_CHECKPOINTS)
    seeds = chosen_seeds(trajectory, path, min(MOST_SEEDS, max(1, MOST_NUMBERS // max(1, width * len(kept)))))
    return {
        "steps": trajectory.steps[kept].tolist(),
        "shares": _plain(sgd_shares(trajectory, path, len(inputs.names))[kept].T),
        "seed_count": int(np.sum(trajectory.status == OK)),
        "loss_name": what,
        "drawing": kind,
        "axes": _axes(trajectory.params, 2) if kind == "points" else [],
        "seeds": [
            {
                "seed": seed,
                "status": str(trajectory.status[seed]),
                "phase": path.label[seed, kept].tolist(),
                "loss": _plain(loss[seed, kept]),
                "params": _plain(_path_of(trajectory.params, seed, kept, kind)) if kind else None,
            }
            for seed in seeds
        ],
    }


def chosen_seeds(trajectory: Trajectory, path: PhasePath, most: int) -> list[int]:
    """At most `most` seeds. First, of those that end as most do, the one that saw most phases; then one for each
    phase that a seed ends in, then evenly through the rest; seeds that failed only where there are no others.
    """
    sound = np.flatnonzero(trajectory.status == OK)
    sound = sound if sound.size else np.arange(len(trajectory.status))
    ends = path.label[sound, -1]
    _, endings = np.unique(ends, return_index=True)
    eventful = max(
        sound[ends == np.bincount(ends).argmax()], key=lambda seed: len(np.unique(path.label[seed]))
    )
    rest = sound[evenly(len(sound), most)]
    order = dict.fromkeys(int(seed) for seed in [eventful, *sound[endings], *rest])
    return [next(iter(order)), *sorted(list(order)[1:most])]


def _path_of(params: dict[str, Array], seed: int, kept: Array, kind: str) -> Array:
    """(checkpoint, number): x, y and bias of each column of W in turn, or a point's coordinates."""
    if kind == "polygon":
        weights, bias = params["W"][seed, kept], params["b"][seed, kept]
        return np.stack([weights[:, 0], weights[:, 1], bias], axis=-1).reshape(len(kept), -1)
    return _flat({name: values[seed, kept] for name, values in params.items()}, 1)


# -- the posterior, in observations --------------------------------------------------------------------------------
def _posterior(inputs: ReportInputs) -> dict[str, Any] | None:
    ladder, occupancy = inputs.ladder, inputs.occupancy
    if occupancy is None:
        return None
    if ladder is not None and not np.array_equal(ladder.sample_sizes, occupancy.sample_sizes):
        ladder = None
    kept = evenly(len(occupancy.sample_sizes), MOST_SAMPLE_SIZES)
    share, error = estimate(units(occupancy.share[:, kept]))
    kind = drawing(ladder.draws, 4) if ladder is not None else None
    loss = estimate(units(posterior_loss(ladder)[:, kept])) if ladder is not None else None
    return {
        "sample_sizes": occupancy.sample_sizes[kept].tolist(),
        "shares": _plain(share.T),
        "errors": _plain(error.T),
        "error_text": error_text(occupancy),
        "loss": None if loss is None else _plain(loss.mean),
        "loss_error": None if loss is None else _plain(loss.error),
        "drawing": kind,
        "axes": _axes(ladder.draws, 4) if ladder is not None and kind == "points" else [],
        "draws": [_draws(ladder, n_index, inputs.draw_labels, kind) for n_index in kept]
        if ladder is not None and kind
        else None,
    }


def _draws(ladder: Ladder, n_index: int, labels: Array | None, kind: str) -> list[dict[str, Any]]:
    """Some draws of a sample size, by weight: phase (null where unlabeled) and corners, or a point."""
    chosen = choose_draws(ladder.log_weights[:, n_index], POLYGONS if kind == "polygon" else POINTS)
    own = {
        name: values[:, n_index].reshape(-1, *values.shape[4:])[chosen]
        for name, values in ladder.draws.items()
    }
    phases = [None] * len(chosen) if labels is None else labels[:, n_index].reshape(-1)[chosen].tolist()
    shapes = [corners(draw).ravel() for draw in own["W"]] if kind == "polygon" else list(_flat(own, 1))
    return [{"phase": p, "at": _plain(shape)} for p, shape in zip(phases, shapes, strict=True)]


# -- plain values --------------------------------------------------------------------------------------------------
def _flat(params: dict[str, Array], leading: int) -> Array:
    """(..., number): all parameters side by side."""
    parts = [values.reshape(*values.shape[:leading], -1) for values in params.values()]
    return np.concatenate(parts, axis=-1)


def _axes(params: dict[str, Array], leading: int) -> list[str]:
    """A name for each number: the parameter's, with an index where it has several."""
    sizes = _sizes(params, leading)
    return [f"{name}[{i}]" if size > 1 else name for name, size in sizes.items() for i in range(size)]


def _plain(values: Array | float) -> Any:
    """Nested lists with `DIGITS` significant digits; what is not finite is null, as JSON has no NaN."""
    if isinstance(values, np.ndarray) and values.ndim:
        return [_plain(value) for value in values]
    return float(f"{float(values):.{DIGITS}g}") if math.isfinite(values) else None
