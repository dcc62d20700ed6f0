"""Essential dynamics: where a network's function goes during training, in the plane in which it moves most.

The outputs on a fixed probe are a point in a space that does not depend on symmetries of the parameters. Principal
components of all checkpoints of all runs together give the plane; its turning points are where a component stops and
goes back (Hoogland et al. 2024, arXiv:2402.02364, and Carroll et al. 2025, arXiv:2501.17745; the name is that of
Amadei, Linssen and Berendsen 1993, "Essential dynamics of proteins").
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from scipy.signal import find_peaks

from slt.records.base import Array

COMPONENTS = 4
SMALL = 1e-3  # of the variance: a component with less has no turning points
TURN = 0.1  # of a component's range: by how much it goes back, to have turned


@dataclasses.dataclass(frozen=True)
class EssentialDynamics:
    """Principal components of outputs along training.

    Attributes:
      steps: (checkpoint,).
      score: (seed, checkpoint, component) centered, in the units of the outputs' root mean square over the probe.
      explained: (component,) share of the variance over seeds and checkpoints.
      turning: (seed, checkpoint, component) whether the component turns there.
    """

    steps: Array
    score: Array
    explained: Array
    turning: Array

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {
        "steps": ("checkpoint",),
        "score": ("seed", "checkpoint", "component"),
        "explained": ("component",),
        "turning": ("seed", "checkpoint", "component"),
    }


def essential(steps: Array, seen: Array) -> EssentialDynamics:
    """Joint principal components of outputs `seen` (seed, checkpoint, k); a seed that is not finite is left out and
    has NaN scores."""
    seeds, checkpoints, size = seen.shape
    finite = np.isfinite(seen).all(axis=(1, 2))
    points = seen[finite].reshape(-1, size).astype(float)
    score = np.full((seeds, checkpoints, COMPONENTS), np.nan)
    explained = np.zeros(COMPONENTS)
    if len(points):
        points = points - points.mean(axis=0)
        left, singular, _ = np.linalg.svd(points, full_matrices=False)
        count = min(COMPONENTS, len(singular))
        total = float(np.sum(singular**2))
        explained[:count] = singular[:count] ** 2 / total if total else 0.0
        plane = np.zeros((len(points), COMPONENTS))
        plane[:, :count] = left[:, :count] * singular[:count] / size**0.5
        plane *= np.where(
            plane[checkpoints - 1] < plane[0], -1.0, 1.0
        )  # the first seed ends to the right, and up
        score[finite] = plane.reshape(-1, checkpoints, COMPONENTS)
    return EssentialDynamics(np.asarray(steps), score, explained, _turning(score, explained >= SMALL))


def _turning(score: Array, counts: Array) -> Array:
    """(seed, checkpoint, component) peaks and troughs of components that count, by TURN of their range or more."""
    found = np.zeros(score.shape, bool)
    for seed, component in np.ndindex(score.shape[0], score.shape[2]):
        curve = score[seed, :, component]
        if counts[component] and np.isfinite(curve).all() and np.ptp(curve) > 0:
            for side in (curve, -curve):
                found[seed, find_peaks(side, prominence=TURN * np.ptp(curve))[0], component] = True
    return found
