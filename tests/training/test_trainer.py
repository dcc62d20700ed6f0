import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_models import Census, Regression, datasets

from slt.records.base import from_dataset, to_dataset
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive
from slt.training.optimizers import Sgd
from slt.training.trainer import Trainer

KEY = jax.random.key(1)
SMALL = Trainer(seeds=5, steps=120, batch_size=6, n=25, checkpoints=20, optimizer=Sgd(0.05))


def train(trainer=SMALL, count=2, key=KEY, model=None, chunk=8):
    model = model or Regression()
    data = None if trainer.n is None else datasets(model, trainer.n, count)
    return drive(dataclasses.replace(trainer.stage(model, data), chunk=chunk), key)


def assert_identical(a: Trajectory, b: Trajectory):
    jax.tree.map(np.testing.assert_array_equal, dataclasses.asdict(a), dataclasses.asdict(b))


def test_record_is_complete_and_survives_xarray():
    record = train()
    checkpoints = len(record.steps)
    assert record.params["w"].shape == (5, checkpoints, 3)
    assert record.params["w"].dtype == np.float32
    assert record.params["b"].shape == record.observables["norm"].shape == (5, checkpoints)
    assert record.loss.dtype == record.population_loss.dtype == np.float64
    assert record.steps[0] == 0
    assert record.steps[-1] == 120
    np.testing.assert_array_equal(record.dataset, [0, 1, 0, 1, 0])
    assert set(record.status) == {"ok"}
    assert_identical(from_dataset(Trajectory, to_dataset(record)), record)


@pytest.mark.parametrize("n", [25, None])
def test_the_same_key_gives_the_same_bits_and_another_key_does_not(n):
    trainer = dataclasses.replace(SMALL, n=n)
    first = train(trainer)
    assert_identical(first, train(trainer))
    other = train(trainer, key=jax.random.key(2))
    assert np.all(np.abs(first.params["w"] - other.params["w"]).max(axis=2) > 1e-6)


@pytest.mark.parametrize(("n", "chunk"), [(25, 1), (25, 1000), (None, 3)])
def test_the_chunk_size_changes_nothing(n, chunk):
    trainer = dataclasses.replace(SMALL, n=n)
    reference, record = train(trainer), train(trainer, chunk=chunk)
    np.testing.assert_array_equal(record.steps, reference.steps)
    jax.tree.map(np.testing.assert_array_equal, record.params, reference.params)
    np.testing.assert_allclose(record.loss, reference.loss, rtol=1e-14)  # one float64 rounding


def test_checkpoints_do_not_disturb_the_run():
    few, many = (train(dataclasses.replace(SMALL, checkpoints=k, spacing="linear")) for k in (3, 121))
    np.testing.assert_array_equal(many.params["w"][:, few.steps], few.params["w"])


def test_advance_leaves_its_state_alone():
    stage = SMALL.stage(Regression(), datasets(Regression(), 25))
    state, _ = stage.advance(stage.init(KEY))
    _, first = stage.advance(state)
    _, again = stage.advance(state)
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_progress_counts_steps_to_the_total():
    trainer = dataclasses.replace(SMALL, steps=1000, spacing="linear", checkpoints=101)
    reports = []
    stage = trainer.stage(Regression(), datasets(Regression(), 25))
    drive(stage, KEY, reports.append)
    assert stage.unit == "steps"
    assert reports == sorted(set(reports))
    assert reports[-1] == stage.total == 1000
    assert np.max(np.diff(reports)) <= 1000 // 40


def test_seeds_are_independent_and_do_not_depend_on_their_number():
    record = train(count=1)
    w = record.params["w"]
    for s in range(5):
        for other in range(s):
            assert np.all(np.abs(w[s, 0] - w[other, 0]) > 1e-4)
    fewer = train(dataclasses.replace(SMALL, seeds=2), count=1)
    np.testing.assert_allclose(fewer.params["w"], w[:2], rtol=1e-5, atol=1e-6)


def test_seeds_on_one_data_set_draw_their_own_minibatches():
    model = Regression(noise=3.0)
    stage = SMALL.stage(model, datasets(model, 25))
    state = stage.init(KEY)
    same = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), state.ensemble.params)
    state = state._replace(ensemble=state.ensemble._replace(params=same))
    while stage.progress(state) < stage.total:
        state, chunk = stage.advance(state)
    ends = chunk.params["w"][:, -1, 0]
    assert len(np.unique(ends)) == 5
    assert np.ptp(ends) > 1e-3


def test_losses_are_float64_at_the_stored_parameters_on_the_seeds_own_observations():
    model, record = Regression(), train()
    data = datasets(model, 25, 2)
    for s, k in [(0, 0), (1, 3), (4, -1)]:
        w = {name: jnp.asarray(leaf[s, k], jnp.float64) for name, leaf in record.params.items()}
        own = jax.tree.map(lambda leaf, s=s: leaf[s % 2], data)
        np.testing.assert_allclose(record.loss[s, k], np.mean(model.losses(w, own)), rtol=1e-12)
        np.testing.assert_allclose(record.population_loss[s, k], model.population_loss(w), rtol=1e-12)
        np.testing.assert_allclose(record.observables["norm"][s, k], np.sum(w["w"] ** 2), rtol=1e-12)


def test_observations_beyond_n_are_not_touched():
    model = Regression()
    longer = jax.tree.map(lambda leaf: leaf.at[:, 25:].set(jnp.nan), datasets(model, 40, 2))
    own = jax.tree.map(lambda leaf: leaf[:, :25], longer)
    assert_identical(drive(SMALL.stage(model, longer), KEY), drive(SMALL.stage(model, own), KEY))


def test_a_fresh_stream_has_no_data_set_and_learns():
    record = train(dataclasses.replace(SMALL, n=None, steps=500))
    np.testing.assert_array_equal(record.dataset, -1)
    assert np.all(np.isnan(record.loss))
    assert set(record.status) == {"ok"}
    floor = Regression().noise ** 2 / 2
    assert np.all(record.population_loss[:, -1] < 1.2 * floor)


def test_a_model_without_closed_forms_has_nan_and_no_observables():
    record = train(dataclasses.replace(SMALL, optimizer=Sgd(0.01)), model=Census(size=25))
    assert np.all(np.isnan(record.population_loss))
    assert record.observables == {}
    assert set(record.status) == {"ok"}


def test_a_seed_that_diverges_is_named_and_leaves_the_others_alone():
    model, calm = Regression(), datasets(Regression(), 25, 2)
    wild = jax.tree.map(lambda leaf: leaf.at[1].multiply(1e3), calm)  # curvature 1e6: any step overshoots
    record, reference = (drive(SMALL.stage(model, data), KEY) for data in (wild, calm))
    for s in range(5):
        if record.dataset[s] == 0:
            assert record.status[s] == "ok"
            np.testing.assert_array_equal(record.params["w"][s], reference.params["w"][s])
            np.testing.assert_array_equal(record.loss[s], reference.loss[s])
        else:
            finite = np.isfinite(record.loss[s]) & np.isfinite(record.params["w"][s]).all(axis=1)
            first = int(np.argmin(finite))
            assert 0 < first < len(record.steps) - 1
            assert record.status[s] == f"diverged at step {record.steps[first]}"


@pytest.mark.parametrize("n", [25, None])
def test_a_record_comes_back_though_every_seed_diverges(n):
    record = train(dataclasses.replace(SMALL, n=n, optimizer=Sgd(1e6)))
    assert all(status.startswith("diverged at step ") for status in record.status)
    assert record.steps[-1] == 120
    assert record.params["w"].shape == (5, len(record.steps), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds must be a whole number, at least 1, not 0"),
        ({"steps": 0}, "steps must be a whole number, at least 1, not 0"),
        ({"steps": 1e5}, "steps must be a whole number, at least 1, not 100000.0"),
        ({"steps": 2**30}, "steps must be less than 2^30, not 1073741824"),
        ({"batch_size": -1}, "batch_size must be a whole number, at least 1, not -1"),
        ({"n": 0}, "n must be a whole number, at least 1, not 0"),
        ({"n": True}, "n must be a whole number, at least 1, not True"),
        ({"checkpoints": 1}, "checkpoints must be a whole number, at least 2, not 1"),
        ({"n": 10}, "batch_size = 20 is more than the n = 10 observations of a data set"),
        ({"spacing": "cubic"}, "spacing must be one of log, linear, not 'cubic'"),
    ],
)
def test_names_the_option_that_is_out_of_range(options, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the whole message is compared)
        Trainer(**options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("n", "given", "message"),
    [
        (None, 30, "asks for a fresh stream, but a data set was given"),
        (25, None, "training on n = 25 observations needs a data set"),
        (25, 24, "n = 25 observations are needed in each data set, not 2 sets of 24"),
    ],
)
def test_data_must_fit_what_was_asked_for(n, given, message):
    data = {"x": np.zeros((2, given, 3)), "y": np.zeros((2, given))} if given else None
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, n=n).stage(Regression(), data)
