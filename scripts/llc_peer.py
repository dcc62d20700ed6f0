"""Our SGLD beside devinterp's (PyTorch) at the same point, data and settings.

Needs the extra: pip install -e .[peers]
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from scripts.benchmarks import sgld
from scripts.benchmarks.sgld import BURN_IN, CHAINS, DRAWS, LOCALIZATION, STEP_SIZE, N
from scripts.result import Result, table
from slt.llc.mcmc.sgld import SGLD
from slt.llc.problem import LLCProblem
from slt.models.superposition import Superposition


def study() -> Result:
    model = Superposition(features=6)
    phase = next(phase for phase in model.phases() if phase.name == "6")
    data = model.sample(jax.random.key(0), N)
    problem = LLCProblem(model, jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], phase.point), data)
    rows, numbers = [], {}
    for batch in (100, None):
        estimate = sgld.estimator(batch)(problem, jax.random.key(1))
        ours = estimate.curve["mean"][0].mean(axis=-1)  # (chain,)
        theirs = sgld.theirs(sgld.arrays(), batch)()
        gap = ours.mean() - theirs.mean()
        errors = [chains.std(ddof=1) / len(chains) ** 0.5 for chains in (ours, theirs)]
        combined = float(np.hypot(*errors))
        rows.append(
            [
                batch or f"{N} (all)",
                f"{ours.mean():.2f} ± {errors[0]:.2f}",
                f"{theirs.mean():.2f} ± {errors[1]:.2f}",
                f"{gap / combined:+.1f}",
                f"{ours.std(ddof=1):.2f}, {theirs.std(ddof=1):.2f}",
            ]
        )
        numbers[str(batch or N)] = {
            "ours": ours.tolist(),
            "devinterp": theirs.tolist(),
            "gap_in_combined_errors": float(gap / combined),
        }
    header = [
        "batch",
        "slt",
        "devinterp 1.3.2",
        "gap / combined error",
        "scatter of chains",
    ]
    text = f"""# SGLD beside devinterp

Superposition's 6-gon at c = 6, n = {N}: {CHAINS} chains of {BURN_IN} burn-in steps and {DRAWS} draws, step size
{STEP_SIZE:g}, localization {LOCALIZATION:g}, n beta = n / log n; positions are float64 here, float32 there. The
estimate is the mean over chains and its standard error; chains have independent keys on both sides. Here the loss at
the point is exact and every draw's loss is the full one; devinterp takes the losses of minibatches, and of one
minibatch for the point, an error that all its chains share and that is not in its bars.

{table(header, rows)}

Self-calibrated at the same n beta, our estimate is {_calibrated(problem)}.
"""
    return Result(text, numbers)


def _calibrated(problem: LLCProblem) -> str:
    estimate = SGLD()(problem, jax.random.key(2))
    chosen = (
        f"step size {estimate.info['step_size'][0]:.2g}, localization {estimate.info['localization'][0]:g}"
    )
    draws = estimate.info["draws"][0]
    return f"{estimate.llc[0]:.2f} ± {estimate.error[0]:.2f} ({chosen}, {draws:.0f} draws a chain)"
