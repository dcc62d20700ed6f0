"""Strata: how the loss grows around each of them, and who wins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.strata import Strata


def test_the_loss_grows_as_the_coefficients_say():
    """An exponent p in all of two dimensions gives 2 / p, in one gives 1 / p."""
    model = Strata()
    line, origin = model.phases()
    for angle in np.linspace(0, 6, 7):
        direction = jnp.array([np.cos(angle), np.sin(angle)])
        K = [float(model.population_loss({"w": size * direction})) for size in (1e-4, 1e-5)]
        power = np.log10(K[0] / K[1])
        assert 2 / power == pytest.approx(origin.llc, rel=1e-3)
    across = [float(model.population_loss({"w": jnp.array([1 + size, 0.7])})) for size in (1e-6, 1e-7)]
    assert 1 / np.log10(across[0] / across[1]) == pytest.approx(line.llc, rel=1e-3)
    assert float(model.population_loss({"w": jnp.array([1.0, 0.7])})) == 0.0


def test_the_point_is_the_likeliest_of_the_line():
    model = Strata(prior_scale=0.5)
    line = model.phases()[0]
    along = [float(model.log_prior({"w": jnp.array([1.0, y])})) for y in np.linspace(-1, 1, 11)]
    assert max(along) == pytest.approx(line.log_prior)


def test_classifier_takes_the_nearer():
    model = Strata()
    near_line, near_origin = (
        [(1.2, 0.0), (0.6, 0.3), (3.0, -4.0), (0.9, 5.0)],
        [(0.4, 0.0), (-3.0, 0.0), (0.1, 0.5)],
    )
    labels = jax.vmap(lambda w: model.classify({"w": w}))(jnp.array(near_line + near_origin))
    assert labels.tolist() == [0] * 4 + [1] * 3


def test_a_prior_scale_must_be_positive():
    with pytest.raises(ValueError, match="prior_scale must be a positive number"):
        Strata(prior_scale=0.0)
