"""Learning coefficients along training: 200 checkpoints of 16 seeds of superposition, timed."""

from __future__ import annotations

import time

import jax
import numpy as np

from scripts.result import Result, table
from slt.llc.mcmc.metropolis import Metropolis
from slt.llc.trajectory import AlongTraining, Part
from slt.models.superposition import Superposition
from slt.records.base import OK
from slt.runtime.long_computation import drive
from slt.training.trainer import Trainer

SEEDS, CHECKPOINTS, N, DATASETS = 16, 200, 1000, 4
ESTIMATOR = Metropolis(chains=2, precision=0.04, max_draws=4000)


def study() -> Result:
    model = Superposition(features=6)
    data = jax.vmap(lambda key: model.sample(key, N))(jax.random.split(jax.random.key(0), DATASETS))
    trainer = Trainer(
        seeds=SEEDS, steps=225_000, batch_size=20, n=N, checkpoints=CHECKPOINTS, spacing="linear"
    )
    trajectory = drive(trainer.stage(model, data), jax.random.key(1))
    started = time.perf_counter()
    stage = AlongTraining(ESTIMATOR, (Part(model),), trajectory, data, SEEDS, None)
    [(estimate, path)] = drive(stage, jax.random.key(2))
    seconds = time.perf_counter() - started
    points = path.llc.size
    sound = path.status == OK
    relative = estimate.error / np.abs(estimate.llc)
    numbers = {
        "points": int(points),
        "checkpoints": len(path.steps),
        "seconds": seconds,
        "median_relative_error": float(np.nanmedian(relative)),
        "draws": float(estimate.info["draws"][0]),
        "burn_in": [float(b) for b in np.unique(estimate.info["burn_in"])],
        "without_flags": int(sound.sum()),
        "localization": float(estimate.info["localization"][0]),
    }
    rows = [
        ["points", f"{SEEDS} seeds x {len(path.steps)} checkpoints = {points:,}"],
        ["seconds, compilation included", f"{seconds:.0f}"],
        [
            "chains, draws of each, burn-in",
            f"{ESTIMATOR.chains}, {numbers['draws']:.0f}, {numbers['burn_in']}",
        ],
        ["localization (chosen)", f"{numbers['localization']:g}"],
        ["median relative standard error", f"{numbers['median_relative_error']:.1%}"],
        [
            "its 5 % and 95 % quantiles",
            " to ".join(f"{q:.1%}" for q in np.nanquantile(relative, [0.05, 0.95])),
        ],
        ["median effective draws a point", f"{np.median(estimate.info['ess']):.0f}"],
        ["points without a flag", f"{sound.sum():,} ({sound.mean():.0%})"],
        ["median estimate at the end, without flags", f"{np.median(path.llc[:, -1][sound[:, -1]]):.2f}"],
    ]
    text = f"""# Learning coefficients along training

Superposition at c = 6: MALA at every checkpoint, on each seed's own data (n = {N:,}) at n beta = n / log n, on two
cores.

{table(["", ""], rows)}
"""
    return Result(text, numbers)
