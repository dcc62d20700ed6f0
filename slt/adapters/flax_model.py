"""A network of flax, linen or nnx, with data and a loss, as a model.

    _target_: slt.adapters.flax_model.FlaxModel
    module: my_project.make_module # a function that returns the network; for nnx, make_module(rngs)
    data: digits.npz # arrays x and y; or a dotted path to a mapping of arrays, or to f(key, n)
    loss: cross_entropy

Parameters are one flat dict, "Dense_0.kernel" and so on, in float32 along SGD and in float64 for posteriors. The
network must be a function of its parameters and of one observation: a layer that keeps running averages (batch
normalization) or draws random numbers (dropout) gives no likelihood, and is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from slt.adapters.flax_networks import Network, network_of
from slt.adapters.user_model import (
    FEW,
    MORE,
    Rows,
    Source,
    UserModel,
    check_alone,
    check_population,
    first,
    function,
    modules_of,
    source,
    tried,
)
from slt.errors import ConfigError, suggestion
from slt.models.base import Params, as_model, static
from slt.models.common.checks import check_positive
from slt.models.common.gaussian import draw_normal
from slt.models.common.sampled_population import untraced
from slt.runtime.random_keys import random_key

Loss = Callable[[jax.Array, Rows], jax.Array]  # outputs, rows -> (n,) nats


@as_model
class FlaxModel(UserModel):
    """A flax network with a data set and a loss.

    Parameters {"layer.name": array}; data {"x": inputs of the network, "y": targets}, each (n, ...). A loss of one's
    own may use further arrays.

    Args:
      module: dotted path to a function that returns the network: linen without arguments, nnx with an `nnx.Rngs`.
      data: an .npz file, or a dotted path to a mapping of arrays or to a function (key, n) -> arrays. Of N rows a
        data set is the first n in an order of its own.
      loss: "squared", |outputs - y|^2 / (2 noise^2); "cross_entropy" of logits and whole-number y; or a dotted path
        to f(outputs, row) -> nats, for one observation.
      noise: standard deviation of the targets, for "squared".
      prior_scale: the prior on every parameter is N(0, prior_scale^2).
      init_scale: SGD starts at the network's own initial parameters times this.
      watch: dotted path to f(params) -> named scalars, observables along training, of the parameters nested as flax
        has them; null: the norm of the parameters.
      population: how many observations, drawn once, stand for the population; 0: no population loss. With one,
        phases and posteriors are found without data noise.

    Raises ConfigError for what is not of this form; it names the option.
    """

    module: str = static()
    data: str = static()
    loss: str = static("squared")
    noise: float = static(1.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)
    watch: str | None = static(None)
    population: int = static(0)

    def __post_init__(self) -> None:
        check_positive(noise=self.noise, prior_scale=self.prior_scale, init_scale=self.init_scale)
        _verified(self.module, self.rows(), self.loss, self.noise, self.watch)
        check_population(self.population, self.rows())

    @property
    def network(self) -> Network:
        return network_of(self.module, self.rows())

    def modules(self) -> tuple[str, ...]:
        own = None if self.loss in _LOSSES else self.loss
        return modules_of((self.module, self.data, own, self.watch))

    def init(self, key: jax.Array) -> Params:
        return {
            name: self.init_scale * leaf.astype(jnp.float64) for name, leaf in self.network.init(key).items()
        }

    def rows(self) -> Source:
        return source(self.data)

    def losses(self, w: Params, data: Rows) -> jax.Array:
        return _loss(self.loss, self.noise)(self.network.apply(w, data["x"]), data)

    def log_prior(self, w: Params) -> jax.Array:
        flat = jnp.concatenate([jnp.ravel(leaf) for leaf in w.values()])
        return jnp.sum(jax.scipy.stats.norm.logpdf(flat, scale=self.prior_scale))

    def sample_prior(self, key: jax.Array) -> Params:
        return draw_normal(key, self.network.shapes, self.prior_scale)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        if self.watch is None:
            return {"norm": optax.tree.norm(w)}
        return dict(function(self.watch, "watch")(self.network.nested(w)))


# -- losses ------------------------------------------------------------------------------------------------------
def _squared(outputs: jax.Array, rows: Rows, noise: float) -> jax.Array:
    targets = rows["y"]
    n = len(targets)
    if outputs.size != targets.size:
        raise ConfigError(
            f"loss: squared compares outputs {outputs.shape[1:]} of one observation with y {targets.shape[1:]}: "
            "their sizes must agree"
        )
    apart = outputs.reshape(n, -1) - targets.reshape(n, -1)
    return jnp.sum(apart**2, axis=1) / (2 * noise**2)


def _cross_entropy(outputs: jax.Array, rows: Rows, noise: float) -> jax.Array:
    targets = rows["y"]
    integers = jnp.issubdtype(targets.dtype, jnp.integer) and targets.ndim == 1
    if not integers or outputs.ndim != 2 or outputs.shape[1] < 2:
        raise ConfigError(
            "loss: cross_entropy needs logits (n, classes >= 2) and whole-number y (n,), not outputs "
            f"{outputs.shape} and y {targets.shape} of {targets.dtype}"
        )
    return optax.softmax_cross_entropy_with_integer_labels(outputs, targets)


_LOSSES: dict[str, Callable[..., jax.Array]] = {
    "squared": _squared,
    "cross_entropy": _cross_entropy,
}


def _loss(name: str, noise: float) -> Loss:
    if name in _LOSSES:
        return functools.partial(_LOSSES[name], noise=noise)
    if "." not in name:
        raise ConfigError(f"loss: there is no loss {name!r}" + suggestion(name, _LOSSES, "losses"))
    return jax.vmap(function(name, "loss"))


@functools.lru_cache(maxsize=64)
def _verified(module: str, rows: Source, loss: str, noise: float, watch: str | None) -> None:
    """Raises ConfigError for parts that do not fit together, before anything is compiled."""
    network, measure = network_of(module, rows), _loss(loss, noise)
    few = untraced(lambda: jax.device_get(rows.sample(random_key(0), MORE)))
    if loss in _LOSSES and "y" not in few:
        raise ConfigError(f"data: {rows.path} must hold y, the targets; it holds {', '.join(few)}")
    w = {name: jax.ShapeDtypeStruct(shape, jnp.float64) for name, shape in network.shapes.items()}
    outputs = tried(lambda: jax.eval_shape(network.apply, w, few["x"]), "module", module)
    if not isinstance(outputs, jax.ShapeDtypeStruct) or outputs.shape[:1] != (MORE,):
        raise ConfigError(f"module: {module} must give one array, with an output for each row, not {outputs}")
    if outputs.dtype != jnp.float64:
        raise ConfigError(
            f"module: {module} gives {outputs.dtype} where inputs and parameters are float64: leave dtype unset"
        )
    losses = tried(lambda: jax.eval_shape(measure, outputs, few), "loss", loss)
    if losses.shape != (MORE,):
        raise ConfigError(f"loss: {loss} must give one number for an observation, not {losses.shape[1:]}")
    if loss == "cross_entropy":
        _check_classes(outputs.shape[-1], rows, few)
    _check_rows(network, measure, few, module)
    if watch is not None:
        _check_watched(function(watch, "watch"), network.nested(w), watch)


def _check_classes(classes: int, rows: Source, few: Rows) -> None:
    """Raises ConfigError where targets have no logit."""
    targets = (rows.table or few)["y"]
    low, high = int(np.min(targets)), int(np.max(targets))
    if low < 0 or high >= classes:
        raise ConfigError(
            f"data: y of {rows.path} runs from {low} to {high}, and the network has {classes} outputs: "
            f"classes are 0 to {classes - 1}"
        )


def _check_rows(network: Network, measure: Loss, rows: Rows, module: str) -> None:
    """Raises ConfigError unless the loss of a row is the same without the others."""

    @jax.jit
    def probe() -> tuple[jax.Array, jax.Array]:
        w = {name: leaf.astype(jnp.float64) for name, leaf in network.init(random_key(0)).items()}
        few, more = (measure(network.apply(w, part["x"]), part) for part in (first(rows, FEW), rows))
        return few, more[:FEW]

    few, among = tried(lambda: untraced(probe), "module", module)
    check_alone(few, among, "module", module)


def _check_watched(watched: Callable, params: Mapping[str, Any], path: str) -> None:
    values = tried(lambda: jax.eval_shape(watched, params), "watch", path)
    if not isinstance(values, Mapping) or any(value.shape != () for value in values.values()):
        raise ConfigError(f"watch: {path} must give a mapping of names to scalars")
