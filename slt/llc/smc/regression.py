"""Regression of E[n L_n] on 1 / beta, whose slope is lambda (Watanabe 2013, arXiv:1208.6338, corollary 3)."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from scipy.stats import t as student

from slt.llc import flags as flag
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc.base import Heated
from slt.llc.smc.wbic import observations
from slt.records.base import Array
from slt.records.llc import LLCEstimate

LEAST = 3  # temperatures on a line


@dataclasses.dataclass(frozen=True)
class BetaRegression(Heated):
    """A straight line through E[n L_n] at every temperature that the heating visits within a factor of `span` of
    beta = 1 / log n. Repeats give a slope each: their mean, and its error from their scatter.

    Attributes:
      n: observations that the population loss stands for; on data it must be null.
      span: > 1; the range of beta is [1 / span, span] / log n.
      localization: gamma of a prior around the point; None: the model's own.
      The others: see `heated.Heated`.

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
        if self.localization is not None and not self.localization > 0:
            raise ValueError(f"localization is an inverse variance, above 0, not {self.localization}")

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = observations(question, self.n)
        middle = n / np.log(n)
        curve = self.heated(question, self.localization, middle * self.span, 0.0, key, give_up=False)
        slopes = np.full((question.count, self.repeats), np.nan)
        bend, used = np.full(question.count, np.nan), np.zeros(question.count)
        for i in range(question.count):
            on_line = curve.t[i] >= middle / self.span * (1 - 1e-9)
            used[i] = on_line.sum()
            if curve.finished[i] and used[i] >= LEAST:
                inverse, height = 1 / curve.t[i, on_line], curve.mean[i][:, on_line] / curve.t[i, on_line]
                slopes[i] = _slopes(inverse, height)
                half = len(inverse) // 2
                if half >= 2:
                    bend[i] = np.mean(_slopes(inverse[:half], height[:, :half])) - np.mean(
                        _slopes(inverse[half:], height[:, half:])
                    )
        llc, error = slopes.mean(axis=1), slopes.std(axis=1, ddof=1) / np.sqrt(self.repeats)
        reach = student.ppf(0.975, self.repeats - 1) * error
        flags = flag.Flags(question.count)
        lower = np.nanmax(np.nan_to_num(curve.lower.mean(axis=1)), axis=1)
        gain = np.asarray(newton_decrement(question.full(1.0), question.points, question.selected))
        flag.common(flags, llc, error, np.full(question.count, middle), lower, gain)
        flags.add(
            "power law", used < LEAST, [f"{k:.0f} temperatures make no line: raise span or ess" for k in used]
        )
        with np.errstate(invalid="ignore"):
            curvature = bend / llc
        return LLCEstimate(
            llc=llc,
            error=error,
            low=llc - reach,
            high=llc + reach,
            multiplicity=np.zeros(question.count, int),
            loss=np.asarray(question.losses()),
            nbeta=curve.t,
            curve={"mean": curve.mean},
            info={"temperatures": used, "curvature": curvature},
            status=flags.status(),
        )


def _slopes(inverse: Array, height: Array) -> Array:
    """(repeat,) slopes of E[K] (repeat, level) on 1 / t (level,), each point weighed by t^2: its error is in
    proportion to 1 / t."""
    weight = 1 / inverse**2
    x = inverse - np.average(inverse, weights=weight)
    y = height - np.average(height, weights=weight, axis=1)[:, None]
    return (y * x) @ weight / (x**2 @ weight)
