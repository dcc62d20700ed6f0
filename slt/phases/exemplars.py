"""What each phase looks like: drawings of its known point, of SGD's longest stay, and of a draw of the posterior."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from slt.models.drawing import Drawing, Drawn
from slt.records.base import OK, Array
from slt.records.phases import PhasePath
from slt.records.posterior import Ladder
from slt.records.training import Trajectory

if TYPE_CHECKING:  # the report reads exemplars, and does without JAX
    from slt.models.base import Model

MOST = 12  # phases that are drawn


@dataclasses.dataclass(frozen=True)
class Exemplar:
    """One parameter, drawn.

    Attributes:
      phase: its phase.
      whose: "theory", "SGD" or "posterior".
      where: at which step or n, as text.
      drawing: what to draw.
    """

    phase: str
    whose: str
    where: str
    drawing: Drawing


class Plateau(NamedTuple):
    """The checkpoint that stands for a phase of SGD."""

    phase: int
    seed: int
    checkpoint: int


def exemplars(
    model: Model,
    names: list[str],
    trajectory: Trajectory | None,
    path: PhasePath | None,
    ladder: Ladder | None,
    labels: Array | None,
) -> list[Exemplar]:
    """Exemplars by phase, at most three of each; none for a model that does not draw itself.

    Args:
      names: phase names by classifier index; the last is "other".
      labels: (dataset, n, repeat, draw) of the ladder's draws.
    """
    if not isinstance(model, Drawn):
        return []
    points = [
        (phase.name, "theory", "", {k: np.asarray(v, float) for k, v in phase.point.items()})
        for phase in model.phases()
    ]
    if trajectory is not None and path is not None:
        for stay in plateaus(trajectory, path, len(names)):
            w = _at(trajectory.params, (stay.seed, stay.checkpoint))
            points.append((names[stay.phase], "SGD", f"t = {trajectory.steps[stay.checkpoint]:,}", w))
    if ladder is not None and labels is not None:
        for phase in range(len(names) - 1):
            found = _draw_in(ladder, labels, phase)
            if found is not None:
                points.append(
                    (
                        names[phase],
                        "posterior",
                        f"n = {ladder.sample_sizes[found[1]]:,}",
                        _at(ladder.draws, found),
                    )
                )
    order = {name: i for i, name in enumerate(names)}
    shown = sorted({order[name] for name, *_ in points})[-MOST:]
    points = [point for point in sorted(points, key=lambda p: order[p[0]]) if order[point[0]] in shown]
    return [Exemplar(name, whose, where, model.drawing(w)) for name, whose, where, w in points]


def plateaus(trajectory: Trajectory, path: PhasePath, phases: int) -> list[Plateau]:
    """For each named phase, the middle of the longest stay (in log steps) of any seed, in the order of the names.

    The middle of a stay is the least likely to be in transition.
    """
    best: dict[int, tuple[float, Plateau]] = {}
    clock = np.log1p(trajectory.steps.astype(float))
    for seed in np.flatnonzero(trajectory.status == OK):
        label = path.label[seed]
        edges = np.flatnonzero(np.diff(label)) + 1
        for start, stop in zip([0, *edges], [*edges, len(label)], strict=True):
            length = clock[stop - 1] - clock[start]
            phase = int(label[start])
            if phase < phases - 1 and length >= best.get(phase, (-1.0,))[0]:
                middle = start + (stop - 1 - start) // 2
                best[phase] = (length, Plateau(phase, int(seed), int(middle)))
    return [best[phase][1] for phase in sorted(best)]


def _draw_in(ladder: Ladder, labels: Array, phase: int) -> tuple[int, int, int, int] | None:
    """(dataset, sample size, repeat, draw) of the lowest loss among the phase's draws of weight, at the sample size
    where it has most of the posterior; None where no draw is in it. Losses of one sample size are comparable."""
    weight = np.where((labels == phase) & np.isfinite(ladder.log_weights), np.exp(ladder.log_weights), 0.0)
    share = weight.sum(axis=(0, 2, 3))
    if not share.any():
        return None
    n_index = int(np.argmax(share))
    loss = np.where(weight[:, n_index] > 0, ladder.loss[:, n_index], np.inf)
    dataset, repeat, draw = np.unravel_index(int(np.argmin(loss)), loss.shape)
    return int(dataset), n_index, int(repeat), int(draw)


def _at(params: Mapping[str, Array], index: tuple[int, ...]) -> dict[str, Array]:
    return {name: np.asarray(leaf, float)[index] for name, leaf in params.items()}
