"""A numpyro program as pure functions of unconstrained parameters, once it has been seen to be one model."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.distributions import biject_to
from numpyro.infer.util import compute_log_probs, constrain_fn

from slt.errors import ConfigError, suggestion
from slt.models.base import Params
from slt.models.borrowed import (
    FEW,
    MORE,
    Rows,
    Source,
    check_alone,
    check_arguments,
    checked,
    first,
    function,
    tried,
    untraced,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """What a program says of its latent sites and of each row of its data.

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
        """Log density of the unconstrained parameters, nats, as the program has it when it meets `rows`."""
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
        """The same, as the program has them when it meets `rows`."""
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


class Site(NamedTuple):
    """What is known of a site before anything is computed.

    Attributes:
      kind: numpyro's type of site.
      observed: whether data stand there.
      shape: of its value.
      terms: shape of its log probability; None where it has none.
      discrete: whether its support is.
      scaled: whether its log probability counts more or less than once.
      subsampled: whether it is a plate that shows some of its rows only.
    """

    kind: str
    observed: bool = False
    shape: tuple[int, ...] = ()
    terms: tuple[int, ...] | None = None
    discrete: bool = False
    scaled: bool = False
    subsampled: bool = False


@functools.lru_cache(maxsize=64)
def read(path: str, rows: Source) -> Program:
    """The program at a dotted path. Raises ConfigError where it and the data do not make a model."""
    call = function(path, "program")
    few, more = (jax.eval_shape(functools.partial(rows.sample, jax.random.key(0), n)) for n in (FEW, MORE))
    check_arguments(call, more, "program", path)
    before, after = (tried(functools.partial(_look, call, part), "program", path) for part in (few, more))
    latent, observed = _split(after, path)
    for name in latent:
        _check_latent(name, before[name], after[name], path, more)
    axes = {name: _row_axis(name, before[name], after[name], path) for name in observed}
    latent_names = {name.replace("/", "."): name for name in latent}
    return _tested(Program(call, {}, latent_names, axes, ()), rows, path)


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

    def draw(key: jax.Array, n: int) -> Rows:
        known, fresh = jax.random.split(key)
        rows = given(known, n)
        at_truth = handlers.seed(handlers.substitute(call, data=values), fresh)
        trace = handlers.trace(at_truth).get_trace(**rows, **({"n": n} if inputs is None else {}))
        return rows | {
            name: site["value"]
            for name, site in trace.items()
            if site["type"] == "sample" and not site["is_observed"] and name not in values
        }

    shapes = jax.eval_shape(lambda: given(jax.random.key(0), MORE))
    check_arguments(call, shapes, "program", path)
    fixed = {"n": MORE} if inputs is None else {}
    sites = tried(lambda: _look(functools.partial(call, **fixed), shapes), "program", path)
    _check_truth(values, sites, list(takes), path)
    return checked(Source(f"{path} at its truth", draw=draw))


# -- what makes a program a model ----------------------------------------------------------------------------------
def _look(call: Callable[..., Any], rows: Rows) -> dict[str, Site]:
    """The sites that a program has on rows of these shapes; nothing is computed."""
    found: dict[str, Site] = {}

    def run(rows: Rows) -> None:
        seeded = handlers.seed(call, jax.random.key(0))
        for name, site in handlers.trace(seeded).get_trace(**rows).items():
            found[name] = _site(site)

    jax.eval_shape(run, rows)
    return found


def _site(site: dict[str, Any]) -> Site:
    if site["type"] == "plate":
        size, shown = site["args"]
        return Site("plate", subsampled=shown is not None and shown != size)
    if site["type"] != "sample":
        return Site(site["type"], shape=jnp.shape(site["value"]))
    return Site(
        "sample",
        observed=site["is_observed"],
        shape=jnp.shape(site["value"]),
        terms=jnp.shape(site["fn"].log_prob(site["value"])),
        discrete=site["fn"].support.is_discrete,
        scaled=not (site["scale"] is None or (np.isscalar(site["scale"]) and site["scale"] == 1)),
    )


def _split(sites: dict[str, Site], path: str) -> tuple[list[str], list[str]]:
    """Latent and observed sites. Raises ConfigError for a site of another kind, and for none of one of them."""
    for name, site in sites.items():
        if site.kind == "param":
            raise ConfigError(
                f"program: {path} has the param site {name!r}, which has no prior: write numpyro.sample"
            )
        if site.subsampled:
            raise ConfigError(f"program: the plate {name!r} of {path} subsamples: leave subsample_size out")
    latent = [name for name, site in sites.items() if site.kind == "sample" and not site.observed]
    observed = [name for name, site in sites.items() if site.observed]
    if not observed:
        raise ConfigError(
            f"program: {path} observes nothing: numpyro.sample(..., obs=y) or numpyro.factor must meet the data"
        )
    if not latent:
        raise ConfigError(f"program: {path} has no latent site, so that there is nothing to learn")
    return latent, observed


def _check_latent(name: str, few: Site, more: Site, path: str, rows: Rows) -> None:
    where = f"program: the latent site {name!r} of {path}"
    if few.shape != more.shape:
        raise ConfigError(
            f"{where} has one value for each observation: sum or integrate it out in the likelihood\n"
            f"If {name!r} is what is observed, the data lack it: they give {', '.join(rows)}"
        )
    if more.discrete:
        raise ConfigError(f"{where} is discrete: sum it out in the likelihood, as by dist.MixtureSameFamily")
    if more.scaled:
        raise ConfigError(f"{where} is scaled, so that its prior is no density: scale observed sites only")


def _row_axis(name: str, few: Site, more: Site, path: str) -> int:
    """The axis, from the last, of a site's log probability along which rows lie."""
    short, long = few.terms or (), more.terms or ()
    axes = [i for i in range(-len(long), 0) if len(short) == len(long) and short[i] != long[i]]
    if len(axes) == 1 and (short[axes[0]], long[axes[0]]) == (FEW, MORE):
        return axes[0]
    wrong = "one log probability for all rows" if not axes else f"log probabilities of shape {long}"
    raise ConfigError(
        f"program: the observed site {name!r} of {path} has {wrong} at {MORE} rows\n"
        "It must have one for each, so that rows can be counted: put it in a plate of the data's size"
    )


def _tested(program: Program, rows: Source, path: str) -> Program:
    """The program with an example of its data, and the deterministic sites that do not depend on them.

    Raises ConfigError where the loss of a row depends on other rows, or the prior on the data.
    """

    @jax.jit
    def probe() -> tuple[Rows, list[tuple[Any, ...]]]:
        more = rows.sample(jax.random.key(0), MORE)
        few = first(more, FEW)
        w = dataclasses.replace(program, example=few).sample_prior(jax.random.key(1))
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
