"""Simulation-based calibration, reduced: exact samplers pass, wrong ones are caught, p-values mean what they say."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy.stats import kstest

from scripts import sbc, sbc_ranks
from scripts.sbc_cases import CASES, LOG_LIKELIHOOD, replicate
from scripts.sbc_references import PUBLISHED, eight_schools_exactly
from scripts.sbc_samplers import DRAWS, N, by_chains, drawn_from, sample_ladder

COUNT = 100
LIMIT = sbc_ranks.threshold(12)  # four samplers, right and wrong, three histograms each
TANH = next(case for case in CASES if case.name == "tanh network")


@pytest.fixture(scope="module")
def made():
    return replicate(TANH, jax.random.key(0), COUNT, N)


@pytest.fixture(scope="module")
def quadrature(made):
    return sample_ladder("quadrature", TANH, made, jax.random.key(1))


def p_values(made, drawn):
    return {row.quantity: row.p for row in sbc.histograms(TANH, made, "", drawn)}


def test_exact_samplers_are_calibrated(made, quadrature):
    for drawn in (
        drawn_from(quadrature, jax.random.key(2))[0],
        by_chains("mala", TANH, made, jax.random.key(3)),
    ):
        found = p_values(made, drawn)
        assert set(found) == {"a", "a b", LOG_LIKELIHOOD}
        assert min(found.values()) > LIMIT, found


def test_the_prior_is_caught_by_the_log_likelihood_alone(made, quadrature):
    prior = p_values(made, sbc.wrong(TANH, quadrature)[0][1])
    assert prior[LOG_LIKELIHOOD] < LIMIT < min(prior["a"], prior["a b"])


def test_a_prior_of_another_scale_is_caught(made, quadrature):
    narrow = dataclasses.replace(TANH.model, prior_scale=1.0)
    nodes = {name: leaf[:, 0, 0] for name, leaf in quadrature.draws.items()}
    gain = jax.vmap(jax.vmap(lambda w: narrow.log_prior(w) - TANH.model.log_prior(w)))(nodes)
    log_weights = quadrature.log_weights + np.asarray(gain)[:, None, None]
    wrong = dataclasses.replace(quadrature, log_weights=log_weights)
    found = p_values(made, drawn_from(wrong, jax.random.key(2))[0])
    assert min(found.values()) < LIMIT, found


def test_p_values_of_uniform_ranks_are_uniform_and_those_of_others_are_not():
    rng = np.random.default_rng(1)
    sets = rng.multinomial(COUNT, np.full(DRAWS + 1, 1 / (DRAWS + 1)), size=400)
    assert kstest([sbc_ranks.p_value(counts) for counts in sets], "uniform").pvalue > 0.01
    truth, draws = rng.normal(size=COUNT), rng.normal(size=(COUNT, DRAWS))
    for wrong in (draws + 0.7, draws * 2.5, draws / 2.5):  # shifted, too wide, too narrow
        ranks = sbc_ranks.ranks(truth, wrong, rng)
        assert sbc_ranks.p_value(np.bincount(ranks, minlength=DRAWS + 1)) < LIMIT


def test_ties_and_lost_draws_have_ranks():
    rng = np.random.default_rng(0)
    ranks = sbc_ranks.ranks(np.zeros(2000), np.zeros((2000, 3)), rng)
    np.testing.assert_allclose(np.bincount(ranks) / 2000, 0.25, atol=0.05)
    assert sbc_ranks.ranks(np.zeros(1), np.array([[np.nan, 1.0, -1.0]]), rng)[0] == 2


def test_eight_schools_exactly_is_what_others_published():
    exact = eight_schools_exactly()
    z = np.array([(mean - exact[name][0]) / error for name, (mean, error) in PUBLISHED.items()])
    assert np.abs(z).max() < 3, z
    np.testing.assert_allclose(exact["tau"], eight_schools_exactly(100)["tau"], rtol=1e-9)
