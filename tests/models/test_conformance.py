"""One suite for every model in configs/model/: a new YAML is picked up with no edit here."""

import importlib
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from jax.flatten_util import ravel_pytree

from slt.models.base import Model, phase_names
from slt.models.common.sequence_base import SequenceModel
from slt.models.drawing import Drawing, Drawn
from slt.posterior.targets import prefix_weights

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
N = 200


def load(path: Path) -> Model:
    """The model of a YAML file, its lists handed over as lists, as Hydra does."""
    options = yaml.safe_load(path.read_text())
    module, name = options.pop("_target_").rsplit(".", 1)
    options = {k: v for k, v in options.items() if not k.startswith("_")}
    return getattr(importlib.import_module(module), name)(**options)


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def model(path):
    return load(path)


@pytest.fixture(scope="module")
def data(model):
    return sampled(model, 1, N)


def sampled(model, seed, n):
    return jax.jit(model.sample, static_argnums=1)(jax.random.key(seed), n)


@pytest.fixture(scope="module")
def points(model):
    """Parameters to test at, stacked: 4 SGD starts, 16 prior draws, then the phase points."""
    starts = jax.jit(jax.vmap(model.init))(jax.random.split(jax.random.key(2), 4))
    draws = jax.jit(jax.vmap(model.sample_prior))(jax.random.split(jax.random.key(3), 16))
    known = [jax.tree.map(lambda leaf: np.asarray(leaf)[None], phase.point) for phase in model.phases()]
    return jax.tree.map(lambda *leaves: jnp.asarray(np.concatenate(leaves)), starts, draws, *known)


def unstack(tree):
    leaves, structure = jax.tree.flatten(tree)
    return [structure.unflatten(rows) for rows in zip(*map(np.asarray, leaves), strict=True)]


def flat(tree):
    """All entries of a tree, in NumPy: what JAX does outside of jit it compiles operation by operation."""
    return np.concatenate(
        [np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(tree)] or [np.empty(0)]
    )


def assert_close(actual, expected, relative):
    """Trees are equal up to `relative` times the size of the larger entries of `expected`."""
    actual, expected = flat(actual), flat(expected)
    assert actual.shape == expected.shape
    assert np.all(np.isfinite(actual))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=relative * max(np.abs(expected).max(), 1.0))


def functions(model, data):
    """Everything a model computes of its parameters, by name."""
    named = {
        "losses": lambda w: model.losses(w, data),
        "log_prior": model.log_prior,
        "summed_loss": lambda w: model.summed_loss(w, model.summarize(data, jnp.ones(N))),
        "classify": model.classify,
        "observables": model.observables,
    }
    return named | ({"population_loss": model.population_loss} if model.has_population_loss else {})


def test_values_and_gradients_are_finite(model, data, points):
    scalars = functions(model, data)
    for name in ("log_prior", "summed_loss", "population_loss"):
        if name in scalars:
            value, gradient = jax.jit(jax.vmap(jax.value_and_grad(scalars[name])))(points)
            assert value.shape == (len(unstack(points)),)
            assert np.all(np.isfinite(flat((value, gradient)))), name
    losses = jax.jit(jax.vmap(scalars["losses"]))(points)
    assert losses.shape[1:] == (N,)
    assert np.all(np.isfinite(losses))


def test_vmap_agrees_with_single_calls(model, data, points):
    named = functions(model, data)
    one = jax.jit(lambda w: {name: function(w) for name, function in named.items()})
    mapped = unstack(
        jax.jit(jax.vmap(lambda w: {name: function(w) for name, function in named.items()}))(points)
    )
    for i, w in enumerate(unstack(points)):
        single = one(w)
        for name in named:
            assert_close(mapped[i][name], single[name], 1e-12)


def test_jit_agrees_with_plain_calls(model, data, points):
    """On the cheapest of them: a call without jit compiles each of its operations by itself."""
    w = unstack(points)[-1]
    assert_close(jax.jit(model.losses)(w, data), model.losses(jax.tree.map(jnp.asarray, w), data), 1e-12)


def test_shapes_and_kinds(model, points):
    w = unstack(points)[0]
    assert isinstance(w, dict)
    start, log_prior, watched = jax.eval_shape(
        lambda key, w: (model.init(key), model.log_prior(w), model.observables(w)), jax.random.key(0), w
    )
    assert jax.tree.map(jnp.shape, start) == jax.tree.map(jnp.shape, w)
    assert log_prior.shape == ()
    assert all(value.shape == () for value in watched.values())
    label = jax.jit(jax.vmap(model.classify))(points)
    assert jnp.issubdtype(label.dtype, jnp.integer)
    assert 0 <= label.min() <= label.max() <= len(model.phases())


def test_samples_are_nested_float64_and_reproducible(model, data):
    for m in (1, 7, N - 1):
        few = sampled(model, 1, m)
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[: len(a)]), few, data)
        assert all(len(leaf) == m for leaf in jax.tree.leaves(few))
    floating = [leaf for leaf in jax.tree.leaves(data) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert floating
    assert all(leaf.dtype == jnp.float64 for leaf in floating)


def test_losses_average_to_the_population_loss(model, points):
    if not model.has_population_loss:
        pytest.skip("no closed-form population loss")
    n = 20_000
    data = sampled(model, 4, n)
    losses = jax.jit(lambda w: jax.lax.map(lambda v: model.losses(v, data), w))(points)
    exact = np.asarray(jax.jit(jax.vmap(model.population_loss))(points))
    losses = np.asarray(losses)
    share = 1 / n + (
        1 / model.population if isinstance(model, SequenceModel) else 0
    )  # a sample stands for the population
    error = np.std(losses, axis=1, ddof=1) * math.sqrt(share)
    assert np.all(np.abs(np.mean(losses, axis=1) - exact) <= 5 * error + 1e-12 * np.abs(exact))


def weightings():
    random = jax.random.uniform(jax.random.key(5), (N,), jnp.float64)
    return {
        "ones": jnp.ones(N),
        "fractions": random,
        "zeros among them": jnp.where(random < 0.3, 0.0, random),
        "padding": prefix_weights(N, 13),
        "one observation": prefix_weights(N, 1),
        "none": jnp.zeros(N),
    }


@jax.jit
def both_sums(model, data, weights, points):
    """Value and gradient at each point of the summary's sum and of the direct one."""
    summary = model.summarize(data, weights)
    functions = (
        lambda w: model.summed_loss(w, summary),
        lambda w: jnp.sum(weights * model.losses(w, data)),
    )
    return [jax.vmap(jax.value_and_grad(function))(points) for function in functions]


@pytest.mark.parametrize("weighting", weightings())
def test_summed_loss_and_its_gradient_equal_the_weighted_sum(model, data, points, weighting):
    weights = weightings()[weighting]
    scale = max(float(jnp.sum(weights)), 1.0)
    (summed, summed_gradient), (total, gradient) = both_sums(model, data, weights, points)
    np.testing.assert_allclose(summed, total, rtol=1e-10, atol=1e-13 * scale)
    for ours, theirs in zip(unstack(summed_gradient), unstack(gradient), strict=True):
        ours, theirs = flat(ours), flat(theirs)
        # Relative to the gradient's norm; at a critical point that norm is rounding, so to the total weight.
        assert np.linalg.norm(ours - theirs) <= 1e-10 * np.linalg.norm(theirs) + 1e-13 * scale


def test_arranged_observations_are_summarized_alike(model, data):
    arranged = model.arrange(data)
    assert jax.tree.leaves(arranged)[0].shape[0] == N
    for weights in weightings().values():
        ours, theirs = (model.summarize(given, weights) for given in (arranged, data))
        assert jax.tree.all(jax.tree.map(np.array_equal, ours, theirs))


def test_a_model_that_draws_itself_can_draw_any_of_its_parameters(model, points):
    if not isinstance(model, Drawn):
        pytest.skip("does not draw itself")
    for w in unstack(points):
        drawing = model.drawing(jax.tree.map(lambda leaf: np.asarray(leaf, float), w))
        assert isinstance(drawing, Drawing)
        assert np.isfinite(drawing.values).all()


def test_phases_are_what_they_claim(model):
    phases = model.phases()
    names = phase_names(model)
    slope = jax.jit(jax.value_and_grad(model.population_loss))
    label, log_prior = jax.jit(model.classify), jax.jit(model.log_prior)
    assert len(set(names)) == len(names)
    for index, phase in enumerate(phases):
        assert int(label(phase.point)) == index, phase.name
        assert phase.source, phase.name
        assert phase.llc is None or phase.llc > 0
        assert phase.multiplicity is None or phase.llc is not None, phase.name
        assert phase.log_prior >= float(log_prior(phase.point)) - 1e-9, phase.name
        if model.has_population_loss:
            loss, gradient = slope(phase.point)
            assert float(loss) == pytest.approx(phase.loss, abs=1e-12)
            if phase.critical:
                assert np.linalg.norm(flat(gradient)) < 1e-9, phase.name


@pytest.fixture(scope="module")
def prior(model):
    """Draws from the prior (draw, entry), with log density (draw,) and its gradient (draw, entry)."""

    @jax.jit
    @jax.vmap
    def drawn(key):
        w = model.sample_prior(key)
        log_density, gradient = jax.value_and_grad(model.log_prior)(w)
        return ravel_pytree(w)[0], log_density, ravel_pytree(gradient)[0]

    return jax.tree.map(np.asarray, drawn(jax.random.split(jax.random.key(6), 8192)))


def test_prior_density_belongs_to_its_samples(prior):
    """For any density p that falls off smoothly, E_p[grad log p(w)_i (w - a)_j] = -1 if i = j, else 0."""
    draws, _, score = prior
    away, n = draws - np.median(draws, axis=0), len(draws)
    mean, square = score.T @ away / n, (score**2).T @ away**2 / n  # of their products
    error = np.sqrt((square - mean**2) / (n - 1))
    assert np.all(np.abs(mean + np.eye(draws.shape[1])) <= 6 * error)


def test_prior_density_is_normalized(prior):
    """E_p[q / p] = 1 for a normalized q: a Gaussian a little narrower than p, so that q / p stays bounded.

    A forgotten factor sqrt(2 pi) in one coordinate alone would give 2.5 here.
    """
    draws, log_p, _ = prior
    mean, scale = draws.mean(axis=0), math.sqrt(0.8) * draws.std(axis=0)
    log_q = -0.5 * ((draws - mean) / scale) ** 2 - np.log(scale * math.sqrt(2 * math.pi))
    ratio = np.exp(log_q.sum(axis=1) - log_p)
    error = ratio.std(ddof=1) / math.sqrt(len(ratio))
    assert error < 0.1
    assert abs(ratio.mean() - 1) < 5 * error


def test_losses_in_float32_stay_float32(model, data, points):
    def single(tree):
        def cast(leaf):
            return leaf.astype(jnp.float32) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

        return jax.tree.map(cast, tree)

    w, rows = single(unstack(points)[0]), single(data)
    value, gradient = jax.eval_shape(jax.value_and_grad(lambda w: jnp.mean(model.losses(w, rows))), w)
    assert value.dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(gradient))


def test_a_model_is_a_pytree_whose_sizes_are_static(path, points):
    """Two models of one file share one compiled program: what is static hashes, and equal configs are equal."""
    traces = []

    @jax.jit
    def log_prior(model, w):
        traces.append(model)
        return model.log_prior(w)

    w = unstack(points)[0]
    values = [log_prior(load(path), w) for _ in range(2)]
    assert values[0] == values[1]
    assert len(traces) == 1
