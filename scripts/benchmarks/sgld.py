"""The learning coefficient of superposition's 6-gon by SGLD: ours beside devinterp's, at devinterp's settings.

As a program, one estimate in a process of its own: python -m scripts.benchmarks.sgld {ours|theirs|warm}. "warm" makes
ours twice.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from typing import Any

from scripts.benchmarks.timing import Pairs, Process, paired, process, spread, timed

N, CHAINS, BURN_IN, DRAWS, STEP_SIZE, LOCALIZATION = 1000, 10, 500, 1000, 5e-4, 1.0
CHECKPOINTS = 200
PROGRAM = (sys.executable, "-m", "scripts.benchmarks.sgld")


def ours(batch: int | None, checkpoints: int = 1) -> Any:
    """A call that makes the estimate at the 6-gon, or at the `checkpoints` of one seed of SGD, in one batch."""
    import jax
    import jax.numpy as jnp

    from slt.llc.problem import LLCProblem
    from slt.models.superposition import Superposition

    model = Superposition(features=6)
    data = model.sample(jax.random.key(0), N)
    if checkpoints == 1:
        phase = next(phase for phase in model.phases() if phase.name == "6")
        points = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point)
    else:
        points = _trajectory(model, data, checkpoints)
    sgld = estimator(batch)
    return lambda: sgld(LLCProblem(model, points, data), jax.random.key(1)).llc


def estimator(batch: int | None) -> Any:
    """Our SGLD at devinterp's settings."""
    from slt.llc.mcmc.sgld import SGLD

    return SGLD(
        chains=CHAINS,
        batch=batch,
        step_size=STEP_SIZE,
        localization=LOCALIZATION,
        burn_in=BURN_IN,
        draws=DRAWS,
        thin=1,
    )


def _trajectory(model: Any, data: Any, checkpoints: int) -> Any:
    import jax
    import jax.numpy as jnp

    from slt.runtime.long_computation import drive
    from slt.training.trainer import Trainer

    trainer = Trainer(seeds=1, steps=100_000, checkpoints=checkpoints, spacing="linear", n=N)
    path = drive(trainer.stage(model, jax.tree.map(lambda leaf: leaf[None], data)), jax.random.key(2))
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0], jnp.float64), path.params)


def arrays() -> dict[str, Any]:
    """The point and data of `ours`, for PyTorch."""
    import jax
    import numpy as np

    from slt.models.superposition import Superposition

    model = Superposition(features=6)
    phase = next(phase for phase in model.phases() if phase.name == "6")
    data = model.sample(jax.random.key(0), N)
    return {name: np.asarray(leaf) for name, leaf in (phase.point | data._asdict()).items()}


def theirs(given: dict[str, Any], batch: int | None, burn_in: int = BURN_IN, draws: int = DRAWS) -> Any:
    """A call that makes devinterp's estimate."""
    from scripts import peers

    return lambda: peers.sgld(
        given,
        batch or N,
        chains=CHAINS,
        burn_in=burn_in,
        draws=draws,
        step_size=STEP_SIZE,
        localization=LOCALIZATION,
    )


def rows() -> tuple[list[list[str]], dict[str, Any]]:
    """Rows of the table, and their numbers."""
    given, table, numbers = arrays(), [], {}
    theirs(given, 100, burn_in=1, draws=1)()  # imports
    for batch, pairs, bar in ((100, 3, "150"), (None, 1, "1000")):
        name = f"SGLD at the 6-gon, {f'batch {batch}' if batch else 'full batch'}"
        other = theirs(given, batch)
        if batch:
            one, alone = _warm(other, pairs), _warm(other, pairs, JAX_NUM_CPU_DEVICES="1")
            table += [one.row(f"{name}, warm", bar), alone.row("the same, all on one device", bar)]
            numbers["one device"] = alone.numbers()
        else:
            mine = ours(batch)
            mine()  # compiles
            one = paired(mine, other, pairs)
            table.append(one.row(f"{name}, warm", bar))
        many = ours(batch, CHECKPOINTS)
        many()
        each = Pairs([timed(many) / CHECKPOINTS for _ in range(pairs)], one.theirs)
        table.append(each.row(f"the same for {CHECKPOINTS} checkpoints in one batch, each", "no slower"))
        numbers[name] = {"warm": one.numbers(), "each of many": each.numbers()}
    table_cold, numbers["whole process, batch 100"] = _cold()
    return table + table_cold, numbers


def _warm(other: Any, pairs: int, **environment: str) -> Pairs:
    """Warm estimates with batches of 100 and `other`, in turn. Ours has a process of its own: in this one PyTorch's
    threads keep spinning for a while after their work."""
    both = Pairs([], [])
    for _ in range(pairs):
        both.ours.append(process([*PROGRAM, "warm"], **environment).reported["seconds"])
        both.theirs.append(timed(other))
    return both


def _cold() -> tuple[list[list[str]], dict[str, Any]]:
    """Whole processes: nothing compiled before, or all of it in the persistent cache."""
    table, numbers = [], {}
    for state in ("empty", "filled"):
        mine, others = [], []
        with tempfile.TemporaryDirectory() as cache:
            if state == "filled":
                _process("ours", cache)
            for _ in range(2):
                if state == "empty":
                    shutil.rmtree(cache)
                mine.append(_process("ours", cache))
                others.append(_process("theirs", cache))
        both = Pairs([p.seconds for p in mine], [p.seconds for p in others])
        imports = [spread([p.reported["imports"] for p in kind])[1] for kind in (mine, others)]
        name = f"the same, batch 100, as a whole process, compilation cache {state}"
        table.append(both.row(f"{name} (imports: {imports[0]:.1f} and {imports[1]:.1f} s)", "6"))
        numbers[state] = both.numbers() | {"imports": imports}
    return table, numbers


def _process(whose: str, cache: str) -> Process:
    return process([*PROGRAM, whose], XDG_CACHE_HOME=cache)


def main(whose: str) -> None:
    """One estimate, or the second of two; the last line says how long imports took, or the second, in seconds."""
    import numpy as np

    started = time.perf_counter()
    if whose != "theirs":
        import slt.llc.mcmc.sgld
        import slt.models.superposition

        slt.configure_jax()

        call = ours(100)
    else:
        import devinterp.slt.sampler  # noqa: F401
        import torch  # noqa: F401

        random = np.random.default_rng(0)
        angle = np.arange(6) * np.pi / 3
        call = theirs(
            {
                "W": 1.1 * np.stack([np.cos(angle), np.sin(angle)]),
                "b": np.full(6, -0.6),
                "feature": random.integers(6, size=N),
                "value": random.uniform(size=N),
            },
            100,
        )
    imports = time.perf_counter() - started
    call()
    print(json.dumps({"imports": imports} if whose != "warm" else {"seconds": timed(call)}))


if __name__ == "__main__":
    main(sys.argv[1])
