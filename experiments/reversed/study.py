"""The posterior goes from the flat well to the sharp one, SGD from the sharp one to the flat one."""

from __future__ import annotations

from experiments.finding import Finding, verdict_of
from experiments.learners import as_data, picture, run_preset

CLAIM = (
    "SGD can make a jump of the posterior the other way round, leaving the better well for the flatter one."
)
SOURCE = "crafted here; that a step above 2 / curvature cannot stay: Wu, Ma and E 2018 (NeurIPS 31)"


def study(reduced: bool = False) -> Finding:
    """Holds where the comparer finds sharp -> flat to be SGD's alone and flat -> sharp the posterior's alone; mixed
    where it finds one of them; else fails."""
    few = (
        "training.seeds=48",
        "training.steps=200",
        "training.checkpoints=20",
        "posterior.sample_sizes=[1,100,250,350,1000]",
    )
    seen = run_preset("experiment=reversed", *(few if reduced else ()))
    judged = (
        seen.verdict("sharp", "flat") == "dynamical only",
        seen.verdict("flat", "sharp") == "bayesian only",
    )
    jump = seen.crossing("flat", "sharp")
    place = (
        "no crossing" if jump is None else f"the posterior goes from flat to sharp at n = {jump['n']:,.0f}"
    )
    went = seen.passages("sharp", "flat")
    return Finding(
        verdict=verdict_of(judged),
        numbers=f"{went} of {len(seen.label)} seeds go from sharp to flat; {place}",
        figure=picture(
            "Reversed: SGD leaves the sharp well for the flat one, the posterior goes back", seen, -2.5, 2.5
        ),
        data=as_data(seen),
    )
