"""Regression of E[n L_n] on 1 / beta, whose slope is lambda (Watanabe 2013, arXiv:1208.6338, corollary 3)."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.llc.problem import LLCProblem
from slt.llc.smc.base import TemperedEstimator, check_localization, mean_over_repeats
from slt.llc.smc.wbic import observations
from slt.records.base import Array
from slt.records.llc import LLCEstimate

LEAST = 3  # temperatures on a line


@dataclasses.dataclass(frozen=True)
class BetaRegression(TemperedEstimator):
    """A straight line through E[n L_n] at every temperature that the path visits within a factor of `span` of
    beta = 1 / log n. Repeats give a slope each: their mean, and its error from their scatter.

    Attributes:
      n: observations that the population loss stands for; on data it must be null.
      span: > 1; the range of beta is [1 / span, span] / log n.
      localization: gamma of a prior around the point; None: the model's own.
      The others: see `TemperedEstimator`.

    The curve holds "mean" at all temperatures; info: "temperatures" on the line, "curvature", the share of lambda by
    which slopes of the upper and the lower half differ.
    """

    n: float | None = None
    span: float = 3.0
    localization: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.span > 1:
            raise ValueError(f"span is a factor above 1, not {self.span}")
        check_localization(self.localization)

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = observations(problem, self.n)
        middle = n / np.log(n)
        curve = self.tempered(problem, self.localization, middle * self.span, key)
        slopes = np.full((problem.count, self.repeats), np.nan)
        bend, used = np.full(problem.count, np.nan), np.zeros(problem.count)
        for i in range(problem.count):
            on_line = curve.nbeta[i] >= middle / self.span * (1 - 1e-9)
            used[i] = on_line.sum()
            if curve.finished[i] and used[i] >= LEAST:
                nbeta = curve.nbeta[i, on_line]
                inverse, height = 1 / nbeta, curve.mean[i][:, on_line] / nbeta
                slopes[i] = _slopes(inverse, height)
                half = len(inverse) // 2
                if half >= 2:
                    bend[i] = np.mean(_slopes(inverse[:half], height[:, :half])) - np.mean(
                        _slopes(inverse[half:], height[:, half:])
                    )
        lower = np.nanmax(np.nan_to_num(curve.lower.mean(axis=1)), axis=1)
        fields, flags = mean_over_repeats(problem, slopes, middle, lower)
        flags.add(
            "power law",
            used < LEAST,
            [f"{k:.0f} temperatures make no line: raise span or target_ess" for k in used],
        )
        with np.errstate(invalid="ignore"):
            curvature = bend / fields["llc"]
        return LLCEstimate(
            **fields,
            nbeta=curve.nbeta,
            curve={"mean": curve.mean},
            info={"temperatures": used, "curvature": curvature},
            status=flags.status(),
        )


def _slopes(inverse: Array, height: Array) -> Array:
    """(repeat,) slopes of E[K] (repeat, level) on 1 / nbeta (level,), each point weighed by nbeta^2: its error is in
    proportion to 1 / nbeta."""
    weight = 1 / inverse**2
    x = inverse - np.average(inverse, weights=weight)
    y = height - np.average(height, weights=weight, axis=1)[:, None]
    return (y * x) @ weight / (x**2 @ weight)
