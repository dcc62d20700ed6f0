"""The regular comparators: rank and trace of the Hessian, and the trace of the Fisher information.

A regular model has lambda = d / 2, d being the rank of the Hessian; a singular one has more directions than that, in
which the loss rises more slowly, and half the rank is then no more than a lower bound for an isolated minimum.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.errors import ConfigError
from slt.llc import flags as flag
from slt.llc.base import Estimator
from slt.llc.problem import LLCProblem, newton_decrement
from slt.posterior.targets import Neighborhood, Potential
from slt.records.llc import LLCEstimate
from slt.runtime.random_keys import random_key

MOST = 2000  # entries whose Hessian is made in full


@dataclasses.dataclass(frozen=True)
class Hessian(Estimator):
    """Half the number of eigenvalues above `tolerance` times the largest.

    Attributes:
      tolerance: relative size at which an eigenvalue counts.
      fisher_samples: observations drawn from the model for the Fisher trace, where the problem has no data.

    Info: "rank", "trace", "largest", "smallest", "negative" (how many lie below minus the tolerance) and
    "fisher_trace", the mean squared gradient norm of the losses of single observations. The error is 0: nothing was
    sampled, and what is wrong is the assumption. The multiplicity is 1 at full rank, otherwise not told.
    """

    tolerance: float = 1e-6
    fisher_samples: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must lie strictly between 0 and 1, not {self.tolerance}")
        if self.fisher_samples < 1:
            raise ValueError(f"fisher_samples must be at least 1, not {self.fisher_samples}")

    def __call__(self, problem: LLCProblem, key: jax.Array) -> LLCEstimate:
        if problem.dimension > MOST:
            raise ConfigError(f"the Hessian of {problem.dimension} parameters is too large: at most {MOST}")
        around = problem.around(jnp.ones(problem.count))
        full = problem.full(1.0)
        values = np.asarray(_spectrum(around.model, full))
        data, weights = problem.data, problem.weights
        if data is None:
            data = problem.model.sample(key, self.fisher_samples)
            weights = np.ones(self.fisher_samples)
        fisher = np.asarray(_fisher(around.model, data, jnp.asarray(weights)))
        largest = np.abs(values).max(axis=1)
        rank = (np.abs(values) > self.tolerance * largest[:, None]).sum(axis=1) * (largest > 0)
        negative = (values < -self.tolerance * largest[:, None]).sum(axis=1)
        llc = rank / 2
        flags = flag.Flags(problem.count)
        decrement = np.asarray(newton_decrement(full, problem.points, problem.selected))
        nbeta = problem.observations or 1e5
        flag.common(
            flags,
            llc,
            np.zeros(problem.count),
            np.full(problem.count, nbeta),
            np.zeros(problem.count),
            decrement,
        )
        flags.add(
            "escaped",
            negative > 0,
            [f"{k} directions of negative curvature lead to lower loss" for k in negative],
        )
        return LLCEstimate(
            llc=llc,
            error=np.zeros(problem.count),
            low=llc,
            high=llc,
            multiplicity=(rank == problem.dimension).astype(int),
            loss=np.asarray(problem.losses()),
            nbeta=np.full((problem.count, 1), np.nan),
            curve={},
            info={
                "rank": rank.astype(float),
                "trace": values.sum(axis=1),
                "largest": values.max(axis=1),
                "smallest": values.min(axis=1),
                "negative": negative.astype(float),
                "fisher_trace": fisher,
            },
            status=flags.status(),
        )


@jax.jit
def _spectrum(neighborhoods: Any, full: Potential) -> jax.Array:
    """(point, entry) eigenvalues, ascending."""

    def one(neighborhood: Neighborhood) -> jax.Array:
        size = neighborhood.sample_prior(random_key(0))["offset"].shape
        loss = lambda offset: full.loss(neighborhood.at({"offset": offset}))  # noqa: E731
        return jnp.linalg.eigvalsh(jax.hessian(loss)(jnp.zeros(size)))

    return jax.lax.map(one, neighborhoods)


@jax.jit
def _fisher(neighborhoods: Any, data: Any, weights: jax.Array) -> jax.Array:
    """(point,) weighted mean over observations of the squared norm of the gradient of its loss."""

    def one(neighborhood: Neighborhood) -> jax.Array:
        model: Any = neighborhood.model
        size = neighborhood.sample_prior(random_key(0))["offset"].shape

        def observation(row: Any) -> jax.Array:
            single = jax.tree.map(lambda leaf: leaf[None], row)
            loss = lambda offset: model.losses(neighborhood.at({"offset": offset}), single)[0]  # noqa: E731
            return jnp.sum(jax.grad(loss)(jnp.zeros(size)) ** 2)

        return weights @ jax.vmap(observation)(data) / jnp.sum(weights)

    return jax.lax.map(one, neighborhoods)
