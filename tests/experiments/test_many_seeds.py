"""Structures are distinguished whatever the rotation and the order of features; masks keep what they should."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.many_seeds.ensembles import everything, features, largest, starts, structures, train
from slt.models.superposition import Superposition

MODEL = Superposition()


def test_copies_of_one_optimum_are_one_structure_and_another_optimum_is_another():
    named = {phase.name: phase.point for phase in MODEL.phases()}
    random = np.random.default_rng(0)
    W, b = [], []
    for name in ("6", "5", "6", "5+", "6"):
        order, turn = random.permutation(6), np.linalg.qr(random.normal(size=(2, 2)))[0]
        W.append(turn @ named[name]["W"][:, order])
        b.append(named[name]["b"][order])
    params = {"W": jnp.asarray(np.stack(W)), "b": jnp.asarray(np.stack(b))}
    loss = np.asarray(jax.vmap(MODEL.population_loss)(params))
    seen = structures(features(MODEL, params), loss)
    assert seen.distinct == 3
    assert seen.label[0] == seen.label[2] == seen.label[4]
    assert seen.effective == 10 / 3  # of ten pairs three are alike
    assert seen.explained > 0.999


def test_a_mask_keeps_the_largest_weights_and_every_bias():
    params = MODEL.sample_prior(jax.random.key(0))
    mask = largest(jax.tree.map(lambda leaf: leaf[None], params), 0.5)
    kept = np.asarray(mask["W"][0], bool)
    assert kept.sum() == 6
    assert np.abs(params["W"])[kept].min() > np.abs(params["W"])[~kept].max()
    assert np.all(mask["b"] == 1)


def test_training_lowers_the_loss_and_leaves_pruned_weights_at_zero():
    first = starts(MODEL, 3, 0)
    mask = largest(first, 0.5)
    params, loss = train(MODEL, first, mask, steps=50, rate=0.03)
    assert np.all(np.asarray(params["W"])[np.asarray(mask["W"]) == 0] == 0)
    assert np.all(loss < jax.vmap(MODEL.population_loss)(first))
    whole, _ = train(MODEL, first, everything(first), steps=50, rate=0.03)
    assert np.all(np.asarray(whole["W"]) != 0)
