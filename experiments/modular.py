"""Training on some sums modulo p, and accuracy on those and on all others: for the studies of grokking."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.modular_addition import ModularAddition
from slt.records.base import Array
from slt.records.training import Trajectory
from slt.runtime.long_computation import drive
from slt.training.optimizers import AdamW
from slt.training.trainer import Trainer

KNOWN, RULE = (
    0.99,
    0.95,
)  # train accuracy from which on a data set is memorized; test accuracy from which on the rule is found


class Trained(NamedTuple):
    """An ensemble, each seed on a data set of its own.

    Attributes:
      trajectory: see `Trajectory`.
      data: leading axes (seed, n).
      train, test: (seed, checkpoint) accuracy on the pairs of the seed's data set, and on all others.
    """

    trajectory: Trajectory
    data: Any
    train: Array
    test: Array


def fit(
    model: ModularAddition,
    n: int,
    *,
    decay: float,
    seeds: int,
    steps: int,
    checkpoints: int = 60,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> Trained:
    """AdamW on batches of all n observations; with decay 0 it is Adam.

    Args:
      decay: weight decay; every step takes learning_rate x decay off each weight's share of itself.
      seed: of the data sets and of where training starts.
    """
    drawn, started = jax.random.split(jax.random.key(seed))
    data = jax.vmap(lambda key: model.sample(key, n))(jax.random.split(drawn, seeds))
    optimizer = AdamW(learning_rate=learning_rate, b2=0.98, weight_decay=decay)
    trainer = Trainer(
        seeds=seeds, steps=steps, batch_size=n, n=n, checkpoints=checkpoints, optimizer=optimizer
    )
    trajectory = drive(trainer.stage(model, data), started)
    train, test = accuracies(model, trajectory.params, counts(model, data))
    return Trained(trajectory, data, train, test)


def counts(model: ModularAddition, data: Any) -> Array:
    """(dataset, p^2) how often each pair is in data sets with leading axes (dataset, n)."""
    summarize = jax.jit(jax.vmap(lambda rows: model.summarize(rows, jnp.ones(rows.x.shape[0]))))
    return np.asarray(summarize(data))


def accuracies(model: ModularAddition, params: dict[str, Array], seen: Array) -> tuple[Array, Array]:
    """Train and test accuracy (dataset, point) at parameters with leading axes (dataset, point)."""
    train, test = _accuracies(model, jax.tree.map(jnp.asarray, params), jnp.asarray(seen))
    return np.asarray(train), np.asarray(test)


@jax.jit
def _accuracies(model: ModularAddition, params: Any, seen: jax.Array) -> Any:
    over_points = jax.vmap(model.train_and_test, in_axes=(0, None))
    return jax.lax.map(lambda one: over_points(*one), (params, seen))
