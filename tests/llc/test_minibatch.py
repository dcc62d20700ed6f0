"""SGLD for networks: what a localized coefficient is in closed form, refined, on data, and at no minimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from slt.llc.mcmc import gradients
from slt.llc.mcmc.control_variates import Walks, around_points, walk
from slt.llc.mcmc.curvature_calibration import DECORRELATED, LARGEST, NOISE
from slt.llc.mcmc.minibatch import Minibatch
from slt.llc.problem import LLCProblem
from slt.models.base import as_model
from slt.models.deep_linear import DeepLinear
from slt.models.quadratic import Quadratic
from slt.records.base import OK, flag_names

MODEL = Quadratic(dimension=6, condition=100.0)
ORIGIN = {"w": jnp.zeros((2, 6))}
KEY = jax.random.key(0)


def expected(nbeta, gamma, selected=slice(None)):
    """E[nbeta K] under exp(-nbeta K) N(0, 1 / gamma) of a quadratic K."""
    curved = nbeta * MODEL.curvatures[selected]
    return float(np.sum(curved / (curved + gamma)) / 2)


@pytest.mark.parametrize("selected", [None, (0, 1, 5)])
def test_a_regular_models_coefficient_is_what_its_localization_leaves_of_it(selected):
    estimator = Minibatch(nbeta=50.0, localization=2.0, burn_in=400, draws=3000, control_variate_size=65536)
    estimate = estimator(LLCProblem(MODEL, ORIGIN, selected=selected), KEY)
    truth = expected(50.0, 2.0, slice(None) if selected is None else list(selected))
    assert np.all(estimate.error < 0.05 * truth)
    assert np.all(
        np.abs(estimate.llc - truth) < 3.5 * estimate.error + 0.02 * truth
    )  # 2 %: the step, the control variate
    assert estimate.status.tolist() == [OK, OK]
    dims = 6 if selected is None else 3
    np.testing.assert_allclose(
        estimate.info["hessian_trace"], MODEL.curvatures[list(selected or range(6))].sum(), rtol=1e-4
    )
    assert estimate.curve["mean"].shape == (2, 4, 64)
    assert estimate.info["ess"].min() > 50 * dims / 6


def test_calibration_takes_the_weakest_localization_that_chains_decorrelate_by():
    chosen = (
        Minibatch(nbeta=50.0, burn_in=400, draws=1000).calibrate(LLCProblem(MODEL, ORIGIN), KEY).calibration
    )
    taken, gammas = chosen.taken, np.array([trial.localization for trial in chosen.trials])
    assert taken.step_size * 400 >= DECORRELATED
    assert taken.step_size <= LARGEST
    assert taken.localization < 50.0
    assert np.all(gammas[:-1] > gammas[1:])
    assert taken.noise <= NOISE
    assert chosen.step_sensitivity < 0.2


def test_where_noise_and_burn_in_ask_for_different_steps_chains_decorrelate_and_noise_is_flagged():
    model = DeepLinear(widths=(3, 3, 3), singular_values=(2.0,))
    points = {name: leaf[None] for name, leaf in model.phases()[-1].point.items()}
    problem = LLCProblem(model, points)
    quiet, loud = (
        Minibatch(nbeta=100.0, localization=1.0, batch=batch, burn_in=50, draws=200).calibrate(problem, KEY)
        for batch in (512, 16)
    )
    assert quiet.calibration.taken.noise <= NOISE
    chosen = loud.calibration.taken
    assert chosen.noise > NOISE
    assert chosen.step_size == DECORRELATED / 50 < quiet.calibration.taken.step_size
    raised = [flag_names(str(one(problem, KEY).status[0])) for one in (quiet, loud)]
    assert ["noise" in flags for flags in raised] == [False, True]


@as_model
class Askew(Quadratic):
    """Curvatures 0.4 and 1.6 along the diagonals of two parameters, of which each alone has curvature 1."""

    def signal(self, w):
        return jnp.stack([(w[0] - w[1]) * 0.2**0.5, (w[0] + w[1]) * 0.8**0.5]).astype(w.dtype)


@pytest.mark.parametrize("model", [Quadratic(dimension=2, condition=1.0), Askew(dimension=2)])
def test_energy_comes_to_rest_at_the_rate_by_which_burn_in_is_judged(model):
    points, nbeta, gamma, step, count = {"w": jnp.zeros((1, 2))}, 9.0, 1.0, 0.02, 4000
    plan = Minibatch(nbeta=nbeta, chains=count, batch=1, control_variate_size=65536, burn_in=16, draws=100)
    asked = plan.setting(LLCProblem(model, points))
    around = around_points(plan, asked, gradients.flat(points), gamma)
    energy, _ = walk(plan, asked, around, Walks(step, gamma, 1), KEY)
    mean, error = energy[0].mean(axis=0), energy[0].std(axis=0) / count**0.5
    curved = nbeta * np.array([0.4, 1.6] if isinstance(model, Askew) else [1.0, 1.0])
    a = (curved + gamma) * np.asarray(around.scale)[0] ** 2  # over what P says
    steps = 1 + np.arange(100)[:, None]
    expected = np.sum(curved / (curved + gamma) / 2 * (1 + (a - 1) * np.exp(-a * step * steps)), axis=1)
    z = (mean - expected) / error
    assert np.abs(z.mean()) < 2.0  # draws of a chain are close to each other: one number, not a hundred
    assert np.all(np.abs(z) < 4.5)


def test_it_is_the_same_for_all_points_and_seeds_share_it():
    calibrated = Minibatch(burn_in=64, draws=64, traces=0).calibrate(LLCProblem(MODEL, ORIGIN), KEY)
    first, second = (calibrated(LLCProblem(MODEL, ORIGIN), jax.random.key(k)) for k in (1, 2))
    assert first.info["step_size"][0] == second.info["step_size"][1] == calibrated.calibration.taken.step_size
    assert not np.array_equal(first.llc, second.llc)


def test_on_data_the_gradient_at_a_point_is_that_of_all_observations():
    model = DeepLinear(widths=(3, 3, 3), singular_values=(2.0,))
    data = model.sample(KEY, 37)
    weights = np.linspace(0.5, 1.5, 37)
    points = jax.vmap(model.init)(jax.random.split(KEY, 2))
    asked = gradients.setting(LLCProblem(model, points, data, weights), 10.0)
    found = gradients.at_points(asked, gradients.flat(points), observations=0)

    def loss(point):
        return jnp.sum(weights * model.losses(point, data)) / weights.sum()

    for i in range(2):
        point = jax.tree.map(lambda leaf, i=i: leaf[i], points)
        np.testing.assert_allclose(found.loss[i], loss(point), rtol=1e-5)
        exact = ravel_pytree(jax.grad(loss)(point))[0]
        np.testing.assert_allclose(found.gradient[i], exact, rtol=1e-4, atol=1e-5)


def test_a_point_with_a_gradient_is_flagged():
    away = {"w": jnp.full((1, 6), 2.0)}
    estimate = Minibatch(nbeta=50.0, localization=1.0, burn_in=100, draws=100)(LLCProblem(MODEL, away), KEY)
    assert {"escaped", "negative", "not critical"} <= set(flag_names(str(estimate.status[0])))


def test_a_step_that_is_too_large_is_flagged_and_not_averaged():
    wild = Minibatch(nbeta=50.0, localization=1.0, step_size=9.0, burn_in=100, draws=100)
    estimate = wild(LLCProblem(MODEL, ORIGIN), KEY)
    assert "diverged" in flag_names(str(estimate.status[0]))
    assert np.isnan(estimate.llc).all()


def test_traces_of_a_network_agree_with_its_full_hessian():
    model = DeepLinear(widths=(3, 2, 3), singular_values=(2.0,))
    point = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], model.phases()[-1].point)
    asked = gradients.setting(LLCProblem(model, point), 10.0)
    flat = gradients.flat(point)
    some = gradients.few(asked)
    hessian = jax.hessian(gradients.batch_loss)(flat[0], asked, some)
    found = gradients.traces(asked, flat, gradients.FEW, points_per_batch=1)
    assert abs(found["hessian_trace"][0] - np.trace(hessian)) < 4 * found["hessian_trace_error"][0] + 1e-3
    scale = jnp.ones_like(flat)
    largest = gradients.largest_curvature(asked, flat, scale, KEY)
    np.testing.assert_allclose(largest[0], np.abs(np.linalg.eigvalsh(hessian)).max(), rtol=0.05)
    each = jax.vmap(
        lambda x, y: jax.grad(gradients.batch_loss)(
            flat[0], asked, gradients.Batch(type(some.data)(x[None], y[None]), jnp.ones(1, jnp.float32))
        )
    )(*some.data)
    np.testing.assert_allclose(found["fisher_trace"][0], np.mean(np.sum(each**2, axis=1)), rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0},
        {"chains": 1},
        {"nbeta": -1.0},
        {"burn_in": 2},
        {"points_per_batch": 0},
        {"control_variate_size": 1},
    ],
)
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Minibatch(**options)
