"""The unadjusted walk against its own stationary law, which on a quadratic is known for any step size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from slt.llc.mcmc import kernels
from slt.llc.mcmc.sgld import SGLD
from slt.llc.problem import LLCProblem
from slt.models.quadratic import Quadratic

MODEL = Quadratic(dimension=2, condition=2.0)
T, GAMMA = 300.0, 1.0


def energy(step):
    """E[nbeta K] under u' = u - (step / 2) h u + sqrt(step) N(0, 1), of variance 1 / (h (1 - step h / 4))."""
    c = MODEL.curvatures
    h = T * c + GAMMA
    return float(np.sum(0.5 * T * c / (h * (1 - step * h / 4))))


@pytest.mark.parametrize(("step", "thin"), [(1e-3, 1), (2e-3, 3)])
def test_draws_have_the_stationary_energy_of_their_step_size(step, thin):
    estimator = SGLD(
        chains=32, nbeta=T, step_size=step, localization=GAMMA, burn_in=100, draws=4000, thin=thin
    )
    found = estimator(LLCProblem(MODEL, {"w": jnp.zeros((1, 2))}), jax.random.key(0))
    assert found.error[0] < 0.01
    assert abs(found.llc[0] - energy(step)) < 4 * found.error[0]
    assert energy(step) - energy(1e-6) > 5 * found.error[0]  # so that another step size would be noticed
    assert np.isnan(found.info["tuned_acceptance"][0])  # all was given: nothing was tuned


@pytest.mark.parametrize(("burn_in", "first"), [(16, 20), (18, 24)])
def test_draws_begin_after_the_burn_in_rounded_up_to_draws(burn_in, first):
    """Chains begin at the point; k steps later u' = (1 - step h / 2) u + sqrt(step) N is a sum of k."""
    step, chains = 2e-4, 4000
    estimator = SGLD(
        chains=chains, nbeta=T, step_size=step, localization=GAMMA, burn_in=burn_in, draws=16, thin=4
    )
    found = estimator(LLCProblem(MODEL, {"w": jnp.zeros((1, 2))}), jax.random.key(1))
    squared = (1 - step * (T * MODEL.curvatures + GAMMA) / 2) ** 2

    def energy_at(steps):
        return float(np.sum(0.5 * T * MODEL.curvatures * step * (1 - squared**steps) / (1 - squared)))

    draws = found.curve["mean"][0, :, 0]
    error = draws.std(ddof=1) / np.sqrt(chains)
    assert abs(draws.mean() - energy_at(first)) < 4 * error
    one_more = energy_at(first + 4) - energy_at(first)
    assert one_more > 5 * error  # so that it would be noticed
    assert found.info["burn_in"][0] == burn_in


def test_observations_of_a_batch_are_uniform():
    n, count = 7, 70_000
    drawn = np.bincount(np.asarray(kernels._rows(jax.random.key(0), (count,), n)), minlength=n)
    assert len(drawn) == n
    assert np.sum((drawn - count / n) ** 2 / (count / n)) < 22.5  # chi-square, 6 degrees: 0.999
