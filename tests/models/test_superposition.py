"""Superposition against direct sums, adaptive quadrature, Monte Carlo and the published numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from slt.models import superposition
from slt.models.superposition import Inputs, Superposition


def _parameters(model, seed, scale=0.8):
    return jax.tree.map(lambda leaf: scale * leaf, model.sample_prior(jax.random.key(seed)))


def _relative_gap(a, b):
    a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (a, b))
    return np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300)  # where nothing fires both are zero


@pytest.mark.parametrize(("features", "hidden"), [(6, 2), (5, 3), (3, 1), (1, 1)])
def test_population_loss_equals_adaptive_quadrature(features, hidden):
    model = Superposition(features=features, hidden=hidden)
    for seed in range(3):
        w = _parameters(model, seed)
        W, b = np.asarray(w["W"]), np.asarray(w["b"])
        total = 0.0
        for i in range(features):

            def squared(t, i=i, W=W, b=b):
                output = np.maximum(W.T @ (W[:, i] * t) + b, 0)
                return np.sum((t * (np.arange(features) == i) - output) ** 2)

            slopes = W.T @ W[:, i]
            kinks = [k for k in -b / np.where(slopes == 0, 1, slopes) if 0 < k < 1]
            total += scipy.integrate.quad(
                squared, 0, 1, points=kinks or None, epsabs=1e-13, epsrel=1e-13, limit=200
            )[0]
        assert float(model.population_loss(w)) == pytest.approx(total / features, abs=1e-10)


def test_population_loss_is_the_mean_of_losses_within_monte_carlo_error():
    model = Superposition()
    data = model.sample(jax.random.key(1), 200_000)
    for seed in range(5):
        w = _parameters(model, seed)
        losses = np.asarray(model.losses(w, data))
        error = losses.std() / np.sqrt(losses.size)
        assert abs(losses.mean() - float(model.population_loss(w))) < 4 * error


@pytest.mark.parametrize("n", [1, 7, 1_000, 100_000])
@pytest.mark.parametrize("absent", [False, True])
def test_statistics_equal_the_direct_sum_and_its_gradient(n, absent):
    model = Superposition()
    data = model.sample(jax.random.key(n), n)
    if absent:
        data = Inputs(jnp.where(data.feature == 3, 2, data.feature), data.value)
    summary = model.summarize(data, jnp.ones(n))
    for seed in range(4):
        w = _parameters(model, seed)
        value, slope = jax.value_and_grad(model.summed_loss)(w, summary)
        direct, direct_slope = jax.value_and_grad(lambda w: jnp.sum(model.losses(w, data)))(w)
        assert float(value) == pytest.approx(float(direct), rel=1e-10)
        assert _relative_gap(slope, direct_slope) < 1e-10


def test_statistics_count_each_observation_by_its_weight():
    model = Superposition(features=4)
    data = model.sample(jax.random.key(0), 50)
    weights = jax.random.uniform(jax.random.key(1), (50,)).at[10:20].set(0.0)
    w = _parameters(model, 2)
    direct = jnp.sum(weights * model.losses(w, data))
    assert float(model.summed_loss(w, model.summarize(data, weights))) == pytest.approx(
        float(direct), rel=1e-12
    )


def test_a_coreset_errs_with_the_square_of_its_cells():
    model, n, cells = Superposition(), 30_000, 100
    data, weights = model.sample(jax.random.key(0), n), (jnp.arange(n) < 20_000).astype(float)
    reduced, counts = model.coreset(data, weights, cells * model.features)
    assert reduced.feature.shape == reduced.value.shape == counts.shape == (600,)
    for power in (0, 1):  # as many of each feature, with the same mean
        ours = jnp.bincount(reduced.feature, counts * reduced.value**power)
        theirs = jnp.bincount(data.feature, weights * data.value**power)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    gaps = {}
    for each in (cells, 4 * cells):
        coreset = model.coreset(data, weights, each * model.features)
        w = [_parameters(model, seed) for seed in range(8)]
        ours, theirs = (
            np.array([model.summed_loss(one, model.summarize(*of)) for one in w])
            for of in (coreset, (data, weights))
        )
        gaps[each] = np.sqrt(np.mean((ours - theirs) ** 2))
    # what varies inside a cell and what changes where an output sets in both go with the square of its width
    assert 8 < gaps[cells] / gaps[4 * cells] < 32
    assert gaps[cells] < 20_000 / cells**2


@pytest.mark.parametrize(
    "value",
    [
        jax.random.uniform(jax.random.key(0), (500,), jnp.float64),
        0.37 + 1e-12 * jax.random.uniform(jax.random.key(0), (500,), jnp.float64),  # all in one cell
        jnp.repeat(
            jnp.array([0.0, 0.25, 1 - 2**-53]), 5
        ),  # ties, and the last rounds to the next whole number
        jnp.array([0.5]),
    ],
)
def test_search_finds_the_place_that_searchsorted_finds(value):
    model = Superposition(features=3)
    data = Inputs(jnp.arange(value.size, dtype=jnp.int32) % 2, value)  # nothing of the last feature
    summary = model.summarize(data, jnp.ones(value.size))
    keys = summary.inputs.keys
    beside = [jnp.clip(jnp.nextafter(keys, to), 0.0, 3.0) for to in (-jnp.inf, jnp.inf)]
    anywhere = 3 * jax.random.uniform(jax.random.key(1), (5000,), jnp.float64)
    query = jnp.concatenate([keys, *beside, anywhere, jnp.arange(4.0)])
    found = jnp.minimum(superposition._search(summary.inputs, query), value.size)
    np.testing.assert_array_equal(found, jnp.searchsorted(keys, query))


@pytest.mark.parametrize("value", [0.0, 1e-320, 1e-130, -1e-130])
def test_loss_and_gradient_are_finite_where_columns_vanish_or_are_orthogonal(value):
    model = Superposition(features=3)
    w = {"W": jnp.array([[1.0, value, 0.0], [0.0, value, 0.0]]), "b": jnp.array([0.0, 0.0, 0.2])}
    summary = model.summarize(model.sample(jax.random.key(0), 30), jnp.ones(30))
    for loss in (model.population_loss, lambda w: model.summed_loss(w, summary)):
        value, slope = jax.value_and_grad(loss)(w)
        assert np.isfinite(float(value))
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slope))


def test_samples_are_nested_in_n_and_uniform():
    model = Superposition()
    few, many = model.sample(jax.random.key(0), 100), model.sample(jax.random.key(0), 30_000)
    np.testing.assert_array_equal(few.value, many.value[:100])
    np.testing.assert_array_equal(few.feature, many.feature[:100])
    counts = np.bincount(many.feature, minlength=6)
    assert scipy.stats.chisquare(counts).pvalue > 1e-4
    assert scipy.stats.kstest(np.asarray(many.value), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "features must be at least 1"),
        ({"features": 3, "hidden": 4}, "hidden must lie between 1 and features = 3, not 4"),
        ({"init_scale": -1.0}, "standard deviation"),
    ],
)
def test_impossible_sizes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Superposition(**options)
