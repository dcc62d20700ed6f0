"""Gradient descent on the exact population loss of low-rank models, and what its loss curves look like."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from slt.models.common.low_rank import LowRank
from slt.training.optimizers import Optimizer
from slt.transitions import changepoints, sigmoids

POINTS = 200  # of a curve that is searched for jumps, evenly in steps
END = 0.01  # of the loss at the start: where a curve ends
STEP = 0.05  # of the loss at the start: a smaller fall is no step
RISE = 0.01  # of the loss at the start: a smaller rise is no bump


class Shape(NamedTuple):
    """What one loss curve looks like.

    Attributes:
      plateau: steps until the loss has fallen by 10 %, over those until it has fallen by 90 %; an exponential has
        0.046. NaN where it never falls so far.
      log_share: the same with log(1 + step) in place of steps. acceleration: the steepest fall over that at the
      start; an exponential has 1. jumps: accelerations of the loss, found without labels
      (`slt.transitions.changepoints`). Not of its logarithm, which
        without noise is split in two at rank 1: into the fall, and the exponential approach after it.
      sigmoids: how many sigmoids in log step explain it best (`slt.transitions.sigmoids`).
      rises: times it rises, by 1 % of the loss at the start or more.
      left: the last loss over that at the start.
    """

    plateau: float
    log_share: float
    acceleration: float
    jumps: int
    sigmoids: int
    rises: int
    left: float

    @property
    def bumps(self) -> int:
        """Steps beyond the first, and rises."""
        return max(self.jumps - 1, 0) + self.rises


@partial(jax.jit, static_argnames=("model", "optimizer", "seeds", "steps"))
def descend(model: LowRank, optimizer: Optimizer, seeds: int, steps: int) -> jax.Array:
    """(seeds, steps + 1) population loss before each step and after the last, nats; in float32, as in training."""
    rule = optimizer.build(steps)

    def one(key: jax.Array) -> jax.Array:
        start = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), model.init(key))

        def step(carry: tuple, _: None) -> tuple[tuple, jax.Array]:
            w, memory = carry
            loss, gradient = jax.value_and_grad(model.population_loss)(w)
            change, memory = rule.update(gradient, memory, w)
            return (jax.tree.map(jnp.add, w, change), memory), loss

        return jax.lax.scan(step, (start, rule.init(start)), length=steps + 1)[1]

    return jax.lax.map(
        one, jax.random.split(jax.random.key(0), seeds)
    )  # one by one: large matrices fill a core


def shape(loss: np.ndarray) -> Shape:
    """Args: loss (step,) after 0, 1, ... steps."""
    loss = np.asarray(loss, float)
    t10, t90 = (first(loss, (1 - fallen) * loss[0]) for fallen in (0.1, 0.9))
    end = first(loss, END * loss[0])
    last = len(loss) - 1 if math.isnan(end) else int(end)
    even = np.arange(
        0, last + 1, max(1, last // POINTS)
    )  # one stride: uneven ones would pass for changes of speed
    by_log = np.unique(np.expm1(np.linspace(0, math.log1p(last), POINTS)).round().astype(int))
    window = max(int(0.01 * t90), 5) if math.isfinite(t90) else 5
    rate = (loss[:-window] - loss[window:]) / window
    return Shape(
        plateau=t10 / t90,
        log_share=math.log1p(t10) / math.log1p(t90),
        acceleration=float(rate.max() / rate[0]),
        jumps=len(changepoints.find(even, loss[even] / loss[0], STEP)),
        sigmoids=sigmoids.decompose(by_log, loss[by_log]).k,
        rises=_rises(loss / loss[0]),
        left=float(loss[-1] / loss[0]),
    )


def first(loss: np.ndarray, level: float) -> float:
    """The first step at which the loss is at the level or below; NaN where it never is."""
    below = np.flatnonzero(loss <= level)
    return float(below[0]) if len(below) else math.nan


def _rises(loss: np.ndarray) -> int:
    """How often a curve rises by `RISE` from its lowest point since the last rise ended."""
    count, low, high, rising = 0, loss[0], loss[0], False
    for value in loss:
        if rising:
            high = max(high, value)
            if value < high - RISE:
                rising, low = False, value
        elif value > low + RISE:
            count, rising, high = count + 1, True, value
        low = min(low, value)
    return count
