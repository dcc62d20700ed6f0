"""Seed-steps per second of SGD on superposition: an ensemble in one program, seeds one at a time, a PyTorch loop.

All take minibatches of 20 from shuffled epochs of 1,000 observations without replacement, plain SGD, float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from scripts.benchmarks.timing import Pairs, spread, timed

N, BATCH, RATE = 1000, 20, 0.005
ENSEMBLE, PAIRS = 256, 5
STEPS = {"ensemble": 20_000, "alone": 20_000, "torch": 3_000}


def rows() -> tuple[list[list[str]], dict[str, Any]]:
    """Rows of the table in microseconds a seed-step, and their numbers."""
    import jax

    from scripts import peers
    from scripts.benchmarks.sgld import arrays

    given = arrays()
    data = {"feature": given["feature"], "value": given["value"]}
    best = min((1, 2), key=lambda threads: _torch_cost(peers.training(given, BATCH, RATE, threads)))
    loop = peers.training(given, BATCH, RATE, best)
    kinds = {
        "ensemble": (_slt(data, ENSEMBLE), ENSEMBLE),
        "alone": (_slt(data, 1), 1),
        "torch": (loop, 1),
    }
    cost: dict[str, list[float]] = {kind: [] for kind in kinds}
    for kind, (run, _) in kinds.items():
        if kind != "torch":
            run(STEPS[kind])  # compiles
    for _ in range(PAIRS):
        for kind, (run, seeds) in kinds.items():
            cost[kind].append(timed(partial(run, STEPS[kind])) / (STEPS[kind] * seeds))
    torch = Pairs(cost["ensemble"], cost["torch"])
    alone = Pairs(cost["ensemble"], cost["alone"])
    flops, peak = _flops(data), _peak()
    far = spread([each * peak / flops for each in cost["ensemble"]])
    table = [
        torch.row(
            f"a seed-step of SGD, {ENSEMBLE} seeds; a PyTorch loop ({best} thread(s))", "60, better 100"
        ),
        alone.row("the same; our own program, one seed at a time"),
    ]
    rate = 1 / spread(cost["ensemble"])[1]
    numbers = {
        "torch": torch.numbers(),
        "one seed at a time": alone.numbers(),
        "seed_steps_per_second": rate,
        "flops_per_seed_step": flops,
        "peak_flops_per_second": peak,
        "times_the_lower_bound": far,
        "devices": jax.device_count(),
    }
    return table, numbers


def sentence(numbers: dict[str, Any]) -> str:
    """The lower bound, in words."""
    low, middle, high = numbers["times_the_lower_bound"]
    return (
        f"An ensemble makes {numbers['seed_steps_per_second']:,.0f} seed-steps a second. One is "
        f"{numbers['flops_per_seed_step']:,.0f} floating-point operations (XLA's count for the gradient of a batch "
        f"of {BATCH}) and a large float32 matrix product reaches {numbers['peak_flops_per_second'] / 1e9:.0f} "
        f"GFlop/s on this machine, all cores: by arithmetic alone it could be {middle:.0f} times faster "
        f"({low:.0f} to {high:.0f})."
    )


def _torch_cost(loop: Any) -> float:
    return timed(lambda: loop(500))


def _slt(data: dict[str, Any], seeds: int) -> Any:
    """A call that trains `seeds` for a number of steps."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from slt.models.superposition import Inputs, Superposition
    from slt.runtime.long_computation import drive
    from slt.training.optimizers import Sgd
    from slt.training.trainer import Trainer

    model = Superposition(features=6)
    sets = Inputs(*(jnp.asarray(np.asarray(leaf)[None]) for leaf in data.values()))

    def run(steps: int) -> Any:
        trainer = Trainer(
            seeds=seeds,
            steps=steps,
            checkpoints=2,
            batch_size=BATCH,
            n=N,
            spacing="linear",
            optimizer=Sgd(learning_rate=RATE),
        )
        return drive(trainer.stage(model, sets), jax.random.key(0))

    return run


def _flops(data: dict[str, Any]) -> float:
    """Floating-point operations of the gradient of one minibatch, by XLA's own count."""
    import jax
    import jax.numpy as jnp

    from slt.models.superposition import Inputs, Superposition

    model = Superposition(features=6)
    batch = Inputs(jnp.asarray(data["feature"][:BATCH]), jnp.asarray(data["value"][:BATCH], jnp.float32))
    w = {"W": jnp.ones((2, 6), jnp.float32), "b": jnp.zeros(6, jnp.float32)}
    gradient = jax.jit(jax.grad(lambda w: jnp.mean(model.losses(w, batch))))
    analysis: Any = gradient.lower(w).compile().cost_analysis()
    return float(analysis["flops"])


def _peak() -> float:
    """Operations per second of a float32 matrix product of side 3,000, the best of five."""
    import jax
    import jax.numpy as jnp

    side = 3000
    a = jnp.ones((side, side), jnp.float32)
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    return 2 * side**3 / min(timed(lambda: product(a).block_until_ready()) for _ in range(5))
