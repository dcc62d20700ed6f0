"""Which problems may be posed, and what is reported of those that may not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.errors import ConfigError
from slt.llc.problem import LLCProblem, newton_decrement, select_params
from slt.models.quadratic import Quadratic
from slt.models.superposition import Superposition
from slt.records.base import from_dataset, to_dataset
from slt.records.llc import LLCEstimate

MODEL = Quadratic(dimension=3)
POINTS = {"w": jnp.zeros((2, 3))}


def test_points_must_fit_the_model():
    for points in (
        {"w": jnp.zeros(3)},
        {"v": jnp.zeros((2, 3))},
        {"w": jnp.zeros((2, 4))},
        {"w": jnp.zeros((0, 3))},
    ):
        with pytest.raises(ConfigError, match="points must"):
            LLCProblem(MODEL, points)


def test_weights_must_fit_the_data():
    data = MODEL.sample(jax.random.key(0), 10)
    for weights, words in (
        (np.ones(9), "10 finite numbers"),
        (-np.ones(10), ">= 0"),
        (np.zeros(10), "all zero"),
    ):
        with pytest.raises(ConfigError, match=words):
            LLCProblem(MODEL, POINTS, data, weights=weights)
    with pytest.raises(ConfigError, match="there is no data"):
        LLCProblem(MODEL, POINTS, weights=np.ones(3))


def test_selected_entries_by_path():
    params = Superposition(features=4).init(jax.random.key(0))
    assert select_params(params, ("W",)) == tuple(range(8))
    assert select_params(params, ("b",)) == tuple(range(8, 12))
    assert select_params({"head": [jnp.zeros(2), jnp.zeros(3)]}, ("head/1",)) == (2, 3, 4)
    with pytest.raises(ConfigError, match="no parameter is called 'c'; there are: W, b"):
        select_params(params, ("c",))
    for selected in ((), (3,), (-1,)):
        with pytest.raises(ConfigError, match="by index from 0"):
            LLCProblem(MODEL, POINTS, selected=selected)


def test_a_neighborhood_counts_the_loss_from_its_point():
    model = Superposition(features=4)
    points = jax.vmap(model.sample_prior)(jax.random.split(jax.random.key(1), 2))
    data = model.sample(jax.random.key(2), 50)
    weights = np.linspace(0, 2, 50)
    for problem in (LLCProblem(model, points), LLCProblem(model, points, data, weights)):
        around = problem.around(jnp.ones(2))
        one = jax.tree.map(lambda leaf: leaf[1], (around.model, around.n, around.beta))
        target = dataclasses.replace(around, model=one[0], n=one[1], beta=one[2])
        point = jax.tree.map(lambda leaf: leaf[1], points)
        assert abs(float(target.energy({"offset": jnp.zeros(12)}))) < 1e-12
        offset = jnp.linspace(-0.1, 0.1, 12)
        moved = one[0].at({"offset": offset})
        full = problem.full(1.0)
        assert float(target.energy({"offset": offset})) == pytest.approx(
            float(full.loss(moved) - full.loss(point)), abs=1e-12
        )
        np.testing.assert_allclose(problem.losses()[1], full.loss(point))


def test_offsets_move_only_what_is_selected():
    problem = LLCProblem(MODEL, {"w": jnp.ones((1, 3))}, selected=(2,))
    around = problem.around(jnp.ones(1)).model
    one = jax.tree.map(lambda leaf: leaf[0], around)
    np.testing.assert_array_equal(one.at({"offset": jnp.array([5.0])})["w"], [1, 1, 6])
    assert problem.dimension == 1


def test_decrements_are_what_a_newton_step_wins():
    model = Quadratic(dimension=1)
    problem = LLCProblem(model, {"w": jnp.array([[0.0], [0.5]])})
    found = np.asarray(newton_decrement(problem.full(1.0), problem.points))
    np.testing.assert_allclose(found, [0.0, 0.5 * 0.5**2], rtol=1e-6)


def test_an_estimate_survives_storage():
    count, repeats, levels = 2, 3, 4
    estimate = LLCEstimate(
        *(np.arange(count, dtype=float) for _ in range(4)),
        multiplicity=np.array([1, 2]),
        loss=np.zeros(count),
        nbeta=np.ones((count, levels)),
        curve={"mean": np.ones((count, repeats, levels))},
        info={"ess": np.ones(count)},
        status=np.array(["ok", "flat: nothing"]),
    )
    again = from_dataset(LLCEstimate, to_dataset(estimate))
    np.testing.assert_array_equal(again.curve["mean"], estimate.curve["mean"])
    assert again.status.tolist() == ["ok", "flat: nothing"]
