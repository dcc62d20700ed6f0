"""Low-rank matrices and tables: targets, what the losses are, best approximations, and the order of learning."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.models.low_rank_factorization import LowRankFactorization
from slt.models.low_rank_logits import LowRankLogits
from slt.models.reduced_rank_regression import learning_coefficient

BOTH = pytest.mark.parametrize("kind", [LowRankFactorization, LowRankLogits])


def draws(model, count, seed=0):
    return [model.sample_prior(key) for key in jax.random.split(jax.random.key(seed), count)]


def test_the_target_has_the_rank_and_size_it_should():
    model = LowRankFactorization(rows=7, columns=9, rank=3, scale=2.0, decay=0.5)
    target, s = model.target(), model.modes()[1]
    values = np.linalg.svd(target, compute_uv=False)
    np.testing.assert_allclose(values[:3], s, rtol=1e-12)
    np.testing.assert_allclose(values[3:], 0, atol=1e-12)
    np.testing.assert_allclose(s / s[0], [1, 2**-0.5, 3**-0.5], rtol=1e-12)
    assert np.sqrt(np.mean(target**2)) == pytest.approx(2)
    np.testing.assert_allclose(target.sum(axis=1), 0, atol=1e-12)


def test_squared_error_is_a_difference_of_log_likelihoods():
    model = LowRankFactorization()
    data, w = model.sample(jax.random.key(0), 50), draws(model, 1)[0]
    logpdf = jax.scipy.stats.norm.logpdf
    truth, fit = (
        logpdf(data.value, table[data.row, data.column]) for table in (model.target(), w["A"] @ w["B"])
    )
    np.testing.assert_allclose(model.losses(w, data), truth - fit, rtol=0, atol=1e-12)


def test_cross_entropy_is_a_difference_of_log_likelihoods_however_large():
    model = LowRankLogits()
    data = model.sample(jax.random.key(0), 50)
    column = np.argmax(data.drawn, axis=1)
    for size in (1e-3, 1.0, 30.0, 3000.0):
        w = jax.tree.map(lambda leaf, size=size: size * leaf, draws(model, 1)[0])
        truth, fit = (
            np.asarray(jax.nn.log_softmax(table, axis=1))[data.row, column]
            for table in (model.target(), w["A"] @ w["B"])
        )
        rounding = 1e-15 * max(1.0, float(np.abs(w["A"] @ w["B"]).max()))
        np.testing.assert_allclose(model.losses(w, data), truth - fit, rtol=1e-12, atol=rounding)


@BOTH
def test_the_loss_keeps_its_digits_near_the_truth(kind):
    """Where the loss is quadratic, a tenth of the way costs a hundredth, down to 1e-20."""
    model = kind()
    truth, way = model.phases()[-1].point, draws(model, 1)[0]

    def loss(step):
        return float(model.population_loss(jax.tree.map(lambda a, b: a + step * b, truth, way)))

    assert loss(1e-10) < 1e-19
    assert loss(1e-9) / loss(1e-10) == pytest.approx(100, rel=1e-4)


@BOTH
def test_no_change_of_basis_moves_loss_or_label(kind):
    model = kind(rows=5, columns=6, rank=2, hidden=3)
    for w in [*draws(model, 3), *(phase.point for phase in model.phases())]:
        G = jnp.eye(3) + 0.3 * jax.random.normal(jax.random.key(1), (3, 3))
        other = {"A": w["A"] @ G, "B": jnp.linalg.inv(G) @ w["B"]}
        assert float(model.population_loss(other)) == pytest.approx(
            float(model.population_loss(w)), abs=1e-12
        )
        assert int(model.classify(other)) == int(model.classify(w))


def test_softmax_does_not_see_what_it_does_not_see():
    model = LowRankLogits(hidden=3)
    w = draws(model, 1)[0]
    shifted = {"A": w["A"], "B": w["B"] + jax.random.normal(jax.random.key(2), (3, 1))}
    assert float(model.population_loss(shifted)) == pytest.approx(float(model.population_loss(w)), rel=1e-12)


@BOTH
def test_phases_are_the_best_of_their_rank(kind):
    """No factorization of rank k, from any start, has lower loss than the phase of rank k."""
    model = kind(rows=4, columns=5, rank=3)

    @jax.jit
    @jax.vmap
    def descend(w):
        def step(w, _):
            slope = jax.grad(model.population_loss)(w)
            return jax.tree.map(lambda x, g: x - 2.0 * g, w, slope), None

        return model.population_loss(jax.lax.scan(step, w, length=2_000)[0])

    phases = model.phases()
    assert [phase.name for phase in phases] == ["rank 0", "rank 1", "rank 2", "rank 3"]
    assert [phase.llc is None for phase in phases] == [True, True, True, False]
    for k, phase in enumerate(phases[1:3], start=1):
        product = phase.point["A"] @ phase.point["B"]
        assert np.linalg.matrix_rank(product, tol=1e-9) == k
        w = jax.tree.map(lambda *leaves: jnp.stack(leaves), *draws(model, 8))
        found = descend({"A": 0.5 * w["A"].at[:, :, k:].set(0), "B": 0.5 * w["B"].at[:, k:].set(0)})
        assert found.min() >= phase.loss - 1e-9
        assert found.min() == pytest.approx(phase.loss, abs=1e-4)


def test_learning_coefficients():
    squared, logits = LowRankFactorization(hidden=3), LowRankLogits(hidden=3)
    assert (squared.phases()[-1].llc, squared.phases()[-1].multiplicity) == learning_coefficient(4, 3, 4, 2)
    assert (logits.phases()[-1].llc, logits.phases()[-1].multiplicity) == learning_coefficient(4, 3, 3, 2)


@BOTH
def test_large_models_say_what_they_can(kind):
    model = kind(rows=30, columns=30, rank=10)
    names = [phase.name for phase in model.phases()]
    assert names == (
        [f"rank {k}" for k in range(11)] if kind is LowRankFactorization else ["rank 0", "rank 10"]
    )
    for index, phase in enumerate(model.phases()):
        assert int(jax.jit(model.classify)(phase.point)) == index
    halfway = LowRankFactorization(rows=30, columns=30, rank=10).phases()[5].point
    assert int(model.classify(halfway)) == (5 if kind is LowRankFactorization else 2)


@BOTH
def test_singular_values_are_the_product_s(kind):
    for sizes in ((5, 4, 2), (3, 6, 2), (4, 4, 6)):
        model = kind(rows=sizes[0], columns=sizes[1], hidden=sizes[2], rank=2)
        w = draws(model, 1)[0]
        values = np.linalg.svd(w["A"] @ w["B"], compute_uv=False)
        count = min(len(values), sizes[2])
        np.testing.assert_allclose(model.singular_values(w)[:count], values[:count], rtol=1e-10)
        np.testing.assert_allclose(model.drawing(w).values[:count], values[:count], rtol=1e-10)


@BOTH
def test_descent_learns_the_modes_in_order(kind):
    model = kind(init_scale=0.01)

    @jax.jit
    @jax.vmap
    def descend(key):
        def step(w, _):
            slope = jax.grad(model.population_loss)(w)
            return jax.tree.map(lambda x, g: x - 0.5 * g, w, slope), (
                model.classify(w),
                model.observables(w)["rank"],
            )

        return jax.lax.scan(step, model.init(key), length=1_500)[1]

    labels, ranks = descend(jax.random.split(jax.random.key(0), 4))
    for path in (*np.asarray(labels), *np.asarray(ranks)):
        assert [int(label) for label, _ in itertools.groupby(path)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 4}, "rank must lie between 1 and 3"),
        ({"rank": 0}, "rank must lie between 1 and 3"),
        ({"hidden": 1}, "hidden must be at least the rank, 2, not 1"),
        ({"decay": 0.0}, "decay must be a positive number"),
        ({"scale": -1.0}, "scale must be a positive number"),
        ({"init_scale": -0.1}, "init_scale is a standard deviation"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LowRankFactorization(**options)
