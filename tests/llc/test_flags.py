"""Every flag is raised by what it names, and by nothing else on a sound point."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.llc.flags import NAMES, Flags
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.mcmc.sgld import SGLD
from slt.llc.problem import LLCProblem
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.models.crafted import Crafted
from slt.models.monomial import Monomial
from slt.models.quadratic import Quadratic
from slt.records.base import OK, flag_names

QUADRATIC = Quadratic(dimension=3, condition=3.0)
CHAINS = {"chains": 4, "localization": 1.0, "nbeta": 1000.0}


def at(model, *points):
    return LLCProblem(model, {"w": jnp.array(points, jnp.float64)})


def raised(estimator, problem, point=0):
    return flag_names(str(estimator(problem, jax.random.key(0)).status[point]))


def test_a_minimum_raises_none():
    problem = at(QUADRATIC, (0, 0, 0))
    for estimator in (
        Metropolis(draws=600, burn_in=300, **CHAINS),
        Thermodynamic(particles=128, repeats=4, decades=6),
    ):
        assert estimator(problem, jax.random.key(0)).status[0] == OK


def test_a_point_beside_the_minimum_is_negative_escaped_and_not_critical():
    estimator = Metropolis(draws=300, burn_in=300, **CHAINS)
    assert {"negative", "escaped", "not critical"} <= set(raised(estimator, at(QUADRATIC, (0.5, 0, 0))))


def test_a_small_step_leaves_the_burn_in_in_the_average():
    slow = SGLD(step_size=3e-7, burn_in=16, draws=2000, thin=1, chains=16, localization=1.0, nbeta=1e5)
    model = Monomial(exponents=((2,),))  # flat at the bottom: chains spread slowly from their point
    assert "burn-in" in raised(slow, at(model, (0.0,)))


def test_chains_that_leave_the_finite_numbers_are_left_out_and_named():
    model = Monomial(exponents=((2,),))
    estimator = SGLD(step_size=10.0, burn_in=64, draws=100, **CHAINS)
    estimate = estimator(at(model, (0.0,)), jax.random.key(0))
    assert {"diverged", "no estimate"} <= set(flag_names(str(estimate.status[0])))
    assert np.isnan(estimate.llc[0])


def test_one_diverged_chain_does_not_spoil_the_others():
    from slt.llc.mcmc.diagnostics import moments

    energy = np.random.default_rng(0).gamma(2.0, size=(1, 4, 500))
    energy[0, 1, 200:] = np.nan
    mean, error, ess = moments(energy)
    assert abs(mean[0] - 2.0) < 4 * error[0] < 0.3
    assert ess[0] > 500


def test_few_draws_are_few():
    estimator = Metropolis(draws=16, burn_in=300, **CHAINS)
    assert "few effective draws" in raised(estimator, at(QUADRATIC, (0, 0, 0)))


def test_a_short_path_does_not_reach_the_power_law():
    estimator = Thermodynamic(particles=64, repeats=4, decades=1)
    assert "power law" in raised(estimator, at(QUADRATIC, (0, 0, 0)))


def test_moves_that_cannot_keep_up_are_not_forgotten():
    lazy = Thermodynamic(particles=64, repeats=4, mcmc_steps=1, leapfrog_steps=1, max_rounds=1)
    many = Quadratic(dimension=20, condition=3.0)  # one leap of each kind is enough for three dimensions
    assert "not decorrelated" in raised(lazy, at(many, (0,) * 20))


def test_a_plateau_is_flat():
    well = Crafted(positions=(0.0,), heights=(0.0,), curvatures=(2.0,), orders=(2,), plateau=1.0)
    problem = LLCProblem(well, {"w": jnp.array([5.0, 0.0])})
    estimate = Thermodynamic(particles=64, repeats=4, decades=5)(problem, jax.random.key(0))
    assert "flat" in flag_names(str(estimate.status[0]))
    assert estimate.status[1] == OK  # the other point of the batch is not disturbed


def test_a_loss_that_is_nan_under_the_prior_is_diverged():
    from tests.llc.toys import Broken

    problem = LLCProblem(Broken(), {"w": jnp.zeros((1, 1))})
    assert "diverged" in raised(Thermodynamic(particles=32, repeats=4), problem)


def test_unknown_flags_cannot_be_raised():
    with pytest.raises(ValueError, match="no flag is called 'odd'"):
        Flags(1).add("odd", np.array([True]), "")
    assert len(set(NAMES)) == len(NAMES)
