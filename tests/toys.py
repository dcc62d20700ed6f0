"""Small models whose posteriors are known exactly, for tests of samplers."""

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, as_model, static


@as_model
class LinearGaussian(Model):
    """y = x . w + noise with known variance, under the prior N(0, I): conjugate, so evidence is closed-form."""

    dimension: int = static(10)
    noise: float = static(0.5)

    def init(self, key):
        return self.sample_prior(key)

    def sample(self, key, n):
        def row(i):
            design, noise = jax.random.split(jax.random.fold_in(key, i))
            x = jax.random.normal(design, (self.dimension,), jnp.float64)
            x = x * jnp.linspace(0.5, 2.0, self.dimension)
            return x, x @ self.truth + self.noise * jax.random.normal(noise, dtype=jnp.float64)

        return jax.vmap(row)(jnp.arange(n))

    @property
    def truth(self):
        return jnp.cos(jnp.arange(self.dimension))

    def losses(self, w, data):
        x, y = data
        return (y - x @ w["w"]) ** 2 / (2 * self.noise**2)

    def summarize(self, data, weights):
        x, y = data
        return x.T @ (weights[:, None] * x), x.T @ (weights * y), jnp.sum(weights * y**2)

    def summed_loss(self, w, summary):
        xx, xy, yy = summary
        return (yy - 2 * w["w"] @ xy + w["w"] @ xx @ w["w"]) / (2 * self.noise**2)

    def log_prior(self, w):
        return jnp.sum(jax.scipy.stats.norm.logpdf(w["w"]))

    def sample_prior(self, key):
        return {"w": jax.random.normal(key, (self.dimension,))}

    def log_evidence(self, data, n):
        """log of the integral of prior x exp(-n L_n), nats."""
        x, y = (np.asarray(leaf[:n]) for leaf in data)
        precision = np.eye(self.dimension) + x.T @ x / self.noise**2
        shift = x.T @ y / self.noise**2
        quadratic = shift @ np.linalg.solve(precision, shift) - y @ y / self.noise**2
        return 0.5 * (quadratic - np.linalg.slogdet(precision)[1])

    def posterior_moments(self, data, n):
        x, y = (np.asarray(leaf[:n]) for leaf in data)
        covariance = np.linalg.inv(np.eye(self.dimension) + x.T @ x / self.noise**2)
        return covariance @ x.T @ y / self.noise**2, covariance


@as_model
class TwoModes(Model):
    """One parameter, two Gaussian wells of unequal mass and width: the population loss at n = 1 is minus the
    log of a mixture with shares (share, 1 - share), relative to the prior N(0, scale^2)."""

    share: float = static(0.3)
    centers: tuple[float, float] = static((-4.0, 3.0))
    widths: tuple[float, float] = static((0.3, 0.8))
    scale: float = static(4.0)

    def init(self, key):
        return self.sample_prior(key)

    def sample(self, key, n):
        return jnp.zeros(n)

    def losses(self, w, data):
        return jnp.broadcast_to(self.population_loss(w), data.shape)

    def population_loss(self, w):
        logpdf = jax.scipy.stats.norm.logpdf
        mixture = jnp.logaddexp(
            jnp.log(self.share) + logpdf(w["w"], self.centers[0], self.widths[0]),
            jnp.log(1 - self.share) + logpdf(w["w"], self.centers[1], self.widths[1]),
        )
        return self.log_prior(w) - mixture

    def log_prior(self, w):
        return jax.scipy.stats.norm.logpdf(w["w"], 0.0, self.scale)

    def sample_prior(self, key):
        return {"w": self.scale * jax.random.normal(key)}

    def classify(self, w):
        return jnp.where(w["w"] < 0, 0, 1).astype(jnp.int32)
