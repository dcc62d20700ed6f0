"""A small decoder-only transformer, whose parameters are a flat dict and whose heads are parameters of their own.

    x = embed(tokens) + position,   x <- x + attention(norm(x)),   x <- x + mlp(norm(x)),   outputs = unembed(norm(x))

with causal softmax attention (Vaswani et al. 2017, arXiv:1706.03762), normalisation before each block (Xiong et al.
2020, arXiv:2002.04745) and learned positions. Without neurons there is no mlp: the attention-only transformers of
Elhage et al. 2021, "A mathematical framework for transformer circuits".

Every head has its own four matrices, "layer_0.head_1.query" and so on, so that a learning coefficient can be
restricted to a head by name.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from slt.models.base import Params

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


class Layer(nn.Module):
    """Attention, and an mlp if there are neurons. (n, position, width) -> the same, and the attention patterns."""

    width: int
    heads: int
    neurons: int

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        n, positions, _ = x.shape
        size = self.width // self.heads
        each = [Head(self.width, size, name=f"head_{h}")() for h in range(self.heads)]
        into = jnp.concatenate([head[name] for name in ("query", "key", "value") for head in each], axis=1)
        seen = _Norm(name="norm_attention")(x).reshape(-1, self.width) @ into
        query, key, value = jnp.moveaxis(seen.reshape(n, positions, 3, self.heads, size), 2, 0)
        score = jnp.einsum("nqhs,nkhs->nhqk", query, key) / size**0.5
        causal = jnp.tril(jnp.ones((positions, positions), bool))
        pattern = jax.nn.softmax(jnp.where(causal, score, -jnp.inf), axis=-1)
        moved = jnp.einsum("nhqk,nkhs->nqhs", pattern, value).reshape(-1, self.width)
        x = x + (moved @ jnp.concatenate([head["out"] for head in each])).reshape(x.shape)
        if self.neurons:
            inner = nn.gelu(nn.Dense(self.neurons, name="mlp_in")(_Norm(name="norm_mlp")(x)))
            x = x + nn.Dense(self.width, name="mlp_out")(inner)
        return x, pattern


class Transformer(nn.Module):
    """(n, position, features) tokens -> (n, position, outputs), and (n, layer, head, query, key) attention patterns.

    Attributes:
      width: of the residual stream; a head has width / heads dimensions.
      neurons: of each mlp; 0: attention only.
      length: positions, at most.
    """

    width: int
    heads: int
    layers: int
    neurons: int
    length: int
    outputs: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        small = nn.initializers.normal(0.02)
        position = self.param("position", small, (self.length, self.width))
        x = nn.Dense(self.width, use_bias=False, name="embed")(tokens) + position[: tokens.shape[1]]
        patterns = []
        for i in range(self.layers):
            x, pattern = Layer(self.width, self.heads, self.neurons, name=f"layer_{i}")(x)
            patterns.append(pattern)
        outputs = nn.Dense(self.outputs, name="unembed")(_Norm(name="norm")(x))
        return outputs, jnp.stack(patterns, axis=1)


def check_shape(width: int, heads: int, layers: int) -> None:
    """Raises ValueError for sizes that make no transformer."""
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
    made: Any = jax.eval_shape(lambda: start(network, features, jax.random.key(0)))
    return {name: leaf.shape for name, leaf in made.items()}


def apply(network: Transformer, w: Params, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Outputs and attention patterns, see `Transformer`, in the precision of `w` and `tokens`."""
    return network.apply({"params": traverse_util.unflatten_dict(w, sep=".")}, tokens)  # type: ignore[return-value]
