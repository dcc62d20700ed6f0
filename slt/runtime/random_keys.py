"""Random keys: the same numbers from the same seed, whatever JAX is set to; from one seed many independent keys."""

from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import numpy as np

from slt.errors import ConfigError

IMPLEMENTATION = (
    "threefry2x32"  # part of what a seed means: records name seeds and not how keys are made of them
)


def random_key(seed: int) -> jax.Array:
    """`jax.random.key(seed)` as JAX makes it unless told otherwise: neither jax_default_prng_impl nor
    jax_random_seed_offset nor the width of integers changes it.

    Raises ConfigError where jax_threefry_partitionable is off: every number drawn from a key would be another.
    """
    if not jax.config.values["jax_threefry_partitionable"]:
        raise ConfigError(
            "jax_threefry_partitionable is off, with which the same seed gives other random numbers\n"
            'Unset JAX_THREEFRY_PARTITIONABLE, or call jax.config.update("jax_threefry_partitionable", True)'
        )
    words = np.array([seed], np.int64).view(np.uint64)
    halves = np.concatenate([words >> 32, words & 0xFFFFFFFF]).astype(np.uint32)
    return jax.random.wrap_key_data(jnp.asarray(halves), impl=IMPLEMENTATION)


def named_key(seed: int, *names: str | int) -> jax.Array:
    """The key that belongs to `names` under `seed`.

    Keys depend on the names alone, never on the order in which stages run, so that adding a stage or
    recomputing one leaves every other stage's numbers as they were.
    """
    made = random_key(seed)
    for name in names:
        made = jax.random.fold_in(made, zlib.crc32(str(name).encode()))
    return made
