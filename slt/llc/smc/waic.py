"""WAIC, the functional variance and the singular fluctuation (Watanabe 2010, arXiv:1004.2316)."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from slt.errors import ConfigError
from slt.llc.problem import LLCProblem
from slt.llc.smc.base import TemperedEstimator, check_localization, mean_over_repeats, reached
from slt.posterior.targets import Neighborhood, Potential
from slt.records.llc import LLCEstimate


@dataclasses.dataclass(frozen=True)
class WAIC(TemperedEstimator):
    """The posterior itself, beta = 1, and what it says of generalization.

    With l_i(w) the loss of observation i, T = -mean_i log E[exp(-l_i)] the Bayes training loss, V = sum_i Var[l_i]
    the functional variance and nu = V / 2 the singular fluctuation, WAIC = T + V / n, nats per observation. If the
    point is the true parameter, E[n L_n] - n L_n(point) is lambda - nu on average over data sets (Watanabe 2010,
    theorem 1 and its corollaries), so that lambda is estimated by adding nu. On one data set that is lambda up to a
    term of order 1 whose mean is zero and which is not in the error.

    Attributes:
      localization: gamma of a prior around the point; None: the model's own.
      The others: see `TemperedEstimator`.

    Info: "waic", "functional_variance", "singular_fluctuation", "gibbs_loss" (E[L_n]), "training_loss" (T).
    """

    localization: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_localization(self.localization)

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        n = problem.observations
        if n is None:
            raise ConfigError(
                "WAIC is made of losses of observations, and the population loss has none: give data"
            )
        curve = self.tempered(problem, self.localization, n, key)
        mean = reached(curve, curve.mean)
        gamma = None if self.localization is None else jnp.full(problem.count, self.localization)
        training, variance = _fluctuation(
            problem.around(gamma),
            curve.populations.particles,
            problem.data,
            jnp.asarray(problem.weights),
        )
        training, variance = np.asarray(training), np.asarray(variance)
        # at beta = 1 half of all draws may well fit these data better than the truth does: no escape
        fields, flags = mean_over_repeats(problem, mean + variance / 2, 1.0, np.zeros(problem.count))
        flags.add("not decorrelated", ~curve.finished, "nbeta = n was not reached")
        functional = variance.mean(axis=1)
        return LLCEstimate(
            **fields,
            nbeta=np.full((problem.count, 1), n),
            curve={"mean": mean[:, :, None]},
            info={
                "waic": training.mean(axis=1) + functional / n,
                "functional_variance": functional,
                "singular_fluctuation": functional / 2,
                "gibbs_loss": fields["loss"] + mean.mean(axis=1) / n,
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
