"""Monosemantic neurons: codes that are solved, what their Hessians say, and a classifier blind to the symmetries."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from slt.models.monosemantic import Monosemantic, square

POLYSEMANTIC, MIXED, MONOSEMANTIC, OTHER = range(4)
EIGHT = Monosemantic(neurons=8)


def spectrum(model, point):
    flat, unflatten = ravel_pytree(jax.tree.map(jnp.asarray, point))
    return np.linalg.eigvalsh(jax.jit(jax.hessian(lambda x: model.population_loss(unflatten(x))))(flat))


def random_code(seed, neurons=8):
    random = np.random.default_rng(seed)
    shapes = {"W": (neurons, 2), "b": (neurons,), "V": (4, neurons)}
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def least_loss(frequency):
    """Expected variance of the features given what is seen: the best any decoder can do, by enumeration."""
    weight, seen = square.probabilities(frequency), square.PATTERNS @ square.CORNERS
    total = 0.0
    for place in np.unique(seen, axis=0):
        here = np.all(seen == place, axis=1)
        x, p = square.PATTERNS[here], weight[here]
        total += p @ np.sum((x - p @ x / p.sum()) ** 2, axis=1)
    return total


# -- the codes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [0.05, 0.2])
def test_eight_neurons_reach_the_least_loss_but_for_silence_at_nothing(frequency):
    model = dataclasses.replace(EIGHT, frequency=frequency)
    loss = {phase.name: phase.loss for phase in model.phases()}
    empty = np.array(
        [
            place in ([0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1])
            for place in square.PATTERNS.tolist()
        ]
    )
    weight, x = square.probabilities(frequency)[empty], square.PATTERNS[empty]
    silence = np.sum((weight @ x) ** 2) / weight.sum()  # what is lost by saying 0 where the mean is right
    assert loss["polysemantic"] == pytest.approx(least_loss(frequency) + silence, abs=1e-14)
    assert loss["polysemantic"] < loss["monosemantic"] < loss["polysemantic"] + frequency**4


def test_four_neurons_reach_it_on_the_corners_alone():
    loss = {phase.name: phase.loss for phase in Monosemantic().phases()}
    assert loss["polysemantic"] > 5 * loss["monosemantic"]


@pytest.mark.parametrize("neurons", [4, 5, 8])
def test_learning_coefficients_are_half_the_ranks(neurons):
    model = Monosemantic(neurons=neurons)
    for phase in model.phases():
        eigenvalues = spectrum(model, phase.point)
        if phase.llc is not None:
            assert eigenvalues[0] > -1e-12
            assert np.sum(eigenvalues > 1e-8) == 2 * phase.llc, phase.name
        elif phase.critical:
            assert "saddle" in phase.source
            assert eigenvalues[0] < -1e-3


def test_the_bias_and_scale_of_a_monosemantic_neuron_are_free():
    point = square.on_corners(4, 0.05)
    moved = dict(point, W=point["W"] * np.array([[1.5], [0.8], [1.0], [2.0]]))
    moved["b"] = 1 - np.linalg.norm(moved["W"], axis=1)
    assert np.all(moved["b"] < 0)
    model = Monosemantic()
    assert float(model.population_loss(moved)) == pytest.approx(
        float(model.population_loss(point)), abs=1e-15
    )


# -- the classifier and the symmetries ------------------------------------------------------------------------


def test_labels():
    point = square.on_corners(8, 0.05)
    assert int(EIGHT.classify(point)) == MONOSEMANTIC
    lost = dict(point, V=point["V"] * (np.arange(8) != 2))
    assert int(EIGHT.classify(lost)) == OTHER
    assert int(EIGHT.classify(dict(point, V=0 * point["V"]))) == OTHER
    turned = dict(point, W=point["W"].copy())
    turned["W"][3] = [1.5, -1.5]
    assert int(EIGHT.classify(turned)) == MIXED
    seen = {name: float(value) for name, value in EIGHT.observables(turned).items()}
    assert seen == {"polysemanticity": pytest.approx(0.5 / 4), "monosemantic": 3, "dead": 4}


@pytest.mark.parametrize("seed", range(3))
def test_symmetries_change_neither_loss_nor_label(seed):
    code = random_code(seed)
    random = np.random.default_rng(10 + seed)
    model = dataclasses.replace(EIGHT, noise=0.3)  # the noise is the square's too
    for mirror in (False, True):
        for turns in range(4):
            copy = square._moved(code, mirror, turns)
            order, scale = random.permutation(8), random.uniform(0.2, 5, 8)
            copy = {
                "W": (copy["W"] * scale[:, None])[order],
                "b": (copy["b"] * scale)[order],
                "V": (copy["V"] / scale)[:, order],
            }
            assert float(model.population_loss(copy)) == pytest.approx(
                float(model.population_loss(code)), rel=1e-12
            )
            assert int(model.classify(copy)) == int(model.classify(code))
            back = model.nearest_copy(copy, code)
            for name, leaf in code.items():
                np.testing.assert_allclose(back[name], leaf, atol=1e-12)


# -- data and noise -------------------------------------------------------------------------------------------


def test_every_input_is_counted_where_it_belongs():
    model = dataclasses.replace(EIGHT, noise=0.3)
    inputs = model._inputs()
    np.testing.assert_array_equal(model.summarize(inputs, jnp.arange(64.0)), np.arange(64.0))


def test_noise_of_both_signs_is_as_frequent_and_costs():
    data = EIGHT.sample(jax.random.key(0), 4000)
    assert np.all(np.abs(np.mean(data.signs, axis=0)) < 4 / np.sqrt(4000))
    assert np.mean(data.x) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 / 16000))
    point = square.on_corners(8, 0.05)
    noisy = dataclasses.replace(EIGHT, noise=0.3)
    assert float(noisy.population_loss(point)) > float(EIGHT.population_loss(point)) + 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [({"neurons": 3}, "neurons"), ({"frequency": 0.5}, "sparse"), ({"noise": -0.1}, "noise")],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Monosemantic(**options)
