"""The data sets that both learners get: drawn once, in float64, and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np

from slt.models.base import Data, Model
from slt.runtime.random_keys import named_key

if TYPE_CHECKING:
    import xarray


def draw(model: Model, seed: int, datasets: int, size: int) -> Data:
    """Pytree with leading axes (dataset, observation).

    Data set i depends on `seed` and i alone; its first m observations do not depend on `size`.
    """
    keys = jax.numpy.stack([named_key(seed, "data", i) for i in range(datasets)])
    sample = jax.jit(jax.vmap(lambda key: model.sample(key, size)))
    return jax.tree.map(np.asarray, jax.device_get(sample(keys)))


def first(data: Data, size: int) -> Data:
    """The first `size` observations of every data set."""
    return jax.tree.map(lambda leaf: leaf[:, :size], data)


def to_dataset(data: Data) -> xarray.Dataset:
    """The leaves of `data`, in the order in which JAX has them, as variables "leaf_0", "leaf_1", ..."""
    import xarray as xr

    def variable(i: int, leaf: np.ndarray) -> tuple[list[str], np.ndarray]:
        own = [f"leaf_{i}_{axis}" for axis in range(leaf.ndim - 2)]
        return ["dataset", "observation", *own], leaf

    leaves = jax.tree.leaves(data)
    return xr.Dataset({f"leaf_{i}": variable(i, np.asarray(leaf)) for i, leaf in enumerate(leaves)})


def from_dataset(model: Model, dataset: xarray.Dataset) -> Data:
    """The inverse of `to_dataset`, for data of `model`."""
    shape = jax.eval_shape(lambda: model.sample(jax.random.key(0), 1))
    structure = jax.tree.structure(shape)
    count = len(jax.tree.leaves(shape))
    return jax.tree.unflatten(structure, [dataset[f"leaf_{i}"].values for i in range(count)])
