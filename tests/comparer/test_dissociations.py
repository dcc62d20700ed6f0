"""Presets in which SGD and the posterior provably differ, reduced: the comparer says what quadrature proves."""

import numpy as np
import pytest

import slt

WELLS = ("training.seeds=48", "training.steps=500", "training.checkpoints=40")


def run(store, *overrides):
    return slt.run(overrides, store=store, progress=False)


def verdicts(found):
    return {(row["from"], row["to"]): row["verdict"] for row in found.summary["comparison"]}


@pytest.fixture(scope="module")
def craters(tmp_path_factory):
    store = tmp_path_factory.mktemp("craters")
    reduced = ("training.seeds=48", "training.steps=2000", "posterior.sample_sizes=[5,100,1000]")
    return run(store, "experiment=crater_valley", *reduced)


def test_sgd_makes_a_jump_that_no_posterior_makes(tmp_path):
    found = run(tmp_path, "experiment=dynamical_only", *WELLS, "posterior.sample_sizes=[1,10,100,1000]")
    assert verdicts(found) == {("sharp", "flat"): "dynamical only"}
    assert not found.summary["bayesian"]
    assert all(n_index["share"]["sharp"] > n_index["share"]["flat"] for n_index in found.summary["occupancy"])
    (jump,) = (row for row in found.summary["dynamical"] if row["from"] == "sharp")
    assert jump["at_risk"] == 48
    assert jump["count"] >= 44


def test_sgd_and_the_posterior_jump_in_opposite_directions(tmp_path):
    found = run(tmp_path, "experiment=reversed", *WELLS, "posterior.sample_sizes=[1,10,100,250,350,1000]")
    assert verdicts(found) == {("sharp", "flat"): "dynamical only", ("flat", "sharp"): "bayesian only"}
    (jump,) = found.summary["bayesian"]
    assert jump["n"] == pytest.approx(301, abs=2)


def test_sgd_prefers_the_crater_at_the_end_of_the_valley(craters):
    label = craters.records["path"]["label"].values
    ends = np.bincount(label[:, -1], minlength=3)
    assert ends[1] > 0.7 * len(label)
    assert ends[0] < 0.15 * len(label)


def test_the_posterior_does_not(craters):
    assert verdicts(craters) == {}
    assert not craters.summary["bayesian"]
    for n_index in craters.summary["occupancy"][1:]:
        assert n_index["share"]["crater"] == pytest.approx(0.5, abs=1e-9)
        assert n_index["share"]["valley"] == pytest.approx(0.5, abs=1e-9)
