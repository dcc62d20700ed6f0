"""The truth of a ReLU network on its grid of inputs: m nodes around the origin, and their kinks.

A function on the grid is bent as far as it is not linear. What a node adds beyond a linear function is its *kink*.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    """All arrays float64.

    Attributes:
      x: (point, 2) the inputs, ring by ring.
      nodes: (m, 4) w, b and q of each node.
      f: (point,) the true function.
      basis: (point, 3) an orthonormal basis of linear functions on the grid.
      size: of the smallest kink, root of its sum of squares over points.
    """

    x: np.ndarray
    nodes: np.ndarray
    f: np.ndarray
    basis: np.ndarray
    size: float


@functools.cache
def truth(strengths: tuple[float, ...], offset: float, rings: int, angles: int) -> Truth:
    """Node j has gradient (cos, sin) of 2 pi j / m + pi / 2, bias -offset and outer weight strengths[j].

    Inputs lie on `rings` circles, in the middle (by area) of annuli of equal area that fill the unit disc.
    """
    radius = np.sqrt((np.arange(rings) + 0.5) / rings)
    around = 2 * np.pi * (np.arange(angles) + 0.5) / angles
    x = np.stack([np.outer(radius, np.cos(around)), np.outer(radius, np.sin(around))], axis=-1).reshape(-1, 2)
    m = len(strengths)
    angle = 2 * np.pi * np.arange(m) / m + np.pi / 2
    nodes = np.column_stack([np.cos(angle), np.sin(angle), np.full(m, -offset), strengths])
    active = np.maximum(x @ nodes[:, :2].T + nodes[:, 2], 0) * nodes[:, 3]
    basis = np.linalg.qr(np.column_stack([x, np.ones(len(x))]))[0]
    sizes = np.linalg.norm(active - basis @ (basis.T @ active), axis=0)
    return Truth(x, nodes, active.sum(axis=1), basis, float(sizes.min()))
