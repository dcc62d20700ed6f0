"""The numbers behind the figures, against values worked out by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slt.records.phases import Occupancy, PhasePath
from slt.records.training import Trajectory
from slt.report.summaries import (
    error_text,
    estimate,
    interval,
    number,
    percent,
    phase_energy,
    sgd_shares,
    units,
    whole,
)


def occupancy(share: np.ndarray, floor: float) -> Occupancy:
    """Of shares (dataset, n, repeat, phase); nothing else in it is looked at."""
    shape = share.shape[:3]
    blank = np.zeros(shape)
    sample_sizes = np.arange(1, shape[1] + 1)
    return Occupancy(
        sample_sizes, share, blank, np.zeros(share.shape), blank, share, share, np.asarray(floor)
    )


def test_error_is_over_data_sets_where_there_are_several():
    share = np.array([[[0.1], [0.3]], [[0.5], [0.7]], [[0.6], [0.8]]])[:, None]  # 3 data sets, 1 n, 2 repeats
    mean, error = estimate(units(share))
    data_sets = np.array([0.2, 0.6, 0.7])
    assert mean == pytest.approx(data_sets.mean())
    assert error == pytest.approx(data_sets.std(ddof=1) / np.sqrt(3))


def test_error_is_over_repeats_of_a_single_data_set_and_unknown_of_a_single_repeat():
    share = np.array([0.1, 0.3, 0.5, 0.7]).reshape(1, 1, 4, 1)
    mean, error = estimate(units(share))
    assert mean == pytest.approx(0.4)
    assert error == pytest.approx(np.std([0.1, 0.3, 0.5, 0.7], ddof=1) / 2)
    assert np.isnan(estimate(units(share[:, :, :1])).error).all()


def test_missing_units_are_left_out():
    mean, error = estimate(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    assert mean[0] == 2.0
    assert error[0] == pytest.approx(1.0)  # of two units: sqrt(2) / sqrt(2)
    assert np.isnan([mean[1], error[1]]).all()


def test_the_free_energy_of_a_phase_is_minus_log_share():
    share = np.array([[[0.25, 0.75]], [[0.5, 0.5]]])[:, None]
    energy = phase_energy(occupancy(share, 0.01))
    assert energy.mean[0] == pytest.approx([-np.log([0.25, 0.5]).mean(), -np.log([0.75, 0.5]).mean()])
    assert not energy.bound.any()


def test_a_phase_never_visited_has_a_bound_at_the_floor_of_all_repeats_together():
    share = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.1, 0.9], [0.0, 1.0]]])[:, None]
    energy = phase_energy(occupancy(share, 0.01))
    assert energy.bound[0].tolist() == [True, False]
    assert energy.mean[0, 0] == pytest.approx((-np.log(0.01 / 2) - np.log(0.05)) / 2)


def test_quadrature_has_no_floor_so_no_bound():
    energy = phase_energy(occupancy(np.array([0.0, 1.0]).reshape(1, 1, 1, 2), 0.0))
    assert np.isnan(energy.mean[0, 0])
    assert energy.mean[0, 1] == 0.0


def test_seeds_that_failed_are_not_counted():
    path = PhasePath(np.array([0, 1]), np.array([[0, 1], [0, 0], [0, 1]]))
    blank = np.zeros((3, 2))
    trajectory = Trajectory(
        path.steps, {}, blank, blank, {}, np.zeros(3), np.array(["ok", "ok", "diverged at step 1"])
    )
    assert sgd_shares(trajectory, path, 2).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    none = dataclasses.replace(trajectory, status=np.full(3, "diverged at step 1"))
    assert np.isnan(sgd_shares(none, path, 2)).all()


@pytest.mark.parametrize(
    ("shape", "floor", "words"),
    [
        ((3, 1, 2, 1), 0.01, "over 3 data sets"),
        ((1, 1, 4, 1), 0.01, "over 4 repeats on one data set"),
        ((1, 1, 1, 1), 0.01, "no error is known"),
        ((1, 1, 1, 1), 0.0, "exact"),
    ],
)
def test_bands_are_called_what_they_are(shape, floor, words):
    assert words in error_text(occupancy(np.ones(shape), floor))


def test_numbers_for_people():
    assert [number(x) for x in (225_000.0, 0.048186, None, float("nan"))] == ["225,000", "0.04819", "–", "–"]
    assert [whole(x) for x in (430.4, 1.5, None)] == ["430", "1.5", "–"]
    assert [percent(x) for x in (0.553, 0.001, 0.0, 0.9999, 1.0, float("nan"))] == [
        "55 %", "< 1 %", "0 %", "> 99 %", "100 %", "–",
    ]  # fmt: skip
    assert [interval(*x) for x in ((350.0, 550.0), (None, 550.0), (350.0, None), (None, None))] == [
        "350 to 550", "up to 550", "350 or more", "–",
    ]  # fmt: skip


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30).map(lambda x: np.array(x).reshape(1, 1, -1, 1)))
def test_the_mean_lies_between_the_extremes_and_the_error_is_not_negative(share):
    mean, error = estimate(units(share))
    assert share.min() - 1e-12 <= mean <= share.max() + 1e-12
    assert error >= 0
