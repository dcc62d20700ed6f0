"""One suite for every estimator in configs/llc/, and what each should find."""

import dataclasses
import importlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from slt.errors import ConfigError
from slt.llc.base import Estimator
from slt.llc.curvature import Hessian
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.mcmc.minibatch import Minibatch
from slt.llc.mcmc.sgld import SGLD
from slt.llc.nested import Volume
from slt.llc.problem import LLCProblem, select_params
from slt.llc.smc.regression import BetaRegression
from slt.llc.smc.thermodynamic import Thermodynamic, free_energy
from slt.llc.smc.waic import WAIC
from slt.llc.smc.wbic import WBIC
from slt.models.monomial import Monomial
from slt.models.quadratic import Quadratic
from slt.models.strata import Strata
from slt.models.superposition import Superposition
from slt.records.base import OK, flag_names

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "llc").glob("*.yaml"))
SMALL = {
    "Thermodynamic": {"particles": 128, "repeats": 4, "decades": 6.0},
    "SGLD": {"draws": 800, "localization": 1.0, "nbeta": 300.0},
    "Metropolis": {"draws": 400, "localization": 1.0, "nbeta": 300.0},
    "Volume": {"live": 100, "replaced": 20, "repeats": 4, "nats": 14.0},
    "WBIC": {"particles": 128, "repeats": 4, "n": None},
    "BetaRegression": {"particles": 128, "repeats": 4, "n": None, "localization": None},
    "WAIC": {"particles": 128, "repeats": 4},
    "Hessian": {},
    "Minibatch": {"draws": 800, "burn_in": 200, "localization": 1.0, "nbeta": 300.0},
}
REGULAR = Quadratic(dimension=2, condition=2.0)


def load(path: Path) -> Estimator:
    """The estimator of a YAML file, cut down to what a test can afford."""
    options = yaml.safe_load(path.read_text())["estimator"]
    module, name = options.pop("_target_").rsplit(".", 1)
    return getattr(importlib.import_module(module), name)(**(options | SMALL[name]))


def regular(count=2, n=300):
    """Asked at the minimum of the loss on the data."""
    data = REGULAR.sample(jax.random.key(0), n)
    curvature = jnp.diagonal(jax.hessian(lambda w: REGULAR.population_loss({"w": w}))(jnp.zeros(2)))
    best = -jax.grad(lambda w: jnp.mean(REGULAR.losses({"w": w}, data)))(jnp.zeros(2)) / curvature
    return LLCProblem(REGULAR, {"w": jnp.tile(best, (count, 1))}, data)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_protocol(path):
    """Shapes, finite numbers, a status, and the same answer to the same key; near lambda = 1 on a regular model."""
    estimator = load(path)
    problem = regular()
    one, again = (estimator(problem, jax.random.key(1)) for _ in range(2))
    for field in ("llc", "error", "low", "high", "multiplicity", "loss", "status"):
        assert getattr(one, field).shape == (2,), field
    assert one.nbeta.shape[0] == 2
    assert all(values.ndim == 3 and values.shape[0] == 2 for values in one.curve.values())
    assert all(values.shape == (2,) for values in one.info.values())
    np.testing.assert_array_equal(one.llc, again.llc)
    single = isinstance(estimator, Minibatch)  # float32
    np.testing.assert_allclose(one.loss, problem.losses(), rtol=1e-5 if single else 1e-7)
    assert np.all(np.isfinite(one.llc))
    assert np.all(one.low <= one.llc)
    assert np.all(one.llc <= one.high)
    expected = (
        2.0 if isinstance(estimator, WAIC) else 1.0
    )  # WAIC adds nu to what is lambda at a minimum of the data
    assert np.all(np.abs(one.llc - expected) < 0.35)
    assert hash(estimator) == hash(dataclasses.replace(estimator))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_zero_weights_are_the_same_as_no_observations(path):
    estimator = load(path)
    data = REGULAR.sample(jax.random.key(0), 60)
    few = jax.tree.map(lambda leaf: leaf[:40], data)
    point = {"w": jnp.zeros((1, 2))}
    if isinstance(estimator, Volume | Thermodynamic):
        pytest.skip("these need a minimum, and the point is none")
    if isinstance(estimator, Minibatch):
        pytest.skip("which observations make a minibatch depends on how many there are")
    weighted = estimator(LLCProblem(REGULAR, point, data, np.arange(60) < 40), jax.random.key(1))
    cut = estimator(LLCProblem(REGULAR, point, few), jax.random.key(1))
    np.testing.assert_allclose(weighted.llc, cut.llc, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(weighted.loss, cut.loss, rtol=1e-12)


def near(estimate, truth, point=0, most=0.03):
    """Within 3 standard errors, which may not be wide."""
    assert estimate.error[point] <= most * truth
    assert abs(estimate.llc[point] - truth) <= 3 * estimate.error[point], estimate.llc[point]


def test_the_path_finds_lambda_and_multiplicity():
    model = Monomial(exponents=((1, 1),))
    estimate = Thermodynamic(particles=1024, decades=12)(
        LLCProblem(model, {"w": jnp.zeros((1, 2))}), jax.random.key(0)
    )
    near(estimate, 0.5)
    assert estimate.multiplicity[0] == 2
    assert estimate.status[0] == OK


def test_the_path_is_local():
    model = Strata()
    points = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[phase.point for phase in model.phases()])
    estimate = Thermodynamic(particles=512, decades=10)(LLCProblem(model, points), jax.random.key(0))
    for i, phase in enumerate(model.phases()):
        near(estimate, phase.llc, i)


def test_the_path_leaves_a_localization_from_which_it_escapes():
    model = Superposition(features=6)
    phase = next(phase for phase in model.phases() if phase.name == "5")
    problem = LLCProblem(model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point))
    options = {"particles": 64, "repeats": 4, "decades": 3.0, "max_rounds": 2}
    wide = Thermodynamic(localization=1.0, **options)(problem, jax.random.key(0))
    assert "escaped" in flag_names(str(wide.status[0]))
    chosen = Thermodynamic(**options)(problem, jax.random.key(0))
    assert "escaped" not in flag_names(str(chosen.status[0]))
    assert chosen.info["localization"][0] > 1.0


def test_free_energy_of_a_gaussian_is_exact():
    """K = w^2 / 2 under N(0, 1): Z(t) = (1 + t)^(-1/2)."""
    problem = LLCProblem(Quadratic(dimension=1), {"w": jnp.zeros((1, 1))})
    estimate = Thermodynamic(prior="model", particles=1024, decades=8)(problem, jax.random.key(0))
    for n in (3.0, 1e3, 1e12):
        value, error = free_energy(estimate, n)
        assert error[0] < 0.1
        assert abs(value[0] - 0.5 * np.log(1 + n)) < 4 * error[0] + 0.005
    with pytest.raises(ValueError, match="n counts observations"):
        free_energy(estimate, 0)


@pytest.mark.parametrize(
    "estimator",
    [
        Metropolis(draws=2000, localization=1.0, nbeta=1e4),
        Metropolis(algorithm="hmc", draws=1000, localization=1.0, nbeta=1e4),
    ],
    ids=["mala", "hmc"],
)
def test_adjusted_chains_are_exact(estimator):
    model = Quadratic(dimension=4, condition=5.0)
    near(estimator(LLCProblem(model, {"w": jnp.zeros((1, 4))}), jax.random.key(0)), 2.0, most=0.04)


@pytest.mark.parametrize("preconditioner", ["none", "rmsprop", "adam"])
def test_sgld_sets_itself_up(preconditioner):
    """Within 10 % on curvatures that differ a hundredfold; what it chose is on the record."""
    model = Quadratic(dimension=3, condition=100.0)
    estimator = SGLD(preconditioner=preconditioner, nbeta=1e4, precision=0.03)
    estimate = estimator(LLCProblem(model, {"w": jnp.zeros((1, 3))}), jax.random.key(0))
    assert abs(estimate.llc[0] / 1.5 - 1) < 0.1
    assert estimate.error[0] < 0.05
    assert estimate.info["localization"][0] == 1.0
    assert 0.98 < estimate.info["tuned_acceptance"][0] <= 1.0


def test_batches_agree_with_the_whole():
    """Gradients from few observations cost noise, not bias: the step is cut until they hardly matter."""
    problem = regular(count=1, n=400)
    whole = SGLD(localization=1.0, draws=4000)(problem, jax.random.key(0))
    part = SGLD(localization=1.0, draws=4000, batch=40)(problem, jax.random.key(1))
    combined = float(np.hypot(whole.error[0], part.error[0]))
    assert combined < 0.12
    assert abs(whole.llc[0] - part.llc[0]) < 3 * combined + 0.05


def test_refined_coefficients_of_some_weights():
    """Of d coordinates of a regular model only k may move: lambda = k / 2, by any estimator."""
    model = Quadratic(dimension=5, condition=3.0)
    problem = LLCProblem(model, {"w": jnp.zeros((1, 5))}, selected=(0, 3))
    for estimator in (
        Thermodynamic(particles=512, decades=7),
        Metropolis(draws=2000, localization=1.0, nbeta=1e4),
        Hessian(),
    ):
        estimate = estimator(problem, jax.random.key(0))
        assert abs(estimate.llc[0] - 1.0) <= max(3 * estimate.error[0], 1e-9)
        assert estimate.error[0] < 0.04
    model = Superposition(features=6)
    phase = next(phase for phase in model.phases() if phase.name == "6")
    only_bias = select_params(phase.point, ("b",))
    point = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point)
    estimate = Hessian()(LLCProblem(model, point, selected=only_bias), jax.random.key(0))
    assert estimate.llc[0] == 3.0


def test_hessian_counts_directions():
    model = Monomial(exponents=((1, 0, 0), (0, 2, 0)))
    estimate = Hessian()(LLCProblem(model, {"w": jnp.zeros((1, 3))}), jax.random.key(0))
    assert (estimate.llc[0], estimate.multiplicity[0]) == (0.5, 0)
    quadratic = Quadratic(dimension=4, condition=10.0)
    full = Hessian(fisher_samples=4000)(LLCProblem(quadratic, {"w": jnp.zeros((1, 4))}), jax.random.key(0))
    assert (full.llc[0], full.multiplicity[0], full.info["rank"][0]) == (2.0, 1, 4)
    assert full.info["fisher_trace"][0] == pytest.approx(
        full.info["trace"][0], rel=0.1
    )  # Fisher = Hessian here
    saddle = Superposition(features=6)
    origin = {"W": jnp.zeros((1, 2, 6)), "b": jnp.full((1, 6), 0.3)}
    assert "not critical" in flag_names(
        str(Hessian()(LLCProblem(saddle, origin), jax.random.key(0)).status[0])
    )


def test_hessian_names_a_saddle():
    from slt.models.deep_linear import DeepLinear

    model = DeepLinear(widths=(2, 2, 2), singular_values=(2.0, 1.0))
    phase = model.phases()[1]  # one mode learned: the other leads down
    problem = LLCProblem(model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point))
    assert "escaped" in flag_names(str(Hessian()(problem, jax.random.key(0)).status[0]))


def test_volume_is_the_exponent():
    model = Monomial(exponents=((1, 0), (0, 2)))  # lambda 3/4
    estimate = Volume(live=300, replaced=30, nats=22)(
        LLCProblem(model, {"w": jnp.zeros((1, 2))}), jax.random.key(0)
    )
    near(estimate, 0.75, most=0.06)


def test_volume_names_points_that_are_no_minimum():
    problem = LLCProblem(REGULAR, {"w": jnp.array([[0.3, 0.0]])})
    estimator = Volume(live=100, replaced=20, repeats=4, nats=8.0, localization=10.0)
    assert {"escaped", "no estimate"} <= set(flag_names(str(estimator(problem, jax.random.key(0)).status[0])))


def test_wbic_and_regression_on_a_regular_model():
    model = Quadratic(dimension=4, condition=2.0)
    problem = LLCProblem(model, {"w": jnp.zeros((1, 4))})
    for estimator in (WBIC(n=1e6, particles=1024), BetaRegression(n=1e6, particles=1024)):
        near(estimator(problem, jax.random.key(0)), 2.0)
    with pytest.raises(ConfigError, match="needs n"):
        WBIC()(problem, jax.random.key(0))
    data = model.sample(jax.random.key(0), 50)
    with pytest.raises(ConfigError, match="set n=null"):
        WBIC(n=100)(LLCProblem(model, problem.points, data), jax.random.key(0))


def test_singular_fluctuation_of_a_regular_model_is_half_its_dimension():
    """And lambda = E[n K] + nu, averaged over data sets: both d / 2 for a regular model at its true parameter."""
    model = Quadratic(dimension=2)
    estimator = WAIC(particles=256, repeats=4)
    found = []
    for seed in range(24):
        data = model.sample(jax.random.key(seed), 200)
        found.append(estimator(LLCProblem(model, {"w": jnp.zeros((1, 2))}, data), jax.random.key(seed)))
    nu = np.array([one.info["singular_fluctuation"][0] for one in found])
    llc = np.array([one.llc[0] for one in found])
    assert abs(nu.mean() - 1.0) < 0.15
    assert abs(llc.mean() - 1.0) < 3 * llc.std(ddof=1) / len(llc) ** 0.5
    waic = np.array([one.info["waic"][0] for one in found])
    gain = 200 * waic.mean()  # on average n (G - L(w0)) = lambda = 1
    assert abs(gain - 1.0) < 3 * 200 * waic.std(ddof=1) / len(waic) ** 0.5
    with pytest.raises(ConfigError, match="give data"):
        estimator(LLCProblem(model, {"w": jnp.zeros((1, 2))}), jax.random.key(0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Thermodynamic(prior="flat"), "local, model"),
        (lambda: Thermodynamic(repeats=2), "at least 4"),
        (lambda: Thermodynamic(localization=0.0), "above 0"),
        (lambda: Thermodynamic(decades=0.1), "between 1 and 30"),
        (lambda: SGLD(chains=1), "at least 2 chains"),
        (lambda: SGLD(preconditioner="sgd"), "none, rmsprop, adam"),
        (lambda: SGLD(step_size=-1.0), "step_size must be positive"),
        (lambda: SGLD(batch=0), "at least 1"),
        (lambda: Metropolis(algorithm="nuts"), "mala, hmc"),
        (lambda: Metropolis(draws=3), "at least 16"),
        (lambda: Volume(replaced=500), "between 1 and live"),
        (lambda: BetaRegression(span=0.5), "above 1"),
        (lambda: Hessian(tolerance=2.0), "between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_batches_need_data():
    problem = LLCProblem(REGULAR, {"w": jnp.zeros((1, 2))})
    with pytest.raises(ConfigError, match="batch=null or give data"):
        SGLD(batch=10)(problem, jax.random.key(0))
