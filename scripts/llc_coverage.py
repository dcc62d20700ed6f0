"""Do the stated 95 % intervals of the thermodynamic path contain lambda 95 times in 100?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from scripts.result import Result, table
from slt.llc.problem import LLCProblem
from slt.llc.smc.thermodynamic import Thermodynamic
from slt.models.monomial import Monomial
from slt.models.quadratic import Quadratic
from slt.models.reduced_rank_regression import ReducedRankRegression

TIMES = 100
BLIND = ("w1^2 + w2^4", "reduced rank regression 1, 3, 1; r = 0")
CASES = {
    "quadratic, d = 5": Quadratic(dimension=5, condition=10.0),
    "w1^2 w2^2, multiplicity 2": Monomial(exponents=((1, 1),)),
    "reduced rank regression 2, 2, 2; r = 0": ReducedRankRegression(inputs=2, hidden=2, outputs=2, rank=0),
    BLIND[0]: Monomial(exponents=((1, 0), (0, 2))),
    BLIND[1]: ReducedRankRegression(inputs=1, hidden=3, outputs=1, rank=0),
}
ESTIMATOR = Thermodynamic(particles=128, repeats=8, decades=12.0)


def study() -> Result:
    rows, numbers = [], {}
    for name, model in CASES.items():
        phase = model.phases()[-1]
        assert phase.llc is not None
        points = jax.tree.map(lambda leaf: jnp.stack([leaf] * TIMES), phase.point)
        estimate = ESTIMATOR(LLCProblem(model, points), jax.random.key(0))
        inside = (estimate.low <= phase.llc) & (phase.llc <= estimate.high)
        right = float(np.mean(estimate.multiplicity == phase.multiplicity))
        width = float(np.mean(estimate.high - estimate.low))
        bias = float(np.mean(estimate.llc) - phase.llc)
        scatter = float(np.std(estimate.llc, ddof=1))
        rows.append(
            [
                name,
                f"{phase.llc:g}",
                f"{inside.sum()} of {TIMES}",
                f"{width:.4f} ({width / phase.llc:.1%})",
                f"{bias:+.4f} ± {scatter / TIMES**0.5:.4f}",
                f"{scatter:.4f}",
                f"{np.mean(estimate.error):.4f}",
                f"{right:.0%}",
            ]
        )
        numbers[name] = {
            "truth": phase.llc,
            "inside": int(inside.sum()),
            "of": TIMES,
            "mean_width": width,
            "bias": bias,
            "scatter": scatter,
            "mean_error": float(np.mean(estimate.error)),
            "multiplicity_right": right,
            "llc": estimate.llc.tolist(),
        }
    header = [
        "model",
        "lambda",
        "95 % interval holds it",
        "mean width",
        "bias",
        "scatter",
        "mean stated error",
        "m right",
    ]
    text = f"""# Coverage: do the stated intervals hold?

The thermodynamic path, {TIMES} times on each of five truth models, with independent keys, in one program for each:
{ESTIMATOR.repeats} repeats of {ESTIMATOR.particles} particles, {ESTIMATOR.decades:g} decades beyond the onset.
Intervals are the central 95 % of the mixture of all fits, each as wide as its jackknife error over repeats. That form
was chosen with the first three models in sight, among four; {" and ".join(BLIND)} were added afterwards.

{table(header, rows)}
"""
    return Result(text, numbers)
