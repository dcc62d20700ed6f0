"""The data sets that both learners get: drawn once, in float64, and stored."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import numpy as np

from slt.models.base import Data, Model
from slt.runtime.jax_setup import require_float64
from slt.runtime.random_keys import named_key, random_key


@dataclasses.dataclass(frozen=True)
class DataSets:
    """Data sets of a model.

    Attributes:
      leaves: "leaf_0", "leaf_1", ... -> (dataset, observation, ...), in the order in which JAX has the leaves of the
        model's data.
    """

    leaves: dict[str, np.ndarray]

    DIMS: ClassVar[dict[str, tuple[str, ...]]] = {"leaves": ("dataset", "observation", "...")}

    @classmethod
    def of(cls, data: Data) -> DataSets:
        """`data` has leading axes (dataset, observation)."""
        return cls({f"leaf_{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(data))})

    def first(self, model: Model, size: int) -> Data:
        """The first `size` observations of every data set, as data of `model`."""
        one = jax.eval_shape(lambda: model.sample(random_key(0), 1))
        leaves = [self.leaves[f"leaf_{i}"] for i in range(len(jax.tree.leaves(one)))]
        return first(jax.tree.unflatten(jax.tree.structure(one), leaves), size)


def draw(model: Model, seed: int, datasets: int, size: int) -> Data:
    """`datasets` data sets of `size` observations: leading axes (dataset, observation).

    Data set i depends on `seed` and i alone; its first m observations do not depend on `size`.

    Raises ConfigError where float64 is switched off.
    """
    require_float64()
    keys = jax.numpy.stack([named_key(seed, "data", i) for i in range(datasets)])
    sample = jax.jit(jax.vmap(lambda key: model.sample(key, size)))
    return jax.tree.map(np.asarray, jax.device_get(sample(keys)))


def first(data: Data, size: int) -> Data:
    """The first `size` observations of every data set."""
    return jax.tree.map(lambda leaf: leaf[:, :size], data)
