"""Batches over the devices that there are: seeds, repeats and points lie on a mesh, and compiled programs follow.

Nothing else knows of devices. Which device computes what is no part of a recipe, so that records are found whatever
machine made them.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from slt.runtime.jax_setup import cores_are_devices

T = TypeVar("T")


def spread(tree: T, axes: int | None = None) -> T:
    """The same pytree with its batch over JAX's devices, a CPU's cores among them; `tree` itself on one device.

    The batch axes are those that all its arrays share, from the first on, or the first `axes` of them: (seed,) of an
    ensemble in training, (dataset, repeat) of populations. Each takes the most devices, of those still left, that
    divide it evenly: 8 seeds use 4 devices of 5, and 7 seeds one. Scalars go to every device; leaves that are no
    arrays stay as they are.
    """
    devices = jax.devices()
    if len(devices) == 1:
        return tree
    shapes = [leaf.shape for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array) and leaf.ndim]
    counts = _counts([shape[:axes] for shape in shapes], len(devices))
    used = math.prod(counts)
    if used == 1:
        return tree
    names = [f"batch{axis}" for axis in range(len(counts))]
    mesh = Mesh(np.array(devices[:used]).reshape(counts), names)
    split, everywhere = NamedSharding(mesh, PartitionSpec(*names)), NamedSharding(mesh, PartitionSpec())

    def place(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        return jax.device_put(leaf, split if leaf.ndim else everywhere)

    return jax.tree.map(place, tree)


def spread_populations(tree: T, axes: int | None = None) -> T:
    """`spread` for what gains nothing from cores made devices: populations of particles, which XLA divides over cores
    by itself, and chains that wait for the longest of them (NUTS). Last digits are those of one device."""
    return tree if cores_are_devices() else spread(tree, axes)


def _counts(shapes: list[tuple[int, ...]], devices: int) -> list[int]:
    """How many devices each axis is split over that all of `shapes` share."""
    counts: list[int] = []
    for sizes in zip(*shapes, strict=False):
        if len(set(sizes)) > 1:
            break
        most = devices // math.prod(counts)
        counts.append(next(count for count in range(most, 0, -1) if sizes[0] % count == 0))
    return counts
