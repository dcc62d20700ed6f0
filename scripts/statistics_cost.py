"""What one evaluation of n L_n and its gradient costs, by sorted prefix sums and by the direct sum."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scripts.result import Result, table
from slt.models.superposition import Superposition

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
BATCH = 1024  # parameters evaluated together
REPEATS = 7


def study() -> Result:
    model = Superposition()
    w = jax.vmap(model.sample_prior)(jax.random.split(jax.random.key(0), BATCH))
    rows, numbers = [], {}
    for n in SIZES:
        data = model.sample(jax.random.key(1), n)
        summary = jax.jit(model.summarize)(data, jnp.ones(n))

        def direct(w: dict, data: Any = data) -> jax.Array:
            return jnp.sum(model.losses(w, data))

        fast = _microseconds(lambda w, s=summary: model.summed_loss(w, s), w)
        # the direct sum of a large data set is measured on fewer parameters at a time, to fit in memory
        few = jax.tree.map(lambda leaf, n=n: leaf[: max(1, min(BATCH, 1_000_000 // n))], w)
        slow = _microseconds(direct, few)
        numbers[str(n)] = {"statistics_us": fast, "direct_us": slow}
        rows.append([f"{n:,}", _spread(fast), _spread(slow), f"{np.median(slow) / np.median(fast):,.0f} x"])
    flat = np.median(numbers["100000"]["statistics_us"]) / np.median(numbers["100"]["statistics_us"])
    text = f"""# The cost of a likelihood does not grow with n

Superposition, c = 6, r = 2. Time of one value and gradient of n L_n, in microseconds (median, and range over
{REPEATS} runs), {BATCH} parameters evaluated together (fewer for the direct sum of large data sets).
At n = 100,000 the statistics cost {flat:.2f} times what they cost at n = 100.

{table(["n", "prefix sums", "direct sum", "ratio"], rows)}
"""
    return Result(text, {"microseconds": numbers, "ratio_1e5_to_1e2": float(flat)})


def _microseconds(loss: Callable, w: dict) -> list[float]:
    run = jax.jit(jax.vmap(jax.value_and_grad(loss)))
    jax.block_until_ready(run(w))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(run(w))
        times.append((time.perf_counter() - start) / jax.tree.leaves(w)[0].shape[0] * 1e6)
    return times


def _spread(times: list[float]) -> str:
    return f"{np.median(times):,.2f} ({min(times):,.2f} to {max(times):,.2f})"
