"""What nbeta E[K] is below lambda: the families of curves over which `power_law` averages.

At large u = log nbeta a pole of order m shows as (m - 1) / (u + c), a simple one not at all. Before that, a near pole
looks like a multiplicity, and a crossing under a narrow prior begins to matter only late:

    none        0, m = 1
    pole        (m - 1) / (u + c), m = 2 ...: c stands for the constant and lower powers of log nbeta
    pair        delta / (exp(delta (u + c)) - 1), m = 1: simple poles at lambda and lambda + delta with residues of
                opposite signs, as those of w1^4 w2^6: Z ~ nbeta^-lambda - B nbeta^-(lambda + delta),
                B = exp(-delta c).
                With delta -> 0 it becomes the double pole
    crossing    1/2 - S_m(u + c), m = 2 ...: S_m is the slope of w1^2 ... wm^2 under w ~ N(0, 1), from the
                temperature on at which it begins to matter

Each has a prior: 2^-m for the multiplicity, halved between pole and crossing; equal shares of the pairs' for each of
`GAPS`. Gaps are in units of 1, and of 2 lambda where lambda is below 1/2, since there the candidates 1 / (2 k) for
poles lie closer together.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from slt.records.base import Array

MULTIPLICITIES = 4  # the largest m that is tried
GAPS = (0.25, 0.375, 0.5, 0.75, 1.0)
SHIFTS = 40
NEAREST = 0.25  # u + c is at least this for poles


class Correction(NamedTuple):
    """A family. `kind`: "none", "pole", "pair" or "crossing"; `gap`: delta of a pair, otherwise 0; `aic`: -2 log of
    its prior probability, up to a constant."""

    kind: str
    m: int
    gap: float
    aic: float

    def shifts(self, first: float, last: float) -> Array:
        """c to try (shift,), where the fit is from u = first to u = last."""
        if self.kind == "none":
            return np.zeros(1)
        if self.kind == "crossing":
            return np.linspace(-0.7 * last, 8.0, SHIFTS)
        return np.linspace(0.5 - first, 6.0 * max(self.m - 1, 1) + 6, SHIFTS)

    def at(self, v: Array) -> Array:
        """The correction at v = u + c."""
        if self.kind == "none":
            return np.zeros_like(v)
        if self.kind == "crossing":
            return 0.5 - np.interp(v, *_crossing(self.m))
        v = np.maximum(v, NEAREST)
        return self.gap / np.expm1(self.gap * v) if self.kind == "pair" else (self.m - 1) / v

    def penalty(self, shifts: Array, at_onset: Array) -> Array:
        """-2 log of the prior of `shifts` (shift,), up to a constant, given the correction at u = 0 (..., shift)."""
        if self.kind in ("none", "crossing"):
            return np.zeros_like(shifts)
        correction = np.maximum(at_onset, 1e-3)
        center = (
            np.log1p(self.gap / correction) / self.gap if self.kind == "pair" else (self.m - 1) / correction
        )
        return ((shifts - center) / (0.5 * center + 1)) ** 2


def corrections(about: float, dimension: int) -> list[Correction]:
    """All families for a lambda of `about` that, in `dimension` parameters."""
    unit = float(np.clip(2 * about, 1e-3, 1.0))
    several = range(2, min(MULTIPLICITIES, dimension) + 1)
    return [
        Correction("none", 1, 0.0, 0.0),
        *(Correction(kind, m, 0.0, 2 * np.log(2) * m) for kind in ("pole", "crossing") for m in several),
        *(Correction("pair", 1, gap * unit, 2 * np.log(len(GAPS))) for gap in GAPS if dimension > 1),
    ]


@functools.cache
def _crossing(m: int) -> tuple[Array, Array]:
    """v = log nbeta and S_m(v), the slope of -log E exp(-nbeta w1^2 ... wm^2), w ~ N(0, 1): log w^2 on a grid, and
    sums of m of them by convolution."""
    x = np.linspace(-60.0, 3.0, 1501)  # log |w|
    one = np.exp(x - np.exp(2 * x) / 2)
    density = one = one / one.sum()
    for _ in range(m - 1):
        density = np.convolve(density, one)
    log_k = 2 * (m * x[0] + (x[1] - x[0]) * np.arange(len(density)))
    seen = density > 1e-40 * density.max()
    v = np.linspace(-20.0, 80.0, 401)
    energy = np.exp(np.minimum(v[:, None] + log_k[seen], 50.0))
    weight = density[seen] * np.exp(-energy)
    return v, np.sum(weight * energy, axis=1) / np.sum(weight, axis=1)
