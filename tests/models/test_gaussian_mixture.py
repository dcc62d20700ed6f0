"""The Gaussian mixture: its divergence against adaptive quadrature and expansions, its lambda against an integral."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special

from slt.models.gaussian_mixture import GaussianMixture, learning_coefficient

WEIGHTS = (0.3, 0.7)


def log_mixture(b, x):
    return scipy.special.logsumexp(b * x - b**2 / 2, b=np.array(WEIGHTS))


@pytest.mark.parametrize(
    ("means", "tolerance"),
    [((1, -0.5), 1e-13), ((3, -3), 1e-13), ((4, 2), 1e-13), ((7, 7), 1e-13), ((5, -5), 1e-10)],
)
def test_population_loss_equals_adaptive_quadrature(means, tolerance):
    b = np.array(means, float)
    expected = scipy.integrate.quad(
        lambda x: -log_mixture(b, x) * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi),
        *(-30, 30),
        points=[0.0],
        epsabs=1e-14,
        epsrel=1e-13,
        limit=500,
    )[0]
    loss = GaussianMixture(weights=WEIGHTS).population_loss({"b": jnp.asarray(b)})
    assert float(loss) == pytest.approx(expected, rel=tolerance)


def test_one_component_is_regular():
    model = GaussianMixture(weights=(1.0,))
    for b in (1e-15, 1e-8, 1e-3, 0.5, 3.0, -6.0):
        assert float(model.population_loss({"b": jnp.array([b])})) == pytest.approx(b**2 / 2, rel=1e-12)
    assert learning_coefficient(1) == (0.5, 1)


@pytest.mark.parametrize("size", [1e-3, 1e-5, 1e-7])
def test_the_loss_keeps_its_digits_where_the_mean_is_right(size):
    """K = (m_1^2 + m_2^2 / 2 + ...) / 2; with m_1 = 0 it is of fourth order, down to 1e-30."""
    b = size * np.array([1.0, -WEIGHTS[0] / WEIGHTS[1]])
    second = WEIGHTS @ b**2
    loss = GaussianMixture(weights=WEIGHTS).population_loss({"b": jnp.asarray(b)})
    assert float(loss) == pytest.approx(second**2 / 4, rel=max(size, 1e-8))


@pytest.mark.parametrize(
    ("x", "b"), [(-14.0, (5.0, 6.0)), (20.0, (9.0, 3.0)), (0.1, (1e-9, -1e-9)), (-3.0, (0.2, 4.0))]
)
def test_losses_and_their_gradients_at_the_extremes(x, b):
    model = GaussianMixture(weights=WEIGHTS)
    b = np.array(b)
    loss, slope = jax.value_and_grad(lambda b: model.losses({"b": b}, jnp.array([x]))[0])(jnp.asarray(b))
    assert float(loss) == pytest.approx(-log_mixture(b, x), rel=1e-12, abs=1e-15)
    shares = np.array(WEIGHTS) * np.exp(b * x - b**2 / 2 - log_mixture(b, x))
    np.testing.assert_allclose(slope, -shares * (x - b), rtol=1e-10)


def test_the_integral_behaves_as_lambda_says():
    """Z(t) t^(3/4) tends to a constant for two equal components. K is even in their mean s and in their half
    difference d, and of order s^2 + d^4, so the grid shrinks as t^(-1/2) in s and t^(-1/4) in d."""
    model = GaussianMixture()

    @jax.jit
    def scaled(t):
        s, d = jnp.linspace(0, 8, 60) / t**0.5, jnp.linspace(0, 4, 60) / t**0.25
        means = jnp.stack(jnp.broadcast_arrays(s[:, None] + d, s[:, None] - d), axis=-1)
        return jnp.sum(jnp.exp(-t * jax.vmap(jax.vmap(lambda b: model.population_loss({"b": b})))(means)))

    assert float(scaled(1e20) / scaled(1e12)) == pytest.approx(1.0, abs=1e-4)
    assert float(scaled(1e12)) > 10  # and not because everything has left the grid
    assert learning_coefficient(2) == (0.75, 1)


def test_the_moments_decide_in_more_dimensions():
    """K / (m_1^2 + m_2^2) stays between positive constants however b shrinks: what lambda is derived from."""
    model = GaussianMixture(weights=(0.2, 0.3, 0.5))
    weights = np.array(model.weights)
    directions = np.random.default_rng(0).normal(size=(50, 3))
    losses = jax.jit(jax.vmap(lambda b: model.population_loss({"b": b})))
    flattened = directions - directions @ weights[:, None]  # m_1 = 0: the worst case
    for size in (1e-2, 1e-4, 1e-6):
        for b in (size * directions, size * flattened):
            ratio = np.asarray(losses(b)) / ((b @ weights) ** 2 + (b**2 @ weights) ** 2)
            assert ratio.min() > 0.2
            assert ratio.max() < 0.6


@pytest.mark.parametrize("weights", [(), (0.5, 0.6), (1.5, -0.5), (1.0, 0.0)])
def test_impossible_weights_are_named(weights):
    with pytest.raises(ValueError, match="weights must be positive and sum to 1"):
        GaussianMixture(weights=weights)
