"""The k-gons: critical points, losses, learning coefficients and the classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt.models.base import phase_names
from slt.models.superposition import Superposition, kgons

SIX = {phase.name: phase for phase in kgons.phases(6)}


@pytest.mark.parametrize(
    ("name", "loss", "llc"),  # Chen et al. 2023; losses recomputed, to the printed digits
    [
        ("4", 0.11111, None),
        ("4+", 0.10417, None),
        ("4++", 0.09722, None),
        ("5", 0.06874, 7.0),
        ("5+", 0.06180, 8.5),
        ("6", 0.04819, 8.5),
    ],
)
def test_published_phases_at_six_features(name, loss, llc):
    assert round(SIX[name].loss, 5) == loss
    assert SIX[name].llc == llc


def test_published_shapes():
    assert kgons.shape(4) == (1.0, 0.0)
    assert tuple(round(x, 5) for x in kgons.shape(5)) == (1.17046, -0.28230)
    assert tuple(round(x, 5) for x in kgons.shape(6)) == (1.32053, -0.61814)


def test_prior_term_between_five_and_six():
    assert round(SIX["5"].log_prior - SIX["6"].log_prior, 4) == 2.7535


@pytest.mark.parametrize("c", [4, 5, 6, 7, 8, 9])
def test_every_phase_is_critical_has_its_loss_and_is_itself(c):
    model = Superposition(features=c)
    slope, value = jax.jit(jax.grad(model.population_loss)), jax.jit(model.population_loss)
    classify = jax.jit(model.classify)
    for i, phase in enumerate(model.phases()):
        largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(slope(phase.point)))
        assert largest < 1e-9, phase.name
        assert float(value(phase.point)) == pytest.approx(phase.loss, abs=1e-13), phase.name
        assert int(classify(phase.point)) == i, phase.name
        assert phase.family == phase.name.rstrip("+")


@pytest.mark.parametrize("c", [5, 6, 7, 8])
def test_learning_coefficient_is_half_the_hessian_rank_at_minima_and_absent_at_saddles(c):
    model = Superposition(features=c)

    def flat_loss(v):
        return model.population_loss({"W": v[: 2 * c].reshape(2, c), "b": v[2 * c :]})

    hessian = jax.jit(jax.hessian(flat_loss))
    for phase in model.phases():
        if phase.family == "4":  # not C2
            assert phase.llc is None
            continue
        point = jnp.concatenate([phase.point["W"].ravel(), phase.point["b"]])
        spectrum = np.linalg.eigvalsh(hessian(point))
        if spectrum[0] < -1e-6:
            assert phase.llc is None, phase.name
        else:
            assert phase.llc == np.sum(spectrum > 1e-6) / 2, phase.name


def test_losses_fall_along_each_family_by_exactly_the_published_step():
    for c in (6, 8):
        by_name = {phase.name: phase.loss for phase in kgons.phases(c)}
        for name, loss in by_name.items():
            if name + "+" in by_name:
                assert loss - by_name[name + "+"] == pytest.approx(1 / (4 * c**2), abs=1e-15)


def test_shapes_exist_far_beyond_the_usual_k():
    for k in range(5, 30):
        length, bias = kgons.shape(k)
        assert length > kgons.ALIVE
        assert bias < 0


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(-10, 10),
    reflect=st.booleans(),
    order=st.permutations(range(6)),
    seed=st.integers(0, 1000),
    index=st.integers(0, 5),
    noise=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
)
def test_classifier_respects_rotation_reflection_and_permutation(angle, reflect, order, seed, index, noise):
    point = kgons.phases(6)[index].point
    rng = np.random.default_rng(seed)
    W = point["W"] + noise * rng.normal(size=(2, 6))
    b = point["b"] + noise * rng.normal(size=6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if reflect:
        turn = turn @ np.diag([1.0, -1.0])
    moved = CLASSIFY((turn @ W)[:, order], b[list(order)])
    assert int(CLASSIFY(W, b)) == int(moved)


CLASSIFY = jax.jit(kgons.classify)


def test_what_makes_a_draw_other():
    names = phase_names(Superposition())
    five = SIX["5"].point
    W = np.array(five["W"])
    W[:, 1] = W[:, 0]  # two columns the same way, a gap of two fifths of a turn
    uneven = names[int(CLASSIFY(jnp.asarray(W), jnp.asarray(five["b"])))]
    W = np.array(five["W"])
    W[:, :2] = 0  # three columns left
    few = names[int(CLASSIFY(jnp.asarray(W), jnp.asarray(five["b"])))]
    assert (uneven, few) == ("other", "other")


def test_models_without_kgons_have_no_phases():
    assert Superposition(features=3).phases() == ()
    assert int(Superposition(features=3).classify({"W": jnp.zeros((2, 3)), "b": jnp.zeros(3)})) == 0
    assert Superposition(features=6, hidden=3).phases() == ()
