"""Effective draws, against numpyro's and against chains whose correlations are known."""

import numpy as np
import pytest
from numpyro.diagnostics import effective_sample_size

from slt.llc.mcmc.effective import effective_draws


def chains(correlation, shape, seed=0):
    """Autoregressive of order one, stationary, (chain, draw, ...)."""
    x = np.random.default_rng(seed).normal(size=shape)
    for i in range(1, shape[1]):
        x[:, i] = correlation * x[:, i - 1] + np.sqrt(1 - correlation**2) * x[:, i]
    return x


@pytest.mark.parametrize("shape", [(2, 2), (3, 77), (8, 500, 5), (4, 64, 2, 3)])
def test_they_are_those_of_numpyro(shape):
    x = chains(0.7, shape)
    np.testing.assert_allclose(effective_draws(x), effective_sample_size(x), rtol=1e-12)


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.5, 0.9])
def test_they_are_those_of_an_autoregressive_chain(correlation):
    x = chains(correlation, (8, 20_000))
    exact = x.size * (1 - correlation) / (1 + correlation)
    assert effective_draws(x) == pytest.approx(exact, rel=0.1)


def test_chains_that_disagree_are_worth_little():
    x = chains(0.0, (4, 1000))
    assert effective_draws(x + 5 * np.arange(4)[:, None]) < 10
