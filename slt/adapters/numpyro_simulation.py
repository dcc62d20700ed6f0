"""Data that a numpyro program draws itself, at known values of its latent sites."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from slt.adapters.numpyro_sites import Site, look
from slt.adapters.user_model import MORE, Rows, Source, check_arguments, checked, function, tried
from slt.errors import ConfigError, suggestion
from slt.models.common.sampled_population import untraced
from slt.runtime.random_keys import random_key


@functools.lru_cache(maxsize=64)
def simulated(path: str, inputs: Source | None, truth: tuple[tuple[str, Any], ...]) -> Source:
    """Data that a program draws at known values of its latent sites. Raises ConfigError where it cannot."""
    call = function(path, "program")
    takes = inspect.signature(call).parameters
    if inputs is None and "n" not in takes:
        raise ConfigError(
            f"program: {path} cannot know how many observations to draw: let it take n, or give its inputs as data"
        )
    values = {name: np.asarray(value, np.float64) for name, value in truth}

    def given(key: jax.Array, n: int) -> Rows:
        return {} if inputs is None else inputs.sample(key, n)

    def run(key: jax.Array, n: int, values: Rows) -> tuple[Rows, dict[str, Any]]:
        known, fresh = jax.random.split(key)
        rows = given(known, n)
        at_truth = handlers.seed(handlers.substitute(call, data=values), fresh)
        return rows, handlers.trace(at_truth).get_trace(**rows, **({"n": n} if inputs is None else {}))

    def draw(key: jax.Array, n: int) -> Rows:
        rows, trace = run(key, n, values)
        return rows | {
            name: site["value"]
            for name, site in trace.items()
            if site["type"] == "sample" and not site["is_observed"] and name not in values
        }

    shapes = jax.eval_shape(lambda: given(random_key(0), MORE))
    check_arguments(call, shapes, "program", path)
    fixed = {"n": MORE} if inputs is None else {}
    sites = tried(lambda: look(functools.partial(call, **fixed), shapes), "program", path)
    _check_truth(values, sites, list(takes), path)

    @jax.jit
    def inside(values: Rows) -> dict[str, jax.Array]:
        trace = run(random_key(0), MORE, values)[1]
        return {name: jnp.all(trace[name]["fn"].support(value)) for name, value in values.items()}

    for name, fits in tried(lambda: untraced(lambda: inside(values)), "truth", path).items():
        if not fits:
            raise ConfigError(
                f"truth: {name} = {values[name]} lies outside the support of its site in {path}"
            )
    return checked(Source(f"{path} at its truth", draw=draw))


def _check_truth(truth: Mapping[str, Any], sites: dict[str, Site], takes: list[str], path: str) -> None:
    samples = {name: site for name, site in sites.items() if site.kind == "sample"}
    for name, value in truth.items():
        if name not in samples:
            raise ConfigError(f"truth: {path} has no site {name!r}" + suggestion(name, samples, "sites"))
        if jnp.shape(value) != samples[name].shape:
            raise ConfigError(f"truth: {name} must have shape {samples[name].shape}, not {jnp.shape(value)}")
    drawn = [name for name, site in samples.items() if not site.observed and name not in truth]
    for name in drawn:
        if name not in takes:
            raise ConfigError(
                f"truth gives no value of {name!r}\n"
                f"If it is what {path} observes, call the argument that observes it {name!r} as well"
            )
    if not drawn:
        raise ConfigError(f"truth: {path} has nothing left to draw: leave what it observes out of the data")
