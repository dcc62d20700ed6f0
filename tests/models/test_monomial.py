"""Monomials: lambda and m against closed forms, against blow-ups by hand, and against integrals; and the prior."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.models.monomial import Monomial, learning_coefficient

small = st.integers(1, 4)
half_whole = st.integers(0, 6).map(lambda h: h / 2)


def flat(exponents):
    return learning_coefficient(exponents, (0.0,) * len(exponents[0]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(small, half_whole), min_size=1, max_size=5))
def test_a_normal_crossing_is_decided_by_its_worst_coordinates(pairs):
    k, h = zip(*pairs, strict=True)
    poles = [(b + 1) / (2 * a) for a, b in pairs]
    attained = sum(math.isclose(pole, min(poles), rel_tol=1e-12) for pole in poles)
    assert learning_coefficient((k,), h) == (pytest.approx(min(poles), rel=1e-12), attained)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(small, half_whole), min_size=1, max_size=5))
def test_a_sum_of_powers_adds_up(pairs):
    k, h = zip(*pairs, strict=True)
    expected = sum((b + 1) / (2 * a) for a, b in pairs)
    assert learning_coefficient(np.diag(k), h) == (pytest.approx(expected, rel=1e-12), 1)


def test_an_unrelated_sum_adds_lambdas_and_orders_of_poles():
    one, other = ((1, 1, 0), (2, 0, 1)), ((1, 2), (3, 0))
    both = [(*row, 0, 0) for row in one] + [(0, 0, 0, *row) for row in other]
    (llc_1, m_1), (llc_2, m_2) = flat(one), flat(other)
    assert flat(both) == (pytest.approx(llc_1 + llc_2), m_1 + m_2 - 1)


@pytest.mark.parametrize(
    ("exponents", "prior", "expected"),
    [
        # x^2 (y^2 + x^2): blown up, x^4 (1 + y^2) with Jacobian x, and y^4 x^2 (1 + x^2) with Jacobian y
        (((1, 1), (2, 0)), (0, 0), (1 / 2, 2)),
        # x^4 + x^2 y^2 + y^4 = r^4 (...): one blow-up
        (((2, 0), (1, 1), (0, 2)), (0, 0), (1 / 2, 1)),
        # the same in three dimensions, without the squares
        (((1, 1, 0), (1, 0, 1), (0, 1, 1)), (0, 0, 0), (3 / 4, 1)),
        # a deciding face inside the polyhedron: x^6 + x^2 y^2 + y^6, alpha from (1/6, 1/3) to (1/3, 1/6)
        (((3, 0), (1, 1), (0, 3)), (0, 0), (1 / 2, 2)),
        # a prior that vanishes at x = 0 tilts it towards one end of that face
        (((3, 0), (1, 1), (0, 3)), (1, 0), (2 / 3, 1)),
        # a free coordinate changes nothing
        (((2, 0, 0), (0, 3, 0)), (0, 0, 0), (5 / 12, 1)),
        # a term that another one outweighs changes nothing
        (((1, 1), (3, 3)), (0, 0), (1 / 2, 2)),
    ],
)
def test_polyhedra_worked_by_hand(exponents, prior, expected):
    llc, multiplicity = learning_coefficient(exponents, prior)
    assert llc == pytest.approx(expected[0], rel=1e-12)
    assert multiplicity == expected[1]


@pytest.mark.parametrize(
    ("exponents", "prior"),
    [
        (((1, 1),), (0, 0)),
        (((1, 2),), (0, 1)),
        (((1, 2),), (0, 0)),
        (((3, 0), (1, 1), (0, 3)), (0, 0)),
        (((3, 0), (1, 1), (0, 3)), (1, 0)),
        (((4, 0), (1, 1), (0, 3)), (0, 1)),
        (((3, 1), (1, 2)), (0, 0)),
        (((2, 1), (1, 2)), (1, 1)),
    ],
)
def test_the_integral_behaves_as_lambda_and_m_say(exponents, prior):
    """Z(t) t^lambda is a polynomial in log t of degree m - 1, up to powers of 1 / t: in two dimensions it can be
    summed over a grid in (log w_1, log w_2), to temperatures at which those powers are gone."""
    llc, multiplicity = learning_coefficient(exponents, prior)
    depth = -np.arange(-2, 130, 0.1)  # log w
    u, v = depth[:, None], depth[None, :]
    weight = (prior[0] + 1) * u + (prior[1] + 1) * v - (np.exp(2 * u) + np.exp(2 * v)) / 2
    log_terms = [2 * (a * u + b * v) for a, b in exponents]
    log_K = np.logaddexp.reduce(log_terms, axis=0)

    def scaled(log_t):
        return np.sum(np.exp(weight + llc * log_t - np.exp(np.minimum(log_K + log_t, 7))))

    first, second, third = (scaled(log_t) for log_t in (40.0, 60.0, 80.0))
    if multiplicity == 1:
        assert second == pytest.approx(first, rel=1e-3)
    else:
        assert second > 1.2 * first
        assert third - second == pytest.approx(second - first, rel=1e-3)


def test_the_signal_is_the_product_of_powers():
    for exponents in (((1, 0, 3), (0, 2, 0)), ((2, 1, 1),), ((0, 0, 2), (1, 1, 0)), ((1, 0), (0, 4))):
        model = Monomial(exponents=exponents)
        w = np.asarray(model.sample_prior(jax.random.key(0))["w"])
        expected = [math.prod(x**k for x, k in zip(w, row, strict=True)) for row in exponents]
        np.testing.assert_allclose(model.signal(jnp.asarray(w)), expected, rtol=1e-14)
        tiny = sum((f * 1e-20 ** sum(row)) ** 2 for f, row in zip(expected, exponents, strict=True)) / 2
        assert float(model.population_loss({"w": 1e-20 * w})) == pytest.approx(tiny)


def test_a_prior_with_exponents_is_sampled_and_normalized():
    h, s = (0.0, 1.0, 2.5), 0.7
    model = Monomial(exponents=((1, 1, 1),), prior_exponents=h, prior_scale=s)
    draws = np.asarray(
        jax.jit(jax.vmap(model.sample_prior))(jax.random.split(jax.random.key(0), 20_000))["w"]
    )
    for i in range(3):
        assert scipy.stats.kstest((draws[:, i] / s) ** 2, scipy.stats.chi2(h[i] + 1).cdf).pvalue > 1e-4
        assert abs(np.mean(np.sign(draws[:, i]))) < 4 / math.sqrt(20_000)
    grid = np.linspace(-8 * s, 8 * s, 20_000)  # an even number of points: 0 is not among them
    at = np.array([0.4, -0.5, 0.6])
    log_prior = jax.jit(jax.vmap(lambda w: model.log_prior({"w": w})))
    for i in range(3):
        line = np.tile(at, (grid.size, 1))
        line[:, i] = grid
        density = np.exp(log_prior(line))
        others = [j for j in range(3) if j != i]
        rest = [scipy.stats.chi2(h[j] + 1).pdf((at[j] / s) ** 2) * abs(at[j]) / s**2 for j in others]
        assert np.sum(density) * (grid[1] - grid[0]) == pytest.approx(math.prod(rest), rel=1e-4)


@pytest.mark.parametrize(
    ("exponents", "prior", "mode"),
    [
        (((1, 1),), (0, 4), (0.0, 2.0)),  # the first coordinate vanishes, the second need not
        (((1, 0), (0, 1)), (0, 4), None),  # both must, and the density there is zero
        (((1, 2), (0, 1)), (0, 0), (0.0, 0.0)),
    ],
)
def test_highest_prior_density_on_the_true_set(exponents, prior, mode):
    model = Monomial(exponents=exponents, prior_exponents=prior)
    highest = model.phases()[0].log_prior
    if mode is None:
        assert highest == -math.inf
        return
    assert highest == pytest.approx(float(model.log_prior({"w": jnp.asarray(mode)})))
    nearby = [np.array(mode) + np.array(step) for step in itertools.product((0, 0.1, -0.1), repeat=2)]
    on_the_set = [w for w in nearby if float(model.population_loss({"w": jnp.asarray(w)})) == 0]
    assert all(float(model.log_prior({"w": jnp.asarray(w)})) <= highest + 1e-12 for w in on_the_set)


def test_five_hundred_coordinates():
    powers = np.arange(500) % 4 + 1
    model = Monomial(exponents=np.diag(powers).tolist())
    phase = model.phases()[0]
    assert phase.llc == pytest.approx(np.sum(1 / (2 * powers)), rel=1e-12)
    assert phase.multiplicity == 1
    pairs = np.kron(np.eye(250, dtype=int), [[1, 1]])
    assert flat(pairs) == (pytest.approx(125.0), 251)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exponents": ()}, "rows of equal length"),
        ({"exponents": ((1, 2), (1,))}, "rows of equal length"),
        ({"exponents": ((1, -1),)}, "whole numbers, 0 or more"),
        ({"exponents": ((1, 0.5),)}, "whole numbers, 0 or more"),
        ({"exponents": ((1, 1), (0, 0))}, "that term is the constant 1"),
        (
            {"exponents": ((1, 1),), "prior_exponents": (1.0,)},
            "2 coordinates need as many prior_exponents, not 1",
        ),
        (
            {"exponents": ((1, 1),), "prior_exponents": (1.0, -0.5)},
            "prior_exponents must be numbers, 0 or more",
        ),
        ({"exponents": ((1, 1),), "prior_scale": -1.0}, "prior_scale must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Monomial(**options)
