"""The fit finds what was put into a curve, says how sure it is, and refuses curves too short to tell."""

import numpy as np
import pytest

from slt.llc.smc.corrections import MULTIPLICITIES, corrections
from slt.llc.smc.power_law import _quantile, fit

REPEATS, PARTICLES = 8, 1024


def curve(llc, m, shift, seed=0, levels=60, decades=14.0, power=0.0, amplitude=0.0, noise=0.01):
    """t and t E[K] (repeat, level) of a power law with independent noise."""
    u = np.linspace(0.1, decades * np.log(10), levels)
    exact = llc - (m - 1) / (u + shift) + amplitude * np.exp(-power * u)
    rng = np.random.default_rng(seed)
    mean = exact + noise * llc * rng.normal(size=(REPEATS, levels))
    variance = np.full(mean.shape, (noise * llc) ** 2 * PARTICLES)
    return np.exp(u), mean, variance


@pytest.mark.parametrize(
    ("llc", "m", "shift"), [(0.5, 1, 1), (0.5, 2, 4), (0.5, 3, 6), (2.0, 2, 1), (8.0, 1, 1)]
)
def test_lambda_and_multiplicity_come_back(llc, m, shift):
    t, mean, variance = curve(llc, m, shift)
    found = fit(t, mean, variance, PARTICLES, onset=1.0, dimension=6)
    assert found.multiplicity == m
    assert found.error < 0.02 * llc
    assert abs(found.llc - llc) < 3 * found.error
    assert found.low < llc < found.high


def test_a_slow_approach_is_not_taken_for_a_multiplicity():
    t, mean, variance = curve(1.5, 1, 1, power=0.5, amplitude=-0.7)
    found = fit(t, mean, variance, PARTICLES, onset=1.0, dimension=6)
    assert found.multiplicity == 1
    assert abs(found.llc - 1.5) < 3 * found.error < 0.1


def test_a_near_pole_is_not_taken_for_a_multiplicity():
    """w1^4 w2^6: poles at 1/6 and 1/4."""
    t, mean, variance = curve(1 / 6, 1, 1)
    mean -= (1 / 12) / np.expm1((np.log(t) + 2) / 12)
    found = fit(t, mean, variance, PARTICLES, onset=1.0, dimension=2)
    assert found.multiplicity == 1
    assert abs(found.llc - 1 / 6) < 3 * found.error < 0.02


def test_a_crossing_that_begins_to_matter_late_is_seen_whole():
    """Four regular dimensions, and w1^2 w2^2 whose scale is 1e-4 of theirs."""
    lack = next(one for one in corrections(2.5, 6) if one.kind == "crossing" and one.m == 2)
    t, mean, variance = curve(2.5, 1, 1, power=1.0, amplitude=-1.0)
    mean -= lack.at(np.log(1e-4 * t))
    found = fit(t, mean, variance, PARTICLES, onset=1.0, dimension=6)
    assert found.multiplicity == 2
    assert abs(found.llc - 2.5) < 3 * found.error < 0.1


def test_the_slope_of_a_crossing_is_that_of_its_integral():
    """S_2 by Gauss-Hermite quadrature over both weights, and S_m -> 1/2 - (m - 1) / log t."""
    x, weight = np.polynomial.hermite_e.hermegauss(150)
    k = x[:, None] ** 2 * x**2
    for v in (-2.0, 0.0, 1.0):
        factor = weight[:, None] * weight * np.exp(-np.exp(v) * k)
        slope = np.sum(factor * np.exp(v) * k) / np.sum(factor)
        lack = next(one for one in corrections(1.0, 4) if one.kind == "crossing" and one.m == 2)
        assert lack.at(np.array([v])) == pytest.approx(0.5 - slope, abs=2e-3)
    for m in (2, 3, 4):
        lack = next(one for one in corrections(1.0, 4) if one.kind == "crossing" and one.m == m)
        one, two = 1 / lack.at(np.array([59.0, 61.0]))
        assert (two - one) / 2 == pytest.approx(1 / (m - 1), rel=0.03)


def test_the_stated_error_is_that_of_many_fits():
    found = [fit(*curve(0.5, 2, 4, seed=seed), PARTICLES, onset=1.0, dimension=2) for seed in range(40)]
    off = np.array([one.llc - 0.5 for one in found])
    inside = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert inside >= 0.85
    assert 0.5 < np.sqrt(np.mean(off**2)) / np.mean([one.error for one in found]) < 1.5


def test_the_multiplicity_is_at_most_the_dimension():
    t, mean, variance = curve(0.5, 2, 4)
    assert fit(t, mean, variance, PARTICLES, onset=1.0, dimension=1).multiplicity == 1
    assert MULTIPLICITIES >= 4


def test_temperatures_below_the_onset_are_not_used():
    t, mean, variance = curve(0.5, 1, 1)
    low = t < 1e3
    mean[:, low] = 7.0
    found = fit(t, mean, variance, PARTICLES, onset=1e3, dimension=3)
    assert abs(found.llc - 0.5) < 3 * found.error
    assert found.nbeta_low >= 1e3


def test_a_short_or_broken_curve_gives_nothing():
    t, mean, variance = curve(0.5, 1, 1, levels=5)
    assert np.isnan(fit(t, mean, variance, PARTICLES, onset=0.5, dimension=1).llc)
    t, mean, variance = curve(0.5, 1, 1)
    assert fit(t, mean * np.nan, variance, PARTICLES, onset=0.5, dimension=1).multiplicity == 0


def test_the_interval_is_that_of_the_mixture():
    rng = np.random.default_rng(0)
    centers, widths, weights = (
        np.array([0.0, 0.1, 1.0]),
        np.array([0.1, 0.2, 0.1]),
        np.array([0.6, 0.37, 0.03]),
    )
    which = rng.choice(3, 400_000, p=weights)
    draws = centers[which] + widths[which] * rng.normal(size=len(which))
    for share in (0.025, 0.5, 0.975):
        found = _quantile(share, centers, widths, weights)
        assert abs(np.mean(draws < found) - share) < 4 * np.sqrt(share * (1 - share) / len(draws))
