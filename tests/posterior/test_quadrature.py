"""Quadrature against closed forms and against scipy's own adaptive integration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from scripts.linear_gaussian import LinearGaussian
from slt.models.base import Model, as_model, static
from slt.models.crafted import Crafted
from slt.posterior.quadrature import Quadrature
from slt.posterior.targets import potential, prefix_weights
from slt.records.base import OK
from slt.runtime.long_computation import drive
from tests.toys import TwoModes

KEY = jax.random.key(0)


def moments(posterior):
    """Mean and covariance of draws["w"], shape (d,) and (d, d)."""
    draws, weights = posterior.draws["w"][0], np.exp(posterior.log_weights[0])
    mean = weights @ draws
    return mean, (draws - mean).T @ (weights[:, None] * (draws - mean))


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("n", [1, 300])
def test_conjugate_gaussian(dimension, n):
    model = LinearGaussian(dimension=dimension)
    data = model.sample(jax.random.key(1), n)
    posterior = Quadrature()(potential(model, data, jnp.ones(n)), KEY)
    assert posterior.status[0] == OK
    assert posterior.log_evidence[0] == pytest.approx(model.log_evidence(data, n), abs=1e-8)
    mean, covariance = moments(posterior)
    exact_mean, exact_covariance = model.posterior_moments(data, n)
    np.testing.assert_allclose(mean, exact_mean, atol=1e-8)
    np.testing.assert_allclose(covariance, exact_covariance, atol=1e-8 * exact_covariance.max())
    loss = [np.mean(model.losses({"w": w}, data)) for w in posterior.draws["w"][0, :3]]
    np.testing.assert_allclose(posterior.loss[0, :3], loss)


@pytest.mark.parametrize("correlation", [0.9, -0.99])
def test_correlated_gaussian(correlation):
    """Posterior sds of 1 and sqrt((1 - rho) / (1 + rho)), turned by 45 degrees, far from the prior's mean."""
    model = LinearGaussian(dimension=2, noise=0.05)
    root = np.linalg.cholesky(np.linalg.inv([[1, correlation], [correlation, 1]])).T
    x = jnp.asarray(root)
    data = (x, x @ jnp.array([1.0, -2.0]))
    posterior = Quadrature()(potential(model, data, jnp.ones(2)), KEY)
    assert posterior.status[0] == OK
    assert posterior.log_evidence[0] == pytest.approx(model.log_evidence(data, 2), abs=1e-8)
    mean, covariance = moments(posterior)
    exact_mean, exact_covariance = model.posterior_moments(data, 2)
    np.testing.assert_allclose(mean, exact_mean, atol=1e-8)
    np.testing.assert_allclose(covariance, exact_covariance, atol=1e-8 * exact_covariance.max())


@pytest.mark.parametrize("n", [1, 10_500])
def test_agrees_with_scipy(n):
    model = Crafted(
        positions=(0.0, 11.0), heights=(0.0059, 0.0), curvatures=(0.04, 1.0), orders=(2, 4), plateau=0.5
    )
    target = potential(model, None, n)
    log_density = jax.jit(lambda x: target.log_density({"w": x}))
    posterior = Quadrature()(target, KEY)
    top = posterior.log_evidence[0]
    edges = [-10, -3, -0.3, 0.3, 3, 9, 10.5, 11.5, 13]
    pieces = [
        scipy.integrate.quad(
            lambda x: np.exp(log_density(x) - top), a, b, epsabs=1e-12, epsrel=1e-12, limit=500
        )
        for a, b in itertools.pairwise(edges)
    ]
    assert sum(error for _, error in pieces) < 1e-9
    assert np.log(sum(value for value, _ in pieces)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("position", [0.0, 1.2345, -7.0])
def test_a_well_of_width_one_millionth_at_a_phase_is_found(position):
    """Beside a wide well of like mass: sds of 1e-6 and 1e-3."""
    model = Crafted(
        positions=(position, 3.0), heights=(0.0, 0.0), curvatures=(1e6, 1.0), orders=(2, 2), plateau=1.0
    )
    n = 1e6
    posterior = Quadrature()(potential(model, None, n), KEY)
    stiffness, places = n * np.array(model.curvatures), np.array(model.positions)
    mass = np.exp(-0.5 * places**2 * stiffness / (1 + stiffness)) / np.sqrt(1 + stiffness)
    assert posterior.status[0] == OK
    assert posterior.log_evidence[0] == pytest.approx(np.log(mass.sum()), abs=1e-8)
    sharp = np.exp(posterior.log_weights[0])[np.abs(posterior.draws["w"][0] - position) < 0.1].sum()
    assert sharp == pytest.approx(mass[0] / mass.sum(), rel=1e-8)


def test_modes_that_the_model_does_not_name():
    model = TwoModes(share=0.3)
    posterior = Quadrature()(potential(model, None, 1), KEY)
    assert posterior.log_evidence[0] == pytest.approx(0, abs=1e-9)
    weights, w = np.exp(posterior.log_weights[0]), posterior.draws["w"][0]
    assert weights @ w == pytest.approx(0.3 * -4 + 0.7 * 3, abs=1e-8)
    assert weights @ w**2 == pytest.approx(0.3 * (16 + 0.3**2) + 0.7 * (9 + 0.8**2), abs=1e-8)


def test_a_ladder_has_as_many_draws_at_each_n_and_exact_evidence():
    model = LinearGaussian(dimension=1)
    data = jax.vmap(lambda key: model.sample(key, 50))(jax.random.split(KEY, 2))
    ladder = drive(Quadrature(cells=300).stage(model, data, (1, 7, 50)), KEY)
    assert ladder.loss.shape == (2, 3, 1, 2400)
    assert ladder.draws["w"].shape == (2, 3, 1, 2400, 1)
    np.testing.assert_allclose(np.exp(ladder.log_weights).sum(-1), 1)
    for d in range(2):
        rows = jax.tree.map(lambda leaf, d=d: leaf[d], data)
        exact = [model.log_evidence(rows, n) for n in (1, 7, 50)]
        np.testing.assert_allclose(ladder.log_evidence[d, :, 0], exact, atol=1e-8)


def test_one_compilation_serves_every_n(monkeypatch):
    traces = []
    log_prior = LinearGaussian.log_prior
    monkeypatch.setattr(LinearGaussian, "log_prior", lambda *args: (traces.append(1), log_prior(*args))[1])
    model = LinearGaussian(dimension=1, noise=0.3)
    data = model.sample(KEY, 60)
    counts = []
    for n in (1, 30, 60):
        Quadrature(cells=128)(potential(model, data, prefix_weights(60, n)), KEY)
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts == [counts[0]] * 3


def test_the_key_has_no_influence():
    target = potential(TwoModes(), None, 1)
    one, two = (Quadrature(cells=128)(target, jax.random.key(i)) for i in (1, 2))
    np.testing.assert_array_equal(one.draws["w"], two.draws["w"])
    np.testing.assert_array_equal(one.log_weights, two.log_weights)


def test_weights_and_temperature_are_those_of_the_potential():
    model = LinearGaussian(dimension=1)
    data = model.sample(jax.random.key(1), 40)
    padded = Quadrature()(potential(model, data, prefix_weights(40, 11)), KEY)
    assert padded.log_evidence[0] == pytest.approx(model.log_evidence(data, 11), abs=1e-8)
    hot = Quadrature()(potential(model, data, jnp.ones(40), beta=0.25), KEY)
    double_noise = LinearGaussian(dimension=1, noise=1.0)  # a quarter of every loss
    assert hot.log_evidence[0] == pytest.approx(double_noise.log_evidence(data, 40), abs=1e-8)


# -- failures ---------------------------------------------------------------------------------------------


@as_model
class Plain(Model):
    """N(0, 1) prior, and a loss chosen by name."""

    kind: str = static("wave")

    def init(self, key):
        return self.sample_prior(key)

    def sample(self, key, n):
        return jnp.zeros(n)

    def losses(self, w, data):
        return jnp.broadcast_to(self.population_loss(w), data.shape)

    def population_loss(self, w):
        x = w["w"]
        return {"wave": jnp.sin(4000 * x), "away": -30 * x, "nan": jnp.nan * x}[self.kind]

    def log_prior(self, w):
        return jax.scipy.stats.norm.logpdf(w["w"])

    def sample_prior(self, key):
        return {"w": jax.random.normal(key)}


@pytest.mark.parametrize(
    ("kind", "status"), [("wave", "under-resolved"), ("away", "cut off"), ("nan", "empty")]
)
def test_failure_has_a_name(kind, status):
    posterior = Quadrature(cells=256)(potential(Plain(kind=kind), None, 5.0), KEY)
    assert posterior.status[0].startswith(status)


def test_more_cells_cure_what_is_under_resolved():
    target = potential(TwoModes(widths=(0.01, 0.02)), None, 1)
    few, many = Quadrature(cells=70)(target, KEY), Quadrature(cells=256)(target, KEY)
    assert few.status[0].startswith("under-resolved")
    assert many.status[0] == OK
    assert abs(few.log_evidence[0]) > 1e-3
    assert many.log_evidence[0] == pytest.approx(0, abs=1e-9)


def test_three_parameters_are_refused_and_another_sampler_is_named():
    with pytest.raises(ValueError, match=r"one or two parameters.*has 3: use .*smc"):
        Quadrature()(potential(LinearGaussian(dimension=3), None, 5), KEY)


def test_too_few_cells_to_begin_with():
    with pytest.raises(ValueError, match="needs 64 cells to begin with here, and is given 8"):
        Quadrature(cells=8)(potential(TwoModes(), None, 1), KEY)


@pytest.mark.parametrize("options", [{"cells": 0}, {"tolerance": 0.0}])
def test_options_are_checked(options):
    with pytest.raises(ValueError, match="must be positive"):
        Quadrature(**options)
