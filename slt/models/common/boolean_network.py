"""A two-layer ReLU network on finitely many inputs, all of them listed: `staircase` and `sparse_parity`.

    y = target(x) + noise,   f(x) = c + sum_i a_i ReLU(w_i . x + b_i),   noise ~ N(0, sigma^2)

The loss is the negative log-likelihood less its value at the target. With the gap g = f - target it is
(g^2 / 2 - noise g) / sigma^2 nats, so that the population loss is K = E[g^2] / (2 sigma^2): zero on the true set.

Inputs are few enough to be listed. So the population loss is a sum, and two numbers for each input are sufficient
statistics of a data set: how often it was observed, and the sum of its noise.
"""

from __future__ import annotations

import abc
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.flatten_util import ravel_pytree

from slt.models.base import Model, Params
from slt.models.common.boolean_functions import Unit, balance
from slt.models.common.gaussian import draw_normal, log_normal

_STATIONARY = 1e-10  # gradients shorter than this are rounding


class Labeled(NamedTuple):
    """Observations: `which` input (n,) int32, and its label y (n,)."""

    which: jax.Array
    y: jax.Array


class Counts(NamedTuple):
    """For each input: total weight (inputs,), and the weighted sum of noise (inputs,)."""

    weight: jax.Array
    noise: jax.Array


class TwoLayer(nn.Module):
    """f(x) above, (..., d) to (...,); weights from N(0, scale^2 / fan in), biases of the hidden units from
    N(0, scale^2): without them ReLU units have no odd monomial but x_j."""

    hidden: int
    scale: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = nn.initializers.variance_scaling(self.scale**2, "fan_in", "normal")
        bias = nn.initializers.normal(self.scale)
        dense = functools.partial(nn.Dense, kernel_init=kernel, param_dtype=jnp.float64)
        units = nn.relu(dense(self.hidden, bias_init=bias, name="hidden")(x))
        return dense(1, name="output")(units)[..., 0]


class BooleanNetwork(Model):
    """Parameters {"hidden_kernel": (d, hidden), "hidden_bias": (hidden,), "output_kernel": (hidden, 1),
    "output_bias": (1,)} under the prior N(0, prior_scale^2) on each."""

    hidden: int
    noise: float
    prior_scale: float
    init_scale: float

    @abc.abstractmethod
    def inputs(self) -> np.ndarray:
        """(inputs, d) every input there is."""

    @abc.abstractmethod
    def probability(self) -> np.ndarray:
        """(inputs,) of each; they sum to 1."""

    @abc.abstractmethod
    def target(self) -> np.ndarray:
        """(inputs,) what is to be learned."""

    def outputs(self, w: Params) -> jax.Array:
        """(inputs,) the network's output on every input."""
        return self._apply(w, self.inputs())

    def init(self, key: jax.Array) -> Params:
        dimension = self.inputs().shape[1]
        return flatten_dict(self._network.init(key, jnp.zeros(dimension))["params"], sep="_")

    def sample(self, key: jax.Array, n: int) -> Labeled:
        which, noise = jax.random.split(key)
        uniform = jax.random.uniform(which, (n,), jnp.float64)
        below = np.cumsum(self.probability())
        index = jnp.minimum(
            jnp.searchsorted(jnp.asarray(below), uniform, side="right"), len(below) - 1
        ).astype(jnp.int32)
        y = jnp.asarray(self.target())[index] + self.noise * jax.random.normal(noise, (n,), jnp.float64)
        return Labeled(index, y)

    def losses(self, w: Params, data: Labeled) -> jax.Array:
        inputs, target = (jnp.asarray(a, data.y.dtype)[data.which] for a in (self.inputs(), self.target()))
        gap = self._apply(w, inputs) - target
        return gap * (gap / 2 - (data.y - target)) / self.noise**2

    def population_loss(self, w: Params) -> jax.Array:
        return jnp.sum(jnp.asarray(self.probability()) * self.gap(w) ** 2) / (2 * self.noise**2)

    def summarize(self, data: Labeled, weights: jax.Array) -> Counts:
        target = jnp.asarray(self.target())
        noise = data.y - target[data.which]
        empty = jnp.zeros(len(target))
        return Counts(empty.at[data.which].add(weights), empty.at[data.which].add(weights * noise))

    def summed_loss(self, w: Params, summary: Counts) -> jax.Array:
        gap = self.gap(w)
        return jnp.sum(gap * (summary.weight * gap / 2 - summary.noise)) / self.noise**2

    def log_prior(self, w: Params) -> jax.Array:
        return log_normal(w, self.prior_scale)

    def sample_prior(self, key: jax.Array) -> Params:
        shapes = jax.eval_shape(self.init, key)
        return draw_normal(key, {name: leaf.shape for name, leaf in shapes.items()}, self.prior_scale)

    def nearest_copy(self, w: Params, to: Params) -> Params:
        """The order of the hidden units of `w` that lies nearest to `to`."""
        rows, goal = _units(w), _units(to)
        apart = np.sum((goal[:, None] - rows[None]) ** 2, axis=-1)
        chosen = scipy.optimize.linear_sum_assignment(apart)[1]
        return {
            "hidden_kernel": np.asarray(w["hidden_kernel"])[:, chosen],
            "hidden_bias": np.asarray(w["hidden_bias"])[chosen],
            "output_kernel": np.asarray(w["output_kernel"])[chosen],
            "output_bias": np.asarray(w["output_bias"]),
        }

    def gap(self, w: Params) -> jax.Array:
        """(inputs,) output less target."""
        outputs = self.outputs(w)
        return outputs - jnp.asarray(self.target(), outputs.dtype)

    def point_of(self, units: list[Unit], offset: float) -> Params:
        """The network of these units and `offset` for c; units that are not needed are zero."""
        dimension = self.inputs().shape[1]
        balanced = [balance(unit) for unit in units]
        spare = [Unit(np.zeros(dimension), 0.0, 0.0)] * (self.hidden - len(units))
        w, b, a = zip(*balanced, *spare, strict=True)
        return {
            "hidden_kernel": np.stack(w, axis=1),
            "hidden_bias": np.array(b),
            "output_kernel": np.array(a)[:, None],
            "output_bias": np.array([offset]),
        }

    def is_critical(self, point: Params) -> bool:
        """Whether the gradient of the population loss vanishes, but for rounding."""
        slope = _slope(self, jax.tree.map(jnp.asarray, point))
        return bool(jnp.linalg.norm(ravel_pytree(slope)[0]) < _STATIONARY)

    @property
    def _network(self) -> TwoLayer:
        return TwoLayer(self.hidden, self.init_scale)

    def _apply(self, w: Params, x: jax.Array | np.ndarray) -> jax.Array:
        dtype = w["hidden_kernel"].dtype
        params = unflatten_dict(w, sep="_")
        return jnp.asarray(self._network.apply({"params": params}, jnp.asarray(x, dtype)))


@functools.partial(jax.jit, static_argnums=0)
def _slope(model: BooleanNetwork, w: Params) -> Params:
    return jax.grad(model.population_loss)(w)


def check_network(model: BooleanNetwork, units: int) -> None:
    """Raises ValueError for options out of range, or fewer hidden units than the target is built of."""
    if model.hidden < units:
        raise ValueError(f"this target is built of {units} hidden units, so hidden cannot be {model.hidden}")
    for name in ("noise", "prior_scale", "init_scale"):
        value = getattr(model, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, not {value}")


def _units(w: Params) -> np.ndarray:
    """(hidden, d + 2) weights of each unit."""
    return np.concatenate(
        [
            np.asarray(w["hidden_kernel"]).T,
            np.asarray(w["hidden_bias"])[:, None],
            np.asarray(w["output_kernel"]),
        ],
        axis=1,
    )
