"""Models of sequences: a sample stands for the population, and observables are computed on fixed inputs."""

from __future__ import annotations

import abc
import functools

import jax

from slt.models.base import Data, Model, Params
from slt.models.common.sampled_population import POPULATION, SampledPopulation, untraced
from slt.runtime.random_keys import random_key

_PROBE = 2**32 - 17  # seed of a sample that no data set has


class SequenceModel(SampledPopulation):
    """A network on infinitely many inputs. `outputs` on fixed ones are the function that parameters compute, whatever
    the parameters' symmetries."""

    @abc.abstractmethod
    def outputs(self, w: Params) -> jax.Array:
        """(k,) what the network gives on its probe, a fixed sample of inputs."""

    def population_sample(self) -> Data:
        return fixed(self, self.population, POPULATION)

    def probe(self, size: int) -> Data:
        """`size` observations, always the same, for `outputs` and observables."""
        return fixed(self, size, _PROBE)


@functools.lru_cache(maxsize=32)
def fixed(model: Model, size: int, seed: int) -> Data:
    """`size` observations of `model`, computed now even during a trace."""
    draw = jax.jit(lambda: model.sample(random_key(seed), size))
    return untraced(lambda: jax.device_get(draw()))
