"""Addition modulo p: solutions made by hand, statistics by counts, and what no classifier may notice."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from slt.models.modular_addition import ModularAddition
from slt.models.modular_addition import solutions as solutions
from slt.models.modular_addition.phases import CHANCE, GENERAL, MEMORIZING

KINDS = list(itertools.product(("quadratic", "relu"), ("squared", "cross_entropy")))


def draw(model, seed):
    return model.sample_prior(jax.random.key(seed))


def direct(model, w, a, b):
    """f on one pair, in NumPy."""
    z = np.asarray(w["W"])[a] + np.asarray(w["W"])[model.p + b]
    return (z**2 if model.activation == "quadratic" else np.maximum(z, 0)) @ np.asarray(w["V"])


# -- solutions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "hidden"), [(5, 13), (9, 26)])
def test_waves_of_all_frequencies_make_the_one_hot_exactly(p, hidden):
    model = ModularAddition(p=p, hidden=hidden)
    w = model.phases()[GENERAL].point
    np.testing.assert_allclose(model.table(w), solutions.answers(p), atol=1e-13)
    seen = model.observables(w)
    assert float(seen["ipr"]) == pytest.approx(1)
    assert float(seen["alignment"]) == pytest.approx(1)
    assert float(seen["frequencies"]) == pytest.approx((p - 1) / 2)


@pytest.mark.parametrize(("p", "hidden"), [(7, 7), (11, 16)])
def test_fewer_frequencies_still_add_and_miss_what_they_must(p, hidden):
    """The squared error is what the frequencies left out hold of the one-hot: 2 / p each, for every pair."""
    model = ModularAddition(p=p, hidden=hidden, noise=0.5)
    phase = model.phases()[GENERAL]
    left_out = (p - 1) // 2 - (hidden - 1) // 6
    assert left_out > 0
    assert np.asarray(model.correct(phase.point)).all()
    assert phase.loss == pytest.approx(left_out * 2 / p / (2 * 0.5**2))
    assert phase.critical
    assert np.linalg.norm(ravel_pytree(jax.grad(model.population_loss)(phase.point))[0]) < 1e-10


def test_hinges_make_the_one_hot_exactly():
    model = ModularAddition(p=5, hidden=12, activation="relu")
    np.testing.assert_allclose(model.table(model.phases()[GENERAL].point), solutions.answers(5), atol=1e-12)


@pytest.mark.parametrize(("activation", "loss"), KINDS)
def test_every_network_has_its_three_phases(activation, loss):
    model = ModularAddition(p=5, hidden=9, activation=activation, loss=loss)
    phases = model.phases()
    assert [int(model.classify(phase.point)) for phase in phases] == [CHANCE, MEMORIZING, GENERAL]
    slopes = [
        np.linalg.norm(ravel_pytree(jax.grad(model.population_loss)(phase.point))[0]) for phase in phases
    ]
    assert [slope < 1e-9 for slope in slopes] == [phase.critical for phase in phases]


def test_the_memorizing_point_knows_the_pairs_that_it_was_fitted_to():
    """Random neurons, more of them than pairs to fit: those pairs have loss 0, and the others hold all of it."""
    model = ModularAddition(p=5, hidden=40, noise=1.0)
    w = model.phases()[MEMORIZING].point
    errors = np.sum((np.asarray(model.table(w)) - solutions.answers(5)) ** 2, axis=1)
    assert np.sum(errors < 1e-9) >= 2 * 5
    assert np.asarray(model.correct(w))[errors < 1e-9].all()
    assert not np.asarray(model.correct(w)).all()


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
def test_balanced_networks_are_the_same_and_no_rescaling_makes_them_smaller(activation):
    model = ModularAddition(p=5, hidden=9, activation=activation)
    w = draw(model, 1)
    even = solutions.balanced(np.asarray(w["W"]), np.asarray(w["V"]), activation)
    np.testing.assert_allclose(model.table(even), model.table(w), rtol=1e-10, atol=1e-10)
    degree = 2 if activation == "quadratic" else 1

    def size(log_scale):
        return jnp.sum((even["W"] * jnp.exp(log_scale)) ** 2) + jnp.sum(
            (even["V"] * jnp.exp(-degree * log_scale)[:, None]) ** 2
        )

    np.testing.assert_allclose(jax.grad(size)(jnp.zeros(9)), 0, atol=1e-9)


# -- data and losses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("activation", "loss"), KINDS)
def test_losses_are_those_of_the_network_pair_by_pair(activation, loss):
    model = ModularAddition(p=5, hidden=9, activation=activation, loss=loss, noise=0.3)
    w, data = draw(model, 2), model.sample(jax.random.key(3), 40)
    for x, y, value in zip(data.x, data.y, model.losses(w, data), strict=True):
        a, b = np.flatnonzero(x)[0], np.flatnonzero(x)[1] - 5
        assert int(jnp.argmax(y)) == (a + b) % 5
        f = direct(model, w, a, b)
        if loss == "squared":
            expected = np.sum((np.asarray(y) - f) ** 2) / (2 * 0.3**2)
        else:
            expected = -(f - f.max() - np.log(np.sum(np.exp(f - f.max()))))[(a + b) % 5]
        assert float(value) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("activation", "loss"), KINDS)
def test_counts_are_enough(activation, loss):
    model = ModularAddition(p=5, hidden=9, activation=activation, loss=loss)
    data = model.sample(jax.random.key(4), 60)
    weights = jax.random.uniform(jax.random.key(5), (60,))
    w = draw(model, 6)
    summary = model.summarize(data, weights)
    assert summary.shape == (25,)
    assert float(jnp.sum(summary)) == pytest.approx(float(jnp.sum(weights)))
    assert float(model.summed_loss(w, summary)) == pytest.approx(float(weights @ model.losses(w, data)))


def test_without_replacement_n_pairs_are_different_and_every_data_set_has_its_own():
    model = ModularAddition(p=5, hidden=13, replacement=False)
    counts = [
        np.asarray(model.summarize(model.sample(jax.random.key(seed), n), jnp.ones(n)))
        for seed, n in ((0, 15), (1, 15), (0, 25), (0, 40))
    ]
    assert all(set(c) == {0.0, 1.0} and c.sum() == 15 for c in counts[:2])
    assert np.any(counts[0] != counts[1])
    np.testing.assert_array_equal(counts[2], np.ones(25))
    np.testing.assert_array_equal(counts[3], 1 + counts[0])  # the second round goes in the same order


def test_accuracy_on_pairs_seen_and_unseen():
    model = ModularAddition(p=5, hidden=40)
    w = model.phases()[MEMORIZING].point
    known = jnp.sum((model.table(w) - solutions.answers(5)) ** 2, axis=1) < 1e-9
    train, test = model.train_and_test(w, known.astype(float))
    assert float(train) == 1
    assert float(test) < 0.7
    right = float(train) * int(known.sum()) + float(test) * int((~known).sum())
    assert right == pytest.approx(int(model.correct(w).sum()))
    assert np.isnan(model.train_and_test(w, jnp.ones(25))[1])


# -- symmetries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
def test_phases_and_observables_do_not_see_symmetries(activation):
    """Neurons in another order and of another scale are the same network; a and b may change places; and so may all
    residues: a -> a + 1, b -> b + 2, output -> output + 3."""
    model = ModularAddition(p=5, hidden=9, activation=activation)
    w = draw(model, 7)
    a, b = w["W"][:5], w["W"][5:]
    order = jax.random.permutation(jax.random.key(8), 9)
    degree = 2 if activation == "quadratic" else 1
    images = {
        "order": {"W": w["W"][:, order], "V": w["V"][order]},
        "scale": {"W": 2 * w["W"], "V": w["V"] / 2**degree},
        "swap": {"W": jnp.concatenate([b, a]), "V": w["V"]},
        "shift": {
            "W": jnp.concatenate([jnp.roll(a, 1, 0), jnp.roll(b, 2, 0)]),
            "V": jnp.roll(w["V"], 3, 1),
        },
    }
    if activation == "quadratic":
        images["sign"] = {"W": w["W"].at[:, 3].multiply(-1), "V": w["V"]}
    seen = model.observables(w)
    for name, image in images.items():
        assert int(model.classify(image)) == int(model.classify(w)), name
        other = model.observables(image)
        for key in seen:
            if not (name == "scale" and key == "norm"):
                assert float(other[key]) == pytest.approx(float(seen[key])), (name, key)


def test_random_waves_are_not_in_phase():
    model = ModularAddition(p=11, hidden=64)
    seen = model.observables(draw(model, 9))
    assert abs(float(seen["alignment"])) < 0.3
    assert float(seen["ipr"]) < 0.5
    assert float(seen["accuracy"]) < 0.3


def test_a_drawing_shows_the_power_of_each_neuron_at_each_frequency():
    model = ModularAddition(p=7, hidden=22)
    drawing = model.drawing(model.phases()[GENERAL].point)
    assert drawing.kind == "matrix"
    assert drawing.values.shape == (22, 3)
    alive = drawing.values.sum(axis=1) > 1e-12
    assert alive.sum() == 18  # the constant neuron and the three that are to spare have no waves
    np.testing.assert_allclose(drawing.values[alive].max(axis=1), drawing.values[alive].sum(axis=1))
    assert np.all(np.diff(drawing.values[alive].argmax(axis=1)) >= 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 4}, "p must be odd"),
        ({"hidden": 6}, "hidden must be at least 7"),
        ({"p": 11, "hidden": 20, "activation": "relu"}, "hidden must be at least 21"),
        ({"activation": "tanh"}, "activation must be one of quadratic, relu"),
        ({"loss": "hinge"}, "loss must be one of squared, cross_entropy"),
        ({"noise": 0.0}, "noise must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ModularAddition(**options)
