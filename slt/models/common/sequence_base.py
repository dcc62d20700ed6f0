"""Models of sequences: a sample stands for the population, and observables are computed on fixed inputs."""

from __future__ import annotations

import abc
import functools
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model, Params

_POPULATION, _PROBE = 2**32 - 5, 2**32 - 17  # seeds of samples that no data set shares


class SequenceModel(Model):
    """A network on infinitely many inputs, without a closed form of its losses.

    A sample of `population` observations, drawn once, stands for the population: the mean loss on it errs by the
    losses' standard deviation / sqrt(population); 0: no such loss. `outputs` on fixed inputs are the function that
    parameters compute, whatever the parameters' symmetries.
    """

    population: int

    @abc.abstractmethod
    def outputs(self, w: Params) -> jax.Array:
        """(k,) what the network gives on its probe, a fixed sample of inputs."""

    @property
    def has_population_loss(self) -> bool:
        return self.population > 0

    def population_loss(self, w: Params) -> jax.Array:
        """Mean loss over the sample that stands for the population, nats per observation."""
        if not self.has_population_loss:
            return super().population_loss(w)
        return jnp.mean(self.losses(w, fixed(self, self.population, _POPULATION)))

    def probe(self, size: int) -> Data:
        """`size` observations, always the same, for `outputs` and observables."""
        return fixed(self, size, _PROBE)


@functools.lru_cache(maxsize=32)
def fixed(model: Model, size: int, seed: int) -> Data:
    """`size` observations of `model`, drawn now even during a trace (in another thread: traces are local)."""
    draw = jax.jit(lambda: model.sample(jax.random.key(seed), size))
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        return elsewhere.submit(lambda: jax.device_get(draw())).result()
