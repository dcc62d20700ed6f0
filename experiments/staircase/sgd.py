"""Online SGD on a staircase among any number of bits: after how many observations each monomial is learned.

Inputs are drawn, not listed, and Fourier coefficients are means over 2,048 inputs that training does not see: their
error is about 0.03, and half is what counts as learned. One observation makes one step; the noise of labels is 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.common.boolean_functions import LEARNED
from slt.models.common.boolean_network import TwoLayer
from slt.models.staircase import Terms

HELD_OUT = 2048
LOOKS = 12  # at the coefficients, in each doubling of the observations
ENOUGH = 0.8  # of the seeds have learned everything: the median and the quartiles are known


class Monomials(NamedTuple):
    """`among` (term, d): which bits are in each; `present` (term,): 1, and 0 for padding."""

    among: jax.Array
    present: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        """(..., d) to (..., term)."""
        return self.present * jnp.prod(jnp.where(self.among, x[..., None, :], 1.0), axis=-1)


def learning_times(
    terms: Terms, d: int, rate: float, *, network: TwoLayer, seeds: int, most: int, padded: int = 3
) -> np.ndarray:
    """(seed, term) observations until the network's coefficient first exceeds half the target's.

    inf where that did not happen before 80 % of the seeds knew everything, `most` observations, or divergence. Terms
    are padded to `padded`, so that one compiled program serves all targets.
    """
    among = np.zeros((padded, d), bool)
    for row, term in zip(among, terms, strict=False):
        row[list(term)] = True
    monomials = Monomials(jnp.asarray(among), jnp.asarray(np.arange(padded) < len(terms), jnp.float32))
    keys = jax.random.split(jax.random.key(d), seeds)
    held_out = jax.random.rademacher(jax.random.key(0), (HELD_OUT, d), jnp.float32)
    w = _start(network, keys, held_out[0])
    times = np.full((seeds, len(terms)), np.inf)
    step = 0
    while step < most and np.mean(np.isfinite(times).all(axis=1)) < ENOUGH:
        stop = max(step + 1, int(step * 2 ** (1 / LOOKS)))
        w, share = _train(network, w, keys, step, stop, rate, monomials, held_out)
        step, share = stop, np.asarray(share)[:, : len(terms)]
        times[np.isinf(times) & (share > LEARNED)] = step
        if not np.isfinite(share[np.isinf(times).any(axis=1)]).any():
            break  # what is left has diverged
    return times


@jax.jit(static_argnums=0)
def _start(network: TwoLayer, keys: jax.Array, x: jax.Array) -> Any:
    w = jax.vmap(lambda key: network.init(key, x))(keys)
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), w)


@jax.jit(static_argnums=0)
def _train(
    network: TwoLayer,
    w: Any,
    keys: jax.Array,
    start: int,
    stop: int,
    rate: float,
    monomials: Monomials,
    held_out: jax.Array,
) -> tuple[Any, jax.Array]:
    """Parameters at step `stop`, and their coefficients (seed, term)."""

    def one(t: jax.Array, w: Any, key: jax.Array) -> Any:
        bits, noise = jax.random.split(jax.random.fold_in(key, t))
        x = jax.random.rademacher(bits, held_out.shape[1:], jnp.float32)
        y = jnp.sum(monomials(x)) + jax.random.normal(noise, dtype=jnp.float32)
        slope = jax.grad(lambda w: (jnp.asarray(network.apply(w, x)) - y) ** 2 / 2)(w)
        return jax.tree.map(lambda leaf, g: leaf - rate * g, w, slope)

    w = jax.lax.fori_loop(start, stop, lambda t, w: jax.vmap(one, (None, 0, 0))(t, w, keys), w)
    characters = monomials(held_out) / len(held_out)
    return w, jax.lax.map(lambda w: jnp.asarray(network.apply(w, held_out)) @ characters, w)
