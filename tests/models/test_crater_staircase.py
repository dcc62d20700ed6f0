"""Crater and staircase: bottoms the same to the last bit in every dimension; descent finds one, or its own ball."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ncx2, norm

from slt.models.crater_staircase import CraterStaircase, _smooth_modulus
from slt.posterior.quadrature import Quadrature
from slt.posterior.targets import potential

CRATER, STAIRCASE, OTHER = range(3)


def model(k, **options):
    return CraterStaircase(dimension=k, **options)


def mirror(k):
    return np.array([-1.0] + [1.0] * (k - 1))


def losses(of, points):
    return np.asarray(jax.jit(jax.vmap(lambda x: of.population_loss({"w": x})))(jnp.asarray(points)))


def labels(of, points):
    return np.asarray(jax.jit(jax.vmap(lambda x: of.classify({"w": x})))(jnp.asarray(points)))


def around(of, bottom, count=200):
    """Points in the ball around a bottom out to which the loss stays below `level`."""
    k, random = of.dimension, np.random.default_rng(0)
    way = random.normal(size=(count, k))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    edge = np.sqrt(2 * of.level / of.curvature)
    return bottom + 0.999 * edge * random.uniform(size=(count, 1)) ** (1 / k) * way


# -- the bottoms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 5])
def test_the_two_bottoms_are_the_same_bit_by_bit(k):
    of = model(k)
    crater, staircase = (phase.point["w"] for phase in of.phases())
    points = around(of, staircase)
    loss = losses(of, points)
    np.testing.assert_array_equal(loss, losses(of, points * mirror(k)))
    signal = jax.jit(jax.vmap(of.signal))
    np.testing.assert_array_equal(signal(points), signal(points * mirror(k)))
    np.testing.assert_allclose(loss, of.curvature / 2 * np.sum((points - staircase) ** 2, axis=1), atol=1e-14)
    hessian_at = jax.jit(jax.hessian(lambda x: of.population_loss({"w": x})))
    for bottom in (crater, staircase):
        hessian = hessian_at(jnp.asarray(bottom))
        np.testing.assert_allclose(hessian, of.curvature * np.eye(k), atol=1e-12)


def test_beyond_the_level_only_the_staircase_differs():
    of = model(3)
    points = 1.5 * np.random.default_rng(1).normal(size=(4000, 3))
    loss, mirrored = losses(of, points), losses(of, points * mirror(3))
    differs = loss != mirrored
    assert differs.mean() > 0.5
    assert np.minimum(loss, mirrored)[differs].min() > of.level


@pytest.mark.parametrize("seed", range(2))
def test_the_posterior_of_every_data_set_gives_each_one_half(seed):
    of = model(2)
    data = of.sample(jax.random.key(seed), 200)
    posterior = Quadrature()(potential(of, data, jnp.ones(200)), jax.random.key(0))
    assert posterior.status[0] == "ok"
    share = np.bincount(labels(of, posterior.draws["w"][0]), np.exp(posterior.log_weights[0]), 3)
    np.testing.assert_allclose(share, [0.5, 0.5, 0.0], atol=1e-9)


# -- the shape ------------------------------------------------------------------------------------------------


def test_the_modulus_is_smooth_inside_and_exact_outside():
    x = jnp.linspace(-2, 2, 2001)

    def modulus(x):
        return _smooth_modulus(x, 0.5)

    bend = np.asarray(jax.vmap(jax.grad(jax.grad(modulus)))(x))
    outside = np.abs(x) >= 0.5
    np.testing.assert_array_equal(modulus(x)[outside], np.abs(x)[outside])
    np.testing.assert_array_equal(modulus(x), modulus(-x))
    assert np.abs(np.diff(bend)).max() < 0.05  # a jump of the second derivative would be of order 1 / half


@pytest.mark.parametrize("k", [1, 8])
def test_every_step_only_ever_pulls_towards_the_second_bottom(k):
    of = model(k)
    points = 1.5 * np.random.default_rng(2).normal(size=(500, k))
    slope = np.asarray(jax.jit(jax.vmap(jax.grad(of.ground)))(jnp.asarray(points)))
    u = points - of.phases()[STAIRCASE].point["w"]
    assert np.all(slope * u >= 0)


def test_a_step_is_felt_only_where_those_before_it_are_found():
    of = model(3)
    slope = jax.jit(jax.grad(of.ground))
    a = of.distance / 2
    assert np.count_nonzero(slope(jnp.array([a - of.width - 0.1, 1.0, 1.0]))) == 1
    assert np.count_nonzero(slope(jnp.array([a + 0.1, of.width + 0.1, 1.0]))) == 2
    assert np.count_nonzero(slope(jnp.array([a + 0.1, of.width - 0.1, 1.0]))) == 3
    assert (
        np.count_nonzero(slope(jnp.array([-a + of.radius - 0.01, 0.1, 0.1]))) == 0
    )  # the other crater's slab


@pytest.mark.parametrize("k", [3])
def test_descent_without_noise_drains_as_the_geometry_says(k):
    """Each crater's own ball or the staircase: closed forms, up to the few starts that are still on their way."""
    of, starts = model(k), 1000
    points = np.random.default_rng(3).normal(size=(starts, k))
    slope = jax.vmap(jax.grad(lambda x: of.population_loss({"w": x})))
    ends = jax.jit(lambda w: jax.lax.fori_loop(0, 6000, lambda _, w: w - 0.1 * slope(w), w))(points)
    begun, ended = labels(of, points), labels(of, np.asarray(ends))
    np.testing.assert_array_equal(begun == CRATER, ended == CRATER)
    ball = ncx2.cdf(of.radius**2, k, (of.distance / 2) ** 2)
    assert np.mean(ended == CRATER) == pytest.approx(ball, abs=4 * np.sqrt(ball / starts))
    drained = 1 - norm.cdf(-of.distance / 2 + of.radius)
    assert drained - 0.06 < np.mean(ended == STAIRCASE) < drained + 4 * np.sqrt(0.25 / starts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 1.5}, "touch"),
        ({"drop": 0.8}, "change the bottom"),
        ({"dimension": 0}, "dimension"),
        ({"width": -1.0}, "width"),
    ],
)
def test_what_would_not_be_two_craters_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(model(2), **options)
