"""Posteriors that are known exactly, and each sampler on them.

Eight schools (Rubin 1981; Gelman et al. 2013, "Bayesian data analysis", section 5.5), non-centered, with the priors
of posteriordb (github.com/stan-dev/posteriordb, eight_schools-eight_schools_noncentered): mu ~ N(0, 5^2), tau ~
half-Cauchy of scale 5. Given tau all else is Gaussian, so that moments are integrals over tau alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from scripts.linear_gaussian import LinearGaussian
from slt.adapters.numpyro_model import NumpyroModel
from slt.models.base import Data, Model
from slt.posterior.base import LadderSampler
from slt.posterior.data_tempering import DataTempering
from slt.posterior.nuts import NUTS
from slt.posterior.smc import SMC
from slt.records.base import OK
from slt.runtime.long_computation import drive

SCHOOLS = {
    "school": np.arange(8),
    "y": np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
    "sigma": np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
}
# posteriordb's reference means and their Monte Carlo standard errors: mean_value of that posterior
PUBLISHED = {
    "theta_1": (6.15050229334425, 0.0557375282295219),
    "theta_2": (4.9395811407422, 0.0462293788624847),
    "theta_3": (3.90590609001582, 0.0542313705632124),
    "theta_4": (4.79601675138494, 0.0474935816762281),
    "theta_5": (3.6144363246799, 0.0461450610244603),
    "theta_6": (4.0511475789675, 0.0485195392528031),
    "theta_7": (6.31716975886893, 0.0498766794075794),
    "theta_8": (4.88399694353288, 0.0542511606560972),
    "mu": (4.41051833695493, 0.0330374705950917),
    "tau": (3.60205952364059, 0.0318615135640706),
}
REPEATS = 16  # or chains: from their scatter come the standard errors
Moments = dict[str, tuple[float, float]]  # name -> mean, standard deviation


def eight_schools(school: jax.Array, sigma: jax.Array, y: jax.Array | None = None) -> None:
    """Effects of coaching in eight schools, non-centered."""
    mu = numpyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = numpyro.sample("tau", dist.HalfCauchy(5.0))
    standard = numpyro.sample("standard", dist.Normal(0.0, 1.0).expand([8]).to_event(1))
    with numpyro.plate("rows", sigma.shape[0]):
        numpyro.sample("y", dist.Normal(mu + tau * standard[school], sigma), obs=y)


def eight_schools_exactly(nodes: int = 400) -> Moments:
    """Means and standard deviations by Gauss-Legendre in u, tau = 5 tan(pi u / 2), for which u ~ U(0, 1)."""
    u, weights = np.polynomial.legendre.leggauss(nodes)
    tau = 5 * np.tan(np.pi * (1 + u) / 4)[:, None]
    y, within = SCHOOLS["y"], SCHOOLS["sigma"] ** 2
    total = within + tau**2
    precision = 1 / 25 + np.sum(1 / total, axis=1)
    mean = np.sum(y / total, axis=1) / precision
    log_evidence = (
        -0.5 * np.sum(np.log(total) + y**2 / total, axis=1)
        - 0.5 * np.log(precision)
        + mean**2 * precision / 2
    )
    weights = weights * np.exp(log_evidence - log_evidence.max())
    weights /= weights.sum()

    def moments(mean: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
        first = weights @ mean
        return float(first), float(np.sqrt(weights @ (variance + (mean - first) ** 2)))

    pull = within / total  # of mu on each school's effect
    effects = (1 - pull) * y + pull * mean[:, None]
    spread = pull * tau**2 + pull**2 / precision[:, None]
    found = {f"theta_{i + 1}": moments(effects[:, i], spread[:, i]) for i in range(8)}
    return found | {"mu": moments(mean, 1 / precision), "tau": moments(tau[:, 0], np.zeros(nodes))}


class Reference(NamedTuple):
    """A posterior known exactly: a model, observations (data set of one), the sample sizes, the samplers
    and the exact moments of what `quantities` gives of each parameter."""

    name: str
    model: Model
    data: Data
    sample_sizes: tuple[int, ...]
    samplers: dict[str, LadderSampler]
    quantities: Any
    exact: Moments


def references() -> list[Reference]:
    schools = NumpyroModel(
        program="scripts.sbc_references.eight_schools", data="scripts.sbc_references.SCHOOLS"
    )
    conjugate = LinearGaussian(dimension=10)
    rows = conjugate.sample(jax.random.key(0), 40)
    mean, covariance = conjugate.posterior_moments(rows, 40)
    names = [f"w_{i}" for i in range(10)]
    exact = {
        name: (float(m), float(v) ** 0.5) for name, m, v in zip(names, mean, np.diag(covariance), strict=True)
    }
    full = {
        "NUTS": NUTS(chains=REPEATS),
        "SMC": SMC(repeats=REPEATS),
        "ladder": DataTempering(repeats=REPEATS),
    }
    return [
        Reference(
            "eight schools",
            schools,
            _one(schools.sample(jax.random.key(0), 8)),
            (2, 4, 8),
            full,
            lambda w: _effects(schools.constrained(w)),
            eight_schools_exactly(),
        ),
        Reference(
            "conjugate Gaussian",
            conjugate,
            _one(rows),
            (10, 20, 40),
            full,
            lambda w: dict(zip(names, w["w"], strict=True)),
            exact,
        ),
    ]


def _one(rows: Data) -> Data:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], rows)


def _effects(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    effects = values["mu"] + values["tau"] * values["standard"]
    return {f"theta_{i + 1}": effects[i] for i in range(8)} | {k: values[k] for k in ("mu", "tau")}


class Agreement(NamedTuple):
    """One moment of one quantity by one sampler: exact, found, its standard error over repeats."""

    reference: str
    sampler: str
    quantity: str
    moment: str
    exact: float
    found: float
    error: float

    @property
    def z(self) -> float:
        return (self.found - self.exact) / self.error


def compare(reference: Reference, name: str, key: jax.Array) -> list[Agreement]:
    """Mean and variance (about the exact mean) of every quantity at the largest n."""
    sampler = reference.samplers[name]
    sample_sizes = (
        reference.sample_sizes if isinstance(sampler, DataTempering) else reference.sample_sizes[-1:]
    )
    ladder = drive(sampler.stage(reference.model, reference.data, sample_sizes), key)
    assert set(ladder.status[0, -1]) == {OK}, ladder.status
    draws = {site: jnp.asarray(leaf[0, -1]) for site, leaf in ladder.draws.items()}
    values = jax.jit(jax.vmap(jax.vmap(reference.quantities)))(draws)  # (repeat, draw)
    rows = []
    for quantity, (mean, deviation) in reference.exact.items():
        value = np.asarray(values[quantity])
        for moment, exact, of_draws in (
            ("mean", mean, value),
            ("variance", deviation**2, (value - mean) ** 2),
        ):
            repeats = of_draws.mean(axis=1)
            error = repeats.std(ddof=1) / np.sqrt(len(repeats))
            rows.append(
                Agreement(reference.name, name, quantity, moment, exact, float(repeats.mean()), float(error))
            )
    return rows
