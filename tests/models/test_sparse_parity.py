"""Sparse parity: inputs and frequencies, exact solutions of some tasks, and which are counted as learned."""

import jax
import numpy as np
import pytest

from slt.models.common.boolean_functions import Unit
from slt.models.sparse_parity import SparseParity

MODEL = SparseParity(tasks=4, bits=5, degree=3, alpha=0.5, hidden=14)


def test_frequencies_are_a_power_law_that_samples_follow():
    p = MODEL.frequencies
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p / p[0], [i**-1.5 for i in (1, 2, 3, 4)])
    assert MODEL.probability().sum() == pytest.approx(1)
    count = 20_000
    seen = np.bincount(np.asarray(MODEL.sample(jax.random.key(0), count).which) // 32, minlength=4)
    assert np.all(np.abs(seen - count * p) < 5 * np.sqrt(count * p * (1 - p)))


def test_each_task_is_the_parity_of_its_own_bits():
    assert len({*MODEL.subsets}) == 4
    inputs, target = MODEL.inputs(), MODEL.target()
    assert inputs.shape == (4 * 32, 4 + 5)
    for row, value in zip(inputs, target, strict=True):
        (task,) = np.flatnonzero(row[:4])
        assert value == np.prod([row[4 + bit] for bit in MODEL.subsets[task]])


def test_subsets_do_not_depend_on_how_many_tasks_there_are():
    assert SparseParity(tasks=2, bits=5, degree=3, hidden=14).subsets == MODEL.subsets[:2]


@pytest.mark.parametrize("model", [MODEL, SparseParity()], ids=["degree 3", "degree 2"])
def test_points_solve_the_most_frequent_tasks_and_are_silent_in_others(model):
    phases = model.phases()
    assert [phase.name for phase in phases][:3] == ["no task", "1 task", "2 tasks"]
    assert all(phase.critical for phase in phases)
    for count, phase in enumerate(phases):
        outputs = np.asarray(model.outputs(phase.point)).reshape(model.tasks, -1)
        expected = model.target().reshape(model.tasks, -1) * (np.arange(model.tasks) < count)[:, None]
        np.testing.assert_allclose(outputs, expected, atol=1e-12)
        losses = np.array(list(model.observables(phase.point).values()))
        np.testing.assert_allclose(losses, np.arange(model.tasks) >= count, atol=1e-12)
        np.testing.assert_allclose(model.drawing(phase.point).values, 1 - losses, atol=1e-12)
        assert phase.loss == pytest.approx(float(losses @ model.frequencies) / (2 * model.noise**2))


def test_tasks_are_counted_whichever_they_are():
    model = SparseParity()
    third = model._solution(3)[0][4:6]  # two units for each task
    constant = Unit(np.array([0, 0, 2.0, 0, 0, 0]), -1.0, 1.0)
    other = model.point_of([*third, constant], 0.0)
    np.testing.assert_allclose(model.correlations(other), [0, 0, 1], atol=1e-12)
    assert int(model.classify(other)) == 1


def test_a_task_halfway_between_is_other_only_beyond_it():
    model = SparseParity()
    whole = model.phases()[1].point
    for factor, label in ((0.4, 0), (0.6, 1), (1.4, 1), (1.6, 4), (-0.6, 4)):
        w = {k: v * (factor if k.startswith("output") else 1.0) for k, v in whole.items()}
        assert int(model.classify(w)) == label, factor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 13}, "bits must lie between 1 and 12"),
        ({"degree": 4}, "degree must lie between 1 and bits = 3"),
        ({"tasks": 4}, "tasks must lie between 1 and 3, the number of subsets"),
        ({"alpha": -1.0}, "alpha must be 0 or a positive number"),
        ({"hidden": 6}, "built of 7 hidden units, so hidden cannot be 6"),
        ({"init_scale": 0.0}, "init_scale must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SparseParity(**options)
