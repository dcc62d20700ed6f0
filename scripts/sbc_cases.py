"""Models whose data can be drawn from p(x | w), and what is ranked of them, for simulation-based calibration.

Each has two parameters, so that quadrature serves as well, and a prior N(0, s^2) in its unconstrained parameters, so
that the localized posteriors of `slt.llc`, seen from the origin at gamma = 1 / s^2, are the posterior itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers

from slt.adapters.numpyro_model import NumpyroModel
from slt.models.base import Data, Model, Params
from slt.models.common.linear_networks import Pairs
from slt.models.gaussian_mixture import GaussianMixture
from slt.models.tanh_network import TanhNetwork
from slt.posterior.targets import potential, prefix_weights

LOG_LIKELIHOOD = "log likelihood"


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A model to be calibrated on.

    Attributes:
      name, kind: for people.
      model: its parameters have the prior N(0, scale^2).
      draw: (key, w, n) -> n observations from p(. | w).
      quantities: w -> what is ranked, by name; `ranked` adds the log likelihood.
      scale: s, the prior's standard deviation.
      sides: the quantity whose sign says which of two modes a parameter belongs to; None where there is one mode.
      bridged: whether chains can cross from mode to mode.
    """

    name: str
    kind: str
    model: Model
    draw: Callable[[jax.Array, Params, int], Data]
    quantities: Callable[[Params], dict[str, jax.Array]]
    scale: float
    sides: str | None = None
    bridged: bool = True

    def ranked(self, w: Params, data: Data, n: int) -> dict[str, jax.Array]:
        """Every test quantity of one parameter, with the log likelihood of the first n observations (nats, up to what
        does not depend on w), which tells most of all (Modrák et al. 2023, arXiv:2211.02383)."""
        target = potential(self.model, data, prefix_weights(jax.tree.leaves(data)[0].shape[0], n))
        return {**self.quantities(w), LOG_LIKELIHOOD: -target.energy(w)}


class Replications(NamedTuple):
    """Draws from the joint distribution: w (replication, ...) from the prior, data (replication, n, ...) given w."""

    w: Params
    data: Data


def replicate(case: Case, key: jax.Array, count: int, n: int) -> Replications:
    """`count` independent pairs of parameters and n observations."""

    @jax.jit
    def all_of(keys: jax.Array) -> Replications:
        def one(key: jax.Array) -> Replications:
            prior, data = jax.random.split(key)
            w = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), case.model.sample_prior(prior))
            return Replications(w, case.draw(data, w, n))

        return jax.vmap(one)(keys)

    return all_of(jax.random.split(key, count))


def line(x: jax.Array, y: jax.Array | None = None) -> None:
    """A line through the origin in noise of unknown scale."""
    slope = numpyro.sample("slope", dist.Normal(0.0, 1.0))
    noise = numpyro.sample("noise", dist.LogNormal(0.0, 1.0))
    with numpyro.plate("rows", x.shape[0]):
        numpyro.sample("y", dist.Normal(slope * x, noise), obs=y)


def inputs(key: jax.Array, n: int) -> dict[str, jax.Array]:
    return {"x": jax.random.normal(key, (n,), jnp.float64)}


LINE = NumpyroModel(
    program="scripts.sbc_cases.line", data="scripts.sbc_cases.inputs", truth={"slope": 0.0, "noise": 1.0}
)
WEIGHTS = (0.3, 0.7)
TANH = TanhNetwork(hidden=1, prior_scale=2.0)


def _draw_line(key: jax.Array, w: Params, n: int) -> Data:
    first, second = jax.random.split(key)
    known = inputs(first, n)
    at_w = handlers.seed(handlers.substitute(line, data=LINE.constrained(w)), second)
    return {**known, "y": handlers.trace(at_w).get_trace(**known)["y"]["value"]}


def _draw_mixture(key: jax.Array, w: Params, n: int) -> Data:
    first, second = jax.random.split(key)
    which = jax.random.choice(first, len(WEIGHTS), (n,), p=jnp.asarray(WEIGHTS))
    return w["b"][which] + jax.random.normal(second, (n,), jnp.float64)


def _draw_tanh(key: jax.Array, w: Params, n: int) -> Data:
    nothing = TANH.sample(key, n)  # inputs, and noise around the truth, which is 0
    return Pairs(nothing.x, nothing.y + TANH.output(w, nothing.x[:, 0])[:, None])


def _mixture(name: str, kind: str, scale: float, bridged: bool) -> Case:
    model = GaussianMixture(weights=WEIGHTS, prior_scale=scale)
    quantities = lambda w: {"b_1": w["b"][0], "b_2 - b_1": w["b"][1] - w["b"][0]}  # noqa: E731
    return Case(name, kind, model, _draw_mixture, quantities, scale, "b_2 - b_1", bridged)


CASES = (
    Case(
        "line",
        "regular, a numpyro program with a constrained site",
        LINE,
        _draw_line,
        lambda w: {"slope": w["slope"], "noise": w["noise"]},
        1.0,
    ),
    Case(
        "tanh network",
        "one unit; singular where a b = 0, two mirrored modes",
        TANH,
        _draw_tanh,
        lambda w: {"a": w["a"][0], "a b": w["a"][0] * w["b"][0]},
        TANH.prior_scale,
        "a",
    ),
    _mixture("mixture", "singular where b_1 = b_2, two unequal modes with a bridge between them", 1.0, True),
    _mixture("mixture, apart", "the same, its modes far apart: too far for chains to cross", 4.0, False),
)
