"""Learning coefficients of medium networks: cost and stability of `llc=minibatch` from 1e3 to 1e6 parameters."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from scripts.result import Result, table
from slt.llc.mcmc.minibatch import Calibrated, Minibatch
from slt.llc.problem import LLCProblem
from slt.models.deep_linear import DeepLinear

WIDTHS = (18, 58, 183, 577)  # of four layers: 1e3, 1e4, 1e5, 1e6 parameters in three matrices
KEYS = 3
ESTIMATOR = Minibatch(
    chains=2, batch=64, nbeta=1000.0, control_variate_size=65_536, burn_in=150, draws=350, traces=0
)


def study() -> Result:
    rows = [_measured(width) for width in WIDTHS]
    header = ["parameters", "λ, by theory", "λ̂ (three keys)", "λ at γ", "λ̂ / λ at γ", "λ̂ / λ"]
    header += ["γ / nbeta", "step size", "seconds a point", "to calibrate", "status"]
    text = f"""# Learning coefficients of medium networks

Deep linear networks of three square matrices, at the truth: the teacher has a quarter of the full rank, with
singular values from 2 to 1, and the point is balanced. `llc=minibatch` on the population loss, with one protocol for
all sizes: {ESTIMATOR.chains} chains, batches of {ESTIMATOR.batch}, {ESTIMATOR.burn_in} steps of burn-in and
{ESTIMATOR.draws} draws, nbeta = {ESTIMATOR.nbeta:,.0f}; step size and localization are the calibration's own.

λ by theory is that of the network without a localization (Aoyagi 2024). With one, and to second order in the offset,
a direction of curvature h counts h nbeta / (2 (h nbeta + γ)); the curvatures are known (h of entry i, j of the
product is the sum over layers of the squared gains of the other layers). That sum is "λ at γ": what the chains should
find. How far it lies from λ is the bias of a localization that is weak enough to be explored in so few steps.

{table(header, [row["cells"] for row in rows])}
"""
    return Result(text, {"widths": list(WIDTHS), "rows": [row["numbers"] for row in rows]})


def _measured(width: int) -> dict[str, Any]:
    model = DeepLinear(widths=(width,) * 4, singular_values=tuple(np.linspace(2, 1, width // 4).tolist()))
    phase = model.phases()[-1]
    assert phase.llc is not None
    points = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point)
    problem = LLCProblem(model, points)
    started = time.perf_counter()
    calibrated = ESTIMATOR.calibrate(problem, jax.random.key(0))
    assert isinstance(calibrated, Calibrated)
    calibrating = time.perf_counter() - started
    calibrated(problem, jax.random.key(1))  # compiles what calibration did not
    started = time.perf_counter()
    found = [calibrated(problem, jax.random.key(2 + i)) for i in range(KEYS)]
    seconds = (time.perf_counter() - started) / KEYS
    llc, error = (np.array([getattr(one, name)[0] for one in found]) for name in ("llc", "error"))
    chosen = calibrated.calibration.taken
    localized = _localized(phase.point, model.layers(), chosen.localization)
    numbers = {
        "parameters": 3 * width**2,
        "truth": phase.llc,
        "localized": localized,
        "llc": llc.tolist(),
        "error": error.tolist(),
        "localization": chosen.localization,
        "gammas": [trial.localization for trial in calibrated.calibration.trials],
        "tried": np.stack([trial.llc for trial in calibrated.calibration.trials], axis=1).tolist(),
        "step_size": chosen.step_size,
        "seconds": seconds,
        "calibration_seconds": calibrating,
        "status": [str(one.status[0]) for one in found],
    }
    cells = [
        f"{numbers['parameters']:,}",
        f"{phase.llc:,.1f}",
        ", ".join(f"{value:,.1f}" for value in llc),
        f"{localized:,.1f}",
        f"{llc.mean() / localized:.3f} ± {llc.std(ddof=1) / localized:.3f}",
        f"{llc.mean() / phase.llc:.3f}",
        f"{chosen.localization / ESTIMATOR.nbeta:.2g}",  # type: ignore[operator]
        f"{chosen.step_size:.2g}",
        f"{seconds:.1f}",
        f"{calibrating:.0f}",
        ", ".join(sorted(set(numbers["status"]))),
    ]
    return {"cells": cells, "numbers": numbers}


def _localized(point: Any, layers: tuple[str, ...], gamma: float) -> float:
    """E[nbeta K] to second order in the offset, of diagonal layers, the first of which takes the input."""
    passed = [np.diag(np.asarray(point[name])) ** 2 for name in layers]
    curvature = np.zeros((len(passed[0]),) * 2)
    for i in range(len(passed)):
        above, below = (np.prod(part, axis=0) for part in (passed[i + 1 :], passed[:i]))
        curvature += np.outer(above * np.ones(len(curvature)), below * np.ones(len(curvature)))
    nbeta = ESTIMATOR.nbeta
    assert nbeta is not None
    return float(np.sum(curvature * nbeta / (curvature * nbeta + gamma)) / 2)
