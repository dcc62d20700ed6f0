"""WBIC: the posterior at beta = 1 / log n (Watanabe 2013, arXiv:1208.6338)."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from scipy.stats import t as student

from slt.errors import ConfigError
from slt.llc import flags as flag
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc.base import Heated, last
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class WBIC(Heated):
    """lambda = (E_beta[n L_n] - n L_n(point)) / log n under the model's own prior: theorem 4 and definition 3. The
    coefficient is the global one, so all points of a question share it where they share their loss.

    Attributes:
      n: observations that the population loss stands for; on data it must be null.
      The others: see `heated.Heated`.

    The curve holds "mean" at the last temperature; info: "wbic", E_beta[n L_n] in nats, and "acceptance" and
    "correlation" of the last moves.
    """

    n: float | None = None

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = observations(question, self.n)
        t = n / np.log(n)
        curve = self.heated(question, None, t, 0.0, key, give_up=False)
        mean = last(curve, curve.mean)
        mean = np.where(curve.finished[:, None], mean, np.nan)
        llc, error = mean.mean(axis=1), mean.std(axis=1, ddof=1) / np.sqrt(self.repeats)
        reach = student.ppf(0.975, self.repeats - 1) * error
        loss = np.asarray(question.losses())
        flags = flag.Flags(question.count)
        at_end = last(curve, curve.lower).mean(axis=1)
        gain = np.asarray(newton_decrement(question.full(1.0), question.points, question.selected))
        flag.common(flags, llc, error, np.full(question.count, t), at_end, gain)
        flags.add("not forgotten", ~curve.finished, "t = n / log n was not reached")
        return LLCEstimate(
            llc=llc,
            error=error,
            low=llc - reach,
            high=llc + reach,
            multiplicity=np.zeros(question.count, int),
            loss=loss,
            nbeta=np.full((question.count, 1), t),
            curve={"mean": mean[:, :, None]},
            info={
                "wbic": n * loss + llc * np.log(n),
                "acceptance": last(curve, curve.acceptance).mean(axis=1),
                "correlation": last(curve, curve.correlation).mean(axis=1),
            },
            status=flags.status(),
        )


def observations(question: LLCProblem, n: float | None) -> float:
    """n of the data, or the one that was given for the population loss. Raises ConfigError where it is neither."""
    own = question.observations
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
