"""Reduced rank regression: the published values, and that the loss is what regression says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.reduced_rank_regression import ReducedRankRegression, learning_coefficient


@pytest.mark.parametrize(
    ("sizes", "rank", "expected"),
    [
        ((1, 1, 1), 0, (1 / 2, 2)),
        ((2, 2, 2), 0, (3 / 2, 1)),
        ((2, 2, 2), 1, (2, 2)),
        ((5, 4, 5), 0, (8, 1)),
        ((5, 5, 5), 1, (10.5, 1)),
        ((1, 1, 6), 0, (1 / 2, 1)),  # B A with A a scalar: only A = 0 counts, once
        ((6, 1, 1), 0, (1 / 2, 1)),
        ((2, 9, 2), 0, (2, 1)),  # so wide that the product is free: regular in its four entries
        ((2, 2, 2), 2, (2, 1)),  # full rank: regular
        (
            (4, 2, 3),
            2,
            (5, 1),
        ),  # a full bottleneck: half the dimension 2 (4 + 3 - 2) of rank-2 matrices
    ],
)
def test_learning_coefficients(sizes, rank, expected):
    assert learning_coefficient(*sizes, rank) == expected


def test_never_above_the_regular_value():
    """lambda is at most half of what the product's entries, and the parameters, could have."""
    for inputs, hidden, outputs in np.ndindex(6, 6, 6):
        M, H, N = inputs + 1, hidden + 1, outputs + 1
        for rank in range(min(M, H, N) + 1):
            llc, _ = learning_coefficient(M, H, N, rank)
            assert rank * (M + N - rank) / 2 <= llc <= min(M * N, H * (M + N)) / 2
            assert learning_coefficient(N, H, M, rank) == learning_coefficient(M, H, N, rank)


def test_the_loss_is_a_difference_of_log_likelihoods():
    model = ReducedRankRegression(inputs=4, hidden=2, outputs=3, rank=2)
    data = model.sample(jax.random.key(0), 30)
    w = model.sample_prior(jax.random.key(1))
    logpdf = jax.scipy.stats.norm.logpdf
    teacher = np.eye(3, 4) * [1, 1, 0, 0]
    truth, fit = (jnp.sum(logpdf(data.y, data.x @ P.T), axis=1) for P in (teacher, w["B"] @ w["A"]))
    np.testing.assert_allclose(model.losses(w, data), truth - fit, rtol=0, atol=1e-12)


def test_the_loss_keeps_its_digits_near_the_truth():
    model = ReducedRankRegression(inputs=3, hidden=3, outputs=3, rank=0)
    w = jax.tree.map(lambda leaf: 1e-8 * leaf, model.sample_prior(jax.random.key(0)))
    expected = np.sum((np.asarray(w["B"]) @ np.asarray(w["A"])) ** 2) / 2
    assert expected < 1e-29
    assert float(model.population_loss(w)) == pytest.approx(expected, rel=1e-12)


def test_the_phase_is_the_truth_and_the_start_is_not():
    model = ReducedRankRegression()
    assert [phase.name for phase in model.phases()] == ["rank 1"]
    assert int(model.classify(model.phases()[0].point)) == 0
    assert int(model.classify(model.init(jax.random.key(0)))) == 1
    assert int(ReducedRankRegression(rank=0).classify(model.init(jax.random.key(0)))) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "inputs, hidden and outputs must be at least 1"),
        ({"rank": 3}, "rank must lie between 0 and 2, the smallest width, not 3"),
        ({"rank": -1}, "rank must lie between 0 and 2"),
        ({"prior_scale": 0.0}, "prior_scale must be a positive number"),
        ({"init_scale": -0.1}, "init_scale is a standard deviation"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ReducedRankRegression(**options)
