"""A small decoder-only transformer; parameters are a flat dict, and every head has its own matrices.

    x = embed(tokens) + position,   x <- x + attention(norm(x)),   x <- x + mlp(norm(x)),   outputs = unembed(norm(x))

with causal softmax attention (Vaswani et al. 2017, arXiv:1706.03762), normalization before each block (Xiong et al.
2020, arXiv:2002.04745) and learned positions. Without neurons there is no mlp: the attention-only transformers of
Elhage et al. 2021, "A mathematical framework for transformer circuits".

Every head has its own four matrices, "layer_0.head_1.query" and so on, so that a refined
learning coefficient can select a head by name.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from slt.models.base import Params
from slt.runtime.random_keys import random_key

# Flax's fast variance, E[x^2] - E[x]^2, cancels where the coordinates nearly agree.
_Norm = functools.partial(nn.LayerNorm, use_fast_variance=False)


class Head(nn.Module):
    """The matrices of one attention head: query, key and value (width, size), out (size, width)."""

    width: int
    size: int

    @nn.compact
    def __call__(self) -> dict[str, jax.Array]:
        into, out = (self.width, self.size), (self.size, self.width)
        shapes = {"query": into, "key": into, "value": into, "out": out}
        return {
            name: self.param(name, nn.initializers.lecun_normal(), shape) for name, shape in shapes.items()
        }


@jax.custom_jvp
def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """a b for each of many small matrices, (..., i, j) and (..., j, k).

    Its derivative by b takes the transpose of a as an array of its own: XLA's product with a transposed left side is
    three times slower on a CPU, which made a step of training a quarter longer.
    """
    return jax.lax.batch_matmul(a, b)


@product.defjvp
def _(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[jax.Array, jax.Array]:
    (a, b), (da, db) = primals, tangents
    return product(a, b), jax.lax.batch_matmul(da, b) + jnp.einsum("...ji,...jk->...ik", _flipped(a), db)


def _flipped(a: jax.Array) -> jax.Array:
    return jax.lax.optimization_barrier(jnp.swapaxes(a, -1, -2))


class Layer(nn.Module):
    """Attention, and an mlp if there are neurons.

    (n, position, width) -> the same at every `every`-th position, and attention patterns (n, head, query, key). All
    but attention works on one row for each token: XLA's products of three axes are slower.
    """

    width: int
    heads: int
    neurons: int
    every: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        n, positions, _ = x.shape
        size = self.width // self.heads
        each = [Head(self.width, size, name=f"head_{h}")() for h in range(self.heads)]

        def into(*names: str) -> jax.Array:
            return jnp.concatenate([head[name] for name in names for head in each], axis=1)

        def by_head(rows: jax.Array) -> jax.Array:  # (n, head, position, size)
            return jax.lax.optimization_barrier(jnp.swapaxes(rows.reshape(n, -1, self.heads, size), 1, 2))

        seen = _Norm(name="norm_attention")(_rows(x)).reshape(x.shape)
        query = _rows(seen[:, :: self.every]) @ into("query")
        key, value = jnp.split(_rows(seen) @ into("key", "value"), 2, axis=1)
        score = product(by_head(query), _flipped(by_head(key))) / size**0.5
        causal = np.arange(positions)[:: self.every, None] >= np.arange(positions)
        pattern = jax.nn.softmax(jnp.where(causal, score, -jnp.inf), axis=-1)
        moved = jnp.swapaxes(product(pattern, by_head(value)), 1, 2).reshape(-1, self.width)
        out = _rows(x[:, :: self.every]) + moved @ jnp.concatenate([head["out"] for head in each])
        if self.neurons:
            inner = nn.gelu(nn.Dense(self.neurons, name="mlp_in")(_Norm(name="norm_mlp")(out)))
            out = out + nn.Dense(self.width, name="mlp_out")(inner)
        return out.reshape(n, -1, self.width), pattern


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])


class Transformer(nn.Module):
    """(n, position, features) tokens -> (n, position, outputs), and each layer's attention patterns (n, head, query,
    key).

    Attributes:
      width: of the residual stream; a head has width / heads dimensions.
      neurons: of each mlp; 0: attention only.
      length: positions, at most.
      every: outputs are wanted at every so-many-th position, from the first on; the last layer works at these alone.
    """

    width: int
    heads: int
    layers: int
    neurons: int
    length: int
    outputs: int
    every: int = 1

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        n, positions, _ = tokens.shape
        small = nn.initializers.normal(0.02)
        position = self.param("position", small, (self.length, self.width))
        embedded = nn.Dense(self.width, use_bias=False, name="embed")(_rows(tokens))
        x = embedded.reshape(n, positions, self.width) + position[:positions]
        patterns = []
        for i in range(self.layers):
            every = self.every if i == self.layers - 1 else 1
            x, pattern = Layer(self.width, self.heads, self.neurons, every, name=f"layer_{i}")(x)
            patterns.append(pattern)
        outputs = nn.Dense(self.outputs, name="unembed")(_Norm(name="norm")(_rows(x)))
        return outputs.reshape(n, -1, self.outputs), tuple(patterns)


def check_shape(width: int, heads: int, layers: int) -> None:
    """Raises ValueError for invalid sizes."""
    for name, value in (("width", width), ("heads", heads), ("layers", layers)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if width % heads:
        raise ValueError(f"width must be a multiple of heads = {heads}, not {width}")


def start(network: Transformer, features: int, key: jax.Array) -> Params:
    """Parameters as the network itself starts, one flat dict, float64."""
    tokens = jnp.zeros((1, network.length, features))
    flat = traverse_util.flatten_dict(network.init(key, tokens)["params"], sep=".")
    return {name: leaf.astype(jnp.float64) for name, leaf in flat.items()}


@functools.lru_cache(maxsize=32)
def shapes(network: Transformer, features: int) -> dict[str, tuple[int, ...]]:
    """Of the parameters, by name."""
    made: Any = jax.eval_shape(lambda: start(network, features, random_key(0)))
    return {name: leaf.shape for name, leaf in made.items()}


def apply(network: Transformer, w: Params, tokens: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Outputs and attention patterns, see `Transformer`, in the precision of `w` and `tokens`."""
    return network.apply({"params": traverse_util.unflatten_dict(w, sep=".")}, tokens)  # type: ignore[return-value]
