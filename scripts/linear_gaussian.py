"""A model whose posterior and evidence are known in closed form, to measure samplers against."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, Params, as_model, static


@as_model
class LinearGaussian(Model):
    """y = x . w + noise with known variance, under the prior N(0, I): conjugate, so evidence is closed-form."""

    dimension: int = static(10)
    noise: float = static(0.5)

    def init(self, key: jax.Array) -> Params:
        return self.sample_prior(key)

    def sample(self, key: jax.Array, n: int) -> tuple[jax.Array, jax.Array]:
        """x (n, dimension) and y (n,)."""

        def row(i: jax.Array) -> tuple[jax.Array, jax.Array]:
            design, noise = jax.random.split(jax.random.fold_in(key, i))
            x = jax.random.normal(design, (self.dimension,), jnp.float64)
            x = x * jnp.linspace(0.5, 2.0, self.dimension)
            return x, x @ self.truth + self.noise * jax.random.normal(noise, dtype=jnp.float64)

        return jax.vmap(row)(jnp.arange(n))

    @property
    def truth(self) -> jax.Array:
        return jnp.cos(jnp.arange(self.dimension))

    def losses(self, w: Params, data: Any) -> jax.Array:
        x, y = data
        return (y - x @ w["w"]) ** 2 / (2 * self.noise**2)

    def summarize(self, data: Any, weights: jax.Array) -> Any:
        x, y = data
        return x.T @ (weights[:, None] * x), x.T @ (weights * y), jnp.sum(weights * y**2)

    def summed_loss(self, w: Params, summary: Any) -> jax.Array:
        xx, xy, yy = summary
        return (yy - 2 * w["w"] @ xy + w["w"] @ xx @ w["w"]) / (2 * self.noise**2)

    def log_prior(self, w: Params) -> jax.Array:
        return jnp.sum(jax.scipy.stats.norm.logpdf(w["w"]))

    def sample_prior(self, key: jax.Array) -> Params:
        return {"w": jax.random.normal(key, (self.dimension,))}

    def log_evidence(self, data: Any, n: int) -> float:
        """log of the integral of prior x exp(-n L_n), nats."""
        x, y = (np.asarray(leaf[:n]) for leaf in data)
        precision = np.eye(self.dimension) + x.T @ x / self.noise**2
        shift = x.T @ y / self.noise**2
        quadratic = shift @ np.linalg.solve(precision, shift) - y @ y / self.noise**2
        return 0.5 * (quadratic - np.linalg.slogdet(precision)[1])

    def posterior_moments(self, data: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean (dimension,) and covariance (dimension, dimension) given the first n observations."""
        x, y = (np.asarray(leaf[:n]) for leaf in data)
        covariance = np.linalg.inv(np.eye(self.dimension) + x.T @ x / self.noise**2)
        return covariance @ x.T @ y / self.noise**2, covariance
