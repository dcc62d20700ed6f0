"""A network of flax, linen or nnx, with data and a loss: a model of one's own without writing one.

    _target_: slt.models.from_flax.FlaxModel
    module: my_project.make_module # a function that returns the network; for nnx, make_module(rngs)
    data: digits.npz # arrays x and y; or a dotted path to a mapping of arrays, or to f(key, n)
    loss: cross_entropy

Parameters are one flat dict, "Dense_0.kernel" and so on, in float32 along SGD and in float64 for posteriors. The
network must be a function of its parameters and of one observation: a layer that keeps running averages (batch
normalisation) or draws random numbers (dropout) gives no likelihood, and is refused.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx, traverse_util

from slt.errors import ConfigError, suggestion
from slt.models.base import Params, as_model, static
from slt.models.borrowed import (
    FEW,
    MORE,
    Borrower,
    Outside,
    Rows,
    Source,
    check_alone,
    first,
    function,
    outside,
    source,
    tried,
    untraced,
)
from slt.models.signal import check_positive

Loss = Callable[[jax.Array, Rows], jax.Array]  # outputs, rows -> (n,) nats


@as_model
class FlaxModel(Borrower):
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

    Raises ConfigError for what is not of this form; it names the option.
    """

    module: str = static()
    data: str = static()
    loss: str = static("squared")
    noise: float = static(1.0)
    prior_scale: float = static(1.0)
    init_scale: float = static(1.0)
    watch: str | None = static(None)

    def __post_init__(self) -> None:
        check_positive(noise=self.noise, prior_scale=self.prior_scale, init_scale=self.init_scale)
        _verified(self.module, source(self.data), self.loss, self.noise, self.watch)

    @property
    def network(self) -> Network:
        return _network(self.module, source(self.data))

    def outside(self) -> Outside:
        own = None if self.loss in _LOSSES else self.loss
        return outside((self.module, self.data, own, self.watch))

    def init(self, key: jax.Array) -> Params:
        return {
            name: self.init_scale * leaf.astype(jnp.float64) for name, leaf in self.network.init(key).items()
        }

    def sample(self, key: jax.Array, n: int) -> Rows:
        return source(self.data).sample(key, n)

    def losses(self, w: Params, data: Rows) -> jax.Array:
        return _loss(self.loss, self.noise)(self.network.apply(w, data["x"]), data)

    def log_prior(self, w: Params) -> jax.Array:
        flat = jnp.concatenate([jnp.ravel(leaf) for leaf in w.values()])
        return jnp.sum(jax.scipy.stats.norm.logpdf(flat, scale=self.prior_scale))

    def sample_prior(self, key: jax.Array) -> Params:
        shapes = self.network.shapes
        keys = jax.random.split(key, len(shapes))
        return {
            name: self.prior_scale * jax.random.normal(own, shape, jnp.float64)
            for own, (name, shape) in zip(keys, shapes.items(), strict=True)
        }

    def observables(self, w: Params) -> dict[str, jax.Array]:
        if self.watch is None:
            return {"norm": optax.tree.norm(w)}
        return dict(function(self.watch, "watch")(self.network.nested(w)))


# -- networks as pure functions ----------------------------------------------------------------------------------
class Network(NamedTuple):
    """A network whose parameters are a flat dict.

    Attributes:
      shapes: of the parameters.
      init: key -> parameters, as the network itself starts.
      apply: parameters, (n, ...) inputs -> (n, ...) outputs.
      nested: parameters as flax has them.
    """

    shapes: dict[str, tuple[int, ...]]
    init: Callable[[jax.Array], Params]
    apply: Callable[[Params, jax.Array], jax.Array]
    nested: Callable[[Params], Mapping[str, Any]]


@functools.lru_cache(maxsize=64)
def _network(path: str, rows: Source) -> Network:
    make = function(path, "module")
    needed = _needed(make)
    if len(needed) > 1:
        raise ConfigError(f"module: {path} must take no argument, or nnx.Rngs alone, not {', '.join(needed)}")
    example = jax.eval_shape(lambda: rows.sample(jax.random.key(0), 1))
    if "x" not in example:
        raise ConfigError(
            f"data: {rows.path} must hold x, the inputs of the network; it holds {', '.join(example)}"
        )
    if needed:
        made = tried(lambda: nnx.eval_shape(lambda: make(nnx.Rngs(0))), "module", path)
    else:
        made = tried(make, "module", path)
    if isinstance(made, linen.Module):
        return _linen(made, example["x"], path)
    if not isinstance(made, nnx.Module):
        raise ConfigError(
            f"module: {path} must return a module of flax, linen or nnx, not {type(made).__name__}"
        )
    if not needed:
        raise ConfigError(f"module: {path} must take rngs, an nnx.Rngs, so that every seed starts elsewhere")
    return _nnx(made, lambda key: make(nnx.Rngs(key)), path)


def _needed(make: Callable) -> list[str]:
    """The arguments that `make` cannot do without."""
    hidden = inspect.isclass(make) and issubclass(make, nnx.Module)  # the metaclass hides what __init__ takes
    takes = list(inspect.signature(make.__init__ if hidden else make).parameters.values())
    named = [p for p in takes[hidden:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return [p.name for p in named if p.default is p.empty]


def _linen(module: linen.Module, like: jax.ShapeDtypeStruct, path: str) -> Network:
    shapes = tried(lambda: jax.eval_shape(module.init, jax.random.key(0), like), "module", path)
    _refuse_state(sorted(set(shapes) - {"params"}), path)
    names = {key: ".".join(key) for key in traverse_util.flatten_dict(shapes["params"])}

    def flat(params: Any) -> Params:
        return {names[key]: leaf for key, leaf in traverse_util.flatten_dict(params).items()}

    def nested(w: Params) -> Mapping[str, Any]:
        return traverse_util.unflatten_dict({key: w[name] for key, name in names.items()})

    def apply(w: Params, inputs: jax.Array) -> jax.Array:
        return module.apply({"params": nested(w)}, inputs)  # type: ignore[return-value]

    return Network(
        {name: leaf.shape for name, leaf in flat(shapes["params"]).items()},
        lambda key: flat(module.init(key, jnp.zeros(like.shape, like.dtype))["params"]),
        apply,
        nested,
    )


def _nnx(shaped: nnx.Module, make: Callable[[jax.Array], nnx.Module], path: str) -> Network:
    """`shaped`: the network, of shapes alone."""
    graph, params, rest = nnx.split(shaped, nnx.Param, ...)  # type: ignore[misc]
    _refuse_state(sorted({type(variable).__name__ for _, variable in nnx.to_flat_state(rest)}), path)
    names = {key: ".".join(map(str, key)) for key, _ in nnx.to_flat_state(params)}

    def init(key: jax.Array) -> Params:
        fresh = nnx.to_flat_state(nnx.state(make(key), nnx.Param))
        return {names[key]: variable[...] for key, variable in fresh}

    def apply(w: Params, inputs: jax.Array) -> jax.Array:
        state = nnx.from_flat_state([(key, nnx.Param(w[name])) for key, name in names.items()])
        return nnx.merge(graph, state)(inputs)

    def nested(w: Params) -> Mapping[str, Any]:
        return traverse_util.unflatten_dict({key: w[name] for key, name in names.items()})

    shapes = {names[key]: variable.shape for key, variable in nnx.to_flat_state(params)}
    return Network(shapes, init, apply, nested)


def _refuse_state(kinds: list[str], path: str) -> None:
    if kinds:
        raise ConfigError(
            f"module: {path} keeps more than parameters: {', '.join(kinds)}\n"
            "Take out layers with running averages (batch normalisation) and with random numbers (dropout)"
        )


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
    whole = jnp.issubdtype(targets.dtype, jnp.integer) and targets.ndim == 1
    if not whole or outputs.ndim != 2 or outputs.shape[1] < 2:
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
    network, measure = _network(module, rows), _loss(loss, noise)
    few = untraced(lambda: jax.device_get(rows.sample(jax.random.key(0), MORE)))
    if loss in _LOSSES and "y" not in few:
        raise ConfigError(f"data: {rows.path} must hold y, the targets; it holds {', '.join(few)}")
    if loss == "cross_entropy":
        _check_classes(network, rows)
    w = {name: jax.ShapeDtypeStruct(shape, jnp.float64) for name, shape in network.shapes.items()}
    outputs = tried(lambda: jax.eval_shape(network.apply, w, few["x"]), "module", module)
    if outputs.dtype != jnp.float64 or outputs.shape[:1] != (MORE,):
        raise ConfigError(
            f"module: {module} must give one float64 output for each row of float64 inputs and parameters, not "
            f"{outputs.shape} of {outputs.dtype}: leave dtype unset"
        )
    losses = tried(lambda: jax.eval_shape(measure, outputs, few), "loss", loss)
    if losses.shape != (MORE,):
        raise ConfigError(f"loss: {loss} must give one number for an observation, not {losses.shape[1:]}")
    _check_rows(network, measure, few, module)
    if watch is not None:
        _check_watched(function(watch, "watch"), network.nested(w), watch)


def _check_classes(network: Network, rows: Source) -> None:
    """Raises ConfigError where a table's targets have no logit."""
    if rows.table is None or not np.issubdtype(rows.table["y"].dtype, np.integer):
        return
    example = jax.eval_shape(
        network.apply,
        {name: jax.ShapeDtypeStruct(shape, jnp.float64) for name, shape in network.shapes.items()},
        jax.ShapeDtypeStruct((MORE, *rows.table["x"].shape[1:]), rows.table["x"].dtype),
    )
    low, high = int(rows.table["y"].min()), int(rows.table["y"].max())
    if low < 0 or high >= example.shape[-1]:
        raise ConfigError(
            f"data: y of {rows.path} runs from {low} to {high}, and the network has {example.shape[-1]} outputs: "
            f"classes are 0 to {example.shape[-1] - 1}"
        )


def _check_rows(network: Network, measure: Loss, rows: Rows, module: str) -> None:
    """Raises ConfigError unless the loss of a row is the same without the others."""

    @jax.jit
    def probe() -> tuple[jax.Array, jax.Array]:
        w = {name: leaf.astype(jnp.float64) for name, leaf in network.init(jax.random.key(0)).items()}
        few, more = (measure(network.apply(w, part["x"]), part) for part in (first(rows, FEW), rows))
        return few, more[:FEW]

    few, among = tried(lambda: untraced(probe), "module", module)
    check_alone(few, among, "module", module)


def _check_watched(watched: Callable, params: Mapping[str, Any], path: str) -> None:
    values = tried(lambda: jax.eval_shape(watched, params), "watch", path)
    if not isinstance(values, Mapping) or any(value.shape != () for value in values.values()):
        raise ConfigError(f"watch: {path} must give a mapping of names to scalars")
