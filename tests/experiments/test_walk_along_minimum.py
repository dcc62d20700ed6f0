"""The walk's theory, step by step: where it starts, what one step does to the imbalance, the trace of the Hessian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from experiments.walk_along_minimum.study import LAMBDAS
from experiments.walk_along_minimum.walk import FLATTEST, MODEL, SIZE, measure, start, walk


def imbalance(w):
    return w["A"] @ w["A"].T - w["B"].T @ w["B"]


def stacked(w):
    return jax.tree.map(lambda leaf: leaf[None, None, None], w)


def trace(w):
    flat, unflatten = ravel_pytree(w)
    return float(jnp.trace(jax.hessian(lambda v: MODEL.population_loss(unflatten(v)))(flat)))


def test_it_starts_on_the_minimum_with_full_rank_and_far_from_balance():
    w = start(jax.random.key(0))
    assert float(MODEL.population_loss(w)) < 1e-25
    assert np.linalg.matrix_rank(w["A"]) == SIZE
    assert np.linalg.matrix_rank(w["B"], tol=1e-9) == 1
    assert float(jnp.linalg.norm(imbalance(w))) > 1


def test_lambda_is_what_the_figure_says_at_the_start_and_at_the_least():
    flat, unflatten = ravel_pytree(start(jax.random.key(0)))
    hessian = jax.hessian(lambda v: MODEL.population_loss(unflatten(v)))(flat)
    rank = np.linalg.matrix_rank(hessian, tol=1e-8)  # as many as the minimum, smooth here, lacks dimensions
    most = MODEL.phases()[0]
    assert list(LAMBDAS) == [rank / 2, most.llc]
    assert most.multiplicity == 2


def test_the_trace_is_that_of_the_hessian_and_least_where_the_factors_are_balanced():
    w = start(jax.random.key(0))
    seen = measure(stacked(w))
    assert float(seen["trace"][0, 0, 0]) == pytest.approx(trace(w), rel=1e-10)
    balanced = MODEL.phases()[0].point
    assert trace(jax.tree.map(jnp.asarray, balanced)) == pytest.approx(FLATTEST, rel=1e-12)
    assert np.allclose(imbalance(balanced), 0)


def test_a_step_changes_the_imbalance_in_the_second_order_alone():
    """A' A'^T - B'^T B' - (A A^T - B^T B) = eta^2 (B^T G G^T B - A G^T G A^T), for any G whatever."""
    w, G, rate = start(jax.random.key(1)), jax.random.normal(jax.random.key(2), (SIZE, SIZE)), 0.3
    after = {"A": w["A"] - rate * w["B"].T @ G, "B": w["B"] - rate * G @ w["A"].T}
    expected = w["B"].T @ G @ G.T @ w["B"] - w["A"] @ G.T @ G @ w["A"].T
    np.testing.assert_allclose(imbalance(after) - imbalance(w), rate**2 * expected, atol=1e-12)


def test_a_point_beside_the_minimum_is_brought_back_to_it():
    w = start(jax.random.key(0))
    off = jax.tree.map(lambda leaf: leaf + 0.05 * jax.random.normal(jax.random.key(3), leaf.shape), w)
    seen = measure(stacked(off))
    assert float(seen["gap"][0, 0, 0]) < 1e-10
    np.testing.assert_allclose(seen["imbalance"][0, 0, 0], imbalance(off), atol=0.05)
    moved = ravel_pytree(jax.tree.map(lambda a, b: a[0, 0, 0] - b, seen["point"], off))[0]
    assert float(jnp.linalg.norm(moved)) < 0.5


def test_without_noise_it_stays_and_with_noise_it_does_not():
    rates, noise = jnp.array([0.02, 0.02]), jnp.array([1.0, 0.0])
    path = walk(rates, noise, batch=4, checkpoints=2, steps=50, seeds=2)
    moved = np.abs(np.asarray(path["A"])[:, :, 1] - np.asarray(path["A"])[:, :, 0]).max(axis=(1, 2, 3))
    assert moved[0] > 1e-3
    assert moved[1] < 1e-12
