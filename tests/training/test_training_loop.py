import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
from training_models import Census, Regression, datasets

from slt.models.superposition import Superposition
from slt.runtime.long_computation import drive
from slt.training import loop
from slt.training.optimizers import Adam, AdamW, Momentum, Sgd
from slt.training.trainer import Trainer

OPTIMIZERS = [
    Sgd(0.05),
    Momentum(0.02, nesterov=True),
    Adam(0.05, schedule="cosine", warmup=0.1),
    AdamW(0.05, weight_decay=0.1),
]
KEY = jax.random.key(0)


def visits(n, batch_size, steps, seeds=3):
    """(seed, step, row) how often each row was visited in steps 1, ..., steps."""
    trainer = Trainer(
        seeds, steps, batch_size, n, checkpoints=steps + 1, spacing="linear", optimizer=Sgd(batch_size)
    )
    model = Census(size=n)
    record = drive(trainer.stage(model, datasets(model, n)), KEY)
    return np.diff(record.params["visits"], axis=1)


def test_an_epoch_visits_each_observation_exactly_once():
    seen = visits(n=12, batch_size=4, steps=15).reshape(3, 5, 3, 12)  # seed, epoch, step, row
    np.testing.assert_array_equal(seen.sum(axis=3), 4)
    np.testing.assert_array_equal(seen.sum(axis=2), 1)
    first_batches = seen[:, :, 0].reshape(-1, 12)
    assert len(np.unique(first_batches, axis=0)) > 10  # seeds and epochs have orders of their own


def test_the_ragged_tail_of_an_epoch_is_dropped_and_differs_between_epochs():
    epochs = visits(n=11, batch_size=4, steps=40).reshape(3, 20, 2, 11).sum(axis=2)
    np.testing.assert_array_equal(epochs.sum(axis=2), 8)
    assert epochs.max() == 1
    assert np.all(epochs.sum(axis=1) > 0)  # no observation is left out of every epoch


def test_a_batch_may_be_the_whole_data_set():
    np.testing.assert_array_equal(visits(n=5, batch_size=5, steps=3), 1)
    np.testing.assert_array_equal(visits(n=1, batch_size=1, steps=3), 1)


def test_every_order_is_equally_likely():
    keys = jax.random.split(KEY, 24_000)
    orders = np.asarray(loop._shuffles(keys, jnp.int32(3), 4))
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_shuffles_are_permutations_at_sizes_around_powers_of_two():
    for n in (1, 2, 32, 33, 1000):
        orders = loop._shuffles(jax.random.split(KEY, 3), jnp.int32(0), n)
        np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(n), (3, 1)))


def batches_of_an_epoch_run(ensemble, data, seed, which, batch_size, steps):
    n = ensemble.order.shape[1]
    shuffles = jax.jit(loop._shuffles, static_argnums=2)
    for t in range(steps):
        epoch, position = divmod(t, n // batch_size)
        order = np.asarray(shuffles(ensemble.keys, jnp.int32(epoch), n))[seed]
        rows = order[position * batch_size : (position + 1) * batch_size]
        yield jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[which, rows], data)


def by_hand(model, optimizer, w, batches, steps):
    """A plain loop of optax updates."""
    rule = optimizer.build(steps)

    @jax.jit
    def step(w, memory, batch):
        gradient = jax.grad(lambda w: jnp.mean(model.losses(w, batch)))(w)
        change, memory = rule.update(gradient, memory, w)
        return optax.apply_updates(w, change), memory

    memory = rule.init(w)
    for batch in batches:
        w, memory = step(w, memory, batch)
    return w


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_agrees_with_a_plain_loop_of_optax_updates(optimizer):
    model, seed, steps = Regression(), 4, 50
    trainer = Trainer(6, steps, batch_size=7, n=45, checkpoints=9, optimizer=optimizer)
    stage = trainer.stage(model, datasets(model, 45, count=3))
    start = stage.init(KEY).ensemble
    w = jax.tree.map(lambda leaf: leaf[seed], start.params)
    expected = by_hand(
        model, optimizer, w, batches_of_an_epoch_run(start, stage.data, seed, seed % 3, 7, steps), steps
    )
    record = drive(stage, KEY)
    for name, leaf in expected.items():
        np.testing.assert_allclose(record.params[name][seed, -1], leaf, rtol=2e-5, atol=2e-6)
        assert not np.allclose(record.params[name][seed, 0], leaf, rtol=1e-2)


def test_a_fresh_stream_agrees_with_a_plain_loop():
    model, seed, steps = Regression(), 1, 50
    stage = Trainer(2, steps, 5, n=None, checkpoints=4, optimizer=Sgd(0.05)).stage(model, None)
    start = stage.init(KEY).ensemble
    draw = jax.jit(lambda t: loop.cast(model.sample(jax.random.fold_in(start.keys[seed], t), 5), jnp.float32))
    w = jax.tree.map(lambda leaf: leaf[seed], start.params)
    expected = by_hand(model, Sgd(0.05), w, map(draw, range(steps)), steps)
    np.testing.assert_allclose(drive(stage, KEY).params["w"][seed, -1], expected["w"], rtol=2e-5)


def test_full_batch_descent_follows_its_closed_form():
    """w_t = w* + (1 - eta H)^t (w_0 - w*), H = X'X/n and w* the least squares fit, intercept included."""
    model, eta = Regression(), 0.1
    stage = Trainer(3, 100, 30, 30, 12, optimizer=Sgd(eta)).stage(model, datasets(model, 30))
    record = drive(stage, KEY)
    rows = jax.tree.map(lambda leaf: np.asarray(leaf[0]), datasets(model, 30))
    design = np.column_stack([rows["x"], np.ones(30)])
    best, *_ = np.linalg.lstsq(design, rows["y"])
    contraction = np.eye(4) - eta * design.T @ design / 30
    path = np.concatenate([record.params["w"], record.params["b"][..., None]], axis=2)
    for k, t in enumerate(record.steps):
        expected = best + (path[:, 0] - best) @ np.linalg.matrix_power(contraction, t)
        np.testing.assert_allclose(path[:, k], expected, atol=1e-5)


@pytest.mark.parametrize("n", [40, None])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_float32_stays_float32(optimizer, n):
    model = Regression()
    data = loop.cast(datasets(model, 40), jnp.float32) if n else None

    def train(key):
        start = loop.begin(model, key, optimizer=optimizer, seeds=2, n=n or 0, horizon=9)
        stops, dataset = jnp.arange(3, dtype=jnp.int32), jnp.zeros(2, jnp.int32)
        rule = {"optimizer": optimizer, "batch_size": 5, "horizon": 9}
        return start, loop.advance(start, stops, model, data, dataset, **rule)

    before, (after, params) = jax.eval_shape(train, KEY)
    for leaf in jax.tree.leaves((before.params, before.memory, after.params, after.memory, params)):
        assert leaf.dtype in (jnp.float32, jnp.int32)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, before)


def test_nothing_on_the_hot_path_is_computed_in_float64():
    model = Regression()
    stage = Trainer(2, 10, 5, 40, 3).stage(model, datasets(model, 40))
    program = jax.make_jaxpr(
        lambda ensemble, data: loop.advance(
            ensemble,
            jnp.arange(3, dtype=jnp.int32),
            model,
            data,
            stage.dataset,
            optimizer=Sgd(),
            batch_size=5,
            horizon=None,
        )
    )(stage.init(KEY).ensemble, stage.data)
    assert "f32[2,3]" in str(program)
    assert "f64[2" not in str(program)


def test_superposition_losses_do_not_promote():
    model = Superposition(features=6, hidden=2)
    w, data = jax.eval_shape(lambda: loop.cast((model.init(KEY), model.sample(KEY, 20)), jnp.float32))
    assert data.feature.dtype == jnp.int32
    assert jax.eval_shape(model.losses, w, data).dtype == jnp.float32


def test_one_compilation_serves_every_chunk_and_gap():
    model = Regression()
    trainer = Trainer(2, 1000, 6, 31, 40)  # shapes of this test's own
    before = loop.advance._cache_size(), loop.measure._cache_size()
    record = drive(trainer.stage(model, datasets(model, 31)), KEY)
    assert len(np.unique(np.diff(record.steps))) > 10
    assert (loop.advance._cache_size(), loop.measure._cache_size()) == (before[0] + 1, before[1] + 1)
