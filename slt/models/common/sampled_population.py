"""Models without a closed form of the population loss: a sample, drawn once, stands for the population."""

from __future__ import annotations

import abc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp

from slt.models.base import Data, Model, Params

POPULATION = 2**32 - 5  # seed of the sample, which no data set has


class SampledPopulation(Model):
    """A model whose population loss is a mean over `population` observations; 0: no such loss.

    It differs from the expectation by about the losses' standard deviation / sqrt(population).
    """

    population: int

    @abc.abstractmethod
    def population_sample(self) -> Data:
        """`population` observations, always the same."""

    @property
    def has_population_loss(self) -> bool:
        return self.population > 0

    def population_loss(self, w: Params) -> jax.Array:
        """Mean loss over the sample, nats per observation."""
        if not self.has_population_loss:
            return super().population_loss(w)
        return jnp.mean(self.losses(w, self.population_sample()))


def untraced(call: Callable[[], Any]) -> Any:
    """`call()`, computed now even during a trace: in another thread, since traces are local to theirs."""
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        return elsewhere.submit(call).result()
