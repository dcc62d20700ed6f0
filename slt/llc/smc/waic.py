"""WAIC, the functional variance and the singular fluctuation (Watanabe 2010, arXiv:1004.2316)."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from scipy.stats import t as student

from slt.errors import ConfigError
from slt.llc import flags as flag
from slt.llc.problem import LLCProblem, newton_decrement
from slt.llc.smc.base import Heated, last
from slt.posterior.targets import Neighborhood, Potential
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class WAIC(Heated):
    """The posterior itself, beta = 1, and what it says of generalization.

    With l_i(w) the loss of observation i, T = -mean_i log E[exp(-l_i)] the Bayes training loss, V = sum_i Var[l_i]
    the functional variance and nu = V / 2 the singular fluctuation, WAIC = T + V / n, nats per observation. If the
    point is the true parameter, E[n L_n] - n L_n(point) is lambda - nu on average over data sets (Watanabe 2010,
    theorem 1 and its corollaries), so that lambda is estimated by adding nu. On one data set that is lambda up to a
    term of order 1 whose mean is zero and which is not in the error.

    Attributes:
      localization: gamma of a prior around the point; None: the model's own.
      The others: see `heated.Heated`.

    Info: "waic", "functional_variance", "singular_fluctuation", "gibbs_loss" (E[L_n]), "training_loss" (T).
    """

    localization: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.localization is not None and not self.localization > 0:
            raise ValueError(f"localization is an inverse variance, above 0, not {self.localization}")

    def __call__(self, question: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = question.observations
        if n is None:
            raise ConfigError(
                "WAIC is made of losses of observations, and the population loss has none: give data"
            )
        curve = self.heated(question, self.localization, n, 0.0, key, give_up=False)
        mean = np.where(curve.finished[:, None], last(curve, curve.mean), np.nan)
        gamma = None if self.localization is None else jnp.full(question.count, self.localization)
        training, variance = _fluctuation(
            question.around(gamma),
            curve.populations.particles,
            question.data,
            jnp.asarray(question.weights),
        )
        training, variance = np.asarray(training), np.asarray(variance)
        values = mean + variance / 2
        llc, error = values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(self.repeats)
        reach = student.ppf(0.975, self.repeats - 1) * error
        loss = np.asarray(question.losses())
        flags = flag.Flags(question.count)
        gain = np.asarray(newton_decrement(question.full(1.0), question.points, question.selected))
        # at beta = 1 half of all draws may well fit these data better than the truth does: no escape
        flag.common(flags, llc, error, np.full(question.count, 1.0), np.zeros(question.count), gain)
        flags.add("not forgotten", ~curve.finished, "t = n was not reached")
        functional = variance.mean(axis=1)
        return LLCEstimate(
            llc=llc,
            error=error,
            low=llc - reach,
            high=llc + reach,
            multiplicity=np.zeros(question.count, int),
            loss=loss,
            nbeta=np.full((question.count, 1), n),
            curve={"mean": mean[:, :, None]},
            info={
                "waic": training.mean(axis=1) + functional / n,
                "functional_variance": functional,
                "singular_fluctuation": functional / 2,
                "gibbs_loss": loss + mean.mean(axis=1) / n,
                "training_loss": training.mean(axis=1),
            },
            status=flags.status(),
        )


@jax.jit
def _fluctuation(
    around: Potential, particles: Any, data: Any, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(point, repeat) Bayes training loss, and functional variance. One observation at a time: all losses of all
    particles at once need not fit into memory."""

    def one(neighborhood: Neighborhood, particles: Any) -> tuple[jax.Array, jax.Array]:
        model: Any = neighborhood.model

        def observation(row: Any) -> tuple[jax.Array, jax.Array]:
            single = jax.tree.map(lambda leaf: leaf[None], row)
            losses = jax.vmap(lambda w: model.losses(neighborhood.at(w), single)[0])(particles)
            return logsumexp(-losses) - jnp.log(losses.size), jnp.var(losses)

        log_mean, variance = jax.lax.map(observation, data)
        return -weights @ log_mean / jnp.sum(weights), weights @ variance

    over_repeats = jax.vmap(one, in_axes=(None, 0))
    neighborhoods: Any = around.model
    return jax.vmap(over_repeats)(neighborhoods, particles)
