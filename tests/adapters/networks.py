"""flax networks, right and wrong ones, and data and losses for them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

X = np.random.default_rng(0).normal(size=(40, 2))
CLASSES = {"x": X, "y": (X[:, 0] > 0).astype(int)}
TARGETS = {"x": X, "y": X[:, :1]}
SCALARS = {"x": X, "y": X[:, 0]}
DOUBLES = {"x": X, "y": X}
NO_Y = {"x": X}
NO_X = {"inputs": X, "y": X}
THREE = {"x": X, "y": np.arange(40) % 3}


class Mlp(linen.Module):
    out: int = 2

    @linen.compact
    def __call__(self, x):
        return linen.Dense(self.out, name="outer")(jnp.tanh(linen.Dense(3, name="inner")(x)))


class NnxMlp(nnx.Module):
    def __init__(self, rngs):
        self.inner = nnx.Linear(2, 3, rngs=rngs)
        self.layers = nnx.List([nnx.Linear(3, 2, rngs=rngs)])

    def __call__(self, x):
        return self.layers[0](jnp.tanh(self.inner(x)))


def scalar():
    return Mlp(1)


def nnx_made(rngs):
    return NnxMlp(rngs)


def nnx_without_rngs():
    return NnxMlp(nnx.Rngs(0))


def two_arguments(width, depth):
    return Mlp(width)


def not_a_module():
    return 3


class Normalized(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.BatchNorm(use_running_average=False)(linen.Dense(2)(x))


class Dropped(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dropout(0.5, deterministic=False)(linen.Dense(2)(x))


class NnxNormalized(nnx.Module):
    def __init__(self, rngs):
        self.layer, self.norm = nnx.Linear(2, 2, rngs=rngs), nnx.BatchNorm(2, rngs=rngs)

    def __call__(self, x):
        return self.norm(self.layer(x))


class NnxDropped(nnx.Module):
    def __init__(self, rngs):
        self.layer, self.drop = nnx.Linear(2, 2, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(self.layer(x))


class Still(linen.Module):
    def __call__(self, x):
        return x


class Pair(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(x), x


class Centered(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(x - x.mean(axis=0))


class Single(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2, dtype=jnp.float32)(x)


class Wide(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(2)(x.reshape(-1, 7))


def absolute(outputs, row):
    return jnp.sum(jnp.abs(outputs - row["y"]))


def of_wrong_shape(outputs, row):
    return outputs


def watch(params):
    return {"bias": params["inner"]["bias"][0]}


def watch_arrays(params):
    return {"bias": params["inner"]["bias"]}


def draw(key, n):
    x = jax.random.normal(key, (n, 2))
    return {"x": x, "y": (x[:, 0] > 0).astype(jnp.int32)}


class scalar_of_one(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(x[:, None])
