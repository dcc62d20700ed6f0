"""The measured constant, and predictions that carry errors to n."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.special

from slt.records.phases import Occupancy, PhaseFacts
from slt.transitions import free_energy, volume

FACTS = (
    PhaseFacts("a", "a", 0.40, 1.0, 1, -1.0, "test"),
    PhaseFacts("b", "b", 0.20, 4.0, 2, -1.0, "test"),
    PhaseFacts("c", "c", 0.10, None, None, -1.0, "test"),
)
CONSTANTS = {"a": -1.0, "b": 3.0}


def energies(sample_sizes):
    """(n, phase) from the formula with the constants above, c out of sight."""
    rows = [
        sample_sizes * f.loss
        + (f.llc or 0) * np.log(sample_sizes)
        - ((f.multiplicity or 1) - 1) * np.log(np.log(sample_sizes))
        for f in FACTS
    ]
    rows[0], rows[1], rows[2] = rows[0] + CONSTANTS["a"], rows[1] + CONSTANTS["b"], rows[0] + 50
    return np.stack(rows, axis=1)


def population(noise=0.0, repeats=4):
    sample_sizes = np.array([10.0, 40, 60, 80, 110])
    energy = energies(sample_sizes)[None, :, None] + noise * np.random.default_rng(0).normal(
        size=(1, 1, repeats, 1)
    )
    share = scipy.special.softmax(-energy, axis=-1)
    blank = np.zeros(share.shape)
    visits = np.round(share * 1000).astype(int)
    switches = np.full(share.shape[:3], -1)
    return Occupancy(
        sample_sizes,
        share,
        -scipy.special.logsumexp(-energy, axis=-1),
        visits,
        switches,
        blank,
        blank,
        np.asarray(1e-3),
    )


def test_the_constant_is_recovered_with_its_multiplicity():
    found = volume.constants(population(), FACTS)
    assert set(found) == {"a", "b"}  # lambda of c is unknown
    for name, value in CONSTANTS.items():
        assert found[name].value == pytest.approx(value, abs=1e-9)
        assert found[name].drift < 1e-9
        assert np.ptp(found[name].repeats) < 1e-9


def test_noise_of_the_evidence_that_phases_share_cancels():
    found = volume.constants(population(noise=0.3, repeats=8), FACTS)
    assert np.std(found["b"].repeats) > 0.05
    value, error = volume.difference(found["a"], found["b"])
    assert value == pytest.approx(CONSTANTS["b"] - CONSTANTS["a"], abs=1e-9)
    assert error == pytest.approx(np.hypot(found["a"].drift, found["b"].drift))


def test_noise_of_their_own_does_not():
    a, b = volume.Constant(0.0, (0.1, -0.1, 0.0, 0.0), 0.0), volume.Constant(1.0, (1.0, 1.2, 0.9, 0.9), 0.3)
    _, error = volume.difference(a, b)
    assert error == pytest.approx(np.hypot(np.std([0.9, 1.3, 0.9, 0.9], ddof=1) / 2, 0.3))


def test_a_failed_repeat_is_left_out():
    whole = population(repeats=4)
    share, energy = whole.share.copy(), whole.free_energy.copy()
    share[0, :, 1], energy[0, :, 1] = np.nan, np.nan
    found = volume.constants(dataclasses.replace(whole, share=share, free_energy=energy), FACTS)
    assert found["b"].value == pytest.approx(CONSTANTS["b"], abs=1e-9)
    assert np.isnan(found["b"].repeats[1])


def test_an_unknown_multiplicity_counts_as_one_on_both_sides():
    source = PhaseFacts("a", "a", 0.40, 1.0, 2, -1.0, "test")
    constants = {"a": volume.Constant(0.0, (0.0,), 0.0), "b": volume.Constant(0.0, (0.0,), 0.0)}
    one, unknown = (PhaseFacts("b", "b", 0.20, 9.0, m, -1.0, "test") for m in (1, None))
    known = free_energy.crossing(source, one, "volume", constants).n
    assert free_energy.crossing(source, unknown, "volume", constants).n == pytest.approx(known)


def test_a_prediction_with_the_measured_volume_is_where_the_population_energies_cross():
    constants = volume.constants(population(), FACTS)
    prediction = free_energy.crossing(FACTS[0], FACTS[1], "volume", constants)
    assert prediction.n is not None
    gap = np.diff(energies(np.array([prediction.n]))[0, :2])
    assert gap == pytest.approx(0, abs=1e-9)


def test_errors_of_the_constants_and_of_lambda_reach_n():
    sure = free_energy.crossing(FACTS[0], FACTS[1], "leading")
    assert sure.n_low == sure.n == sure.n_high
    constants = {"a": volume.Constant(-1.0, (-1.0,), 0.0), "b": volume.Constant(3.0, (3.0,), 0.2)}
    prediction = free_energy.crossing(FACTS[0], FACTS[1], "volume", constants)
    later = free_energy.crossing(
        FACTS[0], FACTS[1], "volume", constants | {"b": volume.Constant(3.0 + 1.96 * 0.2, (3.0,), 0.0)}
    )
    assert prediction.n_high == pytest.approx(later.n, rel=0.02)
    measured = PhaseFacts("b", "b", 0.20, 4.0, 2, -1.0, "test", llc_error=0.1)
    wide = free_energy.crossing(FACTS[0], measured, "leading")
    assert wide.n_low < wide.n < wide.n_high


def test_what_is_unknown_is_named():
    assert "learning coefficient: c" in free_energy.crossing(FACTS[0], FACTS[2], "volume", {}).why
    assert "local volume" in free_energy.crossing(FACTS[0], FACTS[1], "volume", {}).why
    assert [p.approximation for p in free_energy.predictions_of(FACTS[0], FACTS[1])] == ["leading", "prior"]
    assert math.isfinite(
        free_energy.predictions_of(FACTS[0], FACTS[1], volume.constants(population(), FACTS))[2].n
    )
