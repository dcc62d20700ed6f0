"""The regular model: its Hessian is what the options say, and its evidence is the Gaussian integral."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.quadratic import Quadratic


@pytest.mark.parametrize(("dimension", "condition"), [(1, 100.0), (4, 1.0), (5, 1000.0)])
def test_hessian_has_the_promised_curvatures(dimension, condition):
    model = Quadratic(dimension=dimension, condition=condition)
    hessian = jax.hessian(lambda w: model.population_loss({"w": w}))(jnp.ones(dimension))
    curvatures = np.linalg.eigvalsh(hessian)
    assert np.allclose(hessian, np.diag(np.diag(hessian)), atol=1e-15)
    assert curvatures[-1] == pytest.approx(1.0)
    if dimension > 1:
        assert curvatures[0] == pytest.approx(1 / condition)
        np.testing.assert_allclose(
            np.diff(np.log(curvatures)), math.log(condition) / (dimension - 1), atol=1e-9
        )


def test_the_free_energy_grows_by_lambda_per_unit_of_log_n():
    """-log of the integral of prior x exp(-t K) is 1/2 sum log(1 + t h s^2), here from the model's own numbers."""
    model = Quadratic(dimension=6, condition=50.0, prior_scale=2.0)
    phase = model.phases()[0]
    low, high = (0.5 * np.sum(np.log1p(t * model.curvatures * 2.0**2)) for t in (1e10, 1e12))
    assert (high - low) / math.log(100) == pytest.approx(phase.llc, rel=1e-6)
    assert phase.log_prior == pytest.approx(float(model.log_prior(phase.point)))


def test_the_loss_is_a_difference_of_log_likelihoods():
    model = Quadratic(dimension=3, condition=10.0)
    y = model.sample(jax.random.key(0), 20)
    w = model.sample_prior(jax.random.key(1))
    mean = jnp.sqrt(model.curvatures) * w["w"]
    logpdf = jax.scipy.stats.norm.logpdf
    expected = jnp.sum(logpdf(y), axis=1) - jnp.sum(logpdf(y, mean), axis=1)
    np.testing.assert_allclose(model.losses(w, y), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 0}, "dimension must be at least 1, not 0"),
        ({"condition": 0.5}, "condition must be a number, at least 1, not 0.5"),
        ({"prior_scale": 0.0}, "prior_scale must be a positive number, not 0.0"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Quadratic(**options)
