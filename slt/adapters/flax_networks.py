"""Networks of flax, linen or nnx, as pure functions of a flat dict of parameters."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen, nnx, traverse_util
from flax.errors import InvalidRngError

from slt.adapters.user_model import Source, function, tried
from slt.errors import ConfigError
from slt.models.base import Params
from slt.runtime.random_keys import random_key


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
def network_of(path: str, rows: Source) -> Network:
    make = function(path, "module")
    needed = _needed(make)
    if len(needed) > 1:
        raise ConfigError(f"module: {path} must take no argument, or nnx.Rngs alone, not {', '.join(needed)}")
    example = jax.eval_shape(lambda: rows.sample(random_key(0), 1))
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
    shapes = tried(lambda: jax.eval_shape(module.init, random_key(0), like), "module", path)
    _refuse_state(sorted(set(shapes) - {"params"}), path)
    if not shapes:
        raise ConfigError(f"module: {path} has no parameters, so that there is nothing to learn")
    try:
        jax.eval_shape(module.apply, shapes, like)
    except InvalidRngError:
        _refuse_state(["random numbers"], path)
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
            f"module: {path} needs more than parameters: {', '.join(kinds)}\n"
            "Take out layers with running averages (batch normalization) and with random numbers (dropout)"
        )
