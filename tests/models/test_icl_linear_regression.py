"""Regression in context: the ideal predictors against explicit posteriors, and what a prediction may depend on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from slt.models.icl_linear_regression import FAR, SLICES, ICLLinearRegression, ideal_predictors

SMALL = ICLLinearRegression(
    dimension=2, length=5, tasks=3, width=4, heads=2, layers=2, neurons=4, population=8
)
START = jax.jit(SMALL.init)(jax.random.key(0))
VARIANCE = 0.3


def sequences(n, *, dimension=2, length=5, tasks=None, seed=0):
    """x, y as arrays, with tasks from N(0, I) or from the rows of `tasks`."""
    random = np.random.default_rng(seed)
    task = random.normal(size=(n, dimension))
    if tasks is not None:
        task = tasks[random.integers(len(tasks), size=n)]
    x = random.normal(size=(n, length, dimension))
    return x, np.einsum("nkd,nd->nk", x, task) + VARIANCE**0.5 * random.normal(size=(n, length))


# -- ideal predictors -------------------------------------------------------------------------------------------
def test_ridge_is_the_posterior_mean_of_a_gaussian_task():
    """Against the joint Gaussian of all outputs: mean and variance of y_k given the ones before."""
    x, y = sequences(6)
    ideal = ideal_predictors.ridge(x, y, VARIANCE)
    for i in range(len(x)):
        joint = x[i] @ x[i].T + VARIANCE * np.eye(x.shape[1])
        for k in range(x.shape[1]):
            gain = joint[k, :k] @ np.linalg.inv(joint[:k, :k])
            assert ideal.mean[i, k] == pytest.approx(gain @ y[i, :k], abs=1e-12)
            assert ideal.variance[i, k] == pytest.approx(joint[k, k] - gain @ joint[:k, k])


def test_dmmse_is_the_posterior_mean_over_a_list_of_tasks():
    tasks = np.random.default_rng(1).normal(size=(3, 2))
    x, y = sequences(6, tasks=tasks)
    ideal = ideal_predictors.dmmse(x, y, VARIANCE, tasks)
    for i in range(len(x)):
        for k in range(x.shape[1]):
            likelihood = [np.prod(scipy.stats.norm.pdf(y[i, :k], x[i, :k] @ t, VARIANCE**0.5)) for t in tasks]
            weight, outputs = np.array(likelihood) / sum(likelihood), tasks @ x[i, k]
            assert ideal.mean[i, k] == pytest.approx(weight @ outputs)
            assert ideal.variance[i, k] == pytest.approx(
                VARIANCE + weight @ outputs**2 - (weight @ outputs) ** 2
            )


def test_dmmse_knows_a_single_task_and_is_ridge_of_very_many():
    x, y = sequences(200)
    one = np.array([[0.5, -2.0]])
    np.testing.assert_allclose(ideal_predictors.dmmse(x, y, VARIANCE, one).mean, x @ one[0])
    many = np.random.default_rng(2).normal(size=(20_000, 2))
    gap = ideal_predictors.dmmse(x, y, VARIANCE, many).mean - ideal_predictors.ridge(x, y, VARIANCE).mean
    few = ideal_predictors.dmmse(x, y, VARIANCE, many[:50]).mean - ideal_predictors.ridge(x, y, VARIANCE).mean
    # Importance sampling: the squared gap is inversely proportional to the number of tasks, here 400 times as many.
    assert 100 < np.mean(few**2) / np.mean(gap**2) < 1600


def test_ideal_variances_are_the_errors_that_ideal_predictors_make_and_each_is_best_at_home():
    tasks = np.random.default_rng(3).normal(size=(8, 2))
    for own in (None, tasks):
        x, y = sequences(20_000, tasks=own)
        ideal = {
            "ridge": ideal_predictors.ridge(x, y, VARIANCE),
            "dmmse": ideal_predictors.dmmse(x, y, VARIANCE, tasks),
        }
        home, away = ("ridge", "dmmse") if own is None else ("dmmse", "ridge")
        squared = {name: (y - one.mean) ** 2 for name, one in ideal.items()}
        excess = squared[home] - ideal[home].variance
        assert np.all(np.abs(excess.mean(axis=0)) < 4 * excess.std(axis=0) / 20_000**0.5)
        assert np.all(squared[home].mean(axis=0)[1:] < squared[away].mean(axis=0)[1:])


# -- the model --------------------------------------------------------------------------------------------------
def test_a_prediction_sees_its_x_and_all_pairs_before_it_and_nothing_else():
    data = SMALL.sample(jax.random.key(1), 1)
    by_x, by_y = jax.jit(jax.jacobian(lambda d: SMALL.predictions(START, d)[0]))(data)
    by_x, by_y = np.abs(by_x[:, 0]).sum(axis=-1) > 0, np.asarray(by_y[:, 0]) != 0  # (prediction, position)
    np.testing.assert_array_equal(by_x, np.tril(np.ones((5, 5), bool)))
    np.testing.assert_array_equal(by_y, np.tril(np.ones((5, 5), bool), -1))


def test_tasks_are_as_many_as_asked_and_the_first_of_more():
    more = dataclasses.replace(SMALL, tasks=5)
    np.testing.assert_array_equal(more.table[:3], SMALL.table)
    assert not np.array_equal(dataclasses.replace(SMALL, task_seed=1).table, SMALL.table)
    noiseless = dataclasses.replace(SMALL, variance=1e-12)
    x, y = noiseless.sample(jax.random.key(0), 50)
    solved = np.stack([np.linalg.lstsq(a, b)[0] for a, b in zip(x, y, strict=True)])
    which = np.argmin(np.linalg.norm(solved[:, None] - SMALL.table, axis=-1), axis=1)
    np.testing.assert_allclose(solved, SMALL.table[which], atol=1e-4)
    assert set(which) == {0, 1, 2}


def test_slices_count_their_positions_and_halves_make_the_whole(monkeypatch):
    monkeypatch.setattr(ICLLinearRegression, "predictions", lambda model, w, data: w["x"] * data.x[..., 0])
    data, w = SMALL.sample(jax.random.key(1), 7), {"x": 0.3}
    squared = (data.y - 0.3 * data.x[..., 0]) ** 2 / (2 * SMALL.variance)
    loss = {name: dataclasses.replace(SMALL, slice=name).losses(w, data) for name in SLICES}
    np.testing.assert_allclose(loss["all"], squared.sum(axis=1))
    np.testing.assert_allclose(loss["early"] + loss["late"], loss["all"])
    np.testing.assert_allclose(loss["early"], squared[:, :2].sum(axis=1))
    np.testing.assert_allclose(loss["first"], squared[:, 0])
    np.testing.assert_allclose(loss["last"], squared[:, -1])


def test_observables_are_those_of_an_ideal_predictor_where_predictions_are(monkeypatch):
    """In place of the network: ridge regression, then dMMSE."""

    def ridge(model, w, data):
        return jnp.asarray(ideal_predictors.ridge(data.x, data.y, model.variance).mean)

    def dmmse(model, w, data):
        return jnp.asarray(ideal_predictors.dmmse(data.x, data.y, model.variance, SMALL.table).mean)

    seen = {}
    for ideal in (ridge, dmmse):
        monkeypatch.setattr(ICLLinearRegression, "predictions", ideal)
        seen[ideal] = SMALL.observables({})
    assert seen[ridge]["to_ridge"] == seen[dmmse]["to_dmmse"] == 0
    assert seen[ridge]["to_dmmse"] == seen[dmmse]["to_ridge"] > 0
    assert seen[ridge]["last_over_ridge"] == pytest.approx(1)
    assert seen[dmmse]["last_over_ridge"] > 1
    assert seen[dmmse]["error"] < seen[ridge]["error"]
    assert seen[ridge]["in_context"] < 0
    x = SMALL.probe(4).x, dataclasses.replace(SMALL, input_scale=FAR).probe(4).x
    np.testing.assert_allclose(FAR * x[0], x[1])


def test_without_a_list_of_tasks_there_is_no_dmmse_and_every_float_keeps_its_kind():
    fresh = SMALL.unrestricted
    assert "to_dmmse" not in jax.eval_shape(fresh.observables, START)
    assert fresh.drawing(START).labels == ("network", "ridge")
    assert SMALL.drawing(START).labels == ("network", "ridge", "dMMSE")
    assert all(leaf.dtype == jnp.float64 for leaf in START.values())
    assert jax.eval_shape(fresh.losses, START, fresh.sample(jax.random.key(1), 2)).dtype == jnp.float64


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 1}, "length must be at least 2"),
        ({"tasks": -1}, "tasks must be at least 0"),
        ({"variance": 0.0}, "variance"),
        ({"width": 5}, "multiple of heads"),
        ({"slice": "middle"}, "all, early, late, first, last"),
    ],
)
def test_options_that_make_no_sense_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **options)
