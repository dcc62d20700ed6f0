"""Do the stated 95 % intervals of the thermodynamic path contain lambda 95 times in 100?"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from scripts.results import Result, table
from slt.llc.base import Question
from slt.llc.thermodynamic import Thermodynamic
from slt.models.monomial import Monomial
from slt.models.quadratic import Quadratic
from slt.models.reduced_rank_regression import ReducedRankRegression

MODULES = (
    "slt.llc.thermodynamic",
    "slt.models.monomial",
    "slt.models.quadratic",
    "slt.models.reduced_rank_regression",
)
TIMES = 100
CASES = {
    "quadratic, d = 5": Quadratic(dimension=5, condition=10.0),
    "w1^2 w2^2, multiplicity 2": Monomial(exponents=((1, 1),)),
    "reduced rank regression 2, 2, 2; r = 0": ReducedRankRegression(inputs=2, hidden=2, outputs=2, rank=0),
}
ESTIMATOR = Thermodynamic(particles=128, repeats=8, decades=12.0)


def study() -> Result:
    rows, numbers = [], {}
    for name, model in CASES.items():
        phase = model.phases()[-1]
        assert phase.llc is not None
        points = jax.tree.map(lambda leaf: jnp.stack([leaf] * TIMES), phase.point)
        estimate = ESTIMATOR(Question(model, points), jax.random.key(0))
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

The thermodynamic path, {TIMES} times on each of three truth models with independent keys, all in one program for each
model: {ESTIMATOR.repeats} repeats of {ESTIMATOR.particles} particles, {ESTIMATOR.decades:g} decades beyond the onset.
Intervals: 95 %, from Student's quantile (7 degrees of freedom) for the scatter of repeats and the normal one for that
between fits.

{table(header, rows)}
"""
    return Result(text, numbers)
