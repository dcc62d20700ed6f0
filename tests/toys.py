"""A small model whose posterior is known exactly, for tests of samplers; another is `scripts.linear_gaussian`."""

import jax
import jax.numpy as jnp

from slt.models.base import Model, as_model, static


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
