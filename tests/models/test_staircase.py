"""Staircase: leaps by brute force, Fourier coefficients by direct sums, saddles where a leap is needed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from slt.models.common.boolean_functions import balance, character, cube, parity_units
from slt.models.staircase import Staircase, leap, monomial_name, walsh_hadamard

STAIRCASE = ((0,), (0, 1), (0, 1, 2))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (STAIRCASE, 1),
        (((0,), (1,), (0, 1, 2)), 1),
        (((0,), (0, 1, 2)), 2),
        (((0, 1), (0, 1, 2)), 2),
        (((0, 1, 2),), 3),
        (((0,), (1, 2), (0, 1, 2, 3)), 2),  # two together, then the last one
        (((0, 1, 2), (2, 3), (3, 4)), 2),
    ],
)
def test_leap_of_known_targets(terms, expected):
    assert leap(terms) == expected


def test_leap_is_the_best_over_all_orders():
    rng = np.random.default_rng(0)
    subsets = [s for k in range(1, 5) for s in itertools.combinations(range(6), k)]
    for _ in range(40):
        terms = tuple(subsets[i] for i in rng.choice(len(subsets), size=4, replace=False))

        def hardest(order):
            new = [
                set(term) - {bit for before in order[:i] for bit in before} for i, term in enumerate(order)
            ]
            return max(map(len, new))

        assert leap(terms) == min(hardest(order) for order in itertools.permutations(terms)), terms


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_parity_units_are_a_parity_and_balancing_changes_no_function(k):
    x = cube(5)
    subset = (0, 2, 3, 4)[:k]
    for rescale in (lambda unit: unit, balance):
        units = [rescale(unit) for unit in parity_units(5, subset)]
        outputs = (-1.0) ** k + sum(u.a * np.maximum(x @ u.w + u.b, 0) for u in units)
        np.testing.assert_allclose(outputs, character(x, subset), atol=1e-13)
    for unit in units:
        assert np.hypot(np.linalg.norm(unit.w), unit.b) == pytest.approx(abs(unit.a))


def test_fourier_coefficients_equal_direct_sums():
    model = Staircase(bits=4)
    w = model.sample_prior(jax.random.key(0))
    outputs, spectrum = np.asarray(model.outputs(w)), np.asarray(model.spectrum(w))
    for at in np.ndindex(spectrum.shape):
        direct = np.mean(outputs * character(cube(4), tuple(np.flatnonzero(at))))
        assert spectrum[at] == pytest.approx(direct, abs=1e-13)
    np.testing.assert_allclose(
        model.coefficients(w), [spectrum[1, 0, 0, 0], spectrum[1, 1, 0, 0], spectrum[1, 1, 1, 0]], atol=1e-13
    )
    energies = model.observables(w)
    assert float(energies["energy 1"]) == pytest.approx(
        sum(spectrum[tuple(np.eye(4, dtype=int)[i])] ** 2 for i in range(4))
    )


def test_parseval():
    values = np.random.default_rng(0).normal(size=(2,) * 5)
    assert np.sum(walsh_hadamard(values) ** 2) == pytest.approx(np.mean(values**2))


@pytest.mark.parametrize(
    ("terms", "names", "critical"),
    [
        (STAIRCASE, ["none", "degree 1", "degree 2", "degree 3"], [True, False, False, True]),
        (((0,), (0, 1, 2)), ["none", "degree 1", "degree 3"], [True, True, True]),
        (((0, 1, 2),), ["none", "degree 3"], [True, True]),
    ],
)
def test_only_a_leap_makes_a_saddle(terms, names, critical):
    """Where one new bit is missing the gradient points to it; where two are, it vanishes. ("none" has no weights at
    all, and is stationary for that.)"""
    model = Staircase(bits=6, terms=terms)
    phases = model.phases()
    assert [phase.name for phase in phases] == names
    assert [phase.critical for phase in phases] == critical
    for phase, count in zip(phases, range(len(terms) + 1), strict=True):
        truncated = sum(character(cube(6), term) for term in terms[:count]) + np.zeros(64)
        np.testing.assert_allclose(model.outputs(phase.point), truncated, atol=1e-12)
        assert phase.loss == (len(terms) - count) / (2 * model.noise**2)


def test_classifier_wants_the_lowest_degrees_first():
    model = Staircase(bits=6, hidden=12)

    def network(*terms, factor=1.0):
        units = [unit for term in terms for unit in parity_units(6, term)]
        point = model.point_of(units, sum((-1.0) ** len(term) for term in terms) + 0.0)
        return {k: v * (factor if k.startswith("output") else 1.0) for k, v in point.items()}

    assert int(model.classify(network((0,)))) == 1
    assert int(model.classify(network((0,), factor=0.6))) == 1
    assert int(model.classify(network((0,), factor=0.4))) == 0
    assert int(model.classify(network((0,), factor=1.6))) == 4  # overshot
    assert int(model.classify(network((0,), factor=-1.0))) == 4  # the wrong sign
    assert int(model.classify(network((0, 1)))) == 4  # degree 2 without degree 1
    assert int(model.classify(network((1,)))) == 0  # not of the target
    assert int(model.classify(network((0,), (0, 1), (3, 4)))) == 2


def test_order_of_hidden_units_does_not_matter():
    model = Staircase()
    w = model.phases()[2].point
    order = np.random.default_rng(0).permutation(model.hidden)
    turned = {
        "hidden_kernel": w["hidden_kernel"][:, order],
        "hidden_bias": w["hidden_bias"][order],
        "output_kernel": w["output_kernel"][order],
        "output_bias": w["output_bias"],
    }
    assert int(model.classify(turned)) == 2
    back = model.nearest_copy(turned, w)
    np.testing.assert_array_equal(ravel_pytree(back)[0], ravel_pytree(w)[0])


def test_statistics_are_counts_and_noise_of_each_input():
    model = Staircase(bits=3)
    data = model.sample(jax.random.key(0), 5000)
    counts = model.summarize(data, jnp.ones(5000))
    np.testing.assert_array_equal(counts.weight, np.bincount(data.which, minlength=8))
    assert np.all(np.abs(np.asarray(counts.weight) - 625) < 5 * np.sqrt(625))
    noise = np.asarray(data.y) - model.target()[np.asarray(data.which)]
    assert noise.std() == pytest.approx(model.noise, rel=0.05)
    np.testing.assert_allclose(counts.noise, np.bincount(data.which, weights=noise, minlength=8), atol=1e-10)


def test_drawing_shows_the_target_first():
    model = Staircase()
    drawing = model.drawing(model.phases()[2].point)
    assert drawing.labels[:3] == ("x0", "x0 x1", "x0 x1 x2")
    np.testing.assert_allclose(drawing.values, [1, 1, 0, *np.zeros(6)], atol=1e-12)
    assert monomial_name(()) == "1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 17}, "bits must lie between 1 and 16"),
        ({"terms": ()}, "terms must be sets of one bit or more"),
        ({"terms": ((0,), ())}, "terms must be sets of one bit or more"),
        ({"terms": ((0, 0),)}, "no bit may come twice"),
        ({"terms": ((0, 1), (1, 0))}, "no bit may come twice in a term, and no term twice"),
        ({"terms": ((0, 6),)}, "terms name bits from 0 to 4"),
        ({"hidden": 5}, "built of 6 hidden units, so hidden cannot be 5"),
        ({"noise": 0.0}, "noise must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Staircase(**options)
