"""Planted sums of sigmoids are recovered, and what the explanation makes of curves that are no such sum."""

import dataclasses

import numpy as np
import pytest

from slt.comparer import narrative
from slt.comparer.summary import plain
from slt.config.validation import build
from slt.records.transitions import SigmoidFits
from slt.transitions import sigmoids

STEPS = np.unique(np.concatenate([[0], np.geomspace(1, 225_000, 200).astype(int)]))
CLOCK = np.log1p(STEPS)
DECADE = np.log(10)


def planted(centers, widths, heights, noise=0.0, seed=0):
    """A base of 0.1 and falls whose 10 to 90 % take `widths` nats."""
    falls = [
        height / (1 + np.exp((CLOCK - np.log1p(center)) / (width / (2 * np.log(9)))))
        for center, width, height in zip(centers, widths, heights, strict=True)
    ]
    return 0.1 + sum(falls) + np.random.default_rng(seed).normal(0, noise, len(STEPS))


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.005])
@pytest.mark.parametrize(
    ("centers", "widths", "heights"),
    [
        ([1000], [0.3], [1.0]),
        ([100, 3000], [2.0, 0.3], [1.0, 0.5]),
        ([300, 8000, 60_000], [0.3, 0.8, 0.5], [0.5, 0.3, 0.2]),
        ([50, 400, 3000, 20_000], [0.5, 0.5, 0.5, 0.5], [0.4, 0.3, 0.2, 0.1]),
    ],
)
def test_planted_sums_are_recovered(centers, widths, heights, noise):
    found = sigmoids.decompose(STEPS, planted(centers, widths, heights, noise))
    assert found.k == len(centers)
    np.testing.assert_allclose(np.log1p(found.centers), np.log1p(centers), atol=0.1 * DECADE)
    np.testing.assert_allclose(found.heights, heights, rtol=0.05, atol=0.01)
    np.testing.assert_allclose(found.widths, widths, rtol=0.3)
    assert found.base == pytest.approx(0.1, abs=0.005)
    assert found.residual == pytest.approx(noise, rel=0.2, abs=1e-6)
    assert found.explained > 0.999
    assert np.argmin(found.bic) == found.k


def test_a_step_between_two_checkpoints_is_one_sigmoid():
    found = sigmoids.decompose(STEPS, np.where(np.arange(len(STEPS)) < 120, 1.0, 0.5))
    assert found.k == 1
    assert STEPS[119] < found.centers[0] < STEPS[120]
    assert found.heights[0] == pytest.approx(0.5, abs=0.002)


def test_noise_holds_no_sigmoid():
    rng = np.random.default_rng(0)
    assert sum(sigmoids.decompose(STEPS, rng.normal(size=len(STEPS))).k for _ in range(50)) <= 1


@pytest.mark.parametrize(
    "curve", [0.1 + np.exp(-STEPS / 2000), 0.1 + (1 + STEPS / 30) ** -0.5], ids=["exponential", "power law"]
)
def test_a_relaxation_passes_for_a_sigmoid(curve):
    """The limit of this explanation that the module states."""
    found = sigmoids.decompose(STEPS, curve)
    assert found.r2[1] > 0.998
    assert 2 <= found.k <= 4
    assert min(found.widths) > 1  # nats: and none of these falls is sharp


def test_a_rise_is_explained_by_none():
    assert sigmoids.decompose(STEPS, -planted([1000], [0.3], [1.0], 0.01)).k == 0


def test_sharp_falls_of_seeds_blur_into_wide_ones_of_the_mean():
    when = np.exp(np.random.default_rng(1).normal(np.log([300, 20_000]), 0.5, (24, 2)))
    losses = np.stack([planted(w, [0.3, 0.3], [0.5, 0.3], 0.002, seed) for seed, w in enumerate(when)])
    losses[3, -1] = np.nan  # a seed that failed
    found = sigmoids.decompose_all(STEPS, losses)
    assert found.count == 23
    assert [seed.k for seed in found.seeds] == [2] * 16
    told = narrative.explained_by_sigmoids(found)
    assert "The mean loss of 23 seeds is explained to over 99.9 % by" in told
    assert "single seeds by a median of 2 (over 99.9 %)" in told
    assert "may have made wide ones" in told
    assert build(plain(dataclasses.asdict(found)), SigmoidFits) == found


def test_too_little_is_said_or_refused():
    assert sigmoids.decompose_all(STEPS, np.full((2, len(STEPS)), np.nan)) is None
    assert sigmoids.decompose_all(STEPS[:8], np.ones((2, 8))) is None
    flat = sigmoids.decompose(STEPS, np.ones(len(STEPS)))
    assert (flat.k, flat.base) == (0, 1.0)
    with pytest.raises(ValueError, match="one loss for each step"):
        sigmoids.decompose(STEPS, np.ones(3))
    with pytest.raises(ValueError, match="increase"):
        sigmoids.decompose(STEPS[::-1], np.ones(len(STEPS)))
    with pytest.raises(ValueError, match="12 finite points"):
        sigmoids.decompose(STEPS, np.where(STEPS < 10, 1.0, np.nan))
