"""A numpyro program as pure functions of unconstrained parameters, once it is verified to be one model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.infer.util import compute_log_probs, constrain_fn

from slt.adapters.numpyro_sites import check_latent, look, row_axis, split
from slt.adapters.user_model import (
    FEW,
    MORE,
    Rows,
    Source,
    check_alone,
    check_arguments,
    first,
    function,
    tried,
)
from slt.errors import ConfigError
from slt.models.base import Params
from slt.models.common.sampled_population import untraced
from slt.runtime.random_keys import random_key


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """The prior of a program's latent sites and the likelihood of each row of its data.

    Attributes:
      call: the program.
      example: a few rows, for what does not depend on them.
      latent: parameter -> site; they differ where a site has a folder ("net/w").
      observed: site -> axis of its log probability along which rows lie.
      fixed: scalar deterministic sites that do not depend on the data.
    """

    call: Callable[..., Any]
    example: Rows
    latent: Mapping[str, str]
    observed: Mapping[str, int]
    fixed: tuple[str, ...]

    def losses(self, w: Params, rows: Rows) -> jax.Array:
        """(n,) nats, in the precision of `w`."""
        terms, _ = self._log_probs(w, rows)
        n = len(next(iter(rows.values())))
        by_row = [
            jnp.moveaxis(terms[site], axis, 0).reshape(n, -1).sum(axis=1)
            for site, axis in self.observed.items()
        ]
        return -jnp.sum(jnp.stack(by_row), axis=0).astype(jnp.result_type(*w.values()))

    def log_prior(self, w: Params) -> jax.Array:
        return self.log_prior_beside(w, self.example)

    def log_prior_beside(self, w: Params, rows: Rows) -> jax.Array:
        """Log density of the unconstrained parameters, nats, as the program has it on `rows`."""
        terms, trace = self._log_probs(w, rows)
        total = jnp.zeros((), jnp.result_type(*w.values()))
        for name, site in self.latent.items():
            bijection = biject_to(trace[site]["fn"].support)
            stretch = bijection.log_abs_det_jacobian(w[name], trace[site]["value"])
            total += jnp.sum(terms[site]) + jnp.sum(stretch)
        return total

    def sample_prior(self, key: jax.Array) -> Params:
        trace = handlers.trace(handlers.seed(self.call, key)).get_trace(**self.example)
        sites = {name: trace[site] for name, site in self.latent.items()}
        return {name: biject_to(site["fn"].support).inv(site["value"]) for name, site in sites.items()}

    def constrained(self, w: Params) -> dict[str, jax.Array]:
        """The values of the latent sites and of the deterministic ones, by site."""
        return self.constrained_beside(w, self.example)

    def constrained_beside(self, w: Params, rows: Rows) -> dict[str, jax.Array]:
        """The same, as the program has them on `rows`."""
        return constrain_fn(self.call, (), rows, self._by_site(w), return_deterministic=True)

    def observables(self, w: Params) -> dict[str, jax.Array]:
        """The deterministic sites of `fixed`; without any, every scalar latent site and the norm of every other."""
        values = self.constrained(w)
        if self.fixed:
            return {site.replace("/", "."): values[site] for site in self.fixed}
        latent = {name: values[site] for name, site in self.latent.items()}
        scalars = {name: value for name, value in latent.items() if jnp.ndim(value) == 0}
        others = {name: value for name, value in latent.items() if name not in scalars}
        return scalars | {f"|{name}|": jnp.linalg.norm(jnp.ravel(value)) for name, value in others.items()}

    def _by_site(self, w: Params) -> Params:
        return {site: w[name] for name, site in self.latent.items()}

    def _log_probs(self, w: Params, rows: Rows) -> tuple[dict[str, jax.Array], dict[str, dict[str, Any]]]:
        """The log probability of every site, of its own shape, and the trace."""
        values = constrain_fn(self.call, (), rows, self._by_site(w))
        return compute_log_probs(self.call, (), rows, values, sum_log_prob=False)


@functools.lru_cache(maxsize=64)
def read(path: str, rows: Source) -> Program:
    """The program at a dotted path. Raises ConfigError where it and the data do not make a model."""
    call = function(path, "program")
    few, more = (jax.eval_shape(functools.partial(rows.sample, random_key(0), n)) for n in (FEW, MORE))
    check_arguments(call, more, "program", path)
    before, after = (tried(functools.partial(look, call, part), "program", path) for part in (few, more))
    latent, observed = split(after, path, more)
    for name in latent:
        check_latent(name, before[name], after[name], path, more)
    axes = {name: row_axis(name, before[name], after[name], path) for name in observed}
    latent_names = {name.replace("/", "."): name for name in latent}
    return _tested(Program(call, {}, latent_names, axes, ()), rows, path)


def _tested(program: Program, rows: Source, path: str) -> Program:
    """The program with an example of its data, and the deterministic sites that do not depend on them.

    Raises ConfigError where the loss of a row depends on other rows, or the prior on the data.
    """

    @jax.jit
    def probe() -> tuple[Rows, list[tuple[Any, ...]]]:
        more = rows.sample(random_key(0), MORE)
        few = first(more, FEW)
        w = dataclasses.replace(program, example=few).sample_prior(random_key(1))
        met = [
            (
                program.losses(w, part)[:FEW],
                program.log_prior_beside(w, part),
                program.constrained_beside(w, part),
            )
            for part in (few, more)
        ]
        return few, met

    few, met = tried(lambda: untraced(lambda: jax.device_get(probe())), "program", path)
    (alone, prior, values), (among, prior_too, values_too) = met
    check_alone(alone, among, "program", path)
    if not np.isfinite(prior) or not np.isclose(prior, prior_too, rtol=1e-9):
        raise ConfigError(f"program: in {path} the prior depends on the data: it must stand without them")
    names = [name for name in values if name not in program.latent.values() and np.ndim(values[name]) == 0]
    fixed = tuple(name for name in names if np.isclose(values[name], values_too[name], rtol=1e-9))
    return dataclasses.replace(program, example=few, fixed=fixed)
