"""One seed, many named and independent keys."""

import zlib

import jax

import slt.runtime.jax_setup  # noqa: F401  (float64, before any array is made)


def named_key(seed: int, *names: str | int) -> jax.Array:
    """The key that belongs to `names` under `seed`.

    Keys depend on the names alone, never on the order in which stages run, so that adding a stage or
    recomputing one leaves every other stage's numbers as they were.
    """
    key = jax.random.key(seed)
    for name in names:
        key = jax.random.fold_in(key, zlib.crc32(str(name).encode()))
    return key
