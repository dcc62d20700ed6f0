"""Models for these tests alone."""

import jax
import jax.numpy as jnp

from slt.models.base import Model, as_model


@as_model
class Broken(Model):
    """Finite at 0 and nowhere else."""

    def init(self, key):
        return {"w": jnp.zeros(1)}

    def sample(self, key, n):
        return jnp.zeros(n, jnp.float64)

    def losses(self, w, data):
        return jnp.broadcast_to(self.population_loss(w), data.shape)

    def log_prior(self, w):
        return jnp.sum(jax.scipy.stats.norm.logpdf(w["w"]))

    def sample_prior(self, key):
        return {"w": jax.random.normal(key, (1,))}

    def population_loss(self, w):
        return jnp.where(w["w"][0] == 0, 0.0, jnp.nan)
