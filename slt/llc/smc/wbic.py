"""WBIC: the posterior at beta = 1 / log n (Watanabe 2013, arXiv:1208.6338)."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from slt.errors import ConfigError
from slt.llc.problem import LLCProblem
from slt.llc.smc.base import TemperedEstimator, last, mean_over_repeats, reached
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class WBIC(TemperedEstimator):
    """lambda = (E_beta[n L_n] - n L_n(point)) / log n under the model's own prior: theorem 4 and definition 3. The
    coefficient is the global one, so all points of a problem share it where they share their loss.

    Attributes:
      n: observations that the population loss stands for; on data it must be null.
      The others: see `TemperedEstimator`.

    The curve holds "mean" at the last temperature; info: "wbic", E_beta[n L_n] in nats, and "acceptance" and
    "correlation" of the last moves.
    """

    n: float | None = None

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = observations(problem, self.n)
        nbeta = n / np.log(n)
        curve = self.tempered(problem, None, nbeta, key)
        mean = reached(curve, curve.mean)
        fields, flags = mean_over_repeats(problem, mean, nbeta, last(curve, curve.lower).mean(axis=1))
        flags.add("not decorrelated", ~curve.finished, "nbeta = n / log n was not reached")
        return LLCEstimate(
            **fields,
            nbeta=np.full((problem.count, 1), nbeta),
            curve={"mean": mean[:, :, None]},
            info={
                "wbic": n * fields["loss"] + fields["llc"] * np.log(n),
                "acceptance": last(curve, curve.acceptance).mean(axis=1),
                "correlation": last(curve, curve.correlation).mean(axis=1),
            },
            status=flags.status(),
        )


def observations(problem: LLCProblem, n: float | None) -> float:
    """n of the data, or the one that was given for the population loss. Raises ConfigError where it is neither."""
    own = problem.observations
    if own is None and n is None:
        raise ConfigError(
            "on the population loss this estimator needs n, the observations that it stands for"
        )
    if own is not None and n is not None and n != own:
        raise ConfigError(f"n is set to {n:g}, and the data are {own:g} observations: set n=null")
    count = float(own if own is not None else n or 0.0)
    if count < 3:
        raise ConfigError(f"1 / log n makes no temperature for n = {count:g}")
    return count
