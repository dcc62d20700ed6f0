"""Sparse superposition: its data, its limit, the shapes whose dimensionality is known, and where it stands still."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.flatten_util import ravel_pytree

from slt.models.sparse_superposition import SparseSuperposition, dimensionalities
from slt.models.sparse_superposition.critical_points import MOST
from slt.models.superposition import Inputs, Superposition

MODEL = SparseSuperposition()


def prior_draw(model, seed):
    return model.sample_prior(jax.random.key(seed))


# -- data and loss --------------------------------------------------------------------------------------------


def test_features_are_active_as_often_as_asked_independently_and_uniform():
    x = np.asarray(MODEL.sample(jax.random.key(0), 40_000))
    active = x > 0
    share = active.mean(axis=0)
    np.testing.assert_allclose(share, 0.1, atol=5 * math.sqrt(0.09 / 40_000))
    apart = np.corrcoef(active.T) - np.eye(5)
    assert np.abs(apart).max() < 5 / math.sqrt(40_000)
    assert all(scipy.stats.kstest(column[column > 0], "uniform").pvalue > 1e-4 for column in x.T)


def test_without_sparsity_every_feature_is_always_active():
    x = SparseSuperposition(sparsity=0.0).sample(jax.random.key(0), 1000)
    assert np.all(x > 0)
    assert np.all(x < 1)


def test_on_one_active_feature_the_loss_is_that_of_the_limit():
    limit = Superposition(features=5, hidden=2)
    one = limit.sample(jax.random.key(0), 300)
    x = jnp.where(jnp.arange(5) == one.feature[:, None], one.value[:, None], 0.0)
    w = prior_draw(limit, 1)
    ours = SparseSuperposition(importance=1.0).losses(w, x)
    np.testing.assert_allclose(ours, limit.losses(w, Inputs(*one)), rtol=1e-12)


def test_importance_weighs_each_feature_error():
    w = {"W": jnp.zeros((2, 5)), "b": jnp.array([0.3, -1.0, 0.0, 0.2, 0.5])}
    x = MODEL.sample(jax.random.key(0), 50)
    expected = sum(0.9**i * (x[:, i] - max(float(w["b"][i]), 0)) ** 2 for i in range(5))
    np.testing.assert_allclose(MODEL.losses(w, x), expected, rtol=1e-13)


# -- dimensionality -------------------------------------------------------------------------------------------


def shape(name):
    turn = 2 * np.pi * np.arange(5)
    return {
        "alone": np.eye(2),
        "antipodal pair": np.array([[1.0, -1.0]]),
        "triangle": np.array([np.cos(turn / 3)[:3], np.sin(turn / 3)[:3]]),
        "tetrahedron": np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).T * 1.0,
        "pentagon": np.array([np.cos(turn / 5), np.sin(turn / 5)]),
    }[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alone", 1),
        ("antipodal pair", 1 / 2),
        ("triangle", 2 / 3),
        ("tetrahedron", 3 / 4),
        ("pentagon", 2 / 5),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-150, 1e150])
def test_known_shapes_have_their_fraction_at_every_size(name, expected, scale):
    np.testing.assert_allclose(dimensionalities(jnp.asarray(scale * shape(name))), expected, rtol=1e-12)


def test_a_feature_without_a_column_has_none_and_takes_none():
    W = jnp.concatenate([jnp.asarray(shape("triangle")), jnp.zeros((2, 2))], axis=1)
    np.testing.assert_allclose(dimensionalities(W), [2 / 3, 2 / 3, 2 / 3, 0, 0], rtol=1e-12)
    assert np.all(dimensionalities(jnp.zeros((2, 3))) == 0)


def test_observables_are_by_feature_or_by_size_where_features_are_alike():
    w = {"W": jnp.array([[0.0, 1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 2.0]]), "b": jnp.zeros(5)}
    own = MODEL.observables(w)
    assert [float(own[f"d{i}"]) for i in range(5)] == [0.0, 0.5, 0.5, 0.0, 1.0]
    alike = dataclasses.replace(MODEL, importance=1.0).observables(w)
    assert [float(alike[f"d{i}"]) for i in range(5)] == [1.0, 0.5, 0.5, 0.0, 0.0]
    assert float(own["features per dimension"]) == 3.0
    assert float(own["dimensionality"]) == 2.0


# -- phases ---------------------------------------------------------------------------------------------------


def test_phases_are_stationary_and_their_losses_right_within_the_error_of_fresh_observations():
    n = 200_000
    x = MODEL.sample(jax.random.key(7), n)
    # per observation, in blocks: the mean gradient has to vanish within its own error
    blocks = x.reshape(100, -1, 5)
    slope = jax.jit(jax.vmap(jax.grad(lambda w, x: jnp.mean(MODEL.losses(w, x))), in_axes=(None, 0)))
    for phase in MODEL.phases():
        w = jax.tree.map(jnp.asarray, phase.point)
        losses = np.asarray(MODEL.losses(w, x))
        error = losses.std() / math.sqrt(n)
        assert abs(losses.mean() - phase.loss) < 5 * math.hypot(error, error * math.sqrt(n / 65_536)), (
            phase.name
        )
        gradient = np.stack(
            [ravel_pytree(jax.tree.map(lambda leaf, i=i: leaf[i], slope(w, blocks)))[0] for i in range(100)]
        )
        spread = gradient.std(axis=0, ddof=1) / 10
        # the point was found on 2,048 observations, so its own gradient errs by what so many leave
        allowed = 5 * spread * math.sqrt(1 + n / 2048) + 1e-12
        assert np.all(np.abs(gradient.mean(axis=0)) <= allowed), phase.name


def test_more_sparsity_lets_more_features_in():
    known = {s: len(SparseSuperposition(features=3, sparsity=s).phases()) for s in (0.0, 0.9)}
    assert known == {0.0: 3, 0.9: 4}  # at most 2 features where all are always active, else all three


def test_the_classifier_counts_whatever_the_rotation_and_the_order_of_features():
    model = dataclasses.replace(MODEL, importance=1.0)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))
    order = np.array([3, 0, 4, 1, 2])
    for index, phase in enumerate(model.phases()):
        moved = {"W": turn @ phase.point["W"][:, order], "b": phase.point["b"][order]}
        assert int(model.classify(moved)) == index
    dense = SparseSuperposition(sparsity=0.0)
    five = MODEL.phases()[-1].point
    assert int(dense.classify(five)) == len(
        dense.phases()
    )  # where nothing stands still with five, it is "other"


def test_many_features_have_no_phases():
    assert SparseSuperposition(features=MOST + 1).phases() == ()


def test_two_dimensions_are_drawn_as_arrows_and_others_as_what_passes_between_features():
    assert MODEL.drawing(MODEL.phases()[-1].point).kind == "arrows"
    model = SparseSuperposition(features=4, hidden=3)
    w = prior_draw(model, 0)
    drawing = model.drawing(w)
    assert drawing.kind == "matrix"
    one = jnp.zeros(4).at[1].set(1.0)
    np.testing.assert_allclose(drawing.values[:, 1], w["W"].T @ w["W"] @ one, rtol=1e-12)


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be at least 1"),
        ({"features": 3, "hidden": 4}, "hidden must lie between 1 and features = 3, not 4"),
        ({"sparsity": 1.0}, "a probability less than 1"),
        ({"sparsity": -0.1}, "a probability less than 1"),
        ({"importance": 0.0}, "importance must be positive and at most 1, not 0.0"),
        ({"init_scale": -1.0}, "standard deviation"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SparseSuperposition(**options)
