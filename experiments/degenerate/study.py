"""Two wells of equal loss and different order: which one the posterior prefers, and on what scale of n."""

from __future__ import annotations

import numpy as np

from experiments.finding import Finding
from experiments.learners import as_data, picture, run_preset

CLAIM = "Of two wells of equal loss the more degenerate wins, its odds growing like n to the difference of lambda."
SOURCE = "Watanabe 2009, free energy formula"
CLOSE = 0.05  # the exponent is right where it is within this share of the difference of lambda


def study(reduced: bool = False) -> Finding:
    """Holds where the degenerate well leads in the end and the slope of its log odds in log n, over the last decade,
    is the difference of the two lambda to 5 %; mixed where it leads at another slope; else fails."""
    few = (
        "training.seeds=8",
        "training.checkpoints=20",
        "posterior.sample_sizes=[100,500,1000,10000,100000,1000000]",
    )
    seen = run_preset("experiment=degenerate", *(few if reduced else ()))
    regular, degenerate = (seen.names.index(name) for name in ("regular", "degenerate"))
    log_odds = np.log(seen.share[:, degenerate] / seen.share[:, regular])
    decade = np.interp(
        np.log([seen.sample_sizes[-1] / 10, seen.sample_sizes[-1]]), np.log(seen.sample_sizes), log_odds
    )
    exponent = float(np.diff(decade)[0] / np.log(10))
    lambdas = [row["llc"] for row in seen.summary["phases"]]
    expected = lambdas[regular] - lambdas[degenerate]
    leads = log_odds[-1] > 0
    verdict = "fails" if not leads else "holds" if abs(exponent / expected - 1) < CLOSE else "mixed"
    jump = seen.crossing("regular", "degenerate")
    place = "no crossing" if jump is None else f"shares equal at n = {jump['n']:,.0f}"
    stayed = int((seen.label[:, 0] == seen.label[:, -1]).sum())
    title = (
        "Degeneracy alone: at equal loss the flatter well wins, over decades of n; SGD stays where it starts"
    )
    return Finding(
        verdict=verdict,
        numbers=f"the odds grow like n^{exponent:.3f} (lambda differs by {expected:g}); {place}; "
        f"{stayed} of {len(seen.label)} seeds stay where they start",
        figure=picture(title, seen, -2, 4),
        data={**as_data(seen), "exponent": exponent, "expected exponent": expected},
    )
