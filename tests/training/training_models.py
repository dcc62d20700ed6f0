"""Small models whose training can be checked against arithmetic."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.base import Model, as_model, static


class _Flat(Model):
    """What the trainer never asks for."""

    def log_prior(self, w):
        return jnp.float64(0)

    def sample_prior(self, key):
        return self.init(key)


@as_model
class Regression(_Flat):
    """y = sum(x) + noise; half squared error, so that full-batch descent has a closed form."""

    noise: float = np.float64(0.5)  # a float64 leaf: it must not promote float32 training
    inputs: int = static(3)

    def init(self, key):
        return {"w": jax.random.normal(key, (self.inputs,)), "b": jnp.zeros(())}

    def sample(self, key, n):
        rows = jax.random.normal(key, (n, self.inputs + 1))
        x = rows[:, :-1]
        return {"x": x, "y": x.sum(axis=1) + self.noise * rows[:, -1]}

    def losses(self, w, data):
        return 0.5 * (data["y"] - data["x"] @ w["w"] - w["b"]) ** 2 * (1 + 0 * self.noise)

    def population_loss(self, w):
        return 0.5 * (jnp.sum((w["w"] - 1) ** 2) + w["b"] ** 2 + self.noise**2)

    def observables(self, w):
        return {"norm": jnp.sum(w["w"] ** 2)}


@as_model
class Census(_Flat):
    """Counts visits: with learning rate = batch size, `visits[i]` is how often row i was in a minibatch."""

    size: int = static()

    def init(self, key):
        return {"visits": jnp.zeros(self.size)}

    def sample(self, key, n):
        return {"row": jnp.arange(n, dtype=jnp.int32)}

    def losses(self, w, data):
        return -w["visits"][data["row"]]


@functools.cache
def datasets(model, n, count=1, seed=7):
    """`count` data sets of n observations, leading axes (count, n)."""
    draw = jax.jit(jax.vmap(lambda key: model.sample(key, n)))
    return draw(jax.random.split(jax.random.key(seed), count))
