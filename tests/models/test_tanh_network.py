"""The tanh network: published coefficients, and a quadrature that is as good as adaptive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from slt.models.tanh_network import TanhNetwork, learning_coefficient


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        (1, (1 / 2, 2)),
        (2, (2 / 3, 1)),
        (3, (5 / 6, 1)),
        (4, (1, 2)),
        (5, (11 / 10, 1)),
        (9, (3 / 2, 2)),
        (10, (11 / 7, 1)),
    ],
)
def test_learning_coefficients(hidden, expected):
    llc, multiplicity = learning_coefficient(hidden)
    assert llc == pytest.approx(expected[0], rel=1e-14)
    assert multiplicity == expected[1]


def test_squares_are_where_two_poles_meet():
    """Each i offers the pole (H + i^2 + i) / (4 i + 2); the least one is the coefficient, m how many attain it."""
    for hidden in range(1, 200):
        poles = np.array([(hidden + i**2 + i) / (4 * i + 2) for i in range(hidden + 1)])
        llc, multiplicity = learning_coefficient(hidden)
        assert llc == pytest.approx(poles.min())
        assert multiplicity == np.sum(np.isclose(poles, poles.min(), rtol=1e-12))


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0, 15.0])
def test_population_loss_equals_adaptive_quadrature(scale):
    model = TanhNetwork(hidden=3)
    a, b = scale * np.array([1.0, -0.6, 0.3]), np.array([1.0, 0.5, -2.0])
    expected = scipy.integrate.quad(
        lambda x: (b @ np.tanh(a * x)) ** 2 / 4, -1, 1, points=[0.0], epsabs=0, epsrel=1e-13, limit=200
    )[0]
    assert float(model.population_loss({"a": jnp.asarray(a), "b": jnp.asarray(b)})) == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("size", [1e-4, 1e-8, 1e-12])
def test_the_loss_keeps_its_digits_near_the_truth(size):
    """One unit with a tiny slope is b a x, and E[x^2] = 1 / 3."""
    w = {"a": jnp.array([size]), "b": jnp.array([1e-6])}
    assert float(TanhNetwork(hidden=1).population_loss(w)) == pytest.approx(
        size**2 * 1e-12 / 6, rel=size**2 + 1e-14
    )


def test_the_loss_is_a_difference_of_log_likelihoods():
    model = TanhNetwork(hidden=2)
    data = model.sample(jax.random.key(0), 30)
    w = model.sample_prior(jax.random.key(1))
    logpdf = jax.scipy.stats.norm.logpdf
    f = sum(b * jnp.tanh(a * data.x[:, 0]) for a, b in zip(w["a"], w["b"], strict=True))
    expected = logpdf(data.y[:, 0]) - logpdf(data.y[:, 0], f)
    np.testing.assert_allclose(model.losses(w, data), expected, rtol=0, atol=1e-13)
    assert float(jnp.max(jnp.abs(data.x))) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "hidden must be at least 1, not 0"),
        ({"prior_scale": -1.0}, "prior_scale must be a positive number"),
        ({"init_scale": -1.0}, "init_scale is a standard deviation"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TanhNetwork(**options)
