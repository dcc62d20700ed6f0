"""Learning coefficients of superposition's k-gons, and how the 4-family's depends on where one looks."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np

from scripts.result import Result, table
from slt.llc.problem import LLCProblem
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.models.base import Phase
from slt.models.superposition import Superposition
from slt.records.llc import LLCEstimate

PAPER = {"5": 0.85, "5+": 1.27, "6": 0.59}  # standard deviations of Chen et al. 2023, table of SGLD estimates
ESTIMATOR = Thermodynamic(particles=256, repeats=8, decades=8.0)
OTHERS = (5, 7)
FOUR = Thermodynamic(particles=256, repeats=8, decades=4.0, localization=1e4)


def study() -> Result:
    rows, numbers = [], {}
    for features, names in ((6, ("5", "5+", "6")), *((c, (str(c),)) for c in OTHERS)):
        for name in names:
            phase, estimate, seconds = _measure(features, name, ESTIMATOR)
            assert phase.llc is not None
            llc, error = float(estimate.llc[0]), float(estimate.error[0])
            paper = PAPER.get(name) if features == 6 else None
            rows.append(
                [
                    features,
                    name,
                    f"{phase.llc:g}",
                    f"{llc:.3f} ± {error:.3f}",
                    f"{llc / phase.llc - 1:+.1%}",
                    f"{estimate.multiplicity[0]}",
                    "" if paper is None else f"{paper} ({paper / error:.0f} ×)",
                    estimate.status[0],
                    f"{estimate.info['localization'][0]:g}",
                    f"{seconds:.0f}",
                ]
            )
            numbers[f"{features}: {name}"] = {
                "truth": phase.llc,
                "llc": llc,
                "error": error,
                "seconds": seconds,
            }
    header = ["c", "phase", "lambda", "estimate", "off", "m", "the paper's error", "status", "gamma", "s"]
    four, curves = _four()
    text = f"""# Learning coefficients of k-gons

The thermodynamic path on the population loss: {ESTIMATOR.repeats} repeats of {ESTIMATOR.particles} particles,
{ESTIMATOR.decades:g} decades beyond the onset, as far as its moves decorrelate. Beyond c = 6 the k = c phases should
have (3 c - 1) / 2. "the paper's error" is the standard deviation of Chen et al. 2023's SGLD estimate, and how many
times ours is smaller.

{table(header, rows)}

## The 4-family at c = 6

At the 4-gon the biases of the live columns are 0, where the loss has a gradient but no second derivative: it rises
with different curvatures to either side, so that no one Hessian gives lambda. The path needs none. nbeta E[K] from a
ball of radius 1 / 100 (gamma = 10,000), by decades of nbeta beyond the onset, with standard errors over repeats:

{four}
"""
    return Result(text, numbers | {"four": curves})


def _measure(features: int, name: str, estimator: Thermodynamic) -> tuple[Phase, LLCEstimate, float]:
    model = Superposition(features=features)
    phase = next(phase for phase in model.phases() if phase.name == name)
    point = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point)
    started = time.perf_counter()
    estimate = estimator(LLCProblem(model, point), jax.random.key(0))
    jax.clear_caches()
    return phase, estimate, time.perf_counter() - started


def _four() -> tuple[str, dict]:
    rows, numbers = [], {}
    decades = np.arange(0.5, 4.01, 0.5)
    for name in ("4", "4+", "4++"):
        _, estimate, _ = _measure(6, name, FOUR)
        seen = np.isfinite(estimate.nbeta[0])
        beyond = np.log10(estimate.nbeta[0, seen] / estimate.info["onset"][0])
        curves = estimate.curve["mean"][0][:, seen]
        at = np.array([np.interp(decades, beyond, curve) for curve in curves])
        at[:, decades > beyond[-1] + 0.1] = np.nan
        mean, error = at.mean(axis=0), at.std(axis=0, ddof=1) / len(at) ** 0.5
        cells = [f"{m:.2f} ± {e:.2f}" if np.isfinite(m) else "" for m, e in zip(mean, error, strict=True)]
        fitted = f"{estimate.llc[0]:.2f} ± {estimate.error[0]:.2f}"
        rows.append([name, *cells, fitted, estimate.status[0]])
        numbers[name] = {
            "decades": decades.tolist(),
            "mean": [float(m) if np.isfinite(m) else None for m in mean],
            "llc": float(estimate.llc[0]) if np.isfinite(estimate.llc[0]) else None,
        }
    return table(["phase", *(f"{d:g}" for d in decades), "lambda by the fit", "status"], rows), numbers
