"""Deep linear networks: published values, reduced rank regression at depth 2, saddles, and SGD's way past them."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from slt.models import monomial, reduced_rank_regression
from slt.models.deep_linear import DeepLinear, learning_coefficient


@pytest.mark.parametrize(
    ("widths", "rank", "expected"),
    [
        ((4, 4, 4, 4), 2, (7.5, 3)),
        ((5, 5, 5, 5, 5), 2, (11, 4)),
        ((3, 3, 3, 3), 2, (4.5, 3)),
        ((2, 2, 2, 2, 2), 2, (2, 1)),  # full rank: regular in the product's entries
    ],
)
def test_learning_coefficients(widths, rank, expected):
    llc, multiplicity = learning_coefficient(widths, rank)
    assert llc == pytest.approx(expected[0], rel=1e-14)
    assert multiplicity == expected[1]


def test_depth_two_is_reduced_rank_regression():
    for M, H, N in itertools.product(range(1, 8), repeat=3):
        for rank in range(min(M, H, N) + 1):
            expected = reduced_rank_regression.learning_coefficient(M, H, N, rank)
            assert learning_coefficient((M, H, N), rank) == expected, (M, H, N, rank)


def test_scalar_layers_are_a_normal_crossing():
    for depth in range(2, 8):
        expected = monomial.learning_coefficient(((1,) * depth,), (0.0,) * depth)
        assert learning_coefficient((1,) * (depth + 1), 0) == (pytest.approx(expected[0]), expected[1])


def test_one_output_through_one_vector_and_scalars():
    """Widths (d, 1, 1): K = s^2 |a|^2 / 2, in polar coordinates the crossing s^2 r^2 under the measure r^(d - 1)."""
    for d in range(2, 6):
        expected = monomial.learning_coefficient(((1, 1),), (0.0, d - 1.0))
        assert learning_coefficient((d, 1, 1), 0) == expected
        assert learning_coefficient((d, 1, 1, 1), 0) == monomial.learning_coefficient(
            ((1, 1, 1),), (0, 0, d - 1.0)
        )


def test_wide_layers_constrain_nothing_and_their_order_is_free():
    llc, multiplicity = learning_coefficient((2, 3, 2, 3), 0)
    for widths in itertools.permutations((2, 3, 2, 3)):
        assert learning_coefficient(widths, 0) == (llc, multiplicity)
    assert learning_coefficient((2, 3, 40, 2, 50, 3), 0) == (llc, multiplicity)
    assert learning_coefficient((60,) * 30, 10)[0] < 60 * 60 / 2  # bounded, however deep; and quickly found


MODEL = DeepLinear(widths=(4, 3, 5, 4), singular_values=(4.0, 2.0, 1.0), prior_scale=0.8)


def test_phases_are_truncations_in_order():
    phases = MODEL.phases()
    assert [phase.name for phase in phases] == ["rank 0", "rank 1", "rank 2", "rank 3"]
    assert [phase.loss for phase in phases] == [10.5, 2.5, 0.5, 0.0]
    assert [phase.llc is None for phase in phases] == [True, True, True, False]
    for k, phase in enumerate(phases):
        product = np.asarray(MODEL.product(phase.point))
        np.testing.assert_allclose(product, np.diag([4.0, 2.0, 1.0, 0.0][:k] + [0.0] * (4 - k)), atol=1e-14)


def test_balanced_factors_are_the_likeliest():
    """Other factors of the same product, reached by a change of basis of the hidden layers, are less likely."""
    for phase in MODEL.phases()[1:]:
        assert phase.log_prior == pytest.approx(float(MODEL.log_prior(phase.point)))
        for seed in range(3):
            one, two = jax.random.split(jax.random.key(seed))
            P = jnp.eye(3) + 0.1 * jax.random.normal(one, (3, 3))
            Q = jnp.eye(5) + 0.1 * jax.random.normal(two, (5, 5))
            W1, W2, W3 = (phase.point[name] for name in ("W1", "W2", "W3"))
            other = {"W1": P @ W1, "W2": Q @ W2 @ jnp.linalg.inv(P), "W3": W3 @ jnp.linalg.inv(Q)}
            assert float(MODEL.population_loss(other)) == pytest.approx(phase.loss, abs=1e-10)
            assert float(MODEL.log_prior(other)) < phase.log_prior


def test_saddles_have_a_way_down_and_the_truth_has_none():
    model = DeepLinear(widths=(3, 3, 3), singular_values=(2.0, 1.0))
    for phase in model.phases():
        flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, phase.point))
        lowest = np.linalg.eigvalsh(jax.hessian(lambda v, u=unravel: model.population_loss(u(v)))(flat))[0]
        assert (lowest < -0.5) if phase.llc is None else (lowest > -1e-12)


def test_classifier_wants_the_largest_modes_first():
    def with_modes(*modes):
        return {"W1": np.diag(modes)[:2], "W2": np.eye(3, 2)}

    model = DeepLinear(widths=(3, 2, 3), singular_values=(3.0, 2.0))
    table = {(0, 0): 0, (3, 0): 1, (1.6, 0.9): 1, (3, 1.1): 2, (0, 2): 3, (1.4, 2): 3, (-3, 0): 0}
    for modes, label in table.items():
        assert int(model.classify(with_modes(*modes, 0.0))) == label, modes
    assert float(model.observables(with_modes(1.5, 0.0, 0.0))["mode 1"]) == 0.5


def test_no_teacher_at_all():
    model = DeepLinear(widths=(2, 2, 2), singular_values=())
    (phase,) = model.phases()
    assert (phase.name, phase.llc, phase.multiplicity) == ("rank 0", 1.5, 1)
    assert int(model.classify(model.sample_prior(jax.random.key(0)))) == 0


def test_gradient_descent_learns_the_modes_one_by_one():
    model = DeepLinear(widths=(3, 3, 3, 3), singular_values=(3.0, 1.5), init_scale=0.1)

    @jax.jit
    @jax.vmap
    def descend(key):
        def step(w, _):
            slope = jax.grad(model.population_loss)(w)
            return jax.tree.map(lambda x, g: x - 0.02 * g, w, slope), model.classify(w)

        return jax.lax.scan(step, model.init(key), length=3_000)[1]

    for labels in np.asarray(descend(jax.random.split(jax.random.key(0), 8))):
        assert [label for label, _ in itertools.groupby(labels)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (3, 3)}, "widths must be three or more numbers"),
        ({"widths": (3, 0, 3)}, "widths must be three or more numbers, each at least 1"),
        ({"widths": (3, 1, 3)}, "2 singular values do not fit through a layer of 1"),
        ({"singular_values": (1.0, -1.0)}, "singular_values must be positive numbers"),
        ({"singular_values": (math.nan,)}, "singular_values must be positive numbers"),
        ({"singular_values": (1.0, 1.0)}, "singular_values must be strictly decreasing"),
        ({"prior_scale": math.inf}, "prior_scale must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DeepLinear(**options)
