"""Crater and valley: bottoms that are the same to the last bit, a posterior that halves, a descent that does not."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from slt.models.common.craters import smooth_minimum
from slt.models.crater_valley import CraterValley
from slt.posterior.quadrature import Quadrature
from slt.posterior.targets import potential

MODEL = CraterValley()
CRATER, VALLEY, OTHER = range(3)
MIRROR = np.array([-1.0, 1.0])


def labels(points):
    return np.asarray(jax.jit(jax.vmap(lambda x: MODEL.classify({"w": x})))(points))


def losses(points, model=MODEL):
    return np.asarray(jax.jit(jax.vmap(lambda x: model.population_loss({"w": x})))(points))


def around(bottom):
    """Points around a bottom, out to where the loss reaches `level`."""
    radius, angle = np.meshgrid(np.linspace(0, 0.999, 15), np.linspace(0, 6.2, 16))
    radius *= math.sqrt(2 * MODEL.level / MODEL.curvature)
    return bottom + np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1, 2)


def shares(posterior):
    label = labels(posterior.draws["w"][0])
    return np.bincount(label, np.exp(posterior.log_weights[0]), 3)


# -- the bottoms ----------------------------------------------------------------------------------------------


def test_the_two_bottoms_are_the_same_bit_by_bit():
    crater, valley = (phase.point["w"] for phase in MODEL.phases())
    points = around(valley)
    loss = losses(points)
    np.testing.assert_array_equal(loss, losses(points * MIRROR))
    signal = jax.jit(jax.vmap(MODEL.signal))
    np.testing.assert_array_equal(signal(points), signal(points * MIRROR))
    square = MODEL.curvature / 2 * np.sum((points - valley) ** 2, axis=1)
    np.testing.assert_allclose(loss, square, rtol=1e-13, atol=1e-30)
    for bottom in (crater, valley):
        hessian = jax.hessian(lambda x: MODEL.population_loss({"w": x}))(jnp.asarray(bottom))
        np.testing.assert_allclose(hessian, MODEL.curvature * np.eye(2), rtol=1e-13, atol=1e-13)


def test_a_valley_of_another_shape_leaves_the_bottoms_as_they_are():
    other = CraterValley(valley_length=1.0, valley_width=0.3)
    for bottom in (phase.point["w"] for phase in MODEL.phases()):
        np.testing.assert_array_equal(losses(around(bottom)), losses(around(bottom), other))


def test_lambda_is_one_at_both():
    """Each holds half of Z, so that the slope of -log Z in log n is lambda of both."""
    sample_sizes = np.array([1e4, 1e6])
    free = [-Quadrature()(potential(MODEL, None, n), jax.random.key(0)).log_evidence[0] for n in sample_sizes]
    assert np.diff(free)[0] / np.diff(np.log(sample_sizes))[0] == pytest.approx(
        MODEL.phases()[0].llc, abs=1e-4
    )


# -- the posterior --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
def test_the_posterior_gives_each_one_half(n):
    posterior = Quadrature()(potential(MODEL, None, n), jax.random.key(0))
    assert posterior.status[0] == "ok"
    np.testing.assert_allclose(shares(posterior), [0.5, 0.5, 0.0], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_so_does_the_posterior_of_every_single_data_set(seed):
    data = MODEL.sample(jax.random.key(seed), 200)
    posterior = Quadrature()(potential(MODEL, data, jnp.ones(200)), jax.random.key(0))
    assert posterior.status[0] == "ok"
    np.testing.assert_allclose(shares(posterior), [0.5, 0.5, 0.0], atol=1e-9)


# -- the shape ------------------------------------------------------------------------------------------------


def test_the_corner_is_rounded_downwards_and_smoothly():
    half, a = 0.2, np.linspace(0, 2, 2001)

    def rounded(x):
        return smooth_minimum(x, jnp.asarray(1.0), half)

    slope_of = jax.grad(rounded)
    value, slope, bend = (np.asarray(jax.vmap(f)(a)) for f in (rounded, slope_of, jax.grad(slope_of)))
    far = np.abs(a - 1) >= half
    np.testing.assert_array_equal(value[far], np.minimum(a, 1)[far])
    assert np.all(value <= np.minimum(a, 1))
    assert np.all((slope >= -1e-12) & (slope <= 1 + 1e-12))
    assert np.abs(np.diff(bend[np.abs(a - 1) > 2e-3])).max() < 0.1  # a jump would be of order 1 / half


def test_away_from_craters_and_valley_the_loss_is_the_plateau_and_flat():
    for point in ([0.0, 0.0], [-1.5, 0.6], [-2.5, 0.0], [3.0, 0.0], [-9.0, 7.0]):
        value, gradient = jax.value_and_grad(lambda x: MODEL.population_loss({"w": x}))(jnp.array(point))
        assert value == pytest.approx(MODEL.depth, rel=1e-14)
        np.testing.assert_allclose(gradient, 0, atol=1e-14)


# -- descent --------------------------------------------------------------------------------------------------


def drains(points):
    """What the ground says of where descent ends: the valley's crater drains the valley and its own disc."""
    here = labels(points)
    inside = np.asarray(jax.vmap(MODEL.ground)(points)) < MODEL.depth
    return np.where(inside, VALLEY, here)


def test_all_that_lies_in_the_valley_drains_into_its_crater_and_nothing_else_does():
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-3, 3, 41)]), -1).reshape(-1, 2)
    ground = np.asarray(jax.vmap(MODEL.ground)(grid))
    start = grid[
        (ground == MODEL.depth) | (ground < MODEL.depth - 1e-3)
    ]  # at the very edge it takes for ever
    slope = jax.grad(lambda x: MODEL.population_loss({"w": x}))
    end = jax.jit(lambda x: jax.lax.fori_loop(0, 20_000, lambda _, y: y - 0.1 * jax.vmap(slope)(y), x))(start)
    expected = drains(start)
    assert set(expected) == {CRATER, VALLEY, OTHER}
    bottoms = np.array([phase.point["w"] for phase in MODEL.phases()])
    for crater in (CRATER, VALLEY):
        # The rim is as flat as the valley's edge, so a start just inside it is on its way still.
        gone = losses(end)[expected == crater] < 1e-6
        assert gone.mean() > 0.98
        np.testing.assert_allclose(
            end[expected == crater][gone], np.broadcast_to(bottoms[crater], (gone.sum(), 2)), atol=1e-3
        )
    np.testing.assert_allclose(end[expected == OTHER], start[expected == OTHER], atol=1e-9)


def test_the_valley_drains_most_starts_and_the_crater_its_disc_alone():
    starts = np.asarray(jax.vmap(MODEL.init)(jax.random.split(jax.random.key(0), 100_000))["w"])
    share = np.bincount(drains(starts), minlength=3) / len(starts)
    a = MODEL.distance / 2
    annulus = np.diff(scipy.stats.rayleigh.cdf([a - MODEL.valley_width, a + MODEL.valley_width]))[0]
    assert share[VALLEY] == pytest.approx(annulus * MODEL.valley_length / (math.pi * a), abs=0.005)
    assert share[CRATER] == pytest.approx(scipy.stats.ncx2.cdf(MODEL.radius**2, 2, a**2), abs=0.003)
    assert share[VALLEY] > 15 * share[CRATER]


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": 1.6}, "craters of radius 1.6 overlap at distance 3: the radius may be 1.5 at most"),
        ({"valley_width": 1.5}, "valley_width must be less than half the distance, 1.5"),
        ({"valley_length": 4.3}, "valley_length must lie between the radius, 0.5, and 4.203"),
        ({"valley_length": 0.4}, "valley_length must lie between"),
        ({"valley_slope": 0.2}, "must stay below 0.8, 0.8 of the depth"),
        ({"valley_slope": 0.0}, "valley_slope must be a positive number"),
        ({"prior_scale": -1.0}, "prior_scale must be a positive number"),
        ({"init_scale": math.nan}, "init_scale must be a positive number"),
    ],
)
def test_what_is_not_two_craters_and_a_valley_is_refused_in_plain_words(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MODEL, **change)
