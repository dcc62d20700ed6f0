"""ReLU network: symmetries of the classifier, best fits against other optimizers, the truth turned round."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from slt.models.relu_network import ReluNetwork, output
from slt.models.relu_network.fits import Target, best_fit

MODEL = ReluNetwork()
NAMES = [phase.name for phase in MODEL.phases()]
OTHER = len(NAMES)


def label(model, w):
    return int(model.classify(jax.tree.map(jnp.asarray, w)))


def point(model, name):
    return next(phase.point for phase in model.phases() if phase.name == name)


def moved(w, scales, order):
    """The same function: scaled nodes in another order."""
    scales, order = np.asarray(scales), list(order)
    return {
        "w": (w["w"] * scales[:, None])[order],
        "b": (w["b"] * scales)[order],
        "q": (w["q"] / scales)[order],
        "c": w["c"],
    }


def test_names_and_losses():
    assert NAMES == ["0", "1", "2", "3", "3 reversed"]
    losses = [phase.loss for phase in MODEL.phases()]
    assert losses[3:] == [0.0, 0.0]
    assert losses[0] > losses[1] > losses[2] > 0.01
    assert [phase.llc for phase in MODEL.phases()] == [None, None, 4.5, 5.0, 5.0]


@pytest.mark.parametrize("name", NAMES)
def test_classifier_does_not_see_scales_or_order(name):
    w = point(MODEL, name)
    for order, scales in itertools.product(
        itertools.permutations(range(3)), ([1, 1, 1], [0.01, 5, 1], [30, 30, 0.2])
    ):
        assert label(MODEL, moved(w, scales, order)) == NAMES.index(name)


def test_two_nodes_on_one_line_are_one_kink_whichever_way_they_face():
    model = ReluNetwork(hidden=4)
    w = jax.tree.map(np.array, point(model, "3"))
    w["w"][3], w["b"][3] = w["w"][0], w["b"][0]
    w["q"][3], w["q"][0] = 0.7 * w["q"][0], 0.3 * w["q"][0]
    assert label(model, w) == 3
    plane = np.array([*w["w"][0], w["b"][0]]) * w["q"][3]
    w["w"][3], w["b"][3] = -w["w"][3], -w["b"][3]  # half of node 0 turned round, and its linear part missing
    kinks, _ = model._effective(jax.tree.map(jnp.asarray, w))
    assert int(kinks) == 3
    linear = plane @ np.column_stack([model.truth.x, np.ones(len(model.truth.x))]).T
    np.testing.assert_allclose(output(w, model.truth.x) + linear, model.truth.f, atol=1e-12)


def test_kinks_outside_the_disc_are_none():
    for bias in (-5.0, 5.0):
        w = {"w": np.eye(3, 2), "b": np.full(3, bias), "q": np.ones(3), "c": np.array(0.0)}
        assert float(MODEL.observables(w)["kinks"]) == 0


def test_the_truth_turned_round_is_the_same_function():
    one, other = (point(MODEL, name) for name in ("3", "3 reversed"))
    np.testing.assert_allclose(output(other, MODEL.truth.x), output(one, MODEL.truth.x), atol=1e-14)
    assert float(other["c"]) == pytest.approx(-3 * MODEL.offset)
    assert "3 reversed" not in [phase.name for phase in ReluNetwork(strengths=(2, 1, 1)).phases()]


def test_one_node_turned_round_is_neither():
    w = jax.tree.map(np.array, point(MODEL, "3"))
    w["w"][0], w["b"][0] = -w["w"][0], -w["b"][0]
    assert label(MODEL, w) == OTHER


def test_a_network_worse_than_none_is_in_no_phase():
    w = jax.tree.map(np.array, point(MODEL, "3"))
    w["c"] += math.sqrt(4.1 * MODEL.phases()[0].loss) * MODEL.noise
    assert label(MODEL, w) == OTHER


@pytest.mark.parametrize("kinks", [1, 2])
def test_no_other_optimizer_finds_a_better_fit(kinks):
    x, f = MODEL.truth.x, MODEL.truth.f
    best = best_fit(Target.of(x, f), kinks)

    def left(p):
        planes = p[: 3 * kinks].reshape(kinks, 3)
        return np.maximum(x @ planes[:, :2].T + planes[:, 2], 0).sum(axis=1) + x @ p[-3:-1] + p[-1] - f

    random = np.random.default_rng(1)
    losses = []
    for _ in range(10):
        start = random.normal(size=3 * kinks + 3)
        losses.append(np.mean(scipy.optimize.least_squares(left, start).fun ** 2) / 2)
    assert min(losses) == pytest.approx(best.loss, rel=1e-4)
    assert best.loss <= min(losses) + 1e-12
    assert best.slope < 1e-12


def test_as_many_kinks_as_the_truth_fit_it():
    assert best_fit(Target.of(MODEL.truth.x, MODEL.truth.f), 3).loss < 1e-25


def test_lambda_is_half_the_dimension_of_the_functions_near_the_truth():
    w = jax.tree.map(jnp.asarray, point(MODEL, "3"))
    rows = jax.jacobian(lambda w: output(w, jnp.asarray(MODEL.truth.x)))(w)
    flat = np.concatenate([np.asarray(rows[name]).reshape(len(MODEL.truth.x), -1) for name in rows], axis=1)
    assert np.linalg.matrix_rank(flat) == 2 * MODEL.phases()[3].llc


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 2}, "hidden must be at least 3"),
        ({"strengths": ()}, "one to three"),
        ({"strengths": (1, 1, 1, 1)}, "one to three"),
        ({"strengths": (1.0, -1.0)}, "positive"),
        ({"offset": 1.0}, "offset must lie between 0 and 1"),
        ({"noise": 0.0}, "noise must be a positive number"),
        ({"rings": 1}, "2 rings"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ReluNetwork(**options)
