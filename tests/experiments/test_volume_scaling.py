"""Volumes by quadrature against closed forms."""

import numpy as np
import pytest
import scipy.special

from experiments.volume_scaling import study


@pytest.mark.parametrize("eps", [1e-12, 1e-5, 0.1, 1.0])
def test_a_strip_is_an_interval(eps):
    expected = np.log(scipy.special.erf(np.sqrt(eps)))  # |w1| < sqrt(2 eps)
    assert study.log_volume(((1, 0),), eps, 40_001) == pytest.approx(
        expected, abs=1e-3
    )  # its edge falls between nodes


@pytest.mark.parametrize("eps", [1e-8, 1e-3, 0.5])
def test_a_disc_is_exponential(eps):
    expected = np.log(-np.expm1(-eps))  # w1^2 + w2^2 < 2 eps
    assert study.log_volume(((1, 0), (0, 1)), eps, 40_001) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("llc", "m"), [(0.5, 1), (0.5, 2), (0.75, 1)])
def test_the_fit_finds_the_law_that_made_the_numbers(llc, m):
    log_eps = np.linspace(-30, -14, 30)
    volumes = llc * log_eps + (m - 1) * np.log(2 - log_eps) + 0.3
    laws = [study._fitted(log_eps, volumes, each) for each in (1, 2)]
    best = min(laws, key=lambda law: law.misfit)
    assert best.llc == pytest.approx(llc, abs=1e-4)
    assert best.multiplicity == m
